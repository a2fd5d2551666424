// The C header of a saved program: its entry, the sizes of its buffers, and two functions that call it. Refuses to write files.
#include "tenon/frontend/transform/c_header.h"

#include <algorithm>
#include <cctype>

namespace tenon::aot {
namespace {

const char* c_type(DType t) {
  switch (t) {
    case DType::boolean: return "uint8_t";
    case DType::i8: return "int8_t";
    case DType::i16: return "int16_t";
    case DType::i32: return "int32_t";
    case DType::i64: return "int64_t";
    case DType::u8: return "uint8_t";
    case DType::u16:
    case DType::f16:
    case DType::bf16: return "uint16_t";
    case DType::u32: return "uint32_t";
    case DType::u64: return "uint64_t";
    case DType::f32: return "float";
    case DType::f64: return "double";
  }
  return "void";
}

// A path may hold any key of a map: nothing in it may end the comment.
std::string in_comment(std::string text) {
  for (size_t i = 0; i < text.size(); ++i)
    if (static_cast<unsigned char>(text[i]) < ' ' || (i > 0 && text[i] == '/' && text[i - 1] == '*')) text[i] = '?';
  return text;
}

// Words that C or C++ keeps for itself, so that neither a function nor a parameter can be called so; a space around each.
constexpr std::string_view keywords =
    " alignas alignof and and_eq asm auto bitand bitor bool break case catch char class co_await "
    "co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype "
    "default delete do double dynamic_cast else enum explicit export extern false float for friend goto "
    "if inline int long main mutable namespace new noexcept not not_eq nullptr operator or or_eq private "
    "protected public register reinterpret_cast requires restrict return short signed sizeof static "
    "static_assert static_cast struct switch template this thread_local throw true try typedef typeid "
    "typename typeof union unsigned using virtual void volatile while xor xor_eq ";

// A dimension's name as a parameter of the header's functions: what is taken there gets an underscore.
std::string parameter_name(const std::string& dim, const std::string& entry) {
  const auto numbered = [&](std::string_view prefix) {
    return dim.size() > prefix.size() && dim.starts_with(prefix) &&
           std::all_of(dim.begin() + static_cast<std::ptrdiff_t>(prefix.size()), dim.end(),
                       [](char c) { return c >= '0' && c <= '9'; });
  };
  const bool taken = is_keyword(dim) || numbered("in") || numbered("out") || dim == "inputs" || dim == "outputs" ||
                     dim == "dims" || dim == entry + "_run" || dim.ends_with("_t") || dim.starts_with("_") ||
                     dim.starts_with("TENON_") || dim.starts_with("tenon_");
  return taken ? dim + "_" : dim;
}

// The manifest's symbols as a table, so that types can be spelled; the names of the free ones.
Symbols symbols_of(const runtime::Manifest& m, std::vector<std::string>& dims) {
  Symbols symbols;
  for (const Symbol& s : m.symbols) {
    switch (s.kind) {
      case SymbolKind::free:
        symbols.add(s.name, s.lower, s.upper);
        dims.push_back(s.name);
        break;
      case SymbolKind::sum: symbols.sum(s.left, s.right); break;
      case SymbolKind::difference: symbols.difference(s.left, s.right); break;
      case SymbolKind::product: symbols.product(s.left, s.right); break;
      case SymbolKind::quotient: symbols.quotient(s.left, s.right); break;
      default: symbols.maximum(s.left, s.right); break;
    }
  }
  return symbols;
}

std::string opening(const runtime::Manifest& m) {
  const std::string& n = m.entry;
  std::string guard = "TENON_PROGRAM_";
  for (char c : n) guard += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string h =
      "/* " + n + ": a program compiled by Tenon. Link with " + n + ".o, the tenon_runtime library, and pthreads.\n";
  h += " * Buffers are dense and row-major, aligned to their element; 0 is success. */\n";
  h += "#ifndef " + guard + "_H\n#define " + guard +
       "_H\n\n#include <tenon/runtime/tenon_runtime.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
  h += "int32_t " + n + "(const tenon_call* call);\nint64_t " + n + "_arena_bytes(const int64_t* dims);\n\n";
  h += "enum { " + n + "_inputs = " + std::to_string(m.inputs.size()) + ", " + n +
       "_outputs = " + std::to_string(m.outputs.size()) + " };\n";
  const auto table = [&](const char* what, const std::vector<ir::Type>& types) {
    h += "static const uint64_t " + n + "_" + what + "_bytes[] = {";
    for (size_t i = 0; i < types.size(); ++i)
      h += (i ? ", " : "") + (types[i].shape.is_static()
                                  ? std::to_string(types[i].shape.numel() * bytes(types[i].dtype)) + "u"
                                  : "0u /* symbolic */");
    h += types.empty() ? "0};\n" : "};\n";
  };
  table("input", m.inputs);
  table("output", m.outputs);
  return h;
}

// The function that takes the arguments as arrays.
std::string run_function(const runtime::Manifest& m) {
  const std::string& n = m.entry;
  std::string h =
      "\n/* All inputs and outputs in order. Allocates the arena from tenon_alloc. env may be null: the process-wide "
      "pool. */\n";
  h += "static inline int32_t " + n +
       "_run(const void* const* inputs, void* const* outputs, const int64_t* dims, const tenon_env* env) {\n";
  h += "  tenon_call call = {0};\n  int64_t arena = " + n + "_arena_bytes(dims);\n  int32_t code;\n";
  h += "  call.struct_size = sizeof call;\n  call.inputs = inputs;\n  call.outputs = outputs;\n  call.dims = dims;\n";
  h += "  call.env = env ? env : tenon_runtime_env();\n";
  h += "  call.arena = arena > 0 ? tenon_alloc((uint64_t)arena) : 0;\n  if (arena > 0 && !call.arena) return "
       "TENON_NO_MEMORY;\n";
  h += "  if (tenon_cpu_level() < " + std::to_string(m.level) + ") code = TENON_BAD_CPU;\n  else code = " + n +
       "(&call);\n";
  h += "  if (arena > 0) tenon_free(call.arena, (uint64_t)arena);\n  return code;\n}\n\n";
  return h;
}

// What the typed function takes, in words.
std::string parameters_text(const runtime::Manifest& m, const std::vector<std::string>& names, const Symbols& symbols) {
  std::string h = "/* The same with one typed parameter each.";
  for (size_t i = 0; i < m.inputs.size(); ++i)
    h += "\n *   in" + std::to_string(i) + ": " + ir::to_string(m.inputs[i], &symbols) + ", " + in_comment(names.at(i));
  for (size_t i = 0; i < m.outputs.size(); ++i)
    h += "\n *   out" + std::to_string(i) + ": " + ir::to_string(m.outputs[i], &symbols);
  for (auto [i, o] : m.aliases)
    h += "\n * in" + std::to_string(i) + " and out" + std::to_string(o) + " must be the same memory, or in" +
         std::to_string(i) + "'s content must be in out" + std::to_string(o) + " already.";
  return h + " */\n";
}

// The function that takes one typed parameter for each argument.
std::string typed_function(const runtime::Manifest& m, const std::vector<std::string>& dims) {
  const std::string& n = m.entry;
  std::string h = "static inline int32_t " + n + "_typed(";
  std::string in, out, parameters;
  for (size_t i = 0; i < m.inputs.size(); ++i) {
    parameters +=
        std::string(parameters.empty() ? "" : ", ") + "const " + c_type(m.inputs[i].dtype) + "* in" + std::to_string(i);
    in += (i ? ", in" : "in") + std::to_string(i);
  }
  for (size_t i = 0; i < m.outputs.size(); ++i) {
    parameters +=
        std::string(parameters.empty() ? "" : ", ") + c_type(m.outputs[i].dtype) + "* out" + std::to_string(i);
    out += (i ? ", out" : "out") + std::to_string(i);
  }
  std::string values;
  for (const std::string& name : dims) {
    const std::string d = parameter_name(name, n);
    parameters += std::string(parameters.empty() ? "" : ", ") + "int64_t " + d;
    values += (values.empty() ? "" : ", ") + d;
  }
  h += parameters.empty() ? "void) {\n" : parameters + ") {\n";
  h += "  const void* const inputs[] = {" + (in.empty() ? std::string("0") : in) + "};\n  void* const outputs[] = {" +
       (out.empty() ? std::string("0") : out) + "};\n";
  if (!values.empty()) h += "  const int64_t dims[] = {" + values + "};\n";
  h += "  return " + n + "_run(inputs, outputs, " + (values.empty() ? "0" : "dims") + ", 0);\n}\n";
  return h;
}

}  // namespace

bool is_keyword(const std::string& word) { return keywords.find(' ' + word + ' ') != std::string_view::npos; }

std::string header(const runtime::Manifest& m, const std::vector<std::string>& names) {
  std::vector<std::string> dims;
  const Symbols symbols = symbols_of(m, dims);
  return opening(m) + run_function(m) + parameters_text(m, names, symbols) + typed_function(m, dims) +
         "\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
}

}  // namespace tenon::aot
