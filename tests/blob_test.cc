// Borrowed memory: strides of every kind beside a plain loop, owners and deleters, what is refused.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <complex>
#include <cstring>
#include <numeric>
#include <random>

#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

// Element by element, in row-major order.
template <class T>
std::vector<T> walked(const T* data, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  std::vector<T> out;
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i, place = 0;
    for (size_t axis = shape.size(); axis-- > 0;) {
      place += rest % shape[axis] * strides[axis];
      rest /= shape[axis];
    }
    out.push_back(data[place]);
  }
  return out;
}

template <class T>
void compare_all() {
  std::vector<T> memory(4096);
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<T>(static_cast<int>(i % 120));
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<int64_t> shape, strides;
    for (size_t axis = random() % 5; axis > 0; --axis) {
      shape.push_back(static_cast<int64_t>(random() % 6 + (random() % 4 == 0 ? 30 : 0)) % 37);
      strides.push_back(static_cast<int64_t>(random() % 13) - 6);
    }
    if (round % 3 == 1 && shape.size() > 1) {  // a permutation of a dense array
      std::vector<size_t> order(shape.size());
      std::iota(order.begin(), order.end(), 0);
      std::shuffle(order.begin(), order.end(), random);
      int64_t step = 1;
      for (const size_t axis : order) strides[axis] = step, step *= std::max<int64_t>(shape[axis], 1);
    }
    int64_t low = 0, high = 0;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      const int64_t far = (shape[axis] - 1) * strides[axis];
      (far < 0 ? low : high) += far;
    }
    if (high - low >= 4096) continue;
    const T* const data = memory.data() - (std::find(shape.begin(), shape.end(), 0) == shape.end() ? low : 0);
    const Tensor t = from_blob(data, shape, Tensor::dtype_of<T>(), {.strides = strides});
    EXPECT_EQ(t.to_vector<T>(), walked(data, shape, strides));
  }
}

TEST(Blob, StridesOfEveryKind) {
  compare_all<int8_t>();
  compare_all<int16_t>();
  compare_all<float>();
  compare_all<int64_t>();
  compare_all<std::complex<double>>();
}

TEST(Blob, ColumnMajorReversedAndRepeated) {
  const float column_major[] = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(from_blob(column_major, {2, 3}, f32, {.strides = {1, 2}}).to_vector(),
            (std::vector<float>{1, 3, 5, 2, 4, 6}));
  EXPECT_EQ(from_blob(column_major + 5, {6}, f32, {.strides = {-1}}).to_vector(),
            (std::vector<float>{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(from_blob(column_major, {2, 3}, f32, {.strides = {0, 1}}).to_vector(),
            (std::vector<float>{1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(from_blob(column_major, {}, f32, BlobOptions{}).item(), 1);
  EXPECT_EQ(from_blob(column_major, {}, f32, {}).item(), 1);
  EXPECT_EQ(from_blob(column_major, {}, f32).item(), 1);
  EXPECT_EQ(from_blob(column_major, {2, 3}, f32, {}).raw(), column_major);
  // What is dense is borrowed, what is not is a copy of this moment.
  float memory[] = {1, 2, 3, 4};
  const Tensor dense = from_blob(memory, {2, 2}, f32, {.strides = {2, 1}}),
               copy = from_blob(memory, {2, 2}, f32, {.strides = {1, 2}});
  EXPECT_EQ(dense.raw(), memory);
  memory[0] = 9;
  EXPECT_EQ(dense.to_vector()[0], 9);
  EXPECT_EQ(copy.to_vector()[0], 1);
  // The stride of an axis of extent 1 says nothing, nor do those of an empty array.
  EXPECT_EQ(from_blob(memory, {1, 4}, f32, {.strides = {77, 1}}).raw(), memory);
  EXPECT_EQ(from_blob(nullptr, {0, 4}, f32, {.strides = {INT64_MAX, INT64_MIN}}).numel(), 0);
}

TEST(Blob, OwnersLiveAsLongAsTensorsNeedThem) {
  int deleted = 0;
  auto memory = std::make_shared<std::vector<float>>(8, 2.f);
  const std::weak_ptr<std::vector<float>> watch = memory;
  const float* const data = memory->data();
  {
    Tensor shared;
    {
      const Tensor t = from_blob(data, {8}, f32, {.owner = std::move(memory), .deleter = [&](void* p) {
                                                    EXPECT_EQ(p, data);
                                                    EXPECT_TRUE(watch.expired());
                                                    ++deleted;
                                                  }});
      shared = t.reshape({2, 4});
    }
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(sum(shared).item(), 16);
    const auto f = jit([](const Tensor& x) { return x * 2; }, {.donate = {0}});
    EXPECT_EQ(f(shared).to_vector()[7], 4);
    EXPECT_EQ(deleted, 0);
  }
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(deleted, 1);
  // Cells of tensors are used again; their owners are not kept by that.
  for (int i = 0; i < 100; ++i) {
    auto owner = std::make_shared<std::vector<float>>(1, static_cast<float>(i));
    const std::weak_ptr<std::vector<float>> each = owner;
    EXPECT_EQ((from_blob(owner->data(), {1}, f32, {.owner = owner}) + 1).item(), static_cast<float>(i + 1));
    owner.reset();
    EXPECT_TRUE(each.expired());
  }
  // A copy lets go at once.
  from_blob(data, {0}, f32, {.deleter = [&](void*) { ++deleted; }});
  EXPECT_EQ(deleted, 2);
  const float four[] = {1, 2, 3, 4};
  const Tensor copy = from_blob(four, {2, 2}, f32, {.strides = {1, 2}, .deleter = [&](void*) { ++deleted; }});
  EXPECT_EQ(deleted, 3);
}

TEST(Blob, RefusesWithAReason) {
  const float x[] = {1, 2, 3, 4};
  int deleted = 0;
  const auto said = [&](const void* data, const Extents& shape, std::vector<int64_t> strides) {
    return message_of([&] { from_blob(data, shape, f32, {.strides = strides, .deleter = [&](void*) { ++deleted; }}); });
  };
  EXPECT_HAS(said(x, {2, 2}, {1}), "one stride per axis");
  EXPECT_HAS(said(nullptr, {2}, {1}), "null");
  EXPECT_HAS(said(x, {-1}, {1}), "from_blob");
  EXPECT_HAS(said(x, {2, 2}, {INT64_MAX, 1}), "further than memory");
  EXPECT_HAS(said(x, {3, 2}, {INT64_MIN, 1}), "further than memory");
  EXPECT_HAS(said(x, {int64_t{1} << 62}, {0}), "from_blob");
  EXPECT_HAS(said(x, {2}, {1, 1}), "blob_test.cc");
  EXPECT_EQ(deleted, 0) << "after an Error the memory is still the caller's";
  // What is not aligned is copied.
  alignas(8) char bytes[9];
  const float one = 1;
  std::memcpy(bytes + 1, &one, 4);
  EXPECT_EQ(from_blob(bytes + 1, {1}, f32, {.strides = {1}}).item(), 1);
}

}  // namespace
}  // namespace tenon::testing
