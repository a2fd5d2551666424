// Elementwise functions and operators. One function per row of the op table comes from the table itself.
#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/composed.h"
#include "tenon/frontend/tensor/few.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon {

Shape check_broadcast(const char* op, std::span<const Tensor> inputs, const Location& at) {
  const auto refuse = [&](int axis, Dim d, Dim e) {
    std::string text = std::string(op) + ": shapes do not broadcast: ";
    for (size_t k = 0; k < inputs.size(); ++k) text += (k ? " with " : "") + describe(inputs[k]);
    throw Error(text + "; axes align from the last, and axis " + std::to_string(axis) + " has extents " +
                    extent_text(d) + " and " + extent_text(e) + " (only 1 stretches). Reshape or transpose one of them",
                at);
  };
  return formula::common_shape(inputs, [](const Tensor& t) -> const Shape& { return t.shape(); }, refuse);
}

namespace {

// What an op does on bools: sums are logical or, products and minima and, maxima or.
constexpr ir::Op on_bools(ir::Op op) {
  switch (op) {
    case ir::Op::add:
    case ir::Op::max: return ir::Op::bit_or;
    case ir::Op::mul:
    case ir::Op::min: return ir::Op::bit_and;
    default: return op;
  }
}

// Rounding leaves integers alone.
constexpr bool rounds(ir::Op op) {
  return op == ir::Op::floor || op == ir::Op::ceil || op == ir::Op::trunc || op == ir::Op::round;
}

DType common_of(const ir::OpDef& row, std::initializer_list<const Operand*> operands) {
  return common_dtype(std::span(operands.begin(), operands.size()), row.name);
}

// The dtype that operands of a common one enter an op of the table in: integers and bools a floating function as the
// default dtype, bools arithmetic as i64.
DType entering(const ir::OpDef& row, DType dtype, std::initializer_list<const Operand*> operands, const Location& at) {
  if (contains(row.dtypes, dtype)) return dtype;
  if (is_complex(dtype)) {
    if (formula::complex_formula(row.op) != nullptr) return dtype;
    throw Error(std::string(row.name) + ": takes no complex numbers, and an operand is " + std::string(name(dtype)) +
                    formula::complex_remedy(row.op),
                at);
  }
  if (!is_floating(dtype)) return (row.dtypes & integer_types) == 0 ? default_dtype() : i64;
  std::string text = std::string(row.name) + ": takes integers" + (contains(row.dtypes, boolean) ? " or bools" : "") +
                     ", and an operand is ";
  for (const Operand* x : operands)
    if (x->weak() == Operand::Weak::no && is_floating(x->tensor().dtype())) {
      text += describe(x->tensor());
      break;
    }
  throw Error(text + "; convert it with astype(tn::i32)", at);
}

template <ir::Op op>
std::vector<ir::Value> build_elementwise(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs&) {
  return ir::apply(b, op, formula::broadcast_together(x, ir::def(op).name));
}

// Operands of other dtypes are converted inside.
template <ir::Op op>
std::vector<ir::Value> build_mixed(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  std::vector<ir::Value> same;
  for (const ir::Value& v : x) same.push_back(ir::cast(v, ir::Convert(attrs).dtype));
  return build_elementwise<op>(b, same, attrs);
}

// Of complex operands, by the formula of their parts.
template <ir::Op op>
std::vector<ir::Value> build_complex(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  std::vector<ir::Value> same;
  for (const ir::Value& v : x) same.push_back(ir::cast(v, ir::Convert(attrs).dtype));
  return {formula::complex_formula(op)(formula::broadcast_together(same, ir::def(op).name))};
}

template <ir::Op op>
Tensor on_numbers(std::initializer_list<const Operand*> operands, DType common) try {
  static constexpr auto build = build_elementwise<op>;
  const ir::OpDef& row = ir::def(op);
  const Emit emit{row.name, build};
  static constexpr auto mixed = build_mixed<op>;
  const Location at = place_of(operands);
  if constexpr (op == ir::Op::shl || op == ir::Op::shr) {
    const Operand& count = **(operands.end() - 1);
    if (count.weak() == Operand::Weak::floating ||
        (count.weak() == Operand::Weak::no && count.tensor().defined() && is_floating(count.tensor().dtype())))
      throw Error(std::string(row.name) + ": the shift count is an integer, not " +
                      (count.weak() == Operand::Weak::no ? describe(count.tensor()) : shortest(count.floating())) +
                      "; convert it with astype(tn::i32)",
                  at);
  }
  const DType dtype = entering(row, common, operands, at);
  Few<Tensor, 3> list;
  bool converts = false, alike = true;  // alike: nothing broadcasts
  for (const Operand* x : operands) {
    list.push_back(met_in(*x, dtype, row.name));
    const Tensor& t = list[list.size() - 1];
    converts = converts || t.dtype() != dtype;
    alike = alike && (list.size() == 1 || t.shape() == list[0].shape());
  }
  const std::span<const Tensor> inputs{list.data(), list.size()};
  if (!alike) check_broadcast(row.name, inputs, at);
  static constexpr auto complex = build_complex<op>;
  if (is_complex(dtype) && !contains(row.dtypes, dtype))
    return apply_one({row.name, complex}, ir::ConvertAttrs{dtype}, inputs, at);
  if (converts) return apply_one({row.name, mixed}, ir::ConvertAttrs{dtype}, inputs, at);
  return apply_one(emit, {}, inputs, at);
} catch (...) {
  leave_with_error(ir::def(op).name, place_of(operands));
}

// An op of the table, and what it is on bools and integers.
template <ir::Op op>
Tensor elementwise_op(std::initializer_list<const Operand*> operands) try {
  constexpr bool of_bools = on_bools(op) != op || op == ir::Op::sub;
  const DType common = common_of(ir::def(op), operands);
  if constexpr (of_bools || rounds(op) || op == ir::Op::pow) {
    const Operand& x = **operands.begin();
    if constexpr (of_bools)
      if (common == boolean) {
        if constexpr (op == ir::Op::sub)
          throw Error("sub: bools have no difference: use logical_xor, or convert one of them with astype(tn::i64)",
                      place_of(operands));
        return on_numbers<on_bools(op)>(operands, common);
      }
    if constexpr (rounds(op))
      if (is_integer(common)) return as_tensor(x, ir::def(op).name);
    if constexpr (op == ir::Op::pow)
      if (!is_continuous(common)) return integer_power(x, **(operands.begin() + 1));
  }
  return on_numbers<op>(operands, common);
} catch (...) {
  leave_with_error(ir::def(op).name, place_of(operands));
}

std::vector<ir::Value> build_where(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs&) {
  const ir::Value operands[] = {formula::truth(x[0]), x[1], x[2]};
  return ir::apply(b, ir::Op::select, formula::broadcast_together(operands, "where"));
}
constexpr Emit where_emit{"where", build_where};
std::vector<ir::Value> build_mixed_where(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const DType dtype = ir::Convert(attrs).dtype;
  const ir::Value operands[] = {x[0], ir::cast(x[1], dtype), ir::cast(x[2], dtype)};
  return build_where(b, operands, attrs);
}

std::vector<ir::Value> build_clip(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const made::Clip to(attrs);
  const bool bools = to.raised == boolean;
  const std::vector<ir::Value> low = formula::together({x[0], x[1]}, to.raised);
  const ir::Value raised = bools ? bit_or(low[0], low[1]) : max(low[0], low[1]);
  const std::vector<ir::Value> high = formula::together({raised, x[2]}, to.lowered);
  return {to.lowered == boolean ? bit_and(high[0], high[1]) : min(high[0], high[1])};
}

std::vector<ir::Value> build_not(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs&) {
  return {bit_not(formula::truth(x[0]))};
}
template <ir::Op op>
std::vector<ir::Value> build_logical(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs&) {
  const ir::Value y = formula::truth(x[1]);
  return ir::apply(b, op, formula::together({formula::truth(x[0]), y}, boolean));
}
template <ir::Op op>
Tensor logical(const char* name, const Operand& x, const Operand& y) try {
  static constexpr auto build = build_logical<op>;
  const Tensor left = as_tensor(x, name), right = as_tensor(y, name);
  const Operand first(typed(left, boolean, x.where()), x.where()), second(typed(right, boolean, y.where()), y.where());
  (void)foreseen(op, {&first, &second});
  return apply_one({name, build}, {}, {left, right}, x.where());
} catch (...) {
  leave_with_error(name, x.where());
}

}  // namespace

Tensor foreseen(ir::Op op, std::initializer_list<const Operand*> operands) try {
  const ir::OpDef& row = ir::def(op);
  const Location at = place_of(operands);
  const DType dtype = entering(row, common_of(row, operands), operands, at);
  std::vector<Tensor> shown;
  for (const Operand* x : operands) {
    check_fits(*x, dtype, row.name);
    shown.push_back(x->weak() == Operand::Weak::no ? typed(x->tensor(), dtype, x->where())
                                                   : stand_in({dtype, {}}, x->where()));
  }
  return stand_in({dtype, check_broadcast(row.name, shown, at)}, at);
} catch (...) {
  leave_with_error(ir::def(op).name, place_of(operands));
}

namespace elementwise {
#define TENON_UNARY(name, ...) \
  Tensor name(Operand x) { return elementwise_op<ir::Op::name>({&x}); }
#define TENON_BINARY(name, ...) \
  Tensor name(Operand x, Operand y) { return elementwise_op<ir::Op::name>({&x, &y}); }
#define TENON_TERNARY(name, ...)                         \
  Tensor name(Operand x, Operand y, Operand z) {         \
    if constexpr (ir::Op::name == ir::Op::select)        \
      return tenon::where(x, y, z);                      \
    else                                                 \
      return elementwise_op<ir::Op::name>({&x, &y, &z}); \
  }
#define TENON_OP(name, ...)
#include "tenon/ir/ops.def"
}  // namespace elementwise

Tensor where(Operand condition, Operand x, Operand y) try {
  const Location at = place_of({&condition, &x, &y});
  const Operand* const values[] = {&x, &y};
  const DType dtype = common_dtype(values, "where");
  const Tensor inputs[] = {met_in(x, dtype, "where"), met_in(y, dtype, "where")};
  const Tensor chosen = as_tensor(condition, "where");
  (void)check_broadcast("where", std::vector{typed(chosen, boolean, condition.where()), inputs[0], inputs[1]}, at);
  if (inputs[0].dtype() != dtype || inputs[1].dtype() != dtype)
    return apply_one({"where", build_mixed_where}, ir::ConvertAttrs{dtype}, {chosen, inputs[0], inputs[1]}, at);
  return apply_one(where_emit, {}, {chosen, inputs[0], inputs[1]}, at);
} catch (...) {
  leave_with_error("where", place_of({&condition, &x, &y}));
}

Tensor maximum(Operand x, Operand y) { return renamed("maximum", elementwise::max, x, y); }
Tensor minimum(Operand x, Operand y) { return renamed("minimum", elementwise::min, x, y); }
Tensor clip(Operand x, Operand low, Operand high) try {
  check_real("clip", {&x, &low, &high});
  const Operand* both[] = {&x, &low};
  const bool bools = common_dtype(both, "max") == boolean;
  const Operand raised(foreseen(bools ? ir::Op::bit_or : ir::Op::max, {&x, &low}), x.where());
  const Operand* rest[] = {&raised, &high};
  const bool still = common_dtype(rest, "min") == boolean;
  const DType first = raised.tensor().dtype(),
              second = foreseen(still ? ir::Op::bit_and : ir::Op::min, {&raised, &high}).dtype();
  return apply_one({"clip", build_clip}, made::ClipAttrs{.raised = first, .lowered = second},
                   {entered(x, first, "max"), entered(low, first, "max"), entered(high, second, "min")}, x.where());
} catch (...) {
  leave_with_error("clip", x.where());
}
Tensor logical_not(Operand x) try {
  return apply_one({"logical_not", build_not}, {}, {as_tensor(x, "logical_not")}, x.where());
} catch (...) {
  leave_with_error("logical_not", x.where());
}
Tensor logical_and(Operand x, Operand y) { return logical<ir::Op::bit_and>("logical_and", x, y); }
Tensor logical_or(Operand x, Operand y) { return logical<ir::Op::bit_or>("logical_or", x, y); }

Tensor operator+(Operand x, Operand y) { return elementwise::add(std::move(x), std::move(y)); }
Tensor operator-(Operand x, Operand y) { return elementwise::sub(std::move(x), std::move(y)); }
Tensor operator*(Operand x, Operand y) { return elementwise::mul(std::move(x), std::move(y)); }
Tensor operator/(Operand x, Operand y) { return elementwise::div(std::move(x), std::move(y)); }
Tensor operator%(Operand x, Operand y) { return elementwise::rem(std::move(x), std::move(y)); }
Tensor operator-(Operand x) { return elementwise::neg(x); }
Tensor operator<(Operand x, Operand y) { return elementwise::lt(std::move(x), std::move(y)); }
Tensor operator<=(Operand x, Operand y) { return elementwise::le(std::move(x), std::move(y)); }
Tensor operator>(Operand x, Operand y) { return elementwise::gt(std::move(x), std::move(y)); }
Tensor operator>=(Operand x, Operand y) { return elementwise::ge(std::move(x), std::move(y)); }
Tensor operator==(Operand x, Operand y) { return elementwise::eq(std::move(x), std::move(y)); }
Tensor operator!=(Operand x, Operand y) { return elementwise::ne(std::move(x), std::move(y)); }
Tensor operator&(Operand x, Operand y) { return elementwise::bit_and(std::move(x), std::move(y)); }
Tensor operator|(Operand x, Operand y) { return elementwise::bit_or(std::move(x), std::move(y)); }
Tensor operator^(Operand x, Operand y) { return elementwise::bit_xor(std::move(x), std::move(y)); }
Tensor operator<<(const Tensor& x, Operand count) { return elementwise::shl(Operand(x, count.where()), count); }
Tensor operator>>(const Tensor& x, Operand count) { return elementwise::shr(Operand(x, count.where()), count); }
Tensor operator~(Operand x) { return elementwise::bit_not(x); }

}  // namespace tenon
