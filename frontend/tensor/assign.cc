// In-place forms: x op= y, x[...] = y, x[...] op= y, x.data() op= y. A variable is a value: each computes a new tensor, as a
// trace and the tape see it, and rebinds the variable; copies keep the old one, so nothing that was recorded ever changes. Only
// data() writes into the cell that copies share. Refuses to assign to a leaf that requires grad while gradients are recorded.
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/selection.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

bool is_grad_leaf(const Cell& cell) { return cell.concrete() && cell.requires_grad && !cell.entry && !cell.leaf; }

void check_assignable(const Tensor& x, const char* op, const Location& at) {
  if (!x.defined()) throw Error(std::string(op) + ": the left side is an undefined tensor; give it a value first", at);
  if (!is_grad_leaf(*x.cell())) return;
  if (grad_enabled())
    throw Error(std::string(op) + ": " + describe(x) +
                    " is a leaf that requires grad, so it cannot be assigned in place; update it under tn::NoGrad, use "
                    "x.data(), or write x = ... to make a new tensor",
                at);
  if (Trace::current())
    throw Error(std::string(op) + ": " + describe(x) +
                    " is a leaf that requires grad and cannot be updated inside a trace; return the new value instead",
                at);
}

// Puts the new buffer into the cell that all copies share.
void replace_buffer(Cell& cell, const Tensor& value, const char* op, const Location& at) {
  BufferPtr buffer = buffer_of(value, op, at);
  if (&buffer->device() != cell.place)
    throw Error(std::string(op) + ": " + describe(value) +
                    " lies on another device than the tensor that takes it; move it "
                    "there by to()",
                at);
  cell.slot->replace(std::move(buffer));
}

// Gives a variable its new value, of the old one's type.
void rebind(Tensor& x, const Tensor& value, const char* op, const Location& at) {
  if (value.shape() != x.shape())
    throw Error(std::string(op) + ": the result " + describe(value) + " does not fit into " + describe(x) +
                    "; write x = ... to change its shape",
                at);
  const Tensor same = cast_to(value, x.dtype(), at);
  if (is_grad_leaf(*x.cell()))
    replace_buffer(*x.cell(), same, op, at);
  else
    x = same;
}

using BuildArgs = std::span<const ir::Value>;

// x, value in the selection's shape, starts... -> x with the value there.
std::vector<ir::Value> build_assign(ir::GraphBuilder&, BuildArgs x, const ir::Attrs& a) {
  const made::Assigned s(a);
  ir::Value v = ir::reshape(x[1], Shape(s.sizes));
  if (!s.reversed.empty()) v = ir::reverse(v, s.reversed);
  return {ir::dynamic_update_slice(x[0], v, x.subspan(2))};
}

// The same for slices with strides: low, high and interior widths bring the value to x's shape.
std::vector<ir::Value> build_assign_strided(ir::GraphBuilder& b, BuildArgs x, const ir::Attrs& a) {
  const made::AssignedStrided s(a);
  const auto spread = [&](ir::Value v, ir::Value fill) { return ir::pad(v, fill, s.low, s.high, s.interior); };
  ir::Value v = ir::reshape(x[1], Shape(s.sizes));
  if (!s.reversed.empty()) v = ir::reverse(v, s.reversed);
  const ir::Value here = spread(ir::splat_integer(b, boolean, 1, Shape(s.sizes)), ir::splat_integer(b, boolean, 0, {}));
  return {ir::select(here, spread(v, ir::splat_integer(b, x[0].dtype(), 0, {})), x[0])};
}

}  // namespace

void check_stretches(const Tensor& x, const Shape& place, const Tensor& v, const Location& at) {
  Shape shape = v.shape();
  while (shape.rank() > place.rank() && shape[0] == 1) shape.erase(0);
  if (!stretches(shape, place))
    throw Error("assignment: " + describe(v) + " does not stretch to the selected " + type_text({x.dtype(), place}) +
                    " of " + describe(x),
                at);
}

Tensor fitted(const Tensor& x, const Shape& place, const Operand& value, const Location& at) {
  Tensor v = materialize(value, x.dtype(), "assignment");
  if (v.cell()->number) v = beside(v, x, at);
  check_stretches(x, place, v, at);
  Shape shape = v.shape();
  while (shape.rank() > place.rank()) shape.erase(0);
  if (shape != v.shape()) v = reshape(Operand(v, at), shape);
  return broadcast_to(Operand(v, at), place);
}

Tensor with_assigned(const Tensor& x, std::span<const Index> indices, const Operand& value, const Location& at) {
  if (has_tensors(indices)) return assign_by_tensors(x, indices, value, Writes::set, at);
  const Selection s = selection_of(x, indices, at);
  const Tensor v = fitted(x, s.result, value, at);
  bool strided = false;
  for (size_t i = 0; i < s.sizes.size(); ++i) {
    if (s.sizes[i] == 0) return x;  // nothing selected
    strided = strided || s.strides[i] != 1;
  }
  std::vector<Tensor> inputs{x, v};
  if (!strided) {
    for (Dim start : s.starts) inputs.push_back(materialize(Operand(Extent(start), at), i64, "assignment"));
    return apply({"assign", build_assign}, made::AssignedAttrs{s.sizes, s.reversed}, inputs, at)[0];
  }
  std::vector<Dim> high;
  std::vector<int64_t> interior;
  for (size_t i = 0; i < s.sizes.size(); ++i) {
    high.push_back(extent_here(Extent(x.shape()[i]) - s.starts[i] - covered(s.sizes[i], s.strides[i])));
    interior.push_back(s.strides[i] - 1);
  }
  return apply({"assign_strided", build_assign_strided},
               made::AssignedStridedAttrs{.sizes = s.sizes,
                                          .reversed = s.reversed,
                                          .low = s.starts,
                                          .high = std::move(high),
                                          .interior = std::move(interior)},
               inputs, at)[0];
}

namespace {

std::span<const Index> as_span(const std::vector<Index>& indices) { return {indices.data(), indices.size()}; }
std::span<const Index> as_span(std::initializer_list<Index> indices) { return {indices.begin(), indices.size()}; }
Location place_of_index(std::span<const Index> indices) { return indices.empty() ? Location{} : indices[0].where; }
std::vector<Index> listed(std::span<const Index> indices) {
  return detail::guarded("index", place_of_index(indices),
                         [&] { return std::vector<Index>(indices.begin(), indices.end()); });
}

Tensor& assign(Tensor& x, const char* op, const Operand& y, Tensor (*compute)(Operand, Operand)) try {
  const Location at = y.where();
  check_assignable(x, op, at);
  rebind(x, compute(Operand(x, at), y), op, at);
  return x;
} catch (...) {
  leave_with_error(op, y.where());
}

}  // namespace

Tensor& operator+=(Tensor& x, Operand y) { return assign(x, "+=", y, operator+); }
Tensor& operator-=(Tensor& x, Operand y) { return assign(x, "-=", y, operator-); }
Tensor& operator*=(Tensor& x, Operand y) { return assign(x, "*=", y, operator*); }
Tensor& operator/=(Tensor& x, Operand y) { return assign(x, "/=", y, operator/); }

Tensor Tensor::operator[](std::initializer_list<Index> indices) const& {
  return select_at(*this, as_span(indices), place_of_index(as_span(indices)));
}
Tensor Tensor::operator[](const std::vector<Index>& indices) const& {
  return select_at(*this, as_span(indices), place_of_index(as_span(indices)));
}
Tensor Tensor::operator[](Index index) const& { return select_at(*this, std::span(&index, 1), index.where); }
// A copy is a value only, so each of these returns what it makes without naming it.
Assignable Tensor::operator[](const std::vector<Index>& indices) & try {
  const Location at = place_of_index(as_span(indices));
  return Assignable(select_at(*this, as_span(indices), at), this, nullptr, {indices}, at);
} catch (...) {
  leave_with_error("index", place_of_index(as_span(indices)));
}
Assignable Tensor::operator[](std::initializer_list<Index> indices) & { return (*this)[listed(as_span(indices))]; }
Assignable Tensor::operator[](Index index) & { return (*this)[listed(std::span(&index, 1))]; }
Assignable Assignable::operator[](const std::vector<Index>& indices) && try {
  Path path = std::move(path_);
  path.emplace_back(indices);
  return Assignable(select_at(*this, as_span(indices), where_), variable_, shared_, std::move(path), where_);
} catch (...) {
  leave_with_error("index", place_of_index(as_span(indices)));
}
Assignable Assignable::operator[](std::initializer_list<Index> indices) && {
  return std::move(*this)[listed(as_span(indices))];
}
Assignable Assignable::operator[](Index index) && { return std::move(*this)[listed(std::span(&index, 1))]; }

Assignable Tensor::data() const try {
  if (!defined()) throw Error("an undefined tensor has no data(); give it a value first");
  const Cell& c = *cell_;
  if (!c.concrete()) return Assignable(tenon::stop_gradient(*this), nullptr, nullptr, {}, {});
  auto cell = std::make_shared<Cell>();
  cell->type = c.type;
  cell->slot = c.slot;
  cell->place = c.place;
  cell->made = c.made;
  return Assignable(Tensor(cell), nullptr, cell, {}, c.made);
} catch (...) {
  leave_with_error("data()", Location{});
}

void Assignable::write(Write how, const Operand& value) const try {
  static constexpr const char* names[] = {"=", "+=", "-=", "*=", "/="};
  const char* op = names[static_cast<int>(how)];
  const Location at = value.where().known() ? value.where() : where_;
  if (!variable_ && !shared_)
    throw Error(
        std::string(op) + ": data() of a traced tensor shares no cell to write into; assign to the variable instead",
        at);
  if (shared_ && Trace::current())
    throw Error(std::string(op) +
                    ": x.data() writes into a cell outside the trace, which a traced program cannot do; "
                    "return the new value instead",
                at);
  if (variable_) check_assignable(*variable_, op, at);
  std::unique_ptr<NoGrad> off;
  if (shared_) off = std::make_unique<NoGrad>();
  const auto computed = [&]() -> Operand {
    const Operand x(*this, at);
    switch (how) {
      case Write::set: return value;
      case Write::add: return {x + value, at};
      case Write::sub: return {x - value, at};
      case Write::mul: return {x * value, at};
      default: return {x / value, at};
    }
  };
  // What each index in turn is applied to: x, x[i], x[i][j] ... The last one's selection gets the value, which goes outwards.
  std::vector<Tensor> outer{variable_ ? *variable_ : Tensor(shared_)};
  for (size_t i = 0; i + 1 < path_.size(); ++i) outer.push_back(select_at(outer.back(), as_span(path_[i]), at));
  Tensor next;
  if (path_.empty())
    next = fitted(*this, shape(), computed(), at);
  else
    next = with_assigned(outer.back(), as_span(path_.back()), computed(), at);
  for (size_t i = path_.size(); i-- > 1;)
    next = with_assigned(outer[i - 1], as_span(path_[i - 1]), Operand(next, at), at);
  if (shared_)
    replace_buffer(*shared_, next, op, at);
  else
    rebind(*variable_, next, op, at);
} catch (...) {
  leave_with_error("assignment", value.where().known() ? value.where() : where_);
}

}  // namespace tenon
