// Elementwise ops in kernels: one instruction for an exact op, the expansion for a row that has one, f32 arithmetic with
// one rounding for the halves; and the folding of index arithmetic. Refuses to fold floating-point arithmetic: that is
// simplify's, through the interpreter's own functions.
#include <algorithm>
#include <optional>

#include "tenon/ir/base/error.h"
#include "tenon/ir/kernel/scalar.h"

namespace tenon::ir {
namespace {

bool is_comparison(Op op) {
  return op == Op::eq || op == Op::ne || op == Op::lt || op == Op::le || op == Op::gt || op == Op::ge;
}

// Ops that move or flip bits of a half, never needing its value.
bool keeps_halves(Op op) {
  return op == Op::select || op == Op::neg || op == Op::abs || op == Op::cast || op == Op::bitcast;
}

// i64 and bool arithmetic on literals, wrapping; x / 0 is 0 and x rem 0 is x, as in all routes.
bool fold(Op op, int64_t x, int64_t y, int64_t& result) {
  const uint64_t ux = static_cast<uint64_t>(x), uy = static_cast<uint64_t>(y);
  switch (op) {
    case Op::add: result = static_cast<int64_t>(ux + uy); return true;
    case Op::sub: result = static_cast<int64_t>(ux - uy); return true;
    case Op::mul: result = static_cast<int64_t>(ux * uy); return true;
    case Op::div: result = y == 0 ? 0 : y == -1 ? static_cast<int64_t>(0 - ux) : x / y; return true;
    case Op::rem: result = y == 0 ? x : y == -1 ? 0 : x % y; return true;
    case Op::max: result = std::max(x, y); return true;
    case Op::min: result = std::min(x, y); return true;
    case Op::bit_and: result = x & y; return true;
    case Op::bit_or: result = x | y; return true;
    case Op::bit_xor: result = x ^ y; return true;
    case Op::eq: result = x == y; return true;
    case Op::ne: result = x != y; return true;
    case Op::lt: result = x < y; return true;
    case Op::le: result = x <= y; return true;
    case Op::gt: result = x > y; return true;
    case Op::ge: result = x >= y; return true;
    default: return false;
  }
}

// x op x for integers and bools: 0, 1, or -1 for x itself; nothing where that depends on x.
std::optional<int> of_one_twice(Op op) {
  switch (op) {
    case Op::sub:
    case Op::bit_xor:
    case Op::ne:
    case Op::lt:
    case Op::gt: return 0;
    case Op::eq:
    case Op::le:
    case Op::ge: return 1;
    case Op::max:
    case Op::min:
    case Op::bit_and:
    case Op::bit_or: return -1;
    default: return std::nullopt;
  }
}

}  // namespace

DType result_dtype(Op op, std::span<const DType> operands, DType to) {
  if (op == Op::cast || op == Op::bitcast) return to;
  if (is_comparison(op) || op == Op::is_finite) return DType::boolean;
  return op == Op::select ? operands[1] : operands[0];
}

bool is_exact_instruction(Op op, std::span<const DType> operands, DType to) {
  const OpDef& row = def(op);
  if (row.family != Family::elementwise || row.expand.scalar) return false;
  if (op == Op::cast || op == Op::bitcast) return operands.size() == 1 && operands[0] != to;
  if (operands.size() != static_cast<size_t>(row.arity)) return false;
  const DType data = op == Op::select ? operands[1] : operands[0];
  if (!contains(row.dtypes, data) || (is_half(data) && !keeps_halves(op))) return false;
  for (size_t k = op == Op::select ? 1 : 0; k < operands.size(); ++k)
    if (operands[k] != data) return false;
  return op != Op::select || operands[0] == DType::boolean;
}

ScalarId KernelBuilder::scalar(Op op, std::span<const ScalarId> operands, DType to) {
  require_visible(operands);
  const OpDef& row = def(op);
  if (row.family != Family::elementwise || operands.size() != static_cast<size_t>(row.arity))
    throw InternalError("kernel @" + kernel_.name + ": " + std::string(row.name) + " with " +
                        std::to_string(operands.size()) + " operands is no elementwise op");
  std::vector<DType> types;
  for (ScalarId v : operands) types.push_back(dtype(v));
  if ((op == Op::cast || op == Op::bitcast) && types[0] == to) return operands[0];
  if (is_half(op == Op::select ? types[1] : types[0]) && !keeps_halves(op)) return halves(op, operands);
  if (row.expand.scalar) {
    std::vector<Scalar> handles;
    for (ScalarId v : operands) handles.push_back({this, v});
    return row.expand.scalar(handles).id;
  }
  if (!is_exact_instruction(op, types, to)) {
    std::string text = "kernel @" + kernel_.name + ": " + row.name + " does not take";
    for (DType t : types) text += " " + std::string(tenon::name(t));
    throw InternalError(text);
  }
  if (const ScalarId known = simplified(op, operands); known != no_scalar) return known;
  Instruction i;
  i.kind = KernelOp::scalar;
  i.op = op;
  i.dtype = result_dtype(op, types, to);
  i.operands.assign(operands.begin(), operands.end());
  // Integer arithmetic that commutes has one spelling: the literal last, else the earlier operand first.
  if (def(op).commutes && !is_floating(i.dtype)) {
    const auto order = [&](ScalarId v) { return std::pair(literal_of(v) != nullptr, index(v)); };
    if (order(i.operands[1]) < order(i.operands[0])) std::swap(i.operands[0], i.operands[1]);
  }
  uint32_t floor = 0;
  for (uint32_t d = 0; d < open_.size(); ++d)
    if (open_[d].rare) floor = d;
  return pure(std::move(i), floor);
}

// Halves compute in f32 and round once; expanded rows in f64, so that the one rounding is all but always the correct one.
ScalarId KernelBuilder::halves(Op op, std::span<const ScalarId> operands) {
  const DType half = dtype(operands[0]);
  const DType wide = def(op).expand.scalar ? DType::f64 : DType::f32;
  std::vector<ScalarId> widened;
  for (ScalarId v : operands) {
    if (dtype(v) != half) throw InternalError("kernel @" + kernel_.name + ": " + def(op).name + " on mixed dtypes");
    widened.push_back(scalar(Op::cast, std::span(&v, 1), wide));
  }
  const ScalarId result = scalar(op, widened);
  return dtype(result) == wide ? scalar(Op::cast, std::span(&result, 1), half) : result;
}

// The instruction that computes v, when it is this op.
const Instruction* KernelBuilder::exact(ScalarId v, Op op) const {
  const uint32_t number = kernel_.scalars[index(v)].instruction;
  if (number == UINT32_MAX) return nullptr;
  const Instruction& i = kernel_.instructions[number];
  return i.kind == KernelOp::scalar && i.op == op ? &i : nullptr;
}

// x rem n + (x div n) * n is x, whatever n is: an index that was taken apart and is put together again.
ScalarId KernelBuilder::put_together(ScalarId rest, ScalarId multiple) const {
  const Instruction *rem = exact(rest, Op::rem), *mul = exact(multiple, Op::mul);
  if (!rem || !mul) return no_scalar;
  for (size_t k = 0; k < 2; ++k) {
    const Instruction* div = exact(mul->operands[k], Op::div);
    if (div && div->operands == rem->operands && mul->operands[1 - k] == rem->operands[1]) return rem->operands[0];
  }
  return no_scalar;
}

ScalarId KernelBuilder::simplified(Op op, std::span<const ScalarId> operands) {
  const auto value = [&](ScalarId v) { return static_cast<int64_t>(literal_of(v)->immediate); };
  if (op == Op::select) {
    if (literal_of(operands[0])) return value(operands[0]) ? operands[1] : operands[2];
    return operands[1] == operands[2] ? operands[1] : no_scalar;
  }
  const DType type = dtype(operands[0]);
  if (op == Op::neg && is_floating(type) && literal_of(operands[0]))  // flips a bit, no arithmetic
    return literal(type, literal_of(operands[0])->immediate ^ uint64_t{1} << (bits(type) - 1));
  if (op == Op::abs && is_floating(type))  // of -x it is that of x: the sign goes
    if (const Instruction* i = exact(operands[0], Op::neg)) {
      const ScalarId other = i->operands[0];
      return scalar(Op::abs, std::span(&other, 1));
    }
  if (type != DType::i64 && type != DType::boolean) return no_scalar;
  if (op == Op::bit_not && type == DType::boolean && literal_of(operands[0]))
    return literal(type, value(operands[0]) ? 0 : 1);
  if (operands.size() != 2) return no_scalar;

  ScalarId x = operands[0], y = operands[1];
  const DType result_type = is_comparison(op) ? DType::boolean : type;
  const auto number = [&](int64_t n) { return literal(result_type, static_cast<uint64_t>(n)); };
  if (literal_of(x) && literal_of(y)) {
    int64_t result = 0;
    return fold(op, value(x), value(y), result) ? number(result) : no_scalar;
  }
  // Loop indices lie in [0, extent).
  if (type == DType::i64 && bound_[index(x)] != no_scalar) {
    if (bound_[index(x)] == y) {
      if (op == Op::rem) return x;
      if (op == Op::div) return number(0);
      if (op == Op::lt) return number(1);
      if (op == Op::ge) return number(0);
    }
    if (op == Op::ge && literal_of(y) && value(y) <= 0) return number(1);
    if (op == Op::lt && literal_of(y) && value(y) <= 0) return number(0);
  }
  if (x == y) {
    if (const auto result = of_one_twice(op)) return *result < 0 ? x : number(*result);
  }
  if (op == Op::add && type == DType::i64) {
    if (const ScalarId whole = put_together(x, y); whole != no_scalar) return whole;
    if (const ScalarId whole = put_together(y, x); whole != no_scalar) return whole;
  }
  if (def(op).commutes && literal_of(x)) std::swap(x, y);
  if (!literal_of(y)) return no_scalar;
  const int64_t n = value(y);
  if (type == DType::boolean) {
    if (op == Op::bit_and) return n ? x : y;
    if (op == Op::bit_or) return n ? y : x;
    return no_scalar;
  }
  if ((op == Op::add || op == Op::sub) && n == 0) return x;
  if ((op == Op::mul || op == Op::div) && n == 1) return x;
  if ((op == Op::mul && n == 0) || (op == Op::rem && n == 1)) return number(0);
  if (op == Op::sub) {
    const ScalarId operands_[] = {x, number(static_cast<int64_t>(0 - static_cast<uint64_t>(n)))};
    return scalar(Op::add, operands_);
  }
  // (a + n) + m is a + (n + m), and so for products: literals come last.
  if (op == Op::add || op == Op::mul) {
    const Instruction* i = exact(x, op);
    if (i && literal_of(i->operands[1])) {
      int64_t both = 0;
      fold(op, value(i->operands[1]), n, both);
      const ScalarId operands_[] = {i->operands[0], number(both)};
      return scalar(op, operands_);
    }
  }
  return no_scalar;
}

}  // namespace tenon::ir
