// Whether a program stays inside its memory: every load and store of every kernel lies inside its buffer (the analysis is
// ir/kernel/bounds.cc), and every kernel's buffers inside the program's. A symbolic extent stands for many numbers: those of
// passes/memory/sample_calls.h. Refuses to trust the passes that made the program: it reads loops and indices only.
#include <set>

#include "tenon/ir/kernel/bounds.h"
#include "tenon/passes/memory/sample_calls.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

using namespace ir;

namespace {

class Launches {
 public:
  Launches(const Program& program, const std::vector<int64_t>& extents) : p_(program), extents_(extents) {}
  std::vector<std::string> run() {
    steps(p_.steps);
    return std::move(findings_);
  }

 private:
  void steps(const std::vector<Step>& list) {  // nested as deep as the program's own loops
    for (const Step& s : list) {
      if (s.kind == StepKind::launch) launch(s);
      if (s.kind == StepKind::copy) copy(s);
      if (s.kind == StepKind::loop) trips_.push_back(s.operands.empty() ? Symbols::value(s.trip_count, extents_) : -1);
      for (const std::vector<Step>* inner : {&s.condition, &s.body, &s.otherwise}) steps(*inner);
      if (s.kind == StepKind::loop) trips_.pop_back();
    }
  }
  void launch(const Step& s) {
    size_t next = 0;
    for (const KernelBuffer& b : p_.kernels[s.kernel].buffers) {
      if (b.space == Space::scratch) continue;
      if (next >= s.operands.size()) return report(s, "a kernel buffer without an operand");
      operand(s, s.operands[next++], elements(b.shape, extents_), b.dtype, "%" + b.name);
    }
    if (next != s.operands.size()) report(s, "more operands than kernel buffers");
  }
  void copy(const Step& s) {
    const ProgramBuffer &from = p_.buffers[s.operands[0].buffer], &to = p_.buffers[s.operands[1].buffer];
    if (from.dtype != to.dtype) return report(s, "a copy between buffers of different dtypes");
    if (s.count)
      for (const Operand& o : s.operands)
        operand(s, o, Symbols::value(*s.count, extents_), from.dtype, "the run at %" + std::to_string(o.buffer));
    else if (elements(from.shape, extents_) != elements(to.shape, extents_))
      report(s, "a copy between buffers of different sizes");
  }
  // `size` elements from the operand's place on.
  void operand(const Step& s, const Operand& o, int64_t size, DType dtype, const std::string& name) {
    const ProgramBuffer& whole = p_.buffers[o.buffer];
    const int64_t all = elements(whole.shape, extents_);
    if (whole.dtype != dtype) return report(s, name + " and its buffer have different dtypes");
    if (o.part && size == 0) return;  // nothing, wherever it starts
    int64_t end = size;
    if (o.loop >= 0) {
      const int64_t trips = static_cast<size_t>(o.loop) < trips_.size() ? trips_[o.loop] : -1;
      if (trips < 0) return report(s, name + " advances with a loop that is not counted");
      if (trips == 0) return;
      const int64_t stride = Symbols::value(o.stride, extents_);
      if (__builtin_mul_overflow(trips - 1, stride, &end) || __builtin_add_overflow(end, size, &end)) end = -1;
    }
    const int64_t start = Symbols::value(o.start, extents_);
    if (start < 0 || __builtin_add_overflow(end, start, &end)) end = -1;
    if (size < 0 || end < 0 || (o.is_whole() ? end != all : end > all))
      report(s, name + " covers " + std::to_string(end) + " elements of %" + std::to_string(o.buffer) + ", which has " +
                    std::to_string(all));
  }
  void report(const Step& s, const std::string& text) {
    const std::string kernel = s.kind == StepKind::launch ? "launch of @" + p_.kernels[s.kernel].name : "copy";
    findings_.push_back(kernel + ": " + text);
  }

  const Program& p_;
  const std::vector<int64_t>& extents_;
  std::vector<int64_t> trips_;  // of the open loops
  std::vector<std::string> findings_;
};

}  // namespace

std::vector<std::string> check_bounds(const Program& program) {
  std::vector<std::string> findings;
  std::set<std::string> places;
  for (const std::vector<int64_t>& extents : sample_calls(*program.symbols)) {
    if (!is_possible(program, extents)) continue;
    std::string where;
    for (uint32_t s : program.symbols->free_symbols())
      where += (where.empty() ? " (" : ", ") + (*program.symbols)[s].name + " = " + std::to_string(extents[s]);
    if (!where.empty()) where += ")";
    const auto add = [&](const std::vector<std::string>& found) {
      for (const std::string& text : found)  // once for each place, whatever the extents
        if (places.insert(text.substr(0, text.find(": index "))).second) findings.push_back(text + where);
    };
    for (const Kernel& kernel : program.kernels) add(ir::check_bounds(kernel, extents));
    add(Launches(program, extents).run());
  }
  return findings;
}

}  // namespace tenon::passes
