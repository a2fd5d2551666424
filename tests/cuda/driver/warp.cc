// What the kernels call: barriers, collectives of a warp, asynchronous copies. The last lane to come does the work for all, on
// the records that the others left on their stacks.
#include <algorithm>
#include <cstring>

#include "tenon/tests/cuda/driver/block.h"

namespace simulated {
namespace {

float widened(bool bf16, unsigned bits) {
  float y;
  if (bf16) {
    const unsigned word = bits << 16;
    std::memcpy(&y, &word, sizeof y);
    return y;
  }
  const unsigned sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  unsigned word = rest << 13;
  if (rest >= 0x7c00u) {
    word = sign | 0x7f800000u | (rest & 0x3ffu) << 13;
    std::memcpy(&y, &word, sizeof y);
    return y;
  }
  std::memcpy(&y, &word, sizeof y);
  y *= 0x1p112f;
  return sign ? -y : y;
}

// Rows of a are 16, columns of b 8, 16 products each; where the lanes hold them is in the manual of PTX.
void multiply(bool bf16, void* const (&records)[32]) {
  float a[16][16], b[16][8], d[16][8];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto& r = *static_cast<const Mma*>(records[lane]);
    const unsigned g = lane / 4, t = lane % 4 * 2;
    for (unsigned i = 0; i < 4; ++i)
      for (unsigned h = 0; h < 2; ++h) a[g + i % 2 * 8][t + i / 2 * 8 + h] = widened(bf16, r.a[i] >> 16 * h & 0xffffu);
    for (unsigned i = 0; i < 2; ++i)
      for (unsigned h = 0; h < 2; ++h) b[t + i * 8 + h][g] = widened(bf16, r.b[i] >> 16 * h & 0xffffu);
    for (unsigned i = 0; i < 4; ++i) d[g + i / 2 * 8][t + i % 2] = r.d[i];
  }
  for (int m = 0; m < 16; ++m)
    for (int k = 0; k < 16; ++k)
      for (int n = 0; n < 8; ++n) d[m][n] += a[m][k] * b[k][n];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto& r = *static_cast<const Mma*>(records[lane]);
    for (unsigned i = 0; i < 4; ++i) r.d[i] = d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

void load_matrices(bool transposed, void* const (&records)[32]) {
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 4; ++i) {
      unsigned short two[2];
      for (unsigned h = 0; h < 2; ++h) {
        const unsigned row = transposed ? lane % 4 * 2 + h : lane / 4,
                       column = transposed ? lane / 4 : lane % 4 * 2 + h;
        const auto* from = static_cast<const char*>(static_cast<const Matrices*>(records[8 * i + row])->row);
        std::memcpy(&two[h], from + 2 * column, 2);
      }
      static_cast<Matrices*>(records[lane])->result[i] = two[0] | unsigned{two[1]} << 16;
    }
}

void vote(Collective what, unsigned mask, void* const (&records)[32]) {
  unsigned result = what == Collective::least ? ~0u : 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1)) continue;
    const unsigned value = static_cast<const Vote*>(records[lane])->value;
    if (what == Collective::vote) result |= value << lane;
    if (what == Collective::add) result += value;
    if (what == Collective::least) result = std::min(result, value);
    if (what == Collective::most) result = std::max(result, value);
  }
  for (unsigned lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1) static_cast<Vote*>(records[lane])->result = result;
}

void together(Collective what, unsigned mask, void* const (&records)[32]) {
  switch (what) {
    case Collective::wait: return;
    case Collective::shuffle:
      for (unsigned lane = 0; lane < 32; ++lane) {
        if (!(mask >> lane & 1)) continue;
        auto& r = *static_cast<Shuffle*>(records[lane]);
        const bool there = r.source >= 0 && r.source < 32 && (mask >> r.source & 1);
        r.result = there ? static_cast<const Shuffle*>(records[r.source])->value : uint64_t{nan_word} << 32 | nan_word;
      }
      return;
    case Collective::mma_bf16:
    case Collective::mma_f16: return multiply(what == Collective::mma_bf16, records);
    case Collective::matrices:
    case Collective::matrices_transposed: return load_matrices(what == Collective::matrices_transposed, records);
    default: return vote(what, mask, records);
  }
}

void collect(Collective what, unsigned mask, void* record, int line) {
  Thread& me = *running.now;
  const int first = me.number & ~31;
  const unsigned lane = static_cast<unsigned>(me.number) & 31u;
  if (!(mask >> lane & 1))
    fail(error_launch_failed, "line %d: lane %u is not in the mask %08x that it names", line, lane, mask);
  if ((what == Collective::matrices || what == Collective::matrices_transposed) &&
      reinterpret_cast<uintptr_t>(static_cast<Matrices*>(record)->row) % 16 != 0)
    fail(error_misaligned, "line %d: a row of a matrix is not aligned to 16 bytes", line);
  me.what = what, me.mask = mask, me.record = record, me.line = line;
  me.state = Thread::in_warp;
  void* records[32] = {};
  bool all = true;
  for (int l = 0; l < 32; ++l) {
    if (!(mask >> l & 1)) continue;
    if (first + l >= running.count)
      fail(error_launch_failed, "line %d: the mask %08x names lanes that a block of %d threads has not", line, mask,
           running.count);
    const Thread& t = running.threads[static_cast<size_t>(first + l)];
    if (t.state == Thread::ended)
      fail(error_launch_failed, "line %d: lanes are missing: lane %d of the mask %08x has ended", line, l, mask);
    if (t.state != Thread::in_warp || t.mask != mask) {
      all = false;
      continue;
    }
    if (t.line != line || t.what != what)
      fail(error_launch_failed, "the warp diverges: lane %u is in line %d, lane %d in line %d", lane, line, l, t.line);
    records[l] = t.record;
  }
  if (!all) return wait();
  together(what, mask, records);
  for (int l = 0; l < 32; ++l) {
    if (!(mask >> l & 1)) continue;
    Thread& t = running.threads[static_cast<size_t>(first + l)];
    t.state = Thread::ready;
    if (&t != &me) running.first_ready = std::min(running.first_ready, t.place);
  }
  if (running.first_ready < me.place) wait();  // the one that comes first goes on
}

void wait_block(int line) {
  running.now->state = Thread::at_barrier;
  running.now->line = line;
  wait();
}

void deliver(const Copy& c) {
  if (c.valid)
    std::memcpy(c.to, c.from, 16);
  else
    std::memset(c.to, 0, 16);
}

void copy(void* shared, const void* global, bool valid, int line) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 != 0 || (valid && reinterpret_cast<uintptr_t>(global) % 16 != 0))
    fail(error_misaligned, "line %d: an asynchronous copy of 16 bytes is not aligned to them", line);
  const Copy c{shared, global, valid};
  if (!running.manner.late) return deliver(c);
  auto& groups = running.now->groups;
  if (groups.empty()) groups.emplace_back();
  groups.back().push_back(c);
}

void commit_copies() {
  if (!running.manner.late) return;
  auto& groups = running.now->groups;
  if (groups.empty()) groups.emplace_back();
  groups.emplace_back();
}

// All groups but the last `left` have arrived then; an open group is not waited for.
void wait_copies(int left, int) {
  auto& groups = running.now->groups;
  if (groups.empty()) return;
  const size_t closed = groups.size() - 1;
  const size_t done = closed > static_cast<size_t>(left) ? closed - static_cast<size_t>(left) : 0;
  for (size_t g = done; g-- > 0;)
    for (size_t i = groups[g].size(); i-- > 0;) deliver(groups[g][i]);
  groups.erase(groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(done));
}

void set_condition(unsigned long long handle, unsigned value) {
  if (!running.launch->set_condition) fail(error_launch_failed, "a condition is set outside of a graph");
  running.launch->set_condition(handle, value);
}

void fail_by_itself(const char* what, int line) { fail(error_launch_failed, "line %d: %s", line, what); }

}  // namespace

const Services services = {wait_block, collect, copy, commit_copies, wait_copies, set_condition, fail_by_itself};

}  // namespace simulated
