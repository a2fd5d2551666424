// Derivatives of random programs: a few rows of the op table composed at random over matrices, each operand led into the row's
// domain first. Forward mode against central differences, reverse mode as its transpose, the same for the gradient, and a
// symmetric second derivative. TENON_FUZZ_SEED says from which program on, TENON_FUZZ_SECONDS for how long.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "tenon/tests/derivative_check.h"

namespace tenon::passes {
namespace {

const Type matrix{f64, {3, 4}};

// v led smoothly into a domain; the derivative tests draw inputs of a size near 1.
Value led_into(Domain domain, Value v) {
  const Value s = sin(v);
  switch (domain) {
    case Domain::positive:
    case Domain::nonzero: return exp(s);
    case Domain::unit: return s * like(v, 0.8);
    case Domain::probability: return s * like(v, 0.4) + like(v, 0.5);
    case Domain::above_minus_one: return exp(s) - like(v, 0.9);
    case Domain::at_least_one: return exp(s) + like(v, 1);
    default: return s * like(v, 1.5);
  }
}

struct Program {
  std::mt19937_64 random;
  GraphBuilder b;
  std::vector<Value> values;

  uint64_t below(uint64_t n) { return random() % n; }
  Value any() { return values[values.size() - 1 - below(std::min<size_t>(values.size(), 4))]; }

  Value elementwise() {
    const auto table = op_table();
    for (;;) {
      const OpDef& row = table[below(table.size())];
      if (row.family != Family::elementwise || row.flat || !contains(row.dtypes, f64) || row.op == Op::cast ||
          row.op == Op::complex)
        continue;
      std::vector<Value> operands;
      for (int i = 0; i < row.arity; ++i) operands.push_back(led_into(row.domain, any()));
      if (row.op == Op::select) operands[0] = gt(operands[0], like(operands[0], 0.1));
      return apply(b, row.op, operands)[0];
    }
  }
  Value other() {
    const Value v = led_into(Domain::any, any());
    const auto axis = static_cast<int64_t>(below(2));
    const auto back = [&](Value reduced) { return broadcast(reduced, matrix.shape, {1 - axis}); };
    switch (below(9)) {
      case 0: return back(reduce(Op::reduce_sum, v, {axis}));
      case 1: return back(reduce(Op::reduce_prod, v, {axis}));
      case 2: return back(reduce(below(2) ? Op::reduce_max : Op::reduce_min, v, {axis}));
      case 3:
        return apply(b,
                     below(2)   ? Op::cumsum
                     : below(2) ? Op::cumprod
                                : Op::cummax,
                     std::span(&v, 1), {Attr::of(std::vector<int64_t>{axis}), Attr::of(std::vector<int64_t>{axis})})[0];
      case 4: return apply(b, Op::sort, std::span(&v, 1), {Attr::of(std::vector<int64_t>{axis})})[0];
      case 5: return reshape(transpose(v, {1, 0}), matrix.shape);
      case 6: return dot_general(dot_general(v, any(), {}, {}, {1}, {1}), any(), {}, {}, {1}, {0});
      case 7: return reverse(v, {axis});
      default: {
        const Value parts[] = {slice(v, {1, 0}, {2, 4}, {1, 1}), slice(any(), {0, 0}, {1, 4}, {1, 1})};
        return concat(parts, 0);
      }
    }
  }

  GraphPtr drawn(uint64_t seed) {
    random.seed(seed);
    for (int i = 0; i < 2; ++i) values.push_back({&b, b.input(matrix)});
    const uint64_t length = 2 + below(4);
    for (uint64_t i = 0; i < length; ++i) values.push_back(below(3) ? elementwise() : other());
    const ValueId outputs[] = {values.back().id};
    return b.finish(outputs);
  }
};

// <u, H v> = <v, H u> for the second derivative H of a weighted sum of the outputs.
void check_symmetry(const Graph& g, Draw& draw, const std::vector<Array>& inputs) {
  const auto gradient = gradient_graph(g, draw);
  const Jvp directional = jvp(*gradient, floating_inputs(*gradient));
  std::vector<Array> u, v;
  for (const Array& x : inputs) u.push_back(draw.array(x.type)), v.push_back(draw.array(x.type));
  const auto along = [&](const std::vector<Array>& direction, const std::vector<Array>& other) {
    std::vector<Array> joint = inputs;
    joint.insert(joint.end(), direction.begin(), direction.end());
    const auto results = interpret(*directional.graph, joint);
    double sum = 0;
    size_t next = gradient->outputs().size();
    for (size_t o = 0; o < directional.output_has_tangent.size(); ++o) {
      if (!directional.output_has_tangent[o]) continue;
      if (o > 0) sum += inner(results[next], other[o - 1]);  // output 0 is the loss
      ++next;
    }
    return sum;
  };
  const double uv = along(u, v), vu = along(v, u);
  EXPECT_NEAR(uv, vu, 1e-8 * std::max(1.0, std::fabs(uv))) << gradient->text();
}

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(RandomDerivatives, FirstAndSecondOrder) {
  const uint64_t seconds = number_from("TENON_FUZZ_SECONDS", 0), first = number_from("TENON_FUZZ_SEED", 1);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  uint64_t programs = 0;
  for (; seconds ? std::chrono::steady_clock::now() < end : programs < 150; ++programs) {
    SCOPED_TRACE("TENON_FUZZ_SEED=" + std::to_string(first + programs));
    Program program;
    const auto g = program.drawn(first + programs);
    Draw draw;
    draw.random.seed(first + programs);
    const auto inputs = draw_inputs(*g, draw);
    check_both_orders(*g, draw, inputs);
    check_symmetry(*g, draw, inputs);
    if (HasFailure()) break;
  }
  if (seconds) std::printf("%llu programs\n", static_cast<unsigned long long>(programs));
}

}  // namespace
}  // namespace tenon::passes
