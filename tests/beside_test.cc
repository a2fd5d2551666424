// Launches that run together (codegen/llvm/beside.cc): which do, that every cut of them gives the interpreter's bits, and that nothing
// runs together that touches what the other writes.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/reference/array.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/compiled.h"

namespace tenon {
namespace {

using namespace ir;
using passes::GraphPtr;

bool run_together(const Program& p) {
  return codegen::llvm_text(p, Target::portable(), {}).find("_beside(") != std::string::npos;
}

Array numbers(const Shape& shape, int64_t seed) {
  Array a({f32, shape});
  for (int64_t i = 0; i < a.numel(); ++i) a.as<float>()[i] = static_cast<float>((i * 7 + seed * 31) % 97) / 16 - 3;
  return a;
}

// Every way of dealing them out, held against the interpreter.
void check(const GraphPtr& graph, const std::vector<Array>& inputs) {
  const std::vector<Array> expected = interpret(*graph, inputs);
  const auto program = runtime::compile(*graph, {});
  const tenon_env split = testing::splitting_env();
  for (const tenon_env* env : {tenon_runtime_env(), tenon_serial_env(), &split}) {
    const std::vector<Array> results = program->run(inputs, env);
    ASSERT_EQ(results.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(results[i].data, expected[i].data) << "result " << i;
  }
}

// x e^-x over each of these shapes, results of their own.
GraphPtr maps(const std::vector<Shape>& shapes, std::vector<Array>& inputs) {
  GraphBuilder b;
  std::vector<ValueId> results;
  for (const Shape& s : shapes) {
    inputs.push_back(numbers(s, static_cast<int64_t>(inputs.size())));
    const Value x{&b, b.input({f32, s})};
    results.push_back((x * exp(-x)).id);
  }
  return b.finish(results);
}

TEST(Beside, ParametersOfAllSizes) {
  std::vector<Array> inputs;
  std::vector<Shape> shapes;
  for (const int64_t n : {1, 3, 70000, 16, 5000, 4097, 12289, 100}) shapes.push_back({n});
  shapes.push_back({300, 77});
  shapes.push_back({0, 5});
  shapes.push_back({});
  shapes.push_back({9, 1, 4096});
  const GraphPtr graph = maps(shapes, inputs);
  EXPECT_TRUE(run_together(passes::build_program(*graph, Target::portable())));
  check(graph, inputs);
}

TEST(Beside, LittleWorkGoesStraight) {
  std::vector<Array> inputs;
  const GraphPtr graph = maps({{3}, {40}, {100}}, inputs);
  EXPECT_FALSE(run_together(passes::build_program(*graph, Target::portable())));
  check(graph, inputs);
}

TEST(Beside, MoreThanOneTableHolds) {
  std::vector<Array> inputs;
  std::vector<Shape> shapes;
  for (int64_t k = 0; k < 150; ++k) shapes.push_back({900 + 13 * k});
  const GraphPtr graph = maps(shapes, inputs);
  EXPECT_TRUE(run_together(passes::build_program(*graph, Target::portable())));
  check(graph, inputs);
}

TEST(Beside, ReductionsOfRowsRunWithMaps) {
  std::vector<Array> inputs{numbers({200, 300}, 1), numbers({65000}, 2), numbers({31, 5000}, 3)};
  GraphBuilder b;
  std::vector<Value> x;
  for (const Array& a : inputs) x.push_back({&b, b.input(a.type)});
  const GraphPtr graph =
      b.finish(std::vector{reduce(Op::reduce_sum, x[0], {1}).id, exp(x[1]).id, reduce(Op::reduce_max, x[2], {1}).id});
  EXPECT_TRUE(run_together(passes::build_program(*graph, Target::portable())));
  check(graph, inputs);
}

TEST(Beside, WhatReadsAResultWaitsForIt) {
  std::vector<Array> inputs{numbers({40000}, 1), numbers({300, 70}, 2)};
  GraphBuilder b;
  const Value x{&b, b.input(inputs[0].type)}, y{&b, b.input(inputs[1].type)};
  const Value s = reduce(Op::reduce_sum, x, {0}), t = reduce(Op::reduce_max, y, {0});
  const GraphPtr graph =
      b.finish(std::vector{s.id, (x - broadcast_to(s, {40000})).id, exp(y).id, (y * broadcast_to(t, {300, 70})).id});
  check(graph, inputs);
}

// Buffers whose memory is one: the second would run into the first.
TEST(Beside, MemoryThatIsSharedKeepsLaunchesApart) {
  for (const bool shared : {false, true}) {
    const auto add = [](Program& p, Home home, uint32_t slot, int64_t offset) {
      ProgramBuffer buffer;
      buffer.dtype = f32;
      buffer.shape = {50000};
      buffer.home = home;
      buffer.slot = slot;
      buffer.offset = offset;
      if (home == Home::input) p.inputs.push_back({f32, buffer.shape});
      if (home == Home::output) p.outputs.push_back({f32, buffer.shape});
      p.buffers.push_back(buffer);
      return static_cast<uint32_t>(p.buffers.size() - 1);
    };
    Program p;
    KernelBuilder k("negate", p.symbols);
    const auto x = k.buffer("x", f32, {50000}, Space::input), y = k.buffer("y", f32, {50000}, Space::output);
    const ScalarId i = k.open_loop(LoopKind::vector, k.index_literal(50000))[0];
    const ScalarId loaded = k.load(x, std::span(&i, 1));
    k.store(y, std::span(&i, 1), k.scalar(Op::neg, std::span(&loaded, 1)));
    k.close_loop();
    p.kernels.push_back(k.finish());
    p.notes.resize(1);
    const int64_t bytes = 200000;
    const uint32_t in = add(p, Home::input, 0, -1), out = add(p, Home::output, 0, -1);
    const uint32_t a = add(p, Home::arena, 0, 0), c = add(p, Home::arena, 1, shared ? bytes - 64 : bytes + 64);
    p.arena_bytes = 3 * bytes;
    for (const auto& [from, to] : {std::pair(in, a), {in, c}, {c, out}}) {
      Step s;
      s.operands = {{from, -1, false, 0}, {to, -1, false, 0}};
      p.steps.push_back(s);
    }
    EXPECT_EQ(run_together(p), !shared) << p.text();
  }
}

// A counter that is increased where it lies is increased once, wherever the pieces end.
TEST(Beside, WhatRunsOnceRunsOnce) {
  for (int64_t blocks = 1; blocks <= 24; ++blocks) {  // the counter's place among the pieces
    const std::vector<Array> inputs{numbers({4096 * blocks + 9}, 1), numbers({70000}, 2), numbers({}, 3)};
    GraphBuilder b;
    std::vector<Value> x;
    for (const Array& a : inputs) x.push_back({&b, b.input(a.type)});
    const auto graph = b.finish(std::vector{neg(x[0]).id, neg(x[1]).id, (x[2] + like(x[2], 1)).id});
    const std::vector<Array> expected = interpret(*graph, inputs);
    const auto program = runtime::compile(*graph, {.donations = {{2, 2}}});
    const tenon_env split = testing::splitting_env();
    for (const tenon_env* env : {tenon_runtime_env(), tenon_serial_env(), &split}) {
      const std::vector<Array> results = program->run(inputs, env);
      for (size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(results[i].data, expected[i].data) << i << " " << blocks;
    }
  }
}

// A donated parameter is one memory with its successor; of two results of one input neither may write over it too soon.
TEST(Beside, DonatedTreesKeepTheirBits) {
  std::vector<Tensor> p, g;
  for (uint64_t k = 0; k < 70; ++k) {
    p.push_back(normal(key(k), {static_cast<int64_t>(1000 + 37 * k)}));
    g.push_back(normal(key(100 + k), p.back().shape()));
  }
  const auto step = [](const std::vector<Tensor>& parameters, const std::vector<Tensor>& gradients,
                       const optim::AdamWState<std::vector<Tensor>>& state) {
    return optim::adamw(parameters, gradients, state, {.rate = 0.01});
  };
  const auto fresh = [&] {
    std::vector<Tensor> copy;
    for (const Tensor& t : p) copy.push_back(t + 0);
    return copy;
  };
  const auto donating = jit(step, {.donate = {0, 2}});
  auto mine = fresh(), theirs = fresh();
  auto state = optim::adamw_init(mine), other = optim::adamw_init(theirs);
  for (int round = 0; round < 3; ++round) {
    auto [next, after] = donating(mine, g, state);
    mine = std::move(next), state = std::move(after);
    for (size_t k = 0; k < theirs.size(); ++k) {  // leaf by leaf, each with a state of its own
      optim::AdamWState<std::vector<Tensor>> one{{other.first[k]}, {other.second[k]}, other.step};
      auto [leaf, of_leaf] = step({theirs[k]}, {g[k]}, one);
      theirs[k] = leaf[0], other.first[k] = of_leaf.first[0], other.second[k] = of_leaf.second[0];
      if (k + 1 == theirs.size()) other.step = of_leaf.step;
    }
  }
  for (size_t k = 0; k < p.size(); ++k) EXPECT_EQ(mine[k].to_vector<float>(), theirs[k].to_vector<float>()) << k;
}

}  // namespace
}  // namespace tenon
