// Concatenations and slices that are copied by whole runs: what becomes of them is counted (kernels, copies, lines of the entry,
// compilations), they give the interpreter's bits, and the checkers see every plan of parts that is broken on purpose.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <functional>

#include "tenon/codegen/codegen.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/reference/array.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/compiled.h"
#include "tenon/tests/program_machine.h"

namespace tenon {
namespace {

using namespace ir;

struct Built {
  GraphBuilder b;
  std::vector<Array> inputs;
  Value input(Shape shape, DType t = f32) {
    Array a({t, shape});
    for (size_t i = 0; i < a.data.size(); ++i) a.data[i] = static_cast<uint8_t>(i * 7 + inputs.size() * 31);
    if (t == f32)  // small numbers: no NaN, whose bits operations may change
      for (int64_t i = 0; i < a.numel(); ++i)
        a.as<float>()[i] = static_cast<float>(i % 11) + static_cast<float>(inputs.size());
    inputs.push_back(std::move(a));
    return {&b, b.input({t, std::move(shape)})};
  }
  // The program of these results, after every route has been held against the interpreter.
  Program checked(const std::vector<Value>& results, const std::vector<int64_t>& dims = {}) {
    std::vector<ValueId> ids;
    for (Value v : results) ids.push_back(v.id);
    const auto graph = b.finish(ids);
    const Program p = passes::build_program(*graph, Target::portable());
    EXPECT_EQ(passes::check_buffers(p), std::vector<std::string>{}) << p.text();
    EXPECT_EQ(passes::check_bounds(p), std::vector<std::string>{}) << p.text();
    const std::vector<Array> expected = interpret(*graph, inputs);
    const std::vector<Array> stepwise = testing::run_program(p, inputs, dims);
    const std::vector<Array> compiled = runtime::compile(*graph, {})->run(inputs);
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(expected[i].data, stepwise[i].data) << p.text();
      EXPECT_EQ(expected[i].data, compiled[i].data) << p.text();
    }
    return p;
  }
};

std::pair<size_t, size_t> launches_and_copies(const std::vector<Step>& steps) {
  std::pair<size_t, size_t> n;
  for (const Step& s : steps) {
    const auto inner = launches_and_copies(s.body);
    n.first += (s.kind == StepKind::launch) + inner.first;
    n.second += (s.kind == StepKind::copy) + inner.second;
  }
  return n;
}
using Counts = std::pair<size_t, size_t>;

TEST(Copies, ManyPartsAreRunsWithoutAKernel) {
  Built g;
  std::vector<Value> parts;
  for (int k = 0; k < 31; ++k) parts.push_back(g.input({k % 5, 3}));
  const Program p = g.checked({concat(parts, 0)});
  EXPECT_EQ(p.kernels.size(), 0u) << p.text();
  EXPECT_EQ(launches_and_copies(p.steps), Counts(0, 24)) << "parts without elements move nothing";
}

TEST(Copies, TheEntryOfThousandsOfPartsIsShort) {
  const auto lines = [](int count) {
    Built g;
    std::vector<Value> parts;
    for (int k = 0; k < count; ++k) parts.push_back(g.input({2}));
    const Program p = g.checked({concat(parts, 0)});
    const std::string text = codegen::llvm_text(p, Target::portable(), {});
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(lines(100), lines(3000)) << "a table and a loop, however many parts there are";
}

// What is copied before a kernel and what is copied after it are tables of their own.
TEST(Copies, SeveralTablesInOneProgram) {
  const auto f = [](const std::vector<Tensor>& parts) {
    std::vector<Tensor> more = parts;
    more.push_back(tenon::cumsum(tenon::concat(parts, 0), 0));
    return std::pair(tenon::concat(more, 0), tenon::concat(parts, 1));
  };
  std::vector<Tensor> parts;
  for (uint64_t k = 0; k < 20; ++k) parts.push_back(normal(key(k), {3, 8}));
  const auto [rows, columns] = jit(f)(parts);
  const auto [eager_rows, eager_columns] = f(parts);
  EXPECT_EQ(rows.to_vector<float>(), eager_rows.to_vector<float>());
  EXPECT_EQ(columns.to_vector<float>(), eager_columns.to_vector<float>());
  const auto traced = trace(f, parts);
  const Program p = passes::build_program(*traced.program()->graph, Target::portable());
  const std::string text = codegen::llvm_text(p, Target::portable(), {});
  EXPECT_NE(text.find("_copies_1 ="), std::string::npos) << p.text();
}

// Rows and blocks that threads share: parts of few bytes and of many, blocks that do not divide the whole; extents known and not.
TEST(Copies, LargeOnesAreSharedAmongThreads) {
  Built g;
  std::vector<Value> beside, below;
  for (int64_t width : {33, 1, 64, 7, 200}) beside.push_back(g.input({700, width}));
  for (int64_t rows : {500, 3, 411}) below.push_back(g.input({rows, 305}));
  below.push_back(slice(below[0], {20, 0}, {480, 305}, {1, 1}));
  std::vector<ValueId> ids;
  for (Value v : {concat(beside, 1), concat(below, 0), slice(below[2], {1, 0}, {410, 305}, {1, 1})})
    ids.push_back(v.id);
  const auto graph = g.b.finish(ids);
  const std::vector<Array> expected = interpret(*graph, g.inputs);
  const auto program = runtime::compile(*graph, {});
  const tenon_env split = testing::splitting_env();
  for (const tenon_env* env : {tenon_runtime_env(), tenon_serial_env(), &split}) {
    const std::vector<Array> results = program->run(g.inputs, env);
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(results[i].data, expected[i].data) << i;
  }
  // Eager programs, whose extents are free.
  const Tensor x = normal(key(1), {700, 64}), y = normal(key(2), {700, 129});
  const auto columns = tenon::concat({x, y, x}, 1).to_vector<float>(),
             rows = tenon::concat({y, y}, 0).to_vector<float>();
  const auto xs = x.to_vector<float>(), ys = y.to_vector<float>();
  for (size_t i = 0; i < columns.size(); ++i) {
    const size_t row = i / 257, j = i % 257;
    const float expected = j < 64 ? xs[row * 64 + j] : j < 193 ? ys[row * 129 + j - 64] : xs[row * 64 + j - 193];
    ASSERT_EQ(columns[i], expected) << i;
  }
  for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], ys[i % ys.size()]) << i;
}

TEST(Copies, PartsAreComputedWhereTheyStand) {
  Built g;
  std::vector<Value> parts;
  for (int k = 0; k < 6; ++k) {
    const Value x = g.input({4, 5 + k});
    parts.push_back(k % 2 ? exp(x) * x : x);
  }
  // Inputs are copied; a part whose rows lie apart in the whole is computed first.
  const Program apart = g.checked({concat(parts, 1)});
  EXPECT_EQ(launches_and_copies(apart.steps), Counts(3, 6)) << apart.text();
  Built h;
  std::vector<Value> rows, all;
  for (int k = 0; k < 6; ++k) {
    const Value x = h.input({2 + k, 4}), y = exp(x) * x;
    rows.push_back(k % 3 == 0 ? x : k % 3 == 1 ? y : reshape(transpose(y, {1, 0}), Shape{2 + k, 4}));
  }
  const Value joined = concat(rows, 0);
  all = {joined, concat(std::vector<Value>{joined, joined, rows[1], rows[0], rows[4]}, 0)};
  const Program p = h.checked(all);
  EXPECT_EQ(launches_and_copies(p.steps), Counts(6, 7))
      << "an input twice, another once, and four parts that stand elsewhere: " << p.text();
}

TEST(Copies, APartOfAPartIsInItsPlace) {
  Built g;
  const auto five = [&](int64_t n) {
    std::vector<Value> parts;
    for (int k = 0; k < 5; ++k) parts.push_back(exp(g.input({n})));
    return concat(parts, 0);
  };
  const Program p = g.checked({concat(std::vector<Value>{five(2), five(3), five(4), five(1), exp(g.input({7}))}, 0)});
  EXPECT_EQ(launches_and_copies(p.steps).second, 0u) << p.text();
  EXPECT_EQ(p.arena_bytes, 0) << p.text();
}

TEST(Copies, SlicesThatAreRunsAreCopied) {
  Built g;
  const Value x = g.input({6, 8}), one = slice(x, {2, 0}, {1, 8}, {1, 1}), some = slice(x, {3, 2}, {1, 5}, {7, 1});
  const Program p = g.checked({one, some, slice(x, {1, 0}, {4, 8}, {1, 1})});
  EXPECT_EQ(launches_and_copies(p.steps), Counts(0, 3)) << p.text();
  Built h;
  const Value y = h.input({6, 8});
  const Program q = h.checked(
      {slice(y, {0, 1}, {6, 2}, {1, 1}), slice(y, {0, 0}, {3, 8}, {2, 1}), slice(exp(y), {1, 0}, {1, 8}, {1, 1})});
  EXPECT_EQ(launches_and_copies(q.steps).second, 0u) << "columns, every other row, what is computed: " << q.text();
}

TEST(Copies, FewPartsStayInTheirReader) {
  Built g;
  const Value x = g.input({8}), y = g.input({8});
  const std::vector<Value> parts = {neg(x), y, x, y};
  const Program p = g.checked({exp(concat(parts, 0))});
  EXPECT_EQ(launches_and_copies(p.steps), Counts(1, 0)) << p.text();
}

TEST(Copies, ExtentsMayBeSymbols) {
  Built g;
  const Dim n = g.b.symbols().add("n", 1), m = g.b.symbols().add("m", 1);
  std::vector<Value> parts, columns;
  for (int k = 0; k < 6; ++k) {
    const Dim extent = k % 2 ? n : m;
    const Value x{&g.b, g.b.input({f32, Shape{extent, 3}})};
    g.inputs.emplace_back(Type{f32, Shape{k % 2 ? 4 : 9, 3}});
    for (int64_t i = 0; i < g.inputs.back().numel(); ++i) g.inputs.back().as<float>()[i] = static_cast<float>(i + k);
    parts.push_back(k > 3 ? exp(x) : x);
    columns.push_back(transpose(x, {1, 0}));
  }
  const Program p = g.checked({concat(parts, 0), concat(columns, 1)}, {4, 9});
  EXPECT_FALSE(p.is_static);
}

// Every operand that names a part, inner steps included.
void each_part(std::vector<Step>& steps, const std::function<void(Step&, ir::Operand&)>& visit) {
  for (Step& s : steps) {
    for (ir::Operand& o : s.operands)
      if (o.part) visit(s, o);
    each_part(s.body, visit);
  }
}

TEST(Copies, TheCheckersSeeBrokenParts) {
  Built g;
  std::vector<Value> rows, columns;
  for (int k = 0; k < 5; ++k) {
    const Value x = g.input({3, 4});
    rows.push_back(k == 2 ? exp(x) : x);
    columns.push_back(x);
  }
  const Program p = g.checked({concat(rows, 0), concat(columns, 1)});
  size_t parts = 0;
  Program counted = p;
  each_part(counted.steps, [&](Step&, ir::Operand&) { ++parts; });
  ASSERT_GT(parts, 10u);
  for (size_t broken = 0; broken < parts; ++broken) {
    Program q = p;
    size_t number = 0;
    bool inside = false;
    each_part(q.steps, [&](Step& s, ir::Operand& o) {
      if (number++ != broken) return;
      inside = &o != &s.operands.front() || s.kind == StepKind::launch;
      o.start = Dim(o.start.number() + 1);
    });
    const bool seen = !passes::check_buffers(q).empty() || !passes::check_bounds(q).empty();
    EXPECT_TRUE(seen || !inside) << "part " << broken << " of\n" << q.text();
  }
}

// ---- eagerly

uint64_t compiled() { return runtime::cache_stats().compiled; }

TEST(Copies, AGrowingListCompilesNothing) {
  runtime::clear_memory_cache();
  std::vector<Tensor> list;
  uint64_t before = 0;
  for (int i = 0; i < 60; ++i) {
    list.push_back(full({3}, static_cast<float>(i)));
    if (list.size() == 9) before = compiled();
    const Tensor stacked = stack(list), joined = concat(list), columns = stack(list, 1);
    ASSERT_EQ(stacked.shape(), (Shape{static_cast<int64_t>(list.size()), 3}));
    std::vector<float> rows, across;
    for (size_t k = 0; k < list.size(); ++k) rows.insert(rows.end(), 3, static_cast<float>(k));
    for (int r = 0; r < 3; ++r)
      for (size_t k = 0; k < list.size(); ++k) across.push_back(static_cast<float>(k));
    ASSERT_EQ(stacked.to_vector<float>(), rows);
    ASSERT_EQ(joined.to_vector<float>(), rows);
    ASSERT_EQ(columns.to_vector<float>(), across);
  }
  EXPECT_EQ(compiled() - before, 0u);
}

TEST(Copies, ListsOfSeveralDtypesAndNoElementsJoin) {
  std::vector<Tensor> list;
  for (int i = 0; i < 12; ++i)
    list.push_back(i % 3 == 0   ? full({2, 0}, 1.0f)
                   : i % 3 == 1 ? full({2, 1}, i)
                                : full({2, 2}, static_cast<float>(i)));
  const Tensor all = concat(list, 1);
  EXPECT_EQ(all.dtype(), f32);
  EXPECT_EQ(all.shape(), (Shape{2, 12}));
  EXPECT_EQ(all.to_vector<float>(), (std::vector<float>{1, 2, 2, 4, 5, 5, 7, 8, 8, 10, 11, 11,  //
                                                        1, 2, 2, 4, 5, 5, 7, 8, 8, 10, 11, 11}));
  const std::vector<Tensor> nothing(20, zeros({0, 4}));
  EXPECT_EQ(stack(nothing, 2).shape(), (Shape{0, 4, 20}));
  std::vector<Tensor> uneven(10, zeros({2}));
  uneven.push_back(zeros({3}));
  EXPECT_THROW(stack(uneven), Error);
  uneven.back() = Tensor();
  EXPECT_THROW(concat(uneven), Error);
}

TEST(Copies, AGrowingListOnTheTapeCompilesFewPrograms) {
  runtime::clear_memory_cache();
  const uint64_t before = compiled();
  std::vector<Tensor> leaves;
  for (int i = 0; i < 70; ++i) {
    leaves.push_back(full({2}, static_cast<float>(i), {.requires_grad = true}));
    const Tensor joined = i % 2 ? stack(leaves) : concat(leaves);
    const Tensor weights = arange(0, 2 * (i + 1)).astype(f32).reshape({i % 2 ? i + 1 : 2 * (i + 1), i % 2 ? 2 : 1});
    sum(joined * (i % 2 ? weights : weights.reshape({2 * (i + 1)}))).backward();
    for (size_t k = 0; k < leaves.size(); ++k) {
      const auto first = static_cast<float>(2 * k);
      ASSERT_EQ(leaves[k].grad().to_vector<float>(), (std::vector<float>{first, first + 1})) << k << " of " << i;
      leaves[k].zero_grad();
    }
  }
  EXPECT_LE(compiled() - before, 120u) << "70 lengths of two functions, forward and back";
}

TEST(Copies, AValueThatStandsTwiceInALongListIsSummedInOneOrder) {
  const auto gradient = [](int count) {
    const Tensor x = tensor({0.1f, 0.7f}, {.requires_grad = true});
    std::vector<Tensor> list(static_cast<size_t>(count), x);
    sum(stack(list) * tensor({1e8f, 1.0f}) * 0.3f).backward();
    return x.grad().to_vector<float>();
  };
  const auto traced = [](int count) {
    const auto f = [=](const Tensor& x) {
      std::vector<Tensor> list(static_cast<size_t>(count), x);
      return sum(stack(list) * tensor({1e8f, 1.0f}) * 0.3f);
    };
    return grad(f)(tensor({0.1f, 0.7f})).to_vector<float>();
  };
  EXPECT_EQ(gradient(13), traced(13));
}

}  // namespace
}  // namespace tenon
