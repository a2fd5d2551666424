// Liveness over nested steps: one walk in order, then the loops outward.
#include "tenon/passes/memory/buffer_lives.h"

#include <algorithm>

namespace tenon::passes {

using namespace ir;

namespace {

struct Span {
  int first, last;
  int parent;  // enclosing loop, or -1
};
struct Use {
  uint32_t buffer;
  int time, loop;
};

struct Walk {
  std::vector<Span> loops;
  std::vector<Use> uses;
  int now = 0;

  void steps(const std::vector<Step>& list, int loop) {
    for (const Step& s : list) {
      const int time = now++;
      if (s.kind == StepKind::loop) {
        const int own = static_cast<int>(loops.size());
        loops.push_back({time, time, loop});
        steps(s.condition, own);
        for (const Operand& o : s.operands) uses.push_back({o.buffer, now - 1, own});
        steps(s.body, own);
        for (const Step::Carry& c : s.carries) {
          // Both live through the whole loop, whoever else uses them.
          for (uint32_t b : {c.current, c.next}) uses.push_back({b, now, own}), uses.push_back({b, time, own});
        }
        loops[own].last = now++;
        continue;
      }
      for (const Operand& o : s.operands) uses.push_back({o.buffer, time, loop});
      steps(s.condition, loop);
      steps(s.body, loop);
      steps(s.otherwise, loop);
    }
  }
};

}  // namespace

std::vector<Life> buffer_lives(const Program& program) {
  Walk walk;
  walk.steps(program.steps, -1);
  std::vector<Life> lives(program.buffers.size());
  std::vector<int> home(program.buffers.size(), -2);  // innermost loop that contains every use; -2: no use yet
  const auto contains = [&](int outer, int inner) {
    while (inner != -1 && inner != outer) inner = walk.loops[inner].parent;
    return inner == outer;
  };
  for (const Use& u : walk.uses) {
    int& h = home[u.buffer];
    if (h == -2)
      h = u.loop;
    else
      while (h != -1 && !contains(h, u.loop)) h = walk.loops[h].parent;
  }
  for (uint32_t b = 0; b < home.size(); ++b)  // what comes from or goes outside lives outside every loop
    if (home[b] != -2 && program.buffers[b].home != Home::arena) home[b] = -1;
  for (const Use& u : walk.uses) {
    int first = u.time, last = u.time;
    for (int l = u.loop; l != home[u.buffer]; l = walk.loops[l].parent) {
      first = walk.loops[l].first;
      last = walk.loops[l].last;
    }
    lives[u.buffer].first = std::min(lives[u.buffer].first, first);
    lives[u.buffer].last = std::max(lives[u.buffer].last, last);
  }
  return lives;
}

}  // namespace tenon::passes
