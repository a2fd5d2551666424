// Free extents that meet a graph of numbers: they are these numbers from there on, which a call checks.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include "messages.h"

namespace tn = tenon;
using tenon::testing::message_of;
using tn::Tensor;

namespace {

std::string bytes_of(const Tensor& t) {
  return std::string(static_cast<const char*>(t.raw()), static_cast<size_t>(t.numel() * tn::bytes(t.dtype())));
}

// A graph that was traced for a number takes a free extent that may be it, and is called with that number alone.
TEST(SettledExtents, TracedNumbersAreSettled) {
  const auto f = [](const Tensor& x) { return tn::softmax(x * 2, 1) + tn::ones({3, 4}); };
  const tn::Traced traced = tn::trace(f, tn::spec({3, 4}, tn::f32));
  const auto call = [&](const Tensor& x) { return traced({x})[0]; };
  const Tensor x = tn::normal(tn::key(5), {3, 4});
  const auto free =
      tn::jit(call, {.dynamic = {{0, 0, tn::dim("settled_n", 1, 9)}, {0, 1, tn::dim("settled_m", 1, 9)}}});
  EXPECT_EQ(bytes_of(free(x)), bytes_of(f(x)));
  EXPECT_HAS(message_of([&] { free(tn::ones({2, 4})); }), "the extents settled_n and 3 are not equal: 2 and 3");
  EXPECT_HAS(message_of([&] { free(tn::ones({4, 3})); }), "the extents settled_n and 3 are not equal: 4 and 3");
  EXPECT_HAS(message_of([&] { free(tn::ones({3, 9})); }), "the extents settled_m and 4 are not equal: 9 and 4");
  const auto sloped = [&](const Tensor& y) {
    return tn::grad([&](const Tensor& z) { return tn::sum(call(z) * call(z)); })(y);
  };
  EXPECT_EQ(bytes_of(tn::jit(sloped, {.dynamic = true})(x)), bytes_of(sloped(x)));
  EXPECT_HAS(message_of([&] { tn::jit(call).lower(tn::spec({tn::dim("wide_n", 4, 9), 4}, tn::f32)); }), "f32[3, 4]");
}

}  // namespace
