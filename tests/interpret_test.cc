// The reference interpreter against facts that do not come from it: published vectors, the contract's trees written out as
// plain loops, values at the edges of each dtype.
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tenon/ir/base/half.h"
#include "tenon/ir/base/philox.h"
#include "tenon/ir/reference/lanes.h"
#include "tenon/tests/case_builder.h"

namespace tenon::testing {
namespace {

using namespace ir;

template <class T>
Array array_of(DType t, std::vector<int64_t> shape, std::vector<T> values) {
  Array a(type_of(t, std::move(shape)));
  EXPECT_EQ(a.data.size(), values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(a.data.data(), values.data(), a.data.size());
  return a;
}
template <class T>
std::vector<T> values_of(const Array& a) {
  return std::vector<T>(a.as<T>(), a.as<T>() + a.numel());
}
template <class T>
std::vector<T> map(Op op, DType t, std::vector<T> x) {
  const Lanes lanes = Lanes::from(t, x.data(), static_cast<int64_t>(x.size()));
  const Lanes result = elementwise(op, std::span(&lanes, 1));
  return std::vector<T>(result.as<T>(), result.as<T>() + x.size());
}
template <class T>
std::vector<T> zip(Op op, DType t, std::vector<T> x, std::vector<T> y) {
  const auto n = static_cast<int64_t>(x.size());
  const Lanes operands[] = {Lanes::from(t, x.data(), n), Lanes::from(t, y.data(), n)};
  const Lanes result = elementwise(op, operands);
  return std::vector<T>(result.as<T>(), result.as<T>() + n);
}

const float nan_f = std::numeric_limits<float>::quiet_NaN(), inf_f = std::numeric_limits<float>::infinity();

TEST(Lanes, IntegersWrapAndDivisionIsDefined) {
  EXPECT_EQ(zip<int8_t>(Op::add, i8, {127, -128}, {1, -1}), (std::vector<int8_t>{-128, 127}));
  EXPECT_EQ(zip<uint16_t>(Op::mul, u16, {65535}, {65535}), (std::vector<uint16_t>{1}));
  EXPECT_EQ(zip<int32_t>(Op::div, i32, {7, -7, 5, INT32_MIN}, {2, 2, 0, -1}),
            (std::vector<int32_t>{3, -3, 0, INT32_MIN}));
  EXPECT_EQ(zip<int32_t>(Op::rem, i32, {7, -7, 5, INT32_MIN}, {2, 2, 0, -1}), (std::vector<int32_t>{1, -1, 5, 0}));
  EXPECT_EQ(map<int64_t>(Op::abs, i64, {INT64_MIN, -3}), (std::vector<int64_t>{INT64_MIN, 3}));
}

TEST(Lanes, ShiftsPastTheWidthAreDefined) {
  EXPECT_EQ(zip<int32_t>(Op::shl, i32, {1, 1, 1}, {31, 32, -1}), (std::vector<int32_t>{INT32_MIN, 0, 0}));
  EXPECT_EQ(zip<int32_t>(Op::shr, i32, {-8, -8, 8, -8}, {1, 32, 99, -1}), (std::vector<int32_t>{-4, -1, 0, -1}));
  EXPECT_EQ(zip<uint8_t>(Op::shr, u8, {200, 200}, {1, 8}), (std::vector<uint8_t>{100, 0}));
}

TEST(Lanes, MinAndMaxPropagateNaNAndOrderZeros) {
  const std::vector<float> high = zip<float>(Op::max, f32, {-0.f, 0.f, 1, nan_f}, {0.f, -0.f, nan_f, 1});
  EXPECT_FALSE(std::signbit(high[0]) || std::signbit(high[1]));
  EXPECT_TRUE(std::isnan(high[2]) && std::isnan(high[3]));
  const std::vector<float> low = zip<float>(Op::min, f32, {-0.f, 0.f}, {0.f, -0.f});
  EXPECT_TRUE(std::signbit(low[0]) && std::signbit(low[1]));
}

TEST(Lanes, SignAndRoundKeepNegativeZero) {
  for (Op op : {Op::sign, Op::round, Op::trunc, Op::ceil})
    EXPECT_TRUE(std::signbit(map<float>(op, f32, {-0.f})[0])) << name(op);
  EXPECT_EQ(map<float>(Op::round, f32, {0.5f, 1.5f, 2.5f, -0.5f}), (std::vector<float>{0, 2, 2, 0}));
  EXPECT_EQ(map<float>(Op::sign, f32, {-3, 5, inf_f}), (std::vector<float>{-1, 1, 1}));
}

TEST(Lanes, FloatToIntegerSaturates) {
  const std::vector<float> x = {nan_f, inf_f, -inf_f, 3.9f, -3.9f, 2147483648.f, -2147483904.f};
  const Lanes lanes = Lanes::from(f32, x.data(), 7);
  const Lanes to_i32 = cast(lanes, i32), to_u8 = cast(lanes, u8);
  const std::vector<int32_t> expected = {0, INT32_MAX, INT32_MIN, 3, -3, INT32_MAX, INT32_MIN};
  const std::vector<uint8_t> bytes = {0, 255, 0, 3, 0, 255, 0};
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(to_i32.as<int32_t>()[i], expected[i]) << x[i];
    EXPECT_EQ(to_u8.as<uint8_t>()[i], bytes[i]) << x[i];
  }
}

TEST(Half, EveryValueSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits)
    for (HalfFormat format : {f16_format, bf16_format}) {
      const float wide = half_to_float(format, static_cast<uint16_t>(bits));
      if (std::isnan(wide)) continue;
      ASSERT_EQ(half_from_double(format, wide), bits);
    }
}

// Neighbours bracket the value, ties go to the even one: the definition of round to nearest, checked between all values.
TEST(Half, RoundsToNearestEven) {
  for (HalfFormat format : {f16_format, bf16_format})
    for (uint16_t bits = 0; bits + 1 < format.infinity(); ++bits) {
      const double low = half_to_float(format, bits), high = half_to_float(format, static_cast<uint16_t>(bits + 1));
      const double middle = (low + high) / 2;
      const uint16_t even = static_cast<uint16_t>(bits & 1 ? bits + 1 : bits);
      ASSERT_EQ(half_from_double(format, middle), even);
      ASSERT_EQ(half_from_double(format, std::nextafter(middle, low)), bits);
      ASSERT_EQ(half_from_double(format, std::nextafter(middle, high)), bits + 1);
    }
}

TEST(Half, RoundsOnceFromIntegersAndOverflowsToInfinity) {
  EXPECT_EQ(half_from_double(f16_format, 65519.99), 0x7bff);
  EXPECT_EQ(half_from_double(f16_format, 65520), 0x7c00);
  EXPECT_EQ(half_from_double(f16_format, -1e300), 0xfc00);
  // 2^62 + 2^54 is a tie of bf16; one more is above it, though f64 cannot hold that one.
  const int64_t tie = (int64_t{1} << 62) + (int64_t{1} << 54);
  EXPECT_EQ(half_from_double(bf16_format, odd_double(tie)), 0x5e80);
  EXPECT_EQ(half_from_double(bf16_format, odd_double(tie + 1)), 0x5e81);
  EXPECT_EQ(half_from_double(bf16_format, odd_double(-tie - 1)), 0xde81);
}

TEST(Half, ComputesInF32AndRoundsOnce) {
  EXPECT_EQ(zip<uint16_t>(Op::mul, f16, {0x3c01}, {0x3c01}), (std::vector<uint16_t>{0x3c02}));  // (1 + 2^-10)^2
  EXPECT_EQ(zip<uint16_t>(Op::add, bf16, {0x3f80}, {0x3b80}), (std::vector<uint16_t>{0x3f80}));  // 1 + 2^-8, a tie
  EXPECT_EQ(map<uint16_t>(Op::neg, f16, {0x7e05}), (std::vector<uint16_t>{0xfe05}));  // a NaN keeps its bits
}

// Vectors of Random123's kat_vectors, philox4x32 with 10 rounds.
TEST(Philox, KnownAnswers) {
  const struct {
    uint32_t counter[4], key[2], expected[4];
  } known[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  const Lanes one(u32, 1);
  for (const auto& k : known) {
    std::array<Lanes, 4> counter;
    for (size_t i = 0; i < 4; ++i) counter[i] = like_bits(one, k.counter[i]);
    const auto words = philox4x32<Lanes>(counter, {like_bits(one, k.key[0]), like_bits(one, k.key[1])});
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(*words[i].as<uint32_t>(), k.expected[i]);
  }
}

TEST(Philox, ElementsFollowCounterBlocks) {
  CaseBuilder c("bits");
  const Value key = c.input(array_of<uint32_t>(u32, {2}, {0, 0})),
              counter = c.input(array_of<uint32_t>(u32, {2}, {0, 0}));
  c.output(
      apply(c.builder, Op::random_bits, std::vector{key, counter}, {Attr::of(u32), Attr::of(std::vector<Dim>{4})})[0]);
  c.output(
      apply(c.builder, Op::random_bits, std::vector{key, counter}, {Attr::of(u64), Attr::of(std::vector<Dim>{2})})[0]);
  const Case bits = c.finish();
  const std::vector<Array> results = interpret(*bits.graph, bits.inputs);
  EXPECT_EQ(values_of<uint32_t>(results[0]), (std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(values_of<uint64_t>(results[1]), (std::vector<uint64_t>{0xe169c58d6627e8d5, 0x9b00dbd8bc57ac4c}));
}

// ---- the trees, as loops over scalars

float pairwise(std::vector<float> parts) {
  while (parts.size() > 1) {
    std::vector<float> next;
    for (size_t i = 0; i < parts.size(); i += 2)
      next.push_back(i + 1 < parts.size() ? parts[i] + parts[i + 1] : parts[i]);
    parts = next;
  }
  return parts[0];
}
float row_sum(const std::vector<float>& x) {
  std::vector<float> blocks;
  for (size_t b = 0; b < x.size(); b += 512) {
    float lane[16];
    for (float& l : lane) l = -0.f;
    for (size_t i = b; i < std::min(b + 512, x.size()); ++i) lane[i % 16] += x[i];
    for (size_t half = 8; half > 0; half /= 2)
      for (size_t l = 0; l < half; ++l) lane[l] += lane[l + half];
    blocks.push_back(lane[0]);
  }
  return pairwise(blocks);
}
float column_sum(const std::vector<float>& x) {
  std::vector<float> blocks;
  for (size_t b = 0; b < x.size(); b += 64) {
    float sum = -0.f;
    for (size_t i = b; i < std::min(b + 64, x.size()); ++i) sum += x[i];
    blocks.push_back(sum);
  }
  return pairwise(blocks);
}

Array reduced(Op op, const Array& x, std::vector<int64_t> axes) {
  CaseBuilder c("reduce");
  c.output(reduce(op, c.input(x), std::move(axes)));
  const Case one = c.finish();
  return interpret(*one.graph, one.inputs)[0];
}

TEST(Reduction, FollowsTheContractsTrees) {
  Random random(1);
  for (int64_t n : {1, 15, 16, 17, 67, 511, 512, 513, 1024, 1025, 2600, 5000}) {
    const Array x = random_array(type_of(f32, {n}), random, Domain::unit);
    EXPECT_EQ(values_of<float>(reduced(Op::reduce_sum, x, {0}))[0], row_sum(values_of<float>(x))) << n;
    Array column = x;
    column.type = type_of(f32, {n, 1});
    EXPECT_EQ(values_of<float>(reduced(Op::reduce_sum, column, {0}))[0], column_sum(values_of<float>(x))) << n;
    EXPECT_EQ(values_of<float>(reduced(Op::reduce_sum, column, {0, 1}))[0], row_sum(values_of<float>(x)))
        << "one group " << n;
  }
}

TEST(Reduction, TheLastGroupIsReducedFirst) {
  Random random(2);
  const Array x = random_array(type_of(f32, {70, 2, 30}), random, Domain::unit);
  const std::vector<float> v = values_of<float>(x), sums = values_of<float>(reduced(Op::reduce_sum, x, {0, 2}));
  for (size_t j = 0; j < 2; ++j) {
    std::vector<float> rows;
    for (size_t i = 0; i < 70; ++i)
      rows.push_back(row_sum(std::vector<float>(v.begin() + static_cast<long>((i * 2 + j) * 30),
                                                v.begin() + static_cast<long>((i * 2 + j + 1) * 30))));
    EXPECT_EQ(sums[j], column_sum(rows));
  }
}

TEST(Reduction, EmptyAndZeros) {
  EXPECT_FALSE(std::signbit(values_of<float>(reduced(Op::reduce_sum, Array(type_of(f32, {0})), {0}))[0]));
  const Array zeros = array_of<float>(f32, {3}, {-0.f, -0.f, -0.f});
  EXPECT_TRUE(std::signbit(values_of<float>(reduced(Op::reduce_sum, zeros, {0}))[0]));
  EXPECT_EQ(values_of<float>(reduced(Op::reduce_prod, Array(type_of(f32, {0})), {0}))[0], 1);
  EXPECT_EQ(values_of<float>(reduced(Op::reduce_max, Array(type_of(f32, {0})), {0}))[0], -inf_f);
}

TEST(Reduction, HalvesAccumulateInF32) {
  const Array x = array_of<uint16_t>(f16, {4096}, std::vector<uint16_t>(4096, 0x3c00));  // ones: f16 would stop at 2048
  EXPECT_EQ(values_of<uint16_t>(reduced(Op::reduce_sum, x, {0}))[0], 0x6c00);
}

TEST(Reduction, ArgTakesTheFirstAndNaNWins) {
  const Array x = array_of<float>(f32, {2, 4}, {1, 3, 3, 2, 0, nan_f, nan_f, 9});
  EXPECT_EQ(values_of<int64_t>(reduced(Op::argmax, x, {1})), (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(values_of<int64_t>(reduced(Op::argmin, x, {1})), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(values_of<int64_t>(reduced(Op::argmax, array_of<float>(f32, {2}, {-0.f, 0.f}), {0}))[0], 0);
}

TEST(CumulativeSum, ChainsInsideBlocks) {
  Random random(3);
  const Array x = random_array(type_of(f32, {9000}), random, Domain::unit);
  CaseBuilder c("cumsum");
  c.output(apply(c.builder, Op::cumsum, std::vector{c.input(x)},
                 {Attr::of(std::vector<int64_t>{0}), Attr::of(std::vector<int64_t>{0})})[0]);
  const Case one = c.finish();
  const std::vector<float> v = values_of<float>(x), y = values_of<float>(interpret(*one.graph, one.inputs)[0]);
  float chain = 0, offset = 0;
  for (size_t i = 0; i < v.size(); ++i) {
    if (i % 4096 == 0) {
      if (i == 4096) offset = chain;
      if (i > 4096) offset += chain;
      chain = v[i];
    } else {
      chain += v[i];
    }
    ASSERT_EQ(y[i], i < 4096 ? chain : offset + chain) << i;
  }
}

TEST(Dot, IsOneFmaChainPerSegment) {
  Random random(4);
  const Array a = random_array(type_of(f32, {1, 9000}), random, Domain::unit),
              b = random_array(type_of(f32, {9000, 1}), random, Domain::unit);
  CaseBuilder c("dot");
  c.output(dot_general(c.input(a), c.input(b), {}, {}, {1}, {0}));
  const Case one = c.finish();
  std::vector<float> parts;
  for (size_t k = 0; k < 9000; ++k) {
    if (k % 4096 == 0) parts.push_back(0);
    parts.back() = std::fma(a.as<float>()[k], b.as<float>()[k], parts.back());
  }
  EXPECT_EQ(values_of<float>(interpret(*one.graph, one.inputs)[0])[0], pairwise(parts));
}

TEST(Dot, NamesBatchAndFreeAxesInOrder) {
  CaseBuilder c("dot");  // [k, batch, i] x [batch, j, k] -> [batch, i, j]
  Array a(type_of(i64, {3, 2, 2})), b(type_of(i64, {2, 2, 3}));
  for (int64_t i = 0; i < 12; ++i) a.as<int64_t>()[i] = b.as<int64_t>()[i] = i + 1;
  c.output(dot_general(c.input(a), c.input(b), {1}, {0}, {0}, {2}));
  const Case one = c.finish();
  const Array result = interpret(*one.graph, one.inputs)[0];
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t i = 0; i < 2; ++i)
      for (int64_t j = 0; j < 2; ++j) {
        int64_t sum = 0;
        for (int64_t k = 0; k < 3; ++k) sum += (k * 4 + n * 2 + i + 1) * (n * 6 + j * 3 + k + 1);
        EXPECT_EQ(result.as<int64_t>()[n * 4 + i * 2 + j], sum);
      }
}

TEST(Sort, IsStableWithNaNLast) {
  CaseBuilder c("sort");
  const Value keys = c.input(array_of<float>(f32, {6}, {nan_f, 0.f, -0.f, -1, nan_f, -1}));
  c.outputs(
      apply(c.builder, Op::sort, std::vector{keys, iota(c.builder, i64, {6}, 0)}, {Attr::of(std::vector<int64_t>{0})}));
  const Case one = c.finish();
  EXPECT_EQ(values_of<int64_t>(interpret(*one.graph, one.inputs)[1]), (std::vector<int64_t>{3, 5, 1, 2, 0, 4}));
}

TEST(Indexing, GatherClampsAndScatterDrops) {
  CaseBuilder c("indexing");
  const Value x = c.input(array_of<int32_t>(i32, {3}, {10, 20, 30}));
  const Value at = c.input(array_of<int64_t>(i64, {4}, {-7, 1, 9, 1}));
  const Value updates = c.input(array_of<int32_t>(i32, {4}, {1, 2, 4, 8}));
  c.output(take(x, at, 0));
  c.output(scatter(x, at, updates, 0));
  const Case one = c.finish();
  const std::vector<Array> results = interpret(*one.graph, one.inputs);
  EXPECT_EQ(values_of<int32_t>(results[0]), (std::vector<int32_t>{10, 20, 30, 20}));
  EXPECT_EQ(values_of<int32_t>(results[1]), (std::vector<int32_t>{10, 30, 30}));
}

TEST(Convolution, SkipsPaddedTaps) {
  CaseBuilder c("convolution");  // an infinite weight on padding must not make a NaN
  const Value x = c.input(array_of<float>(f32, {1, 2, 1}, {1, 2}));
  const Value kernel = c.input(array_of<float>(f32, {3, 1, 1}, {inf_f, 1, 10}));
  const std::vector<int64_t> one{1};
  c.output(apply(c.builder, Op::convolution, std::vector{x, kernel},
                 {Attr::of(one), Attr::of(one), Attr::of(one), Attr::of(one), Attr::of(one), Attr::of(one)})[0]);
  const Case whole = c.finish();
  EXPECT_EQ(values_of<float>(interpret(*whole.graph, whole.inputs)[0]), (std::vector<float>{21, inf_f}));
}

TEST(Interpret, BindsSymbolsAndRefusesWhatDoesNotFit) {
  CaseBuilder c("symbols");
  const Dim n = c.builder.symbols().add("n", 1, 8);
  const Value x = c.symbolic_input({f32, Shape{n}}), y = c.symbolic_input({f32, Shape{n}});
  c.output(concat(std::vector{x, y}, 0));
  const Case one = c.finish();
  const Array three = array_of<float>(f32, {3}, {1, 2, 3}), two = array_of<float>(f32, {2}, {4, 5});
  EXPECT_EQ(interpret(*one.graph, std::vector{three, three})[0].numel(), 6);
  EXPECT_THROW(interpret(*one.graph, std::vector{three, two}), Error);
  EXPECT_THROW(interpret(*one.graph, std::vector{three}), Error);
  EXPECT_THROW(interpret(*one.graph, std::vector{Array(type_of(f32, {9})), Array(type_of(f32, {9}))}), Error);
  EXPECT_THROW(interpret(*one.graph, std::vector{Array(type_of(f64, {3})), three}), Error);
}

}  // namespace
}  // namespace tenon::testing
