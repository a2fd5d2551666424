// Complex tensors on the simulated GPU: every function, gradients and transforms of c64 and c128 with the CPU's bits.
#include <cstring>

#include "tenon/tests/complex_values.h"
#include "tenon/tests/simulated_gpu.h"

namespace tenon::testing {
namespace {

using Tensors = std::vector<Tensor>;

Tensors elementwise_of(const Tensor& z) {
  const Tensor w = conj(z) + std::complex<double>(0.5, -1);
  return {z + w,
          z * w,
          z / w,
          -z,
          exp(z),
          log(z),
          sqrt(z),
          sin(z),
          tanh(z),
          pow(z, w),
          abs(z),
          angle(z),
          real(z),
          imag(z),
          z == w,
          z != w,
          asin(z),
          acosh(z),
          where(real(z) > 0, z, w),
          sign(z)};
}

Tensors moved_and_summed(const Tensor& z) {
  const Tensor rows = 2 - arange(0, 3);  // made by the program, on its device
  return {sum(z, {1}),
          prod(z, {0}),
          mean(z),
          var(z),
          cumsum(z, 1),
          concat({z, flip(z, {0})}, 1),
          z.transpose()[{all, 1}],
          take(z, rows, 0),
          scatter_add(z, rows / 2, z, 0),
          matmul(z, conj(z.transpose()))};
}

Tensors transforms_of(const Tensor& z) {
  const auto loss = [](const Tensor& w) { return sum(abs(fft::fft(w))); };
  return {fft::fft(z), fft::ifft(z, {.axis = 0}), fft::fft(z, 17), fft::rfft(real(z)), fft::irfft(z, 9), grad(loss)(z)};
}

void expect_bits(const Tensors& expected, const Tensors& found, const char* what) {
  ASSERT_EQ(expected.size(), found.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto wrong = difference(array_of(expected[i]), array_of(found[i].to(cpu())), NaNs::one_value);
    EXPECT_FALSE(wrong) << what << ", result " << i << ": " << *wrong;
  }
}

TEST(CudaComplexSimulated, ProgramsHaveTheBitsOfTheCpu) {
  use_simulated_gpu();
  if (const std::string reason = no_simulated_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  for (const DType dtype : {c64, c128}) {
    const Tensor z = drawn({3, 4}, 71, dtype), there = z.to(cuda(0));
    EXPECT_EQ(there.device(), cuda(0));
    expect_bits(jit(elementwise_of)(z), jit(elementwise_of)(there), "element by element");
    expect_bits(jit(moved_and_summed)(z), jit(moved_and_summed)(there), "movement and sums");
    expect_bits(jit(transforms_of)(z), jit(transforms_of)(there), "transforms");
    expect_bits({z * z + 1}, {there * there + 1}, "eagerly");
  }
}

}  // namespace
}  // namespace tenon::testing
