// The demo's training step gives the same losses to the bit on every route: eager, fused, loaded from the disk cache, and
// shipped to a C program, with one thread and with two, for 200 steps.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tenon/examples/data/ship.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/train_batches.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

using tenon::testing::batch;
using tenon::testing::Batches;
using tenon::testing::make_batches;
using tenon::testing::steps;

template <class Step>
std::vector<float> losses_of(const Step& step, const Batches& batches, int count = steps) {
  mlp::Params params = mlp::init(42);
  mlp::State state = tn::optim::adamw_init(params);
  std::vector<float> losses;
  for (int s = 0; s < count; ++s) {
    mlp::Step next = step(params, state, batches[s].first, batches[s].second);
    params = std::move(next.params);
    state = std::move(next.state);
    losses.push_back(next.loss.template item<float>());
  }
  return losses;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Train, EveryRouteGivesTheSameLosses) {
  const Batches batches = make_batches();
  std::vector<float> expected;
  for (int threads : {1, 2}) {
    tenon_runtime_set_threads(threads);
    const std::vector<float> fused = losses_of(tn::jit(mlp::train_step, {.donate = {0, 1}}), batches);
    if (expected.empty()) expected = fused;
    EXPECT_LT(fused.back(), fused.front());
    EXPECT_TRUE(same_bits(fused, expected)) << threads << " threads, fused";
    EXPECT_TRUE(same_bits(losses_of(mlp::train_step, batches), expected)) << threads << " threads, eager";

    tenon::runtime::clear_memory_cache();
    const auto cached = tn::jit(mlp::train_step, {.donate = {0, 1}});
    const mlp::Params params = mlp::init(42);
    EXPECT_TRUE(cached.lower(params, tn::optim::adamw_init(params), batches[0].first, batches[0].second)
                    .compile()
                    .from_cache());
    EXPECT_TRUE(same_bits(losses_of(cached, batches), expected)) << threads << " threads, from the disk cache";
  }

  // Shipped: the object is for x86-64-v3 and the jitted code for this machine; the contract says the bits are the same.
  const std::string folder = std::string(TENON_BINARY_DIR) + "/train_test_shipped";
  const mlp::Params params = mlp::init(42);
  const mlp::State state = tn::optim::adamw_init(params);
  tn::aot::save(tn::jit(mlp::train_step, {.donate = {0, 1}}), {.name = "train_step", .out = folder}, params, state,
                batches[0].first, batches[0].second);
  const std::string program = tenon::examples::build_train_on(folder);
  std::string bytes, rows;
  const auto append = [](std::string& out, const Tensor& t) {
    out.append(static_cast<const char*>(t.raw()),
               static_cast<size_t>(t.numel()) * static_cast<size_t>(tenon::bytes(t.dtype())));
  };
  for (const Tensor& t : tn::tree::leaves(params)) append(bytes, t);
  for (const Tensor& t : tn::tree::leaves(state)) append(bytes, t);
  for (const auto& [images, labels] : batches) append(rows, images), append(rows, labels);
  tenon::examples::write_file(folder + "/state.bin", bytes);
  tenon::examples::write_file(folder + "/batches.bin", rows);
  for (const char* threads : {"1", "2"}) {
    setenv("TENON_THREADS", threads, 1);
    tenon::examples::run_program(
        {program, folder + "/state.bin", folder + "/batches.bin", folder + "/losses.bin", std::to_string(steps)});
    const std::string text = tenon::examples::read_file(folder + "/losses.bin");
    std::vector<float> shipped(text.size() / sizeof(float));
    std::memcpy(shipped.data(), text.data(), text.size());
    EXPECT_TRUE(same_bits(shipped, expected)) << threads << " threads, shipped";
  }
}

}  // namespace
