// Everything that the frontend offers, on the simulated GPU by Tenon's own driver code: the CPU's bits, whatever order threads take
// and however late work runs, and nothing left on the device.
#include <atomic>
#include <iostream>
#include <thread>

#include "tenon/tests/child.h"
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

// In a child: what the driver shows is asked once a process.
std::string on_two_gpus(const std::function<void()>& f) {
  std::string said;
  in_child(
      [&] {
        use_simulated_gpu("devices=2");
        f();
        return 0;
      },
      &said);
  return said;
}
#define SAY(condition) std::cerr << ((condition) ? "" : "not so: " #condition "\n")

TEST(CudaDevicesSimulated, TensorsMoveAndMeet) {
  const std::string said = on_two_gpus([] {
    if (!cuda_is_available()) return;
    SAY(device_count(Kind::cuda) == 2);
    const Tensor x = normal(key(1), {5, 7});
    const Tensor a = x.to(cuda(0)), b = a.to(cuda(1));
    SAY(a.device() == cuda(0) && b.device() == cuda(1) && x.device() == cpu());
    SAY(b.to_vector<float>() == x.to_vector<float>());
    SAY(a.to(cuda(0)).device() == cuda(0));
    SAY((b * 2 + 1).device() == cuda(1));
    SAY((2 - b).to_vector<float>() == (2 - x).to_vector<float>());
    const auto f = jit([](const Tensor& t) { return softmax(t) * 3; });
    SAY(f(b).device() == cuda(1) && f(a).device() == cuda(0) && f(x).device() == cpu());
    SAY(f(b).to_vector<float>() == f(x).to_vector<float>() && f(a).to_vector<float>() == f(x).to_vector<float>());
    SAY(zeros_like(b).device() == cuda(1) && concat({b, b}).device() == cuda(1));
    SAY(where(b > 0, b, 0).device() == cuda(1));
  });
  EXPECT_EQ(said, "");
}

TEST(CudaDevicesSimulated, TwoDevicesInOneCallAreRefusedWithBothLines) {
  const std::string said = on_two_gpus([] {
    if (!cuda_is_available()) return;
    const int line = __LINE__;
    const Tensor a = normal(key(1), {3}).to(cuda(0));
    const Tensor b = normal(key(1), {3}).to(cuda(1));
    const std::string here = "cuda_device_simulated_test.cc:";
    const std::string first = here + std::to_string(line + 1), second = here + std::to_string(line + 2);
    const auto error = [](const std::function<void()>& f) -> std::string {
      try {
        f();
      } catch (const Error& e) {
        return e.what();
      }
      return "no error";
    };
    const auto names_both = [&](const std::string& text) {
      return text.find(first) != std::string::npos && text.find(second) != std::string::npos &&
             text.find("cuda:0") != std::string::npos && text.find("cuda:1") != std::string::npos &&
             text.find(".to(") != std::string::npos;
    };
    SAY(names_both(error([&] { (void)(a + b); })));
    SAY(names_both(error([&] { (void)matmul(a, b); })));
    SAY(names_both(error([&] { (void)concat({a, b}); })));
    SAY(names_both(error([&] { (void)jit([](const Tensor& x, const Tensor& y) { return x * y; })(a, b); })));
    SAY(names_both(error([&] { (void)jit([&](const Tensor& x) { return x * b; })(a); })));
    SAY(error([&] { (void)a.to(cuda(2)); }).find("shows 2") != std::string::npos);
    SAY(error([&] { (void)a.to(cuda(-1)); }).find("numbered from 0") != std::string::npos);
    SAY(error([&] { set_default_device(cuda(9)); }).find("shows 2") != std::string::npos);
    SAY(error([&] { (void)jit([](const Tensor& x) { return x.to(cuda(1)); })(a); }).find("one device") !=
        std::string::npos);
    Tensor c = a;
    SAY(error([&] { c.data() = b; }).find("another device") != std::string::npos);
  });
  EXPECT_EQ(said, "");
}

TEST(CudaDevicesSimulated, GradientsComeBackFromOtherDevices) {
  const std::string said = on_two_gpus([] {
    if (!cuda_is_available()) return;
    const auto gradient = [](Device d, Device e) {
      Tensor x = normal(key(1), {6, 4});
      x.set_requires_grad(true);
      const Tensor y = sin(x.to(d)) * 2;
      sum(y.to(e) * y.to(e) + sum(exp(x)).to(e)).backward();
      SAY(x.grad().device() == cpu());
      return x.grad().to_vector<float>();
    };
    SAY(gradient(cuda(0), cuda(1)) == gradient(cpu(), cpu()));
    const Tensor w = normal(key(2), {4}).to(cuda(1));
    const Tensor g = grad([](const Tensor& v) { return sum(tanh(v)); })(w);
    SAY(g.device() == cuda(1));
  });
  EXPECT_EQ(said, "");
}

// Numbers go where the tensors are that they meet, in every manner of meeting; what has been made for keeps has its place.
TEST(CudaDevicesSimulated, NumbersGoWhereTensorsAre) {
  const std::string said = on_two_gpus([] {
    if (!cuda_is_available()) return;
    const Tensor here = normal(key(1), {4}), x = here.to(cuda(1));
    const auto error = [](const std::function<void()>& f) -> std::string {
      try {
        f();
      } catch (const Error& e) {
        return e.what();
      }
      return "";
    };
    const auto product = jit([](const Tensor& a, const Tensor& b) { return a * b; });
    SAY(error([&] { (void)product(x, full({}, 2.f)); }).find("two devices") != std::string::npos);
    SAY(product(x, full({}, 2.f).to(cuda(1))).to_vector<float>() == (here * 2).to_vector<float>());
    Tensor assigned = x, filled = x * 1;
    assigned[{slice(1, 3)}] = 7;
    filled.data() = 0;
    SAY(assigned.device() == cuda(1) && assigned.to_vector<float>()[2] == 7 && filled.to_vector<float>()[0] == 0);
    const auto summed = fori_loop(0, 3, [](const Tensor& i, const Tensor& c) { return c + i; }, x);
    SAY(summed.device() == cuda(1) && summed.to_vector<float>() == (((here + 0) + 1) + 2).to_vector<float>());
    SAY(split(key(5).to(cuda(1))).first.device() == cuda(1));
    const auto state = optim::adamw_init(x);
    SAY(state.step.device() == cuda(1) && state.first.device() == cuda(1));
    SAY(optim::adamw(x, x, state, {.rate = 1e-3}).first.to_vector<float>() ==
        optim::adamw(here, here, optim::adamw_init(here), {.rate = 1e-3}).first.to_vector<float>());
    Tensor leaf = x * 1;
    leaf.set_requires_grad(true);
    SAY(error([&] { exp(leaf).backward(ones({4})); }).find("two devices") != std::string::npos);
    exp(leaf).backward(ones_like(leaf));
    SAY(leaf.grad().to_vector<float>() == exp(here).to_vector<float>());
    Tensor scale = ones({}, {.requires_grad = true});
    SAY(error([&] { (void)(x * scale); }).find("two devices") != std::string::npos);
    const Tensor y = sum(x * scale.to(cuda(1)));
    y.backward();
    SAY(scale.grad().item<float>() == y.item<float>());
  });
  EXPECT_EQ(said, "");
}

// Several threads queue work, wait for their own results and let programs go, all at once.
TEST(CudaDevicesSimulated, ThreadsShareADevice) {
  const std::string said = on_two_gpus([] {
    if (!cuda_is_available()) return;
    const auto shared =
        jit([](const Tensor& a, const Tensor& b) { return sum(softmax(matmul(a, b)) * b, {.axes = {0}}); });
    std::atomic<int> wrong{0};
    const auto work = [&](int number) {
      for (int round = 0; round < 12; ++round) {
        const Tensor x = normal(key(static_cast<uint64_t>(100 * number + round)), {16, 16});
        const Tensor expected = shared(x, x + 1);
        const Tensor there = x.to(cuda(number % 2));
        const Tensor found = shared(there, there + 1);
        const auto own = jit([](const Tensor& t) { return exp(t) - 1; });
        wrong += found.to_vector<float>() != expected.to_vector<float>();
        wrong += own(there).to_vector<float>() != own(x).to_vector<float>();
      }
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) threads.emplace_back(work, t);
    for (std::thread& t : threads) t.join();
    SAY(wrong == 0);
  });
  EXPECT_EQ(said, "");
}

TEST(CudaDevicesSimulated, NothingIsLeftOnTheDevice) {
  std::string said;
  in_child(
      [&] {
        use_simulated_gpu();
        if (!cuda_is_available()) return 0;
        const Tensor warm = exp(normal(key(1), {64}).to(cuda(0)));
        synchronize();
        const long before = simulated_count("live_bytes");
        for (int i = 0; i < 20; ++i) {
          const Tensor x = normal(key(1), {1000}).to(cuda(0));
          const Tensor y = exp(x) * 2;
        }
        synchronize();
        SAY(simulated_count("live_bytes") == before);
        SAY(simulated_count("peak_bytes") < before + 64 * 4096);
        return 0;
      },
      &said);
  EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace tenon::testing
