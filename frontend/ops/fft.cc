// The transforms by name: lengths, axes and norms, and one program for each call. Refuses lengths that are no numbers.
#include "tenon/frontend/ops/fft.h"

#include <algorithm>
#include <cmath>

#include "tenon/frontend/ops/fft_formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/ir/base/door.h"

namespace tenon::fft {
namespace {

using formula::FftKind;
using ir::Value;

// ---- the formula

Value resized(Value x, size_t axis, int64_t n) {
  const Dim extent = x.shape()[axis];
  if (extent == n) return x;
  if (!extent.is_number())
    throw Error("the extent of axis " + std::to_string(axis) + " is not a number, and a transform's length is one");
  std::vector<Dim> starts(x.shape().size(), 0), sizes = x.shape().dims();
  std::vector<int64_t> ones(starts.size(), 1);
  if (n < extent.number()) {
    sizes[axis] = n;
    return ir::slice(x, starts, sizes, ones);
  }
  std::vector<Dim> high = starts;
  high[axis] = n - extent.number();
  const Value nothing = ir::splat(*x.builder, x.dtype(), 0, {});
  return ir::pad(x, nothing, starts, high, std::vector<int64_t>(starts.size(), 0));
}

// x as [what stands before the axis, the axis, what stands behind it].
Value around(Value x, size_t axis) {
  Symbols& symbols = x.builder->symbols();
  const std::vector<Dim> dims = x.shape().dims();
  const auto at = dims.begin() + static_cast<std::ptrdiff_t>(axis);
  return ir::reshape(x, {symbols.numel(Shape({dims.begin(), at})), *at, symbols.numel(Shape({at + 1, dims.end()}))});
}

struct Step {
  size_t axis;
  int64_t length;
  FftKind kind;
  bool real() const { return kind != FftKind::complex; }
};
// In the order in which they run.
std::vector<Step> steps_of(const formula::FftOver& to) {
  std::vector<Step> steps;
  for (size_t i = to.axes.size(); i-- > 0;) {
    const bool real = i + 1 == to.axes.size() && to.kind != FftKind::complex;
    steps.push_back({static_cast<size_t>(to.axes[i]), to.lengths[i], real ? to.kind : FftKind::complex});
  }
  if (to.kind == FftKind::to_real) std::rotate(steps.begin(), steps.begin() + 1, steps.end());
  return steps;
}

formula::FftOver over_of(const made::Fft& to) {
  return {static_cast<FftKind>(to.kind), to.inverse, to.axes, to.lengths, to.scale};
}

std::vector<Value> build_fft(ir::GraphBuilder&, std::span<const Value> inputs, const ir::Attrs& attrs) {
  const made::Fft to(attrs);
  size_t next = 1;
  const auto table_for = [&](const Plan&, bool) { return inputs[next++]; };
  return {formula::transformed_over(ir::cast(inputs[0], to.dtype), over_of(to), table_for)};
}

// ---- what is said before

double scale_of(const std::string& norm, bool inverse, const std::vector<int64_t>& lengths, const char* op,
                const Location& at) {
  double n = 1;
  for (const int64_t length : lengths) n *= static_cast<double>(length);
  if (norm == "ortho") return 1 / std::sqrt(n);
  if (norm != "backward" && norm != "forward")
    throw Error(std::string(op) + ": the norm is \"backward\", \"ortho\" or \"forward\", not \"" + norm + "\"", at);
  return (norm == "backward") == inverse ? 1 / n : 1;
}

Tensor over(const char* op, FftKind kind, bool inverse, const Operand& operand, const Over& o) try {
  const Location at = operand.where();
  const Tensor x = as_tensor(operand, op);
  if (kind == FftKind::from_real && is_complex(x))
    throw Error(std::string(op) + ": takes real numbers, and this is " + describe(x) +
                    "; use tn::fft::" + std::string(op).substr(1),
                at);
  std::vector<int64_t> axes = o.axes;
  const auto rank = static_cast<int64_t>(x.ndim()), named = static_cast<int64_t>(o.s.size());
  if (axes.empty())
    for (int64_t a = o.s.empty() ? 0 : rank - named; a < rank; ++a) axes.push_back(a);
  if (!o.s.empty() && o.s.size() != axes.size())
    throw Error(
        std::string(op) + ": " + std::to_string(named) + " lengths for " + std::to_string(axes.size()) + " axes", at);
  if (axes.empty())
    throw Error(std::string(op) + ": a transform takes an axis at least, and this is " + describe(x), at);
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < axes.size(); ++i) {
    axes[i] = axis_of(axes[i], x.ndim(), op, at);
    for (size_t k = 0; k < i; ++k)
      if (axes[k] == axes[i])
        throw Error(std::string(op) + ": axis " + std::to_string(axes[i]) + " is named twice", at);
    const Dim extent = x.shape()[axes[i]];
    if (!extent.is_number())
      throw Error(std::string(op) + ": the extent " + extent_text(extent) + " of axis " + std::to_string(axes[i]) +
                      " is free, and the length of a transform is a number; trace with numbers along that axis",
                  at);
    const bool back = kind == FftKind::to_real && i + 1 == axes.size();
    const bool given = !o.s.empty() && o.s[i] != -1;
    lengths.push_back(given ? o.s[i] : back ? 2 * (extent.number() - 1) : extent.number());
    if (lengths[i] < 1 || lengths[i] > longest)
      throw Error(std::string(op) + ": a transform has a length from 1 on, not " + std::to_string(lengths[i]) +
                      " of axis " + std::to_string(axes[i]) + " of " + describe(x),
                  at);
  }
  const double scale = scale_of(o.norm, inverse, lengths, op, at);
  const DType part = part_of(x.dtype()) == f64 ? f64 : f32;
  ir::Attrs attrs = made::FftAttrs{.axes = axes,
                                   .lengths = lengths,
                                   .kind = static_cast<int64_t>(kind),
                                   .inverse = inverse,
                                   .scale = scale,
                                   .dtype = kind == FftKind::from_real ? part : complex_of(part)};
  std::vector<Tensor> inputs{x};
  for (const Step& s : steps_of(over_of(made::Fft(attrs))))
    if (has_table(s.length, s.real()))
      inputs.push_back(beside(table_of(plan_for(s.length, s.real()), in_halves(s.length, s.real()), part), x, at));
  return apply({op, build_fft}, attrs, inputs, at)[0];
} catch (...) {
  leave_with_error(op, operand.where());
}

Tensor along(const char* op, FftKind kind, bool inverse, const Operand& x, const Along& o) {
  return over(op, kind, inverse, x, {.axes = {o.axis}, .s = {o.n}, .norm = o.norm});
}

}  // namespace

Tensor fft(Operand x, Along o) { return along("fft", FftKind::complex, false, x, o); }
Tensor ifft(Operand x, Along o) { return along("ifft", FftKind::complex, true, x, o); }
Tensor rfft(Operand x, Along o) { return along("rfft", FftKind::from_real, false, x, o); }
Tensor irfft(Operand x, Along o) { return along("irfft", FftKind::to_real, true, x, o); }
// Norms turn around with the direction.
Tensor hfft(Operand x, Along o) { return along("hfft", FftKind::to_real, false, Operand(conj(x), x.where()), o); }
Tensor ihfft(Operand x, Along o) { return conj(Operand(along("ihfft", FftKind::from_real, true, x, o), x.where())); }
Tensor fft(Operand x, int64_t n, int64_t axis, const std::string& norm) { return fft(x, {n, axis, norm}); }
Tensor ifft(Operand x, int64_t n, int64_t axis, const std::string& norm) { return ifft(x, {n, axis, norm}); }
Tensor rfft(Operand x, int64_t n, int64_t axis, const std::string& norm) { return rfft(x, {n, axis, norm}); }
Tensor irfft(Operand x, int64_t n, int64_t axis, const std::string& norm) { return irfft(x, {n, axis, norm}); }
Tensor hfft(Operand x, int64_t n, int64_t axis, const std::string& norm) { return hfft(x, {n, axis, norm}); }
Tensor ihfft(Operand x, int64_t n, int64_t axis, const std::string& norm) { return ihfft(x, {n, axis, norm}); }

Tensor fftn(Operand x, Over o) { return over("fftn", FftKind::complex, false, x, o); }
Tensor ifftn(Operand x, Over o) { return over("ifftn", FftKind::complex, true, x, o); }
Tensor rfftn(Operand x, Over o) { return over("rfftn", FftKind::from_real, false, x, o); }
Tensor irfftn(Operand x, Over o) { return over("irfftn", FftKind::to_real, true, x, o); }
Tensor fft2(Operand x, Over o) { return over("fft2", FftKind::complex, false, x, o); }
Tensor ifft2(Operand x, Over o) { return over("ifft2", FftKind::complex, true, x, o); }
Tensor rfft2(Operand x, Over o) { return over("rfft2", FftKind::from_real, false, x, o); }
Tensor irfft2(Operand x, Over o) { return over("irfft2", FftKind::to_real, true, x, o); }

}  // namespace tenon::fft

namespace tenon::formula {

Value transformed_over(Value x, const FftOver& to, const TableFor& table_for) {
  double scale = to.scale;
  for (const fft::Step& s : fft::steps_of(to)) {
    const bool back = s.kind == FftKind::to_real;
    x = fft::resized(x, s.axis, back ? s.length / 2 + 1 : s.length);
    Shape shape = x.shape();
    const fft::Plan plan = fft::plan_for(s.length, s.real());
    const Value table =
        fft::has_table(s.length, s.real()) ? table_for(plan, fft::in_halves(s.length, s.real())) : Value{};
    const Value folded = fft::around(x, s.axis);
    x = s.kind == FftKind::complex ? transformed(folded, table, plan, to.inverse, scale)
        : back                     ? transformed_back(folded, table, plan, s.length, scale)
                                   : transformed_real(folded, table, plan, s.length, scale);
    shape[s.axis] = s.kind == FftKind::from_real ? Dim(s.length / 2 + 1) : Dim(s.length);
    x = ir::reshape(x, shape);
    scale = 1;
  }
  return x;
}

}  // namespace tenon::formula
