// DLPack both ways: without a copy, every dtype, strides, deleters that are called once, what is refused, threads, and a user's own
// declarations beside ours.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <atomic>
#include <complex>
#include <cstring>
#include <thread>

#include "tenon/tests/messages.h"

// As dlpack.h 1.0 declares them, in the global namespace.
extern "C" {
typedef enum { kDLCPU = 1, kDLCUDA = 2 } DLDeviceType;
typedef struct {
  DLDeviceType device_type;
  int32_t device_id;
} DLDevice;
typedef struct {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
} DLDataType;
typedef struct {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
} DLTensor;
typedef struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(struct DLManagedTensor* self);
} DLManagedTensor;
}

namespace tenon::testing {
namespace {

// A producer of one struct, which counts how often it is given back.
struct Producer {
  std::vector<float> data = std::vector<float>(12);
  std::vector<int64_t> shape = {2, 3}, strides = {3, 1};
  std::atomic<int> deleted = 0;
  DLManagedTensorVersioned managed{};

  Producer() {
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i);
    managed.version = {1, 0};
    managed.manager_ctx = this;
    managed.deleter = [](DLManagedTensorVersioned* self) { ++static_cast<Producer*>(self->manager_ctx)->deleted; };
    managed.dl_tensor = {data.data(), {1, 0}, 2, {2, 32, 1}, shape.data(), strides.data(), 0};
  }
};

TEST(Dlpack, ThereAndBackIsTheSameMemory) {
  for (int t = 0; t < dtype_count; ++t) {
    const auto dtype = static_cast<DType>(t);
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {2, 3}, {0, 4}, {1, 1, 5}}) {
      std::string bytes(16 * 6, '\0');
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(dtype == boolean ? i % 2 : i * 37 + 1);
      Tensor x = copy_from(bytes.data(), shape, dtype);
      const void* const data = x.numel() == 0 ? nullptr : x.raw();
      const Tensor y = from_dlpack(to_dlpack(x)), z = from_dlpack(to_dlpack_versioned(x));
      x = Tensor();
      for (const Tensor& back : {y, z}) {
        EXPECT_EQ(back.dtype(), dtype);
        EXPECT_EQ(back.shape(), Shape(shape));
        if (data != nullptr) {
          EXPECT_EQ(back.raw(), data);
          EXPECT_EQ(std::memcmp(back.raw(), bytes.data(), static_cast<size_t>(back.numel() * tenon::bytes(dtype))), 0);
        }
      }
    }
  }
}

TEST(Dlpack, WhatIsLent) {
  const Tensor x = arange(6.0).reshape({2, 3});
  tenon::DLManagedTensorVersioned* const m = to_dlpack_versioned(x);
  EXPECT_EQ(m->version.major, 1u);
  EXPECT_EQ(m->flags, 1u);
  const tenon::DLTensor& t = m->dl_tensor;
  EXPECT_EQ(t.data, x.raw());
  EXPECT_EQ(t.device.device_type, 1);
  EXPECT_EQ(t.device.device_id, 0);
  ASSERT_EQ(t.ndim, 2);
  EXPECT_EQ(t.shape[0], 2);
  EXPECT_EQ(t.shape[1], 3);
  EXPECT_EQ(t.strides[0], 3);
  EXPECT_EQ(t.strides[1], 1);
  EXPECT_EQ(t.dtype.code, 2);
  EXPECT_EQ(t.dtype.bits, 32);
  EXPECT_EQ(t.dtype.lanes, 1);
  EXPECT_EQ(t.byte_offset, 0u);
  m->deleter(m);
  EXPECT_HAS(message_of([&] { to_dlpack(spec({2}, f32)); }), "dlpack_test.cc");
  EXPECT_HAS(message_of([&] { to_dlpack(Tensor()); }), "undefined");
}

TEST(Dlpack, AUsersOwnHeader) {
  const Tensor x = arange(3.0);
  ::DLManagedTensor* const m = to_dlpack<::DLManagedTensor>(x);
  EXPECT_EQ(m->dl_tensor.device.device_type, kDLCPU);
  EXPECT_EQ(from_dlpack(m).raw(), x.raw());
}

TEST(Dlpack, DeletersAreCalledOnceAndNotBefore) {
  Producer p;
  {
    Tensor shared;
    {
      const Tensor t = from_dlpack(&p.managed);
      EXPECT_EQ(t.raw(), p.data.data());
      shared = t.reshape({3, 2});
    }
    EXPECT_EQ(p.deleted, 0);
    EXPECT_EQ(sum(shared).item(), 15);
  }
  EXPECT_EQ(p.deleted, 1);
  // Copied: given back at once. Column-major, reversed, repeated, and with an offset.
  const auto strided = [](std::vector<int64_t> strides, uint64_t offset) {
    Producer q;
    q.strides = std::move(strides);
    q.managed.dl_tensor.strides = q.strides.data();
    q.managed.dl_tensor.byte_offset = offset;
    const std::vector<float> out = from_dlpack(&q.managed).to_vector();
    EXPECT_EQ(q.deleted, 1);
    return out;
  };
  EXPECT_EQ(strided({1, 2}, 0), (std::vector<float>{0, 2, 4, 1, 3, 5}));
  EXPECT_EQ(strided({-3, -1}, 20), (std::vector<float>{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(strided({0, 1}, 4), (std::vector<float>{1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(strided({6, 2}, 0), (std::vector<float>{0, 2, 4, 6, 8, 10}));
  Producer q;  // without strides, and without a deleter
  q.managed.dl_tensor.strides = nullptr;
  q.managed.deleter = nullptr;
  EXPECT_EQ(from_dlpack(&q.managed).raw(), q.data.data());
}

TEST(Dlpack, RefusesWithAReasonAndLeavesTheStructToTheCaller) {
  const struct {
    const char* reason;
    void (*change)(Producer&);
  } cases[] = {{"device of type 2", [](Producer& p) { p.managed.dl_tensor.device.device_type = 2; }},
               {"device of type 10", [](Producer& p) { p.managed.dl_tensor.device.device_type = 10; }},
               {"device of type 0", [](Producer& p) { p.managed.dl_tensor.device.device_type = 0; }},
               {"4 lanes", [](Producer& p) { p.managed.dl_tensor.dtype.lanes = 4; }},
               {"0 lanes", [](Producer& p) { p.managed.dl_tensor.dtype.lanes = 0; }},
               {"code 2 and 8 bits", [](Producer& p) { p.managed.dl_tensor.dtype.bits = 8; }},
               {"code 0 and 4 bits", [](Producer& p) { p.managed.dl_tensor.dtype = {0, 4, 1}; }},
               {"code 6 and 1 bits", [](Producer& p) { p.managed.dl_tensor.dtype = {6, 1, 1}; }},
               {"code 2 and 33 bits", [](Producer& p) { p.managed.dl_tensor.dtype.bits = 33; }},
               {"code 3 and 64 bits", [](Producer& p) { p.managed.dl_tensor.dtype = {3, 64, 1}; }},
               {"code 5 and 32 bits", [](Producer& p) { p.managed.dl_tensor.dtype = {5, 32, 1}; }},
               {"code 99 and 32 bits", [](Producer& p) { p.managed.dl_tensor.dtype.code = 99; }},
               {"not aligned to their 4 bytes", [](Producer& p) { p.managed.dl_tensor.byte_offset = 2; }},
               {"beyond memory", [](Producer& p) { p.managed.dl_tensor.byte_offset = UINT64_MAX; }},
               {"ndim is -1", [](Producer& p) { p.managed.dl_tensor.ndim = -1; }},
               {"ndim is 2147483647", [](Producer& p) { p.managed.dl_tensor.ndim = INT32_MAX; }},
               {"the shape is null", [](Producer& p) { p.managed.dl_tensor.shape = nullptr; }},
               {"extent 1 is -3", [](Producer& p) { p.shape[1] = -3; }},
               {"more elements than memory", [](Producer& p) { p.shape = {int64_t{1} << 40, int64_t{1} << 40}; }},
               {"more elements than memory", [](Producer& p) { p.shape = {INT64_MAX, 0}; }},
               {"further than memory", [](Producer& p) { p.strides[0] = INT64_MAX; }},
               {"the address is null", [](Producer& p) { p.managed.dl_tensor.data = nullptr; }},
               {"version 2.0", [](Producer& p) { p.managed.version = {2, 0}; }},
               {"element 4 of the bools", [](Producer& p) {
                  p.managed.dl_tensor.dtype = {6, 8, 1};
                  std::memcpy(p.data.data(), "\0\1\0\1\2\1", 6);
                }}};
  for (const auto& c : cases) {
    Producer p;
    c.change(p);
    p.managed.dl_tensor.strides = p.strides.data();
    if (p.managed.dl_tensor.shape != nullptr) p.managed.dl_tensor.shape = p.shape.data();
    const std::string said = message_of([&] { from_dlpack(&p.managed); });
    EXPECT_HAS(said, c.reason);
    EXPECT_HAS(said, "dlpack_test.cc");
    EXPECT_EQ(p.deleted, 0) << c.reason;
  }
  EXPECT_HAS(message_of([] { from_dlpack(static_cast<tenon::DLManagedTensor*>(nullptr)); }), "null");
}

TEST(Dlpack, ThreadsThatShareOne) {
  for (int round = 0; round < 20; ++round) {
    Producer p;
    Tensor t = from_dlpack(&p.managed);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([copy = t, &p]() mutable {
        for (int k = 0; k < 50; ++k) {
          const Tensor back = from_dlpack(to_dlpack(copy));
          EXPECT_EQ(back.raw(), p.data.data());
        }
        EXPECT_EQ(sum(copy).item(), 15);
        copy = Tensor();
      });
    t = Tensor();
    for (std::thread& thread : threads) thread.join();
    threads.clear();
    EXPECT_EQ(p.deleted, 1);
  }
}

}  // namespace
}  // namespace tenon::testing
