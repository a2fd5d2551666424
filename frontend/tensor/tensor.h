// The user's tensor: a handle on a cell that holds one immutable, dense, row-major buffer, or a value of a trace.
// Copying a Tensor copies the handle. Movement makes new tensors (reshape shares the buffer); there are no views to mutate.
// This header refuses to know graphs and compilers.
#pragma once

#include "tenon/frontend/language.h"  // before anything that needs C++20

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <new>
#include <source_location>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/ops/options.h"
#include "tenon/frontend/tensor/default_dtype.h"
#include "tenon/frontend/tensor/device.h"
#include "tenon/frontend/tensor/extents.h"

namespace tenon {

class Operand;
class Assignable;

namespace detail {
// std::complex<float> and std::complex<double>, without their header: it is dear to include.
template <class T>
concept ComplexNumber = requires(const T& z) {
  requires std::is_floating_point_v<typename T::value_type>;
  requires sizeof(T) == 2 * sizeof(typename T::value_type);
  requires std::is_same_v<decltype(z.real()), typename T::value_type>;
  requires std::is_same_v<decltype(z.imag()), typename T::value_type>;
};
template <class T>
concept Number = std::is_arithmetic_v<T> || ComplexNumber<T>;
}  // namespace detail

struct TensorOptions {
  DType dtype = default_dtype();
  bool requires_grad = false;
};

struct BackwardOptions {
  bool retain_graph = false;  // keep what was recorded for another backward
};

// What produced a tensor on the tape; false when nothing did.
struct GradFn {
  std::string name;
  explicit operator bool() const { return !name.empty(); }
};
std::ostream& operator<<(std::ostream& out, const GradFn& fn);

// A variable is a value, as in C++: x += y and x[i] = y give this variable a new value and leave copies of it alone. Only
// x.data() op= y reaches into the cell that all copies share.
class Tensor {
 public:
  Tensor() = default;  // undefined: no value, not a leaf of any argument tree
  explicit Tensor(std::shared_ptr<Cell> cell) : cell_(std::move(cell)) {}
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) = default;
  Tensor& operator=(const Tensor&) & = default;  // of variables only: nobody sees what is assigned to f(x)
  Tensor& operator=(Tensor&&) & = default;

  bool defined() const { return cell_ != nullptr; }
  const Shape& shape() const;
  int ndim() const;
  int dim() const { return ndim(); }
  Extent size(int64_t axis, const std::source_location& at = std::source_location::current()) const;  // of one axis
  Extent numel() const;  // a number, unless an extent is free
  DType dtype() const;
  Device device() const;  // of a value that is being traced, the default one

  // Reads the one element of a one-element tensor. Error inside a trace (use tn::cond or tn::where there).
  template <class T = float>
  T item(const std::source_location& at = std::source_location::current()) const {
    T value;
    read_element(&value, dtype_of<T>(), place(at));
    return value;
  }
  // All elements in row-major order, converted to T.
  template <class T = float>
  std::vector<T> to_vector(const std::source_location& at = std::source_location::current()) const {
    using Element = std::conditional_t<std::is_same_v<T, bool>, char, T>;
    const size_t count = static_cast<size_t>(numel());
    const auto read = [&] {
      std::vector<Element> values(count);
      read_elements(values.data(), dtype_of<T>(), place(at));
      if constexpr (std::is_same_v<T, bool>)
        return std::vector<bool>(values.begin(), values.end());
      else
        return values;
    };
    return detail::guarded("to_vector()", place(at), read, count * sizeof(Element));
  }
  const void* raw(const std::source_location& at = std::source_location::current()) const;  // the buffer's bytes

  using At = std::source_location;
  Tensor reshape(const Extents& shape, const At& at = At::current()) const;  // one extent may be -1
  Tensor transpose(const At& at = At::current()) const;  // reverses all axes
  Tensor transpose(const std::vector<int64_t>& permutation, const At& at = At::current()) const;
  Tensor astype(DType dtype, const At& at = At::current()) const;
  Tensor to(Device device, const At& at = At::current()) const;
  Tensor to(DType dtype, const At& at = At::current()) const { return astype(dtype, at); }
  Tensor view(const Extents& shape, const At& at = At::current()) const {
    return reshape(shape, at);
  }  // shares the buffer
  Tensor T(const At& at = At::current()) const { return transpose(at); }
  Tensor operator[](std::initializer_list<Index> indices) const&;
  Tensor operator[](const std::vector<Index>& indices) const&;
  Tensor operator[](Index index) const&;
  Assignable operator[](std::initializer_list<Index> indices) &;  // of a variable: x[i] = y, x[i] += y
  Assignable operator[](const std::vector<Index>& indices) &;
  Assignable operator[](Index index) &;

  // ---- autograd, with PyTorch's manners
  bool requires_grad() const;
  Tensor& set_requires_grad(bool value, const At& at = At::current());
  bool is_leaf() const;
  GradFn grad_fn() const;
  Tensor grad() const;  // undefined before the first backward
  void zero_grad();
  void backward(BackwardOptions o = {}, const At& at = At::current()) const;
  void backward(const Tensor& cotangent, BackwardOptions o = {}, const At& at = At::current()) const;
  Tensor detach() const;  // same values, no history
  Assignable data() const;  // without history; data() *= 2 puts a new buffer into the cell that all copies share

  // ---- the functions of tensors, as methods: x.sum({.axes = {0}}) is sum(x, {.axes = {0}})
#define TENON_DEFAULT(...) = __VA_ARGS__
#define TENON_METHOD(result, method, function, arguments, ...) \
  result(method)(__VA_ARGS__ __VA_OPT__(, ) const At& at = At::current()) const;
#define TENON_FUNCTION(result, name, arguments, ...) \
  result(name)(__VA_ARGS__ __VA_OPT__(, ) const At& at = At::current()) const;
#include "tenon/frontend/ops/functions.def"

  const std::shared_ptr<Cell>& cell() const { return cell_; }

  template <class T>
  static constexpr DType dtype_of() {
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_same_v<U, bool>)
      return boolean;
    else if constexpr (std::is_same_v<U, float>)
      return f32;
    else if constexpr (std::is_same_v<U, double>)
      return f64;
    else if constexpr (detail::ComplexNumber<U>)
      return complex_of(dtype_of<typename U::value_type>());
    else if constexpr (std::is_integral_v<U> && std::is_signed_v<U>)
      return sizeof(U) == 1 ? i8 : sizeof(U) == 2 ? i16 : sizeof(U) == 4 ? i32 : i64;
    else if constexpr (std::is_integral_v<U>)
      return sizeof(U) == 1 ? u8 : sizeof(U) == 2 ? u16 : sizeof(U) == 4 ? u32 : u64;
    else
      static_assert(sizeof(U) == 0,
                    "a tensor element is a bool, an integer, a float, a double or a std::complex of these");
  }

 private:
  void read_element(void* out, DType dtype, const Location& at) const;
  void read_elements(void* out, DType dtype, const Location& at) const;
  std::shared_ptr<Cell> cell_;
};

std::ostream& operator<<(std::ostream& out, const Tensor& tensor);
std::string to_string(const Tensor& tensor);

// An operand of an operator or function: a tensor, or a weak C++ scalar that takes the tensor's dtype. Captures the place.
class Operand {
 public:
  Operand(const Tensor& t, const std::source_location& at = std::source_location::current())  // NOLINT
      : tensor_(t), where_(place(at)) {}
  Operand(const Tensor& t, const Location& where) : tensor_(t), where_(where) {}  // on behalf of the caller at `where`
  template <class T>
    requires std::is_arithmetic_v<T>
  Operand(T value, const std::source_location& at = std::source_location::current())  // NOLINT
      : weak_(std::is_same_v<T, bool> ? Weak::truth
              : std::is_integral_v<T> ? Weak::integer
                                      : Weak::floating),
        where_(place(at)) {
    if constexpr (std::is_integral_v<T>) {
      integer_ = static_cast<int64_t>(value);
      too_big_ =
          std::is_unsigned_v<T> && sizeof(T) == 8 && static_cast<uint64_t>(value) > static_cast<uint64_t>(INT64_MAX);
    } else if constexpr (std::is_same_v<T, double>) {
      floating_ = value;
    } else {
      floating_ = as_double(value);
    }
  }
  template <detail::ComplexNumber T>
  Operand(const T& value, const std::source_location& at = std::source_location::current())  // NOLINT
      : weak_(Weak::complex), floating_(value.real()), imaginary_(value.imag()), where_(place(at)) {}
  // An extent is a weak integer; the value of a free one is read when the program runs.
  template <AnExtent T>
  Operand(T value, const std::source_location& at = std::source_location::current())  // NOLINT
      : Operand(Extent(value), place(at)) {}
  Operand(Extent value, const Location& where)
      : weak_(Weak::integer),
        integer_(value.is_number() ? value.number() : 0),
        symbol_(value.symbol()),
        where_(where) {}
  // A weak scalar on behalf of the caller at `where`.
  template <class T>
    requires std::is_integral_v<T>
  Operand(T value, const Location& where) : weak_(Weak::integer), integer_(value), where_(where) {}
  Operand(int64_t value, const Location& where) : weak_(Weak::integer), integer_(value), where_(where) {}
  Operand(double value, const Location& where) : weak_(Weak::floating), floating_(value), where_(where) {}
  enum class Weak : uint8_t { no, truth, integer, floating, complex };
  Weak weak() const { return weak_; }
  const Tensor& tensor() const { return tensor_; }
  double floating() const {  // of an integer the nearest
    if (weak_ >= Weak::floating) return floating_;
    return too_big_ ? static_cast<double>(static_cast<uint64_t>(integer_)) : static_cast<double>(integer_);
  }
  double imaginary() const { return imaginary_; }  // of a complex number, whose real part is floating()
  int64_t integer() const { return integer_; }
  Extent extent() const { return symbol_.is_symbol() ? Extent(symbol_) : Extent(integer_); }  // of a weak integer
  bool free() const { return symbol_.is_symbol(); }  // a free extent, whose value is not known yet
  bool too_big() const { return too_big_; }  // an unsigned literal above INT64_MAX; integer() holds its bits
  const Location& where() const { return where_; }

 private:
  // In the library's floating-point state: in the host's, a subnormal may count as zero.
  static double as_double(float value);
  static double as_double(long double value);

  Tensor tensor_;
  Weak weak_ = Weak::no;
  bool too_big_ = false;
  double floating_ = 0, imaginary_ = 0;
  int64_t integer_ = 0;
  Dim symbol_ = 0;
  Location where_;
};

// What x[...] of a variable and x.data() give: a tensor, and while it is a temporary also a place to assign to. The value is
// stretched to the place and cast to its dtype. Stored in a variable it is a tensor like any other.
class Assignable : public Tensor {
 public:
  Assignable() = default;
  explicit Assignable(const Tensor& value) : Tensor(value) {}
  Assignable(const Assignable& other) : Tensor(other) {}
  Assignable& operator=(const Tensor& value) & { return Tensor::operator=(value), *this; }
  Assignable& operator=(const Assignable& value) & { return Tensor::operator=(value), *this; }
  void operator=(const Assignable& value) && { write(Write::set, Operand(value, where_)); }
  void operator=(const Operand& value) && { write(Write::set, value); }
  void operator+=(const Operand& value) && { write(Write::add, value); }
  void operator-=(const Operand& value) && { write(Write::sub, value); }
  void operator*=(const Operand& value) && { write(Write::mul, value); }
  void operator/=(const Operand& value) && { write(Write::div, value); }
  using Tensor::operator[];
  Assignable operator[](std::initializer_list<Index> indices) &&;  // x[i][j] = y
  Assignable operator[](const std::vector<Index>& indices) &&;
  Assignable operator[](Index index) &&;

 private:
  friend class Tensor;
  enum class Write : uint8_t { set, add, sub, mul, div };
  using Path = std::vector<std::vector<Index>>;
  Assignable(Tensor value, Tensor* variable, std::shared_ptr<Cell> shared, Path path, Location where)
      : Tensor(std::move(value)),
        variable_(variable),
        shared_(std::move(shared)),
        path_(std::move(path)),
        where_(where) {}
  void write(Write how, const Operand& value) const;

  Tensor* variable_ = nullptr;  // of x[...]: the variable that gets a new value
  std::shared_ptr<Cell> shared_;  // of x.data(): the cell whose buffer is replaced
  Path path_;  // the indices in turn; none for data() itself
  Location where_;
};

// ---- making tensors ------------------------------------------------------------------------------------------------

Tensor copy_from(const void* data, const Extents& shape, DType dtype, bool requires_grad = false,
                 const std::source_location& at = std::source_location::current());
namespace detail {
Tensor from_blob(const void* data, const Extents& shape, DType dtype, const std::source_location& at);
}
// Borrows: read at each call, never written. A template, so that a fourth argument {} is the options of frontend/tensor/blob.h.
template <class At = std::source_location>
Tensor from_blob(const void* data, const Extents& shape, DType dtype, const At& at = std::source_location::current()) {
  return detail::from_blob(data, shape, dtype, at);
}

using At = std::source_location;

Tensor zeros(const Extents& shape, TensorOptions o = {}, const At& at = At::current());
Tensor ones(const Extents& shape, TensorOptions o = {}, const At& at = At::current());
// dtype from the value unless given: 7 -> i64, 7.0 -> the default dtype, true -> bool
Tensor full(const Extents& shape, Operand value, const At& at = At::current());
Tensor full(const Extents& shape, Operand value, TensorOptions o, const At& at = At::current());
Tensor zeros_like(const Tensor& x, const At& at = At::current());
Tensor ones_like(const Tensor& x, const At& at = At::current());
// Numbers start, start + step, ... below stop; i64 for integers, the default dtype for floats, unless given.
Tensor arange(Operand start, Operand stop, Operand step = 1, const At& at = At::current());
Tensor arange(Operand stop, const At& at = At::current());
Tensor arange(Operand start, Operand stop, Operand step, TensorOptions o, const At& at = At::current());
// A stand-in without data for lower() and aot::save; extents may be symbols made by tn::dim.
Tensor spec(const Extents& shape, DType dtype, const At& at = At::current());
Dim dim(const std::string& name, int64_t lower = 1, int64_t upper = INT64_MAX, const At& at = At::current());

// While alive, ops on this thread record nothing on the tape.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};
bool grad_enabled();

}  // namespace tenon
