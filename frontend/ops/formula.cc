// The words of formulas: the dtypes they compute in, reductions, counts. Refuses promotion: which dtype operands meet in is an
// attribute of the program, found from handles.
#include "tenon/frontend/ops/formula.h"

#include <cstring>

#include "tenon/frontend/tensor/default_dtype.h"

namespace tenon::formula {

DType floating(DType given) { return is_continuous(given) ? given : default_dtype(); }
DType wide(DType given) { return is_half(given) ? f32 : given; }
DType summed_as(DType given) { return is_continuous(given) || given == u64 ? given : i64; }
Value widened(Value x) { return ir::cast(x, wide(x.dtype())); }

Value truth(Value x) {
  if (is_complex(x.dtype())) return ir::bit_or(truth(ir::real(x)), truth(ir::imag(x)));
  return x.dtype() == boolean ? x : ir::ne(x, ir::literal(x, 0));
}
Value position(Value x) { return ir::cast(x.dtype() == u64 ? ir::min(x, ir::literal(x, INT64_MAX)) : x, i64); }

std::vector<Value> broadcast_together(std::span<const Value> values, const char* op) {
  const auto refuse = [&](int, Dim d, Dim e) {
    std::string text = std::string(op) + ": shapes do not broadcast:";
    const Symbols& symbols = values[0].builder->symbols();
    for (const Value& v : values) text += " " + ir::to_string(v.type(), &symbols);
    throw Error(text + "; extents " + to_string(d, &symbols) + " and " + to_string(e, &symbols) +
                    " differ (axes align from the last, and only 1 stretches)",
                values[0].builder->location());
  };
  const Shape shape = common_shape(values, [](const Value& v) -> const Shape& { return v.shape(); }, refuse);
  std::vector<Value> out;
  for (const Value& v : values) out.push_back(v.shape() == shape ? v : ir::broadcast_to(v, shape));
  return out;
}

std::vector<Value> together(std::initializer_list<Value> values, DType dtype) {
  std::vector<Value> same;
  for (Value v : values) same.push_back(ir::cast(v, dtype));
  return broadcast_together(same, "a formula");
}

Value reduced(ir::Op op, Value x, const Axes& axes, bool keepdims) {
  return keepdims || axes.empty() ? ir::reduce_kept(op, x, axes) : ir::reduce(op, x, axes);
}
Value total(Value x, const Axes& axes) { return ir::reduce_kept(ir::Op::reduce_sum, x, axes); }
Value peak(Value x, const Axes& axes) { return ir::reduce_kept(ir::Op::reduce_max, x, axes); }

Value identity(ir::Op combine, Value x) {
  if (combine == ir::Op::add) return ir::literal(x, 0);  // of none the sum is +0
  if (is_complex(x.dtype())) return ir::literal(x, 1);  // of products, the only other one that complex numbers have
  const uint64_t bits = ir::identity_bits(combine, x.dtype());
  std::string raw(static_cast<size_t>(bytes(x.dtype())), '\0');
  std::memcpy(raw.data(), &bits, raw.size());
  return ir::spread(ir::constant(*x.builder, x.dtype(), {}, std::move(raw)), x);
}
Value where_mask(std::span<const Value> inputs, Value x, Value other) {
  return inputs.size() == 1 ? x : ir::select(ir::broadcast_to(truth(inputs[1]), x.shape()), x, other);
}

Count::Count(Value x, const Axes& axes, DType dtype) {
  Shape symbolic;
  for (int64_t a : axes) {
    const Dim d = x.shape()[a];
    if (d.is_number())
      (void)__builtin_mul_overflow(number_, d.number(), &number_);  // wraps only where an empty axis makes it 0 anyway
    else
      symbolic.push_back(d);
  }
  if (symbolic.empty()) return;
  Axes all;
  for (int i = 0; i < symbolic.rank(); ++i) all.push_back(i);
  ir::GraphBuilder& b = *x.builder;
  const Value counted = ir::reduce(ir::Op::reduce_sum, ir::splat_integer(b, i64, 1, symbolic), all);
  sum_ = ir::cast(counted * ir::splat_integer(b, i64, number_, {}), dtype);
}

Value Count::over(Value x) const { return sum_ ? ir::spread(sum_, x) : ir::literal(x, number_); }

}  // namespace tenon::formula
