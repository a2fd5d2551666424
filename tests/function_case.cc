// The battery of public functions: drawing arguments, and one check after the other.
#include "tenon/tests/function_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/derivative_check.h"
#include "tenon/tests/routes.h"
#include "tenon/tests/thorough.h"

namespace tenon::testing {
namespace {

using ir::Array;
using Arrays = std::vector<Array>;
using Tensors = std::vector<Tensor>;

Array array_of(const Tensor& t) {
  Array a(ir::Type{t.dtype(), t.shape()});
  if (!a.data.empty()) std::memcpy(a.data.data(), t.raw(), static_cast<size_t>(a.numel()) * bytes(t.dtype()));
  return a;
}
Tensor tensor_of(const Array& a) { return copy_from(a.data.data(), a.type.shape, a.type.dtype); }
Arrays arrays_of(const Tensors& list) {
  Arrays out;
  for (const Tensor& t : list) out.push_back(array_of(t));
  return out;
}

// Values in f64, i64 and bool; floating ones are multiples of 2^-6, which every dtype holds, so that all dtypes compute alike.
Array drawn(const Drawn& d, Random& random) {
  const DType dtype = d.elements == Elements::floating ? f64 : d.elements == Elements::integer ? i64 : boolean;
  Array a(ir::Type{dtype, Shape(d.shape)});
  const int64_t n = a.numel();
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  for (int64_t i = 0; i < n; ++i) {
    const double u = std::uniform_real_distribution<double>(0, 1)(random);
    if (dtype == boolean) a.as<uint8_t>()[i] = u < 0.5;
    if (dtype == i64) a.as<int64_t>()[i] = static_cast<int64_t>(std::floor(d.low + u * (d.high - d.low)));
    if (dtype != f64) continue;
    double v =
        d.low + (d.high - d.low) * (d.apart ? (static_cast<double>(order[i]) + 0.35) / static_cast<double>(n) : u);
    v = std::round(v * 64) / 64;
    if (d.apart && v == std::round(v)) v += 1.0 / 128;
    a.as<double>()[i] = v;
  }
  return a;
}

Tensors given(const std::vector<Drawn>& arguments, uint64_t seed, DType dtype) {
  Random random(seed);
  Tensors out;
  for (const Drawn& d : arguments) {
    const Tensor t = tensor_of(drawn(d, random));
    out.push_back(is_floating(t.dtype()) ? t.astype(dtype) : t);
  }
  return out;
}

// The same with special values among the floating elements.
Tensors given_specials(const std::vector<Drawn>& arguments, uint64_t seed, DType dtype) {
  Random random(seed);
  Tensors out = given(arguments, seed, dtype);
  for (Tensor& t : out)
    if (is_floating(t.dtype()) && t.numel() != 0)
      t = tensor_of(special_array(ir::Type{t.dtype(), t.shape()}, random, ir::Domain::any, 2));
  return out;
}

uint64_t asked_for() {
  const runtime::CacheStats s = runtime::cache_stats();
  return s.compiled + s.memory_hits + s.disk_hits;
}

void expect_same(const Tensors& expected, const Tensors& found, const char* what) {
  ASSERT_EQ(expected.size(), found.size()) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(expected[i].dtype(), found[i].dtype()) << what << ", result " << i;
    ASSERT_EQ(expected[i].shape(), found[i].shape()) << what << ", result " << i;
    const auto wrong = difference(array_of(expected[i]), array_of(found[i]), NaNs::one_value);
    EXPECT_FALSE(wrong) << what << ", result " << i << ": " << *wrong;
  }
}

struct Closed {
  std::shared_ptr<const ir::Graph> graph;
  Arrays inputs;
};
Closed closed(const FunctionCase& c, const Tensors& x) {
  const Traced traced = trace(c.call, x);
  return {traced.program()->graph, arrays_of(traced.program()->inputs(x))};
}

// Fused code is tried in every dtype, each of the other ways to compile in two of the four.
using Without = std::span<const std::string_view>;
constexpr std::string_view not_saved_[] = {"saved"}, not_apart_[] = {"op by op"}, only_fused_[] = {"op by op", "saved"};
constexpr Without not_saved = not_saved_, not_apart = not_apart_, only_fused = only_fused_;
Without left_out(DType t) {
  return thorough() || t == f32 ? Without() : t == bf16 ? not_saved : t == f16 ? not_apart : only_fused;
}

// Eagerly, traced and on every route: the interpreter's bits.
void check_values(const FunctionCase& c, const Tensors& x, bool count, ReadyRoutes& routes, Without without) {
  if (count) runtime::clear_memory_cache();  // another case may have made the same program
  const uint64_t before = asked_for();
  const Tensors eager = c.call(x);
  const uint64_t programs = asked_for() - before;
  if (count && c.programs >= 0) {
    EXPECT_EQ(programs, static_cast<uint64_t>(c.programs)) << "eager programs";
  }
  const Closed program = closed(c, x);
  Arrays interpreted;
  {
    const FloatEnvironment standard;
    interpreted = interpret(*program.graph, program.inputs);
  }
  Tensors expected;
  for (const Array& a : interpreted) expected.push_back(tensor_of(a));
  expect_same(expected, eager, "eagerly");
  expect_same(expected, jit(c.call)(x), "jitted");
  const auto wrong = routes.first_disagreement(program.graph, program.inputs, NaNs::one_value, without);
  EXPECT_FALSE(wrong) << *wrong;
}

void check_halves(const FunctionCase& c, const Tensors& x) {
  Tensors wide;
  for (const Tensor& t : x) wide.push_back(is_floating(t.dtype()) ? t.astype(f32) : t);
  Tensors expected = c.call(wide);
  const Tensors found = c.call(x);
  for (size_t i = 0; i < expected.size() && i < found.size(); ++i)
    if (is_floating(found[i].dtype())) expected[i] = expected[i].astype(found[i].dtype());
  expect_same(expected, found, "as f32 and rounded once");
}

Tensors in_pairs(Tensors y) {
  for (Tensor& t : y)
    if (is_complex(t)) t = view_as_real(t);
  return y;
}

void check_derivatives_of(const FunctionCase& c, const Tensors& x) {
  FunctionCase real = c;  // differences are of real numbers
  real.call = [call = c.call](const Tensors& z) { return in_pairs(call(z)); };
  const Closed program = closed(real, x);
  passes::Draw draw;
  passes::check_derivatives(*program.graph, draw, program.inputs);
  const auto slope = passes::gradient_graph(*program.graph, draw);
  if (c.derivatives > 1) passes::check_derivatives(*slope, draw, program.inputs, 2e-5);
  const auto wrong =
      ReadyRoutes().first_disagreement(slope, program.inputs, NaNs::one_value, thorough() ? Without() : not_saved);
  EXPECT_FALSE(wrong) << "gradient: " << *wrong;
}

// Three lanes, of all arguments and of the first alone.
void check_lanes(const FunctionCase& c) {
  constexpr int64_t lanes = 3;
  std::vector<Tensors> each;
  for (int64_t lane = 0; lane < lanes; ++lane) each.push_back(given(c.arguments, 50 + lane, f32));
  for (const bool all : {true, false}) {
    Tensors joined;
    const size_t batched = all ? c.arguments.size() : 1;
    for (size_t i = 0; i < batched; ++i) {
      Tensors rows;
      for (const Tensors& x : each) rows.push_back(x[i]);
      joined.push_back(stack(rows));
    }
    const Tensors rest(each[0].begin() + static_cast<std::ptrdiff_t>(batched), each[0].end());
    const auto of_lane = [&](const Tensors& x) {
      Tensors arguments = x;
      arguments.insert(arguments.end(), rest.begin(), rest.end());
      return c.call(arguments);
    };
    const Tensors found = jit(vmap(of_lane))(joined);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      Tensors expected =
          of_lane(Tensors(each[lane].begin(), each[lane].begin() + static_cast<std::ptrdiff_t>(batched)));
      Tensors rows;
      for (const Tensor& t : found) rows.push_back(t[lane]);
      expect_same(expected, rows, all ? "a lane" : "a lane of the first argument");
    }
    if (c.arguments.size() == 1) return;
  }
}

bool any_floating(const FunctionCase& c) {
  return std::any_of(c.arguments.begin(), c.arguments.end(),
                     [](const Drawn& d) { return d.elements == Elements::floating; });
}

// ---- complex arguments

Tensors as_complex(const Tensors& x, DType dtype) {
  Tensors out;
  for (const Tensor& t : x) out.push_back(is_floating(t.dtype()) ? t.astype(dtype) : t);
  return out;
}

// The same function of pairs of real numbers, whose derivatives and lanes are checked as any other's.
FunctionCase of_pairs(const FunctionCase& c) {
  FunctionCase pairs = c;
  std::vector<char> paired;
  for (Drawn& d : pairs.arguments) {
    paired.push_back(d.elements == Elements::floating);
    if (paired.back()) d.shape.push_back(2);
  }
  pairs.call = [call = c.call, paired](const Tensors& x) {
    Tensors z = x;
    for (size_t i = 0; i < z.size(); ++i)
      if (paired[i]) z[i] = view_as_complex(z[i]);
    return in_pairs(call(z));
  };
  return pairs;
}

// Of complex numbers on the real axis the real function's values, where it has any.
void check_real_axis(const FunctionCase& c) {
  const Tensors x = given(c.arguments, 1, f64), expected = c.call(x), found = c.call(as_complex(x, c128));
  ASSERT_EQ(expected.size(), found.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(expected[i].shape(), found[i].shape()) << "result " << i;
    const std::vector<double> want = expected[i].to_vector<double>(), re = real(found[i]).to_vector<double>();
    double size = 1e-300;
    for (const double v : want) size = std::isfinite(v) ? std::max(size, std::abs(v)) : size;
    for (size_t k = 0; k < want.size(); ++k) {
      if (!std::isfinite(want[k])) continue;
      EXPECT_NEAR(re[k], want[k], 1e-13 * size) << "result " << i << ", element " << k << " of complex arguments";
    }
  }
}

// A function takes complex arguments as it takes any others, or says that it does not: it, not what it is made of, and where.
void check_complex(const FunctionCase& c) {
  SCOPED_TRACE("complex arguments");
  for (const bool all : {true, false})  // or the first alone
    try {
      Tensors x = given(c.arguments, 1, f64);
      const Tensors z = as_complex(x, c128);
      if (all) x = z;
      x[0] = z[0];
      static_cast<void>(c.call(x));
    } catch (const Error& e) {
      const std::string said = e.what();
      EXPECT_NE(said.find("c128"), std::string::npos) << said;
      const std::string own = c.name + ": ";
      EXPECT_TRUE(said.find(" " + own) != std::string::npos || said.find("::" + own) != std::string::npos) << said;
      EXPECT_NE(said.find("functions_"), std::string::npos) << said << ": of no line";
      if (all) return;
    }
  check_real_axis(c);
  const FunctionCase pairs = of_pairs(c);
  for (const DType dtype : {f32, f64}) {
    ReadyRoutes routes;
    const Without without = thorough() ? Without() : dtype == f32 ? not_saved : only_fused;
    check_values(pairs, given(pairs.arguments, 1, dtype), false, routes, without);
    if (c.specials) check_values(pairs, given_specials(pairs.arguments, 2, dtype), false, routes, without);
  }
  if (c.derivatives > 0) check_derivatives_of(pairs, given(pairs.arguments, 5, f64));
  if (c.lanes) check_lanes(pairs);
}

}  // namespace

void check_function(const FunctionCase& c) try {
  SCOPED_TRACE(c.name);
  const bool floating = any_floating(c);
  for (const DType dtype : {f32, f64, f16, bf16}) {
    if (is_half(dtype) && !(floating && c.halves)) continue;
    if (dtype == f64 && !floating) continue;
    SCOPED_TRACE(std::string(name(dtype)));
    ReadyRoutes routes;
    const auto without = left_out(dtype);
    check_values(c, given(c.arguments, 1, dtype), dtype == f32, routes, without);
    if (c.specials && floating) check_values(c, given_specials(c.arguments, 2, dtype), false, routes, without);
    if (is_half(dtype)) check_halves(c, given(c.arguments, 3, dtype));
  }
  for (const std::vector<Drawn>& other : c.others) {
    SCOPED_TRACE("other arguments");
    ReadyRoutes routes;
    check_values(c, given(other, 4, f32), false, routes, thorough() ? Without() : not_saved);
  }
  if (c.derivatives > 0 && floating) check_derivatives_of(c, given(c.arguments, 5, f64));
  if (c.lanes) check_lanes(c);
  if (floating && c.extends) check_complex(c);
} catch (const std::exception& e) {
  ADD_FAILURE() << c.name << ": " << e.what();
}

}  // namespace tenon::testing
