// The devices' memory: one reserved region, of which each device has a part, and which nobody may touch but work that runs. Blocks lie apart,
// with known words between them, and are filled with NaNs when they begin and when they end, so that what reads or writes where
// it must not is seen. Blocks that have ended rest for a while before their addresses serve again.
// Refuses to know of streams: who calls says when a block's life begins and ends.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace simulated {

using Address = uint64_t;

constexpr int most_devices = 8;
constexpr uint64_t part_bytes = uint64_t{8} << 30;  // of the region, for each device
constexpr size_t gap_bytes = 256;  // on each side of a block

struct Block {
  enum State : uint8_t {
    promised,  // its address is known, its life in stream order has not begun
    live,
    leaving,  // its end is queued
  };
  Address begin = 0;
  size_t bytes = 0;
  State state = promised;
  bool begun = false;  // a block may be leaving before it is live, as its calls were made
};

// While one lives, the region may be touched.
class Touching {
 public:
  Touching();
  ~Touching();
  Touching(const Touching&) = delete;
};

class Memory {
 public:
  explicit Memory(int device);

  // The block that holds `bytes` at an address; null where there is none.
  Block* find(Address address, size_t bytes = 1);
  Block* promise(size_t bytes);  // null: out of memory
  // What is wrong, or nothing. Callers touch.
  std::string begin_life(Block& block);
  std::string end_life(Address begin);
  std::string check();  // of all gaps, and of what has ended
  void forget_resting();  // its memory serves again
  bool empty() const { return blocks_.empty(); }

  const std::map<Address, Block>& blocks() const { return blocks_; }
  uint64_t used() const { return used_; }
  uint64_t peak() const { return peak_; }
  void forget_peak() { peak_ = used_; }
  uint64_t limit() const;
  uint64_t reach() const { return reach_; }  // bytes of the part that have ever been used

 private:
  struct Resting {
    Address begin;
    size_t bytes;
  };
  std::string damage(const Block& block) const;
  void give_back(Address begin, size_t bytes);

  const Address base_;
  uint64_t reach_ = 0, used_ = 0, peak_ = 0, resting_bytes_ = 0;
  std::map<Address, Block> blocks_;
  std::map<Address, uint64_t> holes_;  // begin with a gap, as footprints do
  std::deque<Resting> resting_;
};

Memory& memory_of(int device);
int device_of(Address address);  // -1: no device's

}  // namespace simulated
