// Tensors from nothing: constants, ranges.
#include "tenon/frontend/promote.h"

namespace tenon {
namespace {

// attrs: dtype, shape. The scalar arrives as an operand, so one program serves every value.
std::vector<ir::Value> build_full(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  return {ir::broadcast(x[0], Shape(attrs[0].dims), {})};
}
constexpr Emit full_emit{"full", build_full};

Tensor filled(const Shape& shape, const Operand& value, DType dtype, bool requires_grad, const Location& at) {
  for (Dim d : shape)
    if (d.is_number() && d.number() < 0) throw Error("full: a negative extent in " + to_string(shape), at);
  Tensor t = materialize(value, dtype, "full");
  if (shape.rank() != 0) t = apply_one(full_emit, {ir::Attr::of(shape.dims())}, {t}, at);
  t.cell()->made = at;
  if (requires_grad) t.set_requires_grad(true);
  return t;
}

// x * step + start over 0 .. n-1.
std::vector<ir::Value> build_arange(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const Shape shape(attrs[0].dims);
  const DType dtype = x[0].dtype();
  const ir::Value i = ir::iota(b, dtype, shape, 0);
  return {i * ir::broadcast(x[1], shape, {}) + ir::broadcast(x[0], shape, {})};
}
constexpr Emit arange_emit{"arange", build_arange};

}  // namespace

Tensor full(const Shape& shape, Operand value, TensorOptions o, const At& at) {
  return filled(shape, value, o.dtype, o.requires_grad, place(at));
}
Tensor full(const Shape& shape, Operand value, const At& at) {
  const Operand* one = &value;
  return filled(shape, value, common_dtype(std::span(&one, 1), "full"), false, place(at));
}
Tensor zeros(const Shape& shape, TensorOptions o, const At& at) { return full(shape, 0, o, at); }
Tensor ones(const Shape& shape, TensorOptions o, const At& at) { return full(shape, 1, o, at); }
Tensor zeros_like(const Tensor& x, const At& at) { return full(x.shape(), 0, {.dtype = x.dtype()}, at); }
Tensor ones_like(const Tensor& x, const At& at) { return full(x.shape(), 1, {.dtype = x.dtype()}, at); }

Tensor arange(Operand start, Operand stop, Operand step, const At& at) {
  for (const Operand* x : {&start, &stop, &step})
    if (x->weak() == Operand::Weak::none)
      throw Error("arange takes C++ numbers, since its length is part of the type; use item() outside a trace",
                  place(at));
  const bool floating = start.weak() == Operand::Weak::floating || stop.weak() == Operand::Weak::floating ||
                        step.weak() == Operand::Weak::floating;
  if (step.floating() == 0) throw Error("arange: the step is zero", place(at));
  const double count =
      floating ? (stop.floating() - start.floating()) / step.floating()
               : static_cast<double>(stop.integer() - start.integer()) / static_cast<double>(step.integer());
  int64_t n = count <= 0 ? 0 : static_cast<int64_t>(count);
  if (static_cast<double>(n) < count) ++n;
  const DType dtype = floating ? f32 : i64;
  return apply_one(arange_emit, {ir::Attr::of(std::vector<Dim>{Dim(n)})},
                   {materialize(start, dtype, "arange"), materialize(step, dtype, "arange")}, place(at));
}
Tensor arange(Operand stop, const At& at) { return arange(0, stop, 1, at); }

}  // namespace tenon
