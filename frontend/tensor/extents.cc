// Arithmetic on extents in the table at hand: the trace's, which has its own symbol for every named extent that it meets, or outside
// of traces the process's named extents.
#include "tenon/frontend/tensor/extents.h"

#include <ostream>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/runtime/named_extents.h"

namespace tenon {
namespace {

using Operation = Dim (Symbols::*)(Dim, Dim);

Symbols* table_at_hand() { return Trace::current() ? &Trace::current()->builder.symbols() : nullptr; }

Dim combined(Operation operation, Extent a, Extent b) {
  const Dim left = a, right = b;
  if (Symbols* table = table_at_hand()) return (table->*operation)(extent_here(left), extent_here(right));
  return runtime::named_result(operation, left, right);
}

bool numbers(const Extent& a, const Extent& b) { return a.is_number() && b.is_number(); }

int64_t checked(bool overflow, int64_t value) {
  if (overflow) throw Error("arithmetic on extents: the result does not fit into 64 bits");
  return value;
}

[[noreturn]] void refuse_below_zero(const char* what, const Extent& number) {
  throw Error("arithmetic on extents: " + std::string(what) + " " + std::to_string(number.number()) +
              " with a free extent; a free extent is never negative");
}

void check_divisor(const Extent& b) {
  if (b.is_number() && b.number() == 0) throw Error("arithmetic on extents: division by 0");
}

}  // namespace

Dim extent_here(Dim d) {
  if (d.is_number()) return d;
  Symbols* table = table_at_hand();
  if (runtime::is_named_extent(d)) return table ? runtime::named_in(*table, d) : d;
  if (table == nullptr || d.index() >= table->size())
    throw Error("an extent of a trace that has ended; name extents with tn::dim");
  return d;
}

std::string extent_text(Dim d) {
  return runtime::is_named_extent(d) ? runtime::named_text(d) : to_string(d, table_at_hand());
}

std::string extent_text(const Extent& e) {
  return e.is_number() ? std::to_string(e.number()) : extent_text(e.symbol());
}

namespace detail {

Extent add(Extent a, Extent b) {
  int64_t r = 0;
  if (numbers(a, b)) {
    const bool overflow = __builtin_add_overflow(a.number(), b.number(), &r);
    return checked(overflow, r);
  }
  if (a.is_number()) std::swap(a, b);
  if (b.is_number() && b.number() < 0) return subtract(a, -std::max(b.number(), -INT64_MAX));
  return combined(&Symbols::sum, a, b);
}

Extent subtract(Extent a, Extent b) {
  int64_t r = 0;
  if (numbers(a, b)) {
    const bool overflow = __builtin_sub_overflow(a.number(), b.number(), &r);
    return checked(overflow, r);
  }
  if (b.is_number() && b.number() < 0) return add(a, -std::max(b.number(), -INT64_MAX));
  if (a.is_number() && a.number() < 0) refuse_below_zero("subtracting from", a);
  return combined(&Symbols::difference, a, b);
}

Extent multiply(Extent a, Extent b) {
  int64_t r = 0;
  if (numbers(a, b)) {
    const bool overflow = __builtin_mul_overflow(a.number(), b.number(), &r);
    return checked(overflow, r);
  }
  if (a.is_number()) std::swap(a, b);
  if (b.is_number() && b.number() < 0) refuse_below_zero("multiplying by", b);
  return combined(&Symbols::product, a, b);
}

Extent divide(Extent a, Extent b) {
  check_divisor(b);
  if (numbers(a, b))
    return b.number() == -1 ? subtract(0, a) : Extent(a.number() / b.number());  // INT64_MIN / -1 is refused there
  for (const Extent& e : {a, b})
    if (e.is_number() && e.number() < 0) refuse_below_zero("dividing", e);
  return combined(&Symbols::quotient, a, b);
}

Extent remainder(Extent a, Extent b) {
  check_divisor(b);
  if (numbers(a, b)) return b.number() == -1 ? 0 : a.number() % b.number();
  for (const Extent& e : {a, b})
    if (e.is_number() && e.number() < 0) refuse_below_zero("the remainder of", e);
  return combined(&Symbols::remainder, a, b);
}

Extent least(Extent a, Extent b) {
  if (numbers(a, b)) return std::min(a.number(), b.number());
  if (b.is_number()) std::swap(a, b);
  if (a.is_number() && a.number() < 0) return a;
  if (a.is_number() && a.number() == INT64_MAX) return b;  // "to the end": above every extent
  return combined(&Symbols::minimum, a, b);
}

Extent greatest(Extent a, Extent b) {
  if (numbers(a, b)) return std::max(a.number(), b.number());
  if (b.is_number()) std::swap(a, b);
  if (a.is_number() && a.number() <= 0) return b;
  return combined(&Symbols::maximum, a, b);
}

bool less(Extent a, Extent b) {
  if (numbers(a, b)) return a.number() < b.number();
  if (a.is_number() && a.number() < 0) return true;
  if (b.is_number() && b.number() <= 0) return false;
  const Dim left = extent_here(a), right = extent_here(b);
  const Symbols* table = table_at_hand();
  const auto at_least = [&](Dim x, Dim y) { return table ? table->at_least(x, y) : runtime::named_at_least(x, y); };
  const auto differ = [&](Dim x, Dim y) { return table ? table->differ(x, y) : runtime::named_differ(x, y); };
  if (at_least(left, right)) return false;
  if (at_least(right, left) && differ(left, right)) return true;
  std::string bounds;
  for (Dim d : {left, right}) {
    if (d.is_number()) continue;
    bounds += bounds.empty() ? "" : ", ";
    bounds += runtime::is_named_extent(d) ? runtime::named_bounds(d) : table->bounds_text(d);
  }
  throw Error("whether " + extent_text(left) + " < " + extent_text(right) + " is not decided: " + bounds +
              ". Narrow the bounds of tn::dim, or choose by values: tn::cond, or tn::where over tn::arange");
}

bool same(Extent a, Extent b) {
  if (numbers(a, b)) return a.number() == b.number();
  if (a.is_number() || b.is_number()) return false;
  return extent_here(a.symbol()) == extent_here(b.symbol());
}

}  // namespace detail

std::ostream& operator<<(std::ostream& out, const Extent& extent) { return out << extent_text(extent); }
std::ostream& operator<<(std::ostream& out, const Dim& dim) { return out << Extent(dim); }
std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (size_t i = 0; i < shape.size(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ']';
}
std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name(dtype); }

// Written where the caller writes them, whom no function stands around yet.
Extents::Extents(std::initializer_list<Extent> extents) {
  detail::guarded("a shape", {}, [&] { extents_ = extents; });
}
Extents::Extents(const Shape& shape) {
  detail::guarded("a shape", {}, [&] { extents_.assign(shape.begin(), shape.end()); });
}
Extents::Extents(const std::vector<Dim>& extents) {
  detail::guarded("a shape", {}, [&] { extents_.assign(extents.begin(), extents.end()); });
}

Shape Extents::checked(const char* op, DType dtype, const Location& at) const {
  Shape shape;
  for (size_t i = 0; i < extents_.size(); ++i) {
    const Extent& e = extents_[i];
    if (e.is_number() && e.number() < 0)
      throw Error(std::string(op) + ": extent " + std::to_string(i) + " of the shape is " + std::to_string(e.number()) +
                      "; extents are 0 or more",
                  at);
    try {
      shape.push_back(extent_here(e));
    } catch (const Error& error) {
      throw Error(std::string(op) + ": extent " + std::to_string(i) + " of the shape is " + error.message(), at);
    }
  }
  try {
    check_size(shape, bytes(dtype));
  } catch (const Error& e) {
    throw Error(std::string(op) + ": " + e.message(), at);
  }
  return shape;
}

}  // namespace tenon
