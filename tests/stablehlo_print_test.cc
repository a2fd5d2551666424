// Out and in again: what every case of every row of the op table prints as StableHLO reads back as a program of the same values, to the
// bit where the row has an operation of its own there.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "tenon/frontend/stablehlo/print.h"
#include "tenon/frontend/tenon.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/op_cases.h"
#include "tenon/tests/stablehlo_case.h"

namespace tenon::testing {
namespace {

using ir::Op;

// Rows that StableHLO has nothing for.
const std::set<Op> unprintable = {Op::random_bits,
                                  Op::custom_call,
                                  Op::axis_index,
                                  Op::axis_sum,
                                  Op::axis_max,
                                  Op::axis_gather,
                                  Op::rank_index,
                                  Op::all_reduce_sum,
                                  Op::all_reduce_prod,
                                  Op::all_reduce_min,
                                  Op::all_reduce_max,
                                  Op::all_gather,
                                  Op::reduce_scatter,
                                  Op::all_to_all,
                                  Op::collective_permute,
                                  Op::exchange,
                                  Op::in_turn,
                                  Op::collective_broadcast,
                                  Op::rank_vary,
                                  Op::rank_slice,
                                  Op::constrain,
                                  Op::rank_barrier,
                                  Op::custom_tangent,
                                  Op::erfcx,
                                  Op::ndtri,
                                  Op::log_ndtr,
                                  Op::i0,
                                  Op::i0e,
                                  Op::copysign,
                                  Op::lu,
                                  Op::qr,
                                  Op::eigh,
                                  Op::svd};
// Rows that are written as what they are made of, as CHLO's function of the name, or in another order: near, not equal.
const std::set<Op> composed = {Op::exp2,
                               Op::log2,
                               Op::softplus,
                               Op::silu,
                               Op::gelu,
                               Op::normal_cdf,
                               Op::fma,
                               Op::gaussian,
                               Op::sinh,
                               Op::cosh,
                               Op::log10,
                               Op::i1,
                               Op::hypot,
                               Op::logaddexp,
                               Op::cumsum,
                               Op::cumprod,
                               Op::attention,
                               Op::attention_tangent,
                               Op::attention_gradient};
// Of these, sums and products in another order: what cancels is near as the largest is, and what overflows may do so elsewhere.
const std::set<Op> reordered = {Op::cumsum, Op::cumprod, Op::attention, Op::attention_tangent, Op::attention_gradient};

bool is_static(const ir::Graph& g) {
  for (uint32_t v = 0; v < g.value_count(); ++v)
    if (!g.type(ir::ValueId{v}).shape.is_static()) return false;
  return g.symbols->size() == 0;
}

// Attention with dropout asks for random bits.
bool draws(const ir::Graph& g) {
  for (const ir::Node& n : g.nodes())
    if (ir::def(n.op).attrs.data() == ir::schema::Attention && ir::Attention(g, n).dropout != 0) return true;
  return false;
}

// Complex numbers as twice as many real ones.
ir::Array in_parts(const ir::Array& z) {
  Shape shape = z.type.shape;
  shape.push_back(2);
  ir::Array parts(ir::Type{part_of(z.type.dtype), shape});
  parts.data = z.data;
  return parts;
}

bool near(const ir::Array& expected, const ir::Array& actual, bool in_another_order) {
  if (is_complex(expected.type.dtype)) return near(in_parts(expected), in_parts(actual), in_another_order);
  const ir::Array a = ir::recast(expected, f64), b = ir::recast(actual, f64);
  const double unit = is_half(expected.type.dtype) ? 1e-2 : 1e-4;
  double largest = 0;
  for (int64_t i = 0; i < a.numel(); ++i)
    if (const double x = std::fabs(a.as<double>()[i]); in_another_order && std::isfinite(x))
      largest = std::max(largest, x);
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double x = a.as<double>()[i], y = b.as<double>()[i];
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    if (!std::isfinite(x) || !std::isfinite(y)) {
      if (!in_another_order && std::fabs(std::isfinite(x) ? x : y) < 1e30 && expected.type.dtype != f16)
        return false;  // near the largest both may be
      continue;
    }
    if (std::fabs(x - y) > unit * std::max(std::fabs(x), largest) + (expected.type.dtype == f16 ? 1e-7 : 1e-30))
      return false;
  }
  return true;
}

// With TENON_PEERS naming a folder modules, their arguments and results are written there, for `./dev peers stablehlo` to run them in JAX.
// Numbers below the least normal one become zeros, which XLA takes them for.
bool written_for_peers(Case c, const std::string& text) {
  const char* const folder = std::getenv("TENON_PEERS");
  if (folder == nullptr) return false;
  const auto flush = [](ir::Array& a) {
    const int64_t count = a.numel() * (is_complex(a.type.dtype) ? 2 : 1);
    const DType part = part_of(a.type.dtype);
    const double least = part == f64 ? 0x1p-1022 : part == f16 ? 0x1p-14 : 0x1p-126;
    ir::Array parts(ir::Type{part, {Dim(count)}});
    parts.data = a.data;
    ir::Array wide = ir::recast(parts, f64);
    for (int64_t i = 0; i < count; ++i)
      if (double& v = wide.as<double>()[i]; std::fabs(v) < least) v = std::copysign(0.0, v);
    a.data = ir::recast(wide, part).data;
  };
  for (ir::Array& a : c.inputs)
    if (is_continuous(a.type.dtype)) flush(a);
  std::vector<ir::Array> results = ir::interpret(*c.graph, c.inputs);
  static int count = 0;
  const std::filesystem::path base = std::filesystem::path(folder) / std::to_string(count++);
  std::filesystem::create_directories(folder);
  std::ofstream(base.string() + ".mlir") << "// " << c.name << "\n" << text;
  std::ofstream bytes(base.string() + ".bin", std::ios::binary);
  for (const auto* arrays : {&c.inputs, &results})
    for (const ir::Array& a : *arrays)
      bytes.write(reinterpret_cast<const char*>(a.data.data()), static_cast<std::streamsize>(a.data.size()));
  return true;
}

void there_and_back(const Case& c, bool exactly, bool in_another_order) {
  const std::vector<ir::Array> expected = ir::interpret(*c.graph, c.inputs);
  const std::string text = hlo::module_text(*c.graph, {});
  if (written_for_peers(c, text)) return;
  const Traced back = stablehlo::parse(text);
  std::vector<ir::Array> inputs = c.inputs;
  for (const Tensor& t : back.program()->captured) inputs.push_back(array_of(t));
  const std::vector<ir::Array> actual = ir::interpret(*back.program()->graph, inputs);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto apart = difference(expected[i], actual[i], NaNs::one_value);
    EXPECT_TRUE(!apart || (!exactly && near(expected[i], actual[i], in_another_order)))
        << c.name << ": " << apart.value_or("") << "\n"
        << text;
  }
}

TEST(StableHloPrint, EveryRowThereAndBack) {
  std::set<Op> printed;
  for (size_t i = 0; i < ir::op_count; ++i) {
    const Op op = static_cast<Op>(i);
    if (unprintable.count(op)) continue;
    for (int d = 0; d < dtype_count; ++d) {
      if (!contains(ir::def(op).dtypes, static_cast<DType>(d))) continue;
      for (const Case& c : op_cases(op, static_cast<DType>(d))) {
        if (!is_static(*c.graph)) continue;
        if (draws(*c.graph)) {
          EXPECT_THROW(hlo::module_text(*c.graph, {}), Error) << c.name;
          continue;
        }
        try {
          there_and_back(c, !composed.count(op), reordered.count(op) != 0);
          printed.insert(op);
        } catch (const Error& e) {
          ADD_FAILURE() << c.name << ": " << e.what();
        }
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(printed.size(), 80u);
}

TEST(StableHloPrint, RefusesWhatIsNotThere) {
  for (Op op : unprintable)
    for (const Case& c : op_cases(op, op == Op::random_bits ? u32 : f32))
      if (is_static(*c.graph)) {
        EXPECT_THROW(hlo::module_text(*c.graph, {}), Error) << c.name;
      }
  const Traced free = trace([](const Tensor& x) { return x + 1; }, spec({dim("n")}, f32));
  EXPECT_THROW(free.stablehlo(), Error);
}

TEST(StableHloPrint, ComplexProgramsThereAndBack) {
  const auto f = [](const Tensor& z) {
    const Tensor w = z * std::complex<float>(0.5, 2) + conj(z);
    return std::vector{fft::fft(w), matmul(w, w.transpose()), exp(w) / z, real(w), where(real(z) > 0, w, z)};
  };
  for (const DType dtype : {c64, c128}) {
    const Tensor z = complex(sin(arange(0.0, 25.0)), cos(arange(0.0, 25.0) * 3)).reshape({5, 5}).astype(dtype);
    const Traced traced = trace(f, z), back = stablehlo::parse(traced.stablehlo());
    const std::vector<Tensor> expected = traced({z}), actual = back({z});
    EXPECT_TRUE(
        allclose(actual[0], expected[0], 1e-5, 1e-5).item<bool>());  // its products and sums are rounded apart there
    for (size_t i = 1; i < expected.size(); ++i)
      EXPECT_FALSE(difference(array_of(expected[i]), array_of(actual[i]), NaNs::one_value)) << i;
  }
}

TEST(StableHloPrint, CapturedTensorsStandInTheText) {
  const Tensor w = arange(0.0, 40.0).reshape({5, 8});
  const Traced traced = trace([&](const Tensor& x) { return relu(matmul(x, w)); }, ones({3, 5}));
  const Traced back = stablehlo::parse(traced.stablehlo());
  const Tensor x = arange(0.0, 15.0).reshape({3, 5}) - 7.0;
  const ir::Array expected = array_of(traced({x})[0]), actual = array_of(back({x})[0]);
  EXPECT_FALSE(difference(expected, actual, NaNs::one_value));
}

// Programs as users write them, with their derivatives: loops and branches too.
TEST(StableHloPrint, GradientsThereAndBack) {
  const auto loss = [](const Tensor& x) {
    const Tensor looped = fori_loop(0, 5, [](const Tensor&, const Tensor& s) { return tanh(s) * 1.5; }, x);
    const Tensor branched =
        cond(sum(x) > 0.0, [](const Tensor& v) { return sin(v); }, [](const Tensor& v) { return v * v; }, looped);
    return sum(softmax(branched, -1) * x);
  };
  const Traced traced = trace([&](const Tensor& x) { return grad(loss)(x); }, ones({4, 7}));
  const Traced back = stablehlo::parse(traced.stablehlo());
  const Tensor x = sin(arange(0.0, 28.0).reshape({4, 7}));
  const ir::Array expected = array_of(traced({x})[0]), actual = array_of(back({x})[0]);
  EXPECT_TRUE(near(expected, actual, false));
}

}  // namespace
}  // namespace tenon::testing
