// What the ranks of a group do together, as functions of tensors: eager, traced, differentiated, batched and compiled like any other.
// Every rank of the group calls the same functions in the same order with tensors of one type; where they do not, each gets an
// Error that says who does what. A group of one does nothing. Bits do not depend on the engine: sums and their kind are joined by
// one tree over the ranks (runtime/tenon_ranks.h).
// Derivatives: what all_reduce gives is one value that every rank holds, so a loss made of it is one number and its cotangent is
// everybody's; of the others the loss is the sum of the ranks' numbers (ir/rules/collectives.cc).
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "tenon/frontend/dist/world.h"

namespace tenon::dist {

// How values are joined: by Op::mean, by tn::dist::mean, or by "mean".
struct Op {
  enum Kind { sum, mean, max, min, prod };
  Op(Kind of) : kind(of) {}  // NOLINT
  Op(std::string_view name);  // NOLINT: Error for another name
  Op(const char* name) : Op(std::string_view(name)) {}  // NOLINT
  Kind kind;
};
inline constexpr Op::Kind sum = Op::sum, mean = Op::mean, max = Op::max, min = Op::min, prod = Op::prod;

struct AllReduceOptions {
  Op op = Op::sum;
};
struct AlongAxis {
  int64_t axis = 0;
};

// The ranks' x joined element by element, the same on each. mean: of floating tensors.
Tensor all_reduce(Operand x, const Group& group, const AllReduceOptions& options = {});
Tensor all_reduce(Operand x, const Group& group, Op op);
// The ranks' x one behind the other along an axis, by rank, the same on each.
Tensor all_gather(Operand x, const Group& group, const AlongAxis& along = {});
// The sum of the ranks' x, of which each rank gets its part along an axis; the extent is a multiple of the group's size.
Tensor reduce_scatter(Operand x, const Group& group, const AlongAxis& along = {});
// Axis 0 is one block for each rank: block k of rank r becomes block r of rank k.
Tensor all_to_all(Operand x, const Group& group);
// x of the rank that `pairs` (from, to) name for this one, zeros where none does. Each rank stands once on either side at most.
Tensor permute(Operand x, const Group& group, const std::vector<std::pair<int, int>>& pairs);
Tensor broadcast(Operand x, const Group& group, int root = 0);  // the root's x

constexpr int nobody = -1;
struct Peers {
  int to = nobody, from = nobody;  // numbers in the group
  int channel = 0;  // messages of one pair arrive on each in the order in which they are sent
};
// Sends x to one rank and gives what another sends, which has x's type; zeros where nobody does. Send and receive in one, so that
// no order of them can block. Of the group only these ranks take part.
Tensor exchange(Operand x, const Group& group, const Peers& peers);

Tensor axis_index(const Group& group, const At& at = At::current());  // this rank's number in the group, an i64 scalar
void barrier(const Group& group, const At& at = At::current());  // returns when every rank of the group has come here

}  // namespace tenon::dist
