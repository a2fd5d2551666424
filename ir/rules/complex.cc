// Complex numbers and their parts: types, reference meaning, transposes. Refuses arithmetic: what is more than part by part is composed of
// parts (frontend/ops/complex.cc). The interpreter runs ops that are done part by part on each part (ir/reference/parts.cc).
#include <cstring>

#include "tenon/ir/rules/derivative.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_index.h"
#include "tenon/ir/rules/infer.h"

namespace tenon::ir::rules {

std::vector<Type> infer_complex(const InferArgs& args) {
  check_same_type(args, 0, 2);
  return {Type{complex_of(args.operands[0].dtype), args.operands[0].shape}};
}

std::vector<Type> infer_part(const InferArgs& args) {
  return {Type{part_of(args.operands[0].dtype), args.operands[0].shape}};
}

std::vector<Array> eval_complex(const EvalArgs& args) {
  Array result(args.results[0]);
  for (int64_t i = 0; i < result.numel(); ++i)
    for (int64_t part = 0; part < 2; ++part) {
      const Array& from = *args.operands[static_cast<size_t>(part)];
      const auto size = static_cast<size_t>(bytes(from.type.dtype));
      std::memcpy(result.data.data() + static_cast<size_t>(2 * i + part) * size,
                  from.data.data() + static_cast<size_t>(i) * size, size);
    }
  return one_result(std::move(result));
}

std::vector<Array> eval_part(const EvalArgs& args) {
  const Array& z = *args.operands[0];
  Array result(args.results[0]);
  const auto size = static_cast<size_t>(bytes(result.type.dtype));
  const size_t part = args.op == Op::imag ? 1 : 0;
  for (size_t i = 0; i < static_cast<size_t>(result.numel()); ++i)
    std::memcpy(result.data.data() + i * size, z.data.data() + (2 * i + part) * size, size);
  return one_result(std::move(result));
}

std::vector<Value> complex_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  return {args.linear[0] ? real(ct) : Value{}, args.linear[1] ? imag(ct) : Value{}};
}
std::vector<Value> real_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  return {complex(ct, zeros_like(ct))};
}
std::vector<Value> imag_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  return {complex(zeros_like(ct), ct)};
}

}  // namespace tenon::ir::rules
