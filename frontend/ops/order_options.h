// What functions of order, running reductions and counts are told beside their operands (frontend/ops/options.h says how such lists
// are written).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tenon/frontend/ops/options.h"
#include "tenon/ir/base/dtype.h"

namespace tenon {

struct Cumulative {
  int64_t axis = -1;
  bool reverse = false;  // from the last element on
  std::optional<DType> dtype = {};  // what is read is converted to it first
};

struct Order {
  int64_t axis = -1;
  bool descending = false;
  bool stable = true;  // equal elements keep their order; also where nobody asks for it
};

struct TopK {
  bool largest = true;
  bool sorted = true;  // also where nobody asks for it
};

struct Quantile {
  std::vector<int64_t> axes = {};  // none: all of them
  bool keepdims = false;
  std::string interpolation = "linear";  // lower, higher, midpoint, nearest
};

struct Search {
  bool right = false;  // behind what is equal, not before
  std::string side = {};  // "left" or "right": the same in words
};
struct Bucketize {
  bool right = false;
};
struct IsIn {
  bool assume_unique = false;  // makes no difference
  bool invert = false;
};

struct Histogram {
  std::pair<double, double> range = {0, 0};  // from the least to the greatest element where its ends are equal
  bool density = false;  // counts are scaled so that the area below them is 1
};
struct Bincount {
  Weights weights = {};  // one for each element, which counts for so much
  int64_t minlength = 0;
};
struct NonZero {
  Extent size;
  int64_t fill = 0;
};
struct Unique {
  int64_t size = -1;  // -1: as many as there are, eagerly
  std::optional<double> fill = {};  // what is left over; the least element unless given
};

struct Covariance {
  double correction = 1;  // products are divided by n - correction
};

}  // namespace tenon
