// The door of devices: with a device whose memory the host cannot touch, everything that the frontend offers gives the bits
// that it gives on the CPU. Whatever looked into device memory directly would end the process, which the last test shows.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "tenon/codegen/codegen.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/reference/array.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/device_battery.h"
#include "tenon/tests/simulated_device.h"

namespace tenon::testing {
namespace {

using Tensors = std::vector<Tensor>;

const runtime::Buffer& memory_of(const Tensor& t) { return *t.cell()->slot->buffer(); }

// The same on both devices, and nothing left behind.
void expect_same(const std::function<std::string()>& f) {
  const std::string expected = f();
  const uint64_t live = device_counts().bytes_live;
  std::string actual;
  {
    const OnSimulatedDevice device;
    reset_device_counts();
    actual = f();
    EXPECT_GT(device_counts().runs + device_counts().copies_in, 0u) << "the device was not asked";
  }
  EXPECT_EQ(actual, expected);
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(device_counts().bytes_live, live) << "memory of the device was not given back";
}
Tensor some(std::vector<int64_t> shape, uint64_t seed = 1) { return normal(key(seed), Shape::from(shape)); }

TEST(Device, TheBattery) {
  for (const DeviceCase& c : device_battery()) {
    SCOPED_TRACE(c.name);
    c.check(expect_same);
  }
}

// What moves between host and device: what is asked for, and nothing else.
TEST(Device, CopiesAreCounted) {
  const OnSimulatedDevice device;
  auto x = some({100});
  const auto f = jit([](const Tensor& a) { return sin(a) * 2; }, {.donate = {0}});
  f(some({100}));
  reset_device_counts();
  const auto expect = [](uint64_t in, uint64_t out, uint64_t inside, const char* what) {
    const DeviceCounts c = device_counts();
    EXPECT_EQ(c.copies_in, in) << what;
    EXPECT_EQ(c.copies_out, out) << what;
    EXPECT_EQ(c.copies_inside, inside) << what;
    reset_device_counts();
  };
  const std::vector<float> data(100, 1.5f);
  auto y = copy_from(data.data(), {100}, f32);
  expect(1, 0, 0, "a tensor from data");
  y = exp(x + y) * y;
  expect(0, 0, 0, "eager ops");
  y = y / 3;
  expect(1, 0, 0, "a number among the operands is a tensor of one element");
  y = f(y);
  expect(0, 0, 0, "a call that takes a donated tensor");
  const auto held = y.detach();
  f(y);
  expect(0, 0, 1, "a call that must copy a donated tensor");
  x.set_requires_grad(true);
  sum(sin(x) * held).backward();
  expect(1, 0, 0, "backward, which starts from the number 1");
  EXPECT_EQ(sum(x.grad()).item(), sum(x.grad()).to_vector<double>()[0]);
  expect(0, 2, 0, "item and to_vector");
  EXPECT_FALSE(to_string(held).empty());
  expect(0, 1, 0, "printing");
}

TEST(Device, TheDoorIsShutElsewhere) {
  const auto here = some({10});
  EXPECT_EQ(here.raw(), memory_of(here).host_data());
  const OnSimulatedDevice device;
  const auto x = some({10});
  EXPECT_THROW(memory_of(x).host_data(), InternalError);
  EXPECT_THROW(x.raw(), InternalError);
  const runtime::HostView view(memory_of(x));
  EXPECT_EQ(std::string(static_cast<const char*>(view.data()), 40), memory_of(x).bytes());
  // Memory of one device given to another.
  float values[10];
  EXPECT_THROW(simulated_device().copy_out(simulated_device(), values, here.raw(), 40), InternalError);
  EXPECT_THROW(x + here, Error);
  EXPECT_THROW(const_cast<runtime::Buffer&>(memory_of(x)).copy(memory_of(here)), InternalError);
}

TEST(Device, AKindThatIsNotThereIsNamed) {
  const auto graph = ir::parse("graph @main(%0: f32[8]) -> (%1) {\n  %1 = neg %0 : f32[8]\n}\n");
  runtime::CompileOptions options;
  options.target = Target::cuda_sm(90);
  const auto words = [&](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_NE(words([&] { runtime::compile(*graph, options); }).find("cuda:0 cannot be used"), std::string::npos);
  runtime::Artifact artifact = runtime::compile_artifact(*graph);
  artifact.manifest.kind = TargetKind::cuda;
  EXPECT_NE(words([&] { runtime::load(artifact); }).find("cuda:0 cannot be used"), std::string::npos);
  const OnSimulatedDevice device;
  EXPECT_EQ(runtime::compile(*graph, options)->manifest().kind, TargetKind::cuda);
  EXPECT_EQ(&runtime::compile(*graph)->device(), &simulated_device());
  options.target = Target::portable();
  EXPECT_TRUE(runtime::compile(*graph, options)->device().host_addressed) << "the target chooses";
}

TEST(Device, FollowingAnAddressInTheHostEndsTheProcess) {
  const OnSimulatedDevice device;
  const auto x = some({10});
  const auto* address = static_cast<const volatile char*>(memory_of(x).address());
  const pid_t child = fork();
  if (child == 0) {
    fclose(stderr);  // what a sanitizer has to say of it
    static_cast<void>(*address);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

}  // namespace
}  // namespace tenon::testing
