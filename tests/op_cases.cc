// Cases of elementwise rows, made from the row alone: fixed shapes, broadcasts, and every size from 0 to 67.
#include <algorithm>

#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/op_cases.h"

#include "tenon/tests/case_builder.h"
#include "tenon/tests/program_shrink.h"
#include "tenon/tests/thorough.h"

namespace tenon::testing {

using namespace ir;

namespace {

// ---- elementwise rows: everything from the row

std::vector<DType> result_dtypes(Op op, DType from) {
  if (op != Op::cast && op != Op::bitcast) return {from};
  std::vector<DType> all;
  for (int t = 0; t < real_dtype_count; ++t)
    if (op == Op::cast || bits(static_cast<DType>(t)) == bits(from)) all.push_back(static_cast<DType>(t));
  return all;
}

DType operand_dtype(Op op, DType t, int operand) { return op == Op::select && operand == 0 ? DType::boolean : t; }

Domain operand_domain(const OpDef& row, int operand) {
  const bool divisor_only = row.domain == Domain::small_count || row.domain == Domain::nonzero;
  return divisor_only && operand == 0 && row.arity > 1 ? Domain::any : row.domain;
}

void add_elementwise(CaseBuilder& c, Op op, DType t, std::span<const Value> operands) {
  for (DType to : result_dtypes(op, t)) {
    Attrs attrs;
    if (op == Op::cast || op == Op::bitcast) attrs.push_back(Attr::of(to));
    c.output(apply(c.builder, op, operands, std::move(attrs))[0]);
  }
}

std::vector<Array> elementwise_inputs(const OpDef& row, DType t, const std::vector<Type>& types, Random& random) {
  std::vector<Array> inputs;
  int64_t period = 1;
  for (size_t i = types.size(); i-- > 0;) {
    const Domain domain = operand_domain(row, static_cast<int>(i));
    // Long operands begin with all pairs of special values; short ones, every other time.
    const bool special = types[i].shape.numel() > 200 || random() % 2;
    inputs.insert(inputs.begin(),
                  special ? special_array(types[i], random, domain, period) : random_array(types[i], random, domain));
    period *= static_cast<int64_t>(special_bits(t).size());
  }
  return inputs;
}

void elementwise_cases(const OpDef& row, DType t, std::vector<Case>& cases) {
  const std::string name = std::string(row.name) + " " + std::string(tenon::name(t));
  const NaNs nans = row.op == Op::neg || row.op == Op::abs || row.op == Op::select || row.op == Op::bitcast
                        ? NaNs::by_bits
                        : NaNs::one_value;
  Random random(static_cast<uint64_t>(row.op) * 64 + static_cast<uint64_t>(t));
  {  // many shapes in one program, and broadcast operands: a row, a column, a scalar
    CaseBuilder c(name + ", fixed shapes", nans);
    const bool many = result_dtypes(row.op, t).size() > 1;  // casts have a result for every dtype
    const std::vector<std::vector<int64_t>> shapes =
        many ? std::vector<std::vector<int64_t>>{{700}}
             : std::vector<std::vector<int64_t>>{{}, {0}, {17}, {2, 3, 7}, {4, 0}, {700}};
    for (const auto& shape : shapes) {
      std::vector<Type> types;
      for (int i = 0; i < row.arity; ++i) types.push_back(type_of(operand_dtype(row.op, t, i), shape));
      std::vector<Value> operands;
      for (Array& array : elementwise_inputs(row, t, types, random)) operands.push_back(c.input(std::move(array)));
      add_elementwise(c, row.op, t, operands);
    }
    const std::vector<std::vector<int64_t>> small = {{1, 19}, {5, 1}, {}};
    std::vector<Value> operands;
    for (int i = 0; i < row.arity; ++i) {
      const Type type = type_of(operand_dtype(row.op, t, i), small[static_cast<size_t>(i) % 3]);
      operands.push_back(broadcast_to(c.input(special_array(type, random, operand_domain(row, i), 1)), Shape{5, 19}));
    }
    add_elementwise(c, row.op, t, operands);
    cases.push_back(c.finish());
  }
  {  // one program of a symbolic extent, run at every size from 0 to 67
    CaseBuilder c(name + ", n", nans);
    const Dim n = c.builder.symbols().add("n");
    std::vector<Value> operands;
    for (int i = 0; i < row.arity; ++i) operands.push_back(c.symbolic_input({operand_dtype(row.op, t, i), Shape{n}}));
    add_elementwise(c, row.op, t, operands);
    const Case whole = c.finish();
    for (int64_t size = 0; size <= 67; ++size) {
      std::vector<Type> types;
      for (int i = 0; i < row.arity; ++i) types.push_back(type_of(operand_dtype(row.op, t, i), {size}));
      cases.push_back(
          {name + ", n = " + std::to_string(size), whole.graph, elementwise_inputs(row, t, types, random), nans});
    }
  }
}

}  // namespace

Case CaseBuilder::finish() {
  const std::shared_ptr<const Graph> drawn = builder.finish(outputs_);
  GraphBuilder to(drawn->name, drawn->symbols);
  std::vector<ValueId> values(drawn->value_count());
  const auto is_input = [&](const Node& node) {
    return node.op == Op::unset &&
           std::find(stand_ins_.begin(), stand_ins_.end(), node.first_result) != stand_ins_.end();
  };
  for (const Node& node : drawn->nodes())
    if (is_input(node)) values[index(node.first_result)] = to.input(drawn->type(node.first_result));
  for (const Node& node : drawn->nodes()) {
    if (is_input(node)) continue;
    std::vector<ValueId> operands;
    for (ValueId v : drawn->operands(node)) operands.push_back(values[index(v)]);
    const ValueId first = to.copy(*drawn, node, operands);
    for (uint32_t i = 0; i < node.result_count; ++i) values[index(drawn->result(node, i))] = ValueId{index(first) + i};
  }
  std::vector<ValueId> outputs;
  for (ValueId v : outputs_) outputs.push_back(values[index(v)]);
  return {name_, to.finish(outputs), std::move(inputs_), nans_};
}

namespace {

// Integers of these widths differ from i64 and u8 in their width alone, which no form of a kernel of these families depends on:
// each has a third of the programs that a case lays side by side, another third than the next.
bool is_tried_in_part(const OpDef& row, DType t) {
  const bool by_dtype =
      row.family == Family::reduction || row.family == Family::movement || row.family == Family::indexing;
  return by_dtype && !thorough() && is_integer(t) && t != DType::i64 && t != DType::u8;
}

// Every third output from `first` on, and what they are made of.
Case in_part(const Case& whole, size_t first) {
  std::vector<ValueId> kept;
  for (size_t i = first; i < whole.graph->outputs().size(); i += 3) kept.push_back(whole.graph->outputs()[i]);
  Case part = pruned(*whole.graph, std::move(kept), whole.inputs, whole);
  part.name += ", in part";
  return part;
}

}  // namespace

std::vector<Case> op_cases(Op op, DType dtype) {
  std::vector<Case> cases;
  const OpDef& row = def(op);
  if (row.family == Family::elementwise)
    elementwise_cases(row, dtype, cases);
  else
    for (const OtherCases& other : other_cases())
      if (other.op == op) other.add(op, dtype, cases);
  if (is_tried_in_part(row, dtype))
    for (Case& c : cases)
      if (c.graph->symbols->free_symbols().empty() && c.graph->outputs().size() > 5)
        c = in_part(c, static_cast<size_t>(dtype) % 3);
  return cases;
}

bool has_cases(Op op) {
  if (def(op).family == Family::elementwise) return true;
  for (const OtherCases& other : other_cases())
    if (other.op == op) return true;
  return false;
}

}  // namespace tenon::testing
