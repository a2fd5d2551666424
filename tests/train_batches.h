// What the tests of the demo's training step train on. Refuses to know devices.
#pragma once

#include <tenon/tenon.h>

#include <filesystem>
#include <utility>
#include <vector>

namespace tenon::testing {

namespace tn = tenon;

inline constexpr int64_t batch = 128;
inline constexpr int steps = 200;

using Batches = std::vector<std::pair<tn::Tensor, tn::Tensor>>;

// Fashion-MNIST where it is installed, and otherwise images drawn from our own bits: the routes must agree on either.
inline Batches make_batches() {
  const std::string folder = "/usr/share/datasets/fashion-mnist/";
  Batches batches;
  if (std::filesystem::exists(folder + "train-images-idx3-ubyte.gz")) {
    const tn::Tensor images = tn::data::load_idx(folder + "train-images-idx3-ubyte.gz").reshape({-1, 784});
    const tn::Tensor labels = tn::data::load_idx(folder + "train-labels-idx1-ubyte.gz");
    for (const auto& [x, y] : tn::data::batches(std::tuple{images, labels}, {.size = batch})) {
      batches.emplace_back(x, y);
      if (batches.size() == steps) break;
    }
    return batches;
  }
  for (int s = 0; s < steps; ++s) {
    const auto bits = tn::random_bits(tn::fold_in(tn::key(5), s), {batch, 785});
    const auto bytes = (bits >> 24).astype(tn::u8);
    batches.emplace_back(bytes[{tn::all, tn::slice(0, 784)}], bytes[{tn::all, 784}] % 10);
  }
  return batches;
}

}  // namespace tenon::testing
