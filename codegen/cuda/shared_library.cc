// Loading by dlopen. A library that is not there has no functions, and says only why it is not there.
#include "tenon/codegen/cuda/shared_library.h"

#include <dlfcn.h>
#include <link.h>

namespace tenon::codegen {

SharedLibrary::SharedLibrary(std::span<const std::string> names) {
  for (const std::string& name : names) {
    handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) continue;
    link_map* map = nullptr;
    const bool known = dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map->l_name != nullptr && *map->l_name != '\0';
    path = known ? map->l_name : name;
    return;
  }
  const char* const said = dlerror();
  problem = said != nullptr ? said : "it cannot be loaded";
}

void* SharedLibrary::symbol(const char* name) {
  void* const found = handle == nullptr ? nullptr : dlsym(handle, name);
  if (found == nullptr && problem.empty()) problem = std::string("it lacks ") + name;
  return found;
}

}  // namespace tenon::codegen
