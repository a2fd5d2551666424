// What functions of shapes are told beside their operands: diagonals, modes of padding. Included by frontend/ops/options.h.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/extents.h"

namespace tenon {

struct Diagonal {
  int64_t offset = 0, dim1 = 0, dim2 = 1;
};

using Widths = std::vector<std::pair<Extent, Extent>>;  // (low, high) per axis
enum class Pad : uint8_t { constant, reflect, replicate, circular };
// By PyTorch's names, and NumPy's: "constant", "reflect", "replicate" or "edge", "circular" or "wrap".
struct PadMode {
  Pad mode = Pad::constant;
  bool known = true;
  PadMode(Pad pad = Pad::constant) : mode(pad) {}  // NOLINT
  PadMode(const char* name);  // NOLINT
  PadMode(const std::string& name) : PadMode(name.c_str()) {}  // NOLINT
};
struct Padding {
  PadMode mode = Pad::constant;
  double value = 0;
};

}  // namespace tenon
