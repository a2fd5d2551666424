// Places arena buffers in memory: buffers whose lives do not meet may share bytes, an elementwise kernel may write over an
// input that dies there, and donated inputs lend their memory to outputs. Static programs get offsets (largest first, best
// gap); symbolic ones get slots, which the entry point lays out in order. Held against check_buffers.cc, which shares no
// code with this file. Refuses to reorder steps.
#include <algorithm>
#include <map>

#include "tenon/passes/memory/buffer_lives.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr int64_t alignment = 64;  // a cache line, and the widest vector
constexpr int64_t page_bytes = 2 << 20;  // a huge page
constexpr int64_t big_bytes = 8 << 20;  // from here on, buffers start on one
constexpr size_t quadratic_limit = 1024;  // storages that the exact search takes; more are placed in order of time

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Buffers that share their bytes because one is written over the other.
struct Storage {
  int first = INT32_MAX, last = -1;
  int64_t size = 0, offset = 0;
};

class Planner {
 public:
  explicit Planner(Program& program) : p_(program), lives_(buffer_lives(program)) {
    over_.resize(p_.buffers.size());
    for (uint32_t b = 0; b < over_.size(); ++b) over_[b] = b;
  }

  void run() {
    settle_donations();
    write_over(p_.steps);
    if (p_.is_static)
      place();
    else
      deal_slots();
  }

 private:
  bool in_arena(uint32_t b) const { return p_.buffers[b].home == Home::arena && lives_[b].used(); }
  uint32_t top(uint32_t b) const {
    while (over_[b] != b) b = over_[b];
    return b;
  }

  static bool is_whole_copy(const Step& s) {
    return s.kind == StepKind::copy && !s.count && s.operands[0].is_whole() && s.operands[1].is_whole();
  }

  // An output that takes an input's memory must not be written before the input was read for the last time; where it
  // would be, it is computed in the arena and copied at the end.
  void settle_donations() {
    std::vector<Step> copies;
    for (const auto& [input, output] : p_.aliases) {
      uint32_t in = UINT32_MAX, out = UINT32_MAX;
      for (uint32_t b = 0; b < p_.buffers.size(); ++b) {
        if (p_.buffers[b].home == Home::input && p_.buffers[b].slot == input) in = b;
        if (p_.buffers[b].home == Home::output && p_.buffers[b].slot == output) out = b;
      }
      if (in == UINT32_MAX || out == UINT32_MAX || !lives_[in].used() || !lives_[out].used()) continue;
      if (lives_[in].last < lives_[out].first) continue;
      if (lives_[in].last == lives_[out].first && writes_over_at(p_.steps, lives_[out].first, in, out)) continue;
      ProgramBuffer stand_in = p_.buffers[out];
      stand_in.home = Home::arena;
      stand_in.slot = 0;
      const uint32_t fresh = static_cast<uint32_t>(p_.buffers.size());
      p_.buffers.push_back(stand_in);
      rename(p_.steps, out, fresh);
      Step copy;
      copy.kind = StepKind::copy;
      copy.operands = {{fresh, -1, false, 0}, {out, -1, false, 0}};
      copy.origin = stand_in.producer == UINT32_MAX ? 0 : stand_in.producer;
      copies.push_back(std::move(copy));
    }
    if (copies.empty()) return;
    for (Step& s : copies) p_.steps.push_back(std::move(s));
    lives_ = buffer_lives(p_);
    over_.resize(p_.buffers.size());
    for (uint32_t b = 0; b < over_.size(); ++b) over_[b] = b;
  }

  void rename(std::vector<Step>& steps, uint32_t from, uint32_t to) {
    for (Step& s : steps) {
      for (Operand& o : s.operands)
        if (o.buffer == from) o.buffer = to;
      for (Step::Carry& c : s.carries) {
        if (c.current == from) c.current = to;
        if (c.next == from) c.next = to;
      }
      rename(s.condition, from, to);
      rename(s.body, from, to);
      rename(s.otherwise, from, to);
    }
  }

  bool writes_over_at(const std::vector<Step>& steps, int time, uint32_t in, uint32_t out) {
    int now = 0;
    return find_launch(steps, now, time, in, out);
  }
  bool find_launch(const std::vector<Step>& steps, int& now, int time, uint32_t in, uint32_t out) {
    for (const Step& s : steps) {
      const int own = now++;
      if (own == time)
        return (s.kind == StepKind::launch && may_write_over(s, in, out)) ||
               (is_whole_copy(s) && s.operands[0].buffer == in && s.operands[1].buffer == out);  // which is none
      if (find_launch(s.condition, now, time, in, out) || find_launch(s.body, now, time, in, out) ||
          find_launch(s.otherwise, now, time, in, out))
        return true;
      if (s.kind == StepKind::loop) ++now;  // the carries
    }
    return false;
  }

  // Whether this launch reads buffer `in` only at the index at which it then writes buffer `out`.
  bool may_write_over(const Step& s, uint32_t in, uint32_t out) {
    const Kernel& kernel = p_.kernels[s.kernel];
    uint32_t x = UINT32_MAX, y = UINT32_MAX;
    size_t next = 0;
    for (uint32_t b = 0; b < kernel.buffers.size(); ++b) {
      if (kernel.buffers[b].space == Space::scratch) continue;
      const Operand& o = s.operands[next++];
      uint32_t* which = o.buffer == in ? &x : o.buffer == out ? &y : nullptr;
      if (!which) continue;
      if (*which != UINT32_MAX || !o.is_whole()) return false;
      *which = b;
    }
    return x != UINT32_MAX && y != UINT32_MAX && same_place(kernel, x, y);
  }

  // Every load of x and every store of y in one block, at the same index, loads first.
  bool same_place(const Kernel& kernel, uint32_t x, uint32_t y) {
    const KernelBuffer &a = kernel.buffers[x], &b = kernel.buffers[y];
    if (a.space != Space::input || b.space != Space::output || bytes(a.dtype) != bytes(b.dtype) ||
        !(a.shape == b.shape))
      return false;
    const Instruction* store = nullptr;
    const Block* where = nullptr;
    for (const Block& block : kernel.blocks)
      for (uint32_t number : block.instructions) {
        const Instruction& i = kernel.instructions[number];
        if (i.kind != KernelOp::store || index(i.buffer) != y) continue;
        if (store || i.operands.size() != b.shape.size() + 1) return false;
        store = &i;
        where = &block;
      }
    if (!store) return false;
    bool stored = false, loaded = false;
    size_t loads = 0, seen = 0;
    for (const Instruction& i : kernel.instructions) loads += i.kind == KernelOp::load && index(i.buffer) == x;
    for (uint32_t number : where->instructions) {
      const Instruction& i = kernel.instructions[number];
      stored = stored || &i == store;
      if (i.kind != KernelOp::load || index(i.buffer) != x) continue;
      if (stored || i.operands.size() != a.shape.size()) return false;
      if (!std::equal(i.operands.begin(), i.operands.end(), store->operands.begin())) return false;
      loaded = true;
      ++seen;
    }
    return loaded && seen == loads;
  }

  void write_over(const std::vector<Step>& steps) {
    for (const Step& s : steps) {
      if (s.kind == StepKind::launch) {
        for (const Operand& y : s.operands) {
          if (!in_arena(y.buffer) || !y.is_whole()) continue;
          for (const Operand& x : s.operands) {
            if (x.buffer == y.buffer || !in_arena(x.buffer) || !x.is_whole()) continue;
            const Life &dies = lives_[x.buffer], &starts = lives_[y.buffer];
            if (dies.last != starts.first || dies.first >= dies.last) continue;
            if (top(y.buffer) != y.buffer || taken_.contains({top(x.buffer), starts.first})) continue;
            if (!may_write_over(s, x.buffer, y.buffer)) continue;
            taken_[{top(x.buffer), starts.first}] = true;
            over_[y.buffer] = top(x.buffer);
            break;
          }
        }
      }
      write_over(s.condition);
      write_over(s.body);
      write_over(s.otherwise);
    }
  }

  std::map<uint32_t, Storage> storages() const {
    std::map<uint32_t, Storage> result;
    for (uint32_t b = 0; b < p_.buffers.size(); ++b) {
      if (!in_arena(b)) continue;
      Storage& s = result[top(b)];
      s.first = std::min(s.first, lives_[b].first);
      s.last = std::max(s.last, lives_[b].last);
      if (p_.is_static) s.size = std::max(s.size, byte_count(p_.buffers[b].shape, bytes(p_.buffers[b].dtype)));
    }
    return result;
  }

  void place() {
    std::map<uint32_t, Storage> all = storages();
    std::vector<Storage*> order;
    for (auto& [number, s] : all) order.push_back(&s);
    const bool exact = order.size() <= quadratic_limit;
    if (exact)
      std::stable_sort(order.begin(), order.end(), [](Storage* a, Storage* b) { return a->size > b->size; });
    else
      std::stable_sort(order.begin(), order.end(), [](Storage* a, Storage* b) { return a->first < b->first; });
    std::vector<Storage*> placed;
    for (Storage* s : order) {
      const int64_t step = s->size >= big_bytes ? page_bytes : alignment;
      if (!exact) std::erase_if(placed, [&](Storage* o) { return o->last < s->first; });
      // Neighbours alive at the same time, by address; the smallest gap that holds s, else behind them all.
      std::vector<Storage*> near;
      for (Storage* o : placed)
        if (o->first <= s->last && s->first <= o->last && o->size > 0) near.push_back(o);
      if (exact) std::sort(near.begin(), near.end(), [](Storage* a, Storage* b) { return a->offset < b->offset; });
      int64_t end = 0, best = -1, best_gap = INT64_MAX;
      for (Storage* o : near) {
        const int64_t start = round_up(end, step);
        const int64_t gap = o->offset - end;
        if (start + s->size <= o->offset && gap < best_gap) best = start, best_gap = gap;
        end = std::max(end, o->offset + o->size);
      }
      s->offset = best >= 0 ? best : round_up(end, step);
      p_.arena_bytes = std::max(p_.arena_bytes, s->offset + s->size);
      if (exact)
        placed.push_back(s);
      else
        placed.insert(std::upper_bound(placed.begin(), placed.end(), s,
                                       [](Storage* a, Storage* b) { return a->offset < b->offset; }),
                      s);
    }
    p_.arena_bytes = round_up(p_.arena_bytes, alignment);
    for (uint32_t b = 0; b < p_.buffers.size(); ++b)
      if (p_.buffers[b].home == Home::arena) p_.buffers[b].offset = in_arena(b) ? all[top(b)].offset : 0;
  }

  // Buffers of one size by definition take turns in one slot.
  void deal_slots() {
    std::map<uint32_t, Storage> all = storages();
    std::vector<std::pair<int, uint32_t>> order;
    for (auto& [b, s] : all) order.emplace_back(s.first, b);
    std::sort(order.begin(), order.end());
    std::map<std::pair<int64_t, int>, std::vector<std::pair<int, uint32_t>>> free;  // by size: (last use, slot)
    uint32_t slots = 0;
    std::map<uint32_t, uint32_t> slot_of;
    for (const auto& [first, b] : order) {
      const ProgramBuffer& buffer = p_.buffers[b];
      auto& list = free[{p_.symbols->numel(buffer.shape).code(), bytes(buffer.dtype)}];
      auto at = std::find_if(list.begin(), list.end(), [&](const auto& entry) { return entry.first < first; });
      if (at == list.end()) at = list.insert(list.end(), {-1, slots++});
      slot_of[b] = at->second;
      at->first = all[b].last;
    }
    for (uint32_t b = 0; b < p_.buffers.size(); ++b)
      if (p_.buffers[b].home == Home::arena) p_.buffers[b].arena_slot = in_arena(b) ? slot_of[top(b)] : slots;
    // A buffer that no step touches still needs a slot to be named by.
  }

  Program& p_;
  std::vector<Life> lives_;
  std::vector<uint32_t> over_;  // the buffer over which this one is written, or itself
  std::map<std::pair<uint32_t, int>, bool> taken_;
};

}  // namespace

Program plan_buffers(Program program) {
  program.arena_bytes = 0;
  Planner(program).run();
  return program;
}

}  // namespace tenon::passes
