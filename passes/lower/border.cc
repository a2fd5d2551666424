// The border between indices in axes that count and the full-rank indices by which rows lower themselves: what a row is
// given, and what it may ask for. Nothing else converts one into the other.
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/lower/group.h"

namespace tenon::passes {

using namespace ir;

Index Elements::full(ValueId v, const Index& index_) const {
  if (nest_) return index_;
  Index result(axes.full_rank(v), builder.index_literal(0));
  for (size_t i = 0; i < index_.size(); ++i) result[axes.places(v)[i]] = index_[i];
  return result;
}

Index Elements::counting(ValueId v, std::span<const Scalar> full) const {
  Index result;
  if (nest_)
    for (Scalar s : full) result.push_back(s.id);
  else
    for (int place : axes.places(v)) result.push_back(full[place].id);
  return result;
}

void Elements::open_border() {
  context.element = [this](const Node& n, uint32_t k, std::span<const Scalar> i) {
    const ValueId v = graph.operands(n)[k];
    return Scalar{&builder, at(v, counting(v, i), mask_)};
  };
  context.masked_element = [this](const Node& n, uint32_t k, std::span<const Scalar> i, Scalar mask, Scalar other) {
    const ValueId v = graph.operands(n)[k];
    if (mask.id == builder.literal(DType::boolean, 0)) return other;
    if (mask.id == builder.literal(DType::boolean, 1)) return Scalar{&builder, at(v, counting(v, i), mask_)};
    const ScalarId both = mask_ == no_scalar ? mask.id : binary(Op::bit_and, mask_, mask.id);
    if (!computes(v)) return Scalar{&builder, load(v, counting(v, i), both, other.id)};
    const ScalarId value = at(v, counting(v, i), both);
    const Node& producer =
        graph.node(graph.producer(v));  // what is loaded through a transposition is 0 where it is masked
    const bool loaded = nest_ && producer.op == Op::transpose && !computes(graph.operands(producer)[0]);
    if (loaded && other.id == builder.literal(graph.type(v).dtype, 0)) return Scalar{&builder, value};
    const ScalarId operands[] = {mask.id, value, other.id};
    return Scalar{&builder, builder.scalar(Op::select, operands)};
  };
  context.store = [this](const Node& n, uint32_t k, std::span<const Scalar> i, Scalar value, Scalar mask) {
    ValueId v = graph.result(n, k);
    Index place = counting(v, i);
    if (const ValueId t = stored_behind(); t != no_value) {
      const auto& permutation = Transpose(graph, graph.node(graph.producer(t))).permutation;
      v = t;
      for (size_t a = 0; a < place.size(); ++a) place[a] = i[static_cast<size_t>(permutation[a])].id;
    }
    store(v, place, value.id, mask.id);
  };
  context.reload = [this](const Node& n, uint32_t k, std::span<const Scalar> i, Scalar mask, Scalar other) {
    const ValueId v = graph.result(n, k);
    return Scalar{&builder, builder.load(buffer(v, Space::output), per_run(v, counting(v, i)), mask.id, other.id)};
  };
  context.order = [this](const Node& n, uint32_t k) -> std::vector<int64_t> {
    const auto operands = graph.operands(n);
    if (k < operands.size() && computes(operands[k])) {
      const NodeId t = graph.producer(operands[k]);
      return graph.node(t).op == Op::transpose ? order_through(graph, t) : std::vector<int64_t>{};
    }
    const ValueId t = k == operands.size() ? stored_behind() : no_value;
    return t == no_value ? std::vector<int64_t>{} : Transpose(graph, graph.node(graph.producer(t))).permutation;
  };
  context.temporary = [this](const Node&, DType dtype, const Shape& shape) {
    order_.push_back({no_value, static_cast<uint32_t>(temporaries.size())});
    temporaries.push_back({dtype, shape});
    return builder.buffer("t" + std::to_string(temporaries.size() - 1), dtype, shape, Space::inout);
  };
}

// The transposition of its result that a nest stores instead.
ValueId Elements::stored_behind() const {
  if (!nest_ || group.outputs.empty()) return no_value;
  return is_behind(graph, group, group.outputs[0]) ? group.outputs[0] : no_value;
}

// The element of v that its producer's row makes at `index_`.
ScalarId Elements::by_row(ValueId v, const Index& index_, ScalarId mask) {
  const NodeId id = graph.producer(v);
  const Node& n = graph.node(id);
  const OpDef& row = def(n.op);
  if (!row.lower)
    throw InternalError(std::string(row.name) + " cannot be computed element by element:\n" + window(graph, id));
  std::vector<Scalar> handles;
  for (ScalarId i : full(v, index_)) handles.push_back({&builder, i});
  const ScalarId outer_mask = mask_;
  mask_ = mask;
  const ScalarId result = row.lower(context, n, handles).id;
  mask_ = outer_mask;
  return result;
}

}  // namespace tenon::passes
