// Cases of control flow and barriers, and the list of all rows that are not elementwise.
#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/case_builder.h"

namespace tenon::testing {

using namespace ir;

namespace {

Array scalar_bool(bool value) {
  Array a(type_of(DType::boolean, {}));
  a.data[0] = value;
  return a;
}

// f(x, y) -> outputs, as a graph that shares the symbols of the one around it.
template <class Body>
Attr subgraph(const GraphBuilder& around, const std::vector<Type>& types, Body body) {
  GraphBuilder inner("body", around.graph().symbols);
  std::vector<Value> inputs;
  for (const Type& type : types) inputs.push_back({&inner, inner.input(type)});
  std::vector<ValueId> outputs;
  for (Value v : body(inputs)) outputs.push_back(v.id);
  return Attr::of(inner.finish(outputs));
}

using Values = std::vector<Value>;

// The dtype's own arithmetic: x + y, or x ^ y for bool.
Value combine(Value x, Value y) { return x.dtype() == DType::boolean ? bit_xor(x, y) : add(x, y); }

void add_cond(CaseBuilder& c, DType t, Random& random) {
  const Type type = type_of(t, {3, 5});
  const Attr then = subgraph(c.builder, {type, type}, [](Values& in) { return Values{combine(in[0], in[1]), in[1]}; });
  const Attr otherwise =
      subgraph(c.builder, {type, type}, [](Values& in) { return Values{in[1], combine(in[0], in[0])}; });
  for (bool taken : {false, true}) {
    const Value x = c.input(random_array(type, random)), y = c.input(random_array(type, random));
    c.outputs(apply(c.builder, Op::cond, Values{c.input(scalar_bool(taken)), x, y}, {then, otherwise}));
  }
}

// carries: i, x;  while i < limit: i + 1, x + step
void add_while(CaseBuilder& c, DType t, Random& random) {
  const Type index = type_of(DType::i64, {}), type = type_of(t, {7});
  const std::vector<Type> types = {index, type, index, type};
  const Attr condition = subgraph(c.builder, types, [](Values& in) { return Values{lt(in[2], in[0])}; });
  const Attr body =
      subgraph(c.builder, types, [](Values& in) { return Values{add(in[2], like(in[2], 1)), combine(in[3], in[1])}; });
  for (int64_t limit : {0, 1, 9}) {
    const Value bound = splat_integer(c.builder, DType::i64, limit, {}),
                zero = splat_integer(c.builder, DType::i64, 0, {});
    const Value step = c.input(random_array(type, random)), x = c.input(random_array(type, random));
    c.outputs(apply(c.builder, Op::while_loop, Values{bound, step, zero, x},
                    {condition, body, Attr::of(std::vector<int64_t>{2})}));
  }
}

// constants: k; carries: s; xs: x;  s' = s + x, y = s + k
void add_scan(CaseBuilder& c, DType t, Random& random) {
  const Type slice = type_of(t, {5});
  const Attr body = subgraph(c.builder, {slice, slice, slice},
                             [](Values& in) { return Values{combine(in[1], in[2]), combine(in[1], in[0])}; });
  for (int64_t length : {0, 1, 6})
    for (int64_t reversed : {0, 1}) {
      const Value k = c.input(random_array(slice, random)), s = c.input(random_array(slice, random));
      const Value xs = c.input(random_array(type_of(t, {length, 5}), random));
      c.outputs(apply(c.builder, Op::scan, Values{k, s, xs},
                      {body, Attr::of(std::vector<Dim>{length}), Attr::of(std::vector<int64_t>{1, 1}),
                       Attr::of(std::vector<int64_t>{reversed})}));
    }
}

// A function of x with a rule: results, what the rule's graphs give, and a tangent or cotangent where x is floating-point.
void add_custom(CaseBuilder& c, Op op, DType t, Random& random) {
  const Type type = type_of(t, {17}), lanes = type_of(t, {3, 17});
  const bool floating = is_continuous(t);
  const std::vector<Type> one = {type}, two = floating ? std::vector<Type>{type, type} : one;
  const auto twice = [](Values& in) { return Values{combine(in[0], in[0])}; };
  const Attr function = subgraph(c.builder, one, twice), counts = Attr::of(std::vector<int64_t>{1});
  Attrs attrs;
  if (op == Op::custom_jvp) {
    const auto rule = [&](Values& in) {
      return floating ? Values{combine(in[0], in[0]), combine(in[1], in[1])} : Values{combine(in[0], in[0])};
    };
    attrs = {function, subgraph(c.builder, two, rule), counts};
  } else if (op == Op::custom_vjp) {
    const auto forward = [](Values& in) { return Values{combine(in[0], in[0]), in[0]}; };
    const auto backward = [&](Values& in) { return floating ? Values{combine(in[1], in[1])} : Values{}; };
    attrs = {function, subgraph(c.builder, one, forward), subgraph(c.builder, two, backward), counts};
  } else {
    attrs = {function, subgraph(c.builder, {lanes}, twice)};
  }
  c.outputs(apply(c.builder, op, Values{c.input(random_array(type, random))}, attrs));
}

// b + k, as the solution x of x - k = b for a constant k.
void add_linear_solve(CaseBuilder& c, DType t, Random& random) {
  const Type type = type_of(t, {5});
  const Attr sum = subgraph(c.builder, {type, type}, [](Values& in) { return Values{combine(in[0], in[1])}; });
  const Value k = c.input(random_array(type, random)), b = c.input(random_array(type, random));
  c.outputs(apply(c.builder, Op::linear_solve, Values{k, b}, {sum, sum, sum, Attr::of(std::vector<int64_t>{1})}));
}

// shared: k; own: w; states: i, s; carry: c;  i' = i + 1, s' = s + k;  c' = (c + s) + w
void add_replay(CaseBuilder& c, DType t, Random& random) {
  const Type index = type_of(DType::i64, {}), type = type_of(t, {5});
  const Attr advance = subgraph(c.builder, {type, index, type},
                                [](Values& in) { return Values{add(in[1], like(in[1], 1)), combine(in[2], in[0])}; });
  const Attr body = subgraph(c.builder, {type, type, index, type, type},
                             [](Values& in) { return Values{combine(combine(in[4], in[3]), in[1])}; });
  for (int64_t count : {0, 1, 2, 9, 70})
    for (int64_t reversed : {0, 1}) {
      const Value k = c.input(random_array(type, random)), w = c.input(random_array(type, random)),
                  s = c.input(random_array(type, random)), carry = c.input(random_array(type, random));
      const Value n = splat_integer(c.builder, DType::i64, count, {}), i = splat_integer(c.builder, DType::i64, 3, {});
      c.outputs(apply(c.builder, Op::replay, Values{n, k, w, i, s, carry},
                      {advance, body, Attr::of(std::vector<int64_t>{1, 1, 2, 1}),
                       Attr::of(std::vector<int64_t>{reversed}), Attr::of(std::vector<int64_t>{count > 9 ? 500 : 0})}));
    }
}

}  // namespace

void control_cases(Op op, DType t, std::vector<Case>& cases) {
  if (op == Op::cond && t != DType::boolean) return;
  if (op == Op::replay && t != DType::i64) return;
  Random random(static_cast<uint64_t>(op) * 64 + static_cast<uint64_t>(t));
  CaseBuilder c(std::string(def(op).name) + " " + std::string(name(t)));
  switch (op) {
    case Op::cond:
      for (DType data : {DType::boolean, DType::i32, DType::bf16, DType::f32, DType::f64}) add_cond(c, data, random);
      break;
    case Op::while_loop: add_while(c, t, random); break;
    case Op::scan: add_scan(c, t, random); break;
    case Op::custom_jvp:
    case Op::custom_vjp:
    case Op::custom_batch: add_custom(c, op, t, random); break;
    case Op::linear_solve: add_linear_solve(c, t, random); break;
    case Op::named: {
      const Value x = c.input(random_array(type_of(t, {17}), random));
      c.outputs(apply(c.builder, op, Values{combine(x, x)}, NamedAttrs{.name = "x", .saved = true}));
      break;
    }
    case Op::replay:
      for (DType data : {DType::boolean, DType::i32, DType::bf16, DType::f32, DType::f64}) add_replay(c, data, random);
      break;
    case Op::checkpoint:
    case Op::call: {
      const Type type = type_of(t, {17});
      const Attr twice = subgraph(c.builder, {type}, [](Values& in) { return Values{combine(in[0], in[0]), in[0]}; });
      const Value x = c.input(random_array(type, random));
      const Values once = apply(c.builder, op, Values{x}, {twice});
      c.outputs(apply(c.builder, op, Values{once[0]}, {twice}));
      break;
    }
    default: {
      const Value x = c.input(random_array(type_of(t, {17}), random)),
                  y = c.input(random_array(type_of(t, {2, 3}), random));
      c.outputs(apply(c.builder, op, Values{combine(x, x), y}));
    }
  }
  cases.push_back(c.finish());
}

std::vector<OtherCases> other_cases() {
  std::vector<OtherCases> all;
  for (const OpDef& row : op_table()) switch (row.family) {
      case Family::source:
      case Family::movement:
      case Family::indexing:
      case Family::random: all.push_back({row.op, movement_cases}); break;
      case Family::transform:
        if (row.inlined) all.push_back({row.op, control_cases});  // the others mean nothing by themselves
        break;
      case Family::reduction: all.push_back({row.op, reduction_cases}); break;
      case Family::contraction: all.push_back({row.op, contraction_cases}); break;
      case Family::matrix:
        all.push_back({row.op, row.attrs.data() == schema::Attention ? attention_cases : matrix_cases});
        break;
      case Family::control: all.push_back({row.op, control_cases}); break;
      case Family::elementwise: break;
      case Family::ranks: all.push_back({row.op, ranks_cases}); break;
      case Family::effect:
        if (row.same) all.push_back({row.op, control_cases});
        if (row.op == Op::check || row.op == Op::print) all.push_back({row.op, effect_cases});
    }
  return all;
}

}  // namespace tenon::testing
