// What numbers mean at their limits, at the public functions' doors: ranges, slices, loops, indices, names of extents, and
// what an error says.
#include <gtest/gtest.h>

#include <climits>
#include <cmath>

#include "tenon/tenon.h"

namespace tn = tenon;
namespace {

using tn::Tensor;

TEST(DoorValues, RangesAtTheLimits) {
  EXPECT_EQ(tn::arange(INT64_MIN, INT64_MAX, int64_t{1} << 62).to_vector<int64_t>(),
            (std::vector<int64_t>{INT64_MIN, -(int64_t{1} << 62), 0, int64_t{1} << 62}));
  EXPECT_EQ(tn::arange(INT64_MAX, INT64_MIN, INT64_MIN).to_vector<int64_t>(), (std::vector<int64_t>{INT64_MAX, -1}));
  EXPECT_EQ(tn::arange(INT64_MAX - 2, INT64_MAX).to_vector<int64_t>(),
            (std::vector<int64_t>{INT64_MAX - 2, INT64_MAX - 1}));
  EXPECT_EQ(tn::arange(3, 3, INT64_MIN).numel(), 0);
  EXPECT_THROW(tn::arange(INT64_MIN, INT64_MAX), tn::Error);
  for (double odd : {std::nan(""), HUGE_VAL, -HUGE_VAL, 5e-324})
    EXPECT_THROW(tn::arange(0.0, 1.0, odd), tn::Error) << odd;
  EXPECT_THROW(tn::arange(-1e308, 1e308, 1e-308), tn::Error);
  EXPECT_THROW(tn::arange(uint64_t{1} << 63), tn::Error);
}

TEST(DoorValues, SlicesAtTheLimits) {
  const Tensor x = tn::arange(0, 6);
  using V = std::vector<int64_t>;
  EXPECT_EQ((x[{tn::slice(1, 5, INT64_MAX)}].to_vector<int64_t>()), (V{1}));
  EXPECT_EQ((x[{tn::slice(4, 0, INT64_MIN)}].to_vector<int64_t>()), (V{4}));
  EXPECT_EQ((x[{tn::slice(INT64_MIN, INT64_MAX, 4)}].to_vector<int64_t>()), (V{0, 4}));
  EXPECT_EQ((x[{tn::slice(INT64_MAX, INT64_MIN, -4)}].to_vector<int64_t>()), (V{5, 1}));
  EXPECT_EQ((x[{tn::slice(INT64_MAX, INT64_MAX, 1)}].numel()), 0);
  EXPECT_THROW(x[UINT64_MAX], tn::Error);
  EXPECT_THROW(x[INT64_MIN], tn::Error);
}

TEST(DoorValues, LoopsAtTheLimits) {
  const auto count = [](int64_t low, int64_t high) {
    const auto body = [](const Tensor& i, const Tensor& s) { return tn::where(i > s, i, s); };
    return tn::fori_loop(low, high, body, tn::full({}, INT64_MIN, {.dtype = tn::i64})).item<int64_t>();
  };
  EXPECT_EQ(count(INT64_MAX - 3, INT64_MAX), INT64_MAX - 1);
  EXPECT_EQ(count(INT64_MIN, INT64_MIN + 2), INT64_MIN + 1);
  EXPECT_EQ(count(INT64_MAX, INT64_MAX), INT64_MIN);
  EXPECT_THROW(count(INT64_MIN, INT64_MAX), tn::Error);
  EXPECT_THROW(count(-2, INT64_MAX), tn::Error);
}

// The same program serves other extents of the same pattern: what was checked for the first must hold for the second.
TEST(DoorValues, ACachedPatternChecksAgain) {
  const auto slice = [](int64_t extent, int64_t size) {
    const Tensor starts[] = {tn::full({}, 0, {.dtype = tn::i64})};
    return tn::dynamic_slice(tn::arange(0, extent), starts, {size});
  };
  EXPECT_EQ(slice(5, 3).numel(), 3);
  EXPECT_THROW(slice(3, 5), tn::Error);
  const auto update = [](int64_t extent, int64_t size) {
    const Tensor starts[] = {tn::full({}, 0, {.dtype = tn::i64})};
    return tn::dynamic_update_slice(tn::arange(0, extent), tn::arange(0, size), starts);
  };
  EXPECT_EQ(update(5, 3).numel(), 5);
  EXPECT_THROW(update(3, 5), tn::Error);
  EXPECT_EQ(tn::broadcast_to(tn::ones({1}), {7}).numel(), 7);
  EXPECT_THROW(tn::broadcast_to(tn::ones({1}), {int64_t{1} << 62}), tn::Error);
}

TEST(DoorValues, ErrorsNameTheFunctionAndThePlace) {
  const auto error_of = [](auto f) -> std::string {
    try {
      f();
    } catch (const tn::Error& e) {
      return e.what();
    }
    return "no error";
  };
  const auto expect = [](const std::string& error, const char* op) {
    EXPECT_NE(error.find(op), std::string::npos) << error;
    EXPECT_NE(error.find("door_values_test.cc"), std::string::npos) << error;
  };
  const float x = 1;
  constexpr int64_t huge = int64_t{1} << 62;
  expect(error_of([&] { tn::zeros({-1}); }), "zeros: extent 0 of the shape is -1");
  expect(error_of([&] { tn::spec({-1, 4}, tn::f32); }), "spec: extent 0 of the shape is -1");
  expect(error_of([&] { tn::copy_from(&x, {huge}, tn::f32); }), "copy_from: a tensor of shape");
  expect(error_of([&] { tn::copy_from(nullptr, {1}, tn::f32); }), "copy_from: the address is null");
  expect(error_of([&] { tn::from_blob(&x, {4, -huge}, tn::f32); }), "from_blob: extent 1");
  expect(error_of([&] { tn::sum(tn::zeros({2, 2, 0, INT64_MAX - 1})); }), "zeros");
  expect(error_of([&] { tn::full({huge}, 1); }), "full");
  expect(error_of([&] { tn::ones({INT64_MIN}); }), "ones");
  expect(error_of([&] { tn::one_hot(tn::tensor({1, 2}), huge); }), "one_hot");
  expect(error_of([&] { tn::uniform(tn::key(1), {huge}); }), "uniform");
  expect(error_of([&] { tn::normal(tn::key(1), {-2}); }), "normal");
  expect(error_of([&] { tn::reshape(tn::ones({2}), {huge, 4}); }), "reshape");
  expect(error_of([&] { tn::pad(tn::ones({2}), {{huge, huge}}); }), "pad");
}

// A named extent means the symbol of its name in whatever program it comes into, never another one of the same number.
TEST(DoorValues, NamedExtentsKeepTheirName) {
  const tn::Dim first = tn::dim("doors_first", 1, 100), second = tn::dim("doors_second", 1, 100);
  const auto traced = tn::trace([&](const Tensor& x) { return x + tn::zeros({second}); }, tn::spec({second}, tn::f32));
  EXPECT_NE(traced.ir().find("f32[doors_second]"), std::string::npos) << traced.ir();
  EXPECT_EQ(traced.ir().find("doors_first"), std::string::npos) << traced.ir();
  const Tensor stand_in = tn::spec({first, 4}, tn::f32);
  EXPECT_EQ(tn::to_string(stand_in), "spec(f32[doors_first, 4])");
  EXPECT_EQ(stand_in.numel(), first * 4);
  EXPECT_THROW((void)static_cast<int64_t>(stand_in.numel()), tn::Error);
  EXPECT_THROW(stand_in.to_vector(), tn::Error);
  EXPECT_THROW(stand_in.item(), tn::Error);
  EXPECT_THROW(stand_in + 1, tn::Error);
  EXPECT_THROW(tn::zeros({first}), tn::Error);
  EXPECT_THROW(tn::ones({2, first}), tn::Error);
}

TEST(DoorValues, UnsignedIndicesBeyondI64LieBehindTheEnd) {
  const Tensor x = tn::tensor({1.f, 2.f, 3.f}), far = tn::tensor({uint64_t{1} << 63, UINT64_MAX, uint64_t{1}});
  const auto take = [](const Tensor& t, const Tensor& i) { return tn::take(t, i); };
  const auto scatter = [](const Tensor& t, const Tensor& i) { return tn::scatter_add(t, i, tn::ones({3})); };
  const auto window = [](const Tensor& t, const Tensor& i) {
    const Tensor starts[] = {i[0]};
    return tn::dynamic_slice(t, starts, {2});
  };
  const auto update = [](const Tensor& t, const Tensor& i) {
    const Tensor starts[] = {i[0]};
    return tn::dynamic_update_slice(t, tn::tensor({7.f, 8.f}), starts);
  };
  const auto both = [&](auto f, const std::vector<float>& want) {
    EXPECT_EQ(f(x, far).to_vector(), want);
    EXPECT_EQ(tn::jit(f)(x, far).to_vector(), want);
    EXPECT_EQ(tn::jit([&](const Tensor& t) { return f(t, far); })(x).to_vector(), want);
  };
  both(take, {3, 3, 2});
  both(scatter, {1, 3, 3});
  both(window, {2, 3});
  both(update, {1, 7, 8});
  EXPECT_EQ(tn::one_hot(far, 2).to_vector(), (std::vector<float>{0, 0, 0, 0, 0, 1}));
}

TEST(DoorValues, DonatedNumbersNameArguments) {
  const auto f = [](const Tensor& x, int) { return x + 1; };
  const Tensor x = tn::ones({3});
  EXPECT_THROW(tn::jit(f, {.donate = {0, 0}}), tn::Error);
  for (int number : {-1, 2, 5, INT_MAX, INT_MIN}) EXPECT_THROW(tn::jit(f, {.donate = {0, number}})(x, 1), tn::Error);
  EXPECT_EQ(x.to_vector(), (std::vector<float>{1, 1, 1}));  // a refused call took nothing
}

// The dtype of a contraction is that of its operands, whatever their ranks.
TEST(DoorValues, ContractionsKeepTheDtype) {
  for (tn::DType t :
       {tn::i8, tn::u8, tn::i16, tn::u16, tn::i32, tn::u32, tn::i64, tn::u64, tn::f16, tn::bf16, tn::f32, tn::f64}) {
    const Tensor v = tn::tensor({3, 5}).astype(t), m = tn::tensor({{3, 5}, {7, 2}}).astype(t), b = tn::stack({m, m});
    for (const Tensor& r : {tn::dot(v, v), tn::matmul(v, v), tn::matmul(m, v), tn::matmul(v, m), tn::matmul(m, m),
                            tn::matmul(b, m), tn::matmul(b, v), tn::einsum("i,i->", {v, v}),
                            tn::einsum("ij,j->i", {m, v}), tn::einsum("ij,jk->ik", {m, m})})
      EXPECT_EQ(r.dtype(), t) << name(t);
    EXPECT_EQ(tn::dot(v, v).item<int64_t>(), 34) << name(t);
    EXPECT_EQ(tn::matmul(m, v).to_vector<int64_t>(), (std::vector<int64_t>{34, 31})) << name(t);
  }
  // Integers wrap in their width, by every way.
  const Tensor v = tn::tensor({100, 100}).astype(tn::i8);
  const int64_t wrapped = static_cast<int8_t>(20000 % 256);
  EXPECT_EQ(tn::dot(v, v).item<int64_t>(), wrapped);
  EXPECT_EQ(tn::einsum("i,i->", {v, v}).item<int64_t>(), wrapped);
  EXPECT_EQ(tn::matmul(v.reshape({1, 2}), v.reshape({2, 1})).item<int64_t>(), wrapped);
  const Tensor p = tn::tensor({true, false});
  EXPECT_THROW(tn::dot(p, p), tn::Error);
  EXPECT_THROW(tn::matmul(p, p), tn::Error);
  EXPECT_THROW(tn::einsum("i,i->", {p, p}), tn::Error);
}

}  // namespace
