// Lowers what has no tensor operand: constants, counting, random bits.
#include <cstring>

#include "tenon/ir/base/philox.h"
#include "tenon/ir/rules/lower.h"

namespace tenon::ir::rules {

// A literal of all elements is at most 64 bytes (passes/fuse/roles.cc keeps larger ones in memory), so a chain of selects finds one.
Scalar lower_constant(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Type& type = c.result_type(node);
  const std::string& raw = Constant(c.graph, node).value;
  const size_t size = static_cast<size_t>(bytes(type.dtype)), count = raw.size() / size;
  if (count == 0) return c.literal(type.dtype, 0);  // an empty constant: no element is asked for
  const auto element = [&](size_t k) {
    uint64_t bits = 0;
    std::memcpy(&bits, raw.data() + k * size, size);
    return Scalar{&c.builder, c.builder.literal(type.dtype, bits)};
  };
  Scalar value = element(count - 1);
  if (count == 1) return value;
  const Scalar linear = linear_index(c, type.shape.dims(), index);
  for (size_t k = count - 1; k-- > 0;)
    value = select(linear == c.index_literal(static_cast<int64_t>(k)), element(k), value);
  return value;
}

Scalar lower_unset(Lowering& c, const Node& node, std::span<const Scalar>) {
  return c.literal(c.result_type(node).dtype, 0);
}

Scalar lower_iota(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Iota i(c.graph, node);
  return cast(index[i.axis], i.dtype);
}

// Element i of a lane is word i rem 4 of counter block i / 4, or the word pair i rem 2 of block i / 2.
Scalar lower_random_bits(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Type& type = c.result_type(node);
  const bool wide = type.dtype == DType::u64;
  const std::vector<Dim>& lane_shape = RandomBits(c.graph, node).shape;
  const size_t lanes = index.size() - lane_shape.size();
  const auto word = [&](uint32_t operand, int64_t k) {
    const size_t leading = c.graph.type(c.graph.operands(node)[operand]).shape.size() - 1;
    std::vector<Scalar> place(index.begin(), index.begin() + static_cast<std::ptrdiff_t>(leading));
    place.push_back(c.index_literal(k));
    return c.element(node, operand, place);
  };
  const Scalar linear = linear_index(c, lane_shape, index.subspan(lanes));
  const Scalar per_block = c.index_literal(wide ? 2 : 4);
  const Scalar block = linear / per_block, part = rem(linear, per_block);
  const Scalar high = cast(block >> c.index_literal(32), DType::u32);
  const std::array<Scalar, 4> words =
      philox4x32<Scalar>({cast(block, DType::u32), high, word(1, 0), word(1, 1)}, {word(0, 0), word(0, 1)});
  if (wide) {
    const auto pair = [&](size_t k) {
      const Scalar low = cast(words[k], DType::u64), top = cast(words[k + 1], DType::u64);
      return low | (top << like(top, 32));
    };
    return select(part == c.index_literal(0), pair(0), pair(2));
  }
  Scalar value = words[3];
  for (size_t k = 3; k-- > 0;) value = select(part == c.index_literal(static_cast<int64_t>(k)), words[k], value);
  return value;
}

}  // namespace tenon::ir::rules
