// Cases by a clamped index, and scans in a logarithm of steps: pairs are combined, their prefixes are had in the same way, and what
// lies between them follows from those. Refuses free extents, whose halves have no number.
//   x0 x1 x2 x3 x4   ->   pairs f(x0, x1) f(x2, x3)   ->   their prefixes, at 1 and 3   ->   at 2 and 4: f(prefix, x)
#include "tenon/frontend/transform/control_composed.h"

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/ops/selection.h"
#include "tenon/frontend/tensor/cell.h"

namespace tenon::detail {

Tensor case_index(const Operand& index, int64_t cases) {
  const Location& at = index.where();
  if (index.weak() != Operand::Weak::no) {
    if (index.weak() != Operand::Weak::integer) throw Error("switch_case: the index is an integer", at);
    return case_index(Operand(loop_bound(index, at), at), cases);
  }
  const Tensor& t = index.tensor();
  if (!t.defined() || t.ndim() != 0 || !is_integer(t.dtype()))
    throw Error("switch_case: the index is an integer scalar, not " + describe(t), at);
  // clamped before it is cast, so that a large u64 is the last case
  const Tensor last = minimum(Operand(t, at), Operand(std::min<int64_t>(cases - 1, 127), at));
  return maximum(Operand(last.astype(i64), at), Operand(int64_t{0}, at));
}

Tensor is_before(const Tensor& index, int64_t number, const Location& at) {
  return Operand(index, at) < Operand(number, at);
}

namespace {

using Tensors = std::vector<Tensor>;

struct Prefixes {
  const size_t axis;
  const Combine combine;
  void* context;
  const Location& at;
  const At& from;

  Tensors part(const Tensors& xs, int64_t start, int64_t stop, int64_t step) const {
    Tensors parts;
    for (const Tensor& x : xs) {
      std::vector<Index> indices(axis, Index(all));
      indices.push_back(slice(start, stop, step));
      parts.push_back(select_at(x, indices, at));
    }
    return parts;
  }
  Tensors joined(const Tensors& first, const Tensors& second) const {
    Tensors whole;
    for (size_t i = 0; i < first.size(); ++i)
      whole.push_back(concat({first[i], second[i]}, static_cast<int64_t>(axis), from));
    return whole;
  }
  // even0, odd0, even1, odd1, ...: as many odd as even elements, or one less.
  Tensors interleaved(const Tensors& even, const Tensors& odd, int64_t n) const {
    const int64_t pairs = n / 2;
    Tensors whole;
    const Tensors some = part(even, 0, pairs, 1);
    for (size_t i = 0; i < some.size(); ++i) {
      Shape shape = some[i].shape();
      shape[axis] = Dim(2 * pairs);
      whole.push_back(
          reshape(Operand(stack({some[i], odd[i]}, static_cast<int64_t>(axis) + 1, from), at), Extents(shape)));
    }
    return n % 2 == 0 ? whole : joined(whole, part(even, pairs, n, 1));
  }
  // Recursion follows the logarithm of n.
  Tensors of(Tensors xs, int64_t n) const {
    if (n < 2) return xs;
    Tensors left = part(xs, 0, n - 1, 2), right = part(xs, 1, n, 2);
    const Tensors odd = of(combine(context, left, right), n / 2);
    const int64_t between = (n - 1) / 2;
    Tensors even = part(xs, 0, 1, 1);
    if (between > 0) {
      Tensors before = part(odd, 0, between, 1), then = part(xs, 2, n, 2);
      even = joined(even, combine(context, before, then));
    }
    return interleaved(even, odd, n);
  }
};

}  // namespace

std::vector<Tensor> run_associative(std::vector<Tensor> xs, int64_t axis, bool reverse, Combine combine, void* context,
                                    const At& from) {
  const Location at = place(from);
  if (xs.empty()) throw Error("associative_scan: there is no tensor to scan", at);
  const auto along = [&](const Tensor& x) {
    const int64_t number = axis < 0 ? axis + x.ndim() : axis;
    if (number < 0 || number >= x.ndim())
      throw Error("associative_scan: " + describe(x) + " has no axis " + std::to_string(axis), at);
    return static_cast<size_t>(number);
  };
  const size_t first = along(xs[0]);
  for (const Tensor& x : xs) {
    const Dim n = x.shape()[along(x)];
    if (along(x) != first)
      throw Error(
          "associative_scan: a negative .axis is another axis of " + describe(x) + " than of " + describe(xs[0]), at);
    if (n.is_symbol()) throw Error("associative_scan: " + describe(x) + " has a free extent along the axis", at);
    if (!(n == xs[0].shape()[first]))
      throw Error("associative_scan: extents differ along the axis: " + describe(xs[0]) + " and " + describe(x), at);
  }
  const int64_t n = xs[0].shape()[first].number();
  const auto turned = [&](std::vector<Tensor> list) {
    if (reverse)
      for (Tensor& x : list) x = flip(Operand(x, at), {static_cast<int64_t>(first)});
    return list;
  };
  return turned(Prefixes{first, combine, context, at, from}.of(turned(std::move(xs)), n));
}

}  // namespace tenon::detail
