// Bounds of a kernel's loads and stores, by interval analysis over loop extents. A loop's index lies below its extent; what
// is computed from indices is a linear form over them where it is linear, and a variable with a range and relations where it
// is not (min, max, select, division); masks are facts. ir/kernel/bounds_prover.h decides.
//
//   vector %i < min(64, n - 64 * %p) { store %y[64 * %p + %i], ... }      %i <= n - 64 * %p - 1, so the index is at most n - 1
//
// Values from memory may be anything of their dtype, and arithmetic on them wraps. Scratch and temporaries of integers hold
// what the kernel stores there, found by iterating until nothing is new; carries of loops likewise, widened to infinity
// where they grow (a counter that nothing else bounds is taken not to wrap). Refuses to guess: an access that is not proved
// is reported. Shares no code with the passes that made the kernel.
#include "tenon/ir/kernel/bounds.h"

#include <algorithm>
#include <optional>

#include "tenon/ir/kernel/bounds_scalars.h"

namespace tenon::ir {
namespace {

constexpr int rounds = 4;  // after which what a buffer holds is taken to be anything

class Bounds {
 public:
  Bounds(const Kernel& kernel, const std::vector<int64_t>& extents) : k_(kernel), extents_(extents), s_(kernel) {}

  std::vector<std::string> run() {
    find_relevant();
    contents_.assign(k_.buffers.size(), std::nullopt);
    const bool tracks = std::any_of(k_.buffers.begin(), k_.buffers.end(), tracked);
    for (int round = 0; tracks; ++round) {
      const std::vector<std::optional<Range>> before = contents_;
      ++silent_;
      walk();
      --silent_;
      if (contents_ == before) break;
      for (size_t b = 0; round >= rounds && b < contents_.size(); ++b)
        if (contents_[b] != before[b]) contents_[b] = limits(k_.buffers[b].dtype);
    }
    walk();
    return std::move(problems_);
  }

 private:
  static bool tracked(const KernelBuffer& b) {
    return (b.space == Space::scratch || b.space == Space::inout) && is_index_type(b.dtype);
  }
  int64_t extent(Dim d) const { return Symbols::value(d, extents_); }
  const Block& inner(const Instruction& i, size_t n = 0) const { return k_.blocks[index(i.blocks[n])]; }

  // The scalars that indices, masks and extents are made of; a long expansion of exp is none of them.
  void find_relevant() {
    relevant_.assign(k_.scalars.size(), 0);
    std::vector<ScalarId> open;
    const auto need = [&](ScalarId v) {
      if (relevant_[index(v)]) return;
      relevant_[index(v)] = 1;
      open.push_back(v);
    };
    std::vector<uint32_t> owner(k_.blocks.size(), UINT32_MAX);  // the loop of a body
    for (uint32_t n = 0; n < k_.instructions.size(); ++n) {
      const Instruction& i = k_.instructions[n];
      const bool store = i.kind == KernelOp::store, memory = store || i.kind == KernelOp::load;
      const bool scalar = i.kind == KernelOp::scalar || i.kind == KernelOp::scaled || i.kind == KernelOp::rare;
      if (i.kind == KernelOp::loop) owner[index(i.blocks[0])] = n;
      const size_t rank = memory ? k_.buffers[index(i.buffer)].shape.size() : 0;
      for (size_t o = 0; o < i.operands.size() && !scalar; ++o) {
        const bool value = memory ? o == (store ? rank : rank + 1) : i.kind == KernelOp::loop && o > 0;
        if (!value || (store && tracked(k_.buffers[index(i.buffer)]))) need(i.operands[o]);
      }
    }
    while (!open.empty()) {
      const ScalarId v = open.back();
      open.pop_back();
      const ScalarInfo& info = k_.scalars[index(v)];
      if (info.instruction != UINT32_MAX) {
        const Instruction& i = k_.instructions[info.instruction];
        const uint32_t r = index(v) - index(i.first_result);
        if (i.kind == KernelOp::scalar)
          for (ScalarId o : i.operands) need(o);
        if (i.kind == KernelOp::loop) need(i.operands[r + 1]), need(inner(i).yields[r]);
      } else if (const uint32_t n = owner[index(info.block)]; n != UINT32_MAX) {
        const std::vector<ScalarId>& arguments = k_.blocks[index(info.block)].arguments;
        const auto place = static_cast<size_t>(std::find(arguments.begin(), arguments.end(), v) - arguments.begin());
        need(k_.instructions[n].operands[place]);
        if (place > 0) need(k_.blocks[index(info.block)].yields[place - 1]);
      }
    }
  }

  void walk() {
    s_.clear();
    block(BlockId{0});
  }

  void block(BlockId id) {
    const BoundsScalars::Mark start = s_.mark();
    for (uint32_t number : k_.blocks[index(id)].instructions) instruction(number);
    s_.forget_divisions(start);
  }

  void instruction(uint32_t n) {
    const Instruction& i = k_.instructions[n];
    switch (i.kind) {
      case KernelOp::literal: {
        Known& known = s_.at(i.first_result);
        if (i.dtype == DType::boolean) known = BoundsScalars::truth(i.immediate != 0);
        if (!is_index_type(i.dtype)) return;
        Wide value = i.immediate;
        if (value > limits(i.dtype).high) value -= Wide{1} << bits(i.dtype);
        known.form = number(value);
        return;
      }
      case KernelOp::extent: s_.at(i.first_result).form = number(extent(i.dim)); return;
      case KernelOp::scalar: {
        if (!relevant_[index(i.first_result)]) return;
        Known known = s_.scalar(i);
        s_.at(i.first_result) = std::move(known);
        return;
      }
      case KernelOp::load:
      case KernelOp::store: memory(n); return;
      case KernelOp::loop: loop(i); return;
      case KernelOp::reduce:
        if (const std::optional<Form> j = enter(i.operands[0])) {
          s_.at(inner(i).arguments[0]).form = *j;
          block(i.blocks[0]);
          leave();
        }
        unknown(i);
        return;
      case KernelOp::contract: contract(i); return;
      case KernelOp::rare:  // for any lane, whether its condition holds or not
        block(i.blocks[0]);
        unknown(i);
        return;
      case KernelOp::scaled: unknown(i); return;
      case KernelOp::scratch: return;
    }
  }

  void unknown(ScalarId v) {
    s_.at(v) = {};
    if (relevant_[index(v)] && is_index_type(k_.dtype(v))) s_.at(v).form = s_.anything(k_.dtype(v));
  }
  void unknown(const Instruction& i) {
    for (uint32_t r = 0; r < i.result_count; ++r) unknown(ScalarId{index(i.first_result) + r});
  }

  static bool is_variable(const Form& f) { return f.terms.size() == 1 && f.constant == 0 && f.terms[0].factor == 1; }
  // Enters a loop: its index, and the fact that there is an iteration. Nothing when there is none.
  std::optional<Form> enter(ScalarId extent_scalar) {
    const Form count = s_.at(extent_scalar).form;
    Facts facts = s_.facts;
    facts.push_back(count - number(1));
    // What an extent of at least 1 says of what it was chosen of, choice by choice.
    Form chosen = count;
    for (int level = 0; level < 3 && is_variable(chosen); ++level) {
      // select(inside, channels, 0) iterations: `inside` holds in there
      const Variable& times = s_.prover.known(chosen.terms[0].variable);
      const Variable::Choice* only = nullptr;
      int possible = 0;
      for (const Variable::Choice& c : times.choices)
        if (s_.prover.range(c.form).high >= 1) only = &c, ++possible;
      // x / 4 iterations: there is one just where x is 4 or more
      if (times.divisor > 0) facts.push_back(times.numerator - number(times.divisor));
      // one iteration at most: its index is 0, which says nothing of the extent
      const bool once = s_.prover.range(count).high <= 1;
      if (once)
        for (const Form& f : times.above) facts.push_back(f - number(1));
      if (possible != 1) break;
      facts.insert(facts.end(), only->when.begin(), only->when.end());
      if (once) facts.push_back(only->form - number(1));
      chosen = only->form;
    }
    if (s_.prover.impossible(facts)) return std::nullopt;
    outside_.push_back(s_.facts.size());
    s_.facts = std::move(facts);
    Variable v;
    v.range = {0, std::max<Wide>(s_.prover.range(count).high - 1, 0)};
    v.above = {chosen - number(1)};
    if (!(chosen == count)) v.above.push_back(count - number(1));
    return s_.prover.variable(std::move(v));
  }
  void leave() {
    s_.facts.resize(outside_.back());
    outside_.pop_back();
  }

  void contract(const Instruction& i) {
    static constexpr size_t extents[3][3] = {{0, 1, 3}, {0, 3, 2}, {0, 1, 2}};  // b, i, k; b, k, j; b, i, j
    for (size_t part = 0; part < 3; ++part) {
      const std::vector<ScalarId>& arguments = inner(i, part).arguments;
      size_t entered = 0;
      for (; entered < 3; ++entered) {
        const std::optional<Form> j = enter(i.operands[extents[part][entered]]);
        if (!j) break;
        s_.at(arguments[entered]).form = *j;
      }
      for (size_t n = 3; n < arguments.size(); ++n) unknown(arguments[n]);
      if (entered == 3) block(i.blocks[part]);
      while (entered-- > 0) leave();
    }
  }

  void loop(const Instruction& i) {
    const Block& body = inner(i);
    const size_t count = i.operands.size() - 1;
    const auto result = [&](size_t c) { return ScalarId{index(i.first_result) + static_cast<uint32_t>(c)}; };
    const auto counts = [&](size_t c) {
      return relevant_[index(body.arguments[c + 1])] && is_index_type(k_.dtype(i.operands[c + 1]));
    };
    std::vector<Range> carried(count);
    for (size_t c = 0; c < count; ++c)
      if (counts(c)) carried[c] = s_.prover.range(s_.at(i.operands[c + 1]).form);
    const std::optional<Form> place = enter(i.operands[0]);
    for (size_t c = 0; !place && c < count; ++c) {
      Known initial = s_.at(i.operands[c + 1]);
      s_.at(result(c)) = std::move(initial);
    }
    if (!place) return;
    s_.at(body.arguments[0]).form = *place;
    const BoundsScalars::Mark start = s_.mark();
    const auto iterate = [&] {
      s_.forget(start);
      for (size_t c = 0; c < count; ++c) {
        s_.at(body.arguments[c + 1]) = {};
        if (counts(c)) s_.at(body.arguments[c + 1]).form = s_.within(carried[c]);
      }
      block(i.blocks[0]);
    };
    bool any = false;
    for (size_t c = 0; c < count; ++c) any |= counts(c);
    for (bool again = any; again;) {
      again = false;
      ++silent_;
      iterate();
      --silent_;
      for (size_t c = 0; c < count; ++c) {
        if (!counts(c)) continue;
        const Form& next = s_.at(body.yields[c]).form;
        const auto holds = [&](const Form& difference) { return s_.prover.not_negative(difference, s_.facts, true); };
        Range& r = carried[c];
        if (r.low > -infinity && !holds(next - number(r.low))) r.low = -infinity, again = true;
        if (r.high < infinity && !holds(number(r.high) - next)) r.high = infinity, again = true;
      }
    }
    iterate();
    leave();
    for (size_t c = 0; c < count; ++c) {
      s_.at(result(c)) = {};
      if (counts(c)) s_.at(result(c)).form = s_.within(carried[c]);
    }
  }

  void memory(uint32_t n) {
    const Instruction& i = k_.instructions[n];
    const KernelBuffer& buffer = k_.buffers[index(i.buffer)];
    const bool store = i.kind == KernelOp::store;
    const size_t rank = buffer.shape.size(), mask = store ? rank + 1 : rank;
    Facts facts = s_.facts;
    if (i.operands.size() == rank + 2)
      for (const Form& f : s_.at(i.operands[mask]).yes) facts.push_back(f);
    std::optional<Range>& contents = contents_[index(i.buffer)];
    if (store && tracked(buffer)) {
      const Range stored = s_.prover.range(s_.at(i.operands[rank]).form);
      contents = contents ? join(*contents, stored) : stored;
    }
    if (!store) {
      unknown(i);
      if (tracked(buffer) && i.operands.size() == rank)
        s_.at(i.first_result).form = s_.within(contents.value_or(Range{}));
    }
    if (silent_ > 0) return;
    for (size_t d = 0; d < rank; ++d) {
      const Form& place = s_.at(i.operands[d]).form;
      const int64_t size = extent(buffer.shape[d]);
      if (s_.prover.not_negative(place, facts) && s_.prover.not_negative(number(size - 1) - place, facts)) continue;
      const auto text = [](Wide v) {
        return v <= INT64_MIN   ? std::string("-inf")
               : v >= INT64_MAX ? std::string("inf")
                                : std::to_string(static_cast<int64_t>(v));
      };
      const Range r = s_.prover.range(place);
      problems_.push_back("kernel @" + k_.name + ": instruction " + std::to_string(n) + ": " +
                          (store ? "store" : "load") + " %" + buffer.name + ": index " + std::to_string(d) + ", from " +
                          text(r.low) + " to " + text(r.high) + ", is not proved to lie inside extent " +
                          std::to_string(size));
      return;
    }
  }

  const Kernel& k_;
  const std::vector<int64_t>& extents_;
  BoundsScalars s_;
  std::vector<char> relevant_;  // by scalar
  std::vector<size_t> outside_;  // per open loop: how many facts held outside it
  std::vector<std::optional<Range>> contents_;  // by buffer: what was stored there, for those that are tracked
  int silent_ = 0;  // while iterating
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> check_bounds(const Kernel& kernel, const std::vector<int64_t>& extents) {
  return Bounds(kernel, extents).run();
}

}  // namespace tenon::ir
