// Functions that read and write where integers and masks say. Names and the order of arguments are PyTorch's, NumPy's where PyTorch has
// none. Indices are integers: reading clamps them into the axis, writing drops what lies outside, in ascending order; where NumPy counts
// negative ones from the end, so do take_along_axis, put_along_axis, index_put and x[...] (docs/numbers.md). Every function gives a new
// tensor of x's dtype. Refuses positions that are no integers, masks that are no bools, and axes that x lacks.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// ---- along one axis, an index for each element: i has x's rank, and along other axes at most its extents; src at least those of i
Tensor gather(Operand x, int64_t axis, Operand i);  // [i.shape]: x[.., i[.., j, ..], ..]
Tensor scatter(Operand x, int64_t axis, Operand i, Operand src);  // the last of several wins; src may be a number
Tensor scatter_add(Operand x, int64_t axis, Operand i, const Tensor& src);
struct ScatterReduce {
  bool include_self = true;  // else what x has where something is written does not count
};
// "sum", "prod", "mean", "amax", "amin". Halves compute in f32 and round once.
Tensor scatter_reduce(Operand x, int64_t axis, Operand i, Operand src, const std::string& reduce, ScatterReduce o = {});
// Other axes broadcast. Without an axis, x and i are flat.
Tensor take_along_axis(Operand x, Operand i, int64_t axis);
Tensor take_along_axis(Operand x, Operand i);
Tensor take_along_dim(Operand x, Operand i, int64_t axis);
Tensor take_along_dim(Operand x, Operand i);
Tensor put_along_axis(Operand x, Operand i, Operand values, int64_t axis);

// ---- along one axis, whole rows: i is a vector or a number, src has x's shape with that axis as long as i
Tensor index_select(Operand x, int64_t axis, Operand i);
struct IndexAdd {
  double alpha = 1;  // src is multiplied by it
};
Tensor index_add(Operand x, int64_t axis, Operand i, Operand src, IndexAdd o = {});
Tensor index_copy(Operand x, int64_t axis, Operand i, Operand src);
Tensor index_fill(Operand x, int64_t axis, Operand i, Operand value);
Tensor index_reduce(Operand x, int64_t axis, Operand i, Operand src, const std::string& reduce, ScatterReduce o = {});
struct Embedding {
  int64_t padding = INT64_MIN,
          padding_idx = INT64_MIN;  // this row of the weight has no derivative; negative: from the end
};
Tensor embedding(Operand indices, Operand weight, Embedding o = {});  // [indices.shape, width]
Tensor embedding(Operand indices, Operand weight, int64_t padding_idx);

// ---- several index tensors, one for each of the leading axes, as x[{i...}] reads; v broadcasts to what that gives
Tensor index_put(Operand x, const std::vector<Tensor>& indices, Operand v, bool accumulate = false);
Tensor index_put(Operand x, std::initializer_list<Tensor> indices, Operand v, bool accumulate = false);
Tensor index_put(Operand x, const Tensor& indices, Operand v, bool accumulate = false);

// ---- a part replaced
Tensor select_scatter(Operand x, Operand src, int64_t axis, Extent index);
Tensor slice_scatter(Operand x, Operand src, int64_t axis = 0, Extent start = 0, Extent end = INT64_MAX,
                     int64_t step = 1);

// ---- masks: bools that broadcast to x
Tensor masked_fill(Operand x, Operand mask, Operand value);
// The elements where the mask holds, in row-major order: so many of them; what is missing is 0. Without a size it is that of the mask,
// which only a call outside programs can know.
Tensor masked_select(Operand x, Operand mask);
Tensor masked_select(Operand x, Operand mask, Extent size);
Tensor masked_scatter(Operand x, Operand mask,
                      Operand source);  // source's elements one after the other, where the mask holds
// i64 [size, rank]: the indices of the elements that are not 0, in row-major order; rows that are missing hold `fill`.
Tensor nonzero(Operand x);
Tensor nonzero(Operand x, Extent size, int64_t fill = 0);

}  // namespace tenon
