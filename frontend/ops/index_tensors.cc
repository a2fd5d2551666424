// x[...] where tensors point, by NumPy's rules: index tensors broadcast to one shape; its axes stand where the tensors and numbers do when
// those are neighbours, else in front. A mask is the tensors that say where it holds, which only a call outside programs can know.
// Negative positions count from the end. Refuses tensors that hold no integers or bools, and masks of other extents than x has.
#include <algorithm>

#include "tenon/frontend/ops/indexed.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/selection.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/rules/windows.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;
using What = Index::What;

bool is_mask(const Index& i) { return i.what == What::tensor && i.cell && i.cell->type.dtype == boolean; }

Tensor tensor_of(const Index& i, const Location& at) {
  if (!i.cell) throw Error("index: an undefined tensor points at nothing", at);
  const Tensor t(i.cell);
  if (t.dtype() != boolean && !is_integer(t.dtype()))
    throw Error("index: " + describe(t) + " points at nothing: an index holds integers, or bools as a mask; cast it",
                at);
  return t;
}

// The positions where a mask holds, a tensor for each of its axes.
std::vector<Index> positions_of(const Tensor& mask, const Tensor& x, size_t axis, const Location& at) {
  if (Trace::current())
    throw Error("index: how many elements " + describe(mask) +
                    " selects is not known inside a program; use tn::where, or tn::masked_select with a size",
                at);
  if (mask.ndim() == 0) throw Error("index: a mask has at least one axis; " + describe(mask) + " is a number", at);
  for (int d = 0; d < mask.ndim(); ++d)
    if (!(mask.shape()[static_cast<size_t>(d)] == x.shape()[axis + static_cast<size_t>(d)]))
      throw Error("index: the mask " + describe(mask) + " does not fit axis " +
                      std::to_string(axis + static_cast<size_t>(d)) + " of " + describe(x),
                  at);
  const Tensor where = nonzero(Operand(mask, at));
  std::vector<Index> result;
  for (int d = 0; d < mask.ndim(); ++d) {
    const Index column[] = {all, d};
    result.emplace_back(select_at(where, column, at));
    result.back().where = at;
  }
  return result;
}

size_t axes_of(const Index& i, const Location& at) {
  if (i.what == What::fresh || i.what == What::rest) return 0;
  return i.what == What::tensor && is_mask(i) ? static_cast<size_t>(tensor_of(i, at).ndim()) : 1;
}

// Where tensors point, when slices have been taken: axes of x[basic].
struct Pointing {
  std::vector<Index> basic;  // one for each axis of x; numbers are slices of one
  std::vector<Tensor> tensors;
  std::vector<int64_t> axes, dropped;  // of the tensors; of the numbers
  int64_t place = 0;  // of the tensors' common axes among those of x[basic] that stay
  Shape common, result;  // the tensors' shape; that of x[...], new axes counted
  bool whole = true;  // x[basic] is x
};

// A number as the slice that has it alone.
Index alone(const Index& number) {
  const Extent v = number.start;
  Index i = slice(v, v.is_number() && v.number() == -1 ? Extent(INT64_MAX) : v + 1);
  i.where = number.where;
  return i;
}

Pointing pointing_of(const Tensor& x, std::span<const Index> given, const Location& at) {
  Pointing p;
  std::vector<Index> checked;
  Shape before, after;  // of the result, around the common axes
  size_t fresh_before = 0;
  enum { none_yet, among, behind, apart } state = none_yet;
  for (const Index& i : written_out(x, given, at)) {
    const bool points = i.what == What::tensor || i.what == What::number;
    if (points)
      state = state == none_yet || state == among ? among : apart;
    else if (state == among)
      state = behind;
    if (i.what == What::fresh) {
      (state == none_yet ? before : after).push_back(1);
      fresh_before += state == none_yet;
      continue;
    }
    const auto axis = static_cast<int64_t>(p.basic.size());
    if (i.what == What::tensor) {
      p.tensors.push_back(tensor_of(i, at));
      p.axes.push_back(axis);
      p.basic.emplace_back(all);
    } else if (i.what == What::number) {
      p.dropped.push_back(axis);
      p.basic.push_back(alone(i));
    } else {
      p.basic.push_back(i);
    }
    checked.push_back(i.what == What::tensor ? Index(all) : i);
    p.whole = p.whole && p.basic.back().what == What::every;
    if (points) continue;
    const Selection one = selection_of(x, p.basic, at);
    (state == none_yet ? before : after).push_back(one.result[static_cast<size_t>(axis)]);
  }
  (void)selection_of(x, checked, at);  // numbers in range
  const auto refuse = [&](int, Dim a, Dim b) {
    throw Error("index: tensors that point together broadcast, and extents " + to_string(a) + " and " + to_string(b) +
                    " of theirs do not",
                at);
  };
  p.common = formula::common_shape(p.tensors, [](const Tensor& t) -> const Shape& { return t.shape(); }, refuse);
  const size_t place = state == apart ? 0 : before.size();
  p.place = state == apart ? 0 : static_cast<int64_t>(before.size() - fresh_before);
  for (Dim d : after) before.push_back(d);
  p.result = before;
  for (size_t k = 0; k < p.common.size(); ++k) p.result.insert(place + k, p.common[k]);
  return p;
}

// Positions in [0, n), negative ones counted from the end.
ir::Value from_end(ir::Value i, Dim n) {
  const ir::Value t = formula::position(i), length = ir::broadcast(ir::extent_value(*t.builder, n), t.shape(), {});
  return select(lt(t, ir::zeros_like(t)), t + length, t);
}

// Indices, and the gather that reads x there; its result has the tensors' common axes at `place`.
struct Pointed {
  ir::Value indices;
  ir::GatherAttrs read;
  Shape shape;  // of what it reads
};
Pointed pointed(ir::Value x, Values tensors, const made::Pointed& p) {
  std::vector<ir::Value> each;
  for (size_t k = 0; k < tensors.size(); ++k)
    each.push_back(from_end(tensors[k], x.shape()[static_cast<size_t>(p.axes[k])]));
  each = formula::broadcast_together(each, "index");
  const Shape common = each[0].shape();
  const size_t rank = common.size(), kept = x.shape().size() - p.axes.size() - p.dropped.size();
  Pointed result{each[0], {}, {}};
  if (each.size() > 1) {
    Shape column = common;
    column.push_back(1);
    for (ir::Value& v : each) v = ir::reshape(v, column);
    result.indices = ir::concat(each, static_cast<int64_t>(rank));
  }
  ir::GatherAttrs& g = result.read;
  for (size_t i = 0; i < kept; ++i)
    g.offset_dims.push_back(static_cast<int64_t>(i < static_cast<size_t>(p.place) ? i : i + rank));
  g.collapsed_slice_dims = p.axes;
  g.collapsed_slice_dims.insert(g.collapsed_slice_dims.end(), p.dropped.begin(), p.dropped.end());
  std::sort(g.collapsed_slice_dims.begin(), g.collapsed_slice_dims.end());
  g.start_index_map = p.axes;
  g.index_vector_dim = static_cast<int64_t>(rank);
  g.slice_sizes = x.shape().dims();
  for (int64_t d : g.collapsed_slice_dims) g.slice_sizes[static_cast<size_t>(d)] = 1;
  for (size_t d = 0; d < x.shape().size(); ++d)
    if (!std::binary_search(g.collapsed_slice_dims.begin(), g.collapsed_slice_dims.end(), static_cast<int64_t>(d)))
      result.shape.push_back(x.shape()[d]);
  for (size_t k = 0; k < rank; ++k) result.shape.insert(static_cast<size_t>(p.place) + k, common[k]);
  return result;
}

std::vector<ir::Value> build_read(ir::GraphBuilder& b, Values x, const ir::Attrs& a) {
  const made::Pointed p(a);
  Pointed at = pointed(x[0], x.subspan(1), p);
  const ir::Value operands[] = {x[0], at.indices};
  return {ir::reshape(ir::apply(b, ir::Op::gather, operands, std::move(at.read))[0], Shape(p.shape))};
}
// x, a value that stretches to the shape of the result, tensors...
std::vector<ir::Value> build_write(ir::GraphBuilder& b, Values x, const ir::Attrs& a) {
  const made::Pointed p(a);
  Pointed at = pointed(x[0], x.subspan(2), p);
  ir::Value value = ir::cast(x[1], x[0].dtype());
  Shape shape = value.shape();
  while (shape.size() > p.shape.size()) shape.erase(0);
  value = ir::broadcast_to(ir::reshape(value, shape), Shape(p.shape));
  const ir::Value operands[] = {x[0], at.indices, ir::reshape(value, at.shape)};
  const ir::Attrs read = std::move(at.read);
  const char* combine = formula::combiner_of(p.combine.c_str(), x[0].dtype());
  return {ir::apply(b, ir::Op::scatter, operands, ir::rules::scatter_attrs_of(ir::Gather(read), combine))[0]};
}

ir::Attrs attrs_of(const Pointing& p, const char* combine) {
  return made::PointedAttrs{
      .combine = combine, .axes = p.axes, .dropped = p.dropped, .place = p.place, .shape = p.result.dims()};
}

}  // namespace

bool has_tensors(std::span<const Index> indices) {
  return std::any_of(indices.begin(), indices.end(), [](const Index& i) { return i.what == What::tensor; });
}

std::vector<Index> written_out(const Tensor& x, std::span<const Index> indices, const Location& at) {
  size_t named = 0, rests = 0;
  for (const Index& i : indices) {
    named += axes_of(i, at);
    rests += i.what == What::rest;
  }
  const auto rank = static_cast<size_t>(x.ndim());
  if (named > rank) throw Error("index: " + std::to_string(named) + " indices into " + describe(x), at);
  if (rests > 1) throw Error("index: one ellipsis at most; a second one would stand for any number of axes", at);
  std::vector<Index> result;
  size_t axis = 0;
  const auto rest = [&] {
    for (size_t k = named; k < rank; ++k, ++axis) result.emplace_back(all);
  };
  for (const Index& i : indices) {
    if (i.what == What::rest) {
      rest();
    } else if (is_mask(i)) {
      for (Index& p : positions_of(tensor_of(i, at), x, axis, at)) result.push_back(std::move(p));
      axis += axes_of(i, at);
    } else {
      result.push_back(i);
      axis += axes_of(i, at);
    }
  }
  if (rests == 0) rest();
  return result;
}

Tensor select_by_tensors(const Tensor& x, std::span<const Index> indices, const Location& at) {
  const Pointing p = pointing_of(x, indices, at);
  std::vector<Tensor> inputs{p.whole ? x : select_at(x, p.basic, at)};
  inputs.insert(inputs.end(), p.tensors.begin(), p.tensors.end());
  return apply({"index", build_read}, attrs_of(p, "set"), inputs, at)[0];
}

Tensor assign_by_tensors(const Tensor& x, std::span<const Index> indices, const Operand& value, Writes how,
                         const Location& at) {
  const Pointing p = pointing_of(x, indices, at);
  std::vector<Tensor> inputs{p.whole ? x : select_at(x, p.basic, at), entered(value, x.dtype(), "assignment")};
  check_stretches(x, p.result, inputs[1], at);
  inputs.insert(inputs.end(), p.tensors.begin(), p.tensors.end());
  const Emit emit{how == Writes::add ? "index_put" : "assign", build_write};
  const Tensor part = apply(emit, attrs_of(p, how == Writes::add ? "add" : "set"), inputs, at)[0];
  return p.whole ? part : with_assigned(x, p.basic, Operand(part, at), at);
}

}  // namespace tenon
