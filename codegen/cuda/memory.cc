// Loads, stores and scratch memory in CUDA C++, and where threads of a team must wait for each other.
#include <algorithm>

#include "tenon/codegen/cuda/kernel.h"
#include "tenon/ir/kernel/walk.h"

namespace tenon::codegen {

using ir::Instruction;
using ir::KernelOp;

namespace {
constexpr int64_t static_shared_limit = 40 << 10;  // bytes; below the 48 KiB that need no opt-in
}  // namespace

// Of the element in its buffer. In 32 bits where the buffer is narrow, for the element lies inside.
std::string CudaKernel::offset(const Instruction& i) const {
  const Shape& shape = kernel_.buffers[index(i.buffer)].shape;
  const bool narrow = shape.rank() < 2 || index_.is_narrow(shape);
  std::string text;
  for (size_t d = 0; d < shape.size(); ++d) {
    const std::string place = text.empty() && !narrow ? wide(i.operands[d]) : use(i.operands[d]);
    if (place == "0" && (text.empty() || d + 1 == shape.size())) {
      if (!text.empty())
        text = (text.find(" + ") != std::string::npos ? "(" + text + ")" : text) + " * " + dim(shape[d]);
      continue;
    }
    if (!text.empty())
      text = (text.find(" + ") != std::string::npos ? "(" + text + ")" : text) + " * " + dim(shape[d]) + " + ";
    text += place;
  }
  return text.empty() ? "0" : text;
}

void CudaKernel::emit_load(const Instruction& i) {
  const ir::KernelBuffer& b = kernel_.buffers[index(i.buffer)];
  const size_t rank = b.shape.size();
  if (const auto known = loaded_.find(&i); known != loaded_.end()) {
    line("const " + std::string(name(b.dtype)) + " " + define(i.first_result) + " = " + known->second + ";");
    return;
  }
  std::string value = element(i);
  if (i.operands.size() > rank) value = use(i.operands[rank]) + " ? " + value + " : " + use(i.operands[rank + 1]);
  if (!only_if_.empty())
    value = only_if_ + " ? " + (i.operands.size() > rank ? "(" + value + ")" : value) + " : " +
            std::string(name(b.dtype)) + "{}";
  line("const " + std::string(name(b.dtype)) + " " + define(i.first_result) + " = " + value + ";");
}

void CudaKernel::emit_store(const Instruction& i, Team team) {
  const size_t rank = kernel_.buffers[index(i.buffer)].shape.size();
  const bool ordered = team == Team::group && read_back_.count(i.buffer);
  std::string guard;
  const auto only = [&](const std::string& test) { guard += (guard.empty() ? "" : " && ") + test; };
  if (team == Team::group) only(this->rank() + " == 0");
  if (!stores_if_.empty()) only(stores_if_);
  if (i.operands.size() > rank + 1) only(use(i.operands[rank + 1]));
  if (ordered) barrier();
  line((guard.empty() ? "" : "if (" + guard + ") ") + element(i) + " = " + use(i.operands[rank]) + ";");
  if (ordered) barrier();
}

void CudaKernel::barrier() {
  line(plan_.team > 32 ? "__syncthreads();" : "team_wait<" + std::to_string(plan_.team) + ">();");
}

// Barriers are needed only where one thread may read what another stores.
bool CudaKernel::shares_memory(ir::BlockId block) const {
  return ir::contains(kernel_, block, [&](const Instruction& i) {
    return (i.kind == KernelOp::load || i.kind == KernelOp::store) && read_back_.count(i.buffer);
  });
}

// A team's scratch lies in shared memory: statically where it is small and of known size, a piece for each team of the block, else
// in the launch's dynamic shared memory, one piece after another, each rounded up to 16 bytes. A thread's own scratch is local.
void CudaKernel::declare_scratch(const Instruction& i, Team team) {
  const ir::KernelBuffer& b = kernel_.buffers[index(i.buffer)];
  const int64_t size = b.shape.is_static() ? b.shape.numel() * bytes(b.dtype) : -1;
  const std::string type(name(b.dtype));
  if (team == Team::thread) {
    if (size < 0) source_.reason = "scratch of run-time size inside a thread";
    line(type + " " + buffer(i.buffer) + "[" + std::to_string(std::max<int64_t>(size / bytes(b.dtype), 1)) + "];");
    return;
  }
  const int64_t rounded = (std::max<int64_t>(size, 1) + 15) / 16 * 16, teams = plan_.threads / plan_.team;
  if (size >= 0 && shared_bytes_ + teams * rounded <= static_shared_limit) {
    shared_bytes_ += teams * rounded;
    const std::string count = std::to_string(rounded / bytes(b.dtype)), array = "alignas(16) __shared__ " + type + " ";
    if (teams == 1) return line(array + buffer(i.buffer) + "[" + count + "];");
    line(array + "all_" + buffer(i.buffer) + "[" + std::to_string(teams) + "][" + count + "];");
    line(type + "* const " + buffer(i.buffer) + " = all_" + buffer(i.buffer) + "[threadIdx.x / " +
         std::to_string(plan_.team) + "];");
    return;
  }
  if (teams > 1) source_.reason = "scratch that the teams of a block have no room for";
  std::string offset;
  for (ir::BufferId before : source_.shared) {
    const ir::KernelBuffer& other = kernel_.buffers[index(before)];
    offset += " + (" + element_count(other.shape) + " * " + std::to_string(bytes(other.dtype)) + " + 15) / 16";
  }
  source_.shared.push_back(i.buffer);
  line(type + "* const " + buffer(i.buffer) + " = reinterpret_cast<" + type + "*>(tenon_shared" + offset + ");");
}

std::string CudaKernel::element_count(const Shape& shape) const {
  std::string text = "1ll";
  for (Dim d : shape) text += " * " + dim(d);
  return text;
}

}  // namespace tenon::codegen
