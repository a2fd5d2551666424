// What a program says and what it insists on: tn::check and tn::debug::print, eagerly, in traces and in compiled code alike. Both
// happen once and in program order, in the primal alone under derivatives. Refuses to be anyone's value: they give nothing.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// An Error with this message and the place of the call, unless the condition (a bool scalar) holds when the program comes here. Of
// several that fail the first one counts. Results of a call that failed are not given out; its next call works.
void check(const Operand& condition, const std::string& message);

namespace debug {

// A line's text, in which {} stands for a value, and where it is printed. {{ and }} are braces.
struct Format {
  std::string_view text;
  Location where;
  template <class T>
    requires std::is_convertible_v<const T&, std::string_view>
  Format(const T& line, const std::source_location& at = std::source_location::current())  // NOLINT
      : text(line), where(place(at)) {}
};

// A value of a line: a tensor, which is printed when the program runs, or text that is known now.
struct Piece {
  Tensor tensor;
  std::string text;
  bool is_tensor = false;
};
Piece piece(const Tensor& tensor);
Piece piece(std::string_view text);
Piece piece(bool value);
Piece piece(int64_t value);
Piece piece(uint64_t value);
Piece piece(float value);
Piece piece(double value);

template <class T>
Piece piece_of(const T& value) {
  if constexpr (std::is_convertible_v<const T&, const Tensor&>) {
    return piece(static_cast<const Tensor&>(value));
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return piece(value);
  } else if constexpr (std::is_same_v<T, char>) {
    return piece(std::string_view(&value, 1));
  } else if constexpr (std::is_integral_v<T>) {
    return piece(static_cast<std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>(value));
  } else {
    static_assert(std::is_convertible_v<const T&, std::string_view>,
                  "debug::print takes tensors, numbers and text; print the members of a tree one by one");
    return piece(std::string_view(value));
  }
}
void print_pieces(const Format& format, std::initializer_list<Piece> pieces);

// Prints one line to the standard output, by the return of the call of the program that it stands in; in loops once for each
// iteration. Tensors read as std::cout << x writes them, with PyTorch's default options.
template <class... A>
void print(const Format& format, const A&... values) {
  print_pieces(format, {piece_of(values)...});
}

}  // namespace debug
}  // namespace tenon
