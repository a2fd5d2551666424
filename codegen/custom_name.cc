// Which names custom calls may have: those that no linker would bind to somebody else's function.
#include <dlfcn.h>

#include <algorithm>

#include "tenon/codegen/codegen.h"

namespace tenon::codegen {

// The linker would bind the C library's function before it asks for the caller's.
bool in_c_library(const std::string& name) {
  for (const char* library : {"libc.so.6", "libm.so.6"})
    if (void* handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD)) {
      const bool found = dlsym(handle, name.c_str()) != nullptr;
      dlclose(handle);
      if (found) return true;
    }
  return false;
}

std::string custom_name_fault(const std::string& name) {
  const bool identifier =
      !name.empty() && name.size() <= 255 && !(name[0] >= '0' && name[0] <= '9') &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      });
  if (!identifier) return "is not a C identifier of at most 255 characters";
  if (name.rfind("__", 0) == 0 || name.rfind("tenon_", 0) == 0 || name == "main" || name == "_start")
    return "is reserved";
  if (name == "memcpy" || name == "memset" || in_c_library(name)) return "is a function of the C library";
  return {};
}

}  // namespace tenon::codegen
