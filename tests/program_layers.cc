// What models are made of: contractions with what stands before and after them, convolutions, losses, attention, recurrent
// cells with several carries, buffers that a loop updates in place.
#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/program_draw.h"

namespace tenon::testing {

using namespace ir;

namespace {

Value activation(Draw& d, Value x) {
  switch (d.below(3)) {
    case 0: return max(x, zeros_like(x));
    case 1: return is_floating(x.dtype()) ? tanh(x) : x;
    default: return is_floating(x.dtype()) ? x * logistic(x) : x + x;
  }
}

Value bias(Draw& d, DType t, const Shape& shape) {
  return broadcast_to(d.of_type(t, Shape{shape[shape.size() - 1]}), shape);
}

// x w + b, an activation, a residual, a reduction: prologue and epilogue of a contraction.
void dense(Draw& d) {
  Value x = d.any_of(number_types, 2);
  const Shape& shape = x.shape();
  const int64_t last = shape.rank() - 1;
  Shape out = shape;
  const Dim width = d.chance(4) ? shape[last] : d.extent();
  out[last] = width;
  if (!d.fits_work(out, {shape[last]})) return;
  const bool transposed = d.chance(2);
  const Dim in = shape[last];
  Value w = d.of_type(x.dtype(), transposed ? Shape{width, in} : Shape{in, width});
  if (d.chance(4)) x = activation(d, x);
  if (d.chance(6)) w = w * like(w, 2);
  Value y = dot_general(x, w, {}, {}, {last}, {transposed ? 1 : 0});
  if (d.chance(4)) d.keep(y);
  if (!d.chance(4)) y = y + bias(d, x.dtype(), out);
  if (d.chance(2)) y = activation(d, y);
  if (d.chance(3)) y = y + d.of_type(x.dtype(), out);
  d.keep(y);
  if (d.chance(3))
    d.keep(reduce(Op::reduce_sum, y, d.chance(2) ? std::vector<int64_t>{last} : d.other_axes(out, {last})));
}

void attention(Draw& d) {
  const DType t = d.floating();
  const Dim batch = d.pick({1, 2, 3}), rows = d.extent(), columns = d.chance(2) ? rows : d.extent(),
            width = d.pick({1, 4, 8, 17});
  if (!d.fits_work({batch, rows, columns}, {width})) return;
  if (!d.fits({batch, rows, width}) || !d.fits({batch, columns, width})) return;
  const Value q = d.of_type(t, {batch, rows, width}), k = d.of_type(t, {batch, columns, width}),
              v = d.of_type(t, {batch, columns, width});
  Value scores = dot_general(q, k, {0}, {0}, {2}, {2});
  scores = scores * like(scores, 0.25);
  if (d.chance(2)) {  // causal
    const Shape shape = scores.shape();
    const Value seen = ge(iota(d.b, DType::i64, shape, 1), iota(d.b, DType::i64, shape, 2));
    scores = select(seen, scores, like(scores, -30));
  }
  const Value e = exp(scores - d.along(Op::reduce_max, scores, {2}));
  d.keep(dot_general(e / d.along(Op::reduce_sum, e, {2}), v, {0}, {0}, {2}, {1}));
}

// The rows of their own, by blocks of keys.
void attention_row(Draw& d) {
  const DType t = d.floating(), sum = is_half(t) ? DType::f32 : t;
  const int64_t sharing = d.pick({1, 1, 2, 3});
  const Dim key_heads = d.pick({1, 2}), heads = key_heads.number() * sharing, batch = d.pick({1, 2}),
            queries = d.extent(), keys = d.chance(2) ? queries : d.extent(), depth = d.pick({1, 4, 16, 17}),
            width = d.chance(2) ? depth : Dim(d.pick({1, 5, 16}));
  if (!d.fits_work({batch, heads, queries, keys}, {depth})) return;
  const Shape q{batch, heads, queries, depth}, k{batch, key_heads, keys, depth}, v{batch, key_heads, keys, width},
      out{batch, heads, queries, width}, row{batch, heads, queries};
  for (const Shape& shape : {q, k, v, out, Shape{batch, heads, queries, keys}})
    if (!d.fits(shape)) return;
  const Op op = d.chance(3) ? Op::attention_tangent : d.chance(2) ? Op::attention_gradient : Op::attention;
  std::vector<Value> operands;
  if (op == Op::attention_tangent) operands = {d.of_type(t, q), d.of_type(t, k), d.of_type(t, v)};
  if (op == Op::attention_gradient) operands = {d.of_type(sum, out), d.of_type(sum, row)};
  for (const Shape& shape : {q, k, v}) operands.push_back(d.of_type(t, shape));
  if (op != Op::attention) operands.push_back(d.of_type(sum, row));
  const bool masked = d.chance(3), biased = d.chance(3);
  const Dim any_query = d.chance(2) ? Dim(1) : queries, any_head = d.chance(2) ? Dim(1) : heads;
  if (masked) operands.push_back(d.of_type(DType::boolean, {1, any_head, any_query, keys}));
  if (biased) operands.push_back(d.of_type(t, {batch, any_head, any_query, d.chance(3) ? Dim(1) : keys}));
  const bool drops = d.chance(3);
  if (drops) operands.push_back(d.of_type(DType::u32, d.chance(2) ? Shape{2} : Shape{batch, 2}));
  d.keep(d.emit(
      op, operands,
      AttentionAttrs{
          .scale = 0.25, .causal = d.chance(2), .masked = masked, .biased = biased, .dropout = drops ? 0.25 : 0.0}));
}

void conv_net(Draw& d) {
  const DType t = d.floating();
  const int64_t side = d.pick({4, 6, 9}), channels = d.pick({1, 2, 3}), filters = d.pick({1, 4, 5});
  const Dim batch = d.chance(2) ? d.extent() : Dim(2);
  if (!d.fits({batch, side, side, 2 * filters})) return;
  const Value x = d.of_type(t, {batch, side, side, channels}), k = d.of_type(t, {3, 3, channels, filters});
  const int64_t stride = d.pick({1, 2});
  const Value y = d.emit(
      Op::convolution, {x, k},
      {axes_of({stride, stride}), axes_of({1, 1}), axes_of({1, 1}), axes_of({1, 1}), axes_of({1, 1}), axes_of({1})})[0];
  const Value z = activation(d, y + bias(d, t, y.shape()));
  d.keep(z);
  d.keep(reduce(d.chance(2) ? Op::reduce_max : Op::reduce_sum, z, {1, 2}));
}

// log-softmax, the label's entry, the mean.
void loss(Draw& d) {
  const Value x = d.any_of(float_types, 2);
  const Shape& shape = x.shape();
  const int64_t last = shape.rank() - 1;
  const Value shifted = x - d.along(Op::reduce_max, x, {last});
  const Value logs = shifted - log(d.along(Op::reduce_sum, exp(shifted), {last}));
  Shape rows = shape;
  rows.erase(static_cast<size_t>(last));
  const Value labels = d.depth == 0 ? d.fresh(DType::i64, rows, Filling::indices) : d.of_type(DType::i64, rows);
  const Value hit = eq(iota(d.b, DType::i64, shape, last), broadcast(labels, shape, d.other_axes(shape, {last})));
  const Value picked = select(hit, logs, zeros_like(logs));
  if (d.chance(2)) d.keep(logs);
  d.keep(-reduce(Op::reduce_sum, picked, d.chance(2) ? d.other_axes(shape, {}) : std::vector<int64_t>{last}));
}

// A recurrent cell: h and c carried, a counter beside them, outputs stacked.
void cell(Draw& d) {
  const DType t = d.floating();
  const Dim steps = d.chance(4) ? d.extent() : Dim(d.pick({0, 1, 2, 5, 9})), batch = d.pick({1, 2, 5}),
            width = d.pick({1, 3, 8, 17});
  const int64_t trips = d.elements({steps}), before = d.s.trips;
  if (trips > 100 / before) return;
  const Type state{t, {batch, width}}, weight{t, {width, width}}, count{DType::i64, {}};
  Draw in(d, {weight, state, state, count, state});  // w; h, c, n; x
  const Value w = in.pool[0], h = in.pool[1], c = in.pool[2], n = in.pool[3], x = in.pool[4];
  const Value gate = logistic(dot_general(h, w, {}, {}, {1}, {d.chance(2)}) + x);
  const Value next_c = gate * c + (like(gate, 1) - gate) * tanh(x), next_h = gate * tanh(next_c);
  const Value next_n = n + splat_integer(in.b, DType::i64, 1, {});
  std::vector<ValueId> outputs = {d.chance(4) ? next_c.id : next_h.id, d.chance(4) ? h.id : next_c.id, next_n.id};
  if (d.chance(2)) outputs.push_back(next_h.id);
  if (d.chance(3)) outputs.push_back(reduce(Op::reduce_sum, next_h, {1}).id);
  if (d.chance(4)) outputs.push_back(c.id);  // what it was before this step
  const auto body = in.b.finish(outputs);
  const Value start = d.of_type(t, state.shape);
  const std::vector<Value> operands = {
      d.of_type(t, weight.shape), start, d.chance(2) ? start : d.of_type(t, state.shape),
      splat_integer(d.b, DType::i64, d.pick({0, 5}), {}), d.of_type(t, {steps, batch, width})};
  d.keep(d.emit(Op::scan, operands,
                {Attr::of(body), Attr::of(std::vector<Dim>{steps}), axes_of({1, 3}), axes_of({d.chance(2)})}));
}

// A buffer that a loop fills: read at one place, written at another, by a carried index. Carries may change places.
void updates(Draw& d) {
  const DType t = d.dtype();
  const Dim rows = d.pick({1, 3, 6}), width = d.pick({1, 4, 17, 40});
  const int64_t trips = d.pick({0, 1, 4, 7}), before = d.s.trips;
  if (trips > 100 / before) return;
  const Type buffer{t, {rows, width}}, index{DType::i64, {}};
  Draw in(d, {buffer, buffer, index});
  const Value x = in.pool[0], y = in.pool[1], i = in.pool[2];
  const Value zero = splat_integer(in.b, DType::i64, 0, {}), next = i + splat_integer(in.b, DType::i64, 1, {});
  const Value starts[] = {i, zero}, other[] = {in.chance(2) ? next : zero, zero};
  const Value row = dynamic_slice(in.chance(2) ? x : y, other, {1, width});
  const Value changed = t == DType::boolean ? bit_xor(row, dynamic_slice(y, starts, {1, width}))
                                            : add(row, dynamic_slice(y, starts, {1, width}));
  const Value filled = dynamic_update_slice(x, changed, starts);
  const bool swap = d.chance(3);
  std::vector<ValueId> outputs = {swap ? y.id : filled.id, swap ? filled.id : d.chance(2) ? y.id : x.id, next.id};
  if (d.chance(2)) outputs.push_back(changed.id);
  const auto body = in.b.finish(outputs);
  const Value start = d.of_type(t, buffer.shape);
  d.keep(d.emit(
      Op::scan,
      {start, d.chance(2) ? start : d.of_type(t, buffer.shape), splat_integer(d.b, DType::i64, d.pick({-1, 0, 2}), {})},
      {Attr::of(body), Attr::of(std::vector<Dim>{trips}), axes_of({0, 3}), axes_of({d.chance(2)})}));
}

// One step of gradient descent by hand, as autodiff would write it: the weights come out as they went in.
void step(Draw& d) {
  const DType t = d.floating();
  const Dim batch = d.extent(), in = d.chance(2) ? d.extent() : Dim(8), out = d.pick({1, 3, 10});
  if (!d.fits({batch, in}) || !d.fits({in, out}) || !d.fits_work({batch, out}, {in})) return;
  const Value x = d.of_type(t, {batch, in}), w = d.of_type(t, {in, out}), y = d.of_type(t, {batch, out});
  const Value h = tanh(dot_general(x, w, {}, {}, {1}, {0}));
  const Value error = (h - y) * (like(h, 1) - h * h);
  const Value gradient = dot_general(x, error, {}, {}, {0}, {0});
  d.keep(w - gradient * like(gradient, 0.125));
  d.keep(reduce(Op::reduce_sum, error * error, {0, 1}));
  if (d.chance(2)) d.keep(reduce(Op::reduce_sum, error, {0}));
}

}  // namespace

void draw_layer(Draw& d) {
  switch (d.below(9)) {
    case 0:
    case 1: return dense(d);
    case 2: return d.chance(2) ? attention_row(d) : attention(d);
    case 3: return conv_net(d);
    case 4: return loss(d);
    case 5:
    case 6: return d.depth < 2 ? cell(d) : dense(d);
    case 7: return d.depth < 2 ? updates(d) : dense(d);
    default: return step(d);
  }
}

}  // namespace tenon::testing
