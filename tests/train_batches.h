// What the tests of the demo's training step train on. Refuses to know devices.
#pragma once

#include <tenon/tenon.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "tenon/examples/data/idx.h"

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
    const auto images = tenon::examples::read_idx(folder + "train-images-idx3-ubyte.gz", 3);
    const auto labels = tenon::examples::read_idx(folder + "train-labels-idx1-ubyte.gz", 1);
    for (int64_t s = 0; s < steps; ++s)
      batches.emplace_back(tn::copy_from(images.bytes.data() + s * batch * 784, {batch, 784}, tn::u8),
                           tn::copy_from(labels.bytes.data() + s * batch, {batch}, tn::u8));
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
