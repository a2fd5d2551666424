// Each rule of simplify, by name: it fires on its sample, and the sample keeps its bits for all pairs of special values, in
// every dtype that the op takes. A rule without a sample fails.
#include <gtest/gtest.h>

#include "tenon/passes/pass.h"
#include "tenon/passes/simplify/simplify.h"
#include "tenon/tests/case_builder.h"

namespace tenon::testing {
namespace {

using namespace ir;
using passes::Rule;

Value only(std::vector<Value> results) { return results.at(0); }
Value like_bool(Value x, bool value) { return splat_integer(*x.builder, DType::boolean, value, x.shape()); }
Value as(Value x, DType to) { return only(apply(*x.builder, Op::cast, std::vector{x}, {Attr::of(to)})); }
Value index_of(Value x, int64_t value) { return splat_integer(*x.builder, DType::i64, value, {}); }
Attr ints(std::vector<int64_t> values) { return Attr::of(std::move(values)); }

Value every_double_cast(Value x) {  // the sum of nothing useful, but each cast of it
  Value all = as(x, DType::boolean);
  for (int middle = 0; middle < real_dtype_count; ++middle)
    for (int last = 0; last < real_dtype_count; ++last) {
      const Value twice = as(as(x, static_cast<DType>(middle)), static_cast<DType>(last));
      const Value shown =
          is_integer(twice.dtype()) || twice.dtype() == DType::boolean ? as(twice, DType::u64) : as(twice, DType::f64);
      const Value bits =
          shown.dtype() == DType::f64 ? bitcast(select(eq(shown, shown), shown, zeros_like(shown)), DType::u64) : shown;
      all = all.dtype() == DType::boolean
                ? bits
                : bit_xor(all, mul(bits, like(bits, 2 * (middle * real_dtype_count + last) + 1)));
    }
  return all;
}

Value constant_cond(Value x, Value y) {
  GraphBuilder inner("branch", x.builder->graph().symbols);
  const Value in{&inner, inner.input(x.type())}, other{&inner, inner.input(x.type())};
  const ValueId outputs[] = {select(eq(in, in), other, in).id};
  const Attr branch = Attr::of(inner.finish(outputs));
  return only(apply(*x.builder, Op::cond, std::vector{splat_integer(*x.builder, DType::boolean, 1, {}), x, y},
                    {branch, branch}));
}

struct Sample {
  const char* rule;
  Value (*build)(Value x, Value y);  // of shape [5, 45]
};
const Sample samples[] = {
    {"mul_one", [](Value x, Value) { return like(x, 1) * (x * like(x, 1)); }},
    {"mul_neg_neg", [](Value x, Value y) { return -x * -y; }},
    {"scale_plain", [](Value x, Value) { return scale(x, like(x, -3)) + scale(like(x, 0.5), x); }},
    {"unscale_plain", [](Value x, Value) { return unscale(x, like(x, 3)) + unscale(like(x, -0.5), x); }},
    {"div_one", [](Value x, Value) { return x / like(x, 1); }},
    {"div_power_of_two", [](Value x, Value) { return (x / like(x, 8)) / like(x, -0.25); }},
    {"div_power_of_two", [](Value x, Value) { return x / like(x, 32768); }},
    {"div_power_of_two", [](Value x, Value) { return x / like(x, 0x1p-149); }},  // whose reciprocal f32 does not have
    {"div_neg_neg", [](Value x, Value y) { return -x / -y; }},
    {"sub_zero", [](Value x, Value) { return (x - like(x, -0.0)) - like(x, 0); }},
    {"sub_neg", [](Value x, Value y) { return x - -y; }},
    {"add_negative_zero", [](Value x, Value) { return like(x, 0) + (x + like(x, -0.0)); }},
    {"add_neg", [](Value x, Value y) { return (-x + y) + -x; }},
    {"neg_neg", [](Value x, Value) { return -(-x); }},
    {"bit_not_bit_not", [](Value x, Value) { return bit_not(bit_not(x)); }},
    {"max_same", [](Value x, Value) { return max(x, x); }},
    {"min_same", [](Value x, Value) { return min(x, x); }},
    {"and_same", [](Value x, Value) { return bit_and(x, x); }},
    {"or_same", [](Value x, Value) { return bit_or(x, x); }},
    {"select_constant", [](Value x, Value y) { return select(like_bool(x, false), x, y); }},
    {"select_constant", [](Value x, Value y) { return select(lt(x, y), y, y); }},
    {"select_not", [](Value x, Value y) { return select(bit_not(lt(x, y)), x, y); }},
    {"stop_gradient", [](Value x, Value y) { return stop_gradient(x) + y; }},
    {"dot_of_ones",
     [](Value x, Value y) { return dot_general(reshape(x, {5, 1, 45}), reshape(y, {45, 5, 1}), {0}, {1}, {1}, {2}); }},
    {"cast_same", [](Value x, Value) { return as(x, x.dtype()); }},
    {"cast_widening_cast", [](Value x, Value) { return every_double_cast(x); }},
    {"bitcast_bitcast",
     [](Value x, Value) {
       return bitcast(only(apply(*x.builder, Op::bitcast, std::vector{x}, {Attr::of(x.dtype())})), x.dtype());
     }},
    {"cond_constant", [](Value x, Value y) { return constant_cond(x, y); }},
    {"reshape_same",
     [](Value x, Value) { return only(apply(*x.builder, Op::reshape, std::vector{x}, {Attr::of(x.shape().dims())})); }},
    {"reshape_reshape", [](Value x, Value) { return reshape(reshape(x, {225}), {9, 25}); }},
    {"transpose_same",
     [](Value x, Value) { return only(apply(*x.builder, Op::transpose, std::vector{x}, {ints({0, 1})})); }},
    {"transpose_transpose",
     [](Value x, Value) { return transpose(transpose(reshape(x, {5, 9, 5}), {1, 2, 0}), {2, 1, 0}); }},
    {"transpose_of_ones", [](Value x, Value) { return transpose(reshape(x, {5, 1, 45, 1}), {1, 0, 3, 2}); }},
    {"broadcast_same",
     [](Value x, Value) {
       return only(apply(*x.builder, Op::broadcast, std::vector{x}, {Attr::of(x.shape().dims()), ints({0, 1})}));
     }},
    {"broadcast_broadcast",
     [](Value x, Value) { return broadcast(broadcast(x, {5, 2, 45}, {0, 2}), {3, 5, 2, 45}, {1, 2, 3}); }},
    {"reverse_nothing", [](Value x, Value) { return reverse(reshape(x, {5, 1, 45}), {1, 2}); }},
    {"reverse_reverse", [](Value x, Value) { return reverse(reverse(x, {0}), {0, 1}); }},
    {"slice_whole",
     [](Value x, Value) {
       return only(apply(*x.builder, Op::slice, std::vector{x},
                         {Attr::of(std::vector<Dim>{0, 0}), Attr::of(x.shape().dims()), ints({1, 1})}));
     }},
    {"slice_slice", [](Value x, Value) { return slice(slice(x, {1, 2}, {4, 14}, {1, 3}), {0, 1}, {2, 6}, {3, 2}); }},
    {"dynamic_slice_whole",
     [](Value x, Value) { return dynamic_slice(x, std::vector{index_of(x, 3), index_of(x, -7)}, x.shape().dims()); }},
    {"dynamic_update_whole",
     [](Value x, Value y) { return dynamic_update_slice(x, y, std::vector{index_of(x, 3), index_of(x, -7)}); }},
    {"pad_nothing",
     [](Value x, Value) {
       return only(apply(*x.builder, Op::pad, std::vector{x, splat(*x.builder, x.dtype(), 1, {})},
                         {Attr::of(std::vector<Dim>{0, 0}), Attr::of(std::vector<Dim>{0, 0}), ints({0, 0})}));
     }},
    {"concat_nonempty", [](Value x, Value y) { return concat(std::vector{slice(x, {0, 0}, {0, 45}, {1, 1}), y}, 0); }},
    {"reduce_sum_one", [](Value x, Value) { return reduce(Op::reduce_sum, reshape(x, {5, 1, 45, 1}), {1, 3}); }},
    {"reduce_prod_one", [](Value x, Value) { return reduce(Op::reduce_prod, reshape(x, {5, 1, 45}), {1}); }},
    {"reduce_max_one", [](Value x, Value) { return reduce(Op::reduce_max, reshape(x, {5, 45, 1}), {2}); }},
    {"reduce_min_one", [](Value x, Value) { return reduce(Op::reduce_min, reshape(x, {5, 45, 1}), {2}); }},
    {"reduce_and_one", [](Value x, Value) { return reduce(Op::reduce_and, reshape(x, {1, 225}), {0}); }},
    {"reduce_or_one", [](Value x, Value) { return reduce(Op::reduce_or, reshape(x, {1, 225}), {0}); }},
};

bool fires(const Rule& rule, const Graph& graph) {
  GraphBuilder to(graph.name, graph.symbols);
  std::vector<ValueId> inputs;
  for (uint32_t i = 0; i < graph.input_count(); ++i) inputs.push_back(to.input(graph.type(ValueId{i})));
  to.splice(graph, inputs);
  const std::vector<Node> nodes(to.graph().nodes().begin(), to.graph().nodes().end());
  for (const Node& node : nodes) {
    if (node.op != rule.op) continue;
    std::vector<Value> operands;
    for (ValueId v : to.graph().operands(node)) operands.push_back({&to, v});
    const Attrs attrs = to.graph().attrs(node);
    if (!rule.apply({to, node.op, operands, attrs}).empty()) return true;
  }
  return false;
}

class Simplify : public ::testing::TestWithParam<size_t> {};

TEST_P(Simplify, FiresAndKeepsTheBits) {
  const Rule& rule = passes::simplify_rules()[GetParam()];
  bool fired = false;
  for (const Sample& sample : samples) {
    if (std::string_view(sample.rule) != rule.name) continue;
    for (int t = 0; t < real_dtype_count; ++t) {
      const DType dtype = static_cast<DType>(t);
      if (rule.op == Op::stop_gradient && dtype == DType::boolean) continue;  // has no sum to show it in
      if (rule.op != Op::cond && !contains(def(rule.op).dtypes, dtype)) continue;
      Random random(GetParam());
      CaseBuilder c(rule.name);
      const Type type = type_of(dtype, {5, 45});
      // What is moved must be seen to move: neighbours differ. Pairs of special values else.
      const bool moves = def(rule.op).family == Family::movement;
      const Value x = c.input(moves ? random_array(type, random) : special_array(type, random, Domain::any, 15)),
                  y = c.input(special_array(type, random, Domain::any, 1));
      try {
        c.output(sample.build(x, y));
      } catch (const Error&) {
        continue;  // a literal of the sample is no value of this dtype
      }
      const Case one = c.finish();
      fired = fired || fires(rule, *one.graph);
      const auto after = passes::simplify(*one.graph);
      EXPECT_TRUE(verify(*after).empty()) << verify(*after)[0] << after->text();
      const auto wrong =
          difference(interpret(*one.graph, one.inputs)[0], interpret(*after, one.inputs)[0], NaNs::one_value);
      EXPECT_FALSE(wrong) << rule.name << ": " << *wrong << "\n" << one.graph->text() << after->text();
    }
  }
  EXPECT_TRUE(fired) << "no sample makes " << rule.name << " (" << rule.law << ") fire";
}

INSTANTIATE_TEST_SUITE_P(Rules, Simplify, ::testing::Range(size_t{0}, passes::simplify_rules().size()),
                         [](const auto& info) { return std::string(passes::simplify_rules()[info.param].name); });

// What looks like a law and is none.
TEST(SimplifyRefuses, WhatIsTrueOfRealsOnly) {
  CaseBuilder c("refused");
  Random random(1);
  const Value x = c.input(special_array(type_of(DType::f32, {5, 45}), random, Domain::any, 15));
  c.output(x + like(x, 0));
  c.output(x * like(x, 0));
  c.output(x - like(x, -0.0));
  c.output(x / like(x, 3));
  c.output(sub(x, x));
  c.output(div(x, x));
  c.output(log(exp(x)));
  const Case one = c.finish();
  EXPECT_EQ(passes::simplify(*one.graph)->text(), one.graph->text());
}

}  // namespace
}  // namespace tenon::testing
