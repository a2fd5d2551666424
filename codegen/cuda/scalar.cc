// Scalar instructions in CUDA C++. Those of data are calls of the prelude's ops; whole numbers that are proved narrow
// (codegen/cuda/index.h) are spelled as plain arithmetic on i32, which cannot overflow there, and divided without a sign.
#include "tenon/codegen/cuda/kernel.h"
#include "tenon/codegen/cuda/text.h"

namespace tenon::codegen {

using ir::Instruction;
using ir::KernelOp;
using ir::Op;
using ir::ScalarId;

const Instruction* CudaKernel::defining(ScalarId v, KernelOp kind) const {
  const uint32_t number = kernel_.scalars[index(v)].instruction;
  if (number == UINT32_MAX || kernel_.instructions[number].kind != kind) return nullptr;
  return &kernel_.instructions[number];
}

std::string CudaKernel::use(ScalarId v) const {
  if (const Instruction* i = defining(v, KernelOp::literal)) {
    if (!index_.is_narrow(v)) return cuda_literal(i->dtype, i->immediate);
    const std::string digits = std::to_string(static_cast<int64_t>(i->immediate));
    return digits[0] == '-' ? "(" + digits + ")" : digits;
  }
  if (const Instruction* i = defining(v, KernelOp::extent)) return dim(i->dim);
  return "v" + std::to_string(numbers_[index(v)]);
}

std::string CudaKernel::wide(ScalarId v) const {
  if (!index_.is_narrow(v)) return use(v);
  if (const Instruction* i = defining(v, KernelOp::literal)) return cuda_literal(i->dtype, i->immediate);
  return "i64(" + use(v) + ")";
}

std::string CudaKernel::type(ScalarId v) const {
  return index_.is_narrow(v) ? "i32" : std::string(name(kernel_.dtype(v)));
}

// x / y or x % y of numbers that are not negative. A symbol's division is a multiplication by what the launch hands in; what else
// may be 0 is left to the prelude, which knows what x / 0 is.
std::string CudaKernel::divided(const Instruction& i, bool narrow) {
  const bool quotient = i.op == Op::div;
  const ScalarId x = i.operands[0], y = i.operands[1];
  if (const Instruction* extent = defining(y, KernelOp::extent); extent && narrow) {
    const std::string by = divisor(extent->dim);
    return quotient ? "quotient(" + use(x) + ", " + by + ")" : "remainder(" + use(x) + ", " + use(y) + ", " + by + ")";
  }
  if (index_.interval(y).low < 1) return "";
  const std::string as = narrow ? "u32(" : "u64(";
  return type(i.first_result) + "(" + as + use(x) + ")" + (quotient ? " / " : " % ") + as + use(y) + "))";
}

// Arithmetic on whole numbers that needs no call; empty where there is none such.
std::string CudaKernel::whole(const Instruction& i) {
  if (i.dtype != DType::i64) return "";
  const bool narrow = index_.is_narrow(i.first_result);
  bool all_narrow = narrow;
  for (ScalarId v : i.operands) all_narrow = all_narrow && (kernel_.dtype(v) != DType::i64 || index_.is_narrow(v));
  if (i.op == Op::div || i.op == Op::rem) {
    const bool positive = index_.interval(i.operands[0]).low >= 0 && index_.interval(i.operands[1]).low >= 0;
    return positive ? divided(i, all_narrow) : "";
  }
  if (!all_narrow) return "";
  const auto infix = [&](const char* sign) { return use(i.operands[0]) + sign + use(i.operands[1]); };
  if (i.op == Op::add) return infix(" + ");
  if (i.op == Op::sub) return infix(" - ");
  if (i.op == Op::mul) return infix(" * ");
  return "";
}

void CudaKernel::emit_scalar(const Instruction& i) {
  const bool narrow = index_.is_narrow(i.first_result);
  std::string text = whole(i);
  if (text.empty()) {
    // Narrow operands stay narrow beside their like: in comparisons, in what gives a narrow result, and when they are converted.
    bool like = narrow || kernel_.dtype(i.first_result) == DType::boolean || i.op == Op::cast;
    for (ScalarId v : i.operands) like = like && (kernel_.dtype(v) != DType::i64 || index_.is_narrow(v));
    text = std::string(name(i.op));
    if (i.op == Op::cast || i.op == Op::bitcast)
      text += "<" + (like && i.op == Op::cast ? type(i.first_result) : std::string(name(i.dtype))) + ">";
    text += "(";
    for (size_t k = 0; k < i.operands.size(); ++k)
      text += (k ? ", " : "") + (like ? use(i.operands[k]) : wide(i.operands[k]));
    text += ")";
    if (narrow && !like) text = "i32(" + text + ")";
  }
  line("const " + type(i.first_result) + " " + define(i.first_result) + " = " + text + ";");
}

}  // namespace tenon::codegen
