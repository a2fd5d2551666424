// The frame of a module, types, constants, and the walk over nodes.
#include "tenon/frontend/stablehlo/print.h"

#include <cstring>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/number_text.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/pass.h"

namespace tenon::hlo {
namespace {

std::string_view element_text(DType t) {
  switch (t) {
    case DType::boolean: return "i1";
    case DType::u8: return "ui8";
    case DType::u16: return "ui16";
    case DType::u32: return "ui32";
    case DType::u64: return "ui64";
    case DType::c64: return "complex<f32>";
    case DType::c128: return "complex<f64>";
    default: return name(t);
  }
}

std::string hex(uint64_t bits, int digits) {
  std::string text(static_cast<size_t>(digits), '0');
  for (size_t i = text.size(); i-- > 0; bits >>= 4) text[i] = "0123456789ABCDEF"[bits & 15];
  return text;
}

// One element of a literal: floats by their bits.
std::string literal(DType t, const unsigned char* at) {
  if (is_complex(t)) return "(" + literal(part_of(t), at) + ", " + literal(part_of(t), at + bytes(part_of(t))) + ")";
  uint64_t bits = 0;
  std::memcpy(&bits, at, static_cast<size_t>(bytes(t)));
  if (t == boolean) return bits != 0 ? "true" : "false";
  if (is_floating(t)) return "0x" + hex(bits, 2 * bytes(t));
  if (is_unsigned(t)) return std::to_string(bits);
  const int unused = 64 - 8 * bytes(t);
  return std::to_string(static_cast<int64_t>(bits << unused) >> unused);
}

// [[1, 2], [3, 4]]; small and boolean tensors only, others are raw bytes.
std::string nested(const ir::Type& type, const unsigned char* at) {
  std::string text;
  const int64_t count = type.shape.numel();
  for (int64_t i = 0; i < count; ++i) {
    int64_t block = 1;
    std::string open, close;
    for (size_t axis = type.shape.size(); axis-- > 0;) {
      block *= type.shape[axis].number();
      if (i % block == 0) open += "[";
      if ((i + 1) % block == 0) close += "]";
    }
    text += open + literal(type.dtype, at + static_cast<size_t>(i) * static_cast<size_t>(bytes(type.dtype))) + close;
    if (i + 1 < count) text += ", ";
  }
  return text;
}

}  // namespace

std::string type_text(const ir::Type& type) {
  std::string text = "tensor<";
  for (Dim d : type.shape) {
    if (!d.is_number()) throw Error("stablehlo(): free extents are not printed; trace with numbers");
    text += std::to_string(d.number()) + "x";
  }
  return text + std::string(element_text(type.dtype)) + ">";
}

std::string array_text(const std::vector<int64_t>& numbers) {
  std::string text = "array<i64";
  for (size_t i = 0; i < numbers.size(); ++i) text += (i == 0 ? ": " : ", ") + std::to_string(numbers[i]);
  return text + ">";
}

std::vector<int64_t> numbers_of(const std::vector<Dim>& dims) {
  std::vector<int64_t> numbers;
  for (Dim d : dims) {
    if (!d.is_number()) throw Error("stablehlo(): free extents are not printed; trace with numbers");
    numbers.push_back(d.number());
  }
  return numbers;
}

void Printer::start(const std::string& op, const Results& x, size_t results, const std::string& attributes) {
  indent();
  open_.push_back(fresh());
  if (results > 0) out += open_.back() + (results > 1 ? ":" + std::to_string(results) : "") + " = ";
  out += "\"" + op + "\"(";
  for (size_t i = 0; i < x.size(); ++i) out += (i == 0 ? "" : ", ") + x[i].name;
  out += ")";
  if (!attributes.empty()) out += " <{" + attributes + "}>";
}

Results Printer::finish(const Results& x, const std::vector<ir::Type>& results) {
  out += " : (";
  for (size_t i = 0; i < x.size(); ++i) out += (i == 0 ? "" : ", ") + type_text(x[i].type);
  out += results.size() == 1 ? ") -> " : ") -> (";
  Results given;
  for (size_t i = 0; i < results.size(); ++i) {
    out += (i == 0 ? "" : ", ") + type_text(results[i]);
    given.push_back({open_.back() + (results.size() > 1 ? "#" + std::to_string(i) : ""), results[i]});
  }
  out += results.size() == 1 ? "\n" : ")\n";
  open_.pop_back();
  return given;
}

Results Printer::open_region(const std::vector<ir::Type>& arguments) {
  out += "{\n";
  Results taken;
  for (const ir::Type& t : arguments) taken.push_back({fresh(), t});
  if (!taken.empty()) {
    indent();
    out += "^bb0(";
    for (size_t i = 0; i < taken.size(); ++i)
      out += (i == 0 ? "" : ", ") + taken[i].name + ": " + type_text(taken[i].type);
    out += "):\n";
  }
  ++depth_;
  return taken;
}

void Printer::close_region(const Results& results) {
  indent();
  out += "\"stablehlo.return\"(";
  for (size_t i = 0; i < results.size(); ++i) out += (i == 0 ? "" : ", ") + results[i].name;
  out += ") : (";
  for (size_t i = 0; i < results.size(); ++i) out += (i == 0 ? "" : ", ") + type_text(results[i].type);
  out += ") -> ()\n";
  --depth_;
  indent();
  out += "}";
}

Shown Printer::one(const std::string& op, const Results& x, const ir::Type& result, const std::string& attributes) {
  start(op, x, 1, attributes);
  return finish(x, {result})[0];
}

Shown Printer::compare(const char* how, const Shown& x, const Shown& y, const char* kind) {
  std::string attributes = std::string("comparison_direction = #stablehlo<comparison_direction ") + how + ">";
  if (kind != nullptr) attributes += std::string(", compare_type = #stablehlo<comparison_type ") + kind + ">";
  return one("stablehlo.compare", {x, y}, {boolean, x.type.shape}, attributes);
}

Shown Printer::repeated(const ir::Type& type, const std::string& text) {
  return one("stablehlo.constant", {}, type, "value = dense<" + text + "> : " + type_text(type));
}

Shown Printer::number(const ir::Type& type, double value) {
  if (!is_continuous(type.dtype)) return repeated(type, std::to_string(static_cast<int64_t>(value)));
  std::string text = scientific(value, 17);
  return repeated(type, is_complex(type.dtype) ? "(" + text + ", 0.0)" : text);
}

Shown Printer::constant(const ir::Type& type, const void* elements) {
  const auto* at = static_cast<const unsigned char*>(elements);
  const auto size = static_cast<size_t>(byte_count(type.shape, bytes(type.dtype)));
  if (type.shape.numel() == 0) return repeated(type, "");
  if (type.shape.numel() == 1) return repeated(type, literal(type.dtype, at));
  if (type.dtype == boolean || size <= 64) return repeated(type, nested(type, at));
  std::string text = "\"0x";
  text.reserve(2 * size + 4);
  for (size_t i = 0; i < size; ++i) text += hex(at[i], 2);
  return repeated(type, text + "\"");
}

Results Printer::graph(const ir::Graph& g, const Results& inputs) {
  Results values(g.value_count());
  std::copy(inputs.begin(), inputs.end(), values.begin());
  for (const ir::Node& n : g.nodes()) {
    Results x, r;
    for (ir::ValueId v : g.operands(n)) x.push_back(values[ir::index(v)]);
    if (!print_elementwise(*this, g, n, x, r) && !print_movement(*this, g, n, x, r) &&
        !print_reduction(*this, g, n, x, r) && !print_indexing(*this, g, n, x, r) && !print_matrix(*this, g, n, x, r) &&
        !print_control(*this, g, n, x, r))
      throw Error("stablehlo(): StableHLO has nothing for '" + std::string(ir::def(n.op).name) + "'", g.location(n));
    for (uint32_t i = 0; i < n.result_count; ++i) values[ir::index(n.first_result) + i] = r.at(i);
  }
  Results outputs;
  for (ir::ValueId v : g.outputs()) outputs.push_back(values[ir::index(v)]);
  return outputs;
}

std::string module_text(const ir::Graph& graph, const std::vector<Tensor>& captured) {
  const auto inlined = passes::inline_calls(graph);
  const ir::Graph& g = *inlined;
  const size_t arguments = g.input_count() - captured.size();
  Printer p;
  Results inputs;
  std::string head;
  for (uint32_t i = 0; i < arguments; ++i) {
    inputs.push_back({"%arg" + std::to_string(i), g.type(ir::ValueId{i})});
    head += (i == 0 ? "" : ", ") + inputs.back().name + ": " + type_text(inputs.back().type);
  }
  for (const Tensor& t : captured) {
    const runtime::HostView view(*buffer_of(t, "stablehlo()", {}));
    inputs.push_back(p.constant({t.dtype(), t.shape()}, view.data()));
  }
  const Results outputs = p.graph(g, inputs);
  std::string names, types;
  for (const Shown& o : outputs) {
    names += (names.empty() ? "" : ", ") + o.name;
    types += (types.empty() ? "" : ", ") + type_text(o.type);
  }
  return "module @tenon {\n  func.func public @main(" + head + ") -> (" + types + ") {\n" + p.out + "    return" +
         (names.empty() ? "" : " " + names + " : " + types) + "\n  }\n}\n";
}

}  // namespace tenon::hlo
