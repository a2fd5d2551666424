// Extents as numbers, symbols and definitions over symbols. Folds what is certain for every value of the symbols and
// nothing else: n - n is 0, (n + 2) + 3 is n + 5, but (n / 2) * 2 stays. Refuses to solve for a symbol.
#include "tenon/ir/base/shape.h"

#include <algorithm>
#include <span>

#include "tenon/ir/base/error.h"

namespace tenon {
namespace {

constexpr int64_t unbounded = INT64_MAX;
constexpr int most_axes = 64;  // NumPy's limit

int64_t checked(bool overflow, int64_t value) {
  if (overflow) throw Error("an extent does not fit into 63 bits");
  return value;
}

int64_t saturating_add(int64_t a, int64_t b) {
  int64_t r;
  return a == unbounded || b == unbounded || __builtin_add_overflow(a, b, &r) ? unbounded : r;
}

int64_t saturating_mul(int64_t a, int64_t b) {
  int64_t r;
  if (a == 0 || b == 0) return 0;
  return a == unbounded || b == unbounded || __builtin_mul_overflow(a, b, &r) ? unbounded : r;
}

// What the text form can read back.
bool is_name(std::string_view name) {
  if (name.empty() || name == "max" || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Recursion is bounded by deepest_extent, the text by longest_extent.
std::string text(Dim d, std::span<const Symbol> entries) {
  if (d.is_number()) return std::to_string(d.number());
  if (d.index() >= entries.size()) return "?" + std::to_string(d.index());
  const Symbol& s = entries[d.index()];
  if (s.kind == SymbolKind::free) return s.name;
  const std::string l = text(s.left, entries), r = text(s.right, entries);
  switch (s.kind) {
    case SymbolKind::sum: return "(" + l + " + " + r + ")";
    case SymbolKind::difference: return "(" + l + " - " + r + ")";
    case SymbolKind::product: return "(" + l + " * " + r + ")";
    case SymbolKind::quotient: return "(" + l + " / " + r + ")";
    default: return "max(" + l + ", " + r + ")";
  }
}

bool commutes(SymbolKind kind) {
  return kind == SymbolKind::sum || kind == SymbolKind::product || kind == SymbolKind::maximum;
}

// The factors of a product of two symbols that are no products themselves, ascending.
std::vector<uint32_t> factors_of(const Symbols& table, Dim a, Dim b) {
  std::vector<uint32_t> factors;
  std::vector<Dim> open{a, b};
  while (!open.empty()) {
    const Dim d = open.back();
    open.pop_back();
    const Symbol& s = table[d.index()];
    if (s.kind == SymbolKind::product && s.right.is_symbol()) {
      open.push_back(s.left);
      open.push_back(s.right);
    } else {
      factors.push_back(d.index());
    }
  }
  std::sort(factors.begin(), factors.end());
  return factors;
}

}  // namespace

void refuse_negative(int64_t number) {
  throw Error("an extent is negative: " + std::to_string(number) +
              "; extents are 0 or more, and one that is not known yet is named by tn::dim");
}

void refuse_kind(bool is_symbol) {
  throw InternalError(is_symbol ? "a symbolic extent was used as a number" : "a number was used as a symbolic extent");
}

Shape Shape::from(const std::vector<int64_t>& numbers) {
  return Shape(std::vector<Dim>(numbers.begin(), numbers.end()));
}

bool Shape::is_static() const {
  return std::all_of(dims_.begin(), dims_.end(), [](Dim d) { return d.is_number(); });
}

int64_t Shape::numel() const {
  int64_t n = 1;
  bool overflow = false, empty = false;
  for (Dim d : dims_) {
    empty |= d.number() == 0;
    overflow |= __builtin_mul_overflow(n, d.number(), &n);
  }
  return empty ? 0 : checked(overflow, n);
}

void check_size(const Shape& shape, int64_t element_bytes) {
  if (shape.rank() > most_axes)
    throw Error("a tensor of " + std::to_string(shape.rank()) + " axes has more than " + std::to_string(most_axes) +
                "; join some of them by a reshape");
  int64_t size = element_bytes;
  for (Dim d : shape) {
    if (!d.is_number() || d == 0) continue;
    if (__builtin_mul_overflow(size, d.number(), &size) || size > most_bytes)
      throw Error("a tensor of shape " + to_string(shape) +
                  " is too large: the product of its extents (a 0 counted as 1) " + "and of the " +
                  std::to_string(element_bytes) + " bytes of an element is above 2^62; use smaller extents");
  }
}

int64_t byte_count(const Shape& shape, int64_t element_bytes) {
  check_size(shape, element_bytes);
  return shape.numel() * element_bytes;
}

Dim Symbols::add(std::string_view name, int64_t lower, int64_t upper) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].kind != SymbolKind::free || entries_[i].name != name) continue;
    if (entries_[i].lower != lower || entries_[i].upper != upper)
      throw Error("dimension '" + std::string(name) + "' was named before with other bounds");
    return Dim::symbol(static_cast<uint32_t>(i));
  }
  if (!is_name(name)) throw Error("dimension '" + std::string(name) + "' needs a name of letters, digits and _");
  if (lower < 0 || upper < lower) throw Error("dimension '" + std::string(name) + "' needs bounds 0 <= lower <= upper");
  Symbol s;
  s.name = name;
  s.lower = lower;
  s.upper = upper;
  entries_.push_back(std::move(s));
  return Dim::symbol(static_cast<uint32_t>(entries_.size() - 1));
}

Dim Symbols::define(SymbolKind kind, Dim a, Dim b) {
  // Operands keep the order of the first definition, so that text reads back to the same text.
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Symbol& s = entries_[i];
    if (s.kind != kind) continue;
    if ((s.left == a && s.right == b) || (commutes(kind) && s.left == b && s.right == a))
      return Dim::symbol(static_cast<uint32_t>(i));
  }
  const auto bounds = [&](Dim d) {
    return d.is_number() ? std::pair(d.code(), d.code())
                         : std::pair(entries_[d.index()].lower, entries_[d.index()].upper);
  };
  const auto [al, au] = bounds(a);
  const auto [bl, bu] = bounds(b);
  Symbol s;
  s.kind = kind;
  s.left = a;
  s.right = b;
  for (Dim d : {a, b}) {
    if (!d.is_symbol()) continue;
    s.depth = std::max(s.depth, entries_[d.index()].depth + 1);
    s.terms += entries_[d.index()].terms;  // each at most longest_extent
  }
  if (s.depth > deepest_extent || s.terms > longest_extent)
    throw Error("the definition of an extent is too long: it nests more than " + std::to_string(deepest_extent) +
                " deep or has more than " + std::to_string(longest_extent) +
                " terms; give an extent on the way a name (tn::dim) and pass it as an argument's extent");
  switch (kind) {
    case SymbolKind::free: break;
    case SymbolKind::sum: s.lower = saturating_add(al, bl), s.upper = saturating_add(au, bu); break;
    case SymbolKind::difference:
      if (au != unbounded && au < bl)
        throw Error("an extent would be negative for every value of its symbols: " + to_string(a, this) + " - " +
                    to_string(b, this));
      s.lower = bu >= al ? 0 : al - bu;
      s.upper = au == unbounded ? unbounded : std::max<int64_t>(au - bl, s.lower);
      break;
    case SymbolKind::product: s.lower = saturating_mul(al, bl), s.upper = saturating_mul(au, bu); break;
    case SymbolKind::quotient:
      s.lower = bu == unbounded ? 0 : al / std::max<int64_t>(bu, 1);
      s.upper = au == unbounded ? unbounded : au / std::max<int64_t>(bl, 1);
      break;
    case SymbolKind::maximum: s.lower = std::max(al, bl), s.upper = std::max(au, bu); break;
  }
  entries_.push_back(std::move(s));
  return Dim::symbol(static_cast<uint32_t>(entries_.size() - 1));
}

Dim Symbols::sum(Dim a, Dim b) {
  if (a.is_number() && b.is_number()) {
    int64_t r;
    const bool overflow = __builtin_add_overflow(a.code(), b.code(), &r);
    return checked(overflow, r);
  }
  if (a.is_number()) std::swap(a, b);  // a number stands on the right
  if (b == 0) return a;
  const Symbol left = entries_[a.index()];
  if (b.is_number()) {
    if (left.kind == SymbolKind::sum && left.right.is_number()) return sum(left.left, sum(left.right, b));
    if (left.kind == SymbolKind::difference && left.right.is_number())
      return left.right.code() >= b.code() ? difference(left.left, left.right.code() - b.code())
                                           : sum(left.left, b.code() - left.right.code());
  }
  if (left.kind == SymbolKind::difference && left.right == b) return left.left;  // (n - m) + m
  if (b.is_symbol()) {
    const Symbol right = entries_[b.index()];
    if (right.kind == SymbolKind::difference && right.right == a) return right.left;
  }
  return define(SymbolKind::sum, a, b);
}

Dim Symbols::difference(Dim a, Dim b) {
  if (a == b) return 0;
  if (b == 0) return a;
  if (a.is_number() && b.is_number()) {
    if (a.code() < b.code())
      throw Error("an extent would be negative: " + std::to_string(a.code()) + " - " + std::to_string(b.code()));
    return a.code() - b.code();
  }
  if (a.is_symbol()) {
    const Symbol left = entries_[a.index()];
    if (left.kind == SymbolKind::sum) {
      if (left.right == b) return left.left;  // (n + m) - m
      if (left.left == b) return left.right;
      if (b.is_number() && left.right.is_number())
        return left.right.code() >= b.code() ? sum(left.left, left.right.code() - b.code())
                                             : difference(left.left, b.code() - left.right.code());
    }
    if (left.kind == SymbolKind::difference && b.is_number() && left.right.is_number())
      return difference(left.left, sum(left.right, b));
  }
  if (b.is_symbol()) {
    const Symbol right = entries_[b.index()];
    if (right.kind == SymbolKind::difference && right.left == a) return right.right;  // n - (n - m)
  }
  return define(SymbolKind::difference, a, b);
}

Dim Symbols::product(Dim a, Dim b) {
  if (a == 0 || b == 0) return 0;
  if (a.is_number() && b.is_number()) {
    int64_t r;
    const bool overflow = __builtin_mul_overflow(a.code(), b.code(), &r);
    return checked(overflow, r);
  }
  if (a.is_number()) std::swap(a, b);
  if (b == 1) return a;
  // The numbers of a product stand last, as one: (n * 2) * (m * 3) is (n * m) * 6.
  const auto take_number = [&](Dim& d) {
    int64_t number = 1;
    if (d.is_number()) {
      number = d.code();
      d = 1;
    } else if (const Symbol s = entries_[d.index()]; s.kind == SymbolKind::product && s.right.is_number()) {
      number = s.right.code();
      d = s.left;
    }
    return number;
  };
  const Dim number = product(take_number(a), take_number(b));
  if (!(b == 1)) {
    // However its factors are associated, a product of symbols is one symbol.
    const std::vector<uint32_t> factors = factors_of(*this, a, b);
    for (size_t i = 0; i < entries_.size() && b.is_symbol(); ++i)
      if (entries_[i].kind == SymbolKind::product && !entries_[i].right.is_number() &&
          factors_of(*this, entries_[i].left, entries_[i].right) == factors)
        a = Dim::symbol(static_cast<uint32_t>(i)), b = 1;
    if (!(b == 1)) a = define(SymbolKind::product, a, b);
  }
  if (number == 1) return a;
  b = number;
  return define(SymbolKind::product, a, b);
}

Dim Symbols::quotient(Dim a, Dim b) {
  if (b == 0) throw Error("an extent is divided by 0");
  if (b == 1) return a;
  if (a.is_number() && b.is_number()) return a.code() / b.code();
  if (b.is_number() && a.is_symbol()) {
    const Symbol left = entries_[a.index()];
    if (left.kind == SymbolKind::product && left.right.is_number() && left.right.code() % b.code() == 0)
      return product(left.left, left.right.code() / b.code());
  }
  return define(SymbolKind::quotient, a, b);
}

Dim Symbols::maximum(Dim a, Dim b) {
  if (a == b || b == 0) return a;
  if (a == 0) return b;
  if (a.is_number() && b.is_number()) return std::max(a.code(), b.code());
  if (a.is_number()) std::swap(a, b);
  if (b.is_number() && entries_[a.index()].kind == SymbolKind::free && entries_[a.index()].lower >= b.code()) return a;
  return define(SymbolKind::maximum, a, b);
}

// Numbers multiply first, so that equal shapes in another order of numbers and symbols have one numel.
Dim Symbols::numel(const Shape& shape) {
  for (Dim d : shape)
    if (d == 0) return 0;  // whatever the others' product
  Dim number = 1, symbolic = 1;
  for (Dim d : shape) (d.is_number() ? number : symbolic) = product(d.is_number() ? number : symbolic, d);
  return product(symbolic, number);
}

std::vector<uint32_t> Symbols::free_symbols() const {
  std::vector<uint32_t> result;
  for (size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].kind == SymbolKind::free) result.push_back(static_cast<uint32_t>(i));
  return result;
}

std::vector<int64_t> Symbols::evaluate(const std::vector<int64_t>& free_values) const {
  return tenon::evaluate(entries_, free_values);
}

std::vector<int64_t> evaluate(const std::vector<Symbol>& entries, const std::vector<int64_t>& free_values) {
  std::vector<int64_t> all(entries.size());
  size_t next = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Symbol& s = entries[i];
    const int64_t l = s.kind == SymbolKind::free ? 0 : Symbols::value(s.left, all);
    const int64_t r = s.kind == SymbolKind::free ? 0 : Symbols::value(s.right, all);
    int64_t v = 0;
    bool overflow = false;
    switch (s.kind) {
      case SymbolKind::free:
        check(next < free_values.size(), "fewer extents than free symbols");
        v = free_values[next++];
        if (v < s.lower || v > s.upper)
          throw Error("dimension '" + s.name + "' is " + std::to_string(v) + ", outside its bounds [" +
                      std::to_string(s.lower) + ", " +
                      (s.upper == unbounded ? std::string("unbounded") : std::to_string(s.upper)) + "]");
        break;
      case SymbolKind::sum: overflow = __builtin_add_overflow(l, r, &v); break;
      case SymbolKind::difference:
        v = l - r;
        if (v < 0)
          throw Error("the extent " + text(Dim::symbol(static_cast<uint32_t>(i)), entries) +
                      " is negative: " + std::to_string(l) + " - " + std::to_string(r));
        break;
      case SymbolKind::product: overflow = __builtin_mul_overflow(l, r, &v); break;
      case SymbolKind::quotient: v = r == 0 ? 0 : l / r; break;
      case SymbolKind::maximum: v = std::max(l, r); break;
    }
    if (overflow)
      throw Error("the extent " + text(Dim::symbol(static_cast<uint32_t>(i)), entries) +
                  " does not fit into 63 bits: it joins " + std::to_string(l) + " and " + std::to_string(r));
    all[i] = v;
  }
  return all;
}

std::string to_string(Dim d, std::span<const Symbol> entries) { return text(d, entries); }

std::string to_string(Dim d, const Symbols* symbols) {
  return text(d, symbols == nullptr ? std::span<const Symbol>() : symbols->entries());
}

std::string to_string(const Shape& s, const Symbols* symbols) {
  std::string text = "[";
  for (size_t i = 0; i < s.size(); ++i) text += (i ? ", " : "") + to_string(s[i], symbols);
  return text + "]";
}

}  // namespace tenon
