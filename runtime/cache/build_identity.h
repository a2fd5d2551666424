// Which build of Tenon this is: part of every cache key, so that an entry never outlives a change of the compiler.
#pragma once

#include <string>

namespace tenon::runtime {

// The linker's build id of the shared library or program that holds this address, in hex; its path, time stamp and size without
// one.
std::string module_identity(const void* address);
std::string module_path(const void* address);  // where it was loaded from
// That of Tenon.
const std::string& build_identity();

}  // namespace tenon::runtime
