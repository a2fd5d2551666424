// What keys of a sort have lost: the bits of zeros and NaN.
#include <array>

#include "tenon/ir/rules/sort_ways.h"

namespace tenon::ir::rules {

void give_lost(const SortedRow& row, Scalar times, const std::function<Scalar(Scalar place)>& sorted_key) {
  Lowering& c = row.c;
  KernelBuilder& b = c.builder;
  const DType key = key_type(c.operand_type(row.node, 0).dtype);
  const Scalar none{&b, b.literal(key, 0)}, nan{&b, b.literal(key, largest_key(key))};
  const Scalar zero = c.index_literal(0), one = c.index_literal(1), starts[] = {zero, zero};
  const auto each_of = [&](std::span<const Scalar> start, auto body) {
    const ScalarId carries[] = {start[0].id, start[1].id};
    const std::vector<ScalarId> each = b.open_loop(LoopKind::serial, times.id, carries);
    const Scalar at{&b, each[0]}, zeros{&b, each[1]}, nans{&b, each[2]};
    const std::array<Scalar, 2> next = body(at, zeros, nans);
    const ScalarId yields[] = {next[0].id, next[1].id};
    const std::vector<ScalarId> ends = b.close_loop(yields);
    return std::array<Scalar, 2>{Scalar{&b, ends[0]}, Scalar{&b, ends[1]}};
  };
  const auto counted = [&](Scalar so_far, Scalar p) { return so_far + select(p, one, zero); };
  const std::array<Scalar, 2> first = each_of(starts, [&](Scalar at, Scalar zeros, Scalar nans) {
    const Scalar k = sorted_key(at);
    return std::array<Scalar, 2>{counted(zeros, k < none), counted(nans, k < nan)};
  });
  each_of(first, [&](Scalar at, Scalar zeros, Scalar nans) {
    const Scalar x = row.operand(0, at), k = order_key(x), is_zero = k == none, is_nan = k == nan;
    const Scalar to = clamp(select(is_zero, zeros, nans), zero, row.n - one);  // for who checks bounds
    c.store(row.node, 0, row.at(to), x, is_zero | is_nan);
    return std::array<Scalar, 2>{counted(zeros, is_zero), counted(nans, is_nan)};
  });
}

}  // namespace tenon::ir::rules
