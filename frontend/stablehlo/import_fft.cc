// Discrete Fourier transforms over the last axes, as tn::fft computes them.
#include "tenon/frontend/ops/fft_formula.h"
#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {

std::vector<Value> import_fft(Call& c) {
  c.operands(1);
  using formula::FftKind;
  const Value x = c.in[0];
  const std::string_view type = c.word({"type", "fft_type"}, "");
  const bool from_real = type == "RFFT", to_real = type == "IRFFT", inverse = to_real || type == "IFFT";
  c.expects(from_real || inverse || type == "FFT", "its type is FFT, IFFT, RFFT or IRFFT");
  const DType wanted = from_real ? part_of(x.dtype()) : complex_of(x.dtype());
  c.expects(x.dtype() == wanted && part_of(wanted) != f16 && part_of(wanted) != bf16,
            "it takes complex numbers, RFFT real ones of f32 or f64");
  formula::FftOver to{from_real ? FftKind::from_real
                      : to_real ? FftKind::to_real
                                : FftKind::complex,
                      inverse,
                      {},
                      c.integers({"length", "fft_length"}),
                      1};
  const auto count = static_cast<int64_t>(to.lengths.size()), rank = int64_t{x.shape().rank()};
  c.expects(count >= 1 && count <= rank, "it names a length for each of the last axes that it transforms");
  double elements = 1;
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    to.axes.push_back(rank - count + i);
    const Dim extent = x.shape()[to.axes.back()];
    const int64_t n = to.lengths[at];
    c.expects(n >= 1 && n <= fft::longest && extent.is_number(), "a length is a number from 1 on");
    c.expects(extent == (to_real && i + 1 == count ? n / 2 + 1 : n), "its lengths are the extents of the axes");
    elements *= static_cast<double>(n);
  }
  if (inverse) to.scale = 1 / elements;
  const auto table_for = [&](const fft::Plan& plan, bool halves) {
    return c.scope.importer.tensor(c.scope.building, fft::table_of(plan, halves, part_of(wanted)));
  };
  return one(formula::transformed_over(x, to, table_for));
}

}  // namespace tenon::hlo
