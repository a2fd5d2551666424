// Kernels as text. Scalars are numbered in the order of the text, so equal kernels print alike whatever order they were
// built in; literals and extents stand where they are used. Refuses to hide anything but unused literals: what is
// printed parses back (ir/kernel/parse.cc) to a kernel that prints the same.
//
//   scalar    %5 = add %3, f32 0.5          literals: f32 0.5, f16 0x3c00, true, and plain numbers are i64
//   memory    %6 = load %x[%0, n]           %6 = load %x[%0] if %2 else f32 0       store %y[%0], %6 if %2 nontemporal
//   loops     parallel %0 < n grain 64 { }  %8 = serial %7 < 4 carry %9 = f32 0 { yield %10 }
//   reduce    %4 = reduce(add) lanes 16 block 512 %1 < n { yield %3 }
//   others    %5 = rare %1, %2 { yield %4 }    scratch %t: f32[n]    contract f32 [1, m, n, k] { lhs %0, %1, %2 { } ... }
//   origin    a trailing #12 names the graph node
#include <algorithm>
#include <bit>
#include <charconv>
#include <vector>

#include "tenon/ir/base/error.h"
#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir {
namespace {

template <class Float>
std::string shortest(Float value) {
  char text[64];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

std::string hexadecimal(uint64_t bits) {
  char text[32];
  return "0x" + std::string(text, std::to_chars(text, text + sizeof text, bits, 16).ptr);
}

std::string literal_text(DType type, uint64_t bits) {
  if (type == DType::boolean) return bits ? "true" : "false";
  if (type == DType::i64) return std::to_string(static_cast<int64_t>(bits));
  const std::string prefix = std::string(name(type)) + " ";
  switch (type) {
    case DType::i8: return prefix + std::to_string(static_cast<int8_t>(bits));
    case DType::i16: return prefix + std::to_string(static_cast<int16_t>(bits));
    case DType::i32: return prefix + std::to_string(static_cast<int32_t>(bits));
    case DType::f16:
    case DType::bf16: return prefix + hexadecimal(bits);
    case DType::f32: {  // a NaN keeps its payload, and infinity has no digits
      const float value = std::bit_cast<float>(static_cast<uint32_t>(bits));
      return prefix + (value - value == 0 ? shortest(value) : hexadecimal(bits));
    }
    case DType::f64: {
      const double value = std::bit_cast<double>(bits);
      return prefix + (value - value == 0 ? shortest(value) : hexadecimal(bits));
    }
    default: return prefix + std::to_string(bits);
  }
}

const char* word(LoopKind kind) {
  switch (kind) {
    case LoopKind::serial: return "serial";
    case LoopKind::parallel: return "parallel";
    case LoopKind::vector: return "vector";
    case LoopKind::block: return "block";
    case LoopKind::thread: return "thread";
    case LoopKind::repeat: return "repeat";
  }
  return "?";
}

const char* word(Space space) {
  switch (space) {
    case Space::input: return "in";
    case Space::output: return "out";
    case Space::inout: return "inout";
    case Space::scratch: return "scratch";
  }
  return "?";
}

class Printer {
 public:
  explicit Printer(const Kernel& kernel) : kernel_(kernel), numbers_(kernel.scalars.size(), UINT32_MAX) {}

  std::string run() {
    out_ = "kernel @" + kernel_.name + "(";
    const char* separator = "";
    for (const KernelBuffer& b : kernel_.buffers) {
      if (b.space == Space::scratch) continue;
      out_ += separator + ("%" + b.name) + ": " + word(b.space) + " " + type(b);
      separator = ", ";
    }
    out_ += ") ";
    block(BlockId{0}, 0);
    out_ += "\n";
    return std::move(out_);
  }

 private:
  std::string type(const KernelBuffer& b) const {
    return std::string(name(b.dtype)) + to_string(b.shape, kernel_.symbols.get());
  }
  std::string define(ScalarId v) {
    numbers_[index(v)] = next_++;
    return "%" + std::to_string(numbers_[index(v)]);
  }
  std::string use(ScalarId v) const {
    if (index(v) >= kernel_.scalars.size()) return "%?";
    const uint32_t number = kernel_.scalars[index(v)].instruction;
    if (number < kernel_.instructions.size()) {
      const Instruction& i = kernel_.instructions[number];
      if (i.kind == KernelOp::literal) return literal_text(i.dtype, i.immediate);
      if (i.kind == KernelOp::extent) return to_string(i.dim, kernel_.symbols.get());
    }
    // A use before its definition prints as a question; the verifier says which.
    return numbers_[index(v)] == UINT32_MAX ? "%?" : "%" + std::to_string(numbers_[index(v)]);
  }
  std::string uses(std::span<const ScalarId> list) const {
    std::string text;
    for (size_t k = 0; k < list.size(); ++k) text += (k ? ", " : "") + use(list[k]);
    return text;
  }
  std::string defines(std::span<const ScalarId> list) {
    std::string text;
    for (size_t k = 0; k < list.size(); ++k) text += (k ? ", " : "") + define(list[k]);
    return text;
  }
  void line(int depth) { out_ += "\n" + std::string(2 * static_cast<size_t>(depth), ' '); }

  void block(BlockId id, int depth) {
    const Block& b = kernel_.blocks[index(id)];
    out_ += "{";
    for (uint32_t number : b.instructions) instruction(kernel_.instructions[number], depth + 1);
    if (!b.yields.empty()) {
      line(depth + 1);
      out_ += "yield " + uses(b.yields);
    }
    line(depth);
    out_ += "}";
  }

  void instruction(const Instruction& i, int depth) {
    if (i.kind == KernelOp::literal || i.kind == KernelOp::extent) return;
    line(depth);
    // Results are numbered where they are written, before what stands inside the instruction's blocks.
    std::string operands;
    if (i.kind != KernelOp::loop) operands = uses(i.operands);
    std::string initial;
    if (i.kind == KernelOp::loop) initial = uses(std::span(i.operands).first(1));
    std::vector<std::string> carried;
    if (i.kind == KernelOp::loop)
      for (size_t k = 1; k < i.operands.size(); ++k) carried.push_back(use(i.operands[k]));
    if (i.result_count) {
      for (uint32_t k = 0; k < i.result_count; ++k)
        out_ += (k ? ", " : "") + define(ScalarId{index(i.first_result) + k});
      out_ += " = ";
    }
    switch (i.kind) {
      case KernelOp::scalar:
        out_ += std::string(name(i.op)) + " ";
        if (i.op == Op::cast || i.op == Op::bitcast) out_ += std::string(name(i.dtype)) + " ";
        out_ += operands;
        break;
      case KernelOp::load: memory("load", i, 0); break;
      case KernelOp::store: memory("store", i, 1); break;
      case KernelOp::scratch: {
        const KernelBuffer& b = kernel_.buffers[index(i.buffer)];
        out_ += "scratch %" + b.name + ": " + type(b);
        break;
      }
      case KernelOp::loop: {
        const Block& body = kernel_.blocks[index(i.blocks[0])];
        out_ += std::string(word(i.loop)) + " " + define(body.arguments[0]) + " < " + initial;
        if (i.grain != 1) out_ += " grain " + std::to_string(i.grain);
        for (size_t k = 0; k < carried.size() && k + 1 < body.arguments.size(); ++k)
          out_ += (k ? ", " : " carry ") + define(body.arguments[k + 1]) + " = " + carried[k];
        out_ += " ";
        block(i.blocks[0], depth);
        break;
      }
      case KernelOp::reduce:
        out_ += "reduce(";
        for (size_t k = 0; k < i.combines.size(); ++k) out_ += (k ? ", " : "") + std::string(name(i.combines[k]));
        out_ += ") lanes " + std::to_string(i.tree.lanes) + " block " + std::to_string(i.tree.block) + " ";
        out_ += defines(kernel_.blocks[index(i.blocks[0])].arguments) + " < " + operands + " ";
        block(i.blocks[0], depth);
        break;
      case KernelOp::contract: {
        out_ += "contract " + std::string(name(i.dtype)) + " [" + operands + "] {";
        const char* parts[] = {"lhs ", "rhs ", "epilogue "};
        for (size_t k = 0; k < i.blocks.size() && k < 3; ++k) {
          line(depth + 1);
          out_ += parts[k] + defines(kernel_.blocks[index(i.blocks[k])].arguments) + " ";
          block(i.blocks[k], depth + 1);
        }
        line(depth);
        out_ += "}";
        break;
      }
      case KernelOp::rare:
        out_ += "rare " + operands + " ";
        block(i.blocks[0], depth);
        break;
      case KernelOp::scaled: out_ += "scaled " + operands; break;
      case KernelOp::literal:
      case KernelOp::extent: break;
    }
    if (i.origin) out_ += " #" + std::to_string(i.origin);
  }

  // values: how many operands stand between the indices and the mask.
  void memory(const char* what, const Instruction& i, size_t values) {
    const KernelBuffer& b = kernel_.buffers[index(i.buffer)];
    const std::span<const ScalarId> all(i.operands);
    const size_t rank = std::min(b.shape.size(), all.size());
    out_ += std::string(what) + " %" + b.name + "[" + uses(all.first(rank)) + "]";
    std::span<const ScalarId> rest = all.subspan(rank);
    if (values && !rest.empty()) out_ += ", " + use(rest[0]), rest = rest.subspan(1);
    if (!rest.empty()) out_ += " if " + use(rest[0]);
    if (rest.size() > 1) out_ += " else " + use(rest[1]);
    if (i.nontemporal) out_ += " nontemporal";
  }

  const Kernel& kernel_;
  std::vector<uint32_t> numbers_;
  uint32_t next_ = 0;
  std::string out_;
};

}  // namespace

std::string Kernel::text() const { return Printer(*this).run(); }

}  // namespace tenon::ir
