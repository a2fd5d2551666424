// What the type rules share: failing with a sentence, checking axes, comparing extents. Where extents must be equal they are the
// same number or the same symbol; reshape alone takes what may be equal, and has it checked when the extents are known.
#pragma once

#include <string>
#include <vector>

#include "tenon/ir/base/error.h"
#include "tenon/ir/rules/rules.h"

namespace tenon::ir::rules {

[[noreturn]] inline void refuse(const std::string& message) { throw Error(message); }

inline std::string number(int64_t n) { return std::to_string(n); }
inline std::string operand_name(size_t i) { return "operand " + std::to_string(i); }

// Throws unless the condition holds; the message is built only then.
#define TENON_REQUIRE(condition, message) \
  do {                                    \
    if (!(condition)) refuse(message);    \
  } while (false)

// Axes of a tensor of this rank: in range, each once.
void check_axes(const std::vector<int64_t>& axes, int rank, const char* name);
void check_axis(int64_t axis, int rank, const char* name);
inline void check_axis(size_t axis, int rank, const char* name) {  // as a view reads it; said as the node has it
  check_axis(static_cast<int64_t>(axis), rank, name);
}
void check_same_type(const InferArgs& args, size_t first, size_t end);
// a >= b: refused where no extents within their bounds satisfy it, proved where all do, else checked when they are known, since a
// definition that comes out negative is an Error.
template <class Message>
void check_at_least(const InferArgs& args, Dim a, Dim b, Message message) {
  if (args.symbols.at_least(a, b)) return;
  if (args.symbols.at_least(b, a) && args.symbols.differ(a, b)) refuse(message());
  args.symbols.difference(a, b);
}
// a == b, in the same way.
template <class Message>
void check_equal(const InferArgs& args, Dim a, Dim b, Message message) {
  if (a == b) return;
  if (args.symbols.differ(a, b)) refuse(message());
  args.symbols.difference(a, b);
  args.symbols.difference(b, a);
}
// Extents of an attribute: their symbols are of this program.
void check_symbols(const InferArgs& args, const std::vector<Dim>& dims);
void check_scalar(const InferArgs& args, size_t operand, DType dtype, const char* role);

}  // namespace tenon::ir::rules
