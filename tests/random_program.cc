// How random programs are drawn from the op table, and how one that fails is cut down.
#include "tenon/tests/random_program.h"

#include <algorithm>

#include "tenon/tests/case_builder.h"

namespace tenon::testing {

using namespace ir;

namespace {

class Generator {
 public:
  Generator(uint64_t seed, const ProgramSize& size)
      : random_(seed), c_("program " + std::to_string(seed)), size_(size) {
    if (size.symbolic) symbol_ = c_.builder.symbols().add("n", 1, 4096);
    symbol_value_ = size.large ? pick({600, 1000, 4096}) : pick({1, 2, 5, 16, 17, 40});
    most_elements_ = size.large ? 150000 : 3000;
  }

  Case run() {
    for (int i = 0; i < 3; ++i) pool_.push_back(fresh(dtype(), shape()));
    for (int tries = 0; static_cast<int>(pool_.size()) < size_.nodes + 3 && tries < 40 * size_.nodes; ++tries) try {
        step();
      } catch (const Error&) {
      // The row refuses these operands: another draw.
      }
    std::vector<Value> outputs = {pool_.back()};
    for (Value v : pool_)
      if (chance(3)) outputs.push_back(v);
    c_.outputs(outputs);
    return c_.finish();
  }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  bool chance(uint64_t one_in) { return below(one_in) == 0; }
  int64_t pick(std::initializer_list<int64_t> choices) { return choices.begin()[below(choices.size())]; }
  Value any() {
    return pool_[chance(3) ? pool_.size() - 1 - below(std::min<uint64_t>(3, pool_.size())) : below(pool_.size())];
  }

  DType dtype() {
    if (!chance(3)) return chance(6) ? DType::f64 : DType::f32;
    return static_cast<DType>(below(dtype_count));
  }
  Dim extent() {
    if (size_.symbolic && chance(2)) return symbol_;
    if (size_.large && chance(2)) return pick({200, 513, 1000, 4097, 70001});
    return chance(12) ? 0 : pick({1, 2, 3, 4, 5, 7, 8, 16, 17, 31, 33, 67, 130});
  }
  int64_t number(Dim d) const { return Symbols::value(d, values()); }
  std::vector<int64_t> values() const {
    const Symbols& symbols = *c_.builder.graph().symbols;
    return symbols.size() ? symbols.evaluate(std::vector<int64_t>(symbols.free_symbols().size(), symbol_value_))
                          : std::vector<int64_t>{};
  }
  int64_t elements(const Shape& shape) const {
    int64_t count = 1;
    for (Dim d : shape) count *= number(d);
    return count;
  }
  Shape shape() {
    while (true) {
      Shape result;
      for (uint64_t rank = below(4); rank > 0; --rank) result.push_back(extent());
      if (elements(result) <= most_elements_) return result;
    }
  }

  Value fresh(DType t, Shape shape) {
    std::vector<int64_t> extents;
    for (Dim d : shape) extents.push_back(number(d));
    const Type type = type_of(t, extents);
    const Domain domain = chance(2) ? Domain::unit : Domain::any;
    Array array = chance(4) ? special_array(type, random_, domain, 1 + static_cast<int64_t>(below(3)))
                            : random_array(type, random_, domain);
    return c_.input(std::move(array), {t, shape});
  }

  // A value of this type: one that is there, one made to fit, or an input.
  Value of_type(DType t, Shape shape) {  // by value: the graph grows
    std::vector<Value> same, castable, smaller;
    for (Value v : pool_) {
      if (v.shape() == shape) (v.dtype() == t ? same : castable).push_back(v);
      if (v.dtype() == t && v.shape().size() < shape.size() && !chance(3)) smaller.push_back(v);
    }
    if (!same.empty() && !chance(5)) return same[below(same.size())];
    for (Value v : smaller)
      if (v.shape().size() == 0 || v.shape()[v.shape().size() - 1] == shape[shape.size() - 1]) try {
          return broadcast_to(v, shape);
        } catch (const Error&) {
        }
    if (chance(6)) return splat_integer(c_.builder, t, t == DType::boolean ? 1 : pick({0, 1, 2, 4}), shape);
    if (chance(8) && !shape.empty() && t != DType::boolean)
      return iota(c_.builder, t, shape, static_cast<int64_t>(below(shape.size())));
    if (!castable.empty() && !chance(3)) return cast(castable[below(castable.size())], t);
    return fresh(t, shape);
  }

  void keep(Value v) {
    if (v && elements(v.shape()) <= most_elements_) pool_.push_back(v);
  }
  void keep(const std::vector<Value>& values) {
    for (Value v : values) keep(v);
  }
  std::vector<Value> emit(Op op, std::vector<Value> operands, Attrs attrs = {}) {
    return apply(c_.builder, op, operands, std::move(attrs));
  }

  // What models are made of: softmax, normalization, an activation after a contraction.
  void pattern() {
    const Value x = any();
    if (x.shape().empty() || !is_floating(x.dtype())) return;
    const int64_t last = x.shape().rank() - 1;
    std::vector<int64_t> kept;
    for (int64_t i = 0; i < last; ++i) kept.push_back(i);
    const Shape shape = x.shape();  // a copy: the graph grows
    const auto along = [&](Op op, Value v) { return broadcast(reduce(op, v, {last}), shape, kept); };
    switch (below(3)) {
      case 0: {
        const Value e = exp(x - along(Op::reduce_max, x));
        return keep(e / along(Op::reduce_sum, e));
      }
      case 1: {
        const Value centred = x - along(Op::reduce_sum, x) * like(x, 0.125);
        return keep(centred * rsqrt(along(Op::reduce_sum, centred * centred) + like(x, 1)) +
                    of_type(x.dtype(), x.shape()));
      }
      default: {
        if (last != 1) return;
        const Value w = of_type(x.dtype(), Shape{x.shape()[1], 17});
        const Value y = dot_general(x, w, {}, {}, {1}, {0});
        const Value biased = y + broadcast_to(of_type(x.dtype(), Shape{17}), Shape{shape[0], 17});
        keep(biased);
        return keep(max(biased, zeros_like(biased)));
      }
    }
  }

  void step() {
    if (chance(8)) return pattern();
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
      case 7: return elementwise();
      case 8:
      case 9: return reduction();
      case 10:
      case 11:
      case 12: return movement();
      case 13: return contraction();
      case 14: return indexing();
      default: return control();
    }
  }

  void elementwise() {
    const auto& row = op_table()[below(static_cast<uint64_t>(op_count))];
    if (row.family != Family::elementwise) return;
    const Value x = any();
    if (row.op == Op::cast) return keep(emit(row.op, {x}, {Attr::of(dtype())}));
    // A NaN is one value to the contract, but its bits would show.
    if (row.op == Op::bitcast) return is_floating(x.dtype()) ? void() : keep(emit(row.op, {x}, {Attr::of(dtype())}));
    if (row.op == Op::select) return keep(select(of_type(DType::boolean, x.shape()), x, of_type(x.dtype(), x.shape())));
    if (!contains(row.dtypes, x.dtype())) return;
    std::vector<Value> operands = {x};
    while (static_cast<int>(operands.size()) < row.arity) operands.push_back(of_type(x.dtype(), x.shape()));
    if (operands.size() > 1 && chance(2)) std::swap(operands[0], operands[1]);
    keep(emit(row.op, operands));
  }

  std::vector<int64_t> some_axes(const Shape& shape, uint64_t one_in) {
    std::vector<int64_t> axes;
    for (size_t i = 0; i < shape.size(); ++i)
      if (chance(one_in)) axes.push_back(static_cast<int64_t>(i));
    return axes;
  }

  void reduction() {
    const Value x = any();
    if (x.shape().empty()) return;
    const int64_t axis = static_cast<int64_t>(below(x.shape().size()));
    if (chance(6)) {
      if (x.dtype() == DType::boolean) return;
      return keep(emit(Op::cumsum, {x}, {Attr::of(std::vector{axis}), Attr::of(std::vector<int64_t>{chance(2)})}));
    }
    if (chance(6)) return keep(emit(chance(2) ? Op::argmax : Op::argmin, {x}, {Attr::of(std::vector{axis})}));
    const Op logical[] = {Op::reduce_and, Op::reduce_or},
             numeric[] = {Op::reduce_sum, Op::reduce_sum, Op::reduce_max, Op::reduce_min, Op::reduce_prod};
    const Op op = x.dtype() == DType::boolean ? logical[below(2)] : numeric[below(5)];
    const std::vector<int64_t> axes = chance(3) ? some_axes(x.shape(), 2) : std::vector{axis};
    const Value r = reduce(op, x, axes);
    keep(r);
    if (chance(2) || axes.empty()) return;  // and back: the pattern of softmax and normalization
    std::vector<int64_t> kept;
    for (int64_t i = 0; i < x.shape().rank(); ++i)
      if (std::find(axes.begin(), axes.end(), i) == axes.end()) kept.push_back(i);
    const Value back = broadcast(r, x.shape(), kept);
    keep(x.dtype() == DType::boolean ? bit_xor(x, back) : sub(x, back));
  }

  void movement() {
    const Value x = any();
    const Shape shape = x.shape();  // a copy: the graph grows
    const size_t rank = shape.size();
    switch (below(8)) {
      case 0: {  // join or split axes
        if (rank == 0) return keep(reshape(x, Shape{1}));
        if (rank == 1 && shape[0].is_number() && shape[0].number() % 2 == 0)
          return keep(reshape(x, Shape{2, shape[0].number() / 2}));
        return keep(reshape(x, Shape{c_.builder.symbols().numel(shape)}));
      }
      case 1: {
        Shape wider = shape;
        std::vector<int64_t> axes;
        const size_t at = below(rank + 1);
        wider.insert(at, extent());
        for (size_t i = 0; i <= rank; ++i)
          if (i != at) axes.push_back(static_cast<int64_t>(i));
        if (elements(wider) > most_elements_) return;
        return keep(broadcast(x, wider, axes));
      }
      case 2: {
        std::vector<int64_t> permutation;
        for (size_t i = 0; i < rank; ++i) permutation.push_back(static_cast<int64_t>(i));
        std::shuffle(permutation.begin(), permutation.end(), random_);
        return keep(transpose(x, permutation));
      }
      case 3: {
        std::vector<Dim> starts, sizes;
        std::vector<int64_t> strides;
        for (Dim d : shape) {
          strides.push_back(d.is_number() ? static_cast<int64_t>(1 + below(2)) : 1);
          starts.push_back(
              d.is_number() && d.number() > 0 ? static_cast<int64_t>(below(static_cast<uint64_t>(d.number()))) : 0);
          sizes.push_back(
              d.is_number() ? Dim((d.number() - starts.back().number() + strides.back() - 1) / strides.back()) : d);
        }
        return keep(slice(x, starts, sizes, strides));
      }
      case 4: {
        std::vector<Dim> low, high;
        std::vector<int64_t> interior;
        for (size_t i = 0; i < rank; ++i) {
          low.push_back(static_cast<int64_t>(below(3)));
          high.push_back(static_cast<int64_t>(below(3)));
          interior.push_back(shape[i].is_number() ? static_cast<int64_t>(below(2)) : 0);
        }
        return keep(pad(x, of_type(x.dtype(), {}), low, high, interior));
      }
      case 5: {
        if (rank == 0) return;
        const size_t axis = below(rank);
        Shape other = shape;
        if (chance(2)) other[axis] = extent();
        if (elements(other) > most_elements_) return;
        return keep(concat(std::vector<Value>{x, of_type(x.dtype(), other)}, static_cast<int64_t>(axis)));
      }
      case 6: return keep(reverse(x, some_axes(shape, 2)));
      default: {
        std::vector<Value> starts;
        std::vector<Dim> sizes;
        for (Dim d : shape) {
          starts.push_back(of_type(DType::i64, {}));
          sizes.push_back(d.is_number() ? Dim(d.number() / 2) : d);
        }
        if (chance(2)) return keep(dynamic_slice(x, starts, sizes));
        return keep(dynamic_update_slice(x, of_type(x.dtype(), Shape(sizes)), starts));
      }
    }
  }

  void contraction() {
    const Value x = any();
    const size_t rank = x.shape().size();
    if (rank == 0 || x.dtype() == DType::boolean) return;
    const auto contracted = static_cast<int64_t>(below(rank));
    std::vector<int64_t> batch, rhs_batch;
    Shape other;
    if (rank == 3 && chance(2)) {
      batch.push_back(contracted == 0 ? 1 : 0);
      rhs_batch.push_back(0);
      other.push_back(x.shape()[static_cast<size_t>(batch[0])]);
    }
    const bool transposed = chance(2);
    const auto k = static_cast<int64_t>(other.size() + (transposed ? 1 : 0));
    if (transposed) other.push_back(extent());
    other.push_back(x.shape()[static_cast<size_t>(contracted)]);
    if (!transposed && chance(2)) other.push_back(extent());
    const int64_t length = std::max<int64_t>(number(x.shape()[static_cast<size_t>(contracted)]), 1);
    const int64_t shared = batch.empty() ? length : length * std::max<int64_t>(number(other[0]), 1);
    const int64_t results = elements(x.shape()) / length * (elements(other) / shared);
    if (elements(other) > most_elements_ || results > most_elements_ || results * length > 300 * most_elements_) return;
    const Value y = of_type(x.dtype(), other);
    keep(dot_general(x, y, batch, rhs_batch, {contracted}, {k}));
  }

  void indexing() {
    const Value x = any();
    if (x.shape().empty()) return;
    const Attrs axis = {Attr::of(std::vector{static_cast<int64_t>(below(x.shape().size()))})};
    if (chance(3)) return keep(emit(Op::sort, {x, of_type(dtype(), x.shape())}, axis));
    const Value at = c_.input(integer_array(type_of(DType::i64, {pick({0, 1, 3, 17})}), random_, -2, 20));
    if (chance(2) || x.dtype() == DType::boolean) return keep(emit(Op::gather, {x, at}, axis));
    Shape updates = x.shape();
    updates[static_cast<size_t>(axis[0].integers[0])] = at.shape()[0];
    keep(emit(Op::scatter_add, {x, at, of_type(x.dtype(), updates)}, axis));
  }

  Attr body(const std::vector<Type>& types, uint64_t kind) {
    GraphBuilder inner("body", c_.builder.graph().symbols);
    std::vector<Value> in;
    for (const Type& type : types) in.push_back({&inner, inner.input(type)});
    const auto mix = [](Value x, Value y) {
      return x.dtype() == DType::boolean ? bit_xor(x, y) : is_floating(x.dtype()) ? tanh(x) + y : sub(x, y);
    };
    const ValueId outputs[] = {mix(in[0], in[1]).id, (kind ? mix(in[1], in[0]) : max_or(in[0], in[1])).id};
    return Attr::of(inner.finish(outputs));
  }
  static Value max_or(Value x, Value y) { return x.dtype() == DType::boolean ? bit_or(x, y) : max(x, y); }

  void control() {
    const Value x = any();
    const Type type = x.type();
    if (chance(3))
      return keep(emit(Op::cond, {of_type(DType::boolean, {}), x, of_type(type.dtype, type.shape)},
                       {body({type, type}, 0), body({type, type}, 1)}));
    if (type.shape.empty()) return;
    Type slice = type;
    slice.shape.erase(0);
    keep(emit(Op::scan, {of_type(slice.dtype, slice.shape), x},
              {body({slice, slice}, below(2)), Attr::of(std::vector<Dim>{type.shape[0]}),
               Attr::of(std::vector<int64_t>{0, 1}), Attr::of(std::vector<int64_t>{chance(2)})}));
  }

  Random random_;
  CaseBuilder c_;
  ProgramSize size_;
  Dim symbol_ = 0;
  int64_t symbol_value_ = 1, most_elements_ = 0;
  std::vector<Value> pool_;
};

}  // namespace

Case random_program(uint64_t seed, const ProgramSize& size) { return Generator(seed, size).run(); }

namespace {

// The program with these outputs (values of the old graph), where `cut` (or no_value) is an input of what it was.
Case reduced(const Case& program, std::vector<ValueId> outputs, ValueId cut) {
  const Graph& graph = *program.graph;
  std::vector<bool> needed(graph.value_count());
  for (ValueId v : outputs) needed[index(v)] = true;
  for (uint32_t n = graph.node_count(); n-- > 0;) {
    const Node& node = graph.node(NodeId{n});
    bool live = false;
    for (uint32_t i = 0; i < node.result_count; ++i)
      live = live || (needed[index(graph.result(node, i))] && graph.result(node, i) != cut);
    if (live)
      for (ValueId v : graph.operands(node)) needed[index(v)] = true;
  }
  Case result{program.name, nullptr, {}, program.nans};
  GraphBuilder to(graph.name, graph.symbols);
  to.folding = to.merging = false;
  std::vector<ValueId> values(graph.value_count(), no_value);
  for (uint32_t i = 0; i < graph.input_count(); ++i)
    if (needed[i]) {
      values[i] = to.input(graph.type(ValueId{i}));
      result.inputs.push_back(program.inputs[i]);
    }
  if (cut != no_value) {
    GraphBuilder whole(graph.name, graph.symbols);
    whole.folding = whole.merging = false;
    std::vector<ValueId> inputs;
    for (uint32_t i = 0; i < graph.input_count(); ++i) inputs.push_back(whole.input(graph.type(ValueId{i})));
    std::vector<ValueId> old_of(graph.value_count());
    for (uint32_t i = 0; i < graph.input_count(); ++i) old_of[i] = inputs[i];
    for (const Node& node : graph.nodes()) {
      std::vector<ValueId> operands;
      for (ValueId v : graph.operands(node)) operands.push_back(old_of[index(v)]);
      const ValueId first = whole.copy(graph, node, operands);
      for (uint32_t i = 0; i < node.result_count; ++i) old_of[index(graph.result(node, i))] = ValueId{index(first) + i};
    }
    values[index(cut)] = to.input(graph.type(cut));
    result.inputs.push_back(interpret(*whole.finish(std::vector{old_of[index(cut)]}), program.inputs)[0]);
  }
  for (const Node& node : graph.nodes()) {
    bool live = false;
    for (uint32_t i = 0; i < node.result_count; ++i)
      live = live || (needed[index(graph.result(node, i))] && graph.result(node, i) != cut);
    if (!live) continue;
    std::vector<ValueId> operands;
    for (ValueId v : graph.operands(node)) operands.push_back(values[index(v)]);
    const ValueId first = to.copy(graph, node, operands);
    for (uint32_t i = 0; i < node.result_count; ++i)
      if (graph.result(node, i) != cut) values[index(graph.result(node, i))] = ValueId{index(first) + i};
  }
  for (ValueId& v : outputs) v = values[index(v)];
  result.graph = to.finish(outputs);
  return result;
}

}  // namespace

Case shrunk(Case program, const std::function<bool(const Case&)>& fails, int tries) {
  const auto accept = [&](const std::vector<ValueId>& outputs, ValueId cut) {
    if (tries-- <= 0) return false;
    try {
      Case smaller = reduced(program, outputs, cut);
      if (!fails(smaller)) return false;
      program = std::move(smaller);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  };
  for (size_t i = 0; program.graph->outputs().size() > 1 && i < program.graph->outputs().size(); ++i)
    if (accept({program.graph->outputs()[i]}, no_value)) break;
  for (bool changed = true; changed && tries > 0;) {
    changed = false;
    const std::vector<ValueId> outputs(program.graph->outputs().begin(), program.graph->outputs().end());
    for (uint32_t v = program.graph->value_count(); v-- > program.graph->input_count() && !changed;)
      if (std::find(outputs.begin(), outputs.end(), ValueId{v}) == outputs.end()) changed = accept(outputs, ValueId{v});
    if (changed) continue;
    // Show an operand of the last node instead of the last node.
    for (uint32_t v = program.graph->input_count(); v < program.graph->value_count() && !changed; ++v)
      if (outputs.size() == 1 && ValueId{v} < outputs[0]) changed = accept({ValueId{v}}, no_value);
  }
  return program;
}

}  // namespace tenon::testing
