// The frame of a kernel in CUDA C++, its names and its blocks. Literals and extents are spelled where they are used.
#include "tenon/codegen/cuda/kernel.h"

#include <algorithm>

#include "tenon/codegen/cuda/prelude.h"
#include "tenon/codegen/cuda/prelude_contract.h"
#include "tenon/codegen/cuda/prelude_teams.h"
#include "tenon/codegen/cuda/prelude_tensor.h"
#include "tenon/codegen/cuda/text.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::ScalarId;

CudaSource CudaKernel::emit() {
  source_.entry = "tenon_" + cuda_name(kernel_.name);
  for (const Instruction& i : kernel_.instructions) {
    if (i.kind == KernelOp::load && kernel_.buffers[index(i.buffer)].space != ir::Space::input)
      read_back_.insert(i.buffer);
    if (i.kind == KernelOp::extent) use_symbol(i.dim);
  }
  for (const ir::KernelBuffer& b : kernel_.buffers)
    for (Dim d : b.shape) use_symbol(d);
  std::sort(source_.symbols.begin(), source_.symbols.end());
  emit_body();
  if (!source_.reason.empty()) return refuse(source_.reason);
  source_.text = head() + text_ + "}\n";
  return std::move(source_);
}

CudaSource CudaKernel::refuse(const std::string& reason) const {
  CudaSource refused;
  refused.reason = "kernel @" + kernel_.name + " holds " + reason;
  return refused;
}

std::string CudaKernel::head() const {
  std::string parameters, narrow;
  const auto add = [&](const std::string& p) { parameters += (parameters.empty() ? "" : ", ") + p; };
  for (uint32_t b = 0; b < kernel_.buffers.size(); ++b) {
    const ir::KernelBuffer& held = kernel_.buffers[b];
    if (held.space == ir::Space::scratch) continue;
    const std::string element(name(held.dtype)), spelled = buffer(ir::BufferId{b});
    add(held.space == ir::Space::input ? "const " + element + "* __restrict__ " + spelled : element + "* " + spelled);
  }
  for (uint32_t s : source_.symbols) {
    const Dim d = Dim::symbol(s);
    add(std::string("const i64 ") + (index_.is_narrow(d) ? "wide_" : "") + dim(d));
    if (index_.is_narrow(d)) narrow += "  const i32 " + dim(d) + " = i32(wide_" + dim(d) + ");\n";
  }
  for (uint32_t s : source_.divisors) add("const Divisor " + dim(Dim::symbol(s)) + "_by");
  return "extern \"C\" __global__ void __launch_bounds__(" + std::to_string(source_.threads) + blocks_at_once_ + ") " +
         source_.entry + "(" + parameters + ") {\n" +
         (source_.shared.empty() && source_.shared_bytes == 0 ? "" : "  extern __shared__ uint4 tenon_shared[];\n") +
         narrow;
}

// ---- names ------------------------------------------------------------------------------------------------------------

void CudaKernel::use_symbol(Dim d) {
  if (d.is_symbol() && std::find(source_.symbols.begin(), source_.symbols.end(), d.index()) == source_.symbols.end())
    source_.symbols.push_back(d.index());
}

std::string CudaKernel::dim(Dim d) const {
  if (d.is_number()) return std::to_string(d.number()) + (index_.is_narrow(d) ? "" : "ll");
  const Symbol& s = (*kernel_.symbols)[d.index()];
  return "d" + std::to_string(d.index()) + (s.kind == SymbolKind::free ? "_" + cuda_name(s.name) : "");
}

// The parameter that divides by a symbol.
std::string CudaKernel::divisor(Dim d) {
  const auto at = std::lower_bound(source_.divisors.begin(), source_.divisors.end(), d.index());
  if (at == source_.divisors.end() || *at != d.index()) source_.divisors.insert(at, d.index());
  return dim(d) + "_by";
}

std::string CudaKernel::buffer(ir::BufferId b) const { return "b_" + cuda_name(kernel_.buffers[index(b)].name); }

void CudaKernel::define_as(ScalarId v, const std::string& value) {
  line("const " + type(v) + " " + define(v) + " = " + value + ";");
}

std::string CudaKernel::define(ScalarId v) {
  numbers_[index(v)] = next_++;
  return "v" + std::to_string(numbers_[index(v)]);
}

// ---- lines ------------------------------------------------------------------------------------------------------------

void CudaKernel::line(const std::string& text) { text_ += std::string(2 * depth_, ' ') + text + "\n"; }

void CudaKernel::open(const std::string& text) {
  line(text + " {");
  ++depth_;
}

void CudaKernel::close(const std::string& end) {
  --depth_;
  line(end);
}

// ---- instructions -----------------------------------------------------------------------------------------------------

void CudaKernel::emit_rare(const Instruction& i, Team team) {
  const std::string v = define(i.first_result);
  line(type(i.first_result) + " " + v + " = " + use(i.operands[1]) + ";");
  open("if (" + use(i.operands[0]) + ")");
  emit_block(i.blocks[0], team);
  line(v + " = " + use(kernel_.blocks[index(i.blocks[0])].yields[0]) + ";");
  close();
}

void CudaKernel::mark(const Instruction& i) {
  if (!lines_ || i.origin == marked_ || i.kind == KernelOp::literal || i.kind == KernelOp::extent) return;
  marked_ = i.origin;
  line("#line 1 \"node " + std::to_string(i.origin) + "\"");
}

void CudaKernel::emit_instruction(const Instruction& i, Team team) {
  mark(i);
  switch (i.kind) {
    case KernelOp::literal:
    case KernelOp::extent: break;
    case KernelOp::scalar: emit_scalar(i); break;
    case KernelOp::load: emit_load(i); break;
    case KernelOp::store: emit_store(i, team); break;
    case KernelOp::loop: emit_loop(i, team); break;
    case KernelOp::reduce: emit_reduce(i, team); break;
    case KernelOp::contract: emit_contract(i, team); break;
    case KernelOp::rare: emit_rare(i, team); break;
    case KernelOp::scaled:
      line("const " + type(i.first_result) + " " + define(i.first_result) + " = " + use(i.operands[2]) + ";");
      break;
    case KernelOp::scratch: declare_scratch(i, team); break;
  }
}

void CudaKernel::emit_block(BlockId block, Team team) {
  for (uint32_t number : kernel_.blocks[index(block)].instructions)
    emit_instruction(kernel_.instructions[number], team);
}

void CudaKernel::emit_pure(BlockId block, Team team) {
  for (uint32_t number : kernel_.blocks[index(block)].instructions)
    if (is_pure(kernel_.instructions[number])) emit_instruction(kernel_.instructions[number], team);
}

void CudaKernel::emit_needed(ScalarId v, BlockId block, std::set<const Instruction*>& done) {
  const ir::ScalarInfo& info = kernel_.scalars[index(v)];
  if (info.instruction == UINT32_MAX || info.block != block) return;
  const Instruction& i = kernel_.instructions[info.instruction];
  if (!is_pure(i) || !done.insert(&i).second) return;
  for (ScalarId o : i.operands) emit_needed(o, block, done);
  emit_instruction(i, Team::thread);
}

CudaSource render_cuda(const ir::Kernel& kernel, const Target& target, std::span<const int64_t> alignment, bool lines) {
  return CudaKernel(kernel, target, alignment, lines).emit();
}

std::string cuda_module(std::span<const CudaSource> kernels) {
  std::string text = std::string(cuda_prelude_scalars) + cuda_prelude_teams + cuda_prelude_reductions;
  const auto holds = [&](const char* word) {
    return std::any_of(kernels.begin(), kernels.end(),
                       [&](const CudaSource& k) { return k.text.find(word) != std::string::npos; });
  };
  if (holds("contract_")) text += cuda_prelude_contract;
  if (holds("contract_tensor")) text += cuda_prelude_tensor;
  for (const CudaSource& k : kernels) text += "\n" + k.text;
  return text + "}  // namespace tenon\n";
}

}  // namespace tenon::codegen
