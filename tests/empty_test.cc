// Extents of 0: every reduction, movement, indexing and contraction over shapes in which each axis in turn, and each pair,
// is empty; the extents known when compiled, or symbols that are 0 when the program runs; values and gradients; all routes.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <chrono>

#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/routes.h"

namespace tenon::testing {
namespace {

using namespace ir;
using Values = std::vector<Value>;

Value kept(Value x, Value reduced, int64_t axis) {  // keepdims
  Shape shape = x.shape();
  shape[axis] = 1;
  return reshape(reduced, shape);
}

// A program over x of rank 3 and indices i; what it gives is a list of values.
struct Recipe {
  const char* name;
  Values (*make)(Value x, Value i, int64_t axis);
  bool differentiable = true;
};

Value back(Value x, Value narrow, int64_t axis) {
  std::vector<int64_t> axes;
  for (int64_t a = 0; a < x.shape().rank(); ++a)
    if (a != axis) axes.push_back(a);
  return broadcast(narrow, x.shape(), axes);
}

Attrs axis_of(int64_t axis) { return {Attr::of(std::vector<int64_t>{axis})}; }

const Recipe recipes[] = {
    {"sum, kept, times 2",
     [](Value x, Value, int64_t a) {
       const Value s = kept(x, reduce(Op::reduce_sum, x, {a}), a);
       return Values{s * like(s, 2)};
     }},
    {"softmax",
     [](Value x, Value, int64_t a) {
       const Value e = exp(x - back(x, stop_gradient(reduce(Op::reduce_max, x, {a})), a));
       return Values{e * back(x, like(reduce(Op::reduce_sum, e, {a}), 1) / reduce(Op::reduce_sum, e, {a}), a)};
     }},
    {"product and least",
     [](Value x, Value, int64_t a) {
       return Values{reduce(Op::reduce_prod, exp(x), {a}), reduce(Op::reduce_min, x, {0, 1, 2})};
     }},
    {"sum of two axes",
     [](Value x, Value, int64_t a) {
       return Values{reduce(Op::reduce_sum, x * x, a == 0 ? std::vector<int64_t>{0, 1} : std::vector<int64_t>{0, a})};
     }},
    {"places",
     [](Value x, Value, int64_t a) {
       return Values{apply(*x.builder, Op::argmax, Values{x * x}, axis_of(a))[0],
                     apply(*x.builder, Op::argmin, Values{x}, axis_of(a))[0]};
     },
     false},
    {"sorted, with a payload",
     [](Value x, Value, int64_t a) { return apply(*x.builder, Op::sort, Values{x, x * x}, axis_of(a)); }},
    {"cumulative",
     [](Value x, Value, int64_t a) {
       return apply(*x.builder, Op::cumsum, Values{x},
                    {Attr::of(std::vector<int64_t>{a}), Attr::of(std::vector<int64_t>{1})});
     }},
    {"turned",
     [](Value x, Value, int64_t a) { return Values{transpose(reverse(x, {a}), {2, 0, 1}) * transpose(x, {2, 0, 1})}; }},
    {"joined",
     [](Value x, Value, int64_t a) {
       const Value parts[] = {x, exp(x), x};
       return Values{concat(parts, a) + concat(parts, a)};
     }},
    {"padded",
     [](Value x, Value, int64_t a) {
       std::vector<Dim> low(3, Dim(0)), high(3, Dim(0));
       low[a] = 1, high[a] = 2;
       return Values{pad(x, splat(*x.builder, f32, 1.5, {}), low, high, {0, 0, 0})};
     }},
    {"gathered", [](Value x, Value i, int64_t a) { return Values{take(x, i, static_cast<size_t>(a))}; }},
    {"scattered",
     [](Value x, Value i, int64_t a) {
       const Value u = take(x * x, i, static_cast<size_t>(a));
       const Value s = scatter(x, i, u, static_cast<size_t>(a));
       return Values{s * like(s, 2)};
     }},
    {"contracted",
     [](Value x, Value, int64_t a) {
       const int64_t other = (a + 1) % 3;
       return Values{dot_general(x, exp(x), {a}, {a}, {other}, {other})};
     }},
    {"a first row for all",
     [](Value x, Value, int64_t a) {
       const Value start[] = {splat_integer(*x.builder, i64, 0, {}), splat_integer(*x.builder, i64, 0, {}),
                              splat_integer(*x.builder, i64, 0, {})};
       std::vector<Dim> sizes = x.shape().dims();
       if (!(sizes[a] == 0) && sizes[a].is_number()) sizes[a] = 1;
       return Values{dynamic_slice(x, start, sizes) + dynamic_slice(x * x, start, sizes)};
     }},
};

std::shared_ptr<const Graph> graph_of(const Recipe& recipe, int64_t axis, const Shape& shape,
                                      std::shared_ptr<Symbols> symbols) {
  GraphBuilder b("main", std::move(symbols));
  const Value x{&b, b.input({f32, shape})}, i{&b, b.input({i64, Shape{4}})};
  std::vector<ValueId> outputs;
  for (Value v : recipe.make(x, i, axis)) outputs.push_back(v.id);
  return b.finish(outputs);
}

// The gradient of the sum of everything.
std::shared_ptr<const Graph> gradient_of(const Graph& graph) {
  GraphBuilder b("main", graph.symbols);
  std::vector<ValueId> inputs;
  for (uint32_t i = 0; i < graph.input_count(); ++i) inputs.push_back(b.input(graph.type(ValueId{i})));
  Value loss = splat(b, f32, 0, {});
  for (ValueId id : b.splice(graph, inputs)) {
    const Value v{&b, id};
    std::vector<int64_t> axes;
    for (int64_t a = 0; a < v.shape().rank(); ++a) axes.push_back(a);
    loss = loss + reduce(Op::reduce_sum, v * v, axes);
  }
  const ValueId outputs[] = {loss.id};
  return passes::value_and_grad(*b.finish(outputs), {true, false});
}

// Indices that no axis has, too: reading clamps, writing drops.
std::vector<Array> inputs_of(const std::vector<int64_t>& shape, Random& random) {
  return {random_array(type_of(f32, shape), random, Domain::unit), integer_array(type_of(i64, {4}), random, -3, 6)};
}

std::vector<std::vector<int64_t>> empty_shapes() {
  std::vector<std::vector<int64_t>> shapes;
  for (int mask = 1; mask < 8; ++mask) shapes.push_back({mask & 1 ? 0 : 9, mask & 2 ? 0 : 3, mask & 4 ? 0 : 65});
  return shapes;
}

TEST(Empty, FixedExtents) {
  Random random(3);
  for (const Recipe& recipe : recipes)
    for (const std::vector<int64_t>& shape : empty_shapes())
      for (int64_t axis = 0; axis < 3; ++axis) {
        if (!recipe.differentiable && shape[axis] == 0) continue;  // a place in nothing is refused
        const auto graph = graph_of(recipe, axis, Shape::from(shape), std::make_shared<Symbols>());
        const std::vector<Array> inputs = inputs_of(shape, random);
        const auto name = [&] {
          return std::string(recipe.name) + " along " + std::to_string(axis) + "\n" + graph->text();
        };
        const auto wrong = first_disagreement(graph, inputs, NaNs::one_value);
        ASSERT_FALSE(wrong) << *wrong << " " << name();
        if (!recipe.differentiable || std::count(shape.begin(), shape.end(), 0) > 1) continue;
        const auto slope = gradient_of(*graph);
        const auto bad = first_disagreement(slope, inputs, NaNs::one_value);
        ASSERT_FALSE(bad) << *bad << " gradient of " << name() << slope->text();
      }
}

TEST(Empty, ExtentsThatAreEmptyWhenTheProgramRuns) {
  Random random(4);
  for (const Recipe& recipe : recipes)
    for (int64_t axis = 0; axis < 3; ++axis) {
      const auto symbols = std::make_shared<Symbols>();
      const Shape shape{symbols->add("a"), symbols->add("b"), symbols->add("c")};
      std::vector<std::shared_ptr<const Graph>> graphs{graph_of(recipe, axis, shape, symbols)};
      if (recipe.differentiable) graphs.push_back(gradient_of(*graphs[0]));
      for (const auto& graph : graphs)
        for (const Route& route : routes()) {
          if (std::string_view(route.name) != "fused" && std::string_view(route.name) != "op by op") continue;
          const Runnable run = route.prepare(graph);
          std::vector<std::vector<int64_t>> shapes = empty_shapes();
          shapes.push_back({9, 3, 65});
          shapes.push_back({1, 70, 2});
          for (const std::vector<int64_t>& at : shapes) {
            const std::vector<Array> inputs = inputs_of(at, random);
            const auto wrong = disagreement(run, inputs, interpret(*graph, inputs), NaNs::one_value);
            ASSERT_FALSE(wrong) << recipe.name << " along " << axis << ", " << route.name << " at "
                                << to_string(Shape::from(at)) << ": " << *wrong << "\n"
                                << graph->text();
          }
        }
    }
}

// However long the other axes are, there is nothing to do along an empty one.
TEST(Empty, NothingTakesNoTime) {
  const auto start = std::chrono::steady_clock::now();
  const Tensor x = zeros({int64_t{1} << 34, 0});
  const auto sorted = jit([](const Tensor& t) { return cumsum(t, 1) + exp(t.transpose()).transpose(); });
  EXPECT_EQ(sorted(x).numel(), 0);
  GraphBuilder b("main");
  const Value v{&b, b.input({f32, Shape{b.symbols().add("n"), b.symbols().add("m")}})};
  const ValueId outputs[] = {apply(b, Op::sort, Values{v}, axis_of(1))[0].id};
  const auto program = runtime::compile(*b.finish(outputs));
  const Array in(type_of(f32, {int64_t{1} << 34, 0}));
  EXPECT_EQ(program->run(std::span(&in, 1))[0].numel(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

// ---- convolutions whose window does not fit

TEST(Empty, WindowsThatDoNotFit) {
  Random random(6);
  int programs = 0;
  for (const int64_t stride : {1, 2, 3})
    for (const int64_t low : {-2, 0})
      for (const int64_t high : {-1, 2})
        for (const int64_t spread : {1, 2})
          for (const int64_t dilation : {1, 3})
            for (const int64_t taps : {1, 4}) {
              const auto make = [&](Dim extent, std::shared_ptr<Symbols> symbols) {
                GraphBuilder b("main", std::move(symbols));
                const Value operands[] = {{&b, b.input({f32, Shape{2, extent, 2}})},
                                          {&b, b.input({f32, Shape{taps, 2, 3}})}};
                const auto list = [](int64_t n) { return Attr::of(std::vector<int64_t>{n}); };
                const ValueId outputs[] = {
                    apply(b, Op::convolution, operands,
                          {list(stride), list(low), list(high), list(spread), list(dilation), list(1)})[0]
                        .id};
                return b.finish(outputs);
              };
              const auto symbols = std::make_shared<Symbols>();
              const auto symbolic = make(symbols->add("n"), symbols);
              const Runnable run = routes()[2].prepare(symbolic);
              for (int64_t extent = 0; extent < 9; ++extent) {
                const auto graph = make(extent, std::make_shared<Symbols>());
                const Array inputs[] = {random_array(type_of(f32, {2, extent, 2}), random, Domain::unit),
                                        random_array(type_of(f32, {taps, 2, 3}), random, Domain::unit)};
                const std::string name = "extent " + std::to_string(extent) + "\n" + symbolic->text();
                const std::vector<Array> expected = interpret(*graph, inputs);
                const int64_t padded = (extent == 0 ? 0 : (extent - 1) * spread + 1) + low + high;
                const int64_t window = (taps - 1) * dilation + 1;
                EXPECT_EQ(expected[0].type.shape[1].number(), padded < window ? 0 : (padded - window) / stride + 1);
                const auto wrong = disagreement(run, inputs, expected, NaNs::one_value);
                ASSERT_FALSE(wrong) << *wrong << " " << name;
                if (extent == 2 + stride % 2 && spread == 1) {  // compiling each takes its time
                  const auto fixed = disagreement(routes()[2].prepare(graph), inputs, expected, NaNs::one_value);
                  ASSERT_FALSE(fixed) << *fixed << " " << name;
                }
              }
              ++programs;
            }
  EXPECT_EQ(programs, 96);
  // Eager and jitted, through the public door.
  const Tensor x = ones({1, 2, 1}), kernel = ones({5, 1, 1});
  const auto f = [&](const Tensor& t) { return convolution(t, kernel); };
  EXPECT_EQ(f(x).shape(), (Shape{1, 0, 1}));
  EXPECT_EQ(jit(f)(x).shape(), (Shape{1, 0, 1}));
}

}  // namespace
}  // namespace tenon::testing
