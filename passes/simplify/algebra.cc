// Simplify's rules for elementwise ops and conditions. A law holds for every value of every dtype that the op takes: signed
// zeros, infinities, subnormals; all NaNs being one value.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tenon/ir/reference/lanes.h"
#include "tenon/passes/simplify/rules.h"

namespace tenon::passes {

using namespace ir;

std::optional<uint64_t> splat_bits(Value v) {
  for (int step = 0; step < 4; ++step) {  // constants sit under a broadcast, at most under a few movements
    const Node* node = producer(v, Op::broadcast);
    if (!node) node = producer(v, Op::reshape);
    if (!node) break;
    v = operand(v, *node);
  }
  const Node* node = producer(v, Op::constant);
  if (!node || is_complex(v.dtype())) return std::nullopt;
  const std::string& raw = Constant(attrs(v, *node)).value;
  const size_t size = static_cast<size_t>(bytes(v.dtype()));
  if (raw.size() != size) return std::nullopt;
  uint64_t bits = 0;
  std::memcpy(&bits, raw.data(), size);
  return bits;
}

std::optional<double> splat_number(Value v) {
  const std::optional<uint64_t> bits = splat_bits(v);
  if (!bits) return std::nullopt;
  const Lanes element = Lanes::from(v.dtype(), &*bits, 1);
  const Lanes wide = cast(element, DType::f64), back = cast(wide, v.dtype());
  if (std::memcmp(back.data.get(), element.data.get(), static_cast<size_t>(bytes(v.dtype()))) != 0) return std::nullopt;
  return *wide.as<double>();
}

namespace {

bool is_one(Value v) { return splat_number(v) == 1.0; }
bool is_zero(Value v, bool negative) {
  const std::optional<double> number = splat_number(v);
  return number && *number == 0 && std::signbit(*number) == negative;
}

std::vector<Value> mul_one(const Match& m) {
  if (is_one(m.y())) return {m.x()};
  if (is_one(m.x())) return {m.y()};
  return {};
}
// Neither nothing nor infinite: what scale and unscale make of such a factor is a plain product or quotient.
bool is_plain(Value v) {
  const std::optional<double> number = splat_number(v);
  return number && std::isfinite(*number) && *number != 0;
}
std::vector<Value> scale_plain(const Match& m) {
  return is_plain(m.x()) || is_plain(m.y()) ? emit(m, Op::mul, {m.x(), m.y()}) : std::vector<Value>{};
}
std::vector<Value> unscale_plain(const Match& m) {
  return is_plain(m.x()) || is_plain(m.y()) ? emit(m, Op::div, {m.x(), m.y()}) : std::vector<Value>{};
}

std::vector<Value> div_one(const Match& m) { return is_one(m.y()) ? std::vector{m.x()} : std::vector<Value>{}; }
std::vector<Value> sub_zero(const Match& m) {
  return is_zero(m.y(), false) ? std::vector{m.x()} : std::vector<Value>{};
}

std::vector<Value> add_negative_zero(const Match& m) {
  const bool negative = is_floating(m.x().dtype());  // integers have one zero
  if (is_zero(m.y(), negative)) return {m.x()};
  if (is_zero(m.x(), negative)) return {m.y()};
  return {};
}

std::vector<Value> div_power_of_two(const Match& m) {
  const std::optional<double> divisor = splat_number(m.y());
  if (!divisor || !is_floating(m.x().dtype()) || !std::isfinite(*divisor) || *divisor == 0) return {};
  int exponent = 0;
  if (std::abs(std::frexp(*divisor, &exponent)) != 0.5) return {};
  const double inverse = 1 / *divisor;
  const Value factor = like(m.y(), inverse);
  if (splat_number(factor) != inverse) return {};  // 2^-k overflows or vanishes in this dtype
  return emit(m, Op::mul, {m.x(), factor});
}

std::vector<Value> neg_neg(const Match& m) {
  const Node* inner = producer(m.x(), m.op);
  return inner ? std::vector{operand(m.x(), *inner)} : std::vector<Value>{};
}
std::vector<Value> add_neg(const Match& m) {
  if (const Node* y = producer(m.y(), Op::neg)) return emit(m, Op::sub, {m.x(), operand(m.y(), *y)});
  if (const Node* x = producer(m.x(), Op::neg)) return emit(m, Op::sub, {m.y(), operand(m.x(), *x)});
  return {};
}
std::vector<Value> sub_neg(const Match& m) {
  const Node* y = producer(m.y(), Op::neg);
  return y ? emit(m, Op::add, {m.x(), operand(m.y(), *y)}) : std::vector<Value>{};
}
std::vector<Value> mul_neg_neg(const Match& m) {
  const Node *x = producer(m.x(), Op::neg), *y = producer(m.y(), Op::neg);
  return x && y ? emit(m, m.op, {operand(m.x(), *x), operand(m.y(), *y)}) : std::vector<Value>{};
}
std::vector<Value> same_operands(const Match& m) {
  return m.x().id == m.y().id ? std::vector{m.x()} : std::vector<Value>{};
}

std::vector<Value> select_constant(const Match& m) {
  const std::optional<uint64_t> predicate = splat_bits(m.x());
  if (predicate) return {m.operands[*predicate ? 1 : 2]};
  if (m.operands[1].id == m.operands[2].id) return {m.operands[1]};
  return {};
}
std::vector<Value> select_not(const Match& m) {
  const Node* inverted = producer(m.x(), Op::bit_not);
  return inverted ? emit(m, Op::select, {operand(m.x(), *inverted), m.operands[2], m.operands[1]})
                  : std::vector<Value>{};
}

// Every value of `narrow` is a value of `wide`.
bool holds(DType wide, DType narrow) {
  struct Format {
    int mantissa, exponent;
  };
  const auto format = [](DType t) -> Format {
    return t == DType::f16    ? Format{11, 5}
           : t == DType::bf16 ? Format{8, 8}
           : t == DType::f32  ? Format{24, 8}
                              : Format{53, 11};
  };
  if (wide == narrow || narrow == DType::boolean) return true;
  if (wide == DType::boolean) return false;
  if (is_floating(narrow))
    return is_floating(wide) && format(wide).mantissa >= format(narrow).mantissa &&
           format(wide).exponent >= format(narrow).exponent;
  const int digits = bits(narrow) - is_signed(narrow);
  if (is_floating(wide)) return format(wide).mantissa >= digits && (1 << (format(wide).exponent - 1)) > digits;
  if (is_unsigned(wide)) return is_unsigned(narrow) && bits(wide) >= bits(narrow);
  return bits(wide) - 1 >= digits;
}

std::vector<Value> cast_same(const Match& m) {
  return Convert(m.attrs).dtype == m.x().dtype() ? std::vector{m.x()} : std::vector<Value>{};
}
std::vector<Value> cast_widening_cast(const Match& m) {
  const Node* inner = producer(m.x(), Op::cast);
  if (!inner) return {};
  const Value source = operand(m.x(), *inner);
  const DType first = source.dtype(), middle = m.x().dtype(), last = Convert(m.attrs).dtype;
  if (!holds(middle, first)) return {};
  // Integers wrap into a narrower integer, floats saturate: a detour through floats matters then.
  const bool saturates = is_floating(middle) && !is_floating(first) && is_integer(last) && !holds(last, first);
  if (saturates) return {};
  return emit(m, Op::cast, {source}, ConvertAttrs{.dtype = last});
}
std::vector<Value> bitcast_bitcast(const Match& m) {
  if (Convert(m.attrs).dtype == m.x().dtype()) return {m.x()};
  const Node* inner = producer(m.x(), Op::bitcast);
  if (!inner) return {};
  return emit(m, Op::bitcast, {operand(m.x(), *inner)}, m.attrs);
}

std::vector<Value> cond_constant(const Match& m) {
  const std::optional<uint64_t> predicate = splat_bits(m.x());
  if (!predicate || Cond(m.attrs).then->outputs().empty()) return {};  // no results would read as no match
  const Cond c(m.attrs);
  return splice(m.builder, *predicate ? *c.then : *c.otherwise, m.operands.subspan(1));
}

constexpr Rule rules[] = {
    {"mul_one", Op::mul, "x * 1 = x, NaN, infinities and -0 included", mul_one},
    {"mul_neg_neg", Op::mul, "signs multiply: -x * -y = x * y; integers wrap alike", mul_neg_neg},
    {"div_one", Op::div, "x / 1 = x", div_one},
    {"div_power_of_two", Op::div, "x / 2^k and x * 2^-k round the same real number, when 2^-k is a value of the dtype",
     div_power_of_two},
    {"div_neg_neg", Op::div, "signs divide: -x / -y = x / y in floating point",
     [](const Match& m) { return is_floating(m.x().dtype()) ? mul_neg_neg(m) : std::vector<Value>{}; }},
    {"scale_plain", Op::scale, "x * c is NaN for NaN alone, when c is finite and not 0", scale_plain},
    {"unscale_plain", Op::unscale, "x / c and c / x are so too, except c / NaN, which is NaN in both", unscale_plain},
    {"sub_zero", Op::sub, "x - (+0) = x: -0 - +0 is -0", sub_zero},
    {"sub_neg", Op::sub, "x - (-y) = x + y", sub_neg},
    {"add_negative_zero", Op::add, "x + (-0) = x: +0 + -0 is +0; integers have one zero", add_negative_zero},
    {"add_neg", Op::add, "x + (-y) = x - y, addition commuting", add_neg},
    {"neg_neg", Op::neg, "a sign flipped twice; integers negate modulo 2^n", neg_neg},
    {"bit_not_bit_not", Op::bit_not, "bits flipped twice", neg_neg},
    {"max_same", Op::max, "max(x, x) = x", same_operands},
    {"min_same", Op::min, "min(x, x) = x", same_operands},
    {"and_same", Op::bit_and, "x & x = x", same_operands},
    {"or_same", Op::bit_or, "x | x = x", same_operands},
    {"select_constant", Op::select, "a select moves the bits of the side that its predicate names", select_constant},
    {"select_not", Op::select, "a select by the complement takes the other side", select_not},
    {"stop_gradient", Op::stop_gradient, "x itself, when no derivative is asked for any more",
     [](const Match& m) { return std::vector<Value>{m.x()}; }},
    {"cast_same", Op::cast, "a cast to the same dtype changes nothing", cast_same},
    {"cast_widening_cast", Op::cast, "a widening cast keeps the value, so the second cast alone gives the same",
     cast_widening_cast},
    {"bitcast_bitcast", Op::bitcast, "the bits are the same", bitcast_bitcast},
    {"cond_constant", Op::cond, "the branch that the predicate names is the one that runs", cond_constant},
};

}  // namespace

std::span<const Rule> algebra_rules() { return rules; }

}  // namespace tenon::passes
