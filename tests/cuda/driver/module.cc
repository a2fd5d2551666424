// The size of an image is found as the loader of an object would find it: where the section headers end. Behind stands the trailer.
#include "tenon/tests/cuda/driver/module.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace simulated {
namespace {

#if defined(__x86_64__)
constexpr int machine = EM_X86_64;
#else
constexpr int machine = EM_AARCH64;
#endif

// Null when the image is none of ours, or not as it was made.
const Trailer* trailer_of(const char* image) {
  if (std::memcmp(image, ELFMAG, SELFMAG) != 0) return nullptr;
  Elf64_Ehdr head;
  std::memcpy(&head, image, sizeof head);
  if (head.e_machine != machine || head.e_type != ET_DYN) return nullptr;
  const size_t bytes = head.e_shoff + size_t{head.e_shnum} * head.e_shentsize;
  static thread_local Trailer trailer;
  std::memcpy(&trailer, image + bytes, sizeof trailer);
  if (std::memcmp(trailer.magic, "simulated cubin", sizeof trailer.magic) != 0) return nullptr;
  return trailer.bytes == bytes && trailer.digest == digest_of(image, bytes) ? &trailer : nullptr;
}

// The rule for cubins: the same major version, no later minor; variants with a letter serve their own version only.
bool serves(const std::string& architecture, int sm) {
  const int made_for = std::atoi(architecture.c_str());
  if (architecture.back() == 'a') return made_for == sm;
  return made_for / 10 == sm / 10 && made_for % 10 <= sm % 10;
}

// The loader takes files of one name for one library, so each gets a name of its own: bits of a number as slashes.
std::string name_of_file(int file) {
  static unsigned next = 0;
  std::string name = "/proc/self/fd/";
  for (unsigned n = next++; n != 0; n /= 2) name += n % 2 ? ".//" : "./";
  return name + std::to_string(file);
}

}  // namespace

Loaded::~Loaded() {
#ifndef __SANITIZE_ADDRESS__  // which would go on naming the variables of what is gone
  if (library) dlclose(library);
#endif
}

int load(Context& context, const void* image, std::shared_ptr<Loaded>& loaded) {
  const Trailer* trailer = trailer_of(static_cast<const char*>(image));
  if (!trailer) return invalid_image;
  if (!serves(trailer->architecture, word("sm", 90))) return no_binary;
  const int file = memfd_create("simulated_module", MFD_CLOEXEC);
  if (file < 0) return out_of_memory;
  const char* at = static_cast<const char*>(image);
  for (size_t left = trailer->bytes; left != 0;) {
    const ssize_t n = write(file, at, left);
    if (n <= 0) return close(file), out_of_memory;
    at += n, left -= static_cast<size_t>(n);
  }
  // Objects bring no library; who loaded us may have the mathematical one for itself only.
  [[maybe_unused]] static void* const mathematics = dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL);
  auto made = std::make_shared<Loaded>();
  made->context = &context;
  made->library = dlopen(name_of_file(file).c_str(), RTLD_NOW | RTLD_LOCAL);
#ifndef __SANITIZE_ADDRESS__  // which reads it for its report; elsewhere there may be more modules than one may have files open
  close(file);
#endif
  if (!made->library) {
    state().last_fault = std::string("an image cannot be loaded: ") + dlerror();
    return invalid_image;
  }
  made->module = static_cast<const Module*>(dlsym(made->library, "simulated_module"));
  if (!made->module || made->module->version != module_version || made->module->bytes_of_services != sizeof(Services))
    return invalid_image;
  loaded = std::move(made);
  return success;
}

const Kernel* kernel_named(const Loaded& loaded, const std::string& name) {
  for (const Kernel* const* k = loaded.module->kernels_begin; k != loaded.module->kernels_end; ++k)
    if (name == (*k)->name) return *k;
  return nullptr;
}

int prepare_launch(const Function& function, const Shape& shape, void** arguments, Launch& launch) {
  const Kernel& k = *function.kernel;
  const Index g = shape.grid, b = shape.block;
  if (g.x < 1 || g.y < 1 || g.z < 1 || g.x > 0x7fffffffu || g.y > 65535 || g.z > 65535) return invalid_value;
  if (b.x < 1 || b.y < 1 || b.z < 1 || b.x > 1024 || b.y > 1024 || b.z > 64) return invalid_value;
  const unsigned threads = b.x * b.y * b.z;
  if (threads > most_threads) return invalid_value;
  if (k.most_threads != 0 && threads > k.most_threads) return out_of_resources;
  if (shape.shared_bytes > static_cast<unsigned>(function.most_shared)) return invalid_value;
  if (k.parameter_count > 0 && !arguments) return invalid_value;
  launch.module = function.module.lock()->module;
  launch.kernel = &k;
  launch.grid = g;
  launch.block = b;
  launch.shared_bytes = shape.shared_bytes;
  launch.arguments.clear();
  for (int i = 0; i < k.parameter_count; ++i) {
    const size_t bytes = k.parameters[i].size;
    std::vector<uint64_t> copy((bytes + 7) / 8 + 1);
    std::memcpy(copy.data(), arguments[i], bytes);
    launch.arguments.push_back(std::move(copy));
  }
  return success;
}

std::function<Outcome()> launching(std::shared_ptr<Loaded> module, Launch launch) {
  return [module = std::move(module), launch = std::move(launch)] {
    ++state().kernels_run;
    return run(launch, manner());
  };
}

}  // namespace simulated
