// The text form's pieces that several files read and write: tokens, extents, types, literals. One grammar:
//
//   symbol n in [1, 4096]                                   free symbols, in order
//   graph @main(%0: f32[2, n], %1: f32[n]) -> (%3) {
//     %2 = broadcast %1 {shape = [2, n], axes = [1]} : f32[2, n]
//     %3 = mul %0, %2 : f32[2, n]
//   }
//
// Values are numbered as they are defined. A sub-graph stands in its attribute: body = graph(...) -> (...) { ... }.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/graph/graph.h"

namespace tenon::ir {

// Cuts text into words, numbers and signs; every failure is an Error that says line and column.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool at_end();                        // nothing but space and comments (; to the end of the line) is left
  bool looking_at(std::string_view sign);  // at this sign, or at exactly this word
  char next();                             // the next character that counts, or 0
  bool accept(std::string_view sign);
  void expect(std::string_view sign);
  std::string_view word(const char* what);      // letters, digits, _ . @ %
  int64_t integer(const char* what);
  std::string quoted();
  std::string_view number_text(const char* what);  // up to the next , ] or space; nan(...) counts as one
  [[noreturn]] void fail(const std::string& message);
  uint32_t line() const;

 private:
  void skip();
  std::string_view text_;
  size_t at_ = 0;
};

Dim read_dim(Reader& in, Symbols& symbols);
std::vector<Dim> read_dims(Reader& in, Symbols& symbols);  // [2, n]
Type read_type(Reader& in, Symbols& symbols);
std::string read_literal(Reader& in, DType dtype);         // [1, -0.5, nan] as raw bytes

std::vector<Type> parse_types(std::string_view text, Symbols& symbols);  // "f32[2], i64[]"
std::string literal_text(DType dtype, std::string_view raw_bytes);

// One node's line without its indentation; nested graphs are indented by `depth` levels more.
void write_node(std::string& out, const Graph& graph, const Node& node, int depth);
void write_graph(std::string& out, const Graph& graph, int depth, bool places);

}  // namespace tenon::ir
