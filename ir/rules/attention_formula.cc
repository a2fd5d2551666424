// With s the scores and p = exp(s - logarithms), which are 0 where a key is hidden:
//   tangent    t = (dq k^T + q dk^T) scale;  (p t) v + p dv;  the sums of rows of p t
//   gradient   m = p (g v^T - less);  m k scale;  m^T q scale;  p^T g
// and with dropout what meets v and g, and g v^T, is multiplied by what dropout makes of ones.
#include "tenon/ir/rules/attention_formula.h"

#include <limits>

namespace tenon::ir::rules {

AttentionFormula::AttentionFormula(Op op, const Attrs& attrs, std::span<const Value> operands)
    : op_(op),
      attrs_(attrs),
      at_(op, attrs_),
      x_(operands.begin(), operands.end()),
      e_(x_[at_.q].shape(), x_[at_.k].shape(), x_[at_.v].shape()),
      type_(x_[at_.q].dtype()),
      sum_(attention_sums(type_)) {
  for (Value& x : x_)
    if (is_floating(x.dtype())) x = cast(x, sum_);
}

namespace {
std::vector<int64_t> front(const Value& x) {
  std::vector<int64_t> axes;
  for (int64_t i = 0; i + 2 < x.shape().rank(); ++i) axes.push_back(i);
  return axes;
}
Value last_sums(Value x) { return reduce(Op::reduce_sum, x, {x.shape().rank() - 1}); }
Value spread_rows(Value row, Value over) {
  Shape shape = row.shape();
  shape.push_back(Dim(1));
  return spread(reshape(row, shape), over);
}
}  // namespace

Value AttentionFormula::by_heads(Value x) const {
  if (e_.sharing() == 1) return x;
  Shape shape = x.shape();
  const size_t rank = shape.size();
  shape[rank - 3] = e_.key_heads;
  shape[rank - 2] = x.builder->symbols().product(shape[rank - 2], e_.sharing());
  return reshape(x, shape);
}
Value AttentionFormula::apart(Value x, Dim columns) const {
  return e_.sharing() == 1 ? x : reshape(x, e_.of({e_.heads, e_.queries, columns}));
}
Value AttentionFormula::times(Value x, Value y, bool turned) const {
  const Value left = by_heads(x);
  const int64_t rank = left.shape().rank();
  const Value product = dot_general(left, y, front(left), front(y), {rank - 1}, {turned ? rank - 1 : rank - 2});
  return apart(product, y.shape()[static_cast<size_t>(turned ? rank - 2 : rank - 1)]);
}
Value AttentionFormula::over_queries(Value x, Value y) const {
  const Value left = by_heads(x), right = by_heads(y);
  const int64_t rank = left.shape().rank();
  return dot_general(left, right, front(left), front(right), {rank - 2}, {rank - 2});
}
Value AttentionFormula::like_scores(Value x) const { return broadcast_to(x, e_.of({e_.heads, e_.queries, e_.keys})); }

Value AttentionFormula::scores(Value q, Value k) const { return times(q * attrs_.scale, k, true); }

Value AttentionFormula::hidden(Value s) const {
  const Value nothing = like(s, -std::numeric_limits<double>::infinity());
  if (at_.mask != AttentionOperands::none) s = select(like_scores(x_[at_.mask]), s, nothing);
  if (!attrs_.causal) return s;
  const int64_t rank = s.shape().rank();
  GraphBuilder& b = *s.builder;
  return select(le(iota(b, DType::i64, s.shape(), rank - 1), iota(b, DType::i64, s.shape(), rank - 2)), s, nothing);
}

Value AttentionFormula::weights() const {
  Value s = scores(x_[at_.q], x_[at_.k]);
  if (at_.bias != AttentionOperands::none) s = s + like_scores(x_[at_.bias]);
  const Value logarithms = x_[at_.logarithms], none = like(logarithms, -std::numeric_limits<double>::infinity());
  const Value shown = select(eq(logarithms, none), zeros_like(logarithms), logarithms);
  return exp(hidden(s - spread_rows(shown, s)));
}

Value AttentionFormula::dropped(Value p) const {
  if (at_.key == AttentionOperands::none) return p;
  const Value key = x_[at_.key];
  const AttentionDropout drop(attrs_.dropout, sum_);
  const auto lanes = static_cast<std::ptrdiff_t>(key.shape().size()) - 1;
  const Shape all = e_.of({e_.heads, e_.queries, e_.keys});
  const Value operands[] = {key, splat_integer(*key.builder, DType::u32, 0, {2})};
  const Value bits = apply(*key.builder, Op::random_bits, operands,
                           RandomBitsAttrs{sum_ == DType::f64 ? DType::u64 : DType::u32,
                                           std::vector<Dim>(all.begin() + lanes, all.end())})[0];
  const Value kept = ge(shr(bits, literal(bits, drop.shift)), literal(bits, drop.threshold));
  const Value shown = broadcast_to(kept, all);
  return p * select(shown, like(p, drop.factor), zeros_like(p));
}

std::vector<Value> AttentionFormula::attention() const {
  Value s = scores(x_[at_.q], x_[at_.k]);
  if (at_.bias != AttentionOperands::none) s = s + like_scores(x_[at_.bias]);
  s = hidden(s);
  const Value top = reduce(Op::reduce_max, s, {s.shape().rank() - 1});
  const Value none = like(top, -std::numeric_limits<double>::infinity());
  const Value shown = select(eq(top, none), zeros_like(top), top), p = exp(s - spread_rows(shown, s));
  const Value total = last_sums(p), product = times(dropped(p), x_[at_.v], false);
  const Value nothing = spread_rows(eq(total, zeros_like(total)), product);
  const Value out = select(nothing, zeros_like(product), product * spread_rows(1 / total, product));
  return {cast(out, type_), top + log(total)};
}

std::vector<Value> AttentionFormula::tangent() const {
  const Value p = weights(), v = x_[at_.v];
  const Value t = p * (scores(x_[0], x_[at_.k]) + scores(x_[at_.q], x_[1]));
  return {times(dropped(t), v, false) + times(dropped(p), x_[2], false), last_sums(t)};
}

std::vector<Value> AttentionFormula::gradient() const {
  const Value p = weights(), g = x_[0], products = dropped(times(g, x_[at_.v], true));
  const Value m = p * (products - spread_rows(x_[1], products));
  return {cast(times(m, x_[at_.k], false) * attrs_.scale, type_),
          cast(over_queries(m, x_[at_.q]) * attrs_.scale, type_), cast(over_queries(dropped(p), g), type_)};
}

std::vector<Value> AttentionFormula::results() const {
  return op_ == Op::attention ? attention() : op_ == Op::attention_tangent ? tangent() : gradient();
}

std::shared_ptr<const Graph> attention_graph(Op op, const Attrs& attrs, std::span<const Type> operands,
                                             std::shared_ptr<Symbols> symbols) {
  GraphBuilder b(std::string(name(op)), std::move(symbols));
  std::vector<Value> inputs;
  for (const Type& type : operands) inputs.push_back({&b, b.input(type)});
  std::vector<ValueId> outputs;
  for (const Value& v : AttentionFormula(op, attrs, inputs).results()) outputs.push_back(v.id);
  return b.finish(outputs);
}

std::vector<Value> AttentionFormula::moved_by(Value bias) const {
  const Value t = weights() * like_scores(cast(bias, sum_));
  return {times(dropped(t), x_[at_.v], false), last_sums(t)};
}

}  // namespace tenon::ir::rules
