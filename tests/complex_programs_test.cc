// Complex tensors through transforms: gradients in the convention of R x R, second order, lanes, loops that carry them, files, all routes.
#include "tenon/tests/complex_values.h"

#include <cstdio>
#include <filesystem>

#include "tenon/tests/messages.h"
#include "tenon/tests/temporary_folder.h"

namespace tn = tenon;
using tenon::testing::Complex;
using tenon::testing::distance;
using tenon::testing::drawn;
using tenon::testing::expect_derivatives;
using tenon::testing::expect_same_on_all_routes;
using tenon::testing::message_of;
using tenon::testing::numbers;
using tn::Tensor;
using Tensors = std::vector<Tensor>;

namespace {

// What is differentiated: complex -> complex or real.
struct Function {
  const char* name;
  Tensor (*f)(const Tensor&);
};
const Function functions[] = {
    {"product", [](const Tensor& z) { return z * z * Complex(0.5, 2); }},
    {"quotient", [](const Tensor& z) { return Complex(1, 2) / z + z / Complex(3, -1); }},
    {"exp", [](const Tensor& z) { return tn::exp(z); }},
    {"log", [](const Tensor& z) { return tn::log(z); }},
    {"sqrt", [](const Tensor& z) { return tn::sqrt(z); }},
    {"pow", [](const Tensor& z) { return tn::pow(z, Complex(1.5, 0.5)); }},
    {"sin", [](const Tensor& z) { return tn::sin(z); }},
    {"cos", [](const Tensor& z) { return tn::cos(z); }},
    {"tan", [](const Tensor& z) { return tn::tan(z); }},
    {"sinh", [](const Tensor& z) { return tn::sinh(z); }},
    {"cosh", [](const Tensor& z) { return tn::cosh(z); }},
    {"tanh", [](const Tensor& z) { return tn::tanh(z); }},
    {"rsqrt", [](const Tensor& z) { return tn::rsqrt(z); }},
    {"asin", [](const Tensor& z) { return tn::asin(z * Complex(0.1, 0.2)); }},
    {"acos", [](const Tensor& z) { return tn::acos(z * Complex(0.1, 0.2)); }},
    {"atan", [](const Tensor& z) { return tn::atan(z); }},
    {"asinh", [](const Tensor& z) { return tn::asinh(z); }},
    {"acosh", [](const Tensor& z) { return tn::acosh(z * Complex(1, 0.5)); }},
    {"atanh", [](const Tensor& z) { return tn::atanh(z * Complex(0.1, 0.2)); }},
    {"expm1", [](const Tensor& z) { return tn::expm1(z); }},
    {"log1p", [](const Tensor& z) { return tn::log1p(z * 0.1); }},
    {"sigmoid", [](const Tensor& z) { return tn::sigmoid(z); }},
    {"sign", [](const Tensor& z) { return tn::sign(z); }},
    {"abs", [](const Tensor& z) { return tn::abs(z); }},
    {"angle", [](const Tensor& z) { return tn::angle(z); }},
    {"conj", [](const Tensor& z) { return tn::conj(z) * z * z; }},
    {"matmul", [](const Tensor& z) { return tn::matmul(z, tn::conj(z.transpose())); }},
    {"prod", [](const Tensor& z) { return tn::prod(z, {.axes = {1}}); }},
    {"mean", [](const Tensor& z) { return tn::mean(z * z, {.axes = {0}}); }},
    {"var", [](const Tensor& z) { return tn::var(z, {.axes = {1}}); }},
    {"cumsum", [](const Tensor& z) { return tn::cumsum(z * z, 1); }},
    {"moved",
     [](const Tensor& z) { return tn::concat({tn::flip(z, {0}) * z, tn::pad(z, {{0, 1}, {0, 0}}, 2) * 2}, 0); }},
    {"taken", [](const Tensor& z) { return tn::take(z * z, tn::tensor({1, 1, 0}), 0); }},
    {"added", [](const Tensor& z) { return tn::scatter_add(z * z, tn::tensor({1, 1}), tn::conj(z), 0); }},
    {"set", [](const Tensor& z) { return tn::index_copy(z * z, 0, tn::tensor({1}), tn::exp(z[tn::slice(0, 1)])); }},
    {"gathered", [](const Tensor& z) { return tn::gather(z * z, 1, tn::tensor({{2, 2}, {0, 1}})); }},
    {"where", [](const Tensor& z) { return tn::where(tn::real(z) > 0, z * z, tn::conj(z)); }},
};

Tensor mixed(const Tensor& y) {  // a real number that depends on both parts of every element
  if (!tn::is_complex(y)) return tn::sum(y * y) + tn::sum(y) * 0.5;
  return tn::sum(tn::real(y) * tn::real(y)) + tn::sum(tn::imag(y)) * 0.7 + tn::sum(tn::real(y) * tn::imag(y)) * 0.3;
}

TEST(ComplexPrograms, DerivativesToSecondOrder) {
  for (const bool on_axis : {false, true})  // also where the imaginary part is 0
    for (const Function& f : functions) {
      const Tensor z = drawn({2, 3}, 21) + Complex(2.5, on_axis ? 0 : 0.5);
      const auto loss = [&](const Tensor& parts) { return mixed(f.f(tn::view_as_complex(parts))); };
      Tensor at = tn::view_as_real(z);
      if (on_axis) at = at * tn::tensor({1.0, 0.0});
      expect_derivatives(f.name, loss, at, 2e-5);
    }
}

TEST(ComplexPrograms, GradientsAreByBothParts) {
  const Tensor z = drawn({5}, 22);
  const auto loss = [](const Tensor& w) { return mixed(tn::exp(w) * w); };
  const auto of_parts = [&](const Tensor& re, const Tensor& im) { return loss(tn::complex(re, im)); };
  const Tensor whole = tn::grad(loss)(z);
  const auto [by_re, by_im] = tn::grad<0, 1>(of_parts)(tn::real(z), tn::imag(z));
  EXPECT_EQ(whole.dtype(), tn::c128);
  EXPECT_LT(distance(numbers(whole), numbers(tn::complex(by_re, by_im))), 1e-15);
  // |z|^2 has the gradient 2 z.
  EXPECT_LT(distance(numbers(tn::grad([](const Tensor& w) { return tn::sum(tn::real(w * tn::conj(w))); })(z)),
                     numbers(z * 2)),
            1e-15);
  // |z| has the gradient z / |z|, and 0 at 0.
  const auto size = [](const Tensor& w) { return tn::sum(tn::abs(w)); };
  EXPECT_LT(distance(numbers(tn::grad(size)(z)), numbers(z / tn::abs(z))), 1e-15);
  EXPECT_EQ(tn::grad(size)(tn::tensor(Complex(0, 0))).item<Complex>(), Complex(0, 0));
  // The tape says the same.
  Tensor leaf = z.astype(tn::c128);
  leaf.set_requires_grad(true);
  loss(leaf).backward();
  EXPECT_EQ(numbers(leaf.grad()), numbers(whole));
}

// Each function in one width, its gradient in the other.
TEST(ComplexPrograms, SameBitsOnAllRoutes) {
  bool wide = false;
  for (const Function& f : functions) {
    wide = !wide;
    const Tensors own = {drawn({2, 3}, 23, wide ? tn::c128 : tn::c64)},
                  other = {drawn({2, 3}, 23, wide ? tn::c64 : tn::c128)};
    expect_same_on_all_routes(f.name, [&f](const Tensors& in) { return Tensors{f.f(in[0])}; }, own);
    const auto gradient = [&f](const Tensors& in) {
      return Tensors{tn::grad([&f](const Tensor& z) { return mixed(f.f(z)); })(in[0])};
    };
    expect_same_on_all_routes(f.name, gradient, other);
  }
}

TEST(ComplexPrograms, ControlFlowCarriesThem) {
  const auto f = [](const Tensors& in) {
    const Tensor z = in[0], count = in[1];
    const auto step = [](const Tensor& c, const Tensor& x) { return std::pair(c * x + x, tn::conj(c)); };
    const auto [last, all] = tn::scan(step, z[0], z);
    const Tensor mandel = tn::while_loop([](const Tensor& w) { return tn::all_of(tn::abs(w) < 4); },
                                         [z](const Tensor& w) { return w * w + z[1] + 2; }, tn::zeros_like(z[1]));
    const Tensor either =
        tn::cond(count > 1, [](const Tensor& w) { return w * w; }, [](const Tensor& w) { return tn::conj(w); }, z);
    const Tensor again = tn::checkpoint([](const Tensor& w) { return tn::exp(w) * w; })(z);
    const Tensor loop = tn::fori_loop(0, 3, [](const Tensor&, const Tensor& w) { return w * Complex(0, 1) + 1; }, z);
    return Tensors{last, all, mandel, either, again, loop, tn::real(last)};
  };
  for (const tn::DType dtype : {tn::c64, tn::c128})
    expect_same_on_all_routes("control flow", f, {drawn({3, 2}, 24, dtype) * 0.3, tn::tensor(int64_t{2})});
  const auto loss = [](const Tensor& parts) {
    const Tensor z = tn::view_as_complex(parts);
    const auto step = [](const Tensor& c, const Tensor& x) { return std::pair(c * x + tn::sin(c), tn::conj(c)); };
    const auto [last, all] = tn::scan(step, z[0], z);
    return mixed(last) + mixed(all);
  };
  expect_derivatives("scan", loss, tn::view_as_real(drawn({3, 2}, 25)), 1e-4);
}

// How often such a loop turns is known when it has run: what its gradient keeps of it holds both parts of every value.
struct Turning {
  Tensor count, z;
};
TEST(ComplexPrograms, LoopsOfUnknownLengthHaveDerivatives) {
  for (const int64_t memory : {int64_t{1}, int64_t{1} << 20}) {
    const auto loss = [memory](const Tensor& parts) {
      const Tensor z = tn::view_as_complex(parts), factor = z[1], shift = tn::real(z[0]);
      return mixed(tn::while_loop([](const Turning& s) { return s.count < 3; },
                                  [&](const Turning& s) {
                                    return Turning{s.count + 1, tn::sin(s.z * factor) + shift * tn::conj(s.z)};
                                  },
                                  Turning{tn::zeros({}, {.dtype = tn::i64}), z[0]}, {.memory = memory})
                       .z);
    };
    expect_derivatives("while", loss, tn::view_as_real(drawn({2}, 31) * 0.5), 1e-4);
  }
}

TEST(ComplexPrograms, LanesAndTangents) {
  const Tensor z = drawn({4, 3}, 26), t = drawn({4, 3}, 27);
  const auto f = [](const Tensor& w) { return tn::exp(w) * tn::sum(w); };
  const Tensor all = tn::vmap(f)(z);
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(numbers(all[i]), numbers(f(z[i])));
  const auto [y, dy] = tn::jvp(f, z[0], t[0]);
  const double h = 1e-6;
  EXPECT_LT(distance(numbers(dy), numbers((f(z[0] + t[0] * h) - f(z[0] - t[0] * h)) / (2 * h))), 1e-8);
  const auto [value, pull] = tn::vjp(f, z[0]);
  // <pull(c), t> = <c, dy>, with <a, b> = Re sum conj(a) b
  const auto inner = [](const Tensor& a, const Tensor& b) { return tn::real(tn::sum(tn::conj(a) * b)).item<double>(); };
  EXPECT_NEAR(inner(pull(t[1]), t[0]), inner(t[1], dy), 1e-10);
}

// What other transforms make of programs that are complex inside, or refuse.
TEST(ComplexPrograms, OtherTransforms) {
  const auto spectrum = [](const Tensor& x) {
    const Tensor z = tn::fft::rfft(x[tn::slice(0, 4)]);
    return tn::concat({tn::fft::irfft(z * z, 4), x[tn::slice(4, 7)] * 2}, 0);
  };
  const Tensor x = tn::real(drawn({7}, 29));
  const tn::Csr sparse = tn::sparse_jacobian(spectrum)(x);
  const Tensor dense = tn::jacfwd(spectrum)(x);
  EXPECT_EQ(sparse.values.numel(), 4 * 4 + 3);
  const std::vector<int64_t> offsets = sparse.row_offsets.to_vector<int64_t>(),
                             columns = sparse.columns.to_vector<int64_t>();
  const std::vector<double> values = sparse.values.to_vector<double>(), all = dense.to_vector<double>();
  for (size_t row = 0; row < 7; ++row)
    for (int64_t k = offsets[row]; k < offsets[row + 1]; ++k)
      EXPECT_NEAR(values[static_cast<size_t>(k)], all[row * 7 + static_cast<size_t>(columns[static_cast<size_t>(k)])],
                  1e-13);

  const Tensor z = drawn({4, 3}, 30);
  const auto less_mean = [](const Tensor& w) { return w - tn::pmean(w, "lanes"); };
  const Tensor centred = tn::vmap(less_mean, {.axis_name = "lanes"})(z);
  EXPECT_LT(distance(numbers(centred), numbers(z - tn::mean(z, {.axes = {0}, .keepdims = true}))), 1e-15);
  const Tensor root = tn::fixed_point([](const Tensor& w, const Tensor& a) { return (w + a / w) * 0.5; }, z, z * z);
  EXPECT_LT(distance(numbers(root * root), numbers(z * z)), 1e-14);

  EXPECT_NE(
      message_of([&] { (void)tn::jacrev([](const Tensor& w) { return tn::abs(w); })(z[0]); }).find("view_as_real"),
      std::string::npos);
  EXPECT_NE(message_of([&] { (void)tn::optim::sgd(z, z, {.rate = 0.1}); }).find("view_as_real"), std::string::npos);
}

TEST(ComplexPrograms, FilesAndCalls) {
  const std::string folder = tenon::testing::temporary_folder("complex"), path = folder + "/z.npy";
  for (const tn::DType dtype : {tn::c64, tn::c128}) {
    const Tensor z = drawn({3, 5}, 28, dtype);
    tn::save_npy(path, z);
    const Tensor back = tn::load_npy(path);
    EXPECT_EQ(back.dtype(), dtype);
    EXPECT_EQ(numbers(back), numbers(z));
    // Donated memory is that of a result.
    auto twice = tn::jit([](const Tensor& w) { return w * 2; }, {.donate = {0}});
    const Tensor given = z + 0;
    EXPECT_EQ(numbers(twice(given)), numbers(z * 2));
    EXPECT_EQ(numbers(tn::jit([](const Tensor& w) { return std::pair(w, tn::real(w)); })(z).first), numbers(z));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
