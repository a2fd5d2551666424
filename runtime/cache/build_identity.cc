// Reads the build id note of the loaded module that contains an address.
#include "tenon/runtime/cache/build_identity.h"

#include <elf.h>
#include <link.h>
#include <sys/stat.h>

#include <cstring>

#include "tenon/ir/base/undisturbed.h"

namespace tenon::runtime {
namespace {

struct Search {
  uintptr_t address;
  std::string id, path;
};

int visit(dl_phdr_info* module, size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  bool here = false;
  for (int i = 0; i < module->dlpi_phnum; ++i) {
    const auto& p = module->dlpi_phdr[i];
    const uintptr_t start = module->dlpi_addr + p.p_vaddr;
    here = here || (p.p_type == PT_LOAD && search.address >= start && search.address < start + p.p_memsz);
  }
  if (!here) return 0;
  search.path = module->dlpi_name && *module->dlpi_name ? module->dlpi_name : "/proc/self/exe";
  for (int i = 0; i < module->dlpi_phnum; ++i) {
    const auto& p = module->dlpi_phdr[i];
    if (p.p_type != PT_NOTE) continue;
    const char* at = reinterpret_cast<const char*>(module->dlpi_addr + p.p_vaddr);
    const char* end = at + p.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      const char* name = at + sizeof note;
      const char* bytes = name + ((note.n_namesz + 3) & ~3u);
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
        static constexpr char digits[] = "0123456789abcdef";
        for (uint32_t b = 0; b < note.n_descsz; ++b) {
          search.id += digits[(bytes[b] >> 4) & 15];
          search.id += digits[bytes[b] & 15];
        }
      }
      at = bytes + ((note.n_descsz + 3) & ~3u);
    }
  }
  return 1;
}

}  // namespace

std::string module_identity(const void* address) {
  Search search{reinterpret_cast<uintptr_t>(address), "", ""};
  dl_iterate_phdr(visit, &search);
  if (!search.id.empty()) return search.id;
  struct stat s{};
  stat(search.path.c_str(), &s);
  return search.path + ":" + std::to_string(s.st_mtim.tv_sec) + ":" + std::to_string(s.st_mtim.tv_nsec) + ":" +
         std::to_string(s.st_size);
}

std::string module_path(const void* address) {
  Search search{reinterpret_cast<uintptr_t>(address), "", ""};
  dl_iterate_phdr(visit, &search);
  return search.path;
}

const std::string& build_identity() {
  static constinit Forever<const std::string> identity;
  return identity.get([] { return new std::string(module_identity(reinterpret_cast<const void*>(&build_identity))); });
}

}  // namespace tenon::runtime
