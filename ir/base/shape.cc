// Extents and shapes: sizes, text, and the values of definitions once those of the free symbols are known. Refuses what leaves
// 63 bits, by name. How definitions come about: ir/base/symbols.cc.
#include "tenon/ir/base/shape.h"

#include <algorithm>
#include <span>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/symbols.h"

namespace tenon {
namespace {

constexpr int most_axes = 64;  // NumPy's limit

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

}  // namespace

int64_t fitting_extent(bool overflow, int64_t value) {
  if (overflow) throw Error("an extent does not fit into 63 bits");
  return value;
}

void refuse_negative(int64_t number) {
  throw Error("an extent is negative: " + std::to_string(number) +
              "; extents are 0 or more, and one that is not known yet is named by tn::dim");
}

void refuse_number() {
  throw Error(
      "a free extent was used as a number, and its value is known only when the program runs. Keep it as an extent "
      "(auto n = "
      "x.shape()[0]; n / 2 is one, too), use it as an operand (x / n), or compile for fixed extents");
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
  return empty ? 0 : fitting_extent(overflow, n);
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

std::vector<uint32_t> Symbols::free_symbols() const {
  std::vector<uint32_t> result;
  for (size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].kind == SymbolKind::free) result.push_back(static_cast<uint32_t>(i));
  return result;
}

std::vector<int64_t> Symbols::evaluate(const std::vector<int64_t>& free_values) const {
  return tenon::evaluate(entries_, free_values);
}

namespace {
// What a call brought: where the extents of a call do not fit the program, the reader knows these.
std::string values_text(std::span<const Symbol> entries, std::span<const int64_t> free_values) {
  std::string text;
  size_t next = 0;
  for (const Symbol& s : entries)
    if (s.kind == SymbolKind::free && next < free_values.size())
      text += (text.empty() ? ", with " : ", ") + s.name + " = " + std::to_string(free_values[next++]);
  return text;
}

// Whether the difference the other way round is one, too: then both have to be 0.
bool is_equation(std::span<const Symbol> entries, const Symbol& difference) {
  return std::any_of(entries.begin(), entries.end(), [&](const Symbol& s) {
    return s.kind == SymbolKind::difference && s.left == difference.right && s.right == difference.left;
  });
}
}  // namespace

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
        ensure(next < free_values.size(), "fewer extents than free symbols");
        v = free_values[next++];
        if (v < s.lower || v > s.upper)
          throw Error("dimension '" + s.name + "' is " + std::to_string(v) + ", outside its bounds [" +
                      std::to_string(s.lower) + ", " +
                      (s.upper == unbounded_extent ? std::string("unbounded") : std::to_string(s.upper)) + "]");
        break;
      case SymbolKind::sum: overflow = __builtin_add_overflow(l, r, &v); break;
      case SymbolKind::difference:
        v = l - r;
        if (v < 0 && is_equation(entries, s)) {
          const bool turned = s.left.is_number();  // the number stands last
          throw Error("the extents " + text(turned ? s.right : s.left, entries) + " and " +
                      text(turned ? s.left : s.right, entries) + " are not equal: " + std::to_string(turned ? r : l) +
                      " and " + std::to_string(turned ? l : r) + values_text(entries, free_values));
        }
        if (v < 0)
          throw Error("the extent " + text(Dim::symbol(static_cast<uint32_t>(i)), entries) + " is negative: " +
                      std::to_string(l) + " - " + std::to_string(r) + values_text(entries, free_values));
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
