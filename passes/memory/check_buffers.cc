// The independent check of a buffer plan. It runs a program's steps on a map of memory that records, for every byte, which
// buffer wrote it last: a read that finds another buffer's bytes, or bytes nobody wrote, is unsound. Loop bodies run twice,
// so that what one iteration leaves is met by the next; both arms of a branch run from the same state. A symbolic program is
// run at a few extents (passes/memory/sample_calls.h). Refuses to share code with the planner, and to trust the lives that it
// computed.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "tenon/passes/memory/sample_calls.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr uint32_t nobody = UINT32_MAX;
constexpr size_t most_calls = 3;  // of a symbolic program
constexpr int64_t most_rows = 4096;  // of a loop that copies, one by one

struct Range {
  int region = 0;  // 0 is the arena; then inputs, outputs and constants; slots of symbolic programs
  int64_t begin = 0, end = 0;
};

// Owner of every byte, as disjoint pieces by their beginning.
class Memory {
 public:
  void write(const Range& r, uint32_t owner) {
    if (r.begin >= r.end) return;
    cut(r.region, r.begin);
    cut(r.region, r.end);
    writers_.insert(owner);
    auto at = pieces_.lower_bound({r.region, r.begin});
    while (at != pieces_.end() && at->first.first == r.region && at->first.second < r.end) at = pieces_.erase(at);
    pieces_[{r.region, r.begin}] = {r.end, owner};
  }
  bool has_written(uint32_t owner) const { return writers_.contains(owner); }
  void forget_writer(uint32_t owner) { writers_.erase(owner); }
  // Owners of the bytes of r; nobody where unwritten.
  std::set<uint32_t> owners(const Range& r) const {
    std::set<uint32_t> result;
    int64_t next = r.begin;
    auto at = pieces_.upper_bound({r.region, r.begin});
    if (at != pieces_.begin()) --at;
    for (; at != pieces_.end() && next < r.end; ++at) {
      if (at->first.first != r.region || at->second.first <= next) {
        if (at->first.first > r.region) break;
        continue;
      }
      if (at->first.second >= r.end) break;
      if (at->first.second > next) result.insert(nobody);
      result.insert(at->second.second);
      next = at->second.first;
    }
    if (next < r.end) result.insert(nobody);
    return result;
  }
  // What holds in both.
  static Memory meet(const Memory& a, const Memory& b) {
    Memory m = a;
    for (const auto& [key, piece] : b.pieces_) {
      const Range r{key.first, key.second, piece.first};
      const std::set<uint32_t> before = a.owners(r);
      if (before.size() != 1 || *before.begin() != piece.second) m.blur(r, b);
    }
    for (const auto& [key, piece] : a.pieces_) {
      const Range r{key.first, key.second, piece.first};
      if (b.owners(r).contains(nobody)) m.blur(r, b);
    }
    return m;
  }

 private:
  using Key = std::pair<int, int64_t>;
  void cut(int region, int64_t at) {
    auto piece = pieces_.upper_bound({region, at});
    if (piece == pieces_.begin()) return;
    --piece;
    if (piece->first.first != region || piece->first.second >= at || piece->second.first <= at) return;
    const auto [end, owner] = piece->second;
    piece->second.first = at;
    pieces_[{region, at}] = {end, owner};
  }
  // Keeps the parts of r that both agree on, forgets the others.
  void blur(const Range& r, const Memory& other) {
    std::vector<int64_t> borders{r.begin, r.end};
    for (const Memory* m : {static_cast<const Memory*>(this), &other})
      for (const auto& [key, piece] : m->pieces_)
        if (key.first == r.region)
          for (int64_t at : {key.second, piece.first})
            if (at > r.begin && at < r.end) borders.push_back(at);
    std::sort(borders.begin(), borders.end());
    for (size_t i = 0; i + 1 < borders.size(); ++i) {
      const Range part{r.region, borders[i], borders[i + 1]};
      if (part.begin == part.end) continue;
      if (owners(part) != other.owners(part)) write(part, nobody);
    }
  }
  std::map<Key, std::pair<int64_t, uint32_t>> pieces_;
  std::set<uint32_t> writers_;  // who has ever written
};

class Checker {
 public:
  Checker(const Program& program, const std::vector<int64_t>& extents) : p_(program), extents_(extents) {
    for (uint32_t b = 0; b < p_.buffers.size(); ++b) ranges_.push_back(range_of(b));
  }

  std::vector<std::string> run() {
    Memory memory;
    for (uint32_t b = 0; b < p_.buffers.size(); ++b)
      if (p_.buffers[b].home == Home::input || p_.buffers[b].home == Home::constant) memory.write(ranges_[b], b);
    if (p_.is_static)
      for (uint32_t b = 0; b < p_.buffers.size(); ++b)
        if (p_.buffers[b].home == Home::arena && ranges_[b].end > p_.arena_bytes)
          report("buffer %" + std::to_string(b) + " ends behind the arena");
    steps(p_.steps, memory);
    for (uint32_t b = 0; b < p_.buffers.size(); ++b)
      if (p_.buffers[b].home == Home::output) read(b, memory, "the caller");
    return std::move(findings_);
  }

 private:
  Range range_of(uint32_t b) const {
    const ProgramBuffer& buffer = p_.buffers[b];
    const int64_t size = elements(buffer.shape, extents_) * bytes(buffer.dtype);
    Range r;
    switch (buffer.home) {
      case Home::arena:
        if (p_.is_static) return {0, buffer.offset, buffer.offset + size};
        // Slots are laid out one behind the other, so bytes of two slots never meet.
        return {1'000'000 + static_cast<int>(buffer.arena_slot), 0, size};
      case Home::input: r = {1 + static_cast<int>(buffer.slot), 0, size}; break;
      case Home::constant: r = {500'000 + static_cast<int>(buffer.slot), 0, size}; break;
      case Home::output: r = {250'000 + static_cast<int>(buffer.slot), 0, size}; break;
    }
    if (buffer.home == Home::output)
      for (const auto& [input, output] : p_.aliases)
        if (output == buffer.slot) r.region = 1 + static_cast<int>(input);
    return r;
  }

  void report(std::string text) {
    if (findings_.size() < 50 && known_.insert(text).second) findings_.push_back(std::move(text));
  }

  // What a step touches: `count` elements where the operand is part of its buffer. Rows of a loop are taken for all of it.
  Range touched(const Operand& o, int64_t count) const {
    Range r = ranges_[o.buffer];
    if (!o.part || o.loop >= 0) return r;
    const int64_t size = bytes(p_.buffers[o.buffer].dtype);
    r.begin += Symbols::value(o.start, extents_) * size;
    r.end = r.begin + count * size;
    return r;
  }

  void read(uint32_t b, const Memory& memory, const std::string& reader) { read(b, ranges_[b], memory, reader); }
  void read(uint32_t b, const Range& range, const Memory& memory, const std::string& reader) {
    for (uint32_t owner : memory.owners(range)) {
      if (owner == b) continue;
      report(
          reader + " reads buffer %" + std::to_string(b) +
          (owner == nobody ? ", parts of which nobody wrote" : ", which was overwritten by %" + std::to_string(owner)));
    }
  }

  void copy(const Step& s, Memory& memory, const std::string& who) {
    const Operand &from = s.operands[0], &to = s.operands[1];
    if (!s.count) {
      read(from.buffer, memory, who);
      copy_meets(from.buffer, to.buffer, who);
      memory.write(ranges_[to.buffer], to.buffer);
      return;
    }
    const int64_t count = Symbols::value(*s.count, extents_);
    const Range source = touched(from, count), target = touched(to, count);
    if (count > 0) read(from.buffer, source, memory, who);
    if (source.region == target.region && source.begin < target.end && target.begin < source.end)
      report(who + " copies between runs that overlap, of %" + std::to_string(from.buffer) + " and %" +
             std::to_string(to.buffer));
    for (const Range& r : rows(to, target, count)) memory.write(r, to.buffer);
  }

  // The runs that a copy writes while its loop goes round.
  std::vector<Range> rows(const Operand& o, const Range& target, int64_t count) const {
    const int64_t trips = o.loop < 0 ? 1 : trips_.at(static_cast<size_t>(o.loop));
    if (o.loop < 0 || trips > most_rows) return {target};
    const int64_t size = bytes(p_.buffers[o.buffer].dtype), stride = Symbols::value(o.stride, extents_);
    std::vector<Range> result;
    for (int64_t i = 0; i < trips; ++i) {
      const int64_t begin = target.begin + (Symbols::value(o.start, extents_) + i * stride) * size;
      result.push_back({target.region, begin, begin + count * size});
    }
    return result;
  }

  void copy_meets(uint32_t from, uint32_t to, const std::string& who) {
    const Range &a = ranges_[from], &b = ranges_[to];
    const bool itself =
        a.region == b.region && a.begin == b.begin && a.end == b.end;  // a donated input to its successor
    if (from != to && !itself && a.region == b.region && a.begin < b.end && b.begin < a.end)
      report(who + " copies between buffers that overlap: %" + std::to_string(from) + ", %" + std::to_string(to));
  }

  void launch(const Step& s, Memory& memory, const std::string& who) {
    const Kernel& kernel = p_.kernels.at(s.kernel);
    std::vector<std::pair<uint32_t, const Operand*>> ins, outs;  // kernel buffer, operand
    size_t next = 0;
    for (uint32_t k = 0; k < kernel.buffers.size(); ++k) {
      if (kernel.buffers[k].space == Space::scratch) continue;
      if (next >= s.operands.size()) return report(who + " has too few operands");
      const Operand& o = s.operands[next++];
      if (kernel.buffers[k].space != Space::output) ins.emplace_back(k, &o);
      if (kernel.buffers[k].space != Space::input) outs.emplace_back(k, &o);
    }
    if (next != s.operands.size()) report(who + " has too many operands");
    for (const auto& [k, o] : ins)  // what is in and out is the kernel's own, undefined at first
      if (kernel.buffers[k].space == Space::input) read(o->buffer, touched(kernel, k, *o), memory, who);
    for (const auto& [k, out] : outs) {
      const Range w = touched(kernel, k, *out);
      for (const auto& [j, in] : ins) {
        const Range r = touched(kernel, j, *in);
        if (j == k || r.region != w.region || r.begin >= w.end || w.begin >= r.end) continue;
        if (r.begin != w.begin || out->loop >= 0 || in->loop >= 0 ||
            !(index_wise(kernel, j, k) || loaded_first(kernel, j, k)))
          report(who + " reads %" + std::to_string(in->buffer) + " where it writes %" + std::to_string(out->buffer));
      }
      for (const auto& [j, other] : outs) {
        const Range r = touched(kernel, j, *other);
        if (j > k && r.region == w.region && r.begin < w.end && w.begin < r.end)
          report(who + " writes %" + std::to_string(out->buffer) + " and %" + std::to_string(other->buffer) +
                 " to the same bytes");
      }
    }
    for (const auto& [k, o] : outs) memory.write(touched(kernel, k, *o), o->buffer);
  }
  Range touched(const Kernel& kernel, uint32_t k, const Operand& o) const {
    return touched(o, elements(kernel.buffers[k].shape, extents_));
  }

  // Element i of kernel buffer `in` is read only on the way to writing element i of `out`: the set of index lists at which
  // `in` is loaded is exactly the one at which `out` is stored, once, and no load follows the store in its block.
  bool index_wise(const Kernel& kernel, uint32_t in, uint32_t out) const {
    const KernelBuffer &a = kernel.buffers[in], &b = kernel.buffers[out];
    if (bytes(a.dtype) != bytes(b.dtype) || a.shape.dims() != b.shape.dims()) return false;
    std::set<std::vector<ScalarId>> loaded, stored;
    std::set<size_t> load_blocks, store_blocks;
    int stores = 0;
    for (size_t block = 0; block < kernel.blocks.size(); ++block) {
      for (uint32_t number : kernel.blocks[block].instructions) {
        const Instruction& i = kernel.instructions[number];
        const bool load = i.kind == KernelOp::load && index(i.buffer) == in;
        const bool store = i.kind == KernelOp::store && index(i.buffer) == out;
        if (!load && !store) continue;
        if (load && stores > 0) return false;
        const std::vector<ScalarId> where(i.operands.begin(),
                                          i.operands.begin() + static_cast<std::ptrdiff_t>(b.shape.size()));
        (load ? loaded : stored).insert(where);
        (load ? load_blocks : store_blocks).insert(block);
        stores += store;
      }
    }
    return stores == 1 && loaded == stored && load_blocks == store_blocks;
  }

  // All of `in` is loaded before anything of `out` is stored, by one thread: at the top of the kernel, block by block.
  static bool touches(const Kernel& kernel, const Instruction& top, KernelOp kind, uint32_t buffer) {
    std::vector<const Instruction*> open = {&top};
    while (!open.empty()) {
      const Instruction& i = *open.back();
      open.pop_back();
      if (i.kind == kind && index(i.buffer) == buffer) return true;
      for (BlockId block : i.blocks)
        for (uint32_t inner : kernel.blocks[index(block)].instructions) open.push_back(&kernel.instructions[inner]);
    }
    return false;
  }
  static bool loaded_first(const Kernel& kernel, uint32_t in, uint32_t out) {
    bool stored = false;
    for (uint32_t number : kernel.blocks[0].instructions) {
      const Instruction& top = kernel.instructions[number];
      const bool stores = touches(kernel, top, KernelOp::store, out), loads = touches(kernel, top, KernelOp::load, in);
      if (loads && (stored || stores)) return false;
      stored = stored || stores;
    }
    return true;
  }

  void steps(const std::vector<Step>& list, Memory& memory) {
    for (const Step& s : list) {
      const std::string who = "step of node " + std::to_string(s.origin);
      switch (s.kind) {
        case StepKind::launch: launch(s, memory, who); break;
        case StepKind::copy: copy(s, memory, who); break;
        case StepKind::custom: {
          const size_t inputs = s.operands.size() - s.outputs;
          for (size_t i = 0; i < inputs; ++i) read(s.operands[i].buffer, memory, who);
          for (size_t o = inputs; o < s.operands.size(); ++o)
            for (size_t i = 0; i < inputs; ++i) copy_meets(s.operands[i].buffer, s.operands[o].buffer, who);
          for (size_t o = inputs; o < s.operands.size(); ++o)
            memory.write(ranges_[s.operands[o].buffer], s.operands[o].buffer);
          break;
        }
        case StepKind::branch: {
          read(s.operands[0].buffer, memory, who);
          Memory other = memory;
          steps(s.body, memory);
          steps(s.otherwise, other);
          memory = Memory::meet(memory, other);
          break;
        }
        case StepKind::loop: loop(s, memory, who); break;
      }
    }
  }

  void loop(const Step& s, Memory& memory, const std::string& who) {
    trips_.push_back(s.operands.empty() ? Symbols::value(s.trip_count, extents_) : most_rows + 1);
    std::vector<uint32_t> unset;  // carries that nobody has written before: they start as whatever is there
    for (const Step::Carry& c : s.carries)
      if (!memory.has_written(c.current)) unset.push_back(c.current);
    for (uint32_t b : unset) memory.write(ranges_[b], b);
    for (int round = 0; round < 2; ++round) {
      steps(s.condition, memory);
      for (const Operand& o : s.operands) read(o.buffer, memory, who);
      steps(s.body, memory);
      for (const Step::Carry& c : s.carries) {
        read(c.next, memory, who);
        copy_meets(c.next, c.current, who);
        memory.write(ranges_[c.current], c.current);
      }
    }
    steps(s.condition, memory);
    for (uint32_t b : unset) memory.forget_writer(b);  // a loop around this one comes back to it as at first
    trips_.pop_back();
  }

  const Program& p_;
  const std::vector<int64_t>& extents_;
  std::vector<int64_t> trips_;  // of the open loops
  std::vector<Range> ranges_;
  std::vector<std::string> findings_;
  std::set<std::string> known_;
};

}  // namespace

// From the largest call down; those at which something is empty tell less, and serve where there are no others.
std::vector<std::string> check_buffers(const Program& program) {
  std::vector<std::vector<int64_t>> full, others;
  for (std::vector<int64_t>& extents : sample_calls(*program.symbols)) {
    if (!is_possible(program, extents)) continue;
    const bool empty = std::any_of(program.buffers.begin(), program.buffers.end(),
                                   [&](const ProgramBuffer& b) { return elements(b.shape, extents) == 0; });
    (empty ? others : full).push_back(std::move(extents));
  }
  std::vector<std::string> findings;
  const std::vector<std::vector<int64_t>>& calls = full.empty() ? others : full;
  for (size_t k = 0; k < std::min(calls.size(), most_calls); ++k)
    for (std::string& finding : Checker(program, calls[calls.size() - 1 - k]).run())
      if (std::find(findings.begin(), findings.end(), finding) == findings.end())
        findings.push_back(std::move(finding));
  return findings;
}

}  // namespace tenon::passes
