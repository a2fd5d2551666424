// The symbols of extents and their definitions, in a table that a graph, its sub-graphs, its kernels and its program share. An extent
// that is computed from others (the concatenation of n and m) is a symbol with a definition, hash-consed, so equal extents are one
// symbol. Refuses to be seen by users: public headers know a table by name only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/shape.h"

namespace tenon {

inline constexpr int64_t unbounded_extent = INT64_MAX;  // an upper bound that is none
int64_t fitting_extent(bool overflow, int64_t value);  // Error where what an extent is does not fit into 63 bits

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
  Dim combined(SymbolKind kind, Dim a, Dim b);  // by one of the operations above
  static Symbols of(std::span<const Symbol> entries);  // the table that has these entries
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
  static int64_t value(Dim d, std::span<const int64_t> all) { return d.is_number() ? d.code() : all[d.index()]; }

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

std::string to_string(Dim d, std::span<const Symbol> entries);  // of a table alone, as a manifest keeps it

}  // namespace tenon
