// A value whose last reader is a copy stands from the start where the copy would bring it, and the copy is gone.
//
//   copy %in -> %a;  k(%a);  copy %a -> %out;  k(%out)     ->     copy %in -> %out;  k(%out);  k(%out)
//
// Updates of a part, one after the other, then happen in one place, and that of a donated input is the input's own. Refuses what stands
// in loops and branches.
#include <map>

#include "tenon/passes/lower/program.h"
#include "tenon/passes/memory/buffer_lives.h"

namespace tenon::passes {

using namespace ir;

namespace {

int times_of(const Step& s) {  // as buffer_lives counts
  int times = s.kind == StepKind::loop ? 2 : 1;
  for (const auto* inner : {&s.condition, &s.body, &s.otherwise})
    for (const Step& i : *inner) times += times_of(i);
  return times;
}

void rename(std::vector<Step>& steps, const std::map<uint32_t, uint32_t>& to) {
  const auto renamed = [&](uint32_t& b) {
    if (const auto at = to.find(b); at != to.end()) b = at->second;
  };
  for (Step& s : steps) {
    for (Operand& o : s.operands) renamed(o.buffer);
    for (Step::Carry& c : s.carries) renamed(c.current), renamed(c.next);
    for (auto* inner : {&s.condition, &s.body, &s.otherwise}) rename(*inner, to);
  }
}

}  // namespace

void join_copies(Program& program) {
  std::vector<Life> lives = buffer_lives(program);
  std::vector<int> time;
  int now = 0;
  for (const Step& s : program.steps) time.push_back(now), now += times_of(s);
  std::map<uint32_t, uint32_t> joined;
  const auto joins = [&](size_t n) {
    const Step& s = program.steps[n];
    if (s.kind != StepKind::copy || s.count || !s.operands[0].is_whole() || !s.operands[1].is_whole()) return false;
    const uint32_t from = s.operands[0].buffer;
    uint32_t to = s.operands[1].buffer;
    if (const auto at = joined.find(to); at != joined.end()) to = at->second;
    if (from == to || program.buffers[from].home != Home::arena) return false;
    if (lives[from].last != time[n] || lives[to].first != time[n]) return false;
    joined[from] = to;
    program.buffers[from].shape = {0};  // nobody's any more
    lives[to].first = lives[from].first;
    return true;
  };
  std::vector<Step> kept;  // from the last one on, so that chains join
  for (size_t n = program.steps.size(); n-- > 0;)
    if (!joins(n)) kept.push_back(std::move(program.steps[n]));
  program.steps.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  if (!joined.empty()) rename(program.steps, joined);
}

}  // namespace tenon::passes
