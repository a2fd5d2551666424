// Layers over the ranks of a group, by constrain alone: what they do together is for the pass `partition` to find.
#include "tenon/frontend/dist/layers.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "tenon/frontend/dist/constrain.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"

namespace tenon::dist {

namespace {

void check_weight(const Tensor& w, const Tensor& b, const char* what, const Location& at) {
  if (w.ndim() != 2 || b.ndim() != 1)
    throw Error(std::string(what) + ": a weight [in, out] and a bias [out], not " + describe(w) + " and " + describe(b),
                at);
}

// Positions along the last axes of [.., length, length]: whether a row may see a column.
Tensor seen(int64_t rows, int64_t columns, const Location& at) {
  const auto here = [&](const Tensor& t) { return Operand(t, at); };
  const Tensor row = reshape(here(arange(columns - rows, columns)), {rows, 1});
  return here(row) >= here(reshape(here(arange(0, columns)), {1, columns}));
}

}  // namespace

Tensor column_parallel(Operand x, Operand w, Operand b, const Group& group) try {
  const Tensor input = as_tensor(x, "dist::column_parallel"), weight = as_tensor(w, "dist::column_parallel"),
               bias = as_tensor(b, "dist::column_parallel");
  check_weight(weight, bias, "dist::column_parallel", x.where());
  const Operand parts(constrain(Operand(weight, x.where()), group, 1), x.where());
  const Operand shift(constrain(Operand(bias, x.where()), group, 0), x.where());
  return constrain(Operand(linear(Operand(input, x.where()), parts, shift), x.where()), group, -1);
} catch (...) {
  leave_with_error("dist::column_parallel", x.where());
}

Tensor row_parallel(Operand x, Operand w, Operand b, const Group& group) try {
  const Tensor input = as_tensor(x, "dist::row_parallel"), weight = as_tensor(w, "dist::row_parallel"),
               bias = as_tensor(b, "dist::row_parallel");
  check_weight(weight, bias, "dist::row_parallel", x.where());
  const Operand rows(constrain(Operand(input, x.where()), group, -1), x.where());
  const Operand parts(constrain(Operand(weight, x.where()), group, 0), x.where());
  return linear(rows, parts, Operand(bias, x.where()));
} catch (...) {
  leave_with_error("dist::row_parallel", x.where());
}

Tensor embedding(Operand indices, Operand table, const Group& group) try {
  const Tensor rows = as_tensor(table, "dist::embedding");
  if (rows.ndim() != 2)
    throw Error("dist::embedding: a table [vocabulary, width], not " + describe(rows), indices.where());
  return take(Operand(constrain(Operand(rows, indices.where()), group, 0), indices.where()), std::move(indices));
} catch (...) {
  leave_with_error("dist::embedding", indices.where());
}

Tensor cross_entropy(Operand logits, Operand labels, const Group& group, const CrossEntropy& c) try {
  const Location& at = logits.where();
  const Tensor x = as_tensor(logits, "dist::cross_entropy");
  return tenon::cross_entropy(Operand(constrain(Operand(x, at), group, -1), at), std::move(labels), c);
} catch (...) {
  leave_with_error("dist::cross_entropy", logits.where());
}

Tensor attention(Operand q, Operand k, Operand v, const Group& group, const AttentionOptions& options) try {
  const Location& at = q.where();
  const char* const what = "dist::attention";
  const Tensor given[] = {as_tensor(q, what), as_tensor(k, what), as_tensor(v, what)};
  for (const Tensor& t : given)
    if (t.ndim() < 3 || t.ndim() != given[0].ndim())
      throw Error("dist::attention: three tensors [.., heads, length, width], not " + describe(t), at);
  const auto here = [&](const Tensor& t) { return Operand(t, at); };
  const auto by_heads = [&](const Tensor& t) { return here(constrain(here(t), group, -3)); };
  std::vector<int64_t> swapped(static_cast<size_t>(given[0].ndim()));
  std::iota(swapped.begin(), swapped.end(), 0);
  std::swap(swapped[swapped.size() - 1], swapped[swapped.size() - 2]);
  const Tensor keys = transpose(by_heads(given[1]), swapped);
  const Shape& shape = given[0].shape();
  const Dim width = shape[shape.size() - 1];
  Tensor scores = here(matmul(by_heads(given[0]), here(keys))) * (1 / std::sqrt(static_cast<double>(width.number())));
  if (options.causal)
    scores = where(here(seen(shape[shape.size() - 2], given[1].shape()[shape.size() - 2], at)), here(scores),
                   -std::numeric_limits<double>::infinity());
  return matmul(here(softmax(here(scores), -1)), by_heads(given[2]));
} catch (...) {
  leave_with_error("dist::attention", q.where());
}

}  // namespace tenon::dist
