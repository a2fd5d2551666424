// Elements on demand: a value of the group is computed by its row at the index asked for, once per index and scope; any
// other value is loaded. Chains of elementwise ops are walked with an explicit stack, so depth never reaches the machine's.
#include "tenon/passes/lower/group.h"

namespace tenon::passes {

using namespace ir;

Elements::Elements(const Graph& g, const Group& gr, KernelBuilder& b, Runs& r, OpCosts& c)
    : graph(g),
      axes(r.axes),
      group(gr),
      builder(b),
      runs(r),
      costs(c),
      context(g, b),
      nest_(gr.kind == GroupKind::nest) {
  context.lanes = costs.lanes;
  context.cores = costs.cores;
  context.register_bytes = costs.register_bytes;
  for (NodeId n : group.nodes)
    for (uint32_t k = 0; k < graph.node(n).result_count; ++k) members_[index(graph.result(graph.node(n), k))] = 1;
  open_border();
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
  if (nest_)
    shape = type.shape;
  else
    for (const Runs::Run& r : runs.of(v)) shape.push_back(product(axes.extents(v), r.begin, r.end));
  const std::string name = (space == Space::input ? "x" : "y") + std::to_string(index(v));
  const BufferId id = builder.buffer(name, type.dtype, shape, space);
  buffers_[index(v)] = id;
  order_.push_back({v, UINT32_MAX});
  return id;
}

Dim Elements::product(const std::vector<Dim>& dims, int begin, int end) {
  Dim result = 1;
  for (int i = begin; i < end; ++i) {
    const Dim d = dims[i];
    if (result.is_number() && d.is_number())
      result = Dim(result.number() * d.number());
    else
      result = builder.symbols().product(result, d);
  }
  return result;
}

Index Elements::per_run(ValueId v, const Index& index_) {
  if (nest_) return index_;
  Index result;
  for (const Runs::Run& r : runs.of(v)) result.push_back(index_[r.end - 1]);
  return result;
}

Index Elements::spread(ValueId v, const std::vector<Runs::Run>& of, const std::vector<ScalarId>& at) const {
  Index result(axes.rank(v), builder.index_literal(0));
  for (size_t r = 0; r < of.size(); ++r) {
    if (of[r].end > axes.rank(v))
      throw InternalError("a value is asked for over a space that is not its own:\n" +
                          window(graph, graph.producer(v)));
    result[of[r].end - 1] = at[r];
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
  const std::vector<Dim>&from = axes.extents(x), &to = axes.extents(y);
  const std::vector<Regrouping> groups = regroup(from, to);
  const std::vector<Runs::Run> from_runs = runs.of(x);
  Index result(axes.rank(x), builder.index_literal(0));
  for (size_t g = 0; g < groups.size();) {
    size_t last = g;  // groups whose border is no border: one number runs over all of them
    while (last + 1 < groups.size() && runs.joined(x, groups[last].from_end - 1)) ++last;
    ScalarId flat = builder.index_literal(0);
    for (int i = groups[g].to_begin; i < groups[last].to_end; ++i) {
      flat = binary(Op::mul, flat, builder.extent(to[i]));
      flat = binary(Op::add, flat, index_[i]);
    }
    std::vector<Runs::Run> inside;
    for (const Runs::Run& r : from_runs)
      if (r.begin >= groups[g].from_begin && r.end <= groups[last].from_end) inside.push_back(r);
    const std::vector<ScalarId> at = unflatten(flat, inside, from);
    for (size_t r = 0; r < inside.size(); ++r) result[inside[r].end - 1] = at[r];
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
  if (nest_) return;
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
  return builder.load(buffer(v, Space::input), per_run(v, index_), mask, other);
}

void Elements::store(ValueId v, const Index& index_, ScalarId value, ScalarId mask) {
  builder.store(buffer(v, Space::output), per_run(v, index_), value, mask);
}

ScalarId Elements::at(ValueId wanted, const Index& index_, ScalarId mask) {
  if (nest_) return compute(wanted, index_, mask);
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
          if (known(operand, here)) continue;  // operands have the result's shape
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
  if (const BufferId* memory = bound(v)) return builder.load(*memory, full(v, index_));
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
  } else if (row.same && row.whole) {
    result = at(graph.operands(n)[0], through_reshape(n, index_), mask);
  } else {
    result = by_row(v, index_, mask);
  }
  builder.origin = origin;
  return result;
}

}  // namespace tenon::passes
