// Derivatives of gather, of scatter where updates are added or set, and of sort. Reading clamps and writing drops, so the transpose of a
// gather writes at the clamped index, and the transpose of a scatter reads zero for what was dropped. Of updates that are set at one
// place the last one counts. The other combiners: ir/rules/derivative_scatter.cc.
#include "tenon/ir/rules/derivative_scatter.h"

namespace tenon::ir::rules {
namespace {

// A number for each component of an index, in the shape of the indices. Extents are values computed from those of the call.
Value by_component(Value indices, const Windows& w, const std::vector<Dim>& numbers) {
  GraphBuilder& b = *indices.builder;
  const Shape shape = indices.shape();
  if (w.vector < 0) return broadcast(extent_value(b, numbers[0]), shape, {});
  std::vector<Value> each;
  for (Dim d : numbers) each.push_back(reshape(extent_value(b, d), Shape({Dim(1)})));
  if (each.empty()) return zeros_like(indices);
  return broadcast(each.size() == 1 ? each[0] : concat(each, 0), shape, {w.vector});
}

// Of x along the dimensions that components point into: extents, and how many elements a window has.
struct Pointed {
  std::vector<Dim> extents, sizes;
  Pointed(const Windows& w, const Shape& x) : extents(count(w), 1), sizes(count(w), 1) {
    for (size_t d = 0; d < w.x.size(); ++d) {
      if (w.x[d].component < 0) continue;
      extents[static_cast<size_t>(w.x[d].component)] = x[d];
      sizes[static_cast<size_t>(w.x[d].component)] = w.x[d].size;
    }
  }
  static size_t count(const Windows& w) {
    size_t n = 0;
    for (const Windows::Dimension& d : w.x) n += d.component >= 0;
    return n;
  }
};

// The last place where a window may begin.
Value last_start(Value indices, const Windows& w, const Shape& x) {
  const Pointed p(w, x);
  return by_component(indices, w, p.extents) - by_component(indices, w, p.sizes);
}

}  // namespace

Value clamped_starts(Value indices, const Windows& w, const Shape& x) {
  if (Pointed::count(w) == 0) return indices;
  return max(min(indices, last_start(indices, w, x)), zeros_like(indices));
}

Value lies_inside(Value indices, const Windows& w, const Shape& x, const Shape& updates) {
  GraphBuilder& b = *indices.builder;
  if (Pointed::count(w) == 0) return splat_integer(b, DType::boolean, 1, updates);
  Value inside = bit_and(ge(indices, zeros_like(indices)), le(indices, last_start(indices, w, x)));
  std::vector<int64_t> axes;
  for (int to : w.along)
    if (to >= 0) axes.push_back(to);
  if (w.vector >= 0) inside = reduce(Op::reduce_and, inside, {w.vector});
  return broadcast(inside, updates, axes);
}

Updates::Updates(const Attrs& attributes, const Shape& operand, Value at, const Shape& windows)
    : attrs(attributes),
      x(operand),
      updates(windows),
      indices(at),
      w(windows_of(Scatter(attributes), operand.size(), at.shape().size(), windows)) {}

Value Updates::scattered(Value into, Value values, const char* combine) const {
  const Value operands[] = {into, indices, values};
  return apply(*indices.builder, Op::scatter, operands, combined_by(Scatter(attrs), combine))[0];
}
Value Updates::read(Value from) const {
  const Value operands[] = {from, indices};
  return apply(*indices.builder, Op::gather, operands, gather_attrs_of(Scatter(attrs), w))[0];
}
Value Updates::inside() const { return lies_inside(indices, w, x, updates); }
Value Updates::last() const {
  GraphBuilder& b = *indices.builder;
  const Value number = reshape(iota(b, DType::i64, {b.symbols().numel(updates)}, 0), updates);
  const Value written = scattered(splat_integer(b, DType::i64, -1, x), number, "set");
  return bit_and(inside(), eq(read(written), number));
}

std::vector<Value> gather_transpose(const TransposeArgs& args) {
  const Gather g(args.attrs);
  const Type x = args.operand_types[0];
  const Value indices = args.operands[1];
  const Windows w = windows_of(g, indices.shape().size());
  const Value operands[] = {zeros(args.builder, x), clamped_starts(indices, w, x.shape), args.cotangents[0]};
  return {apply(args.builder, Op::scatter, operands, scatter_attrs_of(g, "add"))[0], {}};
}

std::vector<Value> scatter_transpose(const TransposeArgs& args) {
  const std::string& combine = Scatter(args.attrs).combine;
  if (combine != "add" && combine != "set")
    throw Error("scatter combines with '" + combine + "', which is not linear: it has no transpose");
  const Value ct = args.cotangents[0];
  const Shape shape = args.operand_types[2].shape;
  const Updates u(args.attrs, args.operand_types[0].shape, args.operands[1], shape);
  const bool set = combine == "set";
  std::vector<Value> result = absent(3);
  if (args.linear[0]) result[0] = set ? u.scattered(ct, zeros(args.builder, args.operand_types[2]), "set") : ct;
  if (args.linear[2]) {
    const Value read = u.read(ct), counts = set ? u.last() : u.inside();
    result[2] = select(counts, read, zeros_like(read));
  }
  return result;
}

// Tangents move as their primals do: the flat position of every element travels through the sort, and each tangent is
// gathered from there.
std::vector<Value> sort_jvp(const JvpArgs& args) {
  GraphBuilder& b = args.builder;
  const Shape shape = args.primals[0].shape();
  const Shape flat({b.symbols().numel(shape)});
  const Value keyed[] = {args.primals[0], reshape(iota(b, i64, flat, 0), shape)};
  const Value from = apply(b, Op::sort, keyed, args.attrs)[1];
  std::vector<Value> result = absent(args.tangents.size());
  for (size_t k = 0; k < result.size(); ++k)
    if (args.tangents[k]) result[k] = take(reshape(args.tangents[k], flat), from, 0);
  return result;
}

}  // namespace tenon::ir::rules
