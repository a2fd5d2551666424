// Functions, loops, branches, and calls of what is none of StableHLO's: checks become checks, annotations nothing.
#include <algorithm>

#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {
namespace {

// The values that some of these regions capture, each once.
std::vector<Value> all_captured(std::span<const Closed> regions) {
  std::vector<Value> all;
  for (const Closed& r : regions)
    for (const Value& v : r.captured)
      if (std::none_of(all.begin(), all.end(), [&](const Value& o) { return o.id == v.id; })) all.push_back(v);
  return all;
}

std::vector<ir::Type> types_of(std::span<const Value> values) {
  std::vector<ir::Type> types;
  for (const Value& v : values) types.push_back(v.type());
  return types;
}

Value all_of(Value condition) {
  Axes axes(condition.shape().size());
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
  return axes.empty() ? condition : ir::reduce(ir::Op::reduce_and, condition, axes);
}

Value is_nan(Value x) { return ir::ne(x, x); }
Value equal(Value x, Value y) {
  if (is_complex(x.dtype())) return ir::bit_and(equal(ir::real(x), ir::real(y)), equal(ir::imag(x), ir::imag(y)));
  if (!is_floating(x.dtype())) return ir::eq(x, y);
  return ir::bit_or(ir::eq(x, y), ir::bit_and(is_nan(x), is_nan(y)));
}

// Numbers by themselves, complex ones part by part.
template <class F>
Value of_each_part(Value x, Value y, F f) {
  return is_complex(x.dtype()) ? ir::bit_and(f(ir::real(x), ir::real(y)), f(ir::imag(x), ir::imag(y))) : f(x, y);
}

// At most so many floats apart, as StableHLO's interpreter counts them: the magnitudes as whole numbers, over zero if signs differ.
Value close(Value x, Value y, int64_t floats) {
  const DType as = bytes(x.dtype()) == 8 ? u64 : bytes(x.dtype()) == 4 ? u32 : u16;
  const int64_t sign_bit = static_cast<int64_t>(uint64_t{1} << (bits(as) - 1));
  const auto magnitude = [&](Value v) {
    return ir::bit_and(ir::bitcast(v, as), ir::literal(ir::bitcast(v, as), ~sign_bit));
  };
  const auto negative = [&](Value v) { return ir::ne(ir::bitcast(v, as), magnitude(v)); };
  const Value a = magnitude(x), b = magnitude(y);
  const Value apart = ir::select(ir::ne(negative(x), negative(y)), a + b, ir::max(a, b) - ir::min(a, b));
  const Value near =
      ir::bit_and(ir::le(apart, ir::literal(apart, floats)), ir::bit_and(ir::is_finite(x), ir::is_finite(y)));
  return ir::bit_or(equal(x, y), near);
}

Value almost_equal(Value x, Value y) {
  const Value difference = ir::abs(ir::cast(x, f64) - ir::cast(y, f64));
  const Value near =
      ir::bit_and(ir::le(difference, ir::like(difference, 0.001)), ir::bit_and(ir::is_finite(x), ir::is_finite(y)));
  return ir::bit_or(equal(x, y), near);
}

void check(Call& c, Value condition, const std::string& message) {
  const Value operands[] = {condition};
  ir::apply(c.b, ir::Op::check, operands,
            ir::CheckAttrs{.message = "check failed: " + message, .place = c.scope.importer.source().place(c.op.at)});
}

// The branches from `first` on, `count` of them, as one graph: captured..., index -> results.
std::shared_ptr<const ir::Graph> branches(std::span<const std::shared_ptr<const ir::Graph>> graphs, size_t first,
                                          std::span<const Value> captured) {
  ir::GraphBuilder b("branches", graphs[0]->symbols);
  std::vector<Value> inputs;
  for (const Value& v : captured) inputs.push_back({&b, b.input(v.type())});
  const Value index{&b, b.input({i64, {}})};
  std::vector<ir::ValueId> outputs;
  if (graphs.size() == 1) {
    for (const Value& v : ir::splice(b, *graphs[0], inputs)) outputs.push_back(v.id);
    return b.finish(outputs);
  }
  const size_t half = graphs.size() / 2;
  std::vector<Value> operands = {ir::lt(index, ir::literal(index, first + half))};
  operands.insert(operands.end(), inputs.begin(), inputs.end());
  operands.push_back(index);
  for (const Value& v : ir::apply(b, ir::Op::cond, operands,
                                  ir::CondAttrs{.then = branches(graphs.first(half), first, captured),
                                                .otherwise = branches(graphs.subspan(half), first + half, captured)}))
    outputs.push_back(v.id);
  return b.finish(outputs);
}

}  // namespace

std::vector<Value> import_call(Call& c) {
  const std::string_view name = c.word({"callee"}, "");
  const Function* f = c.scope.importer.module.find(name);
  if (f == nullptr) c.fail("there is no function @" + std::string(name));
  c.expects(!c.scope.lifted, "a reducer on tensors calls no functions");
  return c.scope.importer.call(c.scope.building, *f, c.in);
}

// Something that others may know by its name, and everybody by the function that it is composed of.
std::vector<Value> import_composite(Call& c) {
  const std::string_view name = c.word({"decomposition"}, "");
  const Function* f = c.scope.importer.module.find(name);
  if (f == nullptr) c.fail("there is no function @" + std::string(name));
  return c.scope.importer.call(c.scope.building, *f, c.in);
}

std::vector<Value> import_while(Call& c) {
  c.regions(2);
  const std::vector<ir::Type> types = types_of(c.in);
  const Closed parts[] = {c.scope.importer.closed(c.scope, c.op.regions[0], types),
                          c.scope.importer.closed(c.scope, c.op.regions[1], types)};
  std::vector<Value> operands = all_captured(parts);
  ir::WhileLoopAttrs attrs{.condition = parts[0].behind(operands),
                           .body = parts[1].behind(operands),
                           .counts = {static_cast<int64_t>(operands.size())}};
  operands.insert(operands.end(), c.in.begin(), c.in.end());
  return ir::apply(c.b, ir::Op::while_loop, operands, std::move(attrs));
}

std::vector<Value> import_if(Call& c) {
  c.operands(1);
  c.regions(2);
  const Closed parts[] = {c.scope.importer.closed(c.scope, c.op.regions[0], {}),
                          c.scope.importer.closed(c.scope, c.op.regions[1], {})};
  const std::vector<Value> captured = all_captured(parts);
  std::vector<Value> operands = {c.in[0]};
  operands.insert(operands.end(), captured.begin(), captured.end());
  return ir::apply(c.b, ir::Op::cond, operands,
                   ir::CondAttrs{.then = parts[0].behind(captured), .otherwise = parts[1].behind(captured)});
}

// An index that names no branch takes the last one.
std::vector<Value> import_case(Call& c) {
  c.operands(1);
  c.expects(!c.op.regions.empty() && c.op.regions.size() <= 4096, "it has 1 to 4096 branches");
  std::vector<Closed> parts;
  for (const Region& r : c.op.regions) parts.push_back(c.scope.importer.closed(c.scope, r, {}));
  std::vector<Value> operands = all_captured(parts);
  std::vector<std::shared_ptr<const ir::Graph>> graphs;
  for (const Closed& p : parts) graphs.push_back(p.behind(operands));
  const Value index = ir::cast(c.in[0], i64), last = ir::literal(index, graphs.size() - 1);
  const Value outside = ir::bit_or(ir::lt(index, ir::literal(index, 0)), ir::gt(index, last));
  const auto graph = branches(graphs, 0, operands);
  operands.push_back(ir::select(outside, last, index));
  return ir::splice(c.b, *graph, operands);
}

std::vector<Value> import_barrier(Call& c) { return ir::apply(c.b, ir::Op::barrier, c.in); }

std::vector<Value> import_nothing(Call& c) { c.fail("it ends a region"); }

std::vector<Value> import_custom_call(Call& c) {
  const std::string_view target = c.word({"callee", "call_target_name"}, "");
  if (target == "Sharding" || target == "annotate_device_placement" || target == "xla.sdy.FuncResultSharding") {
    c.operands(1);
    return c.in;
  }
  if (target == "shape_assertion") {
    c.expects(!c.in.empty(), "it takes a condition");
    check(c, c.in[0], "the shapes are not what the program was made for");
    return {};
  }
  if (!target.starts_with("check.")) c.fail("Tenon does not know @" + std::string(target));
  c.operands(2);
  const Value x = c.in[0], y = c.in[1];
  c.expects(x.type() == y.type(), "what is compared is of one type");
  if (target == "check.expect_eq" || target == "check.eq") {
    check(c, all_of(equal(x, y)), "the values are not equal");
  } else if (target == "check.expect_close" && is_continuous(x.dtype())) {
    const int64_t floats = c.integer_or({"max_ulp_difference"}, 3);
    const Value near = of_each_part(x, y, [&](Value a, Value b) { return close(a, b, floats); });
    check(c, all_of(near), "the values are too far apart");
  } else if (target == "check.expect_almost_eq" && is_continuous(x.dtype())) {
    check(c, all_of(of_each_part(x, y, almost_equal)), "the values are too far apart");
  } else {
    c.fail("Tenon does not know @" + std::string(target) + " of these numbers");
  }
  return {};
}

}  // namespace tenon::hlo
