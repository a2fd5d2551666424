// Nothing stays nothing: a zero tangent or cotangent gives zeros, whatever the partial derivative it meets is. Every row with a
// derivative runs over special values (zeros, infinities, NaN, largest and smallest numbers) in every floating dtype, under a
// mask that is nowhere true: forward mode, reverse mode and both of their derivatives are exactly 0.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/reference/array.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {
namespace {

using namespace ir;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double specials[] = {0,      -0.0,  1,    -1,    0.5,  -0.5,  2,       -3,     inf,
                               -inf,   NAN,   88,   -104,  710,  -746,  1e-45,   -1e-45, 1e-38,
                               5e-324, 65504, 1e30, -1e30, 3e38, -3e38, 1.7e308, 1e-320};

Array as(const Array& x, DType dtype) {
  const Array* operand = &x;
  const Type type{dtype, x.type.shape};
  return interpret(Op::cast, std::span(&operand, 1), {Attr::of(dtype)}, std::span(&type, 1))[0];
}
Array filled(const Type& type, double value) {
  Array a(Type{f64, type.shape});
  for (int64_t i = 0; i < a.numel(); ++i) a.as<double>()[i] = value;
  return as(a, type.dtype);
}

void expect_zeros(const Array& x, const std::string& what) {
  const Array wide = as(x, f64);
  for (int64_t i = 0; i < wide.numel(); ++i)
    ASSERT_EQ(wide.as<double>()[i], 0) << what << " of element " << i << " in " << name(x.type.dtype);
}

// select(mask, f(inputs), 0), and its sum as the last output.
GraphPtr masked(const Graph& f) {
  GraphBuilder b("masked", f.symbols);
  const Value mask{&b, b.input(Type{boolean, {}})};
  std::vector<ValueId> inputs, outputs;
  for (uint32_t i = 0; i < f.input_count(); ++i) inputs.push_back(b.input(f.type(ValueId{i})));
  Value total;
  for (ValueId v : b.splice(f, inputs)) {
    const Value y{&b, v};
    if (!is_floating(y.dtype())) continue;
    const Value kept = select(broadcast_to(mask, y.shape()), y, zeros_like(y));
    std::vector<int64_t> axes;
    for (int64_t a = 0; a < y.shape().rank(); ++a) axes.push_back(a);
    const Value sum = axes.empty() ? kept : reduce(Op::reduce_sum, kept, axes);
    total = total ? total + sum : sum;
  }
  const ValueId loss[] = {total.id};
  return b.finish(loss);
}

// Everything that the derivatives of `f` make of nothing, at these inputs.
void check_nothing(const Graph& f, const std::vector<Array>& at) {
  SCOPED_TRACE(f.text());
  std::vector<bool> active;
  for (const Array& x : at) active.push_back(is_floating(x.type.dtype));

  // Zero tangents and zero cotangents of f itself.
  std::vector<Array> joint = at;
  for (const Array& x : at)
    if (is_floating(x.type.dtype)) joint.push_back(filled(x.type, 0));
  const auto forward = interpret(*jvp(f, active).graph, joint);
  for (size_t o = f.outputs().size(); o < forward.size(); ++o) expect_zeros(forward[o], "tangent");
  const Vjp reverse = vjp(f, active);
  auto kept = interpret(*reverse.forward, at);
  std::vector<Array> operands(kept.begin() + static_cast<std::ptrdiff_t>(f.outputs().size()), kept.end());
  for (size_t o = 0; o < f.outputs().size(); ++o)
    if (reverse.output_is_active[o]) operands.push_back(filled(kept[o].type, 0));
  for (const Array& ct : interpret(*reverse.backward, operands)) expect_zeros(ct, "cotangent");

  // Behind a mask that is false: the gradient, and both derivatives of the gradient.
  const auto loss = masked(f);
  std::vector<Array> inputs = at;
  inputs.insert(inputs.begin(), filled({boolean, {}}, 0));
  active.insert(active.begin(), false);
  const auto gradient = value_and_grad(*loss, active);
  const auto values = interpret(*gradient, inputs);
  for (size_t i = 1; i < values.size(); ++i) expect_zeros(values[i], "gradient");
  joint = inputs;
  for (const Array& x : at)
    if (is_floating(x.type.dtype)) joint.push_back(filled(x.type, 1));
  const auto second = interpret(*jvp(*gradient, active).graph, joint);
  for (size_t o = values.size(); o < second.size(); ++o) expect_zeros(second[o], "tangent of the gradient");
  const Vjp twice = vjp(*gradient, active);
  kept = interpret(*twice.forward, inputs);
  operands.assign(kept.begin() + static_cast<std::ptrdiff_t>(values.size()), kept.end());
  for (size_t o = 0; o < values.size(); ++o)
    if (twice.output_is_active[o]) operands.push_back(filled(values[o].type, 1));
  for (const Array& ct : interpret(*twice.backward, operands)) expect_zeros(ct, "cotangent of the gradient");
}

class Nothing : public ::testing::TestWithParam<const OpDef*> {};

TEST_P(Nothing, StaysNothing) {
  const OpDef& row = *GetParam();
  if (row.op == Op::complex) GTEST_SKIP() << "moves its operands: nothing is computed with them";
  const size_t count = std::size(specials);
  size_t points = 1;
  for (int i = 0; i < row.arity; ++i) points *= i < 2 ? count : 6;
  for (const DType dtype : {f64, f32, f16, bf16}) {
    GraphBuilder b;
    std::vector<ValueId> ids;
    std::vector<Array> inputs;
    size_t stride = 1;
    for (int k = 0; k < row.arity; ++k) {
      const bool predicate = row.op == Op::select && k == 0;
      const size_t values = k < 2 ? count : 6;
      Array x(Type{f64, {static_cast<int64_t>(points)}});
      for (size_t i = 0; i < points; ++i) x.as<double>()[i] = specials[(k < 2 ? 1 : 4) * (i / stride % values) % count];
      stride *= values;
      inputs.push_back(as(x, predicate ? boolean : dtype));
      ids.push_back(b.input(inputs.back().type));
    }
    const Attrs attrs = row.attrs.empty() ? Attrs{} : Attrs(ConvertAttrs{dtype == f64 ? f32 : f64});
    const ValueId outputs[] = {b.add(row.op, ids, attrs)};
    check_nothing(*b.finish(outputs), inputs);
    if (HasFatalFailure()) return;
  }
}

std::vector<const OpDef*> differentiable_rows() {
  std::vector<const OpDef*> rows;
  for (const OpDef& row : op_table())
    if (row.family == Family::elementwise && contains(row.dtypes, f64) && !row.flat) rows.push_back(&row);
  return rows;
}
INSTANTIATE_TEST_SUITE_P(Table, Nothing, ::testing::ValuesIn(differentiable_rows()),
                         [](const auto& row) { return std::string(row.param->name); });

// The other rows that multiply: over rows of special values.
TEST(NothingElse, ReductionsAndLoops) {
  const char* graphs[] = {
      "graph @f(%0: f64[26, 26]) -> (%1) { %1 = reduce_prod %0 {axes = [1]} : f64[26] }",
      "graph @f(%0: f64[26, 26]) -> (%1) { %1 = reduce_max %0 {axes = [0]} : f64[26] }",
      "graph @f(%0: f64[26, 26]) -> (%1) { %1 = reduce_min %0 {axes = [1]} : f64[26] }",
      "graph @f(%0: f64[26, 26]) -> (%1) { %1 = cumsum %0 {axis = [1], reverse = [0]} : f64[26, 26] }",
      "graph @f(%0: f64[26, 26]) -> (%1) { %1 = cumprod %0 {axis = [1], reverse = [0]} : f64[26, 26] }",
      "graph @f(%0: f64[26, 26]) -> (%1) { %1 = cummax %0 {axis = [0], reverse = [1]} : f64[26, 26] }",
      "graph @f(%0: f64[26, 26]) -> (%1) { %1 = sort %0 {axis = [1]} : f64[26, 26] }",
      "graph @f(%0: f64[26, 26], %1: f64[26]) -> (%2) { %2 = scan %1, %0 {body = graph(%0: f64[26], %1: f64[26]) -> "
      "(%4) { %2 = exp %0 : f64[26] %3 = div %2, %1 : f64[26] %4 = log %3 : f64[26] }, length = [26], counts = "
      "[0, 1], reverse = [0]} : f64[26] }"};
  Array x(Type{f64, {26, 26}}), carry(Type{f64, {26}});
  for (int64_t i = 0; i < 26; ++i) carry.as<double>()[i] = specials[i];
  for (int64_t i = 0; i < 26 * 26; ++i) x.as<double>()[i] = specials[(i % 26 * (i / 26 + 1) + i / 26) % 26];
  for (const char* text : graphs) {
    const auto g = parse(text);
    std::vector<Array> inputs = {x};
    if (g->input_count() == 2) inputs.push_back(carry);
    check_nothing(*g, inputs);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace tenon::passes
