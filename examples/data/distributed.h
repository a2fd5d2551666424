// The demo's model, trained by all ranks of a world on the shards of each batch: the same losses and parameters to the bit, however many
// ranks there are, and whether or not the run was broken off and taken up again from a checkpoint.
#pragma once

#include <tenon/tenon.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::examples {

struct Images {
  std::vector<uint8_t> pixels, labels;  // u8[count, 784], u8[count]
  int64_t count() const { return static_cast<int64_t>(labels.size()); }
};

struct DistributedOptions {
  int64_t steps = 200, batch = 128;
  int shards = 8;
  bool sharded_state = false;  // each rank keeps its part of the optimizer's state
  std::string checkpoint = {};  // the folder; empty: none
  int64_t every = 50;  // steps between checkpoints
  int keep = 2;
  bool restore = false;  // from the newest checkpoint in the folder, if there is one
  int64_t die_at = -1;  // the step at which rank 1 kills itself, as kill -9 would
  bool talk = false;  // rank 0 prints what happens
  bool explain = false;  // rank 0 prints what the ranks do together in a step
};

struct Trained {
  std::vector<float> losses;
  uint64_t digest = 0;  // of all losses and parameters
  int64_t began_at = 0;  // the step that was restored; 0: none
  int64_t state_bytes = 0;  // of the optimizer, on this rank
  int64_t largest_state_bytes = 0;  // of any rank
};

// tenon::Error on every rank where one fails, or where the ranks end with different bits.
Trained train(const dist::World& world, const Images& images, const DistributedOptions& options);

}  // namespace tenon::examples
