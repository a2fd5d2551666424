// Makes two real values of each complex one, its real and its imaginary part, in sub-graphs too, so that everything after it (fusion,
// kernels, buffers) knows real numbers only. What the caller passes and gets stays as it lies in memory: a c64 enters and leaves as a u64
// whose low half is the real part, a c128 as two u64, one behind the other.
//   %1 = add %0, %0 : c64[4]; return %1   ->   %1, %2 = the halves of %0: u64[4]; %3 = add %1, %1; %4 = add %2, %2; return both as u64[4]
// Refuses arithmetic: complex rows are done part by part (ir/ops.def); the parts of a product are made by its formula.
#include <algorithm>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/graph/loops.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {
namespace {

using namespace ir;

bool is_complex_value(const Graph& g, ValueId v) { return is_complex(g.type(v).dtype); }

// Sub-graphs nest at most deepest_nesting deep.
bool has_complex(const Graph& g) {
  for (uint32_t v = 0; v < g.value_count(); ++v)
    if (is_complex_value(g, ValueId{v})) return true;
  for (const Node& n : g.nodes())
    for (const Attr& a : g.attrs(n))
      if (a.graph && has_complex(*a.graph)) return true;
  return false;
}

GraphPtr itself(const Graph& g) { return GraphPtr(GraphPtr{}, &g); }

// What stands for a graph is done as that graph is, also where inline_calls was left out.
GraphPtr without_calls(const Graph& g) {
  const auto stands = [](const Node& n) {
    return def(n.op).inlined || def(n.op).family == Family::transform || n.op == Op::named;
  };
  return std::ranges::any_of(g.nodes(), stands) ? inline_calls(g) : itself(g);
}

// ---- as complex numbers lie in memory

Type in_memory(const Type& t, Symbols& symbols) {
  if (t.dtype == DType::c64) return {DType::u64, t.shape};
  return {DType::u64, Shape{symbols.product(symbols.numel(t.shape), Dim(2))}};
}

struct Parts {
  Value re, im;
};

// Of rows of two, so that there may be none.
Value lane_of(Value pairs, const Shape& shape, int64_t part) {
  const Dim count = pairs.builder->symbols().numel(shape);
  const Value rows = reshape(pairs, {count, Dim(2)});
  return reshape(bitcast(slice(rows, {Dim(0), Dim(part)}, {count, Dim(1)}, {1, 1}), DType::f64), shape);
}

Parts unpacked(Value x, const Type& type) {
  const Shape shape = type.shape;
  if (type.dtype == DType::c128) return {lane_of(x, shape, 0), lane_of(x, shape, 1)};
  const auto half = [](Value v) { return bitcast(cast(v, DType::u32), DType::f32); };
  return {half(x), half(shr(x, literal(x, 32)))};
}

Value packed(const Parts& p) {
  if (p.re.dtype() == DType::f32) {
    const auto word = [](Value v) { return cast(bitcast(v, DType::u32), DType::u64); };
    const Value high = word(p.im);
    return bit_or(word(p.re), shl(high, literal(high, 32)));
  }
  // Each part with zeros between its elements: a loop over all elements, where a concatenation would have one of two.
  Symbols& symbols = p.re.builder->symbols();
  const Dim count = symbols.numel(p.re.shape()), both = symbols.product(count, Dim(2));
  const Value nothing = splat_integer(*p.re.builder, DType::u64, 0, {});
  const auto spaced = [&](Value v, int64_t before) {
    const Value bits = reshape(bitcast(v, DType::u64), {count});
    return pad(bits, nothing, {Dim(before)}, {Dim(1 - before)}, {1});
  };
  const Value all = bit_or(spaced(p.re, 0), spaced(p.im, 1));
  return all.shape()[0] == both ? all : slice(all, {Dim(0)}, {both}, {1});  // of none the spaces are left
}

// ---- one graph

constexpr size_t most_moves = 8;  // between an output and the concatenation that it is

class Planes {
 public:
  explicit Planes(const Graph& g)
      : held_(without_calls(g)), from_(*held_), to_(g.name, g.symbols), parts_(from_.value_count()) {}

  GraphPtr outermost() {
    for (uint32_t i = 0; i < from_.input_count(); ++i) {
      const Type& type = from_.type(ValueId{i});
      parts_[i].re = {&to_,
                      to_.input(is_complex(type.dtype) ? in_memory(type, *from_.symbols) : type, from_.input_note(i))};
    }
    const std::vector<Parts> raw(parts_.begin(), parts_.begin() + from_.input_count());
    for (uint32_t i = 0; i < from_.input_count(); ++i)
      if (is_complex_value(from_, ValueId{i})) parts_[i] = unpacked(raw[i].re, from_.type(ValueId{i}));
    nodes();
    std::vector<ValueId> outputs;
    for (ValueId v : from_.outputs()) {
      if (from_.is_input(v) || !is_complex_value(from_, v))
        outputs.push_back(from_.is_input(v) ? raw[index(v)].re.id : parts_[index(v)].re.id);
      else
        outputs.push_back(packed_output(v).id);
    }
    return to_.finish(outputs);
  }

  GraphPtr inner() {
    for (uint32_t i = 0; i < from_.input_count(); ++i) {
      const Type& type = from_.type(ValueId{i});
      const Type part{part_of(type.dtype), type.shape};
      parts_[i].re = {&to_, to_.input(part, from_.input_note(i))};
      if (is_complex(type.dtype)) parts_[i].im = {&to_, to_.input(part)};
    }
    nodes();
    std::vector<Value> outputs = all_parts(from_.outputs());
    std::vector<ValueId> ids;
    for (const Value& v : outputs) ids.push_back(v.id);
    return to_.finish(ids);
  }

 private:
  // A concatenation that an output is, moved as it may be on the way, is one of packed parts: whoever computes a part then stores it where
  // it ends, and nothing is packed afterwards.
  Value packed_output(ValueId v) {
    std::vector<const Node*> moves;
    ValueId at = v;
    const auto producer = [&]() -> const Node* {
      return from_.is_input(at) ? nullptr : &from_.node(from_.producer(at));
    };
    for (const Node* n = producer(); n != nullptr && moves.size() < most_moves; n = producer()) {
      if (n->op != Op::reshape && n->op != Op::transpose) break;
      moves.push_back(n);
      at = from_.operands(*n)[0];
    }
    const Node* joins = producer();
    if (joins == nullptr || joins->op != Op::concat || from_.type(v).dtype != DType::c64)
      return packed(parts_[index(v)]);
    std::vector<Value> runs;
    for (ValueId part : from_.operands(*joins)) runs.push_back(packed(parts_[index(part)]));
    Value result = apply(to_, Op::concat, runs, from_.attrs(*joins)).front();
    while (!moves.empty()) {
      result = apply(to_, moves.back()->op, std::span(&result, 1), from_.attrs(*moves.back())).front();
      moves.pop_back();
    }
    return result;
  }

  // Every value, a complex one as two.
  std::vector<Value> all_parts(std::span<const ValueId> values) const {
    std::vector<Value> result;
    for (ValueId v : values) {
      result.push_back(parts_[index(v)].re);
      if (is_complex_value(from_, v)) result.push_back(parts_[index(v)].im);
    }
    return result;
  }

  void nodes() {
    for (const Node& n : from_.nodes()) {
      to_.set_location(from_.location(n));
      node(n);
    }
  }

  void node(const Node& n) {
    const auto operands = from_.operands(n);
    if (n.op == Op::complex) return set(n, 0, {parts_[index(operands[0])].re, parts_[index(operands[1])].re});
    if (n.op == Op::real || n.op == Op::imag) {
      const Parts& z = parts_[index(operands[0])];
      return set(n, 0, {n.op == Op::real ? z.re : z.im, {}});
    }
    const Family family = def(n.op).family;
    if (family == Family::control || family == Family::effect || n.op == Op::sort) return together(n);
    bool complex = false;
    for (ValueId v : operands) complex = complex || is_complex_value(from_, v);
    for (uint32_t r = 0; r < n.result_count; ++r) complex = complex || is_complex_value(from_, from_.result(n, r));
    complex ? part_by_part(n) : together(n);
  }

  // Each part by an op of its own.
  void part_by_part(const Node& n) {
    Value results[2];
    for (int part = 0; part < 2; ++part) {
      std::vector<Value> operands;
      for (ValueId v : from_.operands(n)) {
        const Parts& p = parts_[index(v)];
        operands.push_back(part == 1 && is_complex_value(from_, v) ? p.im : p.re);
      }
      results[part] = apply(to_, n.op, operands, attrs_of_part(n, part))[0];
    }
    set(n, 0, {results[0], results[1]});
  }

  // A source says the dtype of its result, and a constant its elements.
  Attrs attrs_of_part(const Node& n, int part) const {
    Attrs attrs = from_.attrs(n);
    if (n.op != Op::constant && n.op != Op::unset) return attrs;
    const DType complex = from_.type(from_.result(n)).dtype;
    const auto size = static_cast<size_t>(bytes(part_of(complex)));
    for (Attr& a : attrs) {
      if (a.kind == AttrKind::dtype) a.dtype = part_of(complex);
      if (a.kind != AttrKind::literal) continue;
      std::string own;
      for (size_t at = static_cast<size_t>(part) * size; at < a.text.size(); at += 2 * size)
        own += a.text.substr(at, size);
      a.text = std::move(own);
    }
    return attrs;
  }

  // One op of all parts: control flow carries more values, and what a node is told of how many there are counts those.
  void together(const Node& n) {
    Attrs attrs = from_.attrs(n);
    for (Attr& a : attrs)
      if (a.graph && has_complex(*a.graph)) a.graph = Planes(*a.graph).inner();
    if (n.op == Op::while_loop || n.op == Op::scan || n.op == Op::replay) recount(n, attrs);
    const std::vector<Value> results = apply(to_, n.op, all_parts(from_.operands(n)), std::move(attrs));
    size_t next = 0;
    for (uint32_t r = 0; r < n.result_count; ++r) {
      Parts p{results[next++], {}};
      if (is_complex_value(from_, from_.result(n, r))) p.im = results[next++];
      set(n, r, p);
    }
  }

  void recount(const Node& n, Attrs& attrs) const {
    const auto operands = from_.operands(n);
    size_t at = n.op == Op::replay ? 1 : 0;  // behind the number of iterations
    for (Attr& a : attrs) {
      if (!is_counts(n, a, attrs)) continue;
      for (int64_t& count : a.integers) {
        const size_t end = at + static_cast<size_t>(count);
        for (; at < end; ++at) count += is_complex_value(from_, operands[at]);
      }
    }
  }
  static bool is_counts(const Node& n, const Attr& a, const Attrs& attrs) {
    const std::span<const AttrSpec> schema = def(n.op).attrs;
    return std::string_view(schema[static_cast<size_t>(&a - attrs.data())].name) == "counts";
  }

  void set(const Node& n, uint32_t r, const Parts& p) { parts_[index(from_.result(n, r))] = p; }

  const GraphPtr held_;
  const Graph& from_;
  GraphBuilder to_;
  std::vector<Parts> parts_;  // by value of the old graph; a real one has no second part
};

}  // namespace

GraphPtr planes(const Graph& graph) {
  if (!has_complex(graph)) return itself(graph);
  return Planes(graph).outermost();
}

}  // namespace tenon::passes
