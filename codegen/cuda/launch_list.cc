// Steps of a program as words for the runtime on a GPU's host. Refuses to plan: order, buffers and carries are the program's.
#include "tenon/codegen/cuda/launch_list.h"

#include <algorithm>
#include <cstring>

#include "tenon/codegen/cuda/program.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/kernel/collectives.h"

namespace tenon::codegen {
namespace {

using ir::Home;
using ir::Step;
using ir::StepKind;

class Writer {
 public:
  Writer(const ir::Program& program, const std::vector<CudaLaunch>& launches)
      : p_(program), launches_(launches), failing_(ir::failing_steps(program)) {
    for (const Step* s : failing_)
      if (s->host == ir::Host::function) calls_.push_back(s);
  }
  std::string write(std::span<const int64_t> stored);

 private:
  void put(int64_t word) { words_.push_back(word); }
  void put(Dim d) { words_.push_back(d.code()); }
  void count(size_t n) { words_.push_back(static_cast<int64_t>(n)); }
  void extents(std::span<const Dim> dims) {
    count(dims.size());
    for (Dim d : dims) put(d);
  }
  void text(const std::string& s) {
    count(s.size());
    const size_t first = words_.size();
    words_.resize(first + (s.size() + 7) / 8, 0);
    if (!s.empty()) std::memcpy(&words_[first], s.data(), s.size());
  }
  void numbers(const std::vector<uint32_t>& list) {
    count(list.size());
    for (uint32_t n : list) put(int64_t{n});
  }
  void kernel(const CudaLaunch& launch);
  void operand(const ir::Operand& o);
  void operands(const std::vector<ir::Operand>& list) {
    count(list.size());
    for (const ir::Operand& o : list) operand(o);
  }
  void copy(const ir::Operand& from, const ir::Operand& to, const std::optional<Dim>& elements);
  std::vector<Step::Carry> carries(const Step& step) const;
  std::string constants(std::span<const int64_t> stored);
  void steps(const std::vector<Step>& list, const std::vector<Step::Carry>& carries = {});
  void step(const Step& s);
  void host(const Step& s);
  void ranks(const Step& s);

  const ir::Program& p_;
  const std::vector<CudaLaunch>& launches_;
  const std::vector<const Step*> failing_;
  std::vector<const Step*> calls_;  // of functions
  std::vector<int64_t> words_;
};

void Writer::kernel(const CudaLaunch& launch) {
  const ir::Kernel& k = *launch.kernel;
  const CudaSource& source = launch.source;
  put(int64_t{launch.module});
  text(source.entry);
  count(static_cast<size_t>(std::count_if(k.buffers.begin(), k.buffers.end(),
                                          [](const ir::KernelBuffer& b) { return b.space != ir::Space::scratch; })));
  numbers(source.symbols);
  numbers(source.divisors);
  put(int64_t{source.threads});
  count(source.grid.size());
  for (const CudaFactor& f : source.grid) {
    put(f.each);
    extents(f.extents);
  }
  count(source.shared.size() + (source.shared_bytes > 0));
  if (source.shared_bytes > 0) {
    put(int64_t{1});
    extents(std::vector<Dim>{source.shared_bytes});
  }
  for (ir::BufferId b : source.shared) {
    put(bytes(k.buffers[index(b)].dtype));
    extents(k.buffers[index(b)].shape.dims());
  }
  std::vector<const ir::KernelBuffer*> written;
  for (const ir::KernelBuffer& b : k.buffers)
    if (b.space == ir::Space::output || b.space == ir::Space::inout) written.push_back(&b);
  count(written.size());
  for (const ir::KernelBuffer* b : written) extents(b->shape.dims());
}

void Writer::operand(const ir::Operand& o) {
  put(int64_t{o.buffer});
  put(int64_t{o.loop});
  put(int64_t{o.reversed});
  put(o.stride);
  put(int64_t{o.part});
  put(o.start);
}

void Writer::copy(const ir::Operand& from, const ir::Operand& to, const std::optional<Dim>& elements) {
  put(int64_t{TENON_STEP_COPY});
  operand(from);
  operand(to);
  put(int64_t{!elements});
  put(elements.value_or(Dim(0)));
}

// In an order in which a buffer that one carry writes and another still reads is read first.
std::vector<Step::Carry> Writer::carries(const Step& step) const {
  std::vector<Step::Carry> left, ordered;
  for (const Step::Carry& c : step.carries)
    if (c.current != c.next) left.push_back(c);
  while (!left.empty()) {
    const auto free = std::find_if(left.begin(), left.end(), [&](const Step::Carry& c) {
      return std::none_of(left.begin(), left.end(),
                          [&](const Step::Carry& other) { return &other != &c && other.next == c.current; });
    });
    ensure(free != left.end(), "loop carries form a cycle: the buffer plan must break it");
    ordered.push_back(*free);
    left.erase(free);
  }
  return ordered;
}

void Writer::steps(const std::vector<Step>& list, const std::vector<Step::Carry>& carries) {
  count(list.size() + carries.size());
  for (const Step& s : list) step(s);
  for (const Step::Carry& c : carries) copy({.buffer = c.next}, {.buffer = c.current}, {});
}

void Writer::step(const Step& s) {
  switch (s.kind) {
    case StepKind::launch:
      put(int64_t{TENON_STEP_LAUNCH});
      put(int64_t{s.kernel});
      put(int64_t{s.origin});
      operands(s.operands);
      break;
    case StepKind::copy: copy(s.operands.at(0), s.operands.at(1), s.count); break;
    case StepKind::loop:
      if (s.operands.empty()) {
        put(int64_t{TENON_STEP_REPEAT});
        put(s.trip_count);
      } else {
        put(int64_t{TENON_STEP_WHILE});
        operand(s.operands[0]);
        steps(s.condition);
      }
      steps(s.body, carries(s));
      break;
    case StepKind::branch:
      put(int64_t{TENON_STEP_BRANCH});
      operand(s.operands.at(0));
      steps(s.body);
      steps(s.otherwise);
      break;
    case StepKind::custom: host(s); break;
  }
}

// What the host does between launches.
void Writer::host(const Step& s) {
  const auto place_of = [&](const std::vector<const Step*>& list) {
    return static_cast<size_t>(std::find(list.begin(), list.end(), &s) - list.begin());
  };
  switch (s.host) {
    case ir::Host::function:
      put(int64_t{TENON_STEP_CUSTOM});
      count(place_of(calls_));
      count(place_of(failing_) + 1);
      put(int64_t{s.origin});
      put(int64_t{s.outputs});
      operands(s.operands);
      break;
    case ir::Host::check:
      put(int64_t{TENON_STEP_CHECK});
      count(place_of(failing_) + 1);
      put(int64_t{s.origin});
      operand(s.operands.at(0));
      break;
    case ir::Host::print:
      put(int64_t{TENON_STEP_PRINT});
      text(s.custom);
      count(s.operands.size());
      for (size_t k = 0; k < s.operands.size(); ++k) {
        put(static_cast<int64_t>(s.types.at(k).dtype));
        extents(s.types[k].shape.dims());
        operand(s.operands[k]);
      }
      break;
    case ir::Host::ranks: ranks(s); break;
  }
}

// Ranks compare it: a movement may be a part of a reduction (passes/ranks/moves.cc), of which its own numbers say nothing.
int64_t stands_for(const ir::RanksStep& step) {
  const bool moves = step.op == ir::Op::all_gather || step.op == ir::Op::all_to_all;
  if (!moves || step.numbers.size() < 2) return 0;
  const auto* words = reinterpret_cast<const unsigned char*>(step.numbers.data());
  return static_cast<int64_t>(tenon_bundle_sum(words, step.numbers.size() * sizeof(int64_t)));
}

void Writer::ranks(const Step& s) {
  const bool index = s.ranks.op == ir::Op::rank_index;
  const ir::CollectiveNumbers n = index ? ir::CollectiveNumbers{} : ir::numbers_of(s.ranks);
  ensure(s.ranks.phase == ir::RanksStep::Phase::whole, "a GPU's host starts nothing that it does not finish");
  put(int64_t{TENON_STEP_RANKS});
  put(int64_t{s.origin});
  put(index ? int64_t{TENON_RANK_INDEX} : static_cast<int64_t>(n.kind));
  put(static_cast<int64_t>(n.combine));
  put(static_cast<int64_t>(s.ranks.block.dtype));
  for (int64_t word : {s.ranks.size, s.ranks.stride, int64_t{n.root}, int64_t{n.to}, int64_t{n.from}}) put(word);
  text(s.place);
  const std::vector<int64_t>& numbers = s.ranks.numbers;
  put(stands_for(s.ranks));
  count(n.has_pairs ? numbers.size() : 0);
  for (size_t k = 0; n.has_pairs && k < numbers.size(); ++k) put(numbers[k]);
  extents(s.ranks.block.shape.dims());
  operands(s.operands);
}

// Where each constant lies, and the bytes of those that the program has; stored inputs come behind them later.
std::string Writer::constants(std::span<const int64_t> stored) {
  constexpr size_t step = TENON_LAUNCHES_ALIGNMENT;
  const auto room = [](const std::string& raw) { return (raw.size() + step - 1) / step * step; };
  size_t all = 0;
  for (const std::string& raw : p_.constants) all += room(raw);
  for (size_t k = 0; k < stored.size(); ++k) {
    const ir::Type& type = p_.inputs[p_.inputs.size() - stored.size() + k];
    put(static_cast<int64_t>(all) + stored[k]);
    put(type.shape.numel() * bytes(type.dtype));
  }
  std::string data;
  for (const std::string& raw : p_.constants) {
    count(data.size());
    count(raw.size());
    data += raw;
    data.resize(data.size() - raw.size() + room(raw));
  }
  return data;
}

std::string Writer::write(std::span<const int64_t> stored) {
  for (const int64_t word :
       {int64_t{TENON_LAUNCHES_MAGIC}, int64_t{TENON_LAUNCHES_FORMAT}, int64_t{0}, int64_t{p_.is_static},
        p_.arena_bytes, static_cast<int64_t>(p_.inputs.size() - stored.size()), static_cast<int64_t>(p_.outputs.size()),
        static_cast<int64_t>(stored.size())})
    put(word);
  for (size_t n : {p_.symbols->size(), p_.buffers.size(), p_.aliases.size(), stored.size() + p_.constants.size(),
                   launches_.size(), calls_.size(), p_.steps.size()})
    count(n);
  for (size_t k = 0; k < p_.symbols->size(); ++k) {
    const Symbol& s = (*p_.symbols)[k];
    for (const int64_t word : {static_cast<int64_t>(s.kind), s.lower, s.upper, s.left.code(), s.right.code()})
      put(word);
  }
  for (const ir::ProgramBuffer& b : p_.buffers) {
    put(bytes(b.dtype));
    const int64_t slot = int64_t{b.slot} + (b.home == Home::constant ? static_cast<int64_t>(stored.size()) : 0);
    for (const int64_t word : {static_cast<int64_t>(b.home), slot, b.offset,
                               b.arena_slot == UINT32_MAX ? int64_t{-1} : int64_t{b.arena_slot}})
      put(word);
    extents(b.shape.dims());
  }
  for (const auto& [input, output] : p_.aliases) {
    put(int64_t{input});
    put(int64_t{output});
  }
  const std::string data = constants(stored);
  for (const CudaLaunch& launch : launches_) kernel(launch);
  for (const Step* s : calls_) text(s->custom);
  for (const Step& s : p_.steps) step(s);
  words_[2] = static_cast<int64_t>(words_.size());
  return std::string(reinterpret_cast<const char*>(words_.data()), 8 * words_.size()) + data;
}

}  // namespace

std::string launch_list(const ir::Program& program, const std::vector<CudaLaunch>& launches,
                        std::span<const int64_t> stored) {
  return Writer(program, launches).write(stored);
}

}  // namespace tenon::codegen
