// Steps of a program over byte ranges: inputs, outputs, and one arena or one slot per arena slot.
#include "tenon/tests/program_machine.h"

#include <cstring>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/failed_check.h"
#include "tenon/tests/kernel_machine.h"

namespace tenon::testing {

using namespace ir;

Type bind(const Type& type, const std::vector<int64_t>& symbols) {
  Type bound = type;
  for (size_t i = 0; i < bound.shape.size(); ++i) bound.shape[i] = Dim(Symbols::value(bound.shape[i], symbols));
  return bound;
}

namespace {

class Machine {
 public:
  Machine(const Program& program, const std::vector<Array>& inputs, const std::vector<int64_t>& dims)
      : p_(program), symbols_(program.symbols->evaluate(dims)), constants_(program.constants), inputs_(inputs) {
    for (const Type& t : p_.outputs) outputs_.emplace_back(bind(t, symbols_));
    for (Array& a : outputs_) std::fill(a.data.begin(), a.data.end(), 0xcd);
    arena_.assign(static_cast<size_t>(p_.arena_bytes), 0xcd);
  }

  std::vector<Array> run() {
    steps(p_.steps);
    return std::move(outputs_);
  }

 private:
  unsigned char* bytes_of(const ProgramBuffer& b) {
    switch (b.home) {
      case Home::input: return inputs_.at(b.slot).data.data();
      case Home::output: return outputs_.at(b.slot).data.data();
      case Home::constant: return reinterpret_cast<unsigned char*>(constants_.at(b.slot).data());
      case Home::arena: break;
    }
    if (p_.is_static) return arena_.data() + b.offset;
    if (slots_.size() <= b.arena_slot) slots_.resize(b.arena_slot + 1);
    std::vector<unsigned char>& slot = slots_[b.arena_slot];
    const size_t size =
        static_cast<size_t>(bind({b.dtype, b.shape}, symbols_).shape.numel()) * static_cast<size_t>(bytes(b.dtype));
    if (slot.size() < size) slot.resize(size, 0xcd);
    return slot.data();
  }

  // Bytes of an operand; a slice starts where its loop has got to.
  unsigned char* pointer(const Operand& o) {
    const ProgramBuffer& b = p_.buffers.at(o.buffer);
    unsigned char* base = bytes_of(b);
    base += Symbols::value(o.start, symbols_) * bytes(b.dtype);
    if (o.loop < 0) return base;
    const auto [index, count] = loops_.at(static_cast<size_t>(o.loop));
    return base + (o.reversed ? count - 1 - index : index) * Symbols::value(o.stride, symbols_) * bytes(b.dtype);
  }

  void launch(const Step& s) {
    const Kernel& kernel = p_.kernels.at(s.kernel);
    std::vector<Array> arrays;
    std::vector<const Operand*> operands;
    std::vector<Space> spaces;
    size_t next = 0;
    for (const KernelBuffer& b : kernel.buffers) {
      if (b.space == Space::scratch) continue;
      arrays.emplace_back(bind({b.dtype, b.shape}, symbols_));
      operands.push_back(&s.operands.at(next++));
      spaces.push_back(b.space);
      if (!arrays.back().data.empty())
        std::memcpy(arrays.back().data.data(), pointer(*operands.back()), arrays.back().data.size());
    }
    std::vector<Array*> list;
    for (Array& a : arrays) list.push_back(&a);
    run_kernel(kernel, list, symbols_);
    for (size_t k = 0; k < arrays.size(); ++k)
      if (spaces[k] != Space::input && !arrays[k].data.empty())
        std::memcpy(pointer(*operands[k]), arrays[k].data.data(), arrays[k].data.size());
  }

  void copy(const Operand& from, const Operand& to, std::optional<Dim> count) {
    const ProgramBuffer& b = p_.buffers.at(to.buffer);
    const int64_t all = bind({b.dtype, b.shape}, symbols_).shape.numel();
    const int64_t size = (count ? Symbols::value(*count, symbols_) : all) * bytes(b.dtype);
    const unsigned char* source = pointer(from);
    if (size > 0) std::memmove(pointer(to), source, static_cast<size_t>(size));
  }

  void steps(const std::vector<Step>& list) {
    for (const Step& s : list) {
      switch (s.kind) {
        case StepKind::launch: launch(s); break;
        case StepKind::copy: copy(s.operands[0], s.operands[1], s.count); break;
        case StepKind::custom: custom(s); break;
        case StepKind::branch: steps(*pointer(s.operands[0]) ? s.body : s.otherwise); break;
        case StepKind::loop: loop(s); break;
      }
    }
  }

  // A print gives nothing that could be compared.
  void custom(const Step& s) {
    if (s.host == Host::function) throw InternalError("the program machine has no custom calls");
    if (s.host == Host::check && !*pointer(s.operands[0])) fail_check(s.custom, s.place);
    if (s.host == Host::ranks) ranks(s);
  }

  // A world of one, in which everything arrives; it finishes what it starts.
  void ranks(const Step& s) {
    if (s.ranks.phase == RanksStep::Phase::finish || s.operands.empty()) return;
    if (s.ranks.op == Op::rank_index) {
      const int64_t zero = 0;
      std::memcpy(pointer(s.operands[0]), &zero, sizeof zero);
      return;
    }
    int64_t count = 1;
    for (Dim d : s.ranks.block.shape.dims()) count *= Symbols::value(d, symbols_);
    std::memmove(pointer(s.operands[1]), pointer(s.operands[0]),
                 static_cast<size_t>(count * bytes(s.ranks.block.dtype)));
  }

  void loop(const Step& s) {
    const bool counted = s.operands.empty();
    const int64_t trips = counted ? Symbols::value(s.trip_count, symbols_) : INT64_MAX;
    loops_.emplace_back(0, trips);
    for (int64_t i = 0; i < trips; ++i) {
      loops_.back().first = i;
      steps(s.condition);
      if (!counted && !*pointer(s.operands[0])) break;
      steps(s.body);
      for (const Step::Carry& c : s.carries) copy({c.next, -1, false, 0}, {c.current, -1, false, 0}, {});
    }
    loops_.pop_back();
  }

  const Program& p_;
  std::vector<int64_t> symbols_;
  std::vector<std::string> constants_;
  std::vector<Array> inputs_, outputs_;
  std::vector<unsigned char> arena_;
  std::vector<std::vector<unsigned char>> slots_;
  std::vector<std::pair<int64_t, int64_t>> loops_;
};

}  // namespace

std::vector<Array> run_program(const Program& program, const std::vector<Array>& inputs,
                               const std::vector<int64_t>& dims) {
  return Machine(program, inputs, dims).run();
}

}  // namespace tenon::testing
