// Programs that use some results of an op and leave others: every subset of the outputs of every case whose ops have several
// results, fused and op by op. And that "op by op" reaches into the bodies of loops.
#include <gtest/gtest.h>

#include <bit>

#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"
#include "tenon/tests/op_cases.h"
#include "tenon/tests/routes.h"
#include "tenon/tests/thorough.h"

namespace tenon::testing {
namespace {

using namespace ir;

std::shared_ptr<const Graph> with_outputs(const Graph& graph, uint64_t subset, bool used_again) {
  GraphBuilder b(graph.name, graph.symbols);
  std::vector<ValueId> inputs, outputs;
  for (uint32_t i = 0; i < graph.input_count(); ++i) inputs.push_back(b.input(graph.type(ValueId{i})));
  const std::vector<ValueId> all = b.splice(graph, inputs);
  for (size_t i = 0; i < all.size(); ++i) {
    if (!(subset >> i & 1)) continue;
    const Value v{&b, all[i]};  // as it is, or read by another op
    outputs.push_back(used_again && v.dtype() != DType::boolean ? (v + v).id : v.id);
  }
  return b.finish(outputs);
}

TEST(Partial, EverySubsetOfSeveralResults) {
  int programs = 0, ops = 0;
  for (const OpDef& row : op_table()) {
    if (row.op == Op::custom_call || row.family == Family::elementwise) continue;
    bool several = false;
    for (DType t : {DType::f32, DType::boolean}) {
      if (!contains(row.dtypes, t)) continue;
      const std::vector<Case> cases = op_cases(row.op, t);
      for (size_t c = 0; c < cases.size() && c < 1; ++c) {
        const Graph& graph = *cases[c].graph;
        bool here = false;
        for (const Node& n : graph.nodes()) here |= n.op == row.op && n.result_count > 1;
        if (!here || !graph.symbols->free_symbols().empty()) continue;
        several = true;
        const size_t count = graph.outputs().size();
        std::vector<uint64_t> subsets;
        for (uint64_t s = 1; count <= 3 && s < uint64_t{1} << count; ++s) subsets.push_back(s);
        const size_t step = count > 16 ? 7 : 1;  // of long programs some: a remainder by 7 meets every result of an op
        for (size_t i = 0; count > 3 && i < count; i += step) {
          subsets.push_back(uint64_t{1} << i);
          subsets.push_back((uint64_t{1} << count) - 1 - (uint64_t{1} << i));
        }
        for (uint64_t subset : subsets)
          for (bool again : {false, true}) {
            if (again && (count > 3 || (std::popcount(subset) > 1 && !thorough()))) continue;
            const auto part = with_outputs(graph, subset, again);
            const std::vector<Array> expected = interpret(*part, cases[c].inputs);
            for (const Route& route : routes()) {
              const std::string_view way = route.name;
              if (way != "fused" && ((again && !thorough()) || way != "op by op")) continue;
              std::optional<std::string> wrong;
              try {
                wrong = disagreement(route.prepare(part), cases[c].inputs, expected, cases[c].nans);
              } catch (const std::exception& e) {
                wrong = e.what();
              }
              EXPECT_FALSE(wrong) << cases[c].name << ", subset " << subset << ", " << route.name << ": " << *wrong
                                  << part->text();
              if (wrong) return;
            }
            ++programs;
          }
      }
    }
    ops += several;
  }
  EXPECT_GE(ops, 5);  // sort, cond, while_loop, scan, barrier
  EXPECT_GT(programs, 50);
}

TEST(Partial, ABarrierWithAResultNobodyUses) {
  GraphBuilder b("main");
  const Value x{&b, b.input({f32, Shape{40}})};
  const Value both[] = {exp(x), sin(x)};
  const std::vector<Value> held = apply(b, Op::barrier, both);
  const ValueId outputs[] = {(held[0] * x).id};
  const auto graph = b.finish(outputs);
  passes::Options options;
  options.skip = {"dce", "simplify"};
  for (bool fuse : {true, false}) {
    options.fuse = fuse;
    const Program p = passes::build_program(*graph, Target::portable(), options);
    EXPECT_EQ(p.kernels.size(), 2u) << p.text();  // exp, mul: nobody asks for sin
  }
}

// A scan, whose body is a scan, whose body is two dear ops and a product.
std::shared_ptr<const Graph> nested(int64_t width) {
  const auto scan = [](GraphBuilder& b, std::shared_ptr<const Graph> body, Value carry, Value rows, int64_t length) {
    const Value operands[] = {carry, rows};
    return apply(b, Op::scan, operands,
                 {Attr::of(std::move(body)), Attr::of(std::vector<Dim>{length}), Attr::of(std::vector<int64_t>{0, 1}),
                  Attr::of(std::vector<int64_t>{0})});
  };
  GraphBuilder inner("inner"), outer("outer"), main("main");
  const Value c{&inner, inner.input({f32, Shape{width}})}, x{&inner, inner.input({f32, Shape{width}})};
  const ValueId next[] = {(exp(c) * sin(x)).id};
  const auto inner_graph = inner.finish(next);
  const Value oc{&outer, outer.input({f32, Shape{width}})}, ox{&outer, outer.input({f32, Shape{3, width}})};
  const ValueId last[] = {scan(outer, inner_graph, oc, ox, 3)[0].id};
  const auto outer_graph = outer.finish(last);
  const Value mc{&main, main.input({f32, Shape{width}})}, mx{&main, main.input({f32, Shape{2, 3, width}})};
  const ValueId result[] = {scan(main, outer_graph, mc, mx, 2)[0].id};
  return main.finish(result);
}

TEST(Partial, WithoutFusionEveryOpOfABodyIsAKernel) {
  for (int64_t width : {1, 40}) {
    const auto graph = nested(width);
    passes::Options options;
    const Program fused = passes::build_program(*graph, Target::portable(), options);
    options.fuse = false;
    const Program apart = passes::build_program(*graph, Target::portable(), options);
    const auto maps = [](const Program& p) {  // without the copy of a row that the inner scan reads
      size_t count = 0;
      for (size_t k = 0; k < p.kernels.size(); ++k)
        count += p.notes[k].kind == "map" && p.kernels[k].name.find("_copy") == std::string::npos;
      return count;
    };
    EXPECT_LE(maps(fused), 1u) << fused.text();
    EXPECT_EQ(maps(apart), 3u) << apart.text();  // exp, sin, mul
    Random random(5);
    const Array inputs[] = {random_array(type_of(f32, {width}), random, Domain::unit),
                            random_array(type_of(f32, {2, 3, width}), random, Domain::unit)};
    const auto wrong = first_disagreement(graph, inputs, NaNs::one_value);
    EXPECT_FALSE(wrong) << *wrong;
  }
}

}  // namespace
}  // namespace tenon::testing
