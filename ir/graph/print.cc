// Graphs as text. The canonical text holds everything that decides what is computed and nothing else; floats print in the
// fewest digits that read back to the same bits, NaNs other than the usual one by their bits.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/base/half.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/text.h"

namespace tenon::ir {
namespace {

template <class T>
void append_number(std::string& out, T value) {
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

template <class T>
T read_bytes(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void append_float(std::string& out, uint64_t bits, int width, uint64_t usual_nan, double value, bool single) {
  if (std::isnan(value)) {
    if (bits == usual_nan) {
      out += "nan";
    } else {
      char text[32];
      std::snprintf(text, sizeof text, "nan(0x%0*llx)", width / 4, static_cast<unsigned long long>(bits));
      out += text;
    }
  } else if (std::isinf(value)) {
    out += value < 0 ? "-inf" : "inf";
  } else if (single) {
    append_number(out, static_cast<float>(value));
  } else {
    append_number(out, value);
  }
}

void append_element(std::string& out, DType t, const char* at) {
  switch (t) {
    case DType::boolean: append_number(out, static_cast<int>(read_bytes<uint8_t>(at))); break;
    case DType::i8: append_number(out, static_cast<int>(read_bytes<int8_t>(at))); break;
    case DType::i16: append_number(out, read_bytes<int16_t>(at)); break;
    case DType::i32: append_number(out, read_bytes<int32_t>(at)); break;
    case DType::i64: append_number(out, read_bytes<int64_t>(at)); break;
    case DType::u8: append_number(out, static_cast<unsigned>(read_bytes<uint8_t>(at))); break;
    case DType::u16: append_number(out, read_bytes<uint16_t>(at)); break;
    case DType::u32: append_number(out, read_bytes<uint32_t>(at)); break;
    case DType::u64: append_number(out, read_bytes<uint64_t>(at)); break;
    case DType::f16: {
      const auto bits = read_bytes<uint16_t>(at);
      append_float(out, bits, 16, 0x7e00, static_cast<double>(half_to_float(f16_format, bits)), true);
      break;
    }
    case DType::bf16: {
      const auto bits = read_bytes<uint16_t>(at);
      append_float(out, bits, 16, 0x7fc0, static_cast<double>(half_to_float(bf16_format, bits)), true);
      break;
    }
    case DType::f32: {
      const auto bits = read_bytes<uint32_t>(at);
      append_float(out, bits, 32, 0x7fc00000, static_cast<double>(std::bit_cast<float>(bits)), true);
      break;
    }
    case DType::f64: {
      const auto bits = read_bytes<uint64_t>(at);
      append_float(out, bits, 64, 0x7ff8000000000000, std::bit_cast<double>(bits), false);
      break;
    }
    case DType::c64:
    case DType::c128:  // the real part, then the imaginary one
      append_element(out, part_of(t), at);
      out += ", ";
      append_element(out, part_of(t), at + bytes(part_of(t)));
      break;
  }
}

void append_value(std::string& out, ValueId v) {
  out += '%';
  append_number(out, index(v));
}

void append_quoted(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\', out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
      out += hex;
    } else {
      out += c;
    }
  }
  out += '"';
}

void indent(std::string& out, int depth) { out.append(static_cast<size_t>(depth) * 2, ' '); }

void append_shape(std::string& out, const std::vector<Dim>& dims, const Symbols& symbols) {
  out += '[';
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i) out += ", ";
    if (dims[i].is_number()) {
      append_number(out, dims[i].code());
    } else {
      out += to_string(dims[i], &symbols);
    }
  }
  out += ']';
}

void append_type(std::string& out, const Type& type, const Symbols& symbols) {
  out += name(type.dtype);
  append_shape(out, type.shape.dims(), symbols);
}

void write_attribute(std::string& out, const Graph& graph, const Attrs& attrs, const Attr& a, int depth) {
  switch (a.kind) {
    case AttrKind::none: break;
    case AttrKind::integers:
      out += '[';
      for (size_t i = 0; i < a.integers.size(); ++i) {
        if (i) out += ", ";
        append_number(out, a.integers[i]);
      }
      out += ']';
      break;
    case AttrKind::dims: append_shape(out, a.dims, *graph.symbols); break;
    case AttrKind::dtype: out += name(a.dtype); break;
    case AttrKind::text: append_quoted(out, a.text); break;
    case AttrKind::literal: {  // in the dtype that stands before it; else it is a double
      const auto before = std::ranges::find(attrs, AttrKind::dtype, &Attr::kind);
      out += literal_text(before == attrs.end() ? DType::f64 : before->dtype, a.text);
      break;
    }
    case AttrKind::graph: write_graph(out, *a.graph, depth, false); break;
  }
}

// Everything between the name and the end: "(%0: f32[2]) -> (%1) { ... }".
void write_body(std::string& out, const Graph& graph, int depth, bool places) {
  out += '(';
  for (uint32_t i = 0; i < graph.input_count(); ++i) {
    if (i) out += ", ";
    append_value(out, ValueId{i});
    out += ": ";
    append_type(out, graph.type(ValueId{i}), *graph.symbols);
  }
  out += ") -> (";
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    if (i) out += ", ";
    append_value(out, graph.outputs()[i]);
  }
  out += ") {\n";
  for (const Node& n : graph.nodes()) {
    indent(out, depth + 1);
    write_node(out, graph, n, depth + 1);
    const Location& where = graph.location(n);
    if (places && where.known()) out += "  ; " + std::string(where.file) + ":" + std::to_string(where.line);
    out += '\n';
  }
  indent(out, depth);
  out += '}';
}

std::string whole_text(const Graph& graph, bool places) {
  const FloatEnvironment standard;
  std::string out;
  out.reserve(64 + static_cast<size_t>(graph.node_count()) * 40);
  for (uint32_t i : graph.symbols->free_symbols()) {
    const Symbol& s = (*graph.symbols)[i];
    out += "symbol " + s.name + " in [" + std::to_string(s.lower) + ", " +
           (s.upper == INT64_MAX ? std::string("inf") : std::to_string(s.upper)) + "]\n";
  }
  out += "graph @" + graph.name;
  write_body(out, graph, 0, places);
  out += '\n';
  return out;
}

}  // namespace

std::string literal_text(DType dtype, std::string_view raw_bytes) {
  std::string out = "[";
  const auto width = static_cast<size_t>(bytes(dtype));
  for (size_t at = 0; at + width <= raw_bytes.size(); at += width) {
    if (at) out += ", ";
    append_element(out, dtype, raw_bytes.data() + at);
  }
  return out + "]";
}

void write_node(std::string& out, const Graph& graph, const Node& node, int depth) {
  for (uint32_t r = 0; r < node.result_count; ++r) {
    if (r) out += ", ";
    append_value(out, graph.result(node, r));
  }
  if (node.result_count) out += " = ";
  const OpDef& row = def(node.op);
  out += row.name;
  const auto operands = graph.operands(node);
  for (size_t k = 0; k < operands.size(); ++k) {
    out += k ? ", " : " ";
    append_value(out, operands[k]);
  }
  const Attrs& attrs = graph.attrs(node);
  auto spec = row.attrs.begin();
  for (const Attr& a : attrs) {
    const bool first = spec == row.attrs.begin(), option = spec->count == AttrCount::option;
    const char* attribute = spec++->name;
    if (option && a.integers == std::vector<int64_t>{0}) continue;
    out += first ? " {" : ", ";
    out += attribute;
    out += " = ";
    write_attribute(out, graph, attrs, a, depth);
  }
  if (!attrs.empty()) out += '}';
  for (uint32_t r = 0; r < node.result_count; ++r) {
    out += r ? ", " : " : ";
    append_type(out, graph.type(graph.result(node, r)), *graph.symbols);
  }
}

// Sub-graphs nest as deep as the user's control flow, not as deep as the graph.
void write_graph(std::string& out, const Graph& graph, int depth, bool places) {
  out += "graph";
  write_body(out, graph, depth, places);
}

std::string to_string(const Type& type, const Symbols* symbols) {
  return std::string(name(type.dtype)) + to_string(type.shape, symbols);
}

std::string Graph::text() const { return whole_text(*this, false); }
std::string Graph::annotated_text() const { return whole_text(*this, true); }

std::string window(const Graph& graph, NodeId around, int lines) {
  const int64_t count = graph.node_count(), middle = index(around);
  const int64_t begin = std::max<int64_t>(0, middle - lines / 2), end = std::min(count, begin + lines);
  std::string out;
  for (int64_t n = begin; n < end; ++n) {
    out += n == middle ? "> " : "  ";
    write_node(out, graph, graph.nodes()[n], 1);
    out += '\n';
  }
  return out;
}

}  // namespace tenon::ir
