// Index sets through straight ops. Movement runs through the row's own reference meaning, with sets in the place of elements; what
// sums, sums sets. An op that is not known here depends, in each element, on all elements of all operands.
#include <algorithm>
#include <numeric>

#include "tenon/ir/rules/eval_windows.h"
#include "tenon/passes/sparse/propagate.h"

namespace tenon::passes {

using namespace ir;
using rules::Indices;
using rules::Odometer;

Array Propagation::operand_sets(const At& at, size_t operand) const {
  const Dependence& x = *at.operands[operand];
  return x.sets ? *x.sets : no_sets(at.type(operand).shape);
}

std::vector<SetId> Propagation::grouped(const Array& x, std::span<const int64_t> kept) {
  const Indices sizes = rules::extents(x.type.shape);
  Indices step(sizes.size(), 0);
  int64_t count = 1;
  for (size_t k = kept.size(); k-- > 0;) {
    step[static_cast<size_t>(kept[k])] = count;
    count *= sizes[static_cast<size_t>(kept[k])];
  }
  std::vector<SetId> result(static_cast<size_t>(count), IndexSets::empty);
  // Few distinct sets are united one after another; many, all at once.
  std::vector<std::vector<SetId>> parts(result.size());
  const SetId* element = x.as<SetId>();
  for (Odometer o(sizes); !o.done(); o.next(), ++element)
    if (*element != IndexSets::empty) {
      auto& part = parts[static_cast<size_t>(rules::dot(o.index, step))];
      if (part.empty() || part.back() != *element) part.push_back(*element);
    }
  for (size_t k = 0; k < result.size(); ++k) result[k] = sets.unite(parts[k]);
  return result;
}

Array Propagation::along(const Array& x, size_t axis) {
  std::vector<int64_t> kept(static_cast<size_t>(x.type.shape.rank()));
  std::iota(kept.begin(), kept.end(), 0);
  kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(axis));
  const std::vector<SetId> united = grouped(x, kept);
  Indices sizes = rules::extents(x.type.shape), around = sizes;
  around[axis] = 1;
  Indices step = rules::strides(around);
  step[axis] = 0;
  Array result = no_sets(x.type.shape);
  SetId* element = result.as<SetId>();
  for (Odometer o(sizes); !o.done(); o.next()) *element++ = united[static_cast<size_t>(rules::dot(o.index, step))];
  return result;
}

Array Propagation::elementwise(const At& at) {
  Array result = no_sets(at.result().shape);
  SetId* to = result.as<SetId>();
  for (size_t k = 0; k < at.operands.size(); ++k) {
    if (!at.operands[k]->sets) continue;
    const SetId* from = at.operands[k]->sets->as<SetId>();
    for (int64_t i = 0; i < result.numel(); ++i) to[i] = sets.unite(to[i], from[i]);
  }
  return result;
}

Array Propagation::everything(const At& at, uint32_t r) {
  std::vector<SetId> all;
  for (const Dependence* operand : at.operands)
    if (operand->sets) {
      const std::vector<SetId> one = grouped(*operand->sets, {});
      all.insert(all.end(), one.begin(), one.end());
    }
  Array result = no_sets(at.result(r).shape);
  std::fill_n(result.as<SetId>(), result.numel(), sets.unite(all));
  return result;
}

// Movement, and what reads where other operands say: the row's meaning, on sets.
std::optional<std::vector<Array>> Propagation::moved(const At& at) {
  std::vector<Array> stored;
  stored.reserve(at.operands.size());
  std::vector<const Array*> operands;
  for (size_t k = 0; k < at.operands.size(); ++k) {
    const bool keys = at.node.op == Op::sort && k == 0;
    if (keys || !is_continuous(at.type(k).dtype)) {
      if (!at.operands[k]->known) return std::nullopt;
      operands.push_back(&*at.operands[k]->known);
    } else {
      stored.push_back(operand_sets(at, k));
      operands.push_back(&stored.back());
    }
  }
  std::vector<Type> types;
  for (uint32_t r = 0; r < at.node.result_count; ++r) {
    const bool keys = at.node.op == Op::sort && r == 0;
    types.push_back(keys || !is_continuous(at.result(r).dtype) ? at.result(r) : Type{DType::u32, at.result(r).shape});
  }
  std::vector<Array> results = interpret(at.node.op, operands, at.graph.attrs(at.node), types);
  if (at.node.op == Op::sort) results[0] = no_sets(at.result().shape);  // keys that are known depend on nothing
  return results;
}

// Of a gather whose indices are not known: any element along the dimensions that they point into.
Array Propagation::gathered_anywhere(const At& at) {
  const rules::Windows w = rules::windows_of(at.graph, at.node);
  Array united = operand_sets(at, 0);
  for (size_t d = 0; d < w.x.size(); ++d)
    if (w.x[d].component >= 0) united = along(united, d);
  const Array nowhere(at.type(1));
  const Array* operands[] = {&united, &nowhere};
  const Type type{DType::u32, at.result().shape};
  std::vector<Array> results = interpret(Op::gather, operands, at.graph.attrs(at.node), std::span(&type, 1));
  return std::move(results[0]);
}

// Where indices are not known, an update may go anywhere along the dimensions that they point into; what is set where they are hides what
// was there.
Array Propagation::scattered(const At& at) {
  const rules::Windows w = rules::windows_of(at.graph, at.node);
  Array base = operand_sets(at, 0);
  const bool known = at.operands[1]->known.has_value();
  const bool set = known && Scatter(at.graph, at.node).combine == "set";
  if (!at.operands[2]->sets && !set) return base;
  const Array updates = operand_sets(at, 2);
  const Array indices = known ? *at.operands[1]->known : Array(at.type(1));
  Array result = known ? base : no_sets(base.type.shape);
  const rules::WindowWalk walk(w, at.type(0).shape, at.type(1).shape, at.type(2).shape);
  for (Odometer position(walk.positions()); !position.done(); position.next()) {
    const Indices start = walk.start(indices.as<int64_t>(), position.index);
    if (!walk.fits(start)) continue;
    for (Odometer inside(walk.sizes()); !inside.done(); inside.next()) {
      SetId& to = result.as<SetId>()[walk.in_x(start, inside.index)];
      const SetId update = updates.as<SetId>()[walk.in_windows(position.index, inside.index)];
      to = set ? update : sets.unite(to, update);
    }
  }
  if (known) return result;
  for (size_t d = 0; d < w.x.size(); ++d)
    if (w.x[d].component >= 0) result = along(result, d);
  for (int64_t i = 0; i < result.numel(); ++i)
    result.as<SetId>()[i] = sets.unite(result.as<SetId>()[i], base.as<SetId>()[i]);
  return result;
}

Array Propagation::accumulated(const At& at) {
  const Cumulative c(at.graph, at.node);
  Array result = operand_sets(at, 0);
  const Indices sizes = rules::extents(result.type.shape);
  const int64_t step = rules::strides(sizes)[c.axis], extent = sizes[c.axis];
  for (Odometer o(sizes); !o.done(); o.next()) {
    if (o.index[c.axis] != 0) continue;
    const int64_t first = rules::dot(o.index, rules::strides(sizes));
    for (int64_t k = 1; k < extent; ++k) {
      const int64_t from = c.reverse ? extent - k : k - 1, to = c.reverse ? from - 1 : k;
      SetId* column = result.as<SetId>() + first;
      column[to * step] = sets.unite(column[to * step], column[from * step]);
    }
  }
  return result;
}

Array Propagation::contracted(const At& at) {
  const DotGeneral d(at.graph, at.node);
  const auto outer = [&](size_t operand, const std::vector<int64_t>& batch, const std::vector<int64_t>& contract) {
    std::vector<int64_t> kept = batch;
    for (int64_t axis = 0; axis < at.type(operand).shape.rank(); ++axis)
      if (std::find(batch.begin(), batch.end(), axis) == batch.end() &&
          std::find(contract.begin(), contract.end(), axis) == contract.end())
        kept.push_back(axis);
    return grouped(operand_sets(at, operand), kept);
  };
  const std::vector<SetId> left = outer(0, d.lhs_batch, d.lhs_contract), right = outer(1, d.rhs_batch, d.rhs_contract);
  size_t batches = 1;
  for (int64_t axis : d.lhs_batch) batches *= static_cast<size_t>(at.type(0).shape[static_cast<size_t>(axis)].number());
  Array result = no_sets(at.result().shape);
  SetId* to = result.as<SetId>();
  if (result.numel() == 0) return result;
  const size_t rows = left.size() / batches, columns = right.size() / batches;
  for (size_t b = 0; b < batches; ++b)
    for (size_t i = 0; i < rows; ++i)
      for (size_t j = 0; j < columns; ++j) *to++ = sets.unite(left[b * rows + i], right[b * columns + j]);
  return result;
}

// A tap on padding counts on neither side.
Array Propagation::convolved(const At& at) {
  const Convolution conv(at.graph, at.node);
  const Array x = operand_sets(at, 0), kernel = operand_sets(at, 1);
  const Indices sizes = rules::extents(x.type.shape), taps = rules::extents(kernel.type.shape);
  const Indices x_step = rules::strides(sizes), kernel_step = rules::strides(taps);
  const size_t spatial = conv.strides.size();
  const int64_t channels = taps[spatial], features = taps[spatial + 1];
  const Indices window(taps.begin(), taps.begin() + static_cast<std::ptrdiff_t>(spatial));
  Array result = no_sets(at.result().shape);
  SetId* to = result.as<SetId>();
  std::vector<SetId> all;
  for (Odometer o(rules::extents(result.type.shape)); !o.done(); o.next()) {
    const int64_t feature = o.index.back(), group = feature / (features / conv.groups);
    all.clear();
    for (Odometer tap(window); !tap.done(); tap.next()) {
      int64_t source = o.index[0] * x_step[0] + group * channels, weight = feature;
      bool inside = true;
      for (size_t d = 0; d < spatial; ++d) {
        const int64_t place = o.index[d + 1] * conv.strides[d] + tap.index[d] * conv.rhs_dilation[d] - conv.low[d];
        inside =
            inside && place >= 0 && place % conv.lhs_dilation[d] == 0 && place / conv.lhs_dilation[d] < sizes[d + 1];
        source += place / conv.lhs_dilation[d] * x_step[d + 1];
        weight += tap.index[d] * kernel_step[d];
      }
      for (int64_t c = 0; inside && c < channels; ++c) {
        all.push_back(x.as<SetId>()[source + c]);
        all.push_back(kernel.as<SetId>()[weight + c * features]);
      }
    }
    *to++ = sets.unite(all);
  }
  return result;
}

std::vector<Array> Propagation::sets_of(const At& at) {
  const OpDef& row = def(at.node.op);
  const auto one = [](Array sets) {
    std::vector<Array> list;
    list.push_back(std::move(sets));
    return list;
  };
  if (row.family == Family::elementwise) return one(elementwise(at));
  if (row.family == Family::reduction && row.nest) return one(accumulated(at));
  if (row.family == Family::reduction) {
    const Shape& shape = at.type(0).shape;
    const std::vector<int64_t>& axes = Reduce(at.graph, at.node).axes;
    std::vector<int64_t> kept;
    for (int64_t axis = 0; axis < shape.rank(); ++axis)
      if (std::find(axes.begin(), axes.end(), axis) == axes.end()) kept.push_back(axis);
    Array result = no_sets(at.result().shape);
    const std::vector<SetId> united = grouped(operand_sets(at, 0), kept);
    std::copy(united.begin(), united.end(), result.as<SetId>());
    return one(std::move(result));
  }
  switch (at.node.op) {
    case Op::dot_general: return one(contracted(at));
    case Op::convolution: return one(convolved(at));
    case Op::scatter: return one(scattered(at));
    case Op::named:
    case Op::barrier: {
      std::vector<Array> same;
      for (size_t k = 0; k < at.operands.size(); ++k) same.push_back(operand_sets(at, k));
      return same;
    }
    case Op::gather:
      if (!at.operands[1]->known) return one(gathered_anywhere(at));
      break;
    case Op::sort:
      if (at.operands[0]->known) break;
      {
        std::vector<Array> any;
        for (size_t k = 0; k < at.operands.size(); ++k)
          any.push_back(along(operand_sets(at, k), Sort(at.graph, at.node).axis));
        return any;
      }
    default: break;
  }
  if (row.family == Family::movement || row.family == Family::indexing)
    if (auto results = moved(at)) return std::move(*results);
  std::vector<Array> all;
  for (uint32_t r = 0; r < at.node.result_count; ++r) all.push_back(everything(at, r));
  return all;
}

}  // namespace tenon::passes
