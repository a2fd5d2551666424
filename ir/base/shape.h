// Extents and shapes. A Dim is a number or a symbol of a table (ir/base/symbols.h); a Shape is a list of them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
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
  template <std::integral T>
  Shape(const std::vector<T>& numbers) : dims_(numbers.begin(), numbers.end()) {}  // NOLINT: Error for a negative one
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
  template <std::integral T>
  operator std::vector<T>() const {  // NOLINT: Error for a symbol
    std::vector<T> numbers;
    for (const Dim& d : dims_) numbers.push_back(static_cast<T>(static_cast<int64_t>(d)));
    return numbers;
  }
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

class Symbols;  // ir/base/symbols.h
std::string to_string(Dim d, const Symbols* symbols = nullptr);  // 4, n, (n + m)
std::string to_string(const Shape& s, const Symbols* symbols = nullptr);  // [2, n]

}  // namespace tenon
