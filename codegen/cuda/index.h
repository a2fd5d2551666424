// What is certain of a kernel's whole numbers before it is rendered: the interval of every i64, and from it which of them fit into
// 32 bits. Extents are numbers, or symbols with bounds; a loop's index lies below its extent.
//
// The proof rule of narrow numbers: an i64 is rendered as i32 only where its interval, found from those of its operands, lies
// within [-most_narrow, most_narrow]. It holds the same number then, whatever its operands are held in, so nothing that reads it
// can tell. What memory holds may be anything of its dtype and stays as wide as it is; so do the carries of loops, whose
// intervals would ask for iteration. Shares no code with the check of bounds (ir/kernel/bounds.h), which it need not agree with.
// Refuses to guess: what is not proved is an i64.
#pragma once

#include <cstdint>
#include <vector>

#include "tenon/ir/kernel/kernel.h"

namespace tenon::codegen {

// Below 2^31 with room for one more step of a loop over threads, or over what a block reduces at once.
inline constexpr int64_t most_narrow = (int64_t{1} << 31) - (int64_t{1} << 20);

struct Interval {
  int64_t low = INT64_MIN, high = INT64_MAX;
  bool within(int64_t a, int64_t b) const { return low >= a && high <= b; }
};

class CudaIndex {
 public:
  explicit CudaIndex(const ir::Kernel& kernel);
  // Of a whole number of any dtype, each time it is computed.
  Interval interval(ir::ScalarId v) const { return intervals_[index(v)]; }
  Interval interval(Dim d) const;
  bool is_narrow(ir::ScalarId v) const { return narrow_[index(v)]; }
  bool is_narrow(Dim d) const { return interval(d).within(0, most_narrow); }
  // Whether numbers of elements stay narrow: of a buffer, of a product of extents.
  bool is_narrow(const Shape& shape) const;
  // The number that every value of a dimension is a multiple of; 0 is one of everything.
  int64_t divisor(Dim d) const;

 private:
  void block(ir::BlockId id);
  void instruction(const ir::Instruction& i);
  void enter(const ir::Instruction& i, size_t block, std::initializer_list<size_t> extents);
  Interval scalar(const ir::Instruction& i) const;

  const ir::Kernel& kernel_;
  std::vector<Interval> intervals_;
  std::vector<char> narrow_;
};

}  // namespace tenon::codegen
