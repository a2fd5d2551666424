// Elements on demand: a value of the group is computed by its row at the index asked for, once per index and scope; any
// other value is loaded. Chains of elementwise ops are walked with an explicit stack, so depth never reaches the machine's.
#include "tenon/passes/lower_group.h"

namespace tenon::passes {

using namespace ir;

Elements::Elements(const Graph& g, const Group& gr, KernelBuilder& b, Runs& r, OpCosts& c)
    : graph(g), group(gr), builder(b), runs(r), costs(c), context(g, b) {
  for (NodeId n : group.nodes)
    for (uint32_t k = 0; k < graph.node(n).result_count; ++k) members_[index(graph.result(graph.node(n), k))] = 1;
  const auto ids = [](std::span<const Scalar> index) {
    Index result;
    for (Scalar s : index) result.push_back(s.id);
    return result;
  };
  context.element = [this, ids](const Node& n, uint32_t k, std::span<const Scalar> i) {
    return Scalar{&builder, at(graph.operands(n)[k], ids(i), mask_)};
  };
  context.masked_element = [this, ids](const Node& n, uint32_t k, std::span<const Scalar> i, Scalar mask,
                                       Scalar other) {
    if (mask.id == builder.literal(DType::boolean, 0)) return other;
    if (mask.id == builder.literal(DType::boolean, 1)) return Scalar{&builder, at(graph.operands(n)[k], ids(i), mask_)};
    const ScalarId both = mask_ == no_scalar ? mask.id : binary(Op::bit_and, mask_, mask.id);
    const ValueId v = graph.operands(n)[k];
    if (!computes(v)) return Scalar{&builder, load(v, ids(i), both, other.id)};
    const ScalarId value = at(v, ids(i), both);
    const ScalarId operands[] = {mask.id, value, other.id};
    return Scalar{&builder, builder.scalar(Op::select, operands)};
  };
  context.store = [this, ids](const Node& n, uint32_t k, std::span<const Scalar> i, Scalar value, Scalar mask) {
    store(graph.result(n, k), ids(i), value.id, mask.id);
  };
  context.reload = [this, ids](const Node& n, uint32_t k, std::span<const Scalar> i, Scalar mask, Scalar other) {
    return Scalar{&builder, builder.load(buffer(graph.result(n, k), Space::output), ids(i), mask.id, other.id)};
  };
  context.temporary = [this](const Node&, DType dtype, const Shape& shape) {
    order_.push_back({no_value, static_cast<uint32_t>(temporaries.size())});
    temporaries.push_back({dtype, shape});
    return builder.buffer("t" + std::to_string(temporaries.size() - 1), dtype, shape, Space::inout);
  };
}

bool Elements::computes(ValueId v) const { return members_.contains(index(v)); }

ScalarId Elements::binary(Op op, ScalarId x, ScalarId y) {
  const ScalarId operands[] = {x, y};
  return builder.scalar(op, operands);
}

BufferId Elements::buffer(ValueId v, Space space) {
  const auto [at, fresh] = buffers_.try_emplace(index(v));
  if (!fresh) return at->second;
  const Type& type = graph.type(v);
  Shape shape;
  if (group.kind == GroupKind::nest) {
    shape = type.shape;
  } else {
    const std::vector<Dim> dims = without_units(type.shape);
    for (const Runs::Run& r : runs.of(v)) shape.push_back(product(dims, r.begin, r.end));
  }
  const std::string name = (space == Space::input ? "x" : "y") + std::to_string(index(v));
  const BufferId id = builder.buffer(name, type.dtype, shape, space);
  buffers_[index(v)] = id;
  order_.push_back({v, UINT32_MAX});
  return id;
}

Dim Elements::product(const std::vector<Dim>& dims, int begin, int end) {
  Dim result = 1;
  for (int i = begin; i < end; ++i) {
    const Dim d = dims[static_cast<size_t>(i)];
    if (result.is_number() && d.is_number())
      result = Dim(result.number() * d.number());
    else
      result = builder.symbols().product(result, d);
  }
  return result;
}

Index Elements::compress(ValueId v, const Index& index_) {
  if (group.kind == GroupKind::nest) return index_;
  const std::vector<int> axes = axes_without_units(graph.type(v).shape);
  Index result;
  for (const Runs::Run& r : runs.of(v))
    result.push_back(index_[static_cast<size_t>(axes[static_cast<size_t>(r.end - 1)])]);
  return result;
}

Index Elements::spread(ValueId v, const std::vector<Runs::Run>& of, const std::vector<ScalarId>& at) const {
  const Shape& shape = graph.type(v).shape;
  Index result(shape.size(), builder.index_literal(0));
  const std::vector<int> axes = axes_without_units(shape);
  for (size_t r = 0; r < of.size(); ++r) {
    if (static_cast<size_t>(of[r].end) > axes.size())
      throw InternalError("a value is asked for over a space that is not its own:\n" +
                          window(graph, graph.producer(v)));
    result[static_cast<size_t>(axes[static_cast<size_t>(of[r].end - 1)])] = at[r];
  }
  return result;
}

std::vector<ScalarId> Elements::unflatten(ScalarId flat, const std::vector<Runs::Run>& of,
                                          const std::vector<Dim>& dims) {
  std::vector<ScalarId> result(of.size());
  for (size_t r = of.size(); r-- > 0;) {
    if (r == 0) {
      result[0] = flat;
      break;
    }
    const ScalarId extent = builder.extent(product(dims, of[r].begin, of[r].end));
    result[r] = binary(Op::rem, flat, extent);
    flat = binary(Op::div, flat, extent);
  }
  return result;
}

Index Elements::through_reshape(const Node& n, const Index& index_) {
  const ValueId x = graph.operands(n)[0], y = graph.result(n);
  const std::vector<Dim> from = without_units(graph.type(x).shape), to = without_units(graph.type(y).shape);
  const std::vector<int> from_axes = axes_without_units(graph.type(x).shape),
                         to_axes = axes_without_units(graph.type(y).shape);
  const std::vector<Regrouping> groups = regroup(from, to);
  const std::vector<Runs::Run> from_runs = runs.of(x);
  Index result(graph.type(x).shape.size(), builder.index_literal(0));
  for (size_t g = 0; g < groups.size();) {
    size_t last = g;  // groups whose border is no border: one number runs over all of them
    while (last + 1 < groups.size() && runs.joined(x, groups[last].from_end - 1)) ++last;
    ScalarId flat = builder.index_literal(0);
    for (int i = groups[g].to_begin; i < groups[last].to_end; ++i) {
      flat = binary(Op::mul, flat, builder.extent(to[static_cast<size_t>(i)]));
      flat = binary(Op::add, flat, index_[static_cast<size_t>(to_axes[static_cast<size_t>(i)])]);
    }
    std::vector<Runs::Run> inside;
    for (const Runs::Run& r : from_runs)
      if (r.begin >= groups[g].from_begin && r.end <= groups[last].from_end) inside.push_back(r);
    const std::vector<ScalarId> at = unflatten(flat, inside, from);
    for (size_t r = 0; r < inside.size(); ++r)
      result[static_cast<size_t>(from_axes[static_cast<size_t>(inside[r].end - 1)])] = at[r];
    g = last + 1;
  }
  return result;
}

// ---- what is known --------------------------------------------------------------------------------------------------

uint32_t Elements::place(const Index& index_, ScalarId mask) {
  std::vector<uint32_t> key{index(mask)};
  for (ScalarId i : index_) key.push_back(index(i));
  const auto [at, fresh] = places_.try_emplace(std::move(key), static_cast<uint32_t>(place_index_.size()));
  if (fresh) place_index_.push_back(index_);
  return at->second;
}

ScalarId* Elements::known(ValueId v, uint32_t place) {
  const auto at = memo_.find(uint64_t{index(v)} << 32 | place);
  return at == memo_.end() ? nullptr : &at->second;
}

void Elements::remember(ValueId v, uint32_t place, ScalarId value) {
  if (!remembers) return;
  const uint64_t key = uint64_t{index(v)} << 32 | place;
  if (memo_.insert_or_assign(key, value).second) log_.push_back(key);
}

void Elements::set(ValueId v, const Index& index_, ScalarId value) { remember(v, place(index_, no_scalar), value); }

void Elements::close_scope() {
  while (log_.size() > marks_.back()) {
    memo_.erase(log_.back());
    log_.pop_back();
  }
  marks_.pop_back();
}

// ---- computing ------------------------------------------------------------------------------------------------------

ScalarId Elements::load(ValueId v, const Index& index_, ScalarId mask, ScalarId other) {
  return builder.load(buffer(v, Space::input), compress(v, index_), mask, other);
}

void Elements::store(ValueId v, const Index& index_, ScalarId value, ScalarId mask) {
  builder.store(buffer(v, Space::output), compress(v, index_), value, mask);
}

ScalarId Elements::at(ValueId wanted, const Index& index_, ScalarId mask) {
  if (!remembers) return compute(wanted, index_, mask);
  const uint32_t here = place(index_, mask);
  if (const ScalarId* value = known(wanted, here)) return *value;
  const Index kept = index_;  // the caller's may be a reference into what grows below
  std::vector<ValueId> stack{wanted};
  while (!stack.empty()) {
    const ValueId v = stack.back();
    if (known(v, here)) {
      stack.pop_back();
      continue;
    }
    bool ready = true;
    if (computes(v)) {
      const Node& n = graph.node(graph.producer(v));
      if (def(n.op).family == Family::elementwise) {
        for (ValueId operand : graph.operands(n)) {
          if (known(operand, here)) continue;
          // A unit extent may have another rank elsewhere, never here: elementwise operands have the result's shape.
          stack.push_back(operand);
          ready = false;
        }
      }
    }
    if (!ready) continue;
    remember(v, here, compute(v, kept, mask));
    stack.pop_back();
  }
  return *known(wanted, here);
}

ScalarId Elements::compute(ValueId v, const Index& index_, ScalarId mask) {
  if (!computes(v)) {
    ScalarId other = no_scalar;
    if (mask != no_scalar) other = builder.literal(graph.type(v).dtype, 0);
    return load(v, index_, mask, other);
  }
  if (mask != no_scalar)
    if (const ScalarId* value = known(v, place(index_, no_scalar))) return *value;
  const NodeId id = graph.producer(v);
  const Node& n = graph.node(id);
  const uint32_t origin = builder.origin;
  builder.origin = index(id);
  ScalarId result = no_scalar;
  const OpDef& row = def(n.op);
  if (row.family == Family::elementwise) {
    std::vector<ScalarId> operands;
    for (ValueId operand : graph.operands(n)) operands.push_back(at(operand, index_, mask));
    result = builder.scalar(n.op, operands, graph.type(v).dtype);
  } else if (n.op == Op::reshape) {
    result = at(graph.operands(n)[0], through_reshape(n, index_), mask);
  } else {
    if (!row.lower)
      throw InternalError(std::string(row.name) + " cannot be computed element by element:\n" + window(graph, id));
    std::vector<Scalar> handles;
    for (ScalarId i : index_) handles.push_back({&builder, i});
    const ScalarId outer_mask = mask_;
    mask_ = mask;
    result = row.lower(context, n, handles).id;
    mask_ = outer_mask;
  }
  builder.origin = origin;
  return result;
}

}  // namespace tenon::passes
