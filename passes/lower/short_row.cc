// Rows of a few elements: lanes are rows, and a row's elements stand in registers, one behind the other. One row at a time would
// leave most lanes of a vector idle.
//
//   parallel %p < blocks { vector %i < 256 {
//     %x0 = load %x[256 * %p + %i, 0], %x1 = load %x[.., 1], ...
//     %max = max(max(%x0, %x2), max(%x1, %x3)) ... store %y[.., 0], ... } }
//
// Reductions are the trees of the contract (docs/numbers.md, Reductions) written out. Refuses rows whose code would be long.
#include "tenon/passes/lower/reduce.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr int64_t longest = 16, most_elements = 512;  // of a row, and times nodes: compile time grows with both
constexpr int64_t rows_of_a_block = 256;
static_assert(longest <= row_tree.lanes);

struct ShortRow {
  Elements& e;
  const std::vector<Runs::Run> row;
  const int64_t length;
  std::vector<ScalarId> at;  // of the outer runs

  Index wide(ValueId v, int64_t j) const {
    std::vector<ScalarId> all = at;
    for (ScalarId s : e.unflatten(e.builder.index_literal(j), row, e.group.space.dims())) all.push_back(s);
    return e.spread(v, e.runs.of_space(), all);
  }
  Index narrow(ValueId v) const { return e.spread(v, e.runs.of_outer(), at); }
  bool is_wide(ValueId v) const { return e.axes.extents(v) == e.group.space.dims(); }

  // One element is a lane of the tree, or a link of its chain: what is combined with nothing stays as it is.
  ScalarId joined(Op combine, const Tree& tree, std::vector<ScalarId> elements) const {
    const size_t count = elements.size();
    if (tree.lanes == 1)
      for (size_t j = 1; j < count; ++j) elements[0] = e.binary(combine, elements[0], elements[j]);
    else
      for (size_t half = static_cast<size_t>(tree.lanes) / 2; half >= 1; half /= 2)
        for (size_t j = 0; j < half && j + half < count; ++j)
          elements[j] = e.binary(combine, elements[j], elements[j + half]);
    return elements[0];
  }
  // The first NaN, else the first of the extreme elements.
  ScalarId place_of(Op combine, const std::vector<ScalarId>& elements) const {
    const auto number = [&](size_t j) { return e.builder.literal(DType::i32, j); };
    ScalarId best = elements[0], place = number(0);
    for (size_t j = 1; j < elements.size(); ++j) {
      const ScalarId x = elements[j];
      ScalarId better = e.binary(combine == Op::argmax ? Op::gt : Op::lt, x, best);
      if (is_floating(e.builder.dtype(x))) {
        const ScalarId first_nan = e.binary(Op::bit_and, e.binary(Op::ne, x, x), e.binary(Op::eq, best, best));
        better = e.binary(Op::bit_or, better, first_nan);
      }
      best = choose(better, x, best);
      place = choose(better, number(j), place);
    }
    return place;
  }
  ScalarId choose(ScalarId condition, ScalarId x, ScalarId y) const {
    const ScalarId operands[] = {condition, x, y};
    return e.builder.scalar(Op::select, operands);
  }
  void reduce(const Node& n) const {
    const ValueId result = e.graph.result(n);
    const Reductions one = reductions_of(e.graph, e.group, nullptr, [&](ValueId v) { return v == result; });
    std::vector<ScalarId> elements;
    for (int64_t j = 0; j < length; ++j) elements.push_back(one.yields(e, [&](ValueId x) { return wide(x, j); })[0]);
    const ScalarId value = def(n.op).positional ? place_of(one.combines[0], elements)
                                                : joined(one.combines[0], tree_of(e.graph, n), std::move(elements));
    one.set_results(e, {value}, [&](ValueId v) { return narrow(v); });
  }
  void body() const {
    for (NodeId id : e.group.nodes)
      if (const Node& n = e.graph.node(id); def(n.op).family == Family::reduction) reduce(n);
    std::vector<ScalarId> values;
    const auto each = [&](auto visit) {
      for (ValueId v : e.group.outputs)
        for (int64_t j = 0; j < (is_wide(v) ? length : 1); ++j) visit(v, is_wide(v) ? wide(v, j) : narrow(v));
    };
    each([&](ValueId v, const Index& index) { values.push_back(e.at(v, index)); });
    size_t next = 0;
    each([&](ValueId v, const Index& index) { e.store(v, index, values[next++]); });
  }
};

}  // namespace

bool lower_short_row(Elements& e, int64_t cost) {
  const std::vector<Dim>& dims = e.group.space.dims();
  const Dim length = e.product(dims, e.group.reduced_begin, e.group.reduced_end);
  if (e.costs.lanes == 1 || !length.is_number() || length.number() < 2 || length.number() > longest) return false;
  if (length.number() * static_cast<int64_t>(e.group.nodes.size()) > most_elements) return false;
  for (NodeId id : e.group.nodes) {
    const OpDef& row = def(e.graph.node(id).op);
    if (row.family == Family::reduction && row.combine == Op{}) return false;
  }
  std::vector<Runs::Run> outer, row;
  for (const Runs::Run& r : e.runs.of_space()) (r.end <= e.group.reduced_begin ? outer : row).push_back(r);
  if (outer.empty()) return false;
  const Runs::Run inner = outer.back();
  const Dim rows = e.product(dims, inner.begin, inner.end);
  if (rows.is_number() && rows.number() < 2 * e.costs.lanes) return false;
  outer.pop_back();

  ParallelLoop loop = open_parallel(e, outer, dims, rows, rows_of_a_block, cost * length.number() * rows_of_a_block);
  const bool blocked = !(rows.is_number() && rows.number() <= rows_of_a_block);
  const ScalarId i = e.builder.open_loop(LoopKind::vector, block_extent(e, rows, rows_of_a_block, loop.base))[0];
  e.open_scope();
  loop.at.push_back(blocked ? e.binary(Op::add, loop.base, i) : i);
  ShortRow{e, row, length.number(), loop.at}.body();
  e.close_scope();
  e.builder.close_loop();
  if (loop.opened) {
    e.close_scope();
    e.builder.close_loop();
  }
  return true;
}

}  // namespace tenon::passes
