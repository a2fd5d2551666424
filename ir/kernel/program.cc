// Programs as text, for dumps and golden files: buffers, steps, then the kernels.
// Refuses to be read back: a program is rebuilt from its graph, kernels alone are parsed.
#include "tenon/ir/kernel/program.h"

#include <algorithm>

namespace tenon::ir {
namespace {

class Printer {
 public:
  explicit Printer(const Program& program) : p_(program), symbols_(program.symbols.get()) {}

  std::string run() {
    out_ = "program @" + p_.name + (p_.is_static ? " arena " + std::to_string(p_.arena_bytes) : "") + " {\n";
    for (size_t b = 0; b < p_.buffers.size(); ++b) buffer(b);
    for (const auto& [input, output] : p_.aliases)
      out_ += "  output " + std::to_string(output) + " shares input " + std::to_string(input) + "\n";
    steps(p_.steps, 1);
    out_ += "}\n";
    for (size_t k = 0; k < p_.kernels.size(); ++k) {
      if (k < p_.notes.size()) {
        const KernelNote& note = p_.notes[k];
        out_ += "\n; " + note.kind + ": reads " + to_string(note.bytes_read, symbols_) + " bytes, writes " +
                to_string(note.bytes_written, symbols_) + ", " + to_string(note.flops, symbols_) + " flops";
      }
      out_ += "\n" + p_.kernels[k].text();
    }
    for (const FusionNote& note : p_.not_fused)
      out_ += "\n; not fused: " + std::to_string(note.producer) + " into " + std::to_string(note.consumer) + ": " +
              note.reason;
    if (!p_.not_fused.empty()) out_ += "\n";
    return std::move(out_);
  }

 private:
  void buffer(size_t number) {
    const ProgramBuffer& b = p_.buffers[number];
    out_ += "  %" + std::to_string(number) + ": " + std::string(name(b.dtype)) + to_string(b.shape, symbols_) + " ";
    switch (b.home) {
      case Home::input: out_ += "input " + std::to_string(b.slot); break;
      case Home::output: out_ += "output " + std::to_string(b.slot); break;
      case Home::constant: out_ += "constant " + std::to_string(b.slot); break;
      case Home::arena:
        out_ += "arena";
        if (b.offset >= 0) out_ += " at " + std::to_string(b.offset);
        if (b.arena_slot != UINT32_MAX) out_ += " slot " + std::to_string(b.arena_slot);
        break;
    }
    out_ += "\n";
  }

  std::string operand(const Operand& o) const {
    std::string text = "%" + std::to_string(o.buffer);
    if (o.is_whole()) return text;
    if (o.loop >= 0)
      text +=
          "[loop " + std::to_string(o.loop) + (o.reversed ? " reversed" : "") + " by " + to_string(o.stride, symbols_);
    if (o.part) text += (o.loop >= 0 ? " at " : "[at ") + to_string(o.start, symbols_);
    return text + "]";
  }
  std::string operands(const std::vector<Operand>& list, size_t begin = 0, size_t end = SIZE_MAX) const {
    std::string text;
    for (size_t n = begin; n < std::min(end, list.size()); ++n) text += (n > begin ? ", " : "") + operand(list[n]);
    return text;
  }

  void steps(const std::vector<Step>& list, int depth) {
    for (const Step& s : list) step(s, depth);
  }
  // Steps nest as deep as the program's own loops do.
  void step(const Step& s, int depth) {
    const std::string indent(2 * static_cast<size_t>(depth), ' ');
    out_ += indent;
    switch (s.kind) {
      case StepKind::launch:
        out_ += "launch @" + (s.kernel < p_.kernels.size() ? p_.kernels[s.kernel].name : "?") + "(" +
                operands(s.operands) + ")\n";
        return;
      case StepKind::copy:
        out_ += "copy " + (s.count ? to_string(*s.count, symbols_) + " of " : "") + operands(s.operands, 0, 1) +
                " to " + operands(s.operands, 1) + "\n";
        return;
      case StepKind::custom: {
        const size_t inputs = s.operands.size() - std::min<size_t>(s.outputs, s.operands.size());
        if (s.host == Host::ranks) {
          constexpr const char* phases[] = {"", "start ", "finish "};
          out_ += phases[static_cast<size_t>(s.ranks.phase)] + std::string(def(s.ranks.op).name) + " " +
                  std::to_string(s.ranks.size) + "/" + std::to_string(s.ranks.stride) + "(" +
                  operands(s.operands, 0, inputs) + ") to " + operands(s.operands, inputs) + "\n";
          return;
        }
        if (s.host != Host::function) {
          out_ += (s.host == Host::check ? "check \"" : "print \"") + s.custom + "\"(" + operands(s.operands) + ")\n";
          return;
        }
        out_ += "custom \"" + s.custom + "\"(" + operands(s.operands, 0, inputs) + ") to " +
                operands(s.operands, inputs) + "\n";
        return;
      }
      case StepKind::branch:
        out_ += "branch " + operands(s.operands) + " {\n";
        steps(s.body, depth + 1);
        out_ += indent + "} otherwise {\n";
        steps(s.otherwise, depth + 1);
        break;
      case StepKind::loop:
        out_ += s.operands.empty() ? "loop " + to_string(s.trip_count, symbols_) + " {\n"
                                   : "loop while " + operands(s.operands) + " {\n";
        if (!s.condition.empty()) {
          steps(s.condition, depth + 1);
          out_ += indent + "} do {\n";
        }
        steps(s.body, depth + 1);
        for (const Step::Carry& c : s.carries)
          out_ += indent + "  carry %" + std::to_string(c.current) + " from %" + std::to_string(c.next) + "\n";
        break;
    }
    out_ += indent + "}\n";
  }

  const Program& p_;
  const Symbols* symbols_;
  std::string out_;
};

}  // namespace

std::string Program::text() const { return Printer(*this).run(); }

namespace {

// Every step, nested ones too, in order.
template <class Visit>
void visit_steps(const Program& program, Visit visit) {
  std::vector<const Step*> open;  // the next one last
  const auto enter = [&](const std::vector<Step>& steps) {
    for (auto it = steps.rbegin(); it != steps.rend(); ++it) open.push_back(&*it);
  };
  enter(program.steps);
  while (!open.empty()) {
    const Step& s = *open.back();
    open.pop_back();
    visit(s);
    for (const auto* inner : {&s.otherwise, &s.body, &s.condition}) enter(*inner);
  }
}

}  // namespace

std::vector<const Step*> failing_steps(const Program& program) {
  std::vector<const Step*> found;
  visit_steps(program, [&](const Step& s) {
    if (s.kind == StepKind::custom && (s.host == Host::function || s.host == Host::check)) found.push_back(&s);
  });
  return found;
}

bool copies_onto_itself(const Program& program, const Step& copy) {
  if (copy.count || !copy.operands.at(0).is_whole() || !copy.operands.at(1).is_whole()) return false;
  const ProgramBuffer &from = program.buffers.at(copy.operands[0].buffer),
                      &to = program.buffers.at(copy.operands[1].buffer);
  if (from.home != Home::input || to.home != Home::output) return false;
  return std::find(program.aliases.begin(), program.aliases.end(), std::pair(from.slot, to.slot)) !=
         program.aliases.end();
}

int64_t fewest_ranks(const Program& program) {
  int64_t most = 0;
  visit_steps(program, [&](const Step& s) {
    if (s.kind == StepKind::custom && s.host == Host::ranks) most = std::max(most, s.ranks.size * s.ranks.stride);
  });
  return most;
}

std::vector<RanksNote> ranks_notes(const Program& program) {
  std::vector<RanksNote> notes;
  std::vector<std::pair<uint32_t, size_t>> open;  // pending, and its note
  visit_steps(program, [&](const Step& s) {
    if (s.kind == StepKind::launch && s.kernel < program.notes.size())
      for (const auto& [pending, at] : open) {
        ++notes[at].hidden;
        const Dim flops = program.notes[s.kernel].flops;
        if (flops.is_number()) notes[at].hidden_flops += flops.number();
      }
    if (s.kind != StepKind::custom || s.host != Host::ranks || s.ranks.op == Op::rank_index) return;
    if (s.ranks.phase == RanksStep::Phase::finish) {
      std::erase_if(open, [&](const auto& o) { return o.first == s.ranks.pending; });
      return;
    }
    const Type& block = s.ranks.block;
    const int64_t size = s.operands.empty()        ? 0
                         : block.shape.is_static() ? block.shape.numel() * bytes(block.dtype)
                                                   : -1;
    notes.push_back({s.ranks.op, s.place, s.ranks.size, size, 0, 0});
    if (s.ranks.phase == RanksStep::Phase::start) open.emplace_back(s.ranks.pending, notes.size() - 1);
  });
  return notes;
}

}  // namespace tenon::ir
