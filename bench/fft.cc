// Fourier transforms of complex numbers in both widths beside NumPy's pocketfft, one thread. NumPy computes in f64 whatever it is given.
#include <tenon/tenon.h>

#include "tenon/bench/case.h"
#include "tenon/bench/numpy.h"

namespace tenon::bench {

void add_fft() {
  for (const int exponent : {10, 12, 14, 17, 20})
    for (const DType dtype : {c64, c128}) {
      Case c;
      c.name = "fft of 2^" + std::to_string(exponent) + ", " + std::string(name(dtype));
      c.unit = Unit::microseconds;
      c.bars = {{std::string("per ") + numpy_name, true, 1 / 1.5}};
      c.prepare = [=] {
        const int64_t n = int64_t{1} << exponent;
        const Tensor x = complex(normal(key(1), {n}), normal(key(2), {n})).astype(dtype);
        auto compiled = jit([](const Tensor& z) { return fft::fft(z); });
        std::vector<Subject> all = {{fused, [=] { compiled(x); }}, {eager, [=] { fft::fft(x); }}};
        const std::string made =
            "x = np.random.randn(" + std::to_string(n) + ") + 1j * np.random.randn(" + std::to_string(n) + ")";
        if (auto theirs = numpy(made, "np.fft.fft(x)")) all.push_back(*theirs);
        return all;
      };
      add(c);
    }
}

}  // namespace tenon::bench
