// Reference meaning of random bits: element i of the result is a word of counter block i / 4 (u32) or i / 2 (u64).
#include "tenon/ir/base/philox.h"
#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_index.h"

namespace tenon::ir::rules {

namespace {

// The elements of one lane.
void draw(const uint32_t* key, const uint32_t* counter, int64_t total, bool wide, unsigned char* to) {
  const int64_t per_block = wide ? 2 : 4, blocks = (total + per_block - 1) / per_block;
  Lanes low(DType::u32, blocks), high(DType::u32, blocks);
  for (int64_t b = 0; b < blocks; ++b) {
    low.as<uint32_t>()[b] = static_cast<uint32_t>(b);
    high.as<uint32_t>()[b] = static_cast<uint32_t>(b >> 32);
  }
  const std::array<Lanes, 4> words =
      philox4x32<Lanes>({low, high, like_bits(low, counter[0]), like_bits(low, counter[1])},
                        {like_bits(low, key[0]), like_bits(low, key[1])});
  const auto word = [&](int64_t block, int64_t i) { return words[i].as<uint32_t>()[block]; };
  for (int64_t i = 0; i < total; ++i) {
    const int64_t block = i / per_block, part = i % per_block;
    if (wide)
      reinterpret_cast<uint64_t*>(to)[i] = word(block, 2 * part) | static_cast<uint64_t>(word(block, 2 * part + 1))
                                                                       << 32;
    else
      reinterpret_cast<uint32_t*>(to)[i] = word(block, part);
  }
}

}  // namespace

std::vector<Array> eval_random_bits(const EvalArgs& args) {
  const uint32_t *key = args.operands[0]->as<uint32_t>(), *counter = args.operands[1]->as<uint32_t>();
  Array result(args.results[0]);
  const bool wide = result.type.dtype == DType::u64;
  const int64_t lanes = args.operands[0]->numel() / 2, total = lanes == 0 ? 0 : result.numel() / lanes;
  const int64_t counters = args.operands[1]->type.shape.rank() == 1 ? 0 : 2;  // from one lane's to the next
  auto* const to = reinterpret_cast<unsigned char*>(result.data.data());
  for (int64_t lane = 0; lane < lanes; ++lane)
    draw(key + 2 * lane, counter + counters * lane, total, wide, to + lane * total * (wide ? 8 : 4));
  return one_result(std::move(result));
}

}  // namespace tenon::ir::rules
