// Which build of Tenon this is: part of every cache key, so that an entry never outlives a change of the compiler.
#pragma once

#include <string>

namespace tenon::runtime {

// The linker's build id of the shared library or program that holds Tenon, in hex; its path and time stamp without one.
const std::string& build_identity();

}  // namespace tenon::runtime
