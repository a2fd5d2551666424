// Promotion, weak scalars, and what is said of operands before a formula is built.
#include "tenon/frontend/ops/promote.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/reference/array.h"

namespace tenon {
namespace {

// bool < integer < float < complex.
int category(DType t) { return t == boolean ? 0 : is_complex(t) ? 3 : is_floating(t) ? 2 : 1; }

bool fits(const Operand& x, DType t) {
  if (x.free()) return true;
  if (x.weak() != Operand::Weak::integer || !is_integer(t) || t == u64)
    return x.weak() != Operand::Weak::integer || t != u64 || x.too_big() || x.integer() >= 0;
  if (x.too_big()) return false;
  const int64_t v = x.integer();
  const int n = bits(t);
  if (is_unsigned(t)) return v >= 0 && (n >= 63 || v < (int64_t{1} << n));
  return n == 64 || (v >= -(int64_t{1} << (n - 1)) && v < (int64_t{1} << (n - 1)));
}

}  // namespace

DType promote(DType a, DType b, const char* op, const Location& at) {
  if (a == b) return a;
  if (is_complex(a) || is_complex(b)) return a == c128 || b == c128 || a == f64 || b == f64 ? c128 : c64;
  if (category(a) != category(b)) return category(a) > category(b) ? a : b;
  if (is_floating(a)) {
    if (is_half(a) && is_half(b)) return f32;
    return bytes(a) >= bytes(b) ? a : b;
  }
  if (is_signed(a) == is_signed(b)) return bytes(a) >= bytes(b) ? a : b;
  const DType s = is_signed(a) ? a : b, u = is_signed(a) ? b : a;
  if (u == u64)
    throw Error(std::string(op) + ": u64 with " + std::string(name(s)) +
                    " has no common integer type; convert one of them with astype",
                at);
  if (bytes(s) > bytes(u)) return s;
  return u == u8 ? i16 : u == u16 ? i32 : i64;
}

namespace {
// The dtype of some of the tensors.
struct Meeting {
  bool any = false;
  DType dtype = boolean;
  void add(const Tensor& x, const char* op, const Location& at) {
    dtype = any ? promote(dtype, x.dtype(), op, at) : x.dtype();
    any = true;
  }
};
}  // namespace

DType common_dtype(std::span<const Operand* const> operands, const char* op) {
  Meeting axes, scalars;  // tensors with axes; 0-d tensors, which are weak within their category
  Operand::Weak weak = Operand::Weak::no;
  for (const Operand* x : operands) {
    if (x->weak() != Operand::Weak::no) {
      weak = std::max(weak, x->weak());
      continue;
    }
    if (!x->tensor().defined())
      throw Error(std::string(op) + ": an operand is undefined; give it a value first", x->where());
    (x->tensor().ndim() == 0 ? scalars : axes).add(x->tensor(), op, x->where());
  }
  const bool by_scalars = !axes.any || (scalars.any && category(scalars.dtype) > category(axes.dtype));
  const bool any = axes.any || scalars.any;
  DType strong = by_scalars ? scalars.dtype : axes.dtype;
  if (is_complex(strong) && axes.any && part_of(axes.dtype) == f64)
    strong = c128;  // a 0-d complex number widens no tensor, nor narrows one
  const DType natural = weak == Operand::Weak::floating  ? default_dtype()
                        : weak == Operand::Weak::integer ? i64
                                                         : boolean;
  if (weak == Operand::Weak::complex) {
    const bool wide = any && category(strong) >= category(f32) ? part_of(strong) == f64 : default_dtype() == f64;
    return wide ? c128 : c64;
  }
  if (!any) return natural;
  // A weak scalar takes the tensors' dtype, unless it is of a higher category.
  return weak != Operand::Weak::no && category(natural) > category(strong) ? natural : strong;
}

void check_fits(const Operand& x, DType dtype, const char* op) {
  if (fits(x, dtype)) return;
  throw Error(std::string(op) + ": the literal " + std::to_string(x.integer()) + " does not fit " +
                  std::string(name(dtype)) + "; convert the tensor with astype",
              x.where());
}

namespace {
void check_defined(const Tensor& x, const Location& at) {
  if (!x.defined()) throw Error("an undefined tensor was used as an operand; give it a value first", at);
}

// Nobody's imaginary part gets lost on the way into real numbers: whoever wants that says so.
void check_keeps(const Operand& x, DType dtype, const char* op) {
  const bool number = x.weak() == Operand::Weak::complex;
  if (is_complex(dtype) || !(number || (x.weak() == Operand::Weak::no && is_complex(x.tensor().dtype())))) return;
  throw Error(std::string(op) + ": " + std::string(name(dtype)) + " holds no complex numbers, and an operand is " +
                  (number ? "one" : describe(x.tensor())) + "; take tn::real of it, or convert the other with astype",
              x.where());
}

// The value of a free extent, read when the program runs.
Tensor value_of_extent(const Operand& x, DType dtype, const char* op) {
  Trace* trace = Trace::current();
  if (trace == nullptr)
    throw Error(std::string(op) + ": the extent " + extent_text(x.extent()) +
                    " has no value outside a trace; it is known where a program runs",
                x.where());
  trace->builder.set_location(x.where());
  const ir::Value v = ir::cast(ir::extent_value(trace->builder, extent_here(x.extent())), dtype);
  return make_traced(v.type(), trace->number, v.id, x.where());
}

// A number of the program, as a tensor.
Tensor number_of(const void* value, DType dtype, const Location& at) {
  BufferPtr buffer = runtime::Buffer::allocate(bytes(dtype));
  buffer->write(value);
  Tensor t = make_concrete({dtype, {}}, std::move(buffer), at);
  t.cell()->number = true;
  return t;
}

// The most frequent ones, which the processor converts as the interpreter does: all but what is not a number.
template <class T>
Tensor real_number(const Operand& x, DType dtype) {
  const T value = x.weak() == Operand::Weak::floating ? static_cast<T>(x.floating()) : static_cast<T>(x.integer());
  return number_of(&value, dtype, x.where());
}
bool is_plain_number(const Operand& x) {
  return x.weak() == Operand::Weak::floating ? x.floating() == x.floating()
                                             : x.weak() != Operand::Weak::complex && !x.too_big();
}
}  // namespace

Tensor materialize(const Operand& x, DType dtype, const char* op) {
  if (x.weak() == Operand::Weak::no) check_defined(x.tensor(), x.where());
  check_keeps(x, dtype, op);
  if (x.weak() == Operand::Weak::no) return cast_to(x.tensor(), dtype, x.where());
  if (x.free()) return value_of_extent(x, dtype, op);
  const FloatEnvironment standard;
  check_fits(x, dtype, op);
  if (is_plain_number(x) && Trace::current() == nullptr) {
    if (dtype == f32) return real_number<float>(x, dtype);
    if (dtype == f64) return real_number<double>(x, dtype);
  }
  const bool complex = x.weak() == Operand::Weak::complex;
  ir::Array value(ir::Type{complex ? c128 : x.weak() == Operand::Weak::floating ? f64 : x.too_big() ? u64 : i64, {}});
  if (complex)
    value.as<double>()[0] = x.floating(), value.as<double>()[1] = x.imaginary();
  else if (x.weak() == Operand::Weak::floating)
    *value.as<double>() = x.floating();
  else
    *value.as<int64_t>() = x.integer();
  const ir::Type type{dtype, {}};
  const ir::Array converted = ir::recast(value, dtype);
  if (Trace* trace = Trace::current()) {
    trace->builder.set_location(x.where());
    const std::string raw(converted.data.begin(), converted.data.end());
    const ir::Value v = ir::constant(trace->builder, dtype, {}, raw);
    return make_traced(type, trace->number, v.id, x.where());
  }
  return number_of(converted.data.data(), dtype, x.where());
}

Tensor as_tensor(const Operand& x, const char* op) {
  const Operand* one = &x;
  return materialize(x, common_dtype(std::span(&one, 1), op), op);
}

Location place_of(std::initializer_list<const Operand*> operands) {
  for (const Operand* x : operands)
    if (x->where().known()) return x->where();
  return {};
}

int64_t axis_of(int64_t axis, int rank, const char* op, const Location& at) {
  if (axis < -rank || axis >= rank)
    throw Error(std::string(op) + ": axis " + std::to_string(axis) + " is out of range for rank " +
                    std::to_string(rank) +
                    (rank == 0 ? "; a scalar has no axes"
                               : "; it goes from " + std::to_string(-rank) + " to " + std::to_string(rank - 1)),
                at);
  return axis < 0 ? axis + rank : axis;
}

bool stretches(const Shape& from, const Shape& to) {
  if (from.rank() > to.rank()) return false;
  for (int i = 1; i <= from.rank(); ++i) {
    const Dim d = from[static_cast<size_t>(from.rank() - i)];
    if (!(d == 1) && !(d == to[static_cast<size_t>(to.rank() - i)])) return false;
  }
  return true;
}

namespace {
std::vector<ir::Value> build_cast(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  return {ir::cast(x[0], ir::Convert(attrs).dtype)};
}
constexpr Emit cast_emit{"cast", build_cast};
}  // namespace

Tensor cast_to(const Tensor& x, DType dtype, const Location& at) {
  check_defined(x, at);
  if (x.dtype() == dtype) return x;
  return apply_one(cast_emit, ir::ConvertAttrs{dtype}, {x}, at);
}

void check_index(const Tensor& x, const char* op, const Location& at) {
  if (!x.defined()) throw Error(std::string(op) + ": an index is undefined; give it a value first", at);
  if (!is_integer(x.dtype()))
    throw Error(std::string(op) + ": indices are integers, and these are " + describe(x) + "; use astype(tn::i64)", at);
}

Tensor stand_in(ir::Type type, const Location& made) {
  auto cell = std::make_shared<Cell>();
  cell->type = std::move(type);
  cell->is_spec = true;
  cell->made = made;
  return Tensor(std::move(cell));
}

Tensor stand_in_for(const Tensor& x, Shape shape) {
  const Cell& of = *x.cell();
  auto cell = std::make_shared<Cell>();
  cell->type = {of.type.dtype, std::move(shape)};
  cell->is_spec = of.is_spec;
  cell->made = of.made;
  return Tensor(std::move(cell));
}

Tensor typed(const Tensor& x, DType dtype, const Location& at) {
  return x.dtype() == dtype ? x : stand_in({dtype, x.shape()}, at);
}

Operand widened(const Operand& x) {
  if (x.weak() != Operand::Weak::no || !x.tensor().defined()) return x;
  return Operand(typed(x.tensor(), formula::wide(x.tensor().dtype()), x.where()), x.where());
}

void check_real(DType dtype, const char* op, const Location& at) {
  if (is_complex(dtype))
    throw Error(std::string(op) + ": takes no complex numbers, and an operand is " + std::string(name(dtype)) +
                    "; apply it to tn::real(z), tn::imag(z) or tn::abs(z)",
                at);
}

void check_real(const char* op, std::initializer_list<const Operand*> operands) {
  check_real(common_dtype(std::span(operands.begin(), operands.size()), op), op, place_of(operands));
}

Tensor real_tensor(const Operand& x, const char* op) {
  check_real(op, {&x});
  return as_tensor(x, op);
}

Tensor entered(const Operand& x, DType dtype, const char* op) {
  if (x.weak() != Operand::Weak::no) return materialize(x, dtype, op);
  check_defined(x.tensor(), x.where());
  check_keeps(x, dtype, op);
  return x.tensor();
}

Tensor met_in(const Operand& x, DType dtype, const char* op) {
  const bool there = x.weak() == Operand::Weak::no && x.tensor().defined() && x.tensor().dtype() == dtype;
  if (there) return x.tensor();
  return Trace::current() ? materialize(x, dtype, op) : entered(x, dtype, op);
}

}  // namespace tenon
