// Derivatives against the reference interpreter: every floating row by finite differences in f64, forward against reverse by
// inner products, second order by differentiating a gradient; control flow; what is refused.
#include <gtest/gtest.h>

#include <cmath>

#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/derivative_check.h"
#include "tenon/tests/derivative_graphs.h"
#include "tenon/tests/small_stack.h"

namespace tenon::passes {
using testing::graphs;

namespace {

using namespace ir;

using Flags = std::vector<bool>;

int checks = 0;  // of derivatives over lanes, printed at the end

class Count : public ::testing::Environment {
  void TearDown() override { std::printf("%d derivatives over lanes checked\n", checks); }
};
const auto* const count = ::testing::AddGlobalTestEnvironment(new Count);

Array lane_of(const Array& x, int64_t lane) {
  Type type = x.type;
  type.shape.erase(0);
  Array row(type);
  std::copy_n(x.data.begin() + lane * static_cast<int64_t>(row.data.size()), row.data.size(), row.data.begin());
  return row;
}

// ---- every elementwise row, from the table

class Elementwise : public ::testing::TestWithParam<const OpDef*> {};

GraphPtr elementwise_graph(const OpDef& row) {
  GraphBuilder b;
  const Type type{f64, {7}};
  std::vector<ValueId> operands;
  for (int i = 0; i < row.arity; ++i) {
    const bool predicate = row.op == Op::select && i == 0;
    operands.push_back(b.input(predicate ? Type{boolean, {7}} : type));
  }
  Attrs attrs;
  if (row.op == Op::cast || row.op == Op::bitcast) attrs = ConvertAttrs{f64};
  const ValueId outputs[] = {b.add(row.op, operands, attrs)};
  return b.finish(outputs);
}

TEST_P(Elementwise, FirstAndSecondOrder) {
  const OpDef& row = *GetParam();
  const auto g = elementwise_graph(row);
  if (row.flat) {
    EXPECT_EQ(jvp(*g, floating_inputs(*g)).output_has_tangent, std::vector<bool>{false});
    return;
  }
  Draw draw;
  check_both_orders(*g, draw, draw_inputs(*g, draw, row.domain));
}

std::vector<const OpDef*> differentiable_rows() {
  std::vector<const OpDef*> rows;
  for (const OpDef& row : op_table())
    if (row.family == Family::elementwise && contains(row.dtypes, f64) && row.op != Op::bitcast) rows.push_back(&row);
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Table, Elementwise, ::testing::ValuesIn(differentiable_rows()),
                         [](const auto& row) { return std::string(row.param->name); });

// ---- the other rows, in text

class Graphs : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

// The graph over three lanes, each input alone and all of them: it has derivatives as any other; and the derivatives of one lane,
// batched, are those of each lane.
int check_lanes(const Graph& g, Domain domain = Domain::any) {
  constexpr int64_t lanes = 3;
  const Flags active = floating_inputs(g);
  int checked = 0;
  for (uint32_t only = 0; only <= g.input_count(); ++only) {
    Flags flags(g.input_count(), only == g.input_count());
    if (only < g.input_count()) flags[only] = true;
    if (only == g.input_count() && g.input_count() == 1) break;
    const Flags all_outputs(g.outputs().size(), true);
    const GraphPtr over = batch(g, {.size = lanes}, flags, all_outputs).graph;
    Draw draw;
    const std::vector<Array> inputs = draw_inputs(*over, draw, domain);
    check_derivatives(*over, draw, inputs);
    ++checked;
    // jvp, then lanes: what each lane gives by itself.
    const Jvp one = jvp(g, active);
    Flags joint = flags;
    std::vector<Array> directions = inputs;
    for (uint32_t i = 0; i < g.input_count(); ++i) {
      if (!active[i]) continue;
      joint.push_back(flags[i]);
      directions.push_back(draw.array(inputs[i].type));
    }
    const auto batched = batch(*one.graph, {.size = lanes}, joint, Flags(one.graph->outputs().size(), true));
    const auto together = interpret(*batched.graph, directions);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      std::vector<Array> own;
      for (size_t i = 0; i < directions.size(); ++i)
        own.push_back(joint[i] ? lane_of(directions[i], lane) : directions[i]);
      const auto apart = interpret(*one.graph, own);
      for (size_t o = 0; o < apart.size(); ++o) {
        const Array part = lane_of(together[o], lane);
        EXPECT_EQ(part.data, apart[o].data) << "output " << o << " of lane " << lane << "\n" << batched.graph->text();
      }
    }
    ++checked;
  }
  return checked;
}

TEST_P(Graphs, OverLanes) {
  if (std::string_view(GetParam().first) == "custom_batch")
    GTEST_SKIP() << "its rule is for two lanes: tests/rules_test.cc";
  checks += check_lanes(*parse(GetParam().second));
}

TEST_P(Elementwise, OverLanes) {
  const OpDef& row = *GetParam();
  if (row.flat) return;
  checks += check_lanes(*elementwise_graph(row), row.domain);
}

TEST_P(Graphs, FirstAndSecondOrder) {
  const auto g = parse(GetParam().second);
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    Draw draw;
    draw.random.seed(seed);
    check_both_orders(*g, draw, draw_inputs(*g, draw));
  }
}

INSTANTIATE_TEST_SUITE_P(Text, Graphs, ::testing::ValuesIn(graphs),
                         [](const auto& p) { return std::string(p.param.first); });

// Every row with a derivative has a case here or comes from the table.
TEST(Coverage, EveryRowIsTested) {
  for (const OpDef& row : op_table()) {
    if (row.flat || row.family == Family::elementwise) continue;
    if (row.op == Op::while_loop || row.op == Op::replay) continue;  // tests/while_gradient_test.cc
    if (row.family == Family::transform && !row.inlined) continue;  // tests/vmap_test.cc, tests/rules_test.cc
    const bool tested = std::any_of(std::begin(graphs), std::end(graphs),
                                    [&](const auto& c) { return row.name == std::string_view(c.first); });
    EXPECT_TRUE(tested) << "no derivative test for op " << row.name;
  }
}

// ---- loops of unknown length

constexpr const char* power_loop =
    "graph @f(%0: i64[], %1: f64[]) -> (%3) { %2, %3 = while_loop %0, %1 {condition = graph(%0: i64[], %1: f64[]) -> "
    "(%3) { %2 = constant "
    "{dtype = i64, shape = [], value = [6]} : i64[] %3 = lt %0, %2 : bool[] }, body = graph(%0: i64[], %1: f64[]) -> "
    "(%3, %4) { %2 = "
    "constant {dtype = i64, shape = [], value = [1]} : i64[] %3 = add %0, %2 : i64[] %4 = sin %1 : f64[] }, counts = "
    "[0]} : i64[], f64[] }";

TEST(While, BothModes) {
  const auto g = parse(power_loop);
  const Jvp forward = jvp(*g, {false, true});
  expect_sound(*forward.graph);
  Array start(Type{i64, {}}), x(Type{f64, {}}), t(Type{f64, {}});
  *x.as<double>() = 0.7;
  *t.as<double>() = 1;
  const auto results = interpret(*forward.graph, std::vector<Array>{start, x, t});
  double value = 0.7, tangent = 1;
  for (int i = 0; i < 6; ++i) tangent *= std::cos(value), value = std::sin(value);
  EXPECT_NEAR(*results[1].as<double>(), tangent, 1e-12);
  const Vjp reverse = vjp(*g, {false, true});
  const auto kept = interpret(*reverse.forward, std::vector<Array>{start, x});
  std::vector<Array> operands(kept.begin() + 1, kept.end());
  operands.push_back(t);
  EXPECT_NEAR(*interpret(*reverse.backward, operands)[0].as<double>(), tangent, 1e-12);
}

// ---- singular points and ties

double gradient_at(const char* text, double x) {
  const auto g = value_and_grad(*parse(text), {true});
  Array a(Type{f64, {}});
  *a.as<double>() = x;
  return *interpret(*g, std::vector<Array>{a})[1].as<double>();
}

TEST(Singular, ZeroCotangentStops) {
  // sqrt at 0 behind a branch that is not taken: no 0 * inf.
  const char* guarded =
      "graph @f(%0: f64[]) -> (%5) { %1 = constant {dtype = f64, shape = [], value = [0]} : f64[] %2 = gt %0, %1 : "
      "bool[] "
      "%3 = sqrt %0 : f64[] %5 = select %2, %3, %1 : f64[] }";
  EXPECT_EQ(gradient_at(guarded, 0), 0);
  EXPECT_EQ(gradient_at(guarded, 4), 0.25);
  const char* cube =
      "graph @f(%0: f64[]) -> (%2) { %1 = constant {dtype = f64, shape = [], value = [3]} : f64[] %2 = pow %0, %1 : "
      "f64[] }";
  EXPECT_EQ(gradient_at(cube, 0), 0);
  EXPECT_EQ(gradient_at(cube, 2), 12);
}

TEST(Ties, SharedEqually) {
  const char* relu =
      "graph @f(%0: f64[]) -> (%2) { %1 = constant {dtype = f64, shape = [], value = [0]} : f64[] %2 = max %0, %1 : "
      "f64[] }";
  EXPECT_EQ(gradient_at(relu, 0), 0.5);
  EXPECT_EQ(gradient_at(relu, 1), 1);
  EXPECT_EQ(gradient_at(relu, -1), 0);
  EXPECT_EQ(gradient_at(relu, NAN), 1);
}

TEST(Product, DerivativeAtZeros) {
  const auto g =
      value_and_grad(*parse("graph @f(%0: f64[3]) -> (%1) { %1 = reduce_prod %0 {axes = [0]} : f64[] }"), {true});
  Array x(Type{f64, {3}});
  x.as<double>()[0] = 2, x.as<double>()[1] = 0, x.as<double>()[2] = 5;
  const auto gradient = interpret(*g, std::vector<Array>{x})[1];
  EXPECT_EQ(gradient.as<double>()[0], 0);
  EXPECT_EQ(gradient.as<double>()[1], 10);
  EXPECT_EQ(gradient.as<double>()[2], 0);
}

// ---- structure

TEST(Linearize, AbsentTangentsBuildNothing) {
  const auto g = parse("graph @f(%0: f64[3], %1: f64[3]) -> (%2, %3) { %2 = sin %0 : f64[3] %3 = cos %1 : f64[3] }");
  const Jvp forward = jvp(*g, {true, false});
  EXPECT_EQ(forward.output_has_tangent, (std::vector<bool>{true, false}));
  EXPECT_EQ(forward.graph->node_count(), 4u);  // sin, its cos, the product, cos
}

TEST(Linearize, LoopInvariantsAreNotStacked) {
  // carry <- sin(w) * carry with w constant: cos(w) and sin(w) leave the loop, only the carry is stacked.
  const auto g = parse(
      "graph @f(%0: f64[3], %1: f64[3]) -> (%2) { %2 = scan %0, %1 {body = graph(%0: f64[3], %1: f64[3]) -> (%3) { %2 "
      "= sin %0 : f64[3] "
      "%3 = mul %2, %1 : f64[3] }, length = [5], counts = [1, 1], reverse = [0]} : f64[3] }");
  const Linearized l = linearize(*g, {true, true});
  int stacked = 0;
  for (uint32_t i = 0; i < l.residual_count; ++i) stacked += l.linear->type(ValueId{i}).shape.rank() == 2;
  EXPECT_EQ(stacked, 1) << l.forward->text() << l.linear->text();
}

TEST(Refused, NonScalarLossAndIntegerInputs) {
  const auto error = [](const char* text, std::vector<bool> active) {
    try {
      value_and_grad(*parse(text), active);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_NE(error("graph @f(%0: f64[3]) -> (%0) { }", {true})
                .find("returns f64[3], but a gradient needs a floating-point scalar"),
            std::string::npos);
  EXPECT_NE(error("graph @f(%0: i64[], %1: f64[]) -> (%1) { }", {true, false})
                .find("only floating-point and complex values have derivatives"),
            std::string::npos);
}

TEST(Symbols, DerivativesKeepThem) {
  const auto g = parse(
      "symbol n in [1, 64]\ngraph @f(%0: f64[n, 3], %1: f64[3]) -> (%5) { %2 = broadcast %1 {shape = [n, 3], axes = "
      "[1]} : f64[n, 3] "
      "%3 = mul %0, %2 : f64[n, 3] %4 = slice %3 {starts = [0, 1], sizes = [n, 2], strides = [1, 1]} : f64[n, 2] "
      "%5 = reduce_max %4 {axes = [0]} : f64[2] }");
  Draw draw;
  check_derivatives(*g, draw, {draw.array({f64, {5, 3}}), draw.array({f64, {3}})});
}

TEST(Depth, AMillionNodesOnASmallStack) {
  on_small_stack([] {
    GraphBuilder b;
    const ValueId x = b.input({f32, {}});
    ValueId y = x;
    for (int i = 0; i < 500'000; ++i) y = b.add(Op::mul, {b.add(Op::sin, {y}), x});
    const ValueId outputs[] = {y};
    const auto g = b.finish(outputs);
    const Vjp both = vjp(*g, {true});
    EXPECT_GT(both.forward->text().size(), 1'000'000u);
    EXPECT_GT(both.backward->node_count(), 1'000'000u);
    const auto gradient = value_and_grad(*g, {true});
    EXPECT_GT(gradient->node_count(), 2'000'000u);
  });
}

}  // namespace
}  // namespace tenon::passes
