// Collectives as ops of the graph: what the caller says is checked, brought to the form of the row, and asked with the place of the call.
#include "tenon/frontend/dist/collectives.h"

#include "tenon/frontend/dist/parts.h"
#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/named_axis.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::dist {

namespace {

Tensor given(const Operand& x, const char* what, bool numbers) {
  Tensor t = as_tensor(x, what);
  if (numbers && t.dtype() == boolean)
    throw Error(std::string(what) + ": bools have no sum or order; cast with astype", x.where());
  return t;
}

}  // namespace

Op::Op(std::string_view name) : kind(sum) {
  const std::pair<std::string_view, Kind> kinds[] = {
      {"sum", sum}, {"mean", mean}, {"max", max}, {"min", min}, {"prod", prod}};
  for (const auto& [known, k] : kinds)
    if (known == name) {
      kind = k;
      return;
    }
  throw Error("dist::Op: '" + std::string(name.substr(0, 40)) +
              "' joins nothing; there are sum, mean, max, min and prod");
}

namespace {

ir::Attrs attributes(ir::Op op, const Group& group, std::vector<int64_t> numbers, const Location& at) {
  return tenon::detail::collective_attributes(ir::name(op), group.name(), group.size(), group.stride(), at,
                                              std::move(numbers));
}

}  // namespace

Tensor asked(ir::Op op, const Tensor& x, const Group& group, std::vector<int64_t> numbers, const Location& at) {
  return apply_primitive(op, attributes(op, group, std::move(numbers), at), std::span(&x, 1), at)[0];
}

ir::Value over_ranks(ir::Op op, ir::Value x, const Group& group, const Location& at, std::vector<int64_t> numbers) {
  return ir::apply(*x.builder, op, {&x, 1}, attributes(op, group, std::move(numbers), at))[0];
}

namespace {

// Attributes of both: the size, and the axis as the one number.
std::vector<ir::Value> build_in_front(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const ir::Collective c(attrs);
  return {ir::split_blocks(x[0], static_cast<size_t>(c.numbers[0]), c.size)};
}
std::vector<ir::Value> build_from_front(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  return {ir::merge_blocks(x[0], static_cast<size_t>(ir::Collective(attrs).numbers[0]))};
}

}  // namespace

Tensor in_front(const Tensor& x, int64_t axis, int64_t size, const Location& at) {
  return apply_one({"in_front", build_in_front},
                   ir::CollectiveAttrs{.size = size, .stride = 1, .place = "", .numbers = {axis}}, {x}, at);
}
Tensor from_front(const Tensor& blocks, int64_t axis, const Location& at) {
  return apply_one({"from_front", build_from_front},
                   ir::CollectiveAttrs{.size = 1, .stride = 1, .place = "", .numbers = {axis}}, {blocks}, at);
}

Tensor all_reduce(Operand x, const Group& group, Op op) try {
  const Tensor t = given(x, "dist::all_reduce", true);
  if (op.kind == Op::mean && !is_continuous(t.dtype()))
    throw Error("dist::all_reduce: a mean of integers is no integer; cast with astype(tn::f32)", x.where());
  if (group.size() == 1) return t;
  constexpr ir::Op rows[] = {ir::Op::all_reduce_sum, ir::Op::all_reduce_sum, ir::Op::all_reduce_max,
                             ir::Op::all_reduce_min, ir::Op::all_reduce_prod};
  const Tensor joined = asked(rows[op.kind], t, group, {}, x.where());
  return op.kind == Op::mean ? joined / static_cast<double>(group.size()) : joined;
} catch (...) {
  leave_with_error("dist::all_reduce", x.where());
}

Tensor all_reduce(Operand x, const Group& group, const AllReduceOptions& options) {
  return all_reduce(std::move(x), group, options.op);
}

Tensor all_gather(Operand x, const Group& group, const AlongAxis& along) try {
  const Tensor t = given(x, "dist::all_gather", false);
  const int64_t axis = axis_of(along.axis, t.ndim(), "dist::all_gather", x.where());
  if (group.size() == 1) return t;
  return from_front(asked(ir::Op::all_gather, t, group, {}, x.where()), axis, x.where());
} catch (...) {
  leave_with_error("dist::all_gather", x.where());
}

Tensor reduce_scatter(Operand x, const Group& group, const AlongAxis& along) try {
  const Tensor t = given(x, "dist::reduce_scatter", true);
  const int64_t axis = axis_of(along.axis, t.ndim(), "dist::reduce_scatter", x.where());
  check_divides(t, axis, group, "dist::reduce_scatter", x.where());
  if (group.size() == 1) return t;
  return asked(ir::Op::reduce_scatter, in_front(t, axis, group.size(), x.where()), group, {}, x.where());
} catch (...) {
  leave_with_error("dist::reduce_scatter", x.where());
}

Tensor all_to_all(Operand x, const Group& group) try {
  const Tensor t = given(x, "dist::all_to_all", false);
  axis_of(0, t.ndim(), "dist::all_to_all", x.where());
  check_divides(t, 0, group, "dist::all_to_all", x.where());
  if (group.size() == 1) return t;
  return from_front(asked(ir::Op::all_to_all, in_front(t, 0, group.size(), x.where()), group, {}, x.where()), 0,
                    x.where());
} catch (...) {
  leave_with_error("dist::all_to_all", x.where());
}

Tensor permute(Operand x, const Group& group, const std::vector<std::pair<int, int>>& pairs) try {
  const Tensor t = given(x, "dist::permute", false);
  std::vector<int64_t> numbers;
  for (const auto& [from, to] : pairs) numbers.insert(numbers.end(), {from, to});
  return asked(ir::Op::collective_permute, t, group, std::move(numbers), x.where());
} catch (...) {
  leave_with_error("dist::permute", x.where());
}

Tensor broadcast(Operand x, const Group& group, int root) try {
  const Tensor t = given(x, "dist::broadcast", false);
  if (root < 0 || root >= group.size())
    throw Error("dist::broadcast: rank " + std::to_string(root) + " is none of the " + std::to_string(group.size()) +
                    " of '" + group.name() + "'",
                x.where());
  if (group.size() == 1) return t;
  return asked(ir::Op::collective_broadcast, t, group, {root}, x.where());
} catch (...) {
  leave_with_error("dist::broadcast", x.where());
}

Tensor exchange(Operand x, const Group& group, const Peers& peers) try {
  const Tensor t = given(x, "dist::exchange", false);
  for (int peer : {peers.to, peers.from})
    if (peer < nobody || peer >= group.size())
      throw Error("dist::exchange: rank " + std::to_string(peer) + " is none of the " + std::to_string(group.size()) +
                      " of '" + group.name() + "'",
                  x.where());
  if (peers.channel < 0 || peers.channel >= 1 << 16)
    throw Error("dist::exchange: channel " + std::to_string(peers.channel) + "; give 0 to 65535", x.where());
  return asked(ir::Op::exchange, t, group, {peers.to, peers.from, peers.channel}, x.where());
} catch (...) {
  leave_with_error("dist::exchange", x.where());
}

Tensor axis_index(const Group& group, const At& at) try {
  return apply_primitive(ir::Op::rank_index, ir::RankIndexAttrs{.size = group.size(), .stride = group.stride()}, {},
                         place(at))[0];
} catch (...) {
  leave_with_error("dist::axis_index", place(at));
}

void barrier(const Group& group, const At& at) try {
  if (group.size() == 1) return;
  apply_primitive(
      ir::Op::rank_barrier,
      tenon::detail::collective_attributes("barrier", group.name(), group.size(), group.stride(), place(at)), {},
      place(at));
} catch (...) {
  leave_with_error("dist::barrier", place(at));
}

void check_divides(const Tensor& t, int64_t axis, const Group& group, const char* what, const Location& at) {
  if (t.shape()[axis] % group.size() == 0) return;
  throw Error(std::string(what) + ": axis " + std::to_string(axis) + " of " + describe(t) +
                  " is not a multiple of the " + std::to_string(group.size()) + " ranks of '" + group.name() +
                  "'; pad it with tn::pad",
              at);
}

}  // namespace tenon::dist
