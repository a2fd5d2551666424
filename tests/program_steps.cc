// One op at a time, every row of the table: operands of any type that fits, results that may be used partly or not at all.
#include <algorithm>

#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/program_draw.h"

namespace tenon::testing {

using namespace ir;

namespace {

void elementwise(Draw& d) {
  const OpDef* row = nullptr;
  do row = &op_table()[d.below(static_cast<uint64_t>(op_count))];
  while (row->family != Family::elementwise);
  const Op op = row->op;
  if (op == Op::cast) return d.keep(cast(d.any(), d.dtype()));
  if (op == Op::bitcast) {  // a NaN is one value to the contract, but its bits would show
    const Value x = d.any();
    return is_floating(x.dtype()) ? void() : d.keep(d.emit(op, {x}, {Attr::of(d.dtype())}));
  }
  if (op == Op::select) {
    const Value x = d.any(), y = d.of_type(x.dtype(), x.shape());
    return d.keep(select(d.of_type(DType::boolean, x.shape()), x, y));
  }
  const Value x = d.any_of(row->dtypes);
  if (!x) return;
  std::vector<Value> operands = {d.tame(x, row->domain)};
  while (static_cast<int>(operands.size()) < row->arity)
    operands.push_back(d.tame(d.of_type(x.dtype(), x.shape()), row->domain));
  if (operands.size() > 1 && d.chance(2)) std::swap(operands[0], operands[1]);
  d.keep(d.emit(op, operands));
}

// A few ops in a row: what fusion joins, and what makes a stem worth storing.
void chain(Draw& d) {
  for (uint64_t n = 2 + d.below(4); n > 0; --n) elementwise(d);
}

// Reductions of bits, whichever rows there are.
std::vector<Op> bit_reductions() {
  std::vector<Op> ops;
  for (const OpDef& row : op_table())
    if (row.family == Family::reduction && row.dtypes == (integer_types | bool_type)) ops.push_back(row.op);
  return ops;
}

void reduction(Draw& d) {
  const Value x = d.any_of(all_types, 1);
  const int64_t axis = static_cast<int64_t>(d.below(x.shape().size()));
  switch (d.below(8)) {
    case 0: {
      const DType t = x.dtype();
      const Value v = t == DType::boolean ? cast(x, DType::u8) : x;
      const Op running[] = {Op::cumsum, Op::cumsum, Op::cumprod, Op::cummax, Op::cummin};
      return d.keep(d.emit(running[d.below(5)], {v}, {axes_of({axis}), axes_of({d.chance(2)})}));
    }
    case 1: return d.keep(d.emit(d.chance(2) ? Op::argmax : Op::argmin, {x}, {axes_of({axis})}));
    default: break;
  }
  static const std::vector<Op> logical = bit_reductions();
  const Op numeric[] = {Op::reduce_sum, Op::reduce_sum, Op::reduce_max, Op::reduce_min, Op::reduce_prod};
  const bool bits = x.dtype() == DType::boolean || (!is_floating(x.dtype()) && d.chance(3));
  const Op op = bits ? logical[d.below(logical.size())] : numeric[d.below(5)];
  const std::vector<int64_t> axes = d.chance(3) ? d.some_axes(x.shape(), 2) : std::vector{axis};
  const Value r = reduce(op, x, axes);
  d.keep(r);
  if (d.chance(2) || axes.empty()) return;
  const Value back = broadcast(r, x.shape(), d.other_axes(x.shape(), axes));  // as with keepdims, and back
  d.keep(x.dtype() == DType::boolean ? bit_xor(x, back) : d.chance(2) ? sub(x, back) : mul(back, x));
}

void contraction(Draw& d) {
  const Value x = d.any_of(number_types, 1);
  const Shape& xs = x.shape();
  std::vector<int64_t> lhs_batch, rhs_batch, lhs_contract, rhs_contract, order;
  for (int64_t i = 0; i < xs.rank(); ++i) order.push_back(i);
  std::shuffle(order.begin(), order.end(), d.s.random);
  Shape other, results, reduced;
  for (int64_t axis : order) {
    const Dim extent = xs[axis];
    switch (d.below(4)) {
      case 0:
        lhs_batch.push_back(axis);
        rhs_batch.push_back(other.rank());
        other.push_back(extent);
        results.push_back(extent);
        break;
      case 1: results.push_back(extent); break;
      default:
        lhs_contract.push_back(axis);
        rhs_contract.push_back(other.rank());
        other.push_back(extent);
        reduced.push_back(extent);
    }
    if (d.chance(3) && other.rank() < 5) {
      other.push_back(d.extent());
      results.push_back(other[other.size() - 1]);
    }
  }
  if (lhs_contract.empty() || !d.fits(other) || !d.fits_work(results, reduced)) return;
  const Value y = d.of_type(x.dtype(), other);
  d.keep(dot_general(x, y, lhs_batch, rhs_batch, lhs_contract, rhs_contract));
}

void convolution(Draw& d) {
  const uint64_t spatial = 1 + d.below(2);
  Dim groups = d.pick({1, 1, 1, 2, 3});
  const Dim per_group = d.pick({1, 2, 3, 5}), filters = groups.number() * d.pick({1, 2, 4});
  Shape input = {d.chance(5) ? Dim(0) : d.chance(3) ? d.extent() : Dim(d.pick({1, 2}))}, kernel;
  std::vector<int64_t> strides, low, high, lhs_dilation, rhs_dilation;
  for (uint64_t i = 0; i < spatial; ++i) {
    input.push_back(d.pick({1, 4, 5, 7, 12, 17, 30}));
    kernel.push_back(d.pick({1, 2, 3, 4}));
    strides.push_back(d.pick({1, 1, 2, 3}));
    low.push_back(d.pick({0, 0, 1, 2, -1}));
    high.push_back(d.pick({0, 0, 1, 3, -1}));
    lhs_dilation.push_back(d.pick({1, 1, 1, 2}));
    rhs_dilation.push_back(d.pick({1, 1, 1, 2}));
  }
  input.push_back(per_group.number() * groups.number());
  kernel.push_back(per_group);
  kernel.push_back(filters);
  if (!d.fits(input) || !d.fits(kernel)) return;
  const DType t = d.floating();
  // Channels first, with transpositions in front or behind that loops may go by.
  const auto rank = static_cast<size_t>(input.rank());
  Shape first = input;
  first.erase(rank - 1), first.insert(1, input[rank - 1]);
  const Value x = d.chance(2) ? move_axis(d.of_type(t, first), 1, rank - 1) : d.of_type(t, input),
              k = d.of_type(t, kernel);
  const Value y = d.emit(Op::convolution, {x, k},
                         {axes_of(strides), axes_of(low), axes_of(high), axes_of(lhs_dilation), axes_of(rhs_dilation),
                          axes_of({groups.number()})})[0];
  d.keep(d.chance(2) ? move_axis(y, rank - 1, 1) : y);
}

Value indices(Draw& d, const Shape& shape) {
  if (d.depth == 0 && !d.chance(3)) return d.fresh(DType::i64, shape, Filling::indices);
  return d.of_type(DType::i64, shape);
}

std::string combiner(Draw& d, DType t) {
  static constexpr const char* all[] = {"set", "add", "mul", "min", "max", "bit_and", "bit_or", "bit_xor"};
  for (;;) {
    const char* name = all[d.below(std::size(all))];
    if (name == std::string_view("set") || contains(find_op(name)->dtypes, t)) return name;
  }
}

// The general form of gather and scatter. Each dimension of x goes along with one of the indices, or has windows, which begin at 0 or
// where the indices say.
void windows(Draw& d, Value x) {
  GatherAttrs g;
  Shape at_shape, windows_shape;
  if (d.chance(2)) at_shape.push_back(d.pick({0, 1, 3, 17}));
  for (size_t i = 0; i < x.shape().size(); ++i) {
    const Dim extent = x.shape()[i];
    const auto dim = static_cast<int64_t>(i);
    const bool pointed = d.chance(2);
    g.slice_sizes.push_back(1);
    if (!pointed && d.chance(3)) {
      g.operand_batching_dims.push_back(dim);
      g.start_indices_batching_dims.push_back(static_cast<int64_t>(at_shape.size()));
      at_shape.push_back(extent);
      continue;
    }
    if (pointed) g.start_index_map.push_back(dim);
    const bool whole = d.chance(2) || d.least(extent) == 0;
    if (pointed && d.chance(2)) {
      g.collapsed_slice_dims.push_back(dim);
    } else {
      g.slice_sizes.back() =
          whole ? extent
                : Dim(1 + static_cast<int64_t>(d.below(static_cast<uint64_t>(std::min<int64_t>(d.least(extent), 5)))));
      windows_shape.push_back(g.slice_sizes.back());
    }
  }
  Shape result = at_shape;
  const bool front = d.chance(2);  // windows before the indices, or behind them
  for (size_t i = 0; i < windows_shape.size(); ++i) {
    g.offset_dims.push_back(static_cast<int64_t>(front ? i : at_shape.size() + i));
    result.insert(front ? i : result.size(), windows_shape[i]);
  }
  g.index_vector_dim = static_cast<int64_t>(at_shape.size());
  if (g.start_index_map.size() != 1 || d.chance(2))
    at_shape.push_back(Dim(static_cast<int64_t>(g.start_index_map.size())));
  if (!d.fits(result) || !d.fits(at_shape)) return;
  const Value at = indices(d, at_shape);
  if (d.chance(2)) return d.keep(d.emit(Op::gather, {x, at}, std::move(g)));
  ScatterAttrs s{combiner(d, x.dtype()),        g.offset_dims,     g.collapsed_slice_dims, g.operand_batching_dims,
                 g.start_indices_batching_dims, g.start_index_map, g.index_vector_dim};
  d.keep(d.emit(Op::scatter, {x, at, d.of_type(x.dtype(), result)}, std::move(s)));
}

void indexing(Draw& d) {
  const Value x = d.any_of(all_types, 1);
  const Attrs axis = {axes_of({static_cast<int64_t>(d.below(x.shape().size()))})};
  if (d.chance(3)) {  // keys and values, all or some of which are used
    std::vector<Value> operands = {x};
    while (d.chance(2)) operands.push_back(d.of_type(d.dtype(), x.shape()));
    const std::vector<Value> sorted = d.emit(Op::sort, operands, axis);
    return d.chance(2) ? d.keep(sorted) : d.keep(sorted[d.below(sorted.size())]);
  }
  if (d.chance(3)) return windows(d, x);
  const auto along = static_cast<size_t>(axis[0].integers[0]);
  const Shape at_shape = d.chance(4)   ? Shape{}
                         : d.chance(3) ? Shape{d.pick({2, 5}), d.pick({1, 3})}
                                       : Shape{d.chance(4) ? d.extent() : Dim(d.pick({0, 1, 3, 17}))};
  const Value at = indices(d, at_shape);
  Shape gathered;
  for (size_t i = 0; i < x.shape().size(); ++i) {
    if (i != along)
      gathered.push_back(x.shape()[i]);
    else
      for (Dim n : at_shape) gathered.push_back(n);
  }
  if (!d.fits(gathered)) return;
  if (d.chance(2)) return d.keep(d.emit(Op::gather, {x, at}, take_attrs(x.shape(), at_shape.size(), along)));
  d.keep(d.emit(Op::scatter, {x, at, d.of_type(x.dtype(), gathered)},
                scatter_attrs(combiner(d, x.dtype()), x.shape().size(), at_shape.size(), along)));
}

void random_bits(Draw& d) {
  const Shape shape = d.shape();
  const auto pair = [&] { return d.depth == 0 ? d.fresh(DType::u32, {2}, Filling::any) : d.of_type(DType::u32, {2}); };
  const Value key = pair(), counter = pair();
  const Value bits = d.emit(Op::random_bits, {key, counter},
                            {Attr::of(d.chance(2) ? DType::u32 : DType::u64), Attr::of(shape.dims())})[0];
  d.keep(bits);
  if (d.chance(2)) return;
  const Value uniform = cast(shr(bits, splat_integer(d.b, bits.dtype(), 8, shape)), d.floating());
  d.keep(uniform * like(uniform, 0x1p-24));
}

void barrier(Draw& d) {
  std::vector<Value> operands;
  for (uint64_t n = 1 + d.below(3); n > 0; --n) operands.push_back(d.any());
  const std::vector<Value> passed = d.emit(Op::barrier, operands);
  d.keep(passed[d.below(passed.size())]);  // the others may stay unused
  if (d.chance(3)) d.keep(passed);
}

// Join or split axes.
void regroup(Draw& d, const Value& x) {
  const Shape& shape = x.shape();
  const size_t rank = shape.size();
  if (rank >= 2 && d.chance(2)) {
    const size_t at = d.below(rank - 1);
    std::vector<Dim> joined = shape.dims();
    joined[at] = d.b.symbols().product(joined[at], joined[at + 1]);
    joined.erase(joined.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    return d.keep(reshape(x, Shape(joined)));
  }
  for (size_t i = 0; i < rank; ++i)
    if (shape[i].is_number() && shape[i].number() % 2 == 0 && rank < 6) {
      Shape split = shape;
      split[i] = 2;
      split.insert(i + 1, shape[i].number() / 2);
      return d.keep(reshape(x, split));
    }
  return d.keep(reshape(x, Shape{d.b.symbols().numel(shape)}));
}

// An axis of 1, as keepdims and expand_dims make it, perhaps stretched later.
void unit_axis(Draw& d, const Value& x) {
  const Shape& shape = x.shape();
  const size_t rank = shape.size();
  Shape wider = shape;
  wider.insert(d.below(rank + 1), 1);
  return d.keep(reshape(x, wider));
}

void stretch(Draw& d, const Value& x) {
  const Shape& shape = x.shape();
  const size_t rank = shape.size();
  if (rank >= 6) return;
  Shape wider = shape;
  const size_t at = d.below(rank + 1);
  wider.insert(at, d.extent());
  if (!d.fits(wider)) return;
  return d.keep(broadcast(x, wider, d.other_axes(wider, {static_cast<int64_t>(at)})));
}

void permute(Draw& d, const Value& x) {
  const Shape& shape = x.shape();
  std::vector<int64_t> permutation = d.other_axes(shape, {});
  std::shuffle(permutation.begin(), permutation.end(), d.s.random);
  return d.keep(transpose(x, permutation));
}

void cut(Draw& d, const Value& x) {
  const Shape& shape = x.shape();
  std::vector<Dim> starts, sizes;
  std::vector<int64_t> strides;
  for (Dim n : shape) {
    const bool number = n.is_number() && !d.chance(3);
    if (n.is_symbol() && d.least(n) > 0 && d.chance(2)) {  // x[1:] of a named extent
      starts.push_back(1);
      sizes.push_back(d.b.symbols().difference(n, 1));
      strides.push_back(1);
      continue;
    }
    strides.push_back(number ? d.pick({1, 1, 2, 3}) : 1);
    starts.push_back(number ? static_cast<int64_t>(d.below(static_cast<uint64_t>(n.number()))) : 0);
    sizes.push_back(number ? Dim((n.number() - starts.back().number() + strides.back() - 1) / strides.back()) : n);
    if (number && sizes.back().number() > 1 && d.chance(4)) sizes.back() = sizes.back().number() - 1;
  }
  return d.keep(slice(x, starts, sizes, strides));
}

void pad_around(Draw& d, const Value& x) {
  const Shape& shape = x.shape();
  const size_t rank = shape.size();
  std::vector<Dim> low, high;
  std::vector<int64_t> interior;
  for (size_t i = 0; i < rank; ++i) {
    low.push_back(d.pick({0, 0, 1, 2, 5}));
    high.push_back(d.pick({0, 0, 1, 2, 9}));
    interior.push_back(d.pick({0, 0, 0, 1, 2}));
  }
  return d.keep(pad(x, d.of_type(x.dtype(), {}), low, high, interior));
}

void join(Draw& d, const Value& x) {
  const Shape& shape = x.shape();
  const size_t rank = shape.size();
  if (rank == 0) return;
  const size_t axis = d.below(rank);
  std::vector<Value> parts = {x};
  const uint64_t most = d.chance(4) ? 12 : 3;  // beyond what one element asks, and what eager lists have programs for
  for (uint64_t n = 1 + d.below(most); n > 0; --n) {
    Shape other = shape;
    if (d.chance(2)) other[axis] = d.extent();
    if (!d.fits(other)) return;
    parts.push_back(d.of_type(x.dtype(), other));
  }
  std::shuffle(parts.begin(), parts.end(), d.s.random);
  return d.keep(concat(parts, static_cast<int64_t>(axis)));
}

void flip(Draw& d, const Value& x) { d.keep(reverse(x, d.some_axes(x.shape(), 2))); }

void window(Draw& d, const Value& x) {
  const Shape& shape = x.shape();
  std::vector<Value> starts;
  std::vector<Dim> sizes;
  for (Dim n : shape) {
    starts.push_back(d.of_type(DType::i64, {}));
    sizes.push_back(
        n.is_number() ? Dim(n.number() - static_cast<int64_t>(d.below(static_cast<uint64_t>(n.number() + 1)))) : n);
  }
  if (d.chance(2)) return d.keep(dynamic_slice(x, starts, sizes));
  return d.keep(dynamic_update_slice(x, d.of_type(x.dtype(), Shape(sizes)), starts));
}

}  // namespace

void draw_movement(Draw& d) {
  const Value x = d.any();
  switch (d.below(10)) {
    case 0: return regroup(d, x);
    case 1: return unit_axis(d, x);
    case 2: return stretch(d, x);
    case 3: return permute(d, x);
    case 4: return cut(d, x);
    case 5: return pad_around(d, x);
    case 6: return join(d, x);
    case 7: return flip(d, x);
    default: return window(d, x);
  }
}

void draw_step(Draw& d) {
  switch (d.below(20)) {
    case 0:
    case 1:
    case 2:
    case 3: return elementwise(d);
    case 4:
    case 5: return chain(d);
    case 6:
    case 7:
    case 8: return reduction(d);
    case 9:
    case 10:
    case 11:
    case 12: return draw_movement(d);
    case 13: return contraction(d);
    case 14: return convolution(d);
    case 15:
    case 16: return indexing(d);
    case 17: return random_bits(d);
    case 18: return barrier(d);
    default: return draw_control(d);
  }
}

}  // namespace tenon::testing
