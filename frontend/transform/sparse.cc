// From a traced function to the program of its sparse derivative: the pattern by propagation, the fewest products by colouring
// columns (forward) or rows (reverse), the values from the products to their places in the rows.
#include "tenon/frontend/transform/sparse.h"

#include <algorithm>
#include <deque>
#include <mutex>

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/frontend/transform/function.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/sparse/sparse.h"

namespace tenon::detail {

using ir::Array;
using passes::GraphPtr;
using passes::Pattern;

namespace {

constexpr size_t most_programs = 16;  // of one callable; the oldest go

// The values of a pattern's elements, from one product for each colour.
struct Recipe {
  GraphPtr graph;  // linear in its last input: inputs of f..., direction -> product
  uint32_t product = 0;  // its output
  std::vector<Array> directions;
  struct Place {
    int64_t element = 0, colour = 0;  // of the colour's product
  };
  std::vector<Place> places;  // of each element of the matrix
};

struct SparseProgram {
  GraphPtr function;  // what was traced, to know it again
  std::vector<BufferPtr> known;  // the integer tensors whose values the pattern belongs to; null: not known
  Csr csr;  // without values
  GraphPtr values;  // inputs of f..., data... -> the values
  std::vector<Tensor> data;
  Function<Tensor(std::vector<Tensor>)> compiled;  // the same, for calls that are not traced
};

// The values that indices may come from.
std::vector<BufferPtr> known_integers(const std::vector<Tensor>& all) {
  std::vector<BufferPtr> known;
  for (const Tensor& t : all)
    known.push_back(t.cell()->concrete() && !is_continuous(t.dtype()) ? buffer_of(t, "sparse", {}) : nullptr);
  return known;
}

void refuse(const char* name, const char* wanted, const char* remedy, const ir::Type& type, const Location& at) {
  throw Error(std::string(name) + ": the function must give a floating-point " + wanted + ", and it gives " +
                  ir::to_string(type) + "; " + remedy,
              at);
}

void check_program(Sparse what, const Program& p, const Location& at) {
  const char* name = what == Sparse::jacobian ? "sparse_jacobian" : "sparse_hessian";
  if (p.graph->outputs().size() != 1)
    throw Error(std::string(name) + ": the function must give one " + (what == Sparse::jacobian ? "vector" : "scalar") +
                    ", and it gives " + std::to_string(p.graph->outputs().size()) + " tensors",
                at);
  const ir::Type& argument = p.graph->type(ir::ValueId{0});
  const ir::Type& type = p.graph->type(p.graph->outputs()[0]);
  if (!is_floating(argument.dtype))
    throw Error(std::string(name) + ": by an argument of type " + ir::to_string(argument) +
                    ", which has no derivatives; cast it to a floating-point type",
                at);
  if (what == Sparse::jacobian && (type.shape.rank() != 1 || !is_floating(type.dtype)))
    refuse(name, "vector", "reshape it to one axis: reshape({-1})", type, at);
  if (what == Sparse::hessian && (type.shape.rank() != 0 || !is_floating(type.dtype)))
    refuse(name, "scalar", "reduce it with tn::sum", type, at);
}

std::vector<bool> by_first(const ir::Graph& g) {
  std::vector<bool> active(g.input_count(), false);
  active[0] = true;
  return active;
}

// The gradient as a vector.
GraphPtr gradient_of(const ir::Graph& f) {
  const GraphPtr both = passes::value_and_grad(f, by_first(f));
  ir::GraphBuilder b(f.name, f.symbols);
  std::vector<ir::ValueId> inputs;
  for (uint32_t i = 0; i < f.input_count(); ++i) inputs.push_back(b.input(f.type(ir::ValueId{i}), f.input_note(i)));
  const ir::Value gradient{&b, b.splice(*both, inputs)[1]};
  const ir::ValueId vector = ir::reshape(gradient, Shape({gradient.shape().numel()})).id;
  return passes::dce(*b.finish(std::span(&vector, 1)));
}

// inputs of f..., cotangent -> cotangent of the first input.
GraphPtr pullback_of(const ir::Graph& f) {
  const passes::Vjp vjp = passes::vjp(f, by_first(f));
  ir::GraphBuilder b(f.name, f.symbols);
  std::vector<ir::ValueId> inputs;
  for (uint32_t i = 0; i < f.input_count(); ++i) inputs.push_back(b.input(f.type(ir::ValueId{i}), f.input_note(i)));
  const ir::ValueId cotangent = b.input(f.type(f.outputs()[0]));
  const auto forward = b.splice(*vjp.forward, inputs);
  std::vector<ir::ValueId> operands(forward.begin() + 1, forward.end());
  operands.push_back(cotangent);
  const std::vector<ir::ValueId> outputs = b.splice(*vjp.backward, operands);
  return passes::dce(*b.finish(outputs));
}

// One direction for each colour: ones where an element has it.
std::vector<Array> directions(const passes::Colouring& colouring, const ir::Type& type) {
  std::vector<Array> list;
  for (int64_t c = 0; c < colouring.count; ++c) {
    Array ones(ir::Type{f64, type.shape});
    for (size_t k = 0; k < colouring.colour.size(); ++k) ones.as<double>()[k] = colouring.colour[k] == c ? 1 : 0;
    list.push_back(ir::recast(ones, type.dtype));
  }
  return list;
}

Recipe jacobian_recipe(const ir::Graph& f, const Pattern& pattern) {
  const Pattern turned = passes::transposed(pattern);
  const auto fullest = [](const Pattern& p) {
    size_t most = 0;
    for (int64_t r = 0; r < p.rows; ++r) most = std::max(most, p.row(r).size());
    return static_cast<int64_t>(most);
  };
  passes::Colouring columns, rows;
  // Columns need as many colours as the fullest row has elements, rows as many as the fullest column.
  const bool rows_first = fullest(turned) < fullest(pattern);
  (rows_first ? rows : columns) = passes::colour_columns(rows_first ? turned : pattern);
  const int64_t first = rows_first ? rows.count : columns.count;
  bool by_rows = rows_first;
  if (first > (rows_first ? fullest(pattern) : fullest(turned))) {
    (rows_first ? columns : rows) = passes::colour_columns(rows_first ? pattern : turned);
    by_rows = rows.count < columns.count;
  }
  Recipe recipe;
  const passes::Colouring& used = by_rows ? rows : columns;
  if (by_rows) {
    recipe.graph = pullback_of(f);
    recipe.directions = directions(used, f.type(f.outputs()[0]));
  } else {
    const passes::Jvp jvp = passes::jvp(f, by_first(f));
    recipe.graph = jvp.graph;
    recipe.product = jvp.output_has_tangent[0] ? 1 : 0;
    recipe.directions = directions(used, f.type(ir::ValueId{0}));
  }
  for (int64_t r = 0; r < pattern.rows; ++r)
    for (int64_t c : pattern.row(r))
      recipe.places.push_back(by_rows ? Recipe::Place{c, used.colour[static_cast<size_t>(r)]}
                                      : Recipe::Place{r, used.colour[static_cast<size_t>(c)]});
  return recipe;
}

// An element is read from its own row where its column's colour is alone there, else from its column's.
Recipe hessian_recipe(const ir::Graph& gradient, const Pattern& pattern) {
  const passes::Colouring used = passes::colour_symmetric(pattern);
  const passes::Jvp jvp = passes::jvp(gradient, by_first(gradient));
  Recipe recipe;
  recipe.graph = jvp.graph;
  recipe.product = jvp.output_has_tangent[0] ? 1 : 0;
  recipe.directions = directions(used, gradient.type(ir::ValueId{0}));
  std::vector<int64_t> seen(static_cast<size_t>(used.count));
  for (int64_t r = 0; r < pattern.rows; ++r) {
    const auto colour = [&](int64_t c) { return used.colour[static_cast<size_t>(c)]; };
    for (int64_t c : pattern.row(r)) seen[static_cast<size_t>(colour(c))] = 0;
    for (int64_t c : pattern.row(r)) ++seen[static_cast<size_t>(colour(c))];
    for (int64_t c : pattern.row(r)) {
      const bool alone = seen[static_cast<size_t>(colour(c))] == 1;
      recipe.places.push_back(alone ? Recipe::Place{r, colour(c)} : Recipe::Place{c, colour(r)});
    }
  }
  return recipe;
}

// Where the elements of the matrix stand among the parts of the products that have any: part and number within it.
struct Parts {
  std::vector<size_t> outputs;  // of the seeded graph: colour * pieces + piece, in the order of pieces, then colours
  std::vector<std::pair<int64_t, int64_t>> places;
};
Parts parts_of(const Recipe& recipe, const std::vector<passes::Piece>& pieces, int64_t length) {
  std::vector<std::pair<int64_t, int64_t>> piece_of(static_cast<size_t>(length));
  for (size_t k = 0; k < pieces.size(); ++k)
    for (int64_t i = 0; i < pieces[k].count; ++i)
      piece_of[static_cast<size_t>(pieces[k].start + i * pieces[k].step)] = {static_cast<int64_t>(k), i};
  const size_t colours = recipe.directions.size();
  std::vector<int64_t> number(pieces.size() * colours, -1);
  const auto part = [&](const Recipe::Place& p) -> int64_t& {
    const auto piece = static_cast<size_t>(piece_of[static_cast<size_t>(p.element)].first);
    return number[piece * colours + static_cast<size_t>(p.colour)];
  };
  for (const Recipe::Place& p : recipe.places) part(p) = 0;
  Parts parts;
  for (size_t k = 0; k < number.size(); ++k)
    if (number[k] == 0) {
      number[k] = static_cast<int64_t>(parts.outputs.size());
      parts.outputs.push_back(k % colours * pieces.size() + k / colours);
    }
  for (const Recipe::Place& p : recipe.places)
    parts.places.emplace_back(part(p), piece_of[static_cast<size_t>(p.element)].second);
  return parts;
}

// Elements [from, from + count) of parts [first, first + parts): of one element after the other, each part's.
struct Block {
  int64_t first = 0, parts = 1, from = 0, count = 1;
};
std::vector<Block> blocks_of(const std::vector<std::pair<int64_t, int64_t>>& places) {
  std::vector<Block> blocks;
  for (size_t at = 0; at < places.size();) {
    const auto [part, element] = places[at];
    Block block{part, 1, element, 1};
    const auto is = [&](size_t k, int64_t p, int64_t e) { return k < places.size() && places[k] == std::pair(p, e); };
    while (is(at + static_cast<size_t>(block.parts), part + block.parts, element)) ++block.parts;
    const auto column = [&](int64_t e) {
      for (int64_t p = 0; p < block.parts; ++p)
        if (!is(at + static_cast<size_t>((e - element) * block.parts + p), part + p, e)) return false;
      return true;
    };
    while (column(element + block.count)) ++block.count;
    at += static_cast<size_t>(block.parts * block.count);
    blocks.push_back(block);
  }
  return blocks;
}

// The elements of the matrix from the parts. A few blocks are turned; other places are data.
ir::Value placed(ir::GraphBuilder& b, const std::vector<ir::Value>& parts, const Parts& where,
                 std::vector<Array>& data) {
  constexpr size_t few = 8;
  const std::vector<Block> blocks = blocks_of(where.places);
  const auto length = [](ir::Value v) { return v.shape().numel(); };
  if (blocks.size() > few) {
    std::vector<ir::Value> flat;
    std::vector<int64_t> start{0};
    for (ir::Value v : parts) flat.push_back(v), start.push_back(start.back() + length(v));
    Array places(ir::Type{i64, Shape({static_cast<int64_t>(where.places.size())})});
    for (size_t k = 0; k < where.places.size(); ++k)
      places.as<int64_t>()[k] = start[static_cast<size_t>(where.places[k].first)] + where.places[k].second;
    const ir::Value all = flat.size() == 1 ? flat[0] : ir::concat(flat, 0), at{&b, b.input(places.type)};
    data.push_back(std::move(places));
    return ir::take(all, at, 0);
  }
  std::vector<ir::Value> turned;
  for (const Block& block : blocks) {
    std::vector<ir::Value> rows;
    for (int64_t p = 0; p < block.parts; ++p) {
      const ir::Value v = parts[static_cast<size_t>(block.first + p)];
      const ir::Value run = length(v) == block.count ? v : ir::slice(v, {block.from}, {block.count}, {1});
      rows.push_back(ir::reshape(run, Shape({1, block.count})));
    }
    const ir::Value together = rows.size() == 1 ? rows[0] : ir::transpose(ir::concat(rows, 0), {1, 0});
    turned.push_back(ir::reshape(together, Shape({block.parts * block.count})));
  }
  return turned.size() == 1 ? turned[0] : ir::concat(turned, 0);
}

// One graph for all products and their places.
void build_values(SparseProgram& program, const Recipe& recipe, std::span<const Array* const> known, DType dtype) {
  const ir::Graph& g = *recipe.graph;
  const ir::ValueId product = g.outputs()[recipe.product];
  const std::vector<passes::Piece> pieces = passes::pieces_of(g, product);
  std::vector<ir::ValueId> results;
  for (const passes::Piece& p : pieces) results.push_back(p.value);
  passes::Seeded s = passes::seeded(g, results, recipe.directions, known);
  const Parts where = parts_of(recipe, pieces, g.type(product).shape.numel());
  ir::GraphBuilder b(g.name, g.symbols);
  std::vector<ir::ValueId> inputs;
  for (uint32_t i = 0; i < s.graph->input_count(); ++i)
    inputs.push_back(b.input(s.graph->type(ir::ValueId{i}), s.graph->input_note(i)));
  const std::vector<ir::ValueId> outputs = b.splice(*s.graph, inputs);
  std::vector<ir::Value> parts;
  for (size_t o : where.outputs) {
    const ir::Value v{&b, outputs[o]};
    parts.push_back(ir::reshape(v, Shape({v.shape().numel()})));
  }
  const ir::Value values = parts.empty() ? ir::splat(b, dtype, 0, Shape({0})) : placed(b, parts, where, s.data);
  program.values = passes::dce(*b.finish(std::span(&values.id, 1)));
  for (const Array& a : s.data) program.data.push_back(copy_from(a.data.data(), Extents(a.type.shape), a.type.dtype));
}

std::shared_ptr<SparseProgram> make_program(Sparse what, const Program& p, const std::vector<Tensor>& all,
                                            std::vector<BufferPtr> known) {
  auto program = std::make_shared<SparseProgram>();
  program->function = p.graph;
  const GraphPtr f = what == Sparse::jacobian ? p.graph : gradient_of(*p.graph);
  std::vector<Array> arrays(all.size());
  std::vector<const Array*> values(all.size(), nullptr);
  for (size_t i = 0; i < all.size(); ++i)
    if (known[i]) {
      arrays[i] = Array(all[i].cell()->type);
      known[i]->read(arrays[i].data.data());
      values[i] = &arrays[i];
    }
  Pattern pattern = passes::sparsity(*f, 0, values);
  if (what == Sparse::hessian) pattern = passes::symmetric(pattern);
  const Recipe recipe = what == Sparse::jacobian ? jacobian_recipe(*f, pattern) : hessian_recipe(*f, pattern);
  values.push_back(nullptr);
  build_values(*program, recipe, values, f->type(f->outputs()[0]).dtype);
  const auto numbers = [](const std::vector<int64_t>& v) {
    return copy_from(v.data(), {static_cast<int64_t>(v.size())}, i64);
  };
  program->csr = {numbers(pattern.row_offsets), numbers(pattern.columns), {}, pattern.rows, pattern.cols};
  program->known = std::move(known);
  return program;
}

}  // namespace

struct SparsePrograms {
  Mutex lock;
  std::deque<std::shared_ptr<SparseProgram>> list;  // the newest first
};

// Whether what was made of one graph serves in the place of another: a table of symbols is of one trace.
static bool fits(const ir::Graph& made, const ir::Graph& asked) {
  return (made.symbols == asked.symbols || made.symbols->size() == 0) && ir::same_structure(made, asked);
}

std::shared_ptr<SparsePrograms> make_sparse_programs() { return std::make_shared<SparsePrograms>(); }

Csr run_sparse(Sparse what, SparsePrograms& programs, const Program& p, const std::vector<Tensor>& inputs,
               const Location& at) {
  const FloatEnvironment standard;
  check_program(what, p, at);
  std::vector<Tensor> all = p.inputs(inputs);
  std::vector<BufferPtr> known = known_integers(all);
  std::shared_ptr<SparseProgram> program;
  {
    const std::lock_guard hold(programs.lock);
    for (const auto& candidate : programs.list)
      if (candidate->known == known && fits(*candidate->function, *p.graph)) program = candidate;
  }
  if (!program) {
    program = make_program(what, p, all, std::move(known));
    const auto run = [values = program->values, data = program->data, at](const std::vector<Tensor>& given) {
      std::vector<Tensor> operands = given;
      operands.insert(operands.end(), data.begin(), data.end());
      return apply_graph(*values, operands, at)[0];
    };
    program->compiled = jit(run, {.name = what == Sparse::jacobian ? "sparse_jacobian" : "sparse_hessian"});
    std::shared_ptr<SparseProgram> oldest;  // goes when the lock is free again
    const std::lock_guard hold(programs.lock);
    programs.list.push_front(program);
    if (programs.list.size() > most_programs) oldest = std::move(programs.list.back()), programs.list.pop_back();
  }
  Csr csr = program->csr;
  if (!tracing()) {
    csr.values = program->compiled(all);
    return csr;
  }
  all.insert(all.end(), program->data.begin(), program->data.end());
  csr.values = apply_graph(*program->values, all, at)[0];
  return csr;
}

}  // namespace tenon::detail
