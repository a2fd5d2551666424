// What stands beside transforms: the frequencies of their elements, and the order that has 0 in the middle.
#include "tenon/frontend/ops/fft.h"
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/ir/base/door.h"

namespace tenon::fft {
namespace {

using ir::Value;

// The last n / 2 elements of each axis first, or the last (n + 1) / 2.
template <bool back>
std::vector<Value> build_shift(ir::GraphBuilder&, std::span<const Value> inputs, const ir::Attrs& attrs) {
  Value x = inputs[0];
  Symbols& symbols = x.builder->symbols();
  for (const int64_t a : made::KeptReduce(attrs).axes) {
    const auto axis = static_cast<size_t>(a);
    const Dim n = x.shape()[axis], half = symbols.quotient(n, 2), first = back ? half : symbols.difference(n, half);
    const Value both[] = {formula::part(x, a, first, symbols.difference(n, first)), formula::part(x, a, 0, first)};
    x = ir::concat(both, a);
  }
  return {x};
}

Tensor shifted(const Emit& emit, const Operand& operand, const std::vector<int64_t>& axes) try {
  const Tensor x = as_tensor(operand, emit.name);
  const std::vector<int64_t> all = axes_of({.axes = axes}, x.ndim(), emit.name, operand.where());
  return all.empty() ? x : apply_one(emit, made::KeptReduceAttrs{all, false}, {x}, operand.where());
} catch (...) {
  leave_with_error(emit.name, operand.where());
}

Tensor frequencies(const char* op, int64_t n, bool both_signs, double d, const TensorOptions& o, const At& at) try {
  if (n < 1) throw Error(std::string(op) + ": n is at least 1, not " + std::to_string(n), place(at));
  if (!(d != 0)) throw Error(std::string(op) + ": the distance of samples is not 0", place(at));
  const FloatEnvironment standard;
  const int64_t count = both_signs ? n : n / 2 + 1;
  std::vector<double> values;
  const double step = 1 / (static_cast<double>(n) * d);
  for (int64_t k = 0; k < count; ++k) {
    const bool positive = !both_signs || k <= (n - 1) / 2;
    values.push_back(static_cast<double>(positive ? k : k - n) * step);
  }
  Tensor t = copy_from(values.data(), {count}, f64, false, at).astype(o.dtype);
  t.set_requires_grad(o.requires_grad, at);
  return t;
} catch (...) {
  leave_with_error(op, place(at));
}

}  // namespace

Tensor fftshift(Operand x, const std::vector<int64_t>& axes) {
  return shifted({"fftshift", build_shift<false>}, x, axes);
}
Tensor ifftshift(Operand x, const std::vector<int64_t>& axes) {
  return shifted({"ifftshift", build_shift<true>}, x, axes);
}
Tensor fftfreq(int64_t n, double d, TensorOptions o, const At& at) { return frequencies("fftfreq", n, true, d, o, at); }
Tensor rfftfreq(int64_t n, double d, TensorOptions o, const At& at) {
  return frequencies("rfftfreq", n, false, d, o, at);
}

}  // namespace tenon::fft
