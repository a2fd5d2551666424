// The demo's training step on the simulated GPU, 200 steps: the CPU's losses and parameters to the bit, kernels launched one by one
// first and as one changing graph from the second call on.
#include <cstring>

#include "tenon/examples/data/mlp.h"
#include "tenon/tests/simulated_gpu.h"
#include "tenon/tests/train_batches.h"

namespace tenon::testing {
namespace {

struct Trained {
  std::vector<float> losses;
  mlp::Params params;
};

Trained train(Device device, const Batches& batches) {
  const auto there = [&](const auto& tree) { return tree::map([&](const Tensor& t) { return t.to(device); }, tree); };
  const auto step = jit(mlp::train_step, {.donate = {0, 1}});
  Trained t{{}, there(mlp::init(42))};
  mlp::State state = there(optim::adamw_init(mlp::init(42)));
  for (const auto& [images, labels] : batches) {
    mlp::Step next = step(t.params, state, images.to(device), labels.to(device));
    t.params = std::move(next.params);
    state = std::move(next.state);
    EXPECT_EQ(next.loss.device(), device);
    t.losses.push_back(next.loss.item<float>());
  }
  t.params = tree::map([&](const Tensor& x) { return x.to(cpu()); }, t.params);
  return t;
}

TEST(CudaTrainSimulated, FashionMnistStepHasTheLossesOfTheCpu) {
  use_simulated_gpu();
  if (const std::string reason = no_simulated_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  const Batches batches = make_batches();
  const Trained expected = train(cpu(), batches), found = train(cuda(0), batches);
  ASSERT_EQ(found.losses.size(), static_cast<size_t>(steps));
  EXPECT_LT(found.losses.back(), found.losses.front());
  EXPECT_EQ(std::memcmp(found.losses.data(), expected.losses.data(), steps * sizeof(float)), 0);
  std::vector<std::string> paths = tree::paths(found.params);
  const auto mine = tree::leaves(found.params), his = tree::leaves(expected.params);
  for (size_t i = 0; i < mine.size(); ++i)
    EXPECT_EQ(std::memcmp(mine[i].raw(), his[i].raw(), static_cast<size_t>(mine[i].numel()) * 4), 0) << paths[i];
  EXPECT_GE(simulated_count("calls.cuGraphLaunch"), steps - 1);
  EXPECT_EQ(simulated_count("calls.cuGraphInstantiateWithFlags"), 1) << "later calls change its nodes";
}

}  // namespace
}  // namespace tenon::testing
