// An extent may be known when a program is compiled or only when it runs, and it may be 0: the bits are the same.
// Functions are run eagerly, jitted over fixed extents, and compiled once over a symbol and then run at each extent.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/ir/reference/array.h"
#include "tenon/runtime/compile.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

std::string bytes_of(const Tensor& t) {
  return std::string(static_cast<const char*>(t.raw()), static_cast<size_t>(t.numel() * tn::bytes(t.dtype())));
}

// f over [n, rest...], symbolic in n, at each of `sizes`.
template <class F>
void expect_one_meaning(const F& f, const std::vector<int64_t>& rest, tn::DType dtype,
                        const std::vector<int64_t>& sizes) {
  tn::Shape symbolic{tn::dim("n" + std::to_string(rest.size()) + std::string(tn::name(dtype)), 0, 1 << 20)};
  for (int64_t d : rest) symbolic.push_back(d);
  const tn::Lowered lowered = tn::jit(f).lower(tn::spec(symbolic, dtype));
  const auto program = tenon::runtime::compile(*lowered.entry()->program.graph);
  for (int64_t n : sizes) {
    tn::Shape shape{n};
    for (int64_t d : rest) shape.push_back(d);
    const Tensor x = (tn::uniform(tn::key(3), shape) + 1).astype(dtype);
    tenon::ir::Array in({dtype, shape});
    std::copy_n(static_cast<const unsigned char*>(x.raw()), in.data.size(), in.data.begin());
    const Tensor eager = f(x), jitted = tn::jit(f)(x);
    const tenon::ir::Array at_run_time = program->run(std::span(&in, 1))[0];
    const std::string name = std::string(tn::name(dtype)) + " n = " + std::to_string(n);
    EXPECT_EQ(eager.shape(), at_run_time.type.shape) << name;
    EXPECT_EQ(bytes_of(eager), bytes_of(jitted)) << name;
    EXPECT_TRUE(bytes_of(eager) == std::string(at_run_time.data.begin(), at_run_time.data.end()))
        << name << ": " << eager << " but " << tenon::ir::to_string(at_run_time.type);
  }
}

TEST(Extents, CountsRoundOnce) {
  for (tn::DType t : {tn::f32, tn::f64, tn::f16, tn::bf16}) {
    const std::vector<int64_t> sizes = {1, 3, 255, 257, 683, 1000, 2731};
    expect_one_meaning([](const Tensor& x) { return tn::mean(x); }, {3}, t, sizes);
    expect_one_meaning([](const Tensor& x) { return tn::mean(x, {.axes = {0, 2}}); }, {2, 3}, t, sizes);
    expect_one_meaning([](const Tensor& x) { return tn::mean(x, {.axes = {0}, .keepdims = true}); }, {5}, t, sizes);
    expect_one_meaning([](const Tensor& x) { return tn::var(x); }, {3}, t, sizes);
  }
  // 3 * 5592407 = 2^24 + 5 is no f32.
  expect_one_meaning([](const Tensor& x) { return tn::mean(x); }, {5592407}, tn::f32, {3});
}

TEST(Extents, SoftmaxOfNothing) {
  for (tn::DType t : {tn::f32, tn::f64, tn::f16, tn::bf16}) {
    const std::vector<int64_t> sizes = {0, 1, 5};
    expect_one_meaning([](const Tensor& x) { return tn::softmax(x, 0); }, {3}, t, sizes);
    expect_one_meaning([](const Tensor& x) { return tn::log_softmax(x, 0); }, {}, t, sizes);
    expect_one_meaning([](const Tensor& x) { return tn::logsumexp(x, {.axes = {0}}); }, {3}, t, sizes);
    for (int axis : {0, 1}) {
      const Tensor empty = tn::zeros({axis == 0 ? 0 : 3, axis == 0 ? 3 : 0}, {.dtype = t});
      EXPECT_EQ(tn::softmax(empty, axis).shape(), empty.shape());
      EXPECT_EQ(tn::log_softmax(empty, axis).shape(), empty.shape());
      EXPECT_EQ(tn::logsumexp(empty, {.axes = {axis}}).to_vector<float>(), std::vector<float>(3, -INFINITY));
      EXPECT_EQ(tn::logsumexp(empty, {.axes = {axis}, .keepdims = true}).ndim(), 2);
      EXPECT_EQ(tn::logsumexp(empty, {.axes = {1 - axis}}).numel(), 0);
      const auto g = tn::grad([&](const Tensor& x) { return tn::sum(tn::softmax(x, axis)); })(empty);
      EXPECT_EQ(g.shape(), empty.shape());
    }
  }
  EXPECT_THROW(tn::max(tn::zeros({3, 0}), {.axes = {1}}), tn::Error);  // a maximum of nothing is no number
}

}  // namespace
