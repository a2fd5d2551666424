// Graphs through the whole pipeline to kernels and steps, run on the program machine, held against the interpreter to the
// bit: every case of the op table, then programs of many ops where fusion has choices.
#include <gtest/gtest.h>

#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"
#include "tenon/tests/op_cases.h"
#include "tenon/tests/program_machine.h"
#include "tenon/tests/program_shrink.h"

namespace tenon::testing {
namespace {

using namespace ir;

Program lowered(const Graph& graph, bool fuse) {
  passes::Options options;
  options.fuse = fuse;
  Program program = passes::build_program(graph, Target::portable(), options);
  EXPECT_EQ(passes::check_buffers(program), std::vector<std::string>{}) << program.text();
  return program;
}

void check_case(const Graph& graph, const Program& program, const std::vector<Array>& inputs,
                const std::vector<Array>& expected, NaNs nans, const std::string& name) {
  std::vector<Array> actual = run_program(program, inputs, dims_of(graph, inputs));
  ASSERT_EQ(expected.size(), actual.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    if (is_complex(expected[i].type.dtype))
      actual[i].type = expected[i].type;  // the program knows what it is in memory
    const auto text = difference(expected[i], actual[i], nans);
    ASSERT_FALSE(text) << name << ", output " << i << ": " << *text << "\n" << graph.text() << program.text();
  }
}

// A scan whose body scans each row again, runs a while loop and a branch: slices of slices, carries at two depths, results
// written in place into rows. Wide rows, so that nothing becomes a loop of scalars; narrow ones, so that it does.
void nested_loops(int64_t width, bool reverse) {
  const Shape row{width};
  const auto scan_attrs = [](std::shared_ptr<const Graph> body, int64_t length, int64_t constants, int64_t carries,
                             bool backwards) {
    return Attrs{Attr::of(std::move(body)), Attr::of(std::vector<Dim>{length}),
                 Attr::of(std::vector<int64_t>{constants, carries}), Attr::of(std::vector<int64_t>{backwards})};
  };
  GraphBuilder inner("inner");
  std::shared_ptr<const Graph> inner_graph;
  {
    const Value k{&inner, inner.input({f32, row})}, c{&inner, inner.input({f32, row})},
        x{&inner, inner.input({f32, row})};
    const Value next = c * k + x;
    const ValueId outputs[] = {next.id, (next * next).id};
    inner_graph = inner.finish(outputs);
  }
  const auto branch = [&](bool twice) {
    GraphBuilder b("branch");
    const Value v{&b, b.input({f32, row})};
    const ValueId out[] = {twice ? (v + v).id : v.id};
    return b.finish(out);
  };
  GraphBuilder condition("condition"), step("step");
  std::shared_ptr<const Graph> condition_graph, step_graph;
  {
    const Value limit{&condition, condition.input({i64, {}})}, i{&condition, condition.input({i64, {}})};
    condition.input({f32, row});
    const ValueId out[] = {lt(i, limit).id};
    condition_graph = condition.finish(out);
    step.input({i64, {}});
    const Value at{&step, step.input({i64, {}})}, v{&step, step.input({f32, row})};
    const ValueId next[] = {(at + like(at, 1)).id, (v * like(v, 0.5) + like(v, 1)).id};
    step_graph = step.finish(next);
  }
  GraphBuilder outer("outer");
  std::shared_ptr<const Graph> outer_graph;
  {
    const Value k{&outer, outer.input({f32, row})}, c{&outer, outer.input({f32, row})},
        count{&outer, outer.input({i64, {}})};
    const Value x{&outer, outer.input({f32, Shape{4, width}})};
    const Value scanned[] = {k, c, x};
    const std::vector<Value> r = apply(outer, Op::scan, scanned, scan_attrs(inner_graph, 4, 1, 1, !reverse));
    const Value carried[] = {splat_integer(outer, i64, 3, {}), splat_integer(outer, i64, 0, {}), r[0]};
    const std::vector<Value> w =
        apply(outer, Op::while_loop, carried,
              {Attr::of(condition_graph), Attr::of(step_graph), Attr::of(std::vector<int64_t>{1})});
    const Value odd = eq(bit_and(count, like(count, 1)), like(count, 1));
    const Value choice[] = {odd, w[1]};
    const Value chosen = apply(outer, Op::cond, choice, {Attr::of(branch(true)), Attr::of(branch(false))})[0];
    const ValueId outputs[] = {chosen.id, (count + w[0]).id, r[1].id, x.id, chosen.id};
    outer_graph = outer.finish(outputs);
  }
  GraphBuilder b("main");
  Random random(static_cast<uint64_t>(width));
  std::vector<Array> inputs = {random_array(type_of(f32, {width}), random, Domain::unit),
                               random_array(type_of(f32, {width}), random, Domain::unit),
                               integer_array(type_of(i64, {}), random, 0, 3),
                               random_array(type_of(f32, {6, 4, width}), random, Domain::unit)};
  std::vector<Value> operands;
  for (const Array& a : inputs) operands.push_back({&b, b.input(a.type)});
  const std::vector<Value> r = apply(b, Op::scan, operands, scan_attrs(outer_graph, 6, 1, 2, reverse));
  std::vector<ValueId> ids;
  for (Value v : r) ids.push_back(v.id);
  const auto graph = b.finish(ids);
  check_case(*graph, lowered(*graph, true), inputs, interpret(*graph, inputs), NaNs::one_value,
             "nested loops of width " + std::to_string(width));
}

TEST(Lower, NestedLoops) {
  for (int64_t width : {1, 3, 40})
    for (bool reverse : {false, true}) nested_loops(width, reverse);
}

TEST(Lower, EveryOpCase) {
  int count = 0;
  for (const OpDef& row : op_table()) {
    if (row.op == Op::custom_call) continue;  // has no meaning without a host function
    for (int t = 0; t < real_dtype_count; ++t) {
      if (!contains(row.dtypes, static_cast<DType>(t))) continue;
      std::shared_ptr<const Graph> graph;  // neighbours share one, and its programs
      std::vector<Program> programs;
      for (const Case& c : op_cases(row.op, static_cast<DType>(t))) {
        if (graph != c.graph) {
          graph = c.graph;
          programs = {lowered(*graph, true), lowered(*graph, false)};
        }
        const std::vector<Array> expected = interpret(*graph, c.inputs);
        check_case(*graph, programs[0], c.inputs, expected, c.nans, c.name + ", fused");
        check_case(*graph, programs[1], c.inputs, expected, c.nans, c.name + ", not fused");
        if (HasFailure()) return;
        ++count;
      }
    }
  }
  EXPECT_GT(count, 300);
}

}  // namespace
}  // namespace tenon::testing
