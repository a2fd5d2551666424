// Whether a program stays inside its memory: every load and store of every kernel lies inside its buffer (the analysis is
// ir/kernel/bounds.cc), and every kernel's buffers inside the program's. A symbolic extent stands for many numbers: it is
// taken at its bounds, at 0 and 1, at small primes that no two symbols share, around the sizes at which loops are cut into
// blocks, and large; definitions follow. Refuses to trust the passes that made the program: it reads loops and indices only.
#include <algorithm>
#include <set>

#include "tenon/ir/kernel/bounds.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

using namespace ir;

namespace {

// Values of all symbols of the table, one list a call that the program may see.
std::vector<std::vector<int64_t>> calls(const Symbols& symbols) {
  const std::vector<uint32_t> free = symbols.free_symbols();
  const auto number = [](std::initializer_list<int64_t> list, size_t i) {
    return list.begin()[i % list.size()] + static_cast<int64_t>(i / list.size()) * 100;
  };
  std::set<std::vector<int64_t>> chosen;
  const auto add = [&](auto&& value) {
    std::vector<int64_t> values;
    for (size_t i = 0; i < free.size(); ++i)
      values.push_back(std::clamp<int64_t>(value(i), symbols[free[i]].lower, symbols[free[i]].upper));
    chosen.insert(std::move(values));
  };
  const auto primes = [&](size_t i) { return number({5, 3, 7, 2, 11, 13}, i); };
  for (const int64_t same : {0, 1, 2, 64, 100, 4096}) add([&](size_t) { return same; });
  add(primes);
  add([&](size_t i) { return number({67, 131, 29, 257, 41}, i); });
  add([&](size_t i) { return number({8209, 4099, 521, 4111}, i); });
  add([&](size_t i) { return symbols[free[i]].upper < INT64_MAX ? symbols[free[i]].upper : 1 << 20; });
  for (size_t one = 0; one < free.size(); ++one)
    for (const int64_t special : {0, 1, 100003}) add([&](size_t i) { return i == one ? special : primes(i); });
  std::vector<std::vector<int64_t>> result;
  for (const std::vector<int64_t>& values : chosen) try {
      result.push_back(symbols.evaluate(values));
    } catch (const Error&) {  // an extent that no call can have
    }
  return result;
}

// Elements of a shape; -1 where there is no such buffer.
int64_t elements(const Shape& shape, const std::vector<int64_t>& extents) {
  int64_t n = 1;
  bool overflow = false, empty = false;
  for (Dim d : shape) {
    const int64_t value = Symbols::value(d, extents);
    if (value < 0) return -1;
    empty |= value == 0;
    overflow |= __builtin_mul_overflow(n, value, &n);
  }
  return empty ? 0 : overflow ? -1 : n;
}

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
    if (from.dtype != to.dtype || elements(from.shape, extents_) != elements(to.shape, extents_))
      report(s, "a copy between buffers of different sizes");
  }
  // `size` elements from the operand's place on.
  void operand(const Step& s, const Operand& o, int64_t size, DType dtype, const std::string& name) {
    const ProgramBuffer& whole = p_.buffers[o.buffer];
    const int64_t all = elements(whole.shape, extents_);
    if (whole.dtype != dtype) return report(s, name + " and its buffer have different dtypes");
    int64_t end = size;
    if (o.loop >= 0) {
      const int64_t trips = static_cast<size_t>(o.loop) < trips_.size() ? trips_[o.loop] : -1;
      if (trips < 0) return report(s, name + " advances with a loop that is not counted");
      if (trips == 0) return;
      const int64_t stride = Symbols::value(o.stride, extents_);
      if (__builtin_mul_overflow(trips - 1, stride, &end) || __builtin_add_overflow(end, size, &end)) end = -1;
    }
    if (size < 0 || end < 0 || (o.loop < 0 ? end != all : end > all))
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
  for (const std::vector<int64_t>& extents : calls(*program.symbols)) {
    const auto possible = [&](const ProgramBuffer& b) { return elements(b.shape, extents) >= 0; };
    if (!std::all_of(program.buffers.begin(), program.buffers.end(), possible)) continue;
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
