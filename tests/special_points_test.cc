// First and second derivatives at zeros, infinities, NaN, kinks and overflow points, in every floating dtype and both modes,
// against formulas in long double (tests/special_points.h). The table in docs/numbers.md is these formulas' values, and is
// compared line by line; TENON_BLESS writes it anew.
#include "tenon/tests/special_points.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace tenon::testing {
namespace {

struct Format {
  DType dtype;
  int digits, least, most;  // of the mantissa; exponents of the smallest normal and of the largest number
  double ulps;  // allowed
};
// Halves compute in f32 and round once.
const Format formats[] = {
    {f64, 53, -1022, 1023, 8}, {f32, 24, -126, 127, 8}, {f16, 11, -14, 15, 0.51}, {bf16, 8, -126, 127, 0.51}};

Wide ulp_of(Wide x, const Format& format) {
  const int exponent = x == 0 ? format.least : std::max(format.least, std::ilogb(x));
  return std::ldexp(1.0L, exponent - format.digits + 1);
}

// Whether a result is `exact`, to so many units of the last place, and what f32 may lose of numbers of the size of `size` in
// halves (elements that cancel; in the other formats the units are `size`'s own).
::testing::AssertionResult is_near(double got, Wide exact, Wide size, const Format& format) {
  if (std::isnan(exact) || std::isnan(got))
    return std::isnan(exact) && std::isnan(got) ? ::testing::AssertionSuccess()
                                                : ::testing::AssertionFailure() << got << ", not " << exact;
  const bool half = is_half(format.dtype);
  const Wide allowed =
      half ? format.ulps * ulp_of(exact, format) + 8 * ulp_of(size, formats[1]) : format.ulps * ulp_of(size, format);
  const Wide largest = std::ldexp(2 - std::ldexp(1.0L, 1 - format.digits), format.most);
  if (std::fabs(exact) > largest * (1 + std::ldexp(1.0L, -format.digits))) exact = std::copysign(wide_inf, exact);
  if (static_cast<Wide>(got) == exact || std::fabs(got - exact) <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << got << ", not " << exact << ": off by " << std::fabs(got - exact) << " where "
                                       << allowed << " is allowed";
}

struct Results {
  const char* how;
  std::vector<double> first, second;
};
std::vector<double> numbers(const Tensor& t) { return t.to_vector<double>(); }

// Elementwise derivatives by reverse over reverse, the same compiled whole, and by forward over forward.
std::vector<Results> elementwise_derivatives(Tensor (*f)(const Tensor&), const Tensor& x) {
  const auto total = [f](const Tensor& v) { return sum(f(v)); };
  const auto slope = [total](const Tensor& v) { return sum(grad(total)(v)); };
  const Tensor one = ones(x.shape(), {.dtype = x.dtype()});
  const auto along = [f, one](const Tensor& v) { return jvp(f, v, one).second; };
  return {{"grad", numbers(grad(total)(x)), numbers(grad(slope)(x))},
          {"jit(grad)", numbers(jit(grad(total))(x)), numbers(jit(grad(slope))(x))},
          {"jvp", numbers(along(x)), numbers(jvp(along, x, one).second)}};
}

TEST(SpecialPoints, ElementwiseFunctions) {
  for (const Format& format : formats) {
    const std::vector<double> given(std::begin(special_points), std::end(special_points));
    const Tensor x = tensor(given).astype(format.dtype);
    const std::vector<double> at = numbers(x);
    for (const Smooth& s : smooth_functions) {
      for (const Results& r : elementwise_derivatives(s.f, x)) {
        for (size_t i = 0; i < at.size(); ++i) {
          SCOPED_TRACE(std::string(r.how) + " of " + s.name + " at " + std::to_string(at[i]) + " in " +
                       std::string(name(format.dtype)));
          const Wide first = first_of(s, at[i]), second = second_of(s, at[i]);
          EXPECT_TRUE(is_near(r.first[i], first, first, format)) << "first derivative";
          EXPECT_TRUE(is_near(r.second[i], second, second, format)) << "second derivative";
        }
      }
    }
  }
}

bool applies(const OfVector& v, const VectorPoint& p) {
  return (v.takes_minus || !p.minus_infinity) && (v.takes_plus || !p.plus_infinity);
}

TEST(SpecialPoints, FunctionsOfVectors) {
  for (const Format& format : formats) {
    for (const VectorPoint& p : vector_points) {
      const Tensor x = tensor(std::vector<double>(p.x, p.x + 3)).astype(format.dtype);
      const std::vector<double> at = numbers(x);
      const Three wide = {at[0], at[1], at[2]};
      bool overflows = false;
      for (int i = 0; i < 3; ++i) overflows |= std::isinf(at[i]) != std::isinf(p.x[i]);
      if (overflows) continue;
      for (const OfVector& v : vector_functions) {
        if (!applies(v, p)) continue;
        SCOPED_TRACE(std::string(v.name) + " at " + p.text + " in " + std::string(name(format.dtype)));
        const auto f = v.f;
        const auto slope = [f](const Tensor& y) { return grad(f)(y)[0]; };
        const Derivatives exact = v.exact(wide);
        const std::vector<double> first[] = {numbers(grad(f)(x)), numbers(jit(grad(f))(x))};
        const std::vector<double> second[] = {numbers(grad(slope)(x)), numbers(jit(grad(slope))(x))};
        Wide size[2] = {v.size_of_terms, v.size_of_terms};
        for (int i = 0; i < 3; ++i) {
          size[0] = std::max(size[0], std::fabs(exact.gradient[i]));
          size[1] = std::max(size[1], std::fabs(exact.hessian[i]));
        }
        for (int route = 0; route < 2; ++route)
          for (int i = 0; i < 3; ++i) {
            SCOPED_TRACE((route ? "compiled whole, element " : "op by op, element ") + std::to_string(i));
            EXPECT_TRUE(is_near(first[route][i], exact.gradient[i], size[0], format)) << "gradient";
            EXPECT_TRUE(is_near(second[route][i], exact.hessian[i], size[1], format)) << "second derivative";
          }
      }
    }
  }
}

// ---- the table

std::string text(Wide v) {
  char out[32];
  std::snprintf(out, sizeof out, "%.4g", v == 0 ? 0.0 : static_cast<double>(v));
  return out;
}

std::string table() {
  std::ostringstream out;
  out << "| function | derivative |";
  for (double x : special_points)
    if (!(x == 0 && std::signbit(x))) out << (x == 0 ? std::string(" 0, -0") : ' ' + text(x)) << " |";
  out << "\n|---|---|";
  for (double x : special_points)
    if (!(x == 0 && std::signbit(x))) out << "---|";
  out << "\n";
  for (const Smooth& s : smooth_functions)
    for (const bool second : {false, true}) {
      out << "| " << (second ? "" : '`' + std::string(s.name) + '`') << " | " << (second ? "second" : "first") << " |";
      for (double x : special_points)
        if (!(x == 0 && std::signbit(x))) out << ' ' << text(second ? second_of(s, x) : first_of(s, x)) << " |";
      out << "\n";
    }
  out << "\n| function | derivative |";
  for (const VectorPoint& p : vector_points) out << ' ' << p.text << " |";
  out << "\n|---|---|";
  for (size_t i = 0; i < std::size(vector_points); ++i) out << "---|";
  out << "\n";
  for (const OfVector& v : vector_functions)
    for (const bool second : {false, true}) {
      out << "| " << (second ? "" : '`' + std::string(v.name) + '`') << " | " << (second ? "second" : "first") << " |";
      for (const VectorPoint& p : vector_points) {
        const Derivatives d = v.exact({p.x[0], p.x[1], p.x[2]});
        out << ' ' << (applies(v, p) ? text(second ? d.hessian[0] : d.gradient[0]) : "nan") << " |";
      }
      out << "\n";
    }
  return out.str();
}

TEST(SpecialPoints, TheDocumentShowsTheseNumbers) {
  const std::string path = std::string(TENON_SOURCE_DIR) + "/docs/numbers.md";
  std::ifstream in(path);
  std::ostringstream read;
  read << in.rdbuf();
  const std::string document = read.str(), first = "| function | derivative |", wanted = table();
  const size_t begin = document.find(first), last = document.rfind("\n|", document.find("\n## ", begin));
  ASSERT_NE(begin, std::string::npos) << "docs/numbers.md has lost its table";
  const size_t end = document.find('\n', last + 1) + 1;
  if (std::getenv("TENON_BLESS")) {
    std::ofstream(path) << document.substr(0, begin) << wanted << document.substr(end);
    return;
  }
  EXPECT_EQ(document.substr(begin, end - begin), wanted) << "TENON_BLESS=1 writes the table anew";
}

}  // namespace
}  // namespace tenon::testing
