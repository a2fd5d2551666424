// Functions that move all elements: reshape, transpose, broadcast, concat. Refuses parts of a tensor (selection.cc).
#include <algorithm>
#include <numeric>
#include <optional>

#include "tenon/frontend/ops/join.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

std::vector<ir::Value> build_reshape(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  return {ir::reshape(x[0], Shape(ir::Reshape(a).shape))};
}
std::vector<ir::Value> build_transpose(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  return {ir::transpose(x[0], ir::Transpose(a).permutation)};
}
std::vector<ir::Value> build_broadcast(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  return {ir::broadcast_to(x[0], Shape(made::Shaped(a).shape))};
}
std::vector<ir::Value> build_concat(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const made::Joined to(a);
  std::vector<ir::Value> parts;
  for (const ir::Value& v : x) parts.push_back(ir::cast(v, to.dtype));
  return {ir::concat(parts, to.axis)};
}
std::vector<ir::Value> build_stack(ir::GraphBuilder& b, Values x, const ir::Attrs& a) {
  std::vector<ir::Value> rows;
  for (const ir::Value& v : x) {
    Shape shape = v.shape();
    shape.insert(static_cast<size_t>(made::Joined(a).axis), Dim(1));
    rows.push_back(ir::reshape(v, shape));
  }
  return build_concat(b, rows, a);
}
std::vector<ir::Value> build_reverse(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  return {ir::reverse(x[0], ir::Reverse(a).axes)};
}
// Reshape of a concrete tensor shares its buffer: no kernel, and the tape sees a program only when it records.
Tensor share(const Tensor& x, const Shape& shape, const Location& at) {
  Tensor t = make_concrete({x.dtype(), shape}, buffer_of(x, "reshape", at), at);
  return t;
}

Tensor reshape_to(const Tensor& x, const Shape& shape, const Location& at) {
  if (!Trace::current() && x.defined() && x.cell()->concrete() && !records(std::span(&x, 1)))
    return share(x, shape, at);
  return apply_one({"reshape", build_reshape}, ir::ReshapeAttrs{shape.dims()}, {x}, at);
}

std::vector<int64_t> checked_permutation(const std::vector<int64_t>& permutation, const Tensor& x, const Location& at) {
  std::vector<int64_t> p;
  for (int64_t a : permutation) p.push_back(axis_of(a, x.ndim(), "transpose", at));
  std::vector<int64_t> sorted = p;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted.size() != static_cast<size_t>(x.ndim()) || sorted[i] != static_cast<int64_t>(i))
      throw Error("transpose: the permutation must name each axis of " + describe(x) + " once", at);
  return p;
}

// What is left of n elements for one open extent. Where free extents leave open whether it comes out even, it is rounded down, and
// the type rule has it checked at the call.
Dim left_over(Extent n, Extent known) {
  if (Trace* trace = Trace::current(); trace && !(n.is_number() && known.is_number()))
    if (const auto even = trace->builder.symbols().even_quotient(extent_here(n), extent_here(known))) return *even;
  return n / known;
}

std::string extents_text(const Extents& extents) {
  std::string text = "[";
  for (const Extent& e : extents.list()) text += (text.size() > 1 ? ", " : "") + extent_text(e);
  return text + "]";
}

}  // namespace

Tensor reshape(Operand operand, const Extents& extents) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "reshape");
  std::vector<Extent> asked = extents.list();
  std::optional<size_t> open;
  for (size_t i = 0; i < asked.size(); ++i) {
    if (asked[i].is_symbol() || asked[i].number() >= 0) continue;
    if (asked[i].number() != -1 || open) throw Error("reshape: extents are not negative, and at most one is -1", at);
    open = i;
    asked[i] = 1;
  }
  Shape to = Extents(asked).checked("reshape", x.dtype(), at);
  const Extent known = element_count(to), n = x.numel();
  const bool nothing = known.is_number() && known.number() == 0;  // leaves every value open
  if (open && !nothing) to[*open] = left_over(n, known);
  if ((open && nothing) || (to.is_static() && x.shape().is_static() && to.numel() != n.number()))
    throw Error("reshape: " + describe(x) + " has " + std::to_string(n) + " elements, which do not fit " +
                    extents_text(extents),
                at);
  return reshape_to(x, to, at);
} catch (...) {
  leave_with_error("reshape", operand.where());
}

Tensor Tensor::reshape(const Extents& shape, const At& at) const { return tenon::reshape(Operand(*this, at), shape); }

Tensor transpose(Operand operand, const std::vector<int64_t>& permutation) try {
  const Tensor x = as_tensor(operand, "transpose");
  return apply_one({"transpose", build_transpose},
                   ir::TransposeAttrs{checked_permutation(permutation, x, operand.where())}, {x}, operand.where());
} catch (...) {
  leave_with_error("transpose", operand.where());
}
Tensor Tensor::transpose(const std::vector<int64_t>& permutation, const At& at) const {
  return tenon::transpose(Operand(*this, at), permutation);
}
Tensor Tensor::transpose(const At& at) const {
  std::vector<int64_t> p(static_cast<size_t>(ndim()));
  std::iota(p.rbegin(), p.rend(), 0);
  return tenon::transpose(Operand(*this, at), p);
}
Tensor Tensor::astype(DType dtype, const At& at) const { return cast_to(*this, dtype, place(at)); }

Tensor broadcast_to(Operand operand, const Extents& extents) try {
  const Tensor x = as_tensor(operand, "broadcast_to");
  const Shape shape = extents.checked("broadcast_to", x.dtype(), operand.where());
  if (!stretches(x.shape(), shape))
    throw Error("broadcast_to: " + describe(x) + " does not stretch to " + type_text({x.dtype(), shape}),
                operand.where());
  if (x.shape() == shape) return x;
  return apply_one({"broadcast_to", build_broadcast}, made::ShapedAttrs{shape.dims()}, {x}, operand.where());
} catch (...) {
  leave_with_error("broadcast_to", operand.where());
}

namespace {

// How parts are joined along an axis: in the dtype that they meet in. Error unless they agree in every other axis.
ir::Attrs joined(std::span<const Tensor> parts, int64_t axis, const Location& at) {
  DType dtype = parts[0].dtype();
  for (const Tensor& p : parts) dtype = promote(dtype, p.dtype(), "concat", at);
  const int64_t a = axis_of(axis, parts[0].ndim(), "concat", at);
  for (const Tensor& p : parts) {
    bool fits = p.ndim() == parts[0].ndim();
    for (int i = 0; fits && i < p.ndim(); ++i) fits = i == a || p.shape()[i] == parts[0].shape()[i];
    if (!fits)
      throw Error("concat: " + describe(parts[0]) + " and " + describe(p) + " must agree in every axis but " +
                      std::to_string(a),
                  at);
  }
  return made::JoinedAttrs{.axis = a, .dtype = dtype};
}

// shaped: the parts, or stand-ins of the shapes in which they are joined.
Tensor join(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> shaped, std::span<const Tensor> parts,
            const Location& at) {
  if (!is_long_list(parts)) return apply(emit, attrs, parts, at)[0];
  const made::Joined to(attrs);
  const auto axis = static_cast<size_t>(to.axis);
  Symbols extents;
  Shape shape = shaped[0].shape();
  shape[axis] = 0;
  for (const Tensor& t : shaped) shape[axis] = extents.sum(shape[axis], t.shape()[axis]);
  const ir::Type type{to.dtype, shape};
  return join_list({emit, {emit.name, build_concat}, attrs, to.axis, type}, parts, at);
}

}  // namespace

Tensor join_as(const Emit& emit, std::span<const Tensor> shaped, int64_t axis, std::span<const Tensor> parts,
               const Location& at) {
  return join(emit, joined(shaped, axis, at), shaped, parts, at);
}

Tensor concat(std::span<const Tensor> parts, int64_t axis, const At& at) try {
  if (parts.empty()) throw Error("concat of no tensors", place(at));
  return join({"concat", build_concat}, joined(parts, axis, place(at)), parts, parts, place(at));
} catch (...) {
  leave_with_error("concat", place(at));
}
Tensor concat(std::initializer_list<Tensor> parts, int64_t axis, const At& at) {
  return concat(std::span(parts.begin(), parts.size()), axis, at);
}

Tensor stack(std::span<const Tensor> parts, int64_t axis, const At& at) try {
  if (parts.empty()) throw Error("stack of no tensors", place(at));
  std::vector<Tensor> rows;
  const int64_t a = axis_of(axis, parts[0].ndim() + 1, "stack", place(at));
  for (const Tensor& p : parts) {
    Shape shape = as_tensor(Operand(p, at), "expand_dims").shape();
    shape.insert(static_cast<size_t>(axis_of(a, p.ndim() + 1, "expand_dims", place(at))), Dim(1));
    rows.push_back(stand_in({p.dtype(), shape}, place(at)));
  }
  return join({"stack", build_stack}, joined(rows, a, place(at)), rows, parts, place(at));
} catch (...) {
  leave_with_error("stack", place(at));
}
Tensor stack(std::initializer_list<Tensor> parts, int64_t axis, const At& at) {
  return stack(std::span(parts.begin(), parts.size()), axis, at);
}

Tensor flip(Operand operand, const std::vector<int64_t>& axes) try {
  const Tensor x = as_tensor(operand, "flip");
  std::vector<int64_t> a;
  for (int64_t axis : axes) a.push_back(axis_of(axis, x.ndim(), "flip", operand.where()));
  return apply_one({"flip", build_reverse}, ir::ReverseAttrs{a}, {x}, operand.where());
} catch (...) {
  leave_with_error("flip", operand.where());
}

Tensor squeeze(Operand operand, int64_t axis) try {
  const Tensor x = as_tensor(operand, "squeeze");
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), "squeeze", operand.where()));
  Shape shape = x.shape();
  if (!(shape[a] == 1))
    throw Error("squeeze: axis " + std::to_string(axis) + " of " + describe(x) + " is not 1", operand.where());
  shape.erase(a);
  return reshape_to(x, shape, operand.where());
} catch (...) {
  leave_with_error("squeeze", operand.where());
}
Tensor expand_dims(Operand operand, int64_t axis) try {
  const Tensor x = as_tensor(operand, "expand_dims");
  Shape shape = x.shape();
  shape.insert(static_cast<size_t>(axis_of(axis, x.ndim() + 1, "expand_dims", operand.where())), Dim(1));
  return reshape_to(x, shape, operand.where());
} catch (...) {
  leave_with_error("expand_dims", operand.where());
}

}  // namespace tenon
