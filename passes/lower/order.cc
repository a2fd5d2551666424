// The order of steps at the top of a program: as lowered, except that a step which writes an output over a donated input
// waits for everybody who still reads that input. Without it the output would be computed elsewhere and copied at the end.
// Refuses to touch steps inside loops and branches.
#include <map>
#include <set>

#include "tenon/passes/lower/program.h"

namespace tenon::passes {

using namespace ir;

namespace {

// What a step touches, nested steps included. Steps with bodies count as writing all they name.
void touched(const Program& p, const Step& s, std::set<uint32_t>& reads, std::set<uint32_t>& writes) {
  switch (s.kind) {
    case StepKind::launch: {
      size_t next = 0;
      for (const KernelBuffer& b : p.kernels[s.kernel].buffers)
        if (b.space != Space::scratch) {
          const uint32_t buffer = s.operands[next++].buffer;
          if (b.space != Space::output) reads.insert(buffer);
          if (b.space != Space::input) writes.insert(buffer);
        }
      return;
    }
    case StepKind::copy:
      reads.insert(s.operands[0].buffer);
      writes.insert(s.operands[1].buffer);
      return;
    case StepKind::custom:
      for (size_t k = 0; k < s.operands.size(); ++k)
        (k + s.outputs < s.operands.size() ? reads : writes).insert(s.operands[k].buffer);
      return;
    case StepKind::branch:
    case StepKind::loop: break;
  }
  for (const Operand& o : s.operands) reads.insert(o.buffer);
  for (const Step::Carry& c : s.carries)
    for (uint32_t b : {c.current, c.next}) reads.insert(b), writes.insert(b);
  for (const std::vector<Step>* list : {&s.condition, &s.body, &s.otherwise})
    for (const Step& inner : *list) touched(p, inner, reads, writes);
}

}  // namespace

void order_for_donations(Program& program) {
  if (program.aliases.empty()) return;
  const size_t count = program.steps.size();
  std::vector<std::vector<uint32_t>> after(count), wishes(count);  // must follow; should follow
  std::vector<int> needs(count, 0), hopes(count, 0);
  std::map<uint32_t, std::vector<uint32_t>> readers, writers;  // by buffer, ascending; of the current content
  std::map<uint32_t, std::vector<uint32_t>> all_readers, all_writers;
  uint32_t last_effect = UINT32_MAX;  // control flow and custom calls keep their order
  const auto follow = [&](uint32_t earlier, uint32_t later) {
    if (earlier == later) return;
    after[earlier].push_back(later);
    ++needs[later];
  };
  for (uint32_t i = 0; i < count; ++i) {
    std::set<uint32_t> reads, writes;
    touched(program, program.steps[i], reads, writes);
    for (uint32_t b : reads)
      for (uint32_t w : writers[b]) follow(w, i);
    for (uint32_t b : writes) {
      for (uint32_t r : readers[b]) follow(r, i);
      for (uint32_t w : writers[b]) follow(w, i);
      readers[b].clear();
      writers[b] = {i};
      all_writers[b].push_back(i);
    }
    for (uint32_t b : reads) readers[b].push_back(i), all_readers[b].push_back(i);
    if (program.steps[i].kind != StepKind::launch && program.steps[i].kind != StepKind::copy) {
      if (last_effect != UINT32_MAX) follow(last_effect, i);
      last_effect = i;
    }
  }
  std::map<uint32_t, uint32_t> inputs, outputs;  // slot -> buffer
  for (uint32_t b = 0; b < program.buffers.size(); ++b) {
    if (program.buffers[b].home == Home::input) inputs[program.buffers[b].slot] = b;
    if (program.buffers[b].home == Home::output) outputs[program.buffers[b].slot] = b;
  }
  for (const auto& [input, output] : program.aliases)
    for (uint32_t w : all_writers[outputs[output]])
      for (uint32_t r : all_readers[inputs[input]])
        if (r != w) wishes[r].push_back(w), ++hopes[w];

  // The earliest step that may run; wishes give way when nothing else can.
  std::set<uint32_t> ready, waiting;
  for (uint32_t i = 0; i < count; ++i)
    if (needs[i] == 0) (hopes[i] == 0 ? ready : waiting).insert(i);
  std::vector<Step> ordered;
  while (!ready.empty() || !waiting.empty()) {
    std::set<uint32_t>& from = ready.empty() ? waiting : ready;
    const uint32_t i = *from.begin();
    from.erase(from.begin());
    ordered.push_back(std::move(program.steps[i]));
    for (uint32_t later : after[i])
      if (--needs[later] == 0) (hopes[later] <= 0 ? ready : waiting).insert(later);
    for (uint32_t later : wishes[i])
      if (--hopes[later] == 0 && waiting.erase(later) > 0) ready.insert(later);
  }
  program.steps = std::move(ordered);
}

}  // namespace tenon::passes
