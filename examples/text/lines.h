// Lines of a file.
#pragma once

#include <string>
#include <vector>

namespace tenon::examples {

// Empty ones included. Error where the file cannot be read.
std::vector<std::string> read_lines(const std::string& path);

}  // namespace tenon::examples
