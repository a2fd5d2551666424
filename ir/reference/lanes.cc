// Lanes themselves: storage, literals, and the dispatch of a row to its family or its expansion.
#include "tenon/ir/reference/lanes.h"

#include "tenon/ir/reference/lanes_visit.h"

namespace tenon::ir {

Lanes::Lanes(DType t, int64_t n, bool one_for_all) : type(t), count(n), splat(one_for_all) {
  data = std::make_shared<unsigned char[]>(static_cast<size_t>(stored()) * static_cast<size_t>(bytes(t)));
}

Lanes Lanes::from(DType type, const void* elements, int64_t count) {
  Lanes result(type, count);
  if (count > 0)
    std::memcpy(result.data.get(), elements, static_cast<size_t>(count) * static_cast<size_t>(bytes(type)));
  return result;
}

void Lanes::copy_to(void* elements) const {
  const size_t size = static_cast<size_t>(bytes(type));
  auto* to = static_cast<unsigned char*>(elements);
  if (count == 0) return;
  if (!splat) {
    std::memcpy(to, data.get(), static_cast<size_t>(count) * size);
    return;
  }
  for (int64_t i = 0; i < count; ++i) std::memcpy(to + static_cast<size_t>(i) * size, data.get(), size);
}

Lanes like_bits(const Lanes& x, uint64_t bits) {
  Lanes result(x.type, x.count, true);
  std::memcpy(result.data.get(), &bits,
              static_cast<size_t>(bytes(x.type)));  // little-endian, as everything compiled is
  return result;
}

Lanes like(const Lanes& x, double number) {
  Lanes wide(DType::f64, x.count, true);
  *wide.as<double>() = number;
  return cast(wide, x.type);
}

Lanes cast(const Lanes& x, DType to) {
  if (x.type == to) return x;
  Lanes result(to, x.count, x.splat);
  lanes::convert(x, result);
  return result;
}

Lanes bitcast(const Lanes& x, DType to) {
  ensure(bytes(x.type) == bytes(to), "a bitcast between dtypes of different sizes");
  Lanes result = x;
  result.type = to;
  return result;
}

bool any(const Lanes& condition) {
  const auto* values = condition.as<uint8_t>();
  for (int64_t i = 0; i < condition.stored(); ++i)
    if (values[i] && condition.count) return true;
  return false;
}

namespace {

// An expansion is written for f32 and f64. Halves go through f64 and are rounded once, which is correctly rounded for every
// unary row (tests/math_test.cc); kernels do the same.
Lanes expanded(const OpDef& row, std::span<const Lanes> operands) {
  const DType type = operands[0].type;
  if (!is_half(type)) return row.expand.lanes(operands);
  std::vector<Lanes> widened;
  for (const Lanes& operand : operands) widened.push_back(cast(operand, DType::f64));
  return cast(row.expand.lanes(widened), type);
}

DType result_type(Op op, std::span<const Lanes> operands) {
  switch (op) {
    case Op::is_finite:
    case Op::eq:
    case Op::ne:
    case Op::lt:
    case Op::le:
    case Op::gt:
    case Op::ge: return DType::boolean;
    case Op::select: return operands[1].type;
    default: return operands[0].type;
  }
}

}  // namespace

Lanes elementwise(Op op, std::span<const Lanes> operands, DType to) {
  if (op == Op::cast) return cast(operands[0], to);
  if (op == Op::bitcast) return bitcast(operands[0], to);
  const OpDef& row = def(op);
  if (row.expand.lanes) return expanded(row, operands);
  bool splat = true;
  for (const Lanes& operand : operands) {
    splat = splat && operand.splat;
    ensure(operand.count == operands[0].count, "lanes of unequal count");
  }
  Lanes out(result_type(op, operands), operands[0].count, splat);
  if (!lanes::arithmetic(op, operands, out) && !lanes::logic(op, operands, out))
    throw InternalError("the interpreter has no meaning for " + std::string(row.name) + " on " +
                        std::string(name(operands[0].type)));
  return out;
}

}  // namespace tenon::ir
