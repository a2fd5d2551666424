// The C header that is saved beside a compiled program, and the words that no name in it may be. Internal to the frontend.
#pragma once

#include <string>
#include <vector>

#include "tenon/runtime/artifact.h"

namespace tenon::aot {

// names: where each input stands among the arguments.
std::string header(const runtime::Manifest& m, const std::vector<std::string>& names);
bool is_keyword(const std::string& word);  // of C or C++

}  // namespace tenon::aot
