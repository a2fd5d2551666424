// Ops over the ranks of a group: types, derivatives, and what they become over lanes, which they carry along. A rank's cotangent is
// that of the loss which the ranks have together: all_reduce gives one value that all of them hold, so its cotangent is already
// everybody's; what another rank made of a value comes back from there.
//   all_gather <-> reduce_scatter     all_gather {1} <-> rank_slice     all_reduce_sum <-  rank_vary
//   permutation <-> its inverse       all_to_all <-> itself
#include "tenon/ir/rules/batch.h"
#include "tenon/ir/rules/derivative.h"
#include "tenon/ir/rules/infer.h"

namespace tenon::ir::rules {
namespace {

constexpr int64_t most_ranks = 1 << 20, most_channels = 1 << 16;

void check_group(int64_t size, int64_t stride) {
  TENON_REQUIRE(size >= 1 && size <= most_ranks, "a group has 1 to 1048576 ranks, not " + number(size));
  TENON_REQUIRE(stride >= 1 && stride <= most_ranks,
                "the ranks of a group are 1 to 1048576 apart, not " + number(stride));
}

// Numbers in the group.
void check_number(int64_t k, int64_t size, int64_t least, const char* what) {
  TENON_REQUIRE(k >= least && k < size,
                std::string(what) + " " + number(k) + " is no rank of a group of " + number(size));
}

// Of a permutation: each rank sends once and receives once, at most.
void check_pairs(const Collective& c) {
  TENON_REQUIRE(c.numbers.size() % 2 == 0 && c.numbers.size() <= 2 * static_cast<size_t>(c.size),
                "a permutation is a list of pairs, from and to, one for each rank at most");
  std::vector<bool> sends(static_cast<size_t>(c.size)), receives(sends);
  for (size_t k = 0; k < c.numbers.size(); ++k) {
    check_number(c.numbers[k], c.size, 0, k % 2 == 0 ? "from" : "to");
    auto&& seen = (k % 2 == 0 ? sends : receives)[static_cast<size_t>(c.numbers[k])];
    TENON_REQUIRE(!seen, "rank " + number(c.numbers[k]) + (k % 2 == 0 ? " sends" : " receives") + " twice");
    seen = true;
  }
}

Collective collective_of(const InferArgs& args, size_t count) {
  const Collective c(args.attrs);
  check_group(c.size, c.stride);
  TENON_REQUIRE(c.numbers.size() == count, "takes " + number(static_cast<int64_t>(count)) + " numbers of ranks, not " +
                                               number(static_cast<int64_t>(c.numbers.size())));
  return c;
}

// Which reduction a movement is a part of (passes/ranks/moves.cc).
void check_stands_for(int64_t reduction) {
  TENON_REQUIRE(reduction >= 1 && reduction <= 5, "there are reductions 1 to 5, and no " + number(reduction));
}

// One element along axis 0 for each rank.
void check_blocks(const InferArgs& args, const Collective& c) {
  TENON_REQUIRE(args.operands[0].shape.rank() > 0 && args.operands[0].shape[0] == c.size,
                "axis 0 has an element for each of the " + number(c.size) + " ranks");
}

Value again(GraphBuilder& b, Op op, Value x, const Collective& c, std::vector<int64_t> numbers = {}) {
  return apply(b, op, {&x, 1},
               CollectiveAttrs{.size = c.size, .stride = c.stride, .place = c.place, .numbers = std::move(numbers)})[0];
}

Value rank_number(GraphBuilder& b, const Collective& c) {
  return apply(b, Op::rank_index, {}, RankIndexAttrs{.size = c.size, .stride = c.stride})[0];
}

}  // namespace

std::vector<Type> infer_rank_index(const InferArgs& args) {
  const RankIndex index(args.attrs);
  check_group(index.size, index.stride);
  return {Type{DType::i64, {}}};
}

std::vector<Type> infer_all_reduce(const InferArgs& args) {
  collective_of(args, 0);
  return {args.operands[0]};
}

std::vector<Type> infer_all_gather(const InferArgs& args) {
  const Collective c(args.attrs);
  check_group(c.size, c.stride);
  TENON_REQUIRE(c.numbers.empty() || (c.numbers[0] == 1 && c.numbers.size() <= 2),
                "says 1, or nothing, of what is made of it");
  if (c.numbers.size() > 1) check_stands_for(c.numbers[1]);
  return {{args.operands[0].dtype, with_lanes(c.size, args.operands[0].shape)}};
}

std::vector<Type> infer_rank_slice(const InferArgs& args) { return infer_reduce_scatter(args); }

std::vector<Type> infer_reduce_scatter(const InferArgs& args) {
  check_blocks(args, collective_of(args, 0));
  return {{args.operands[0].dtype, lane_of(args.operands[0].shape)}};
}

std::vector<Type> infer_all_to_all(const InferArgs& args) {
  const Collective c(args.attrs);
  check_group(c.size, c.stride);
  TENON_REQUIRE(c.numbers.empty() || (c.numbers.size() == 2 && c.numbers[1] >= 0),
                "says what it stands for and of how many elements, or nothing");
  if (!c.numbers.empty()) check_stands_for(c.numbers[0]);
  check_blocks(args, c);
  return {args.operands[0]};
}

std::vector<Type> infer_collective_permute(const InferArgs& args) {
  const Collective c(args.attrs);
  check_group(c.size, c.stride);
  check_pairs(c);
  return {args.operands[0]};
}

std::vector<Type> infer_collective_broadcast(const InferArgs& args) {
  const Collective c(args.attrs);
  check_group(c.size, c.stride);
  TENON_REQUIRE(c.numbers.size() == 1 || (c.numbers.size() == 2 && c.numbers[1] == 1),
                "a broadcast has a root, and a 1 where nobody misses it when it is not used");
  check_number(c.numbers[0], c.size, 0, "root");
  return {args.operands[0]};
}

std::vector<Type> infer_exchange(const InferArgs& args) {
  const Collective c = collective_of(args, 3);
  check_number(c.numbers[0], c.size, -1, "to");
  check_number(c.numbers[1], c.size, -1, "from");
  TENON_REQUIRE(c.numbers[2] >= 0 && c.numbers[2] < most_channels,
                "channels are 0 to 65535, not " + number(c.numbers[2]));
  return {args.operands[0]};
}

std::vector<Type> infer_constrain(const InferArgs& args) {
  const Constrain c(args.attrs);
  int64_t ranks = 1;
  for (int64_t size : c.sizes) {
    check_group(size, ranks);
    ranks *= size;
  }
  TENON_REQUIRE(c.axes.size() == args.operands[0].shape.size(),
                "names an axis of the mesh, -1 or -2 for each of " + number(args.operands[0].shape.rank()) +
                    " dimensions, not for " + number(static_cast<int64_t>(c.axes.size())));
  std::vector<bool> seen(c.sizes.size());
  for (int64_t axis : c.axes) {
    if (axis == -1 || axis == -2) continue;
    TENON_REQUIRE(
        axis >= 0 && axis < static_cast<int64_t>(c.sizes.size()),
        "the mesh has " + number(static_cast<int64_t>(c.sizes.size())) + " axes, and no axis " + number(axis));
    TENON_REQUIRE(!seen[static_cast<size_t>(axis)], "two dimensions are cut along axis " + number(axis));
    seen[static_cast<size_t>(axis)] = true;
  }
  return {args.operands[0]};
}

std::vector<Type> infer_rank_barrier(const InferArgs& args) {
  collective_of(args, 0);
  return {};
}

// ---- over lanes

BatchResults batch_rank_index(const BatchArgs& args) { return {apply(args.builder, args.op, {}, args.attrs), {false}}; }

namespace {

// What no lane changes is done once.
BatchResults once(const BatchArgs& args) { return {{same_op(args, args.operands, args.attrs)}, {false}}; }

}  // namespace

BatchResults batch_collective(const BatchArgs& args) {
  return args.batched[0] ? BatchResults{{same_op(args, args.operands, args.attrs)}} : once(args);
}

BatchResults batch_all_gather(const BatchArgs& args) {
  if (!args.batched[0]) return once(args);
  return {{move_axis(same_op(args, args.operands, args.attrs), 1, 0)}};
}

BatchResults batch_reduce_scatter(const BatchArgs& args) {
  if (!args.batched[0]) return once(args);
  const Value x = move_axis(args.operands[0], 1, 0);
  return {{same_op(args, {&x, 1}, args.attrs)}};
}

BatchResults batch_all_to_all(const BatchArgs& args) {
  if (!args.batched[0]) return once(args);
  const Value x = move_axis(args.operands[0], 1, 0);
  return {{move_axis(same_op(args, {&x, 1}, args.attrs), 0, 1)}};
}

// All lanes lie whole on every rank.
BatchResults batch_constrain(const BatchArgs& args) {
  if (!args.batched[0]) return once(args);
  const Constrain c(args.attrs);
  return {{same_op(
      args, args.operands,
      ConstrainAttrs{.sizes = c.sizes, .axes = in_front<int64_t>(-1, c.axes), .names = c.names, .place = c.place})}};
}

BatchResults batch_rank_barrier(const BatchArgs& args) {
  apply(args.builder, args.op, {}, args.attrs);
  return {};
}

// ---- derivatives

std::vector<Value> all_reduce_sum_transpose(const TransposeArgs& args) { return {args.cotangents[0]}; }

// Where all make the same of it, each has the cotangent of all; else everybody's is summed.
std::vector<Value> all_gather_transpose(const TransposeArgs& args) {
  const Collective c(args.attrs);
  return {again(args.builder, c.numbers.empty() ? Op::reduce_scatter : Op::rank_slice, args.cotangents[0], c)};
}
std::vector<Value> rank_slice_transpose(const TransposeArgs& args) {
  return {again(args.builder, Op::all_gather, args.cotangents[0], Collective(args.attrs), {1})};
}
std::vector<Value> rank_vary_transpose(const TransposeArgs& args) {
  return {again(args.builder, Op::all_reduce_sum, args.cotangents[0], Collective(args.attrs))};
}
std::vector<Value> reduce_scatter_transpose(const TransposeArgs& args) {
  return {again(args.builder, Op::all_gather, args.cotangents[0], Collective(args.attrs))};
}
std::vector<Value> all_to_all_transpose(const TransposeArgs& args) {
  return {again(args.builder, Op::all_to_all, args.cotangents[0], Collective(args.attrs))};
}

std::vector<Value> collective_permute_transpose(const TransposeArgs& args) {
  const Collective c(args.attrs);
  std::vector<int64_t> back = c.numbers;
  for (size_t k = 0; k + 1 < back.size(); k += 2) std::swap(back[k], back[k + 1]);
  return {again(args.builder, args.op, args.cotangents[0], c, std::move(back))};
}
std::vector<Value> exchange_transpose(const TransposeArgs& args) {
  const Collective c(args.attrs);
  return {again(args.builder, args.op, args.cotangents[0], c, {c.numbers[1], c.numbers[0], c.numbers[2]})};
}

// A cotangent lies as its value does.
std::vector<Value> constrain_transpose(const TransposeArgs& args) {
  return {apply(args.builder, args.op, {&args.cotangents[0], 1}, args.attrs)[0]};
}

std::vector<Value> in_turn_transpose(const TransposeArgs& args) { return {args.cotangents[0]}; }

// All that was made of the root's value comes back to it.
std::vector<Value> collective_broadcast_transpose(const TransposeArgs& args) {
  const Collective c(args.attrs);
  GraphBuilder& b = args.builder;
  const Value sum = again(b, Op::all_reduce_sum, args.cotangents[0], c);
  const Value here = eq(rank_number(b, c), i64_scalar(b, c.numbers[0]));
  return {select(broadcast_to(here, sum.shape()), sum, zeros_like(sum))};
}

// As of a maximum along an axis: ranks that tie share the tangent.
std::vector<Value> all_reduce_extremum_jvp(const JvpArgs& args) {
  if (!args.tangents[0]) return absent(1);
  const Value x = args.primals[0], t = args.tangents[0], reached = eq(x, args.results[0]);
  const Collective c(args.attrs);
  const auto sum = [&](Value v) { return again(args.builder, Op::all_reduce_sum, v, c); };
  const Value ones = splat(args.builder, x.dtype(), 1, x.shape());
  return {unscale(sum(select(reached, t, zeros_like(t))), sum(select(reached, ones, zeros_like(ones))))};
}

// Each rank's tangent times the product of what the others have.
std::vector<Value> all_reduce_prod_jvp(const JvpArgs& args) {
  if (!args.tangents[0]) return absent(1);
  GraphBuilder& b = args.builder;
  const Collective c(args.attrs);
  const Value all = again(b, Op::all_gather, args.primals[0], c);
  const Value number_of = iota(b, DType::i64, all.shape(), 0);
  const Value own = eq(number_of, broadcast_to(rank_number(b, c), all.shape()));
  const Value others = reduce(Op::reduce_prod, select(own, splat(b, all.dtype(), 1, all.shape()), all), {0});
  return {again(b, Op::all_reduce_sum, scale(args.tangents[0], others), c)};
}

}  // namespace tenon::ir::rules
