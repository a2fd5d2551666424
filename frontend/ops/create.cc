// Tensors from nothing: constants, ranges.
#include <cmath>
#include <optional>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

// The scalar arrives as an operand, so one program serves every value.
std::vector<ir::Value> build_full(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  return {ir::broadcast(x[0], Shape(made::Shaped(attrs).shape), {})};
}

// like: a tensor with whose device the result shares its own.
Tensor filled(const char* op, const Extents& extents, const Operand& value, DType dtype, bool requires_grad,
              const Location& at, const Tensor& like = {}) try {
  const Shape shape = extents.checked(op, dtype, at);
  if (!shape.is_static() && Trace::current() == nullptr)
    throw Error(std::string(op) + ": a named extent has no value outside a trace; tn::spec stands for such a tensor",
                at);
  Tensor t = materialize(value, dtype, op);
  t.cell()->number = false;  // whoever holds it has placed it
  t = beside(t, like, at);
  if (shape.rank() != 0) t = apply_one({"full", build_full}, made::ShapedAttrs{shape.dims()}, {t}, at);
  t.cell()->made = at;
  if (requires_grad) t.set_requires_grad(true);
  return t;
} catch (...) {
  leave_with_error(op, at);
}

// x * step + start over 0 .. n-1.
std::vector<ir::Value> build_arange(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const Shape shape(made::Shaped(attrs).shape);
  const DType dtype = x[0].dtype();
  const ir::Value i = ir::iota(b, dtype, shape, 0);
  return {i * ir::broadcast(x[1], shape, {}) + ir::broadcast(x[0], shape, {})};
}
constexpr Emit arange_emit{"arange", build_arange};

}  // namespace

Tensor full(const Extents& shape, Operand value, TensorOptions o, const At& at) {
  return filled("full", shape, value, o.dtype, o.requires_grad, place(at));
}
Tensor full(const Extents& shape, Operand value, const At& at) {
  const Operand* one = &value;
  return filled("full", shape, value, common_dtype(std::span(&one, 1), "full"), false, place(at));
}
Tensor zeros(const Extents& shape, TensorOptions o, const At& at) {
  return filled("zeros", shape, Operand(0, place(at)), o.dtype, o.requires_grad, place(at));
}
Tensor ones(const Extents& shape, TensorOptions o, const At& at) {
  return filled("ones", shape, Operand(1, place(at)), o.dtype, o.requires_grad, place(at));
}
Tensor zeros_like(const Tensor& x, const At& at) {
  return filled("zeros_like", x.shape(), Operand(0, place(at)), x.dtype(), false, place(at), x);
}
Tensor ones_like(const Tensor& x, const At& at) {
  return filled("ones_like", x.shape(), Operand(1, place(at)), x.dtype(), false, place(at), x);
}

namespace {

__extension__ typedef __int128 Wide;

// How many numbers start, start + step, ... lie before stop: exactly for integers, which may span more than 63 bits; by one
// rounded division for floats.
Dim count_of_range(const Operand& start, const Operand& stop, const Operand& step, bool floating, const Location& at) {
  const auto too_many = [&] { return Error("arange: that is more than 2^59 numbers; use a larger step", at); };
  constexpr int64_t most = most_bytes / 8;
  if (floating) {
    const double from = start.floating(), to = stop.floating(), by = step.floating();
    if (!std::isfinite(from) || !std::isfinite(to) || !std::isfinite(by))
      throw Error("arange: start, stop and step are finite", at);
    const double count = std::ceil((to - from) / by);
    if (!(count < static_cast<double>(most))) throw too_many();
    return count <= 0 ? 0 : static_cast<int64_t>(count);
  }
  if (start.free() || stop.free()) {
    Extent from = start.extent(), to = stop.extent();
    if (step.integer() < 0) std::swap(from, to);
    const int64_t by = std::abs(std::max(step.integer(), -INT64_MAX));
    return extent_here((max(from, to) - from + (by - 1)) / by);
  }
  const Wide distance = static_cast<Wide>(stop.integer()) - start.integer(), by = step.integer();
  if (distance == 0 || (distance > 0) != (by > 0)) return 0;
  const Wide count = (distance - (by > 0 ? 1 : -1)) / by + 1;
  if (count > most) throw too_many();
  return static_cast<int64_t>(count);
}

}  // namespace

namespace {
Tensor ranged(const Operand& start, const Operand& stop, const Operand& step, std::optional<DType> asked,
              const At& at) try {
  const FloatEnvironment standard;
  for (const Operand* x : {&start, &stop, &step})
    if (x->weak() == Operand::Weak::no)
      throw Error("arange takes C++ numbers, since its length is part of the type; use item() outside a trace",
                  place(at));
  const bool floating = start.weak() == Operand::Weak::floating || stop.weak() == Operand::Weak::floating ||
                        step.weak() == Operand::Weak::floating;
  if (step.free() || (floating && (start.free() || stop.free())))
    throw Error(
        "arange: a free extent is a start or a stop among integers; the step, and what stands beside a floating "
        "number, "
        "are numbers",
        place(at));
  if (step.floating() == 0) throw Error("arange: the step is zero", place(at));
  for (const Operand* x : {&start, &stop, &step})
    if (!floating && x->too_big()) throw Error("arange: a number above 2^63 - 1 does not fit i64", place(at));
  const Dim n = count_of_range(start, stop, step, floating, place(at));
  const DType dtype = asked.value_or(floating ? default_dtype() : i64);
  if (dtype == boolean || (floating && !is_floating(dtype)))
    throw Error("arange: " + std::string(name(dtype)) + " does not hold such numbers; cast the result", place(at));
  return apply_one(arange_emit, made::ShapedAttrs{{n}},
                   {materialize(start, dtype, "arange"), materialize(step, dtype, "arange")}, place(at));
} catch (...) {
  leave_with_error("arange", place(at));
}
}  // namespace

Tensor arange(Operand start, Operand stop, Operand step, const At& at) {
  return ranged(start, stop, step, std::nullopt, at);
}
Tensor arange(Operand stop, const At& at) { return ranged(0, stop, 1, std::nullopt, at); }
Tensor arange(Operand start, Operand stop, Operand step, TensorOptions o, const At& at) {
  Tensor t = ranged(start, stop, step, o.dtype, at);
  if (o.requires_grad) t.set_requires_grad(true);
  return t;
}

}  // namespace tenon
