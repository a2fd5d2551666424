// What ranks join becomes what they move and ordinary ops, for GPUs, where moving is what the engine of collectives does and kernels
// join: the rows of all ranks side by side, joined by the tree of runtime/tenon_ranks.h, halves as f32 and rounded once.
//   all_reduce_sum x    ->  pad, reshape [n, part]; all_to_all; row 0 + row 1, ...; all_gather; reshape, slice
//   the same, if small  ->  all_gather; row 0 + row 1, ...
//   reduce_scatter x    ->  all_to_all; row 0 + row 1, ...
// Ranks still compare what they were asked for: the numbers of a movement say what it stands for. Refuses to change bits, and to
// touch a reduction of a free extent over many ranks, which the host joins.
#include <array>
#include <optional>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/kernel/collectives.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr int64_t few_ranks = 8;  // for which every rank may hold all rows, whatever their extent
constexpr int64_t rows_at_once = 64;  // a power of two: whole subtrees of the tree

// What joins, and how ranks know it apart: 0 is none.
struct Join {
  Op reduction, by;
};
constexpr std::array joins{Join{},
                           Join{Op::all_reduce_sum, Op::add},
                           Join{Op::all_reduce_prod, Op::mul},
                           Join{Op::all_reduce_min, Op::min},
                           Join{Op::all_reduce_max, Op::max},
                           Join{Op::reduce_scatter, Op::add}};

size_t join_of(Op op) {
  for (size_t k = 1; k < joins.size(); ++k)
    if (joins[k].reduction == op) return k;
  return 0;
}

// Elements [begin, begin + size) along an axis.
Value run(Value x, size_t axis, Dim begin, Dim size) {
  std::vector<Dim> starts(x.shape().size(), Dim(0)), sizes = x.shape().dims();
  starts[axis] = begin, sizes[axis] = size;
  return slice(x, std::move(starts), std::move(sizes), std::vector<int64_t>(x.shape().size(), 1));
}

Shape without(Shape shape, size_t axis) {
  shape.erase(axis);
  return shape;
}

// An axis of few rows joined: neighbours first, then the pairs, an odd last one waiting for the next level.
Value joined_rows(Value x, size_t axis, Op by) {
  std::vector<Value> level;
  for (int64_t k = 0; k < x.shape()[axis].number(); ++k)
    level.push_back(reshape(run(x, axis, Dim(k), Dim(1)), without(x.shape(), axis)));
  while (level.size() > 1) {
    size_t made = 0;
    for (size_t k = 0; k < level.size(); k += 2)
      level[made++] = k + 1 < level.size() ? apply(*x.builder, by, std::array{level[k], level[k + 1]})[0] : level[k];
    level.resize(made);
  }
  return level[0];
}

// Axis 0 joined. Of many rows, every subtree of so many comes first: the last one may have fewer.
Value joined(Value x, Op by) {
  for (int64_t n = x.shape()[0].number(); n > rows_at_once; n = x.shape()[0].number()) {
    const int64_t whole = n / rows_at_once, rest = n % rows_at_once;
    Shape shape = x.shape();
    shape[0] = Dim(rows_at_once);
    shape.insert(0, Dim(whole));
    std::vector<Value> parts{joined_rows(reshape(run(x, 0, Dim(0), Dim(whole * rows_at_once)), shape), 1, by)};
    if (rest != 0) {
      shape = x.shape();
      shape[0] = Dim(1);
      parts.push_back(reshape(joined_rows(run(x, 0, Dim(whole * rows_at_once), Dim(rest)), 0, by), shape));
    }
    x = parts.size() == 1 ? parts[0] : concat(parts, 0);
  }
  return joined_rows(x, 0, by);
}

// The same in the dtype that ranks join in.
Value joined_wide(Value x, Op by) {
  const DType dtype = x.dtype();
  return is_half(dtype) ? cast(joined(cast(x, DType::f32), by), dtype) : joined(x, by);
}

struct Reduction {
  const Collective& c;
  size_t join;

  Value moved(Op op, Value x, std::vector<int64_t> numbers) const {
    return apply(
        *x.builder, op, {&x, 1},
        CollectiveAttrs{.size = c.size, .stride = c.stride, .place = place(), .numbers = std::move(numbers)})[0];
  }
  // "all_reduce over 'world' at a.cc:3:1": of which kind, for messages.
  std::string place() const {
    const std::string kind = "all_reduce", full(name(joins[join].reduction));
    return c.place.rfind(kind + " ", 0) == 0 ? full + c.place.substr(kind.size()) : c.place;
  }
  Value by_gathering(Value x) const { return joined_wide(moved(Op::all_gather, x, {1, code()}), joins[join].by); }
  Value in_parts(Value x) const {
    GraphBuilder& b = *x.builder;
    const Shape shape = x.shape();
    const int64_t count = shape.numel(), part = (count + c.size - 1) / c.size;
    x = reshape(x, {count});
    if (part * c.size != count) x = pad(x, splat(b, x.dtype(), 0, {}), {Dim(0)}, {Dim(part * c.size - count)}, {0});
    x = joined_wide(moved(Op::all_to_all, reshape(x, {c.size, part}), {code(), count}), joins[join].by);
    x = reshape(moved(Op::all_gather, x, {1, code()}), {c.size * part});
    if (part * c.size != count) x = run(x, 0, Dim(0), Dim(count));
    return reshape(x, shape);
  }
  Value scattered(Value x) const { return joined_wide(moved(Op::all_to_all, x, {code(), 0}), joins[join].by); }
  int64_t code() const { return static_cast<int64_t>(join); }

  std::optional<Value> of(Value x) const {
    if (joins[join].reduction == Op::reduce_scatter)
      return c.size == 1 ? reshape(x, without(x.shape(), 0)) : scattered(x);
    if (c.size == 1) return x;
    if (!x.shape().is_static()) return c.size <= few_ranks ? std::optional(by_gathering(x)) : std::nullopt;
    const bool small = x.shape().numel() <= one_message / bytes(x.dtype()) / c.size;
    return small ? by_gathering(x) : in_parts(x);
  }
};

}  // namespace

GraphPtr moves(const Graph& graph) {
  Rebuild to(graph);
  return to.sweep([&](const Node& node) {
    const size_t join = join_of(node.op);
    if (join == 0) return to.copy(node);
    const Collective c(graph, node);
    const std::optional<Value> made = Reduction{c, join}.of({&to.builder, to.operands(node)[0]});
    if (!made) return to.copy(node);
    to.set(node, 0, made->id);
  });
}

}  // namespace tenon::passes
