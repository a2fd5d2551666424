// Everything that the frontend offers, on the simulated GPU by Tenon's own driver code: the CPU's bits, whatever order threads take
// and however late work runs, and nothing left on the device.
#include "tenon/tests/device_battery.h"
#include "tenon/tests/simulated_gpu.h"

namespace tenon::testing {
namespace {

class CudaDeviceSimulated : public ::testing::TestWithParam<const char*> {};

TEST_P(CudaDeviceSimulated, GivesWhatTheCpuGives) {
  use_simulated_gpu(GetParam());
  if (const std::string reason = no_simulated_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  for (const DeviceCase& c : device_battery()) {
    SCOPED_TRACE(c.name);
    c.check([](const std::function<std::string()>& f) {
      const std::string expected = f();
      const OnGpu gpu;
      std::string found = f();
      for (size_t at = 0; (at = found.find("cuda:0", at)) != std::string::npos;) found.replace(at, 6, "cpu");
      EXPECT_EQ(found, expected);
    });
  }
}
INSTANTIATE_TEST_SUITE_P(Orders, CudaDeviceSimulated,
                         ::testing::Values("order=forward", "order=reverse late=0", "order=random seed=5"));

TEST(CudaDevicesSimulated, TensorsMoveAndMeet) {
  use_simulated_gpu("devices=2");
  if (const std::string reason = no_simulated_gpu(); !reason.empty()) GTEST_SKIP() << reason;
}

}  // namespace
}  // namespace tenon::testing
