// Threefry 2x32 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3; SC 2011), as other libraries draw with it.
// Tenon's own draws are Philox's (ir/base/philox.h). Refuses counters that are not pairs of words.
#include "tenon/frontend/ops/composed.h"
#include "tenon/frontend/random/draw.h"
#include "tenon/frontend/random/random.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

Value turned_left(Value x, int by) { return bit_or(shl(x, literal(x, by)), shr(x, literal(x, 32 - by))); }

// Twenty rounds in groups of four; after each group the next two of the three key words and the group's number.
std::vector<Value> build_threefry(ir::GraphBuilder&, Values given, const ir::Attrs&) {
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  const Value counter = given[1];
  const int last = counter.shape().rank() - 1;
  const auto part = [](Value v, int axis, int64_t i) {
    std::vector<Dim> starts(v.shape().size(), Dim(0)), sizes = v.shape().dims();
    starts[static_cast<size_t>(axis)] = Dim(i), sizes[static_cast<size_t>(axis)] = Dim(1);
    return slice(v, starts, sizes, std::vector<int64_t>(sizes.size(), 1));
  };
  Value x = part(counter, last, 0), y = part(counter, last, 1);
  const auto key_word = [&](int64_t i) { return broadcast_to(part(given[0], 0, i), x.shape()); };
  const Value first = key_word(0), second = key_word(1);
  const Value keys[3] = {first, second, bit_xor(bit_xor(first, second), literal(first, 0x1BD11BDA))};
  x = x + keys[0], y = y + keys[1];
  for (int group = 0; group < 5; ++group) {
    for (const int by : rotations[group % 2]) {
      x = x + y;
      y = bit_xor(turned_left(y, by), x);
    }
    x = x + keys[(group + 1) % 3];
    y = y + keys[(group + 2) % 3] + literal(y, group + 1);
  }
  const Value both[] = {x, y};
  return {ir::concat(both, last)};
}

}  // namespace
}  // namespace formula

Tensor random::threefry2x32(const Tensor& key, const Tensor& counter, const At& where) try {
  const Location at = place(where);
  check_key(key, at);
  if (!counter.defined() || counter.dtype() != u32 || counter.ndim() == 0 ||
      !(counter.shape()[counter.ndim() - 1] == Dim(2)))
    throw Error("threefry2x32: the counter is u32 with pairs of words along its last axis, not " + describe(counter),
                at);
  return apply_one({"threefry2x32", formula::build_threefry}, {}, {key, counter}, at);
} catch (...) {
  leave_with_error("threefry2x32", place(where));
}

}  // namespace tenon
