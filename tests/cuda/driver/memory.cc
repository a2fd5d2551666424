// First fit over the holes. Fills and checks go round the sanitizers; under AddressSanitizer what is no block is poisoned for it
// too, so that it stops a kernel at the bad access.
#include "tenon/tests/cuda/driver/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "tenon/tests/cuda/driver/block.h"
#include "tenon/tests/cuda/driver/words.h"

extern "C" {
__attribute__((weak)) void __asan_poison_memory_region(const volatile void* begin, size_t size);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void* begin, size_t size);
}

namespace simulated {
namespace {

constexpr unsigned gap_word = 0x7ffafffa, ended_word = 0xfffdfffd;  // NaNs
constexpr size_t whole_most = size_t{16} << 20, edge = size_t{1} << 20;

size_t rounded(size_t bytes) { return (bytes + 255) / 256 * 256; }
size_t footprint(size_t bytes) { return rounded(bytes) + 2 * gap_bytes; }
char* at(Address address) { return reinterpret_cast<char*>(address); }

char* region() {
  static char* const begin = [] {
    void* memory =
        mmap(nullptr, part_bytes * most_devices, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    madvise(memory, part_bytes * most_devices, MADV_DONTDUMP);
    return static_cast<char*>(memory);
  }();
  return begin;
}

// Large blocks are known by their edges: whole ones would take as much of the host's memory.
void fill_block(Address begin, size_t bytes, unsigned word) {
  if (bytes <= whole_most) return fill(at(begin), bytes, word);
  fill(at(begin), edge, word);
  fill(at(begin + bytes - edge), edge, word);
}
size_t unlike_block(Address begin, size_t bytes, unsigned word) {
  if (bytes <= whole_most) return first_unlike(at(begin), bytes, word);
  const size_t off = first_unlike(at(begin), edge, word);
  if (off < edge) return off;
  return bytes - edge + first_unlike(at(begin + bytes - edge), edge, word);
}
void hide(Address begin, size_t bytes) {
  if (__asan_poison_memory_region) __asan_poison_memory_region(at(begin), bytes);
}
void show(Address begin, size_t bytes) {
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(at(begin), bytes);
}

int touching = 0;
std::array<uint64_t, most_devices> opened = {};

void set_access(int device, bool open) {
  const uint64_t bytes = open ? memory_of(device).reach() : opened[static_cast<size_t>(device)];
  if (bytes != 0 && mprotect(region() + part_bytes * static_cast<uint64_t>(device), bytes,
                             open ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
    std::abort();
  opened[static_cast<size_t>(device)] = open ? bytes : 0;
}

}  // namespace

Touching::Touching() {
  if (touching++ == 0)
    for (int d = 0; d < most_devices; ++d) set_access(d, true);
}
Touching::~Touching() {
  if (--touching == 0)
    for (int d = 0; d < most_devices; ++d) set_access(d, false);
}

Memory::Memory(int device) : base_(reinterpret_cast<Address>(region()) + part_bytes * static_cast<uint64_t>(device)) {}

Memory& memory_of(int device) {
  static auto* const all = [] {
    auto* made = new std::array<Memory*, most_devices>;
    for (int d = 0; d < most_devices; ++d) (*made)[static_cast<size_t>(d)] = new Memory(d);
    return made;
  }();
  return *(*all)[static_cast<size_t>(device)];
}

int device_of(Address address) {
  const auto base = reinterpret_cast<Address>(region());
  return address >= base && address < base + part_bytes * most_devices ? static_cast<int>((address - base) / part_bytes)
                                                                       : -1;
}

uint64_t Memory::limit() const {
  return std::min(static_cast<uint64_t>(std::max(word("memory", 4096), 0)) << 20, part_bytes - (uint64_t{1} << 30));
}

Block* Memory::find(Address address, size_t bytes) {
  auto next = blocks_.upper_bound(address);
  if (next == blocks_.begin()) return nullptr;
  Block& b = std::prev(next)->second;
  return address - b.begin <= b.bytes && bytes <= b.bytes - (address - b.begin) ? &b : nullptr;
}

Block* Memory::promise(size_t bytes) {
  if (used_ + rounded(bytes) > limit()) return nullptr;
  const size_t whole = footprint(bytes);
  const Touching touch;
  Address begin = 0;
  for (int attempt = 0; begin == 0; ++attempt) {
    const auto hole = std::find_if(holes_.begin(), holes_.end(), [&](const auto& h) { return h.second >= whole; });
    if (hole != holes_.end()) {
      begin = hole->first;
      const uint64_t left = hole->second - whole;
      holes_.erase(hole);
      if (left != 0) holes_[begin + whole] = left;
    } else if (reach_ + whole <= part_bytes) {
      begin = base_ + reach_;
      reach_ += whole;
      set_access(device_of(base_), true);
    } else if (attempt == 0) {
      forget_resting();
    } else {
      return nullptr;
    }
  }
  Block b;
  b.begin = begin + gap_bytes;
  b.bytes = bytes;
  hide(begin, whole);
  fill(at(begin), gap_bytes, gap_word);
  fill_block(b.begin, bytes, ended_word);
  fill(at(b.begin + bytes), whole - gap_bytes - bytes, gap_word);
  used_ += rounded(bytes);
  peak_ = std::max(peak_, used_);
  return &(blocks_[b.begin] = b);
}

std::string Memory::damage(const Block& b) const {
  const auto said = [&](std::ptrdiff_t offset) {
    char text[160];
    std::snprintf(text, sizeof text, "block %#llx of %zu bytes is written outside, at offset %td",
                  static_cast<unsigned long long>(b.begin), b.bytes, offset);
    return std::string(text);
  };
  const size_t before = first_unlike(at(b.begin - gap_bytes), gap_bytes, gap_word);
  if (before < gap_bytes) return said(static_cast<std::ptrdiff_t>(before) - static_cast<std::ptrdiff_t>(gap_bytes));
  const size_t behind = footprint(b.bytes) - gap_bytes - b.bytes,
               after = first_unlike(at(b.begin + b.bytes), behind, gap_word);
  return after < behind ? said(static_cast<std::ptrdiff_t>(b.bytes + after)) : "";
}

std::string Memory::begin_life(Block& b) {
  std::string wrong = damage(b);
  if (const size_t off = unlike_block(b.begin, b.bytes, ended_word); wrong.empty() && off < b.bytes)
    wrong = "a block of " + std::to_string(b.bytes) + " bytes is written at offset " + std::to_string(off) +
            " before its allocation's turn in its stream";
  fill_block(b.begin, b.bytes, nan_word);
  show(b.begin, b.bytes);
  if (b.state == Block::promised) b.state = Block::live;
  b.begun = true;
  return wrong;
}

std::string Memory::end_life(Address begin) {
  const auto found = blocks_.find(begin);
  if (found == blocks_.end()) return "a block is freed that is none";
  const Block b = found->second;
  std::string wrong = damage(b);
  fill_block(b.begin, b.bytes, ended_word);
  hide(b.begin, b.bytes);
  blocks_.erase(found);
  used_ -= rounded(b.bytes);
  resting_.push_back({b.begin, b.bytes});
  resting_bytes_ += b.bytes;
  while (resting_bytes_ > (uint64_t{64} << 20) || resting_.size() > 256) {
    const Resting oldest = resting_.front();
    resting_.pop_front();
    resting_bytes_ -= oldest.bytes;
    const size_t off = unlike_block(oldest.begin, oldest.bytes, ended_word);
    if (wrong.empty() && off < oldest.bytes)
      wrong = "a freed block of " + std::to_string(oldest.bytes) + " bytes is written at offset " + std::to_string(off);
    give_back(oldest.begin, oldest.bytes);
  }
  return wrong;
}

void Memory::give_back(Address begin, size_t bytes) {
  if (bytes > whole_most) madvise(at((begin + 4095) & ~Address{4095}), (bytes - 4096) & ~size_t{4095}, MADV_DONTNEED);
  Address from = begin - gap_bytes;
  uint64_t whole = footprint(bytes);
  if (const auto next = holes_.find(from + whole); next != holes_.end()) {
    whole += next->second;
    holes_.erase(next);
  }
  const auto after = holes_.lower_bound(from);
  if (after != holes_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == from) {
      from = before->first;
      whole += before->second;
    }
  }
  holes_[from] = whole;
}

void Memory::forget_resting() {
  for (const Resting& r : resting_) give_back(r.begin, r.bytes);
  resting_.clear();
  resting_bytes_ = 0;
}

std::string Memory::check() {
  for (const auto& [begin, b] : blocks_)
    if (std::string wrong = damage(b); !wrong.empty()) return wrong;
  for (const Resting& r : resting_) {
    const size_t most = std::min<size_t>(r.bytes, 4096), off = first_unlike(at(r.begin), most, ended_word);
    if (off < most)
      return "a freed block of " + std::to_string(r.bytes) + " bytes is written at offset " + std::to_string(off);
  }
  return "";
}

}  // namespace simulated
