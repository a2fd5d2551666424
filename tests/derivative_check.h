// How the tests of derivatives look at a graph in f64: forward mode against central differences, reverse mode against
// forward mode by inner products, second order by differentiating a gradient. Runs the reference interpreter alone.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tenon/ir/graph/build.h"
#include "tenon/ir/reference/array.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

using namespace ir;

struct Draw {
  std::mt19937_64 random{11};
  double in(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); }
  double from(Domain domain) {
    switch (domain) {
      case Domain::positive: return in(0.3, 3);
      case Domain::unit: return in(-0.9, 0.9);
      case Domain::probability: return in(0.05, 0.95);
      case Domain::above_minus_one: return in(-0.8, 3);
      case Domain::at_least_one: return in(1.2, 4);
      case Domain::nonzero: return (in(0, 1) < 0.5 ? -1 : 1) * in(0.4, 3);
      default: return in(-2, 2);
    }
  }
  Array array(const Type& type, Domain domain = Domain::any) {
    Array a(type);
    for (int64_t i = 0; i < a.numel(); ++i) {
      if (type.dtype == f64) a.as<double>()[i] = from(domain);
      if (type.dtype == i64) a.as<int64_t>()[i] = static_cast<int64_t>(random() % 5);
      if (type.dtype == boolean) a.as<uint8_t>()[i] = random() % 2;
    }
    return a;
  }
};

inline std::vector<Array> draw_inputs(const Graph& g, Draw& draw, Domain domain = Domain::any) {
  std::vector<Array> inputs;
  for (uint32_t i = 0; i < g.input_count(); ++i) inputs.push_back(draw.array(g.type(ValueId{i}), domain));
  return inputs;
}

inline std::vector<bool> floating_inputs(const Graph& g) {
  std::vector<bool> active;
  for (uint32_t i = 0; i < g.input_count(); ++i) active.push_back(is_floating(g.type(ValueId{i}).dtype));
  return active;
}

inline double inner(const Array& a, const Array& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.numel(); ++i) sum += a.as<double>()[i] * b.as<double>()[i];
  return sum;
}

inline Array shifted(const Array& x, const Array& t, double step) {
  Array y = x;
  for (int64_t i = 0; i < y.numel(); ++i) y.as<double>()[i] += step * t.as<double>()[i];
  return y;
}

inline void expect_sound(const Graph& g) {
  for (const std::string& problem : verify(g)) ADD_FAILURE() << problem << "\n" << g.text();
}

// Forward mode against central differences along a random direction, reverse mode against forward mode.
inline void check_derivatives(const Graph& g, Draw& draw, std::vector<Array> inputs, double tolerance = 1e-6) {
  SCOPED_TRACE(g.text());
  expect_sound(g);
  const std::vector<bool> active = floating_inputs(g);
  std::vector<Array> tangents, plus = inputs, minus = inputs;
  constexpr double step = 1e-6;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!active[i]) continue;
    tangents.push_back(draw.array(inputs[i].type));
    plus[i] = shifted(inputs[i], tangents.back(), step);
    minus[i] = shifted(inputs[i], tangents.back(), -step);
  }
  const auto high = interpret(g, plus), low = interpret(g, minus), value = interpret(g, inputs);

  const Jvp forward = jvp(g, active);
  expect_sound(*forward.graph);
  std::vector<Array> joint = inputs;
  joint.insert(joint.end(), tangents.begin(), tangents.end());
  const auto results = interpret(*forward.graph, joint);
  std::vector<Array> output_tangents;
  size_t next = g.outputs().size();
  for (size_t o = 0; o < g.outputs().size(); ++o) {
    if (value[o].type.dtype == f64) {
      for (int64_t i = 0; i < value[o].numel(); ++i) EXPECT_EQ(results[o].as<double>()[i], value[o].as<double>()[i]);
    }
    if (!forward.output_has_tangent[o]) continue;
    const Array& t = results[next++];
    for (int64_t i = 0; i < t.numel(); ++i) {
      const double difference = (high[o].as<double>()[i] - low[o].as<double>()[i]) / (2 * step);
      EXPECT_NEAR(t.as<double>()[i], difference, tolerance * std::max(1.0, std::fabs(difference)))
          << "output " << o << " element " << i;
    }
    output_tangents.push_back(t);
  }

  const Vjp reverse = vjp(g, active);
  expect_sound(*reverse.forward);
  expect_sound(*reverse.backward);
  EXPECT_EQ(reverse.output_is_active, forward.output_has_tangent);
  const auto kept = interpret(*reverse.forward, inputs);
  std::vector<Array> cotangents, operands(kept.begin() + static_cast<std::ptrdiff_t>(g.outputs().size()), kept.end());
  double from_outputs = 0, from_inputs = 0;
  for (const Array& t : output_tangents) {
    cotangents.push_back(draw.array(t.type));
    operands.push_back(cotangents.back());
    from_outputs += inner(t, cotangents.back());
  }
  const auto gradients = interpret(*reverse.backward, operands);
  ASSERT_EQ(gradients.size(), tangents.size());
  for (size_t i = 0; i < gradients.size(); ++i) from_inputs += inner(gradients[i], tangents[i]);
  EXPECT_NEAR(from_inputs, from_outputs, 1e-9 * std::max(1.0, std::fabs(from_outputs)));
}

// The gradient of a weighted sum of the outputs, as a graph: what second order differentiates.
inline GraphPtr gradient_graph(const Graph& g, Draw& draw) {
  GraphBuilder b("loss", g.symbols);
  std::vector<ValueId> inputs;
  for (uint32_t i = 0; i < g.input_count(); ++i) inputs.push_back(b.input(g.type(ValueId{i})));
  Value sum = splat(b, f64, 0, {});
  for (ValueId v : b.splice(g, inputs)) {
    const Value out{&b, v};
    if (out.dtype() != f64) continue;
    std::vector<int64_t> axes;
    for (int64_t a = 0; a < out.shape().rank(); ++a) axes.push_back(a);
    sum = sum + reduce(Op::reduce_sum, out * like(out, draw.in(0.5, 1.5)), axes);
  }
  const ValueId outputs[] = {sum.id};
  return value_and_grad(*b.finish(outputs), floating_inputs(g));
}

inline void check_both_orders(const Graph& g, Draw& draw, const std::vector<Array>& inputs) {
  check_derivatives(g, draw, inputs);
  check_derivatives(*gradient_graph(g, draw), draw, inputs, 2e-5);
}

}  // namespace tenon::passes
