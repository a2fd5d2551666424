// The Error of a check that failed, from the text that says where the check stands. Refuses to make up a place where there is none.
#pragma once

#include <string>

namespace tenon {

// place: file:line:column, as to_string(Location) writes it, or nothing.
[[noreturn]] void fail_check(const std::string& message, const std::string& place);

}  // namespace tenon
