// Discrete Fourier transforms against the sum that defines them, in long double: every length to 24 (`./dev test --all`: 64) and
// some beyond, real ones, norms, axes, cut and padded lengths, derivatives, lanes, all routes; and spectra of pieces.
#include "tenon/tests/complex_values.h"

#include <cmath>

#include "tenon/tests/messages.h"
#include "tenon/tests/thorough.h"

namespace tn = tenon;
using tenon::testing::Complex;
using tenon::testing::distance;
using tenon::testing::drawn;
using tenon::testing::drawn_numbers;
using tenon::testing::expect_derivatives;
using tenon::testing::expect_same_on_all_routes;
using tenon::testing::message_of;
using tenon::testing::numbers;
using tenon::testing::thorough;
using tn::Tensor;
using Tensors = std::vector<Tensor>;

namespace {

using Long = std::complex<long double>;

// Of rows of n, one after the other.
std::vector<Complex> by_definition(const std::vector<Complex>& x, int64_t n, bool inverse = false) {
  std::vector<Long> root;
  for (int64_t k = 0; k < n; ++k) {
    const long double angle =
        6.283185307179586476925286766559005768L * static_cast<long double>(k) / static_cast<long double>(n);
    root.emplace_back(std::cos(angle), inverse ? std::sin(angle) : -std::sin(angle));
  }
  std::vector<Complex> result;
  for (size_t row = 0; row < x.size(); row += static_cast<size_t>(n))
    for (int64_t k = 0; k < n; ++k) {
      Long sum = 0;
      for (int64_t t = 0; t < n; ++t)
        sum += Long(x[row + static_cast<size_t>(t)]) * root[static_cast<size_t>(k * t % n)];
      result.emplace_back(static_cast<double>(sum.real()), static_cast<double>(sum.imag()));
    }
  return result;
}

// Every length is a program of its own. By default: all short ones, then some of each kind of factors.
std::vector<int64_t> lengths() {
  std::vector<int64_t> all;
  for (int64_t n = 1; n <= (thorough() ? 64 : 24); ++n) all.push_back(n);
  if (!thorough()) all.insert(all.end(), {25, 27, 31, 32, 34, 36, 42, 45, 49, 53, 60, 64});
  for (const int64_t n :
       {81, 97, 100, 121, 128, 143, 169, 243, 256, 257, 343, 360, 500, 509, 512, 625, 1000, 1009, 1024})
    if (thorough() || n == 97 || n == 121 || n == 128 || n == 143 || n == 243 || n == 257 || n == 360 || n >= 1000)
      all.push_back(n);
  return all;
}

TEST(Fft, EveryLengthIsItsDefinition) {
  int count = 0;
  for (const int64_t n : lengths()) {
    const std::vector<Complex> x = drawn_numbers(n, static_cast<unsigned>(n));
    const Tensor t = tn::tensor(x);
    const std::vector<Complex> expected = by_definition(x, n);
    EXPECT_LT(distance(numbers(tn::fft::fft(t)), expected), 2e-15) << n;
    EXPECT_LT(distance(numbers(tn::fft::ifft(tn::fft::fft(t))), x), 2e-15) << n;
    if (++count % 3 == 0 || thorough()) {  // the same factors in another dtype
      EXPECT_LT(distance(numbers(tn::fft::fft(t.astype(tn::c64))), expected), 1e-6) << n;
    }
  }
}

TEST(Fft, LongOnes) {
  for (const int64_t n : {int64_t{1} << 13, int64_t{1} << 16, int64_t{3 * 5 * 7 * 11 * 13}, int64_t{65537}}) {
    // Of e^(2 pi i f t / n) one element is n, of an impulse all have size 1.
    const int64_t f = n / 3;
    std::vector<Complex> wave, impulse(static_cast<size_t>(n), 0), expected(static_cast<size_t>(n), 0), turning;
    for (int64_t t = 0; t < n; ++t) {
      const long double turn = 6.283185307179586476925286766559005768L / static_cast<long double>(n);
      const long double angle = turn * static_cast<long double>(f * t % n);
      wave.emplace_back(static_cast<double>(std::cos(angle)), static_cast<double>(std::sin(angle)));
      turning.emplace_back(static_cast<double>(std::cos(angle)), static_cast<double>(-std::sin(angle)));
    }
    impulse[static_cast<size_t>(f)] = 1, expected[static_cast<size_t>(f)] = static_cast<double>(n);
    EXPECT_LT(distance(numbers(tn::fft::fft(tn::tensor(wave))), expected), 1e-15) << n;
    EXPECT_LT(distance(numbers(tn::fft::fft(tn::tensor(impulse))), turning), 3e-15) << n;
    EXPECT_LT(distance(numbers(tn::fft::ifft(tn::fft::fft(tn::tensor(wave)))), wave), 3e-15) << n;
  }
}

TEST(Fft, RealOnes) {
  int count = 0;
  for (const int64_t n : lengths()) {
    if (++count > 16 && count % 2 && !thorough()) continue;
    const Tensor x = tn::real(tn::tensor(drawn_numbers(n, static_cast<unsigned>(n))));
    std::vector<Complex> expected = by_definition(numbers(x), n);
    expected.resize(static_cast<size_t>(n / 2 + 1));
    const Tensor z = tn::fft::rfft(x);
    EXPECT_LT(distance(numbers(z), expected), 2e-15) << n;
    if (count % 4 == 0 || thorough()) {
      EXPECT_LT(distance(numbers(tn::fft::rfft(x.astype(tn::f32))), expected), 1e-6) << n;
    }
    const Tensor back = tn::fft::irfft(z, {.n = n});
    EXPECT_EQ(back.dtype(), tn::f64);
    EXPECT_LT(distance(numbers(back), numbers(x)), 2e-15) << n;
    // The imaginary parts of the ends do not count.
    Tensor bent = z;
    bent[0] = z[0] + Complex(0, 3);
    EXPECT_LT(distance(numbers(tn::fft::irfft(bent, n)), numbers(x)), 2e-15) << n;
  }
  EXPECT_EQ(tn::fft::irfft(drawn({5}, 1)).shape(), tn::Shape({8}));
  // Of half of a signal that is its own mirrored conjugate the spectrum is real, and back.
  for (const int64_t n : {1, 2, 7, 8, 12})
    for (const std::string norm : {"backward", "ortho", "forward"}) {
      const Tensor x = tn::real(tn::tensor(drawn_numbers(n, 9)));
      const Tensor half = tn::fft::ihfft(x, {.norm = norm});
      const Tensor whole = tn::fft::ifft(x, {.norm = norm});
      EXPECT_LT(distance(numbers(half), numbers(whole[tn::slice(0, n / 2 + 1)])), 2e-15) << n << norm;
      EXPECT_LT(distance(numbers(tn::fft::hfft(half, {.n = n, .norm = norm})), numbers(x)), 2e-15) << n << norm;
    }
  EXPECT_EQ(tn::fft::hfft(drawn({5}, 1)).shape(), tn::Shape({8}));
  EXPECT_EQ(tn::fft::hfft(drawn({5}, 1), 7).shape(), tn::Shape({7}));
}

TEST(Fft, NormsAndLengths) {
  const Tensor z = drawn({12}, 31);
  const std::vector<Complex> plain = numbers(tn::fft::fft(z)), back = by_definition(numbers(z), 12, true);
  const auto scaled = [](std::vector<Complex> v, double by) {
    for (Complex& c : v) c *= by;
    return v;
  };
  EXPECT_LT(distance(numbers(tn::fft::fft(z, {.norm = "ortho"})), scaled(plain, 1 / std::sqrt(12.0))), 1e-15);
  EXPECT_LT(distance(numbers(tn::fft::fft(z, {.norm = "forward"})), scaled(plain, 1 / 12.0)), 1e-15);
  EXPECT_LT(distance(numbers(tn::fft::ifft(z)), scaled(back, 1 / 12.0)), 1e-15);
  EXPECT_LT(distance(numbers(tn::fft::ifft(z, {.norm = "ortho"})), scaled(back, 1 / std::sqrt(12.0))), 1e-15);
  EXPECT_LT(distance(numbers(tn::fft::ifft(z, {.norm = "forward"})), back), 1e-15);
  for (const std::string norm : {"backward", "ortho", "forward"}) {
    const Tensor x = tn::real(z);
    EXPECT_LT(distance(numbers(tn::fft::irfft(tn::fft::rfft(x, {.norm = norm}), {.n = 12, .norm = norm})), numbers(x)),
              1e-15);
    const Tensor m = drawn({3, 4}, 32);
    EXPECT_LT(distance(numbers(tn::fft::ifft2(tn::fft::fft2(m, {.axes = {0, 1}, .norm = norm}),
                                              {.axes = {0, 1}, .norm = norm})),
                       numbers(m)),
              1e-15);
  }
  std::vector<Complex> cut = numbers(z), padded = numbers(z);
  cut.resize(7), padded.resize(17, 0);
  EXPECT_LT(distance(numbers(tn::fft::fft(z, 7)), by_definition(cut, 7)), 2e-15);
  EXPECT_LT(distance(numbers(tn::fft::fft(z, {.n = 17})), by_definition(padded, 17)), 2e-15);
  EXPECT_EQ(tn::fft::rfft(tn::real(z), 9).shape(), tn::Shape({5}));
}

TEST(Fft, AxesAndSeveralOfThem) {
  const Tensor z = drawn({3, 8, 5}, 33);
  const auto along = [](const Tensor& t, int64_t axis) {  // by definition, through a transpose
    std::vector<int64_t> order = {0, 1, 2};
    std::swap(order[static_cast<size_t>(axis)], order[2]);
    const Tensor moved = t.transpose(order);
    const int64_t n = t.shape()[axis].number();
    return tn::tensor(by_definition(numbers(moved), n)).reshape(moved.shape()).transpose(order);
  };
  for (const int64_t axis : {0, 1, 2}) {
    EXPECT_LT(distance(numbers(tn::fft::fft(z, {.axis = axis})), numbers(along(z, axis))), 2e-15) << axis;
    EXPECT_LT(distance(numbers(tn::fft::ifft(tn::fft::fft(z, {.axis = axis - 3}), {.axis = axis})), numbers(z)), 2e-15)
        << axis;
  }
  EXPECT_LT(distance(numbers(tn::fft::fft2(z)), numbers(along(along(z, 2), 1))), 2e-15);
  EXPECT_LT(distance(numbers(tn::fft::fftn(z)), numbers(along(along(along(z, 2), 1), 0))), 2e-15);
  EXPECT_LT(distance(numbers(tn::fft::fftn(z, {0, 2})), numbers(along(along(z, 2), 0))), 2e-15);
  EXPECT_LT(distance(numbers(tn::fft::ifftn(tn::fft::fftn(z, {0, 2}), {0, 2})), numbers(z)), 2e-15);
  EXPECT_LT(distance(numbers(tn::fft::fftn(z, {.s = {4, 6}})), numbers(tn::fft::fft(tn::fft::fft(z, 6), 4, 1))), 2e-15);
  const Tensor x = tn::real(z), half = tn::fft::rfft2(x);
  EXPECT_EQ(half.shape(), tn::Shape({3, 8, 3}));
  EXPECT_LT(distance(numbers(half), numbers(tn::fft::fft2(x)[{tn::all, tn::all, tn::slice(0, 3)}])), 2e-15);
  EXPECT_LT(distance(numbers(tn::fft::irfft2(half, {.axes = {1, 2}, .s = {8, 5}})), numbers(x)), 2e-15);
  EXPECT_LT(distance(numbers(tn::fft::irfftn(tn::fft::rfftn(x), {.s = {3, 8, 5}})), numbers(x)), 2e-15);
  // Batches along which nothing is transformed, on either side and large.
  const Tensor wide = drawn({2, 20, 33}, 34);
  EXPECT_LT(distance(numbers(tn::fft::fft(wide, {.axis = 1})), numbers(along(wide, 1))), 2e-15);
  EXPECT_EQ(tn::fft::fft(tn::zeros({0, 4}, {.dtype = tn::c64})).shape(), tn::Shape({0, 4}));
}

TEST(Fft, FrequenciesAndShifts) {
  EXPECT_EQ(tn::fft::fftfreq(5, 0.5).to_vector<float>(), (std::vector<float>{0, 0.4f, 0.8f, -0.8f, -0.4f}));
  EXPECT_EQ(tn::fft::fftfreq(4).to_vector<float>(), (std::vector<float>{0, 0.25f, -0.5f, -0.25f}));
  EXPECT_EQ(tn::fft::rfftfreq(4).to_vector<float>(), (std::vector<float>{0, 0.25f, 0.5f}));
  EXPECT_EQ(tn::fft::rfftfreq(2, 1, {.dtype = tn::f64}).to_vector<double>(), (std::vector<double>{0, 0.5}));
  EXPECT_EQ(tn::fft::fftshift(tn::arange(5)).to_vector<int>(), (std::vector<int>{3, 4, 0, 1, 2}));
  EXPECT_EQ(tn::fft::ifftshift(tn::arange(5)).to_vector<int>(), (std::vector<int>{2, 3, 4, 0, 1}));
  const Tensor x = tn::arange(0, 12).reshape({3, 4});
  EXPECT_EQ(tn::fft::fftshift(x, {1})[0].to_vector<int>(), (std::vector<int>{2, 3, 0, 1}));
  EXPECT_EQ(tn::fft::ifftshift(tn::fft::fftshift(x)).to_vector<int>(), x.to_vector<int>());
}

TEST(Fft, IsDifferentiable) {
  const auto power = [](const Tensor& z) {
    const Tensor size = tn::abs(z);
    return tn::sum(size * size * tn::real(z)) + tn::sum(tn::imag(z)) * 0.5;
  };
  for (const int64_t n : {1, 5, 8, 12, 16, 17, 32}) {
    if ((n == 16 || n == 32) && !thorough()) continue;
    const Tensor parts = tn::view_as_real(drawn({2, n}, 41)) * 0.5;
    const auto of = [&](Tensor (*f)(const Tensor&)) {
      return [f, power](const Tensor& p) { return power(f(tn::view_as_complex(p))); };
    };
    expect_derivatives("fft", of([](const Tensor& z) { return tn::fft::fft(z * z); }), parts, 1e-4);
    expect_derivatives("ifft", of([](const Tensor& z) { return tn::fft::ifft(z * z, {.axis = 0}); }), parts, 1e-4);
    const Tensor x = parts[{tn::all, tn::all, 0}];
    expect_derivatives("rfft", [power](const Tensor& t) { return power(tn::fft::rfft(t * t)); }, x, 1e-4);
    expect_derivatives(
        "irfft",
        [](const Tensor& p) {
          const Tensor y = tn::fft::irfft(tn::view_as_complex(p), 2 * (p.shape()[1].number() - 1) + 1);
          return tn::sum(y * y * y);
        },
        parts, 1e-4);
  }
  const Tensor z = drawn({2, 3, 4}, 42);
  const auto [y, dy] = tn::jvp([](const Tensor& w) { return tn::fft::fft2(w); }, z, z * 2);
  EXPECT_LT(distance(numbers(dy), numbers(y * 2)), 1e-15);
  // The transpose of a transform is a transform: the backward program has as many stages as the forward one, and no sums of padded parts.
  const auto loss = [](const Tensor& w) { return tn::sum(tn::real(tn::fft::fft(w) * Complex(1, 2))); };
  const std::string text = tn::trace(tn::grad(loss), drawn({64}, 43)).ir();
  EXPECT_NE(text.find("linear_solve"), std::string::npos);
}

TEST(Fft, LanesAndRoutes) {
  const Tensor z = drawn({3, 20}, 44);
  const auto f = [](const Tensor& w) { return tn::fft::fft(w); };
  EXPECT_LT(distance(numbers(tn::vmap(f)(z)), numbers(tn::fft::fft(z))), 1e-15);
  for (const tn::DType dtype : {tn::c64, tn::c128})
    for (const int64_t n : {1, 3, 4, 8, 12, 16, 20, 34, 64}) {
      if (((dtype == tn::c64) != (n % 4 == 0) || n == 8) && !thorough()) continue;
      const auto all = [](const Tensors& in) {
        const Tensor x = tn::real(in[0]);
        return Tensors{tn::fft::fft(in[0]), tn::fft::ifft(in[0], {.axis = 0}), tn::fft::rfft(x),
                       tn::fft::irfft(in[0], {.n = 9}),
                       tn::grad([](const Tensor& w) { return tn::sum(tn::abs(tn::fft::fft(w))); })(in[0])};
      };
      expect_same_on_all_routes("fft", all, {drawn({2, n}, 45, dtype)});
    }
}

// ---- pieces

Tensor pieces_by_definition(const std::vector<double>& signal, int64_t n, int64_t hop,
                            const std::vector<double>& window) {
  std::vector<double> padded;
  const auto size = static_cast<int64_t>(signal.size());
  for (int64_t i = -n / 2; i < size + n / 2; ++i)
    padded.push_back(signal[static_cast<size_t>(i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i)]);
  const int64_t count = (static_cast<int64_t>(padded.size()) - n) / hop + 1;
  std::vector<Complex> cut;
  for (int64_t f = 0; f < count; ++f)
    for (int64_t t = 0; t < n; ++t)
      cut.emplace_back(padded[static_cast<size_t>(f * hop + t)] * window[static_cast<size_t>(t)]);
  return tn::tensor(by_definition(cut, n)).reshape({count, n})[{tn::all, tn::slice(0, n / 2 + 1)}].transpose();
}

TEST(Stft, IsItsDefinitionAndComesBack) {
  const Tensor x = tn::real(drawn({50}, 51));
  for (const int64_t n : {8, 12, 9}) {
    std::vector<double> hann;
    for (int64_t t = 0; t < n; ++t)
      hann.push_back(0.5 - 0.5 * std::cos(6.283185307179586 * static_cast<double>(t) / static_cast<double>(n)));
    const Tensor window = tn::tensor(hann);
    const Tensor z = tn::stft(x, n, {.hop_length = 3, .window = window});
    const Tensor expected = pieces_by_definition(x.to_vector<double>(), n, 3, hann);
    EXPECT_EQ(z.shape(), expected.shape());
    EXPECT_LT(distance(numbers(z), numbers(expected)), 2e-15) << n;
    EXPECT_LT(distance(numbers(tn::istft(z, n, {.hop_length = 3, .window = window, .length = 50})), numbers(x)), 1e-14)
        << n;
    const Tensor all = tn::stft(x, n, {.hop_length = 3, .window = window, .normalized = true, .onesided = false});
    EXPECT_EQ(all.shape()[0], tn::Dim(n));
    EXPECT_LT(
        distance(numbers(tn::istft(
                     all, n, {.hop_length = 3, .window = window, .normalized = true, .onesided = false, .length = 50})),
                 numbers(x)),
        1e-14)
        << n;
  }
  const Tensor batch = tn::real(drawn({2, 3, 40}, 52));
  const Tensor z = tn::stft(batch, 8, {.center = false});
  EXPECT_EQ(z.shape(), tn::Shape({2, 3, 5, 17}));
  EXPECT_LT(distance(numbers(z[{1, 2}]), numbers(tn::stft(batch[{1, 2}], 8, {.center = false}))), 1e-15);
  EXPECT_LT(distance(numbers(tn::istft(z, 8, {.center = false})), numbers(batch)), 1e-14);
  EXPECT_EQ(tn::stft(batch, 8, {.return_complex = false}).shape(), tn::Shape({2, 3, 5, 21, 2}));
  const Tensor complex = drawn({40}, 53), pieces = tn::stft(complex, 8, {.win_length = 6, .pad_mode = "constant"});
  EXPECT_EQ(pieces.shape()[0], tn::Dim(8));
  expect_derivatives(
      "stft",
      [](const Tensor& t) {
        const Tensor w = tn::stft(t * t, 8, {.hop_length = 2});
        return tn::sum(tn::abs(w) * tn::abs(w)) + tn::sum(tn::istft(w, 8, {.hop_length = 2}) * t);
      },
      tn::real(drawn({16}, 54)), 1e-4);
}

TEST(Fft, RefusesWhatItCannot) {
  const auto said = [](auto f) { return message_of(f); };
  const Tensor z = drawn({4}, 61);
  EXPECT_NE(said([&] { (void)tn::fft::fft(z, 0); }).find("length from 1"), std::string::npos);
  EXPECT_NE(said([&] { (void)tn::fft::fft(z, {.axis = 1}); }).find("fft: axis 1"), std::string::npos);
  EXPECT_NE(said([&] { (void)tn::fft::fft(z, {.norm = "none"}); }).find("\"ortho\""), std::string::npos);
  EXPECT_NE(said([&] { (void)tn::fft::rfft(z); }).find("tn::fft::fft"), std::string::npos);
  EXPECT_NE(said([&] { (void)tn::fft::fftn(z, {0, 0}); }).find("twice"), std::string::npos);
  EXPECT_NE(said([&] { (void)tn::fft::fftn(tn::ones({2, 2}), {.axes = {0, 1}, .s = {2}}); }).find("lengths"),
            std::string::npos);
  EXPECT_NE(said([&] { (void)tn::fft::fft(tn::tensor(1.0)); }).find("fft"), std::string::npos);
  EXPECT_NE(said([&] { (void)tn::fft::fftfreq(0); }).find("at least 1"), std::string::npos);
  EXPECT_NE(said([&] { (void)tn::stft(tn::ones({5}), 16); }).find("reflect"), std::string::npos);
  EXPECT_NE(said([&] { (void)tn::istft(tn::ones({5, 2}), 8); }).find("complex"), std::string::npos);
}

}  // namespace
