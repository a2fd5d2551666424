// check and print as ops of a trace; outside one they happen at once, without a program.
#include "tenon/frontend/ops/effects.h"

#include <charconv>

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/tensor_text.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon {

void check(const Operand& condition, const std::string& message) try {
  const Location at = condition.where();
  const NoGrad off;
  Tensor holds = condition.tensor();
  if (condition.weak() == Operand::Weak::truth) holds = full({}, condition, {.dtype = boolean});
  if (!holds.defined() || holds.dtype() != boolean || holds.ndim() != 0)
    throw Error("check: the condition is a bool scalar, not " +
                    (holds.defined() ? describe(holds) : std::string("a number or an undefined tensor")) +
                    "; compare first, and reduce with tn::all_of or tn::any_of",
                at);
  apply_primitive(ir::Op::check, ir::CheckAttrs{.message = "check failed: " + message, .place = to_string(at)},
                  std::span(&holds, 1), at);
} catch (...) {
  leave_with_error("check", condition.where());
}

namespace debug {
namespace {

template <class T>
std::string digits(T value) {
  char out[64];
  return {out, std::to_chars(out, out + sizeof out, value).ptr};
}

std::string count(size_t n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

}  // namespace

Piece piece(const Tensor& tensor) { return {tensor, {}, true}; }
Piece piece(std::string_view text) { return {{}, std::string(text), false}; }
Piece piece(bool value) { return piece(std::string_view(value ? "true" : "false")); }
Piece piece(int64_t value) { return piece(std::string_view(digits(value))); }
Piece piece(uint64_t value) { return piece(std::string_view(digits(value))); }
Piece piece(float value) { return piece(std::string_view(digits(value))); }
Piece piece(double value) { return piece(std::string_view(digits(value))); }

void print_pieces(const Format& format, std::initializer_list<Piece> pieces) try {
  const int64_t fields = tenon_text_fields(format.text.data(), format.text.size());
  if (fields < 0)
    throw Error("debug::print: the brace at character " + std::to_string(-1 - fields) +
                    " of the format stands alone; write {} for a value, and {{ or }} for a brace",
                format.where);
  if (static_cast<size_t>(fields) != pieces.size())
    throw Error("debug::print: the format \"" + std::string(format.text.substr(0, 100)) + "\" has " +
                    count(static_cast<size_t>(fields), "place") + " for " + count(pieces.size(), "value"),
                format.where);
  // What is known now becomes part of the format.
  std::string text;
  std::vector<Tensor> tensors;
  const Piece* next = pieces.begin();
  for (size_t k = 0; k < format.text.size(); ++k) {
    const char c = format.text[k];
    const bool field = c == '{' && format.text[k + 1] == '}';
    if (!field) {
      text += c;
      if (c == '{' || c == '}') text += format.text[++k];
      continue;
    }
    ++k;
    const Piece& piece = *next++;
    if (piece.is_tensor) {
      if (!piece.tensor.defined()) throw Error("debug::print: a value is an undefined tensor", format.where);
      tensors.push_back(piece.tensor);
      text += "{}";
    } else {
      for (char known : piece.text) text.append(known == '{' || known == '}' ? 2 : 1, known);
    }
  }
  const NoGrad off;
  apply_primitive(ir::Op::print, ir::PrintAttrs{.format = text}, tensors, format.where);
} catch (...) {
  leave_with_error("debug::print", format.where);
}

}  // namespace debug
}  // namespace tenon
