// Targets by kind and by text. Refuses to look at the machine: codegen/llvm/target.cc does.
#include "tenon/ir/base/target.h"

#include "tenon/ir/base/error.h"

namespace tenon {

const char* name(TargetKind kind) {
  switch (kind) {
    case TargetKind::cpu: return "cpu";
    case TargetKind::cuda: return "cuda";
  }
  return "?";
}

Target Target::cuda_sm(int sm) {
  Target target;
  target.machine = CudaTarget{.sm = sm};
  target.tiles.map_block = target.tiles.column_block = 0;  // threads are dealt single elements and columns
  target.fusion.kernel_ops = 300;  // a thread has 255 registers, and what does not fit goes through memory
  return target;
}

const CpuTarget& Target::cpu() const {
  if (const auto* machine_of_kind = std::get_if<CpuTarget>(&machine)) return *machine_of_kind;
  throw InternalError(std::string("a processor is asked of a target of kind ") + name(kind()));
}

CpuTarget& Target::cpu() { return const_cast<CpuTarget&>(static_cast<const Target*>(this)->cpu()); }

const CudaTarget& Target::cuda() const {
  if (const auto* machine_of_kind = std::get_if<CudaTarget>(&machine)) return *machine_of_kind;
  throw InternalError(std::string("a CUDA device is asked of a target of kind ") + name(kind()));
}

namespace {

std::string shown(int64_t value) { return std::to_string(value); }
std::string shown(const std::string& value) { return std::to_string(value.size()) + ":" + value; }  // whatever is in it

}  // namespace

std::string to_string(const Target& target) {
  std::string text = name(target.kind());
  for_each_field(target,
                 [&](const char* field, const auto& value) { text += std::string(" ") + field + " " + shown(value); });
  return text;
}

}  // namespace tenon
