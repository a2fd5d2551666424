// Collectives that travel while kernels run: each is started as soon as what it sends is there, and finished where what it brings is
// first asked for. What lies between is hidden.
//   k1 -> g1;  k2 -> g2;  all_reduce g1 -> s1;  k3 (s1)
//     -> k1 -> g1;  start all_reduce g1 -> s1;  k2 -> g2;  finish all_reduce g1 -> s1;  k3 (s1)
// Both ends name what is sent and what is brought, so neither is planned over in between. Starts keep their order, which is that of
// every rank. Refuses to look across loops and branches: a collective stays within its list of steps.
#include <algorithm>

#include "tenon/passes/pass.h"

namespace tenon::passes {

using namespace ir;

namespace {

struct Touches {
  bool any = false, writes = false;
};

// What a step, nested ones included, does to a buffer.
Touches touches(const Program& p, const Step& s, uint32_t buffer) {
  Touches t;
  const auto add = [&](bool here, bool writes) { t.any |= here, t.writes |= here && writes; };
  size_t output = s.operands.size();
  if (s.kind == StepKind::custom) output -= std::min<size_t>(s.outputs, output);
  std::vector<Space> spaces;
  if (s.kind == StepKind::launch)
    for (const KernelBuffer& b : p.kernels.at(s.kernel).buffers)
      if (b.space != Space::scratch) spaces.push_back(b.space);
  for (size_t k = 0; k < s.operands.size(); ++k) {
    const bool writes = s.kind == StepKind::launch   ? k >= spaces.size() || spaces[k] != Space::input
                        : s.kind == StepKind::custom ? k >= output
                                                     : s.kind == StepKind::copy && k == 1;
    add(s.operands[k].buffer == buffer, writes);
  }
  for (const Step::Carry& c : s.carries) add(c.current == buffer || c.next == buffer, true);
  for (const auto* inner : {&s.condition, &s.body, &s.otherwise})
    for (const Step& i : *inner) {
      const Touches there = touches(p, i, buffer);
      add(there.any, there.writes);
    }
  return t;
}

bool travels(const Step& s) {
  return s.kind == StepKind::custom && s.host == Host::ranks && s.ranks.op != Op::rank_index &&
         s.ranks.op != Op::rank_barrier && s.ranks.phase == RanksStep::Phase::whole;
}
bool speaks(const Step& s) {  // to other ranks, itself or within
  const auto any = [](const std::vector<Step>& list) { return std::any_of(list.begin(), list.end(), speaks); };
  return (s.kind == StepKind::custom && s.host == Host::ranks && s.ranks.op != Op::rank_index) || any(s.condition) ||
         any(s.body) || any(s.otherwise);
}

bool is_exchange(const Step& s) {
  return s.kind == StepKind::custom && s.host == Host::ranks && s.ranks.op == Op::exchange;
}

// What is sent is there until it is finished. When the one that got it has sent something in turn, it has gone long ago.
bool answers(const Step& s, const Step& sent) {
  return is_exchange(s) && is_exchange(sent) && s.ranks.phase != RanksStep::Phase::start && sent.ranks.numbers[1] < 0 &&
         s.ranks.numbers[1] == sent.ranks.numbers[0] && s.ranks.size == sent.ranks.size &&
         s.ranks.stride == sent.ranks.stride;
}

struct Overlap {
  const Program& p;
  uint32_t pending = 0;

  // Starts are moved up, in order; then finishes down.
  void list(std::vector<Step>& steps) {
    for (Step& s : steps) list(s.condition), list(s.body), list(s.otherwise);
    for (size_t at = 0; at < steps.size(); ++at) {
      if (!travels(steps[at])) continue;
      size_t to = at;
      const uint32_t in = steps[at].operands.at(0).buffer, out = steps[at].operands.at(1).buffer;
      while (to > 0 && !touches(p, steps[to - 1], in).writes && !touches(p, steps[to - 1], out).any &&
             !speaks(steps[to - 1]))
        --to;
      Step start = steps[at];
      start.ranks.phase = RanksStep::Phase::start;
      start.ranks.pending = ++pending;
      steps[at].ranks.phase = RanksStep::Phase::finish;
      steps[at].ranks.pending = pending;
      steps.insert(steps.begin() + static_cast<std::ptrdiff_t>(to), std::move(start));
      ++at;
    }
    for (size_t at = steps.size(); at-- > 0;) {
      if (steps[at].kind != StepKind::custom || steps[at].host != Host::ranks ||
          steps[at].ranks.phase != RanksStep::Phase::finish)
        continue;
      const uint32_t in = steps[at].operands.at(0).buffer, out = steps[at].operands.at(1).buffer;
      size_t to = at;
      while (to + 1 < steps.size() && !touches(p, steps[to + 1], in).writes && !touches(p, steps[to + 1], out).any)
        if (answers(steps[++to], steps[at])) break;
      std::rotate(steps.begin() + static_cast<std::ptrdiff_t>(at), steps.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                  steps.begin() + static_cast<std::ptrdiff_t>(to) + 1);
    }
    join(steps);
  }

  // Where nothing came to lie between, it is one step again.
  void join(std::vector<Step>& steps) {
    for (size_t at = 0; at + 1 < steps.size(); ++at) {
      if (steps[at].kind != StepKind::custom || steps[at].host != Host::ranks || steps[at + 1].host != Host::ranks ||
          steps[at].ranks.phase != RanksStep::Phase::start || steps[at + 1].ranks.phase != RanksStep::Phase::finish ||
          steps[at].ranks.pending != steps[at + 1].ranks.pending)
        continue;
      steps[at].ranks.phase = RanksStep::Phase::whole;
      steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
  }
};

}  // namespace

Program overlap(Program program) {
  if (fewest_ranks(program) == 0) return program;
  std::vector<Step> steps = std::move(program.steps);
  Overlap{program}.list(steps);
  program.steps = std::move(steps);
  return program;
}

}  // namespace tenon::passes
