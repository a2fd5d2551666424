// Drawing a whole program, choosing the values of its symbols, filling its inputs, deriving it.
#include "tenon/tests/random_program.h"

#include <algorithm>

#include "tenon/passes/pass.h"
#include "tenon/tests/program_draw.h"

namespace tenon::testing {

using namespace ir;

namespace {

// Named extents, with runs where they are small, 0, 1, equal, and large.
void draw_symbols(Setting& s) {
  const auto below = [&](uint64_t n) { return s.random() % n; };
  const uint64_t count = below(2) ? 0 : 1 + below(3);
  static const char* const names[] = {"n", "m", "batch"};
  std::vector<int64_t> lower;
  for (uint64_t i = 0; i < count; ++i) {
    lower.push_back(static_cast<int64_t>(below(3) == 0 ? 1 : 0));
    s.named.push_back(s.symbols->add(names[i], lower.back(), below(2) ? 4096 : INT64_MAX));
  }
  if (count == 0) {
    s.runs = {{}};
    return;
  }
  const auto run = [&](auto value) {
    std::vector<int64_t> row;
    for (uint64_t i = 0; i < count; ++i) row.push_back(std::max<int64_t>(lower[i], value()));
    s.runs.push_back(row);
  };
  const auto small = [&] {
    static constexpr int64_t all[] = {2, 3, 5, 7, 8, 10, 16, 17, 33};
    return all[below(std::size(all))];
  };
  run(small);
  if (below(2)) run([] { return 0; });
  if (below(2)) run([] { return 1; });
  if (below(3) == 0) run([&] { return static_cast<int64_t>(below(3)); });
  if (const int64_t same = small(); below(3) == 0) run([&] { return same; });
  if (below(3) == 0)
    run([&] { return s.large ? 600 + static_cast<int64_t>(below(3000)) : 40 + static_cast<int64_t>(below(100)); });
}

}  // namespace

RandomProgram random_program(uint64_t seed) {
  Setting s;
  s.random.seed(seed);
  const auto below = [&](uint64_t n) { return s.random() % n; };
  const uint64_t size = below(40);
  s.large = size < 3;
  s.most_elements = size == 0 ? 700000 : s.large ? 150000 : size < 12 ? 30000 : 3000;
  s.doubles = below(6) == 0;
  s.most_work = s.large ? 30000000 : 3000000;
  draw_symbols(s);
  Draw d(s);
  for (uint64_t i = 1 + below(3); i > 0; --i) d.fresh(d.dtype(), d.shape());
  const uint64_t parts = 1 + below(s.large ? 4 : 9), taste = below(4);
  for (uint64_t i = 0; i < parts; ++i) try {
      const uint64_t what = below(12);
      if (taste == 0 || what < 3)
        draw_step(d);
      else if (what < 8)
        draw_shape(d);
      else if (what < 10)
        draw_layer(d);
      else if (what < 11)
        draw_control(d);
      else
        draw_movement(d);
    } catch (const Error&) {
      // The row refuses these operands: another draw.
    }
  if (d.pool.empty()) d.fresh(DType::f32, {});
  for (Dim symbol : s.named) {  // one that no input mentions would have its lower bound
    const auto mentions = [&](const Recipe& r) {
      return std::find(r.type.shape.begin(), r.type.shape.end(), symbol) != r.type.shape.end();
    };
    if (std::none_of(s.recipes.begin(), s.recipes.end(), mentions)) d.fresh(DType::u8, {symbol});
  }
  std::vector<ValueId> outputs = {d.pool.back().id};
  for (Value v : d.shown) outputs.push_back(v.id);
  // Values in the middle are stored too, inputs come out, one value comes out twice.
  const uint64_t one_in = 1 + below(5);
  for (Value v : d.pool)
    if (d.chance(one_in)) outputs.push_back(v.id);
  if (d.chance(8)) outputs.push_back(outputs[below(outputs.size())]);
  return {"program " + std::to_string(seed), d.b.finish(outputs), s.recipes, s.runs};
}

RandomProgram read_program(std::string_view text, uint64_t seed) {
  RandomProgram program{"text", parse(text), {}, {}};
  Random random(seed);
  for (uint32_t i = 0; i < program.graph->input_count(); ++i)
    program.recipes.push_back({program.graph->type(ValueId{i}), random(), Filling::unit});
  const std::vector<uint32_t> symbols = program.graph->symbols->free_symbols();
  for (int64_t value : {7, 0, 1, 2, 17, 64}) {
    std::vector<int64_t> run;
    for (uint32_t i : symbols) {
      const Symbol& symbol = (*program.graph->symbols)[i];
      run.push_back(std::clamp(value, symbol.lower, symbol.upper));
    }
    if (std::find(program.runs.begin(), program.runs.end(), run) == program.runs.end()) program.runs.push_back(run);
  }
  return program;
}

const char* name(Filling filling) {
  static const char* const names[] = {"any", "unit", "special", "few", "ones", "zeros", "counts", "indices"};
  return names[static_cast<size_t>(filling)];
}

Array fill(const Type& type, const Recipe& recipe) {
  Random random(recipe.seed);
  switch (recipe.filling) {
    case Filling::any: return random_array(type, random, Domain::any);
    case Filling::unit: return random_array(type, random, Domain::unit);
    case Filling::special: return special_array(type, random, Domain::any, 1 + static_cast<int64_t>(recipe.seed % 3));
    case Filling::few: return integer_array(type, random, is_floating(type.dtype) || is_signed(type.dtype) ? -2 : 0, 4);
    case Filling::ones: return integer_array(type, random, 1, 2);
    case Filling::zeros: return Array(type);
    case Filling::counts: {
      Array a(type);
      Array numbers(type_of(DType::i64, {a.numel()}));
      for (int64_t i = 0; i < a.numel(); ++i) numbers.as<int64_t>()[i] = i % 7;
      const Type flat = {type.dtype, numbers.type.shape};
      const Array* operand = &numbers;
      a.data = interpret(Op::cast, std::span(&operand, 1), {Attr::of(type.dtype)}, std::span(&flat, 1))[0].data;
      return a;
    }
    case Filling::indices: return integer_array(type, random, -2, 20);
  }
  throw InternalError("an input without a filling");
}

Case RandomProgram::at(const std::vector<int64_t>& values) const {
  const std::vector<int64_t> all = graph->symbols->size() ? graph->symbols->evaluate(values) : std::vector<int64_t>{};
  Case result{name, graph, {}, NaNs::one_value};
  for (const Recipe& recipe : recipes) {
    Type type{recipe.type.dtype, {}};
    for (Dim d : recipe.type.shape) type.shape.push_back(Symbols::value(d, all));
    result.inputs.push_back(fill(type, recipe));
  }
  return result;
}

std::optional<RandomProgram> derived(const RandomProgram& program, Derivative kind, uint64_t seed) {
  const Graph& graph = *program.graph;
  Random random(seed);
  std::vector<bool> active;
  bool any = false;
  for (uint32_t i = 0; i < graph.input_count(); ++i) {
    active.push_back(is_floating(graph.type(ValueId{i}).dtype) && random() % 4 != 0);
    any = any || active.back();
  }
  if (!any) return std::nullopt;
  RandomProgram result = program;
  const auto add = [&](const Type& type) { result.recipes.push_back({type, random(), Filling::unit}); };
  try {
    if (kind == Derivative::forward) {
      result.name = "tangents of " + program.name;
      result.graph = passes::jvp(graph, active).graph;
      for (uint32_t i = 0; i < graph.input_count(); ++i)
        if (active[i]) add(graph.type(ValueId{i}));
      return result;
    }
    result.name = "cotangents of " + program.name;
    const passes::Vjp vjp = passes::vjp(graph, active);
    GraphBuilder b("main", graph.symbols);
    std::vector<ValueId> inputs, operands;
    for (uint32_t i = 0; i < graph.input_count(); ++i) inputs.push_back(b.input(graph.type(ValueId{i})));
    for (size_t o = 0; o < graph.outputs().size(); ++o)
      if (vjp.output_is_active[o]) {
        operands.push_back(b.input(graph.type(graph.outputs()[o])));
        add(graph.type(graph.outputs()[o]));
      }
    std::vector<ValueId> outputs = b.splice(*vjp.forward, inputs);
    operands.insert(operands.begin(), outputs.begin() + static_cast<std::ptrdiff_t>(graph.outputs().size()),
                    outputs.end());
    outputs.resize(graph.outputs().size());
    for (ValueId v : b.splice(*vjp.backward, operands)) outputs.push_back(v);
    result.graph = b.finish(outputs);
    return result;
  } catch (const Error&) {  // a while loop backwards, and the like
    return std::nullopt;
  }
}

}  // namespace tenon::testing
