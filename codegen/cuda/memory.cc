// Loads, stores and scratch memory in CUDA C++, and where threads of a block must wait for each other.
#include "tenon/codegen/cuda/kernel.h"

#include <algorithm>

namespace tenon::codegen {

using ir::Instruction;
using ir::KernelOp;

namespace {
constexpr int64_t static_shared_limit = 40 << 10;  // bytes; below the 48 KiB that need no opt-in
}  // namespace

std::string CudaKernel::element(const Instruction& i) const {
  const Shape& shape = kernel_.buffers[index(i.buffer)].shape;
  const bool narrow = shape.rank() < 2 || index_.is_narrow(shape);
  std::string offset = shape.empty() ? "0" : narrow ? use(i.operands[0]) : wide(i.operands[0]);
  for (size_t d = 1; d < shape.size(); ++d)
    offset = (d > 1 ? "(" + offset + ")" : offset) + " * " + dim(shape[d]) + " + " + use(i.operands[d]);
  return buffer(i.buffer) + "[" + offset + "]";
}

void CudaKernel::emit_load(const Instruction& i) {
  const ir::KernelBuffer& b = kernel_.buffers[index(i.buffer)];
  const size_t rank = b.shape.size();
  std::string value = element(i);
  if (i.operands.size() > rank) value = use(i.operands[rank]) + " ? " + value + " : " + use(i.operands[rank + 1]);
  line("const " + std::string(name(b.dtype)) + " " + define(i.first_result) + " = " + value + ";");
}

void CudaKernel::emit_store(const Instruction& i, Team team) {
  const size_t rank = kernel_.buffers[index(i.buffer)].shape.size();
  const bool ordered = team == Team::block && read_back_.count(i.buffer);
  std::string guard = i.operands.size() > rank + 1 ? use(i.operands[rank + 1]) : "";
  if (team == Team::block) guard = guard.empty() ? "threadIdx.x == 0" : "threadIdx.x == 0 && " + guard;
  if (ordered) barrier();
  line((guard.empty() ? "" : "if (" + guard + ") ") + element(i) + " = " + use(i.operands[rank]) + ";");
  if (ordered) barrier();
}

// Barriers are needed only where one thread may read what another stores.
bool CudaKernel::shares_memory(ir::BlockId block) const {
  return contains(block, [&](const Instruction& i) {
    return (i.kind == KernelOp::load || i.kind == KernelOp::store) && read_back_.count(i.buffer);
  });
}

// A block's scratch lies in shared memory: statically where it is small and of known size, else in the launch's dynamic
// shared memory, one piece after another, each rounded up to 16 bytes. A thread's own scratch is local.
void CudaKernel::declare_scratch(const Instruction& i, Team team) {
  const ir::KernelBuffer& b = kernel_.buffers[index(i.buffer)];
  const int64_t size = b.shape.is_static() ? b.shape.numel() * bytes(b.dtype) : -1;
  const std::string count = std::to_string(std::max<int64_t>(size, 1) / bytes(b.dtype) + 1);
  const std::string type(name(b.dtype)), array = type + " " + buffer(i.buffer) + "[" + count + "];";
  if (team == Team::thread) {
    if (size < 0) source_.reason = "scratch of run-time size inside a thread";
    line(array);
    return;
  }
  if (size >= 0 && shared_bytes_ + size <= static_shared_limit) {
    shared_bytes_ += size;
    line("__shared__ " + array);
    return;
  }
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
