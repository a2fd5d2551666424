// hann_window, hamming_window, blackman_window, bartlett_window, kaiser_window.
#include "tenon/frontend/ops/tapers.h"

#include <cmath>
#include <numbers>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

enum class Taper : int64_t { hann, hamming, blackman, bartlett, kaiser };

// a0 - a1 cos(2 pi x) + a2 cos(4 pi x), x running from 0 to 1.
ir::Value cosines(ir::Value x, double a0, double a1, double a2) {
  const ir::Value first = ir::cos(x * (2 * std::numbers::pi)) * a1;
  return a2 == 0 ? a0 - first : a0 - first + ir::cos(x * (4 * std::numbers::pi)) * a2;
}

ir::Value sampled(Taper kind, ir::Value x, double beta) {
  switch (kind) {
    case Taper::hann: return cosines(x, 0.5, 0.5, 0);
    case Taper::hamming: return cosines(x, 0.54, 0.46, 0);
    case Taper::blackman: return cosines(x, 0.42, 0.5, 0.08);
    case Taper::bartlett: return 1 - ir::abs(x * 2 - 1);
    case Taper::kaiser: break;
  }
  // i0e and the exponent apart: i0 itself overflows where the quotient does not.
  const ir::Value side = x * 2 - 1, rest = ir::max(1 - side * side, ir::like(x, 0.0)), z = ir::sqrt(rest) * beta;
  const ir::Value top = ir::like(x, beta);
  return ir::i0e(z) / ir::i0e(top) * ir::exp(z - top);
}

std::vector<ir::Value> build_taper(ir::GraphBuilder& b, std::span<const ir::Value>, const ir::Attrs& attrs) {
  const made::Taper t(attrs);
  const ir::Value i = ir::iota(b, f64, Shape({Dim(t.count)}), 0);
  const ir::Value x = i / static_cast<double>(t.period);
  return {ir::cast(sampled(static_cast<Taper>(t.kind), x, t.parameter), t.dtype)};
}

Tensor taper(const char* name, Taper kind, int64_t n, bool periodic, double parameter, const TensorOptions& o,
             const At& from) try {
  const Location at = place(from);
  if (!is_floating(o.dtype))
    throw Error(std::string(name) + ": the dtype is a floating one, not " + std::string(tenon::name(o.dtype)), at);
  if (!std::isfinite(parameter)) throw Error(std::string(name) + ": beta is a finite number", at);
  (void)Extents({n}).checked(name, f64, at);
  if (n == 1) return ones({1}, o, from);
  const int64_t period = std::max<int64_t>(periodic ? n : n - 1, 1);
  const ir::Attrs attrs = made::TaperAttrs{.count = n,
                                           .period = period,
                                           .kind = static_cast<int64_t>(kind),
                                           .parameter = std::fabs(parameter),
                                           .dtype = o.dtype};
  Tensor t = apply({name, build_taper}, attrs, {}, at)[0];
  if (o.requires_grad) t.set_requires_grad(true);
  return t;
} catch (...) {
  leave_with_error(name, place(from));
}

}  // namespace

Tensor hann_window(int64_t n, bool periodic, TensorOptions o, const At& at) {
  return taper("hann_window", Taper::hann, n, periodic, 0, o, at);
}
Tensor hamming_window(int64_t n, bool periodic, TensorOptions o, const At& at) {
  return taper("hamming_window", Taper::hamming, n, periodic, 0, o, at);
}
Tensor blackman_window(int64_t n, bool periodic, TensorOptions o, const At& at) {
  return taper("blackman_window", Taper::blackman, n, periodic, 0, o, at);
}
Tensor bartlett_window(int64_t n, bool periodic, TensorOptions o, const At& at) {
  return taper("bartlett_window", Taper::bartlett, n, periodic, 0, o, at);
}
Tensor kaiser_window(int64_t n, bool periodic, double beta, TensorOptions o, const At& at) {
  return taper("kaiser_window", Taper::kaiser, n, periodic, beta, o, at);
}

}  // namespace tenon
