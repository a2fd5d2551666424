// Maps: every output at every index of the space. The innermost run of axes becomes a vector loop, in blocks when it is
// long; everything outside it is one parallel loop.
//
//   parallel %p < blocks { vector %i < min(4096, n - 4096 * %p) { store %y[4096 * %p + %i], ... } }
//
// A map that reads a transposed value goes by tiles, so that what lies side by side in memory is read together, be it on either
// side: 16 rounds along the axes that are innermost there, in a vector loop (codegen/llvm/turned.cc).
//
//   parallel %p < tiles { vector %j < min(256, n - ...) { serial %r < 16 { load %x[%j, %i + %r], store %y[%i + %r, %j] } } }
#include <algorithm>
#include <functional>

#include "tenon/passes/lower/group.h"

namespace tenon::passes {

using namespace ir;

namespace {

int64_t numel_or_zero(const std::vector<Runs::Run>& runs, const std::vector<Dim>& dims) {
  int64_t n = 1;
  for (const Runs::Run& r : runs)
    for (int i = r.begin; i < r.end; ++i) {
      if (dims[i].is_symbol()) return 0;
      n *= dims[i].number();
    }
  return n;
}

}  // namespace

int64_t grain_of(const Tiles& tiles, int64_t cost_per_iteration) {
  return std::max<int64_t>(1, tiles.work_per_chunk / std::max<int64_t>(1, cost_per_iteration));
}

ParallelLoop open_parallel(Elements& e, const std::vector<Runs::Run>& runs, const std::vector<Dim>& dims, Dim extent,
                           int64_t block, int64_t cost_per_iteration) {
  KernelBuilder& b = e.builder;
  ParallelLoop loop;
  const ScalarId zero = b.index_literal(0);
  loop.at.assign(runs.size(), zero);
  loop.base = zero;
  const bool blocked = block > 0 && !(extent.is_number() && extent.number() <= block);
  if (runs.empty() && !blocked) return loop;
  ScalarId count = b.index_literal(1);
  for (const Runs::Run& r : runs) count = e.binary(Op::mul, count, b.extent(e.product(dims, r.begin, r.end)));
  ScalarId blocks = b.index_literal(1);
  if (blocked) {
    const ScalarId up = e.binary(Op::add, b.extent(extent), b.index_literal(block - 1));
    blocks = e.binary(Op::div, up, b.index_literal(block));
    count = e.binary(Op::mul, count, blocks);
  }
  ScalarId flat = b.open_loop(LoopKind::parallel, count, {}, grain_of(e.costs.tiles, cost_per_iteration))[0];
  e.open_scope();
  loop.opened = true;
  if (blocked && runs.empty()) {
    loop.base = e.binary(Op::mul, flat, b.index_literal(block));
    return loop;
  }
  if (blocked) {
    loop.base = e.binary(Op::mul, e.binary(Op::rem, flat, blocks), b.index_literal(block));
    flat = e.binary(Op::div, flat, blocks);
  }
  loop.at = e.unflatten(flat, runs, dims);
  return loop;
}

ScalarId block_extent(Elements& e, Dim extent, int64_t block, ScalarId base) {
  KernelBuilder& b = e.builder;
  if (block == 0 || (extent.is_number() && extent.number() <= block)) return b.extent(extent);
  if (extent.is_number() && extent.number() % block == 0) return b.index_literal(block);
  return e.binary(Op::min, b.index_literal(block), e.binary(Op::sub, b.extent(extent), base));
}

namespace {

// The runs of the space that are innermost in the memory of a value that a group reads transposed, in the order in which they lie
// there: as few as make 16 elements. None where no value is.
std::vector<size_t> turned_runs(Elements& e, const std::vector<Runs::Run>& runs) {
  const std::vector<Dim>& dims = e.group.space.dims();
  const auto extent = [&](const Runs::Run& r) { return e.product(dims, r.begin, r.end); };
  const auto is_short = [&](Dim d) { return d.is_number() && d.number() < e.costs.lanes; };
  if (e.costs.lanes == 1 || is_short(extent(runs.back()))) return {};
  const Axes& axes = e.axes;
  for (NodeId n : e.group.nodes) {
    const Node& node = e.graph.node(n);
    if (node.op != Op::transpose) continue;
    const ValueId from = e.graph.operands(node)[0], to = e.graph.result(node);
    if (axes.rank(to) < 2 || axes.extents(to) != dims) continue;
    const std::vector<int>& result_axis = axes.reads(n).result_axis[0];
    std::vector<size_t> found;
    Dim together = 1;
    int axis = axes.rank(from) - 1;
    while (axis >= 0 && is_short(together)) {
      const auto run = std::find_if(runs.begin(), runs.end(), [&](const Runs::Run& r) {
        return r.end - 1 == result_axis[static_cast<size_t>(axis)];
      });
      if (run + 1 >= runs.end()) break;  // the innermost one, or in the middle of a run
      found.insert(found.begin(), static_cast<size_t>(run - runs.begin()));
      together = e.builder.symbols().product(together, extent(*run));
      axis -= run->end - run->begin;
    }
    if (!found.empty() && !is_short(together)) return found;
  }
  return {};
}

constexpr int64_t tile_columns = 256;

// Tiles of rows, numbered as they lie in the memory that is read, by columns: 16 rows together, or what is left of them.
void lower_tiles(Elements& e, const std::vector<Runs::Run>& runs, const std::vector<size_t>& turned, int64_t cost,
                 const std::function<void(const std::vector<ScalarId>&)>& body) {
  KernelBuilder& b = e.builder;
  const std::vector<Dim>& dims = e.group.space.dims();
  const int64_t rows = e.costs.lanes;
  std::vector<Runs::Run> others, inner;
  std::vector<size_t> place_of_other;
  for (size_t r : turned) inner.push_back(runs[r]);
  for (size_t r = 0; r + 1 < runs.size(); ++r)
    if (std::find(turned.begin(), turned.end(), r) == turned.end())
      others.push_back(runs[r]), place_of_other.push_back(r);
  const auto extent_of = [&](const std::vector<Runs::Run>& list) {
    ScalarId all = b.index_literal(1);
    for (const Runs::Run& r : list) all = e.binary(Op::mul, all, b.extent(e.product(dims, r.begin, r.end)));
    return all;
  };
  const ScalarId height = extent_of(inner), width = extent_of({runs.back()});
  const auto covering = [&](ScalarId extent, int64_t size) {
    return e.binary(Op::div, e.binary(Op::add, extent, b.index_literal(size - 1)), b.index_literal(size));
  };
  const ScalarId down = covering(height, rows), across = covering(width, tile_columns);
  const ScalarId count = e.binary(Op::mul, extent_of(others), e.binary(Op::mul, down, across));
  ScalarId flat = b.open_loop(LoopKind::parallel, count, {}, grain_of(e.costs.tiles, cost * rows * tile_columns))[0];
  e.open_scope();
  const ScalarId column = e.binary(Op::mul, e.binary(Op::rem, flat, across), b.index_literal(tile_columns));
  flat = e.binary(Op::div, flat, across);
  const ScalarId row = e.binary(Op::mul, e.binary(Op::rem, flat, down), b.index_literal(rows));
  const std::vector<ScalarId> outside = e.unflatten(e.binary(Op::div, flat, down), others, dims);

  const ScalarId columns = e.binary(Op::min, b.index_literal(tile_columns), e.binary(Op::sub, width, column));
  const ScalarId left = e.binary(Op::sub, height, row);  // below 16 where the tile is not whole
  const ScalarId whole = e.binary(Op::le, e.binary(Op::add, row, b.index_literal(rows)), height);
  const auto choose = [&](ScalarId yes, ScalarId no) {
    const ScalarId operands[] = {whole, yes, no};
    return b.scalar(Op::select, operands);
  };
  const auto element = [&](ScalarId r, ScalarId j) {
    std::vector<ScalarId> at(runs.size());
    for (size_t k = 0; k < others.size(); ++k) at[place_of_other[k]] = outside[k];
    const std::vector<ScalarId> inside = e.unflatten(e.binary(Op::add, row, r), inner, dims);
    for (size_t k = 0; k < turned.size(); ++k) at[turned[k]] = inside[k];
    at.back() = e.binary(Op::add, column, j);
    body(at);
  };
  const auto tile = [&](LoopKind outer, ScalarId outer_count, LoopKind kind, ScalarId inner_count) {
    const ScalarId first = b.open_loop(outer, outer_count)[0];
    e.open_scope();
    const ScalarId second = b.open_loop(kind, inner_count)[0];
    e.open_scope();
    outer == LoopKind::vector ? element(second, first) : element(first, second);
    for (int k = 0; k < 2; ++k) e.close_scope(), b.close_loop();
  };
  b.open_loop(LoopKind::serial, choose(b.index_literal(1), b.index_literal(0)));
  tile(LoopKind::vector, columns, LoopKind::serial, b.index_literal(rows));
  b.close_loop();
  tile(LoopKind::serial, choose(b.index_literal(0), left), LoopKind::vector, columns);
  e.close_scope();
  b.close_loop();
}

}  // namespace

void lower_map(Elements& e, int64_t cost) {
  const std::vector<Dim>& dims = e.group.space.dims();
  const int64_t map_block = e.costs.tiles.map_block;
  std::vector<Runs::Run> runs = e.runs.of_space();
  const auto body = [&](const std::vector<ScalarId>& at) {
    std::vector<ScalarId> values;
    for (ValueId v : e.group.outputs) values.push_back(e.at(v, e.spread(v, e.runs.of_space(), at)));
    for (size_t k = 0; k < values.size(); ++k)
      e.store(e.group.outputs[k], e.spread(e.group.outputs[k], e.runs.of_space(), at), values[k]);
  };
  if (runs.empty()) {
    body({});
    return;
  }
  if (const std::vector<size_t> turned = turned_runs(e, runs); !turned.empty())
    return lower_tiles(e, runs, turned, cost, body);
  const Runs::Run inner = runs.back();
  runs.pop_back();
  const Dim extent = e.product(dims, inner.begin, inner.end);
  const bool blocked = map_block > 0 && (runs.empty() || (extent.is_number() && extent.number() >= 2 * map_block) ||
                                         numel_or_zero(runs, dims) == 1);
  // Blocks of one size: no short last one where the extent allows it.
  int64_t block = blocked ? map_block : 0;
  if (blocked && extent.is_number() && extent.number() > map_block) {
    const int64_t blocks = (extent.number() + map_block - 1) / map_block;
    block = ((extent.number() + blocks - 1) / blocks + 15) / 16 * 16;
  }
  const int64_t each = extent.is_number() && extent.number() > 0 ? extent.number() : std::max<int64_t>(map_block, 1);
  ParallelLoop loop = open_parallel(e, runs, dims, extent, block, cost * (blocked ? std::min(each, block) : each));
  const ScalarId count = block ? block_extent(e, extent, block, loop.base) : e.builder.extent(extent);
  const ScalarId i = e.builder.open_loop(LoopKind::vector, count)[0];
  e.open_scope();
  loop.at.push_back(block ? e.binary(Op::add, loop.base, i) : i);
  body(loop.at);
  e.close_scope();
  e.builder.close_loop();
  if (loop.opened) {
    e.close_scope();
    e.builder.close_loop();
  }
}

}  // namespace tenon::passes
