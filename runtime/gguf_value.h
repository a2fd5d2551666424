// A value among the metadata of a GGUF file.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace tenon {

// Integers of every width are int64_t, uint64_t only what is 2^63 or more; floats of both widths are double. Arrays likewise.
using GgufValue = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>, std::vector<double>,
                               std::vector<bool>, std::vector<std::string>, uint64_t, std::vector<uint64_t>>;

}  // namespace tenon
