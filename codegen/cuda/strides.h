// How each whole number of a kernel, and so the place of each access, changes as one index goes up by one while everything else
// stands still: factor * index + rest, the rest being a multiple of a known number. From it follow accesses of several neighbours at
// once, and which way memory is walked. Refuses to guess: what is no such form is unknown.
#pragma once

#include <cstdint>
#include <vector>

#include "tenon/codegen/cuda/index.h"

namespace tenon::codegen {

struct Stride {
  bool known = true;
  int64_t factor = 0;
  int64_t rest = 1;  // what the rest is a multiple of; 0: it is 0
  bool is_fixed() const { return known && factor == 0; }
};

class CudaStrides {
 public:
  // near: remainders are taken to go up with their numbers and quotients to stay, as they do from most indices to the next; right
  // for choosing an order of walking, not for what must hold.
  CudaStrides(const ir::Kernel& kernel, const CudaIndex& index, ir::ScalarId along, bool near = false);
  Stride of(ir::ScalarId v) const { return strides_[index(v)]; }
  Stride of(const ir::Instruction& access) const;  // of the element's number
  bool is_masked_alike(const ir::Instruction& access) const;  // its mask and what it gives then stay the same

 private:
  void block(ir::BlockId id, bool inside);
  void instruction(const ir::Instruction& i, bool inside);
  Stride scalar(const ir::Instruction& i) const;

  const ir::Kernel& kernel_;
  const CudaIndex& index_;
  const ir::ScalarId along_;
  const bool near_;
  std::vector<Stride> strides_;
};

}  // namespace tenon::codegen
