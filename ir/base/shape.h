// Extents and shapes. A Dim is a number or a named symbol with bounds; a Shape is a list of them.
// Symbols live in a table that a graph, its sub-graphs, its kernels and its program share. An extent that is computed
// from others (the concatenation of n and m) is a symbol with a definition, hash-consed, so equal extents are one symbol.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon {

[[noreturn]] void refuse_negative(int64_t number);  // Error: an extent is not negative
[[noreturn]] void refuse_kind(bool is_symbol);  // InternalError: a symbol used as a number, or the reverse
[[noreturn]] void refuse_number();  // Error: a free extent where only a number will do

class Extent;

// The tag is a member of its own: no number, however it came about, is ever taken for a symbol.
class Dim {
 public:
  constexpr Dim(int64_t number = 0) : value_(number) {  // NOLINT: numbers are dims
    if (number < 0) refuse_negative(number);
  }
  constexpr Dim(const Extent& extent);  // NOLINT: Error when it is negative
  static constexpr Dim symbol(uint32_t index) { return Dim(index, true); }
  constexpr bool is_number() const { return !symbol_; }
  constexpr bool is_symbol() const { return symbol_; }
  constexpr int64_t number() const {
    if (symbol_) refuse_kind(true);
    return value_;
  }
  constexpr uint32_t index() const {  // of a symbol
    if (!symbol_) refuse_kind(false);
    return static_cast<uint32_t>(value_);
  }
  operator int64_t() const {  // NOLINT: Error for a symbol
    if (symbol_) refuse_number();
    return value_;
  }
  // One integer for hashing, ordering and storing: the number, or the complement of the symbol's index.
  constexpr int64_t code() const { return symbol_ ? ~value_ : value_; }
  constexpr bool operator==(const Dim& other) const { return value_ == other.value_ && symbol_ == other.symbol_; }
  template <std::integral T>
  constexpr bool operator==(T number) const {
    return !symbol_ && std::cmp_equal(value_, number);
  }

 private:
  constexpr Dim(uint32_t index, bool) : value_(index), symbol_(true) {}
  int64_t value_;
  bool symbol_ = false;
};

// A whole number of any sign or a symbol: what arithmetic on extents gives (frontend/tensor/extents.h), and what functions take as
// extents, counts and positions. Not yet known to be an extent: that is asked where it becomes a Dim.
class Extent {
 public:
  template <std::integral T>
  constexpr Extent(T n) : number_(static_cast<int64_t>(n)) {  // NOLINT: numbers are extents
    if constexpr (!std::signed_integral<T> && sizeof(T) == sizeof(int64_t))
      if (number_ < 0) number_ = INT64_MAX;  // as far as any position reaches
  }
  constexpr Extent(Dim d) : number_(d.is_number() ? d.number() : 0), symbol_(d) {}  // NOLINT
  constexpr bool is_number() const { return symbol_.is_number(); }
  constexpr bool is_symbol() const { return symbol_.is_symbol(); }
  constexpr int64_t number() const { return is_symbol() ? symbol_.number() : number_; }
  constexpr Dim symbol() const { return symbol_; }
  operator int64_t() const {
    return is_symbol() ? static_cast<int64_t>(symbol_) : number_;
  }  // NOLINT: Error for a symbol

 private:
  int64_t number_;
  Dim symbol_ = 0;
};
constexpr Dim::Dim(const Extent& extent) : Dim(extent.is_symbol() ? extent.symbol() : Dim(extent.number())) {}

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<Dim> dims) : dims_(dims) {}
  explicit Shape(std::vector<Dim> dims) : dims_(std::move(dims)) {}
  static Shape from(const std::vector<int64_t>& numbers);
  int rank() const { return static_cast<int>(dims_.size()); }
  size_t size() const { return dims_.size(); }
  bool empty() const { return dims_.empty(); }
  Dim& operator[](size_t i) { return dims_[i]; }
  const Dim& operator[](size_t i) const { return dims_[i]; }
  auto begin() const { return dims_.begin(); }
  auto end() const { return dims_.end(); }
  void push_back(Dim d) { dims_.push_back(d); }
  void insert(size_t at, Dim d) { dims_.insert(dims_.begin() + static_cast<std::ptrdiff_t>(at), d); }
  void erase(size_t at) { dims_.erase(dims_.begin() + static_cast<std::ptrdiff_t>(at)); }
  const std::vector<Dim>& dims() const { return dims_; }
  bool is_static() const;  // every extent is a number
  int64_t numel() const;  // product of the numbers; Error if it overflows, InternalError if one is a symbol
  bool operator==(const Shape&) const = default;

 private:
  std::vector<Dim> dims_;
};

// The most bytes that a tensor may take. Extents of 0 count as 1, so no product of some of the extents overflows either:
// strides and partial counts are safe.
inline constexpr int64_t most_bytes = int64_t{1} << 62;

// The bytes of a tensor of numbers. Error beyond most_bytes.
int64_t byte_count(const Shape& shape, int64_t element_bytes);
// The same check on what is known: of a shape with symbols, the numbers alone.
void check_size(const Shape& shape, int64_t element_bytes);

// How a symbol's value comes about.
enum class SymbolKind : uint8_t { free, sum, difference, product, quotient, maximum };

struct Symbol {
  std::string name;  // of a free symbol; a defined one prints as its definition
  int64_t lower = 0, upper = INT64_MAX;
  SymbolKind kind = SymbolKind::free;
  Dim left, right;  // of a definition; quotient rounds down
  uint32_t depth = 0, terms = 1;  // of the definition as it prints
};

// Definitions print as nested text, and shared parts print again: both sizes are bounded, or a few lines of text would stand
// for terabytes.
inline constexpr uint32_t deepest_extent = 256, longest_extent = 4096;

// An extent as a polynomial with whole factors over atoms: free symbols, maxima, and quotients that do not come out even.
// Equal extents have equal forms. Terms ascend by their atoms; none has factor 0.
struct Term {
  std::vector<uint32_t> atoms;  // ascending, repeated for a power; none: the constant
  int64_t factor = 0;
  bool operator==(const Term&) const = default;
};
using Form = std::vector<Term>;

// Append-only table of symbols. Definitions refer to earlier entries only, so one ascending pass evaluates them all. What
// arithmetic gives is folded as far as it is certain for every value of the symbols, and equal extents are one symbol.
class Symbols {
 public:
  Dim add(std::string_view name, int64_t lower = 0, int64_t upper = INT64_MAX);  // same name: same symbol
  Dim sum(Dim a, Dim b);
  Dim difference(Dim a, Dim b);  // checked at run time where it may be negative
  Dim product(Dim a, Dim b);
  Dim quotient(Dim a, Dim b);  // rounds down; 0 where b is 0
  Dim remainder(Dim a, Dim b) { return difference(a, product(quotient(a, b), b)); }
  Dim maximum(Dim a, Dim b);
  Dim minimum(Dim a, Dim b);
  // a / b where that is certain to come out even, b not being 0.
  std::optional<Dim> even_quotient(Dim a, Dim b);
  Dim numel(const Shape& shape);
  // What is certain for all values of the symbols within their bounds.
  bool at_least(Dim a, Dim b) const;
  bool differ(Dim a, Dim b) const;
  std::string bounds_text(Dim d) const;  // n is 1 to 64; of a number nothing
  size_t size() const { return entries_.size(); }
  const Symbol& operator[](size_t i) const { return entries_[i]; }
  const std::vector<Symbol>& entries() const { return entries_; }
  std::vector<uint32_t> free_symbols() const;  // in order: the layout of tenon_call::dims
  // Values of all symbols from those of the free ones (in the order of free_symbols()).
  std::vector<int64_t> evaluate(const std::vector<int64_t>& free_values) const;
  static int64_t value(Dim d, const std::vector<int64_t>& all) { return d.is_number() ? d.code() : all[d.index()]; }

 private:
  struct Range {
    int64_t lower, upper;  // INT64_MIN and INT64_MAX: unbounded
  };
  Dim define(SymbolKind kind, Dim a, Dim b);
  Dim push(Symbol entry, std::optional<Form> form);
  Form form(Dim d) const;
  std::optional<Form> form_of(SymbolKind kind, Dim a, Dim b) const;
  std::optional<Dim> known(const Form& form) const;
  Dim from(const Form& form);
  std::optional<Dim> divided(const Form& form, Dim by, bool even);
  Range range(const Form& form) const;
  Range range(Dim d) const;
  Range range_of_difference(Dim a, Dim b) const;
  Range bounds_of(SymbolKind kind, Dim a, Dim b, const std::optional<Form>& form) const;
  std::vector<Symbol> entries_;
  std::vector<Form> forms_;  // of entries_
};

// The same for the entries of a table alone, as a manifest keeps them. Error when an extent lies outside its bounds, a
// difference is negative or a value does not fit into 63 bits.
std::vector<int64_t> evaluate(const std::vector<Symbol>& entries, const std::vector<int64_t>& free_values);

std::string to_string(Dim d, const Symbols* symbols = nullptr);  // 4, n, (n + m)
std::string to_string(Dim d, std::span<const Symbol> entries);  // of a table alone, as a manifest keeps it
std::string to_string(const Shape& s, const Symbols* symbols = nullptr);  // [2, n]

}  // namespace tenon
