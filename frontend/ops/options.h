// What functions of tensors are told beside their operands. Aggregates, written with designated initialisers; the fields bear
// PyTorch's names and stand in PyTorch's order. Included before Tensor is complete, for its methods take them: refuses members that
// are tensors (a Mask holds one from afar).
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tenon/frontend/ops/shape_options.h"
#include "tenon/frontend/ops/window_options.h"
#include "tenon/ir/base/dtype.h"

namespace tenon {

class Tensor;
struct Cell;
using TensorPair = std::pair<Tensor, Tensor>;

// Axes as an argument of their own: 1, {0, 2}, or a vector. In braces with names they belong to the options: {.axes = {0, 2}}.
class Axes {
 public:
  template <std::integral... T>
    requires(sizeof...(T) > 0)
  Axes(T... axes) : list_{static_cast<int64_t>(axes)...} {}  // NOLINT
  template <std::same_as<std::vector<int64_t>> V>
  Axes(const V& axes) : list_(axes) {}  // NOLINT
  const std::vector<int64_t>& list() const { return list_; }

 private:
  std::vector<int64_t> list_;
};

// Which elements take part: a bool tensor that stretches to the operand's shape, or nothing, and all do.
class Mask {
 public:
  Mask() = default;
  Mask(const Tensor& mask);  // NOLINT
  explicit operator bool() const { return cell_ != nullptr; }
  Tensor tensor() const;

 private:
  std::shared_ptr<Cell> cell_;
};

using Weights = Mask;  // numbers, held as a mask is

struct Reduce {
  std::vector<int64_t> axes = {};  // none: all of them
  bool keepdims = false;
  std::optional<DType> dtype = {};  // what is read is converted to it first
  Mask where = {};  // elements that do not take part count as the reduction's identity
  double correction = 0;  // var and std divide by n - correction
};

// ---- elementwise functions. Where a tensor shall be the parameter, it stands as an operand of its own.
struct Alpha {
  double alpha = 1;
};
struct Weighted {
  double value = 1;
};
struct Division {
  std::string rounding_mode = {};  // "floor" or "trunc"; none: the quotient, of integers in the default dtype
  std::string rounding = {};  // the same
};
struct Bounds {
  std::optional<double> min = {}, max = {};
};
struct Closeness {
  double rtol = 1e-5, atol = 1e-8;
  bool equal_nan = false;
};
struct Slope {
  double negative_slope = 0.01;
};
struct Gelu {
  std::string approximate = "none";  // or "tanh"
  bool tanh = false;
};
struct Softplus {
  double beta = 1, threshold = 20;  // beyond the threshold beta x counts as its own softplus
};

// ---- products
struct AddedTo {
  double beta = 1, alpha = 1;  // beta x + alpha times the product; with beta 0 x does not count, be it NaN
};

// ---- differences
struct Differences {
  double spacing = 1;  // of neighbours
  std::vector<int64_t> axes = {};  // none: all of them
  int64_t edge_order = 1;  // of the difference at the two ends, 1 or 2
};

// ---- indexing
struct ScatterReduce {
  bool include_self = true;  // else what x has where something is written does not count
};
struct IndexAdd {
  double alpha = 1;  // src is multiplied by it
};
struct Embedding {
  int64_t padding = INT64_MIN,
          padding_idx = INT64_MIN;  // two names of the row that has no derivative; none unless given
};

}  // namespace tenon

#include "tenon/frontend/ops/order_options.h"
