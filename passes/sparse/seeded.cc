// Seeds of ones and zeros in a linear program: what moves them is done here, once, by the interpreter; a part that is zero is left
// out of sums and makes products vanish, as an absent tangent does. So few of the products of a seed that meets a few elements of
// each row are left.
//   seed 1, 0, 0, 1, 0, 0 of f64[2, 3];  %2 = slice %1, [:, 0];  %3 = scale %2, %0;  %4 = slice %1, [:, 1];  %5 = scale %4, %0   ->
//   %3 is %0, and %5 is nothing
// Refuses to follow seeds into sub-graphs: there they are data.
#include <algorithm>
#include <cstring>
#include <optional>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/passes/sparse/propagate.h"
#include "tenon/passes/sparse/seed_by_seed.h"

namespace tenon::passes {

using namespace ir;

namespace {

// What a value is for one seed: nothing, a tensor that is known, or a value of the new graph.
struct Part {
  enum class Kind : uint8_t { zero, known, value } kind = Kind::zero;
  Array array;
  ValueId id = no_value;
};

bool all_equal(const Array& a) {
  const size_t size = static_cast<size_t>(bytes(a.type.dtype));
  for (size_t at = size; at < a.data.size(); at += size)
    if (std::memcmp(a.data.data(), a.data.data() + at, size) != 0) return false;
  return true;
}
bool all_zero(const Array& a) {
  return std::all_of(a.data.begin(), a.data.end(), [](unsigned char byte) { return byte == 0; });
}

struct Seeder {
  const Graph& g;
  GraphBuilder b;
  SeedBySeed out;
  std::vector<char> depends;  // by value: on the seed
  std::vector<std::optional<Array>> known;  // of what does not depend on it
  std::vector<ValueId> shared;  // the same, in the new graph
  std::vector<Part> parts;  // of what does, for the seed at hand
  std::vector<ValueId> data_inputs;
  size_t copies = 0;  // of nodes, for all seeds

  explicit Seeder(const Graph& graph)
      : g(graph),
        b(graph.name, graph.symbols),
        depends(graph.value_count()),
        known(graph.value_count()),
        shared(graph.value_count(), no_value),
        parts(graph.value_count()) {}

  void share(std::span<const Array* const> inputs);
  void follow(const Node& n);
  bool follow_known(const Node& n);
  bool follow_algebra(const Node& n);
  void put(ValueId v, Array array);
  void put(ValueId v, ValueId id) { parts[index(v)] = {Part::Kind::value, {}, id}; }
  ValueId value(ValueId v);
  ValueId known_value(const Array& array);
};

// What does not depend on the seed: once, for all of them.
void Seeder::share(std::span<const Array* const> inputs) {
  const std::vector<bool> asked = asked_for(g);
  const uint32_t seed = g.input_count() - 1;
  depends[seed] = 1;
  for (uint32_t i = 0; i < seed; ++i) {
    shared[i] = b.input(g.type(ValueId{i}), g.input_note(i));
    if (inputs[i] && asked[i]) known[i] = *inputs[i];
  }
  std::vector<ValueId> operands;
  std::vector<const Array*> arrays;
  std::vector<Type> types;
  for (const Node& n : g.nodes()) {
    operands.clear(), arrays.clear(), types.clear();
    bool any = false, wanted = false;
    for (ValueId v : g.operands(n)) {
      any = any || depends[index(v)];
      operands.push_back(shared[index(v)]);
      if (known[index(v)]) arrays.push_back(&*known[index(v)]);
    }
    for (uint32_t r = 0; r < n.result_count; ++r) {
      depends[index(g.result(n, r))] = any;
      wanted = wanted || asked[index(g.result(n, r))];
      types.push_back(g.type(g.result(n, r)));
    }
    if (any) continue;
    b.set_location(g.location(n));
    const ValueId first = b.copy(g, n, operands);
    for (uint32_t r = 0; r < n.result_count; ++r) shared[index(g.result(n, r))] = ValueId{index(first) + r};
    if (!wanted || arrays.size() != operands.size() || has_effect(g, n) || n.op == Op::custom_call) continue;
    std::vector<Array> results = interpret(n.op, arrays, g.attrs(n), types);
    for (uint32_t r = 0; r < n.result_count; ++r) known[index(g.result(n, r))] = std::move(results[r]);
  }
}

void Seeder::put(ValueId v, Array array) {
  if (all_zero(array))
    parts[index(v)] = {};
  else
    parts[index(v)] = {Part::Kind::known, std::move(array), no_value};
}

ValueId Seeder::known_value(const Array& array) {
  if (all_equal(array) && array.numel() > 0) {
    const size_t size = static_cast<size_t>(bytes(array.type.dtype));
    const std::string first(reinterpret_cast<const char*>(array.data.data()), size);
    return broadcast_to(constant(b, array.type.dtype, {}, first), array.type.shape).id;
  }
  for (size_t k = 0; k < out.seeded.data.size(); ++k)
    if (out.seeded.data[k].type == array.type && out.seeded.data[k].data == array.data) return data_inputs[k];
  out.seeded.data.push_back(array);
  data_inputs.push_back(b.input(array.type));
  return data_inputs.back();
}

// As a value of the new graph.
ValueId Seeder::value(ValueId v) {
  if (!depends[index(v)]) return shared[index(v)];
  Part& part = parts[index(v)];
  if (part.kind == Part::Kind::value) return part.id;
  const Type& type = g.type(v);
  part.id = part.kind == Part::Kind::zero ? splat(b, type.dtype, 0, type.shape).id : known_value(part.array);
  part.kind = Part::Kind::value;
  return part.id;
}

// By the interpreter, where every seeded operand is known. What else the op is linear in adds nothing, or it were not linear.
bool Seeder::follow_known(const Node& n) {
  const Family family = def(n.op).family;
  if (family != Family::movement && family != Family::indexing && n.op != Op::neg && n.op != Op::cast) return false;
  const auto operands = g.operands(n);
  std::vector<Array> zeros;
  zeros.reserve(operands.size());
  std::vector<const Array*> arrays;
  for (ValueId v : operands) {
    const Part& part = parts[index(v)];
    if (depends[index(v)] && part.kind == Part::Kind::value) return false;
    if (depends[index(v)] && part.kind == Part::Kind::known) {
      arrays.push_back(&part.array);
    } else if (depends[index(v)] || is_continuous(g.type(v).dtype)) {
      zeros.emplace_back(g.type(v));
      arrays.push_back(&zeros.back());
    } else {
      if (!known[index(v)]) return false;
      arrays.push_back(&*known[index(v)]);
    }
  }
  std::vector<Type> types;
  for (uint32_t r = 0; r < n.result_count; ++r) types.push_back(g.type(g.result(n, r)));
  std::vector<Array> results = interpret(n.op, arrays, g.attrs(n), types);
  for (uint32_t r = 0; r < n.result_count; ++r) put(g.result(n, r), std::move(results[r]));
  return true;
}

// Sums with nothing, and products with one.
bool Seeder::follow_algebra(const Node& n) {
  const auto operands = g.operands(n);
  const ValueId result = g.result(n);
  const auto is_zero = [&](ValueId v) { return depends[index(v)] && parts[index(v)].kind == Part::Kind::zero; };
  if (n.op == Op::add || n.op == Op::sub) {
    if (is_zero(operands[1]) && depends[index(operands[0])]) {
      parts[index(result)] = parts[index(operands[0])];
      return true;
    }
    if (is_zero(operands[0]) && depends[index(operands[1])]) {
      if (n.op == Op::add)
        parts[index(result)] = parts[index(operands[1])];
      else
        put(result, b.add(Op::neg, {value(operands[1])}));
      return true;
    }
  }
  if (n.op != Op::scale && n.op != Op::mul) return false;
  for (size_t k = 0; k < (n.op == Op::scale ? 1 : 2); ++k) {
    const Part& part = parts[index(operands[k])];
    if (!depends[index(operands[k])] || part.kind != Part::Kind::known || !all_equal(part.array)) continue;
    const Array one = recast(
        [] {
          Array a(Type{DType::f64, {}});
          a.as<double>()[0] = 1;
          return a;
        }(),
        part.array.type.dtype);
    if (std::memcmp(one.data.data(), part.array.data.data(), one.data.size()) != 0) continue;
    put(result, value(operands[1 - k]));
    return true;
  }
  return false;
}

void Seeder::follow(const Node& n) {
  const auto operands = g.operands(n);
  const Family family = def(n.op).family;
  const bool straight = family == Family::elementwise || family == Family::movement || family == Family::reduction ||
                        family == Family::contraction || family == Family::indexing;
  bool nothing = straight;
  for (ValueId v : operands) nothing = nothing && (!depends[index(v)] || parts[index(v)].kind == Part::Kind::zero);
  if (nothing) {  // linear: of nothing comes nothing
    for (uint32_t r = 0; r < n.result_count; ++r) parts[index(g.result(n, r))] = {};
    return;
  }
  if (straight && (follow_known(n) || follow_algebra(n))) return;
  if (!straight || family == Family::contraction) out.dear.back().push_back(index(g.result(n)));
  ++copies;
  std::vector<ValueId> values;
  for (ValueId v : operands) values.push_back(value(v));
  const ValueId first = b.copy(g, n, values);
  for (uint32_t r = 0; r < n.result_count; ++r) put(g.result(n, r), ValueId{index(first) + r});
}

}  // namespace

SeedBySeed seed_by_seed(const Graph& graph, std::span<const ValueId> results, std::span<const Array> seeds,
                        std::span<const Array* const> known) {
  constexpr size_t most_copies = 8192;
  Seeder s(graph);
  s.share(known);
  const ValueId seed_input{graph.input_count() - 1};
  std::vector<ValueId> outputs;
  for (const Array& seed : seeds) {
    s.out.dear.emplace_back();
    s.put(seed_input, seed);
    for (const Node& n : graph.nodes()) {
      if (n.result_count == 0 || !s.depends[index(graph.result(n))]) continue;
      s.b.set_location(graph.location(n));
      s.follow(n);
    }
    for (ValueId v : results) outputs.push_back(s.value(v));
    s.out.too_large = seeds.size() > 1 && s.copies > most_copies;
    if (s.out.too_large) return std::move(s.out);
  }
  s.out.seeded.graph = dce(*s.b.finish(outputs));
  return std::move(s.out);
}

std::vector<Piece> pieces_of(const Graph& graph, ValueId vector) {
  constexpr size_t most = 64;
  std::vector<Piece> open{{vector, 0, 1, graph.type(vector).shape.numel()}}, done;
  while (!open.empty()) {
    const Piece p = open.back();
    open.pop_back();
    const NodeId producer = graph.producer(p.value);
    const Node* n = producer == no_node ? nullptr : &graph.node(producer);
    // Through changes of shape to whatever joins parts, element by element or one behind the other.
    while (n && n->op == Op::reshape && graph.producer(graph.operands(*n)[0]) != no_node)
      n = &graph.node(graph.producer(graph.operands(*n)[0]));
    const size_t parts = n ? graph.operands(*n).size() : 0;
    if (!n || n->op != Op::concat || open.size() + done.size() + parts > most) {
      done.push_back(p);
      continue;
    }
    const Shape& shape = graph.type(graph.result(*n)).shape;
    const size_t axis = Concat(graph, *n).axis;
    int64_t before = 1, behind = 1;
    for (size_t d = 0; d < shape.size(); ++d) (d < axis ? before : behind) *= d == axis ? 1 : shape[d].number();
    const int64_t row = shape[axis].number() * behind;
    int64_t at = 0;
    std::vector<Piece> list;
    for (ValueId v : graph.operands(*n)) {
      const int64_t width = graph.type(v).shape[axis].number() * behind;
      if (before != 1 && width != 1) break;  // runs that are neither whole nor single
      list.push_back({v, p.start + at * p.step, before == 1 ? p.step : p.step * row, before * width});
      at += width;
    }
    if (list.size() == parts)
      open.insert(open.end(), list.rbegin(), list.rend());
    else
      done.push_back(p);
  }
  return done;
}

}  // namespace tenon::passes
