// Saved objects on AArch64: linked by a cross compiler with the small runtime, run under qemu.
#pragma once

#include <string>
#include <vector>

#include "tenon/tests/shipped.h"

namespace tenon::testing {

// What must be installed first, in words; empty when all is there.
std::string missing_for_aarch64();
// Compiles driver.c of the folder with the objects, all in the folder, and runs it there.
Ran run_on_aarch64(const std::string& folder, const std::string& driver, const std::vector<std::string>& objects);

}  // namespace tenon::testing
