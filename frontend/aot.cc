// Writes a compiled program as an object file, a C header and, if asked, an archive. The object is the artifact's own: the
// same bytes that jit would link for the same target.
#include "tenon/frontend/aot.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tenon/frontend/cell.h"
#include "tenon/frontend/jit_entry.h"
#include "tenon/ir/build.h"

namespace tenon::aot {
namespace {

void write_file(const std::filesystem::path& path, const std::string& bytes, const Location& at) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw Error("aot::save: cannot write " + path.string(), at);
}

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

// names: where each input stands among the arguments.
// Words that C or C++ keeps for itself, so that neither a function nor a parameter can be called so.
bool is_keyword(const std::string& word) {
  static constexpr std::string_view words[] = {"alignas",
                                               "alignof",
                                               "and",
                                               "and_eq",
                                               "asm",
                                               "auto",
                                               "bitand",
                                               "bitor",
                                               "bool",
                                               "break",
                                               "case",
                                               "catch",
                                               "char",
                                               "class",
                                               "co_await",
                                               "co_return",
                                               "co_yield",
                                               "compl",
                                               "concept",
                                               "const",
                                               "const_cast",
                                               "consteval",
                                               "constexpr",
                                               "constinit",
                                               "continue",
                                               "decltype",
                                               "default",
                                               "delete",
                                               "do",
                                               "double",
                                               "dynamic_cast",
                                               "else",
                                               "enum",
                                               "explicit",
                                               "export",
                                               "extern",
                                               "false",
                                               "float",
                                               "for",
                                               "friend",
                                               "goto",
                                               "if",
                                               "inline",
                                               "int",
                                               "long",
                                               "main",
                                               "mutable",
                                               "namespace",
                                               "new",
                                               "noexcept",
                                               "not",
                                               "not_eq",
                                               "nullptr",
                                               "operator",
                                               "or",
                                               "or_eq",
                                               "private",
                                               "protected",
                                               "public",
                                               "register",
                                               "reinterpret_cast",
                                               "requires",
                                               "restrict",
                                               "return",
                                               "short",
                                               "signed",
                                               "sizeof",
                                               "static",
                                               "static_assert",
                                               "static_cast",
                                               "struct",
                                               "switch",
                                               "template",
                                               "this",
                                               "thread_local",
                                               "throw",
                                               "true",
                                               "try",
                                               "typedef",
                                               "typeid",
                                               "typename",
                                               "typeof",
                                               "union",
                                               "unsigned",
                                               "using",
                                               "virtual",
                                               "void",
                                               "volatile",
                                               "while",
                                               "xor",
                                               "xor_eq"};
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

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

std::string header(const runtime::Manifest& m, const std::vector<std::string>& names) {
  Symbols symbols;
  std::vector<std::string> dims;
  for (const Symbol& s : m.symbols) {
    if (s.kind == SymbolKind::free) {
      symbols.add(s.name, s.lower, s.upper);
      dims.push_back(s.name);
      continue;
    }
    switch (s.kind) {
      case SymbolKind::sum: symbols.sum(s.left, s.right); break;
      case SymbolKind::difference: symbols.difference(s.left, s.right); break;
      case SymbolKind::product: symbols.product(s.left, s.right); break;
      case SymbolKind::quotient: symbols.quotient(s.left, s.right); break;
      default: symbols.maximum(s.left, s.right); break;
    }
  }
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
  h += "\n/* All inputs and outputs in order. Allocates the arena from tenon_alloc. env may be null: the process-wide "
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
  h += "/* The same with one typed parameter each.";
  for (size_t i = 0; i < m.inputs.size(); ++i)
    h += "\n *   in" + std::to_string(i) + ": " + ir::to_string(m.inputs[i], &symbols) + ", " + in_comment(names.at(i));
  for (size_t i = 0; i < m.outputs.size(); ++i)
    h += "\n *   out" + std::to_string(i) + ": " + ir::to_string(m.outputs[i], &symbols);
  for (auto [i, o] : m.aliases)
    h += "\n * in" + std::to_string(i) + " and out" + std::to_string(o) + " must be the same memory, or in" +
         std::to_string(i) + "'s content must be in out" + std::to_string(o) + " already.";
  h += " */\nstatic inline int32_t " + n + "_typed(";
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
  h += "  return " + n + "_run(inputs, outputs, " + (values.empty() ? "0" : "dims") +
       ", 0);\n}\n\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
  return h;
}

// A System V archive of one object with its symbol index, so that linkers need no ranlib.
std::string archive(const std::string& name, const std::string& object) {
  const auto member = [](const std::string& title, size_t size) {
    char text[61];
    std::snprintf(text, sizeof text, "%-16s%-12d%-6d%-6d%-8s%-10zu`\n", title.c_str(), 0, 0, 0, "644", size);
    return std::string(text, 60);
  };
  const std::string symbols[] = {name, name + "_arena_bytes"};
  std::string names;
  for (const std::string& s : symbols) names += s + '\0';
  std::string index(4 + 4 * 2, '\0');
  const size_t index_size = index.size() + names.size();
  const size_t offset = 8 + 60 + index_size + index_size % 2;
  const auto big_endian = [&](size_t at, size_t v) {
    for (int b = 0; b < 4; ++b) index[at + static_cast<size_t>(b)] = static_cast<char>(v >> (24 - 8 * b));
  };
  big_endian(0, 2), big_endian(4, offset), big_endian(8, offset);
  std::string out = "!<arch>\n" + member("/", index_size) + index + names;
  if (index_size % 2) out += '\n';
  out += member((name.size() > 12 ? name.substr(0, 12) : name) + ".o/", object.size()) + object;
  if (object.size() % 2) out += '\n';
  return out;
}

}  // namespace

void save(const Lowered& lowered, const SaveOptions& options) {
  const Location at = place(options.at);
  bool good =
      !options.name.empty() && options.name.size() <= 200 && !(options.name[0] >= '0' && options.name[0] <= '9');
  for (char c : options.name)
    good = good && (c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
  good = good && !is_keyword(options.name) && !options.name.starts_with("__") && !options.name.starts_with("tenon_");
  if (!good)
    throw Error(
        "aot::save: .name is a C identifier of at most 200 characters, no word of C or C++, and does not begin " +
            std::string("with __ or tenon_, unlike '") + options.name.substr(0, 200) + "'",
        at);
  const detail::JitEntry& entry = *lowered.entry();
  // Small captured tensors become constants of the program; a large one must be passed, so that it is not frozen by accident.
  const ir::Graph& traced = *entry.program.graph;
  ir::GraphBuilder builder(options.name, traced.symbols);
  std::vector<ir::ValueId> inputs;
  for (uint32_t i = 0; i < entry.program.arguments; ++i)
    inputs.push_back(builder.input(traced.type(ir::ValueId{i}), traced.input_note(i)));
  for (const Tensor& t : entry.program.captured) {
    const auto& buffer = buffer_of(t, "aot::save", at);
    if (buffer->size() > 64)
      throw Error("aot::save: the function captured " + describe(t) +
                      "; pass it as an argument, so that the saved program takes it as an input",
                  at);
    inputs.push_back(
        ir::constant(builder, t.dtype(), t.shape(),
                     std::string(static_cast<const char*>(buffer->data()), static_cast<size_t>(buffer->size())))
            .id);
  }
  const std::vector<ir::ValueId> outputs = builder.splice(traced, inputs);
  runtime::CompileOptions compile;
  compile.entry = options.name;
  compile.donations = entry.donations;
  compile.fuse = entry.fuse;
  compile.portable = !options.native;
  compile.parts = 1;
  const runtime::Artifact artifact = runtime::compile_artifact(*builder.finish(outputs), compile);

  const std::filesystem::path folder(options.out);
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  write_file(folder / (options.name + ".o"), artifact.objects.at(0), at);
  write_file(folder / (options.name + ".h"), header(artifact.manifest, entry.plain.inputs), at);
  if (options.archive) write_file(folder / (options.name + ".a"), archive(options.name, artifact.objects.at(0)), at);
}

}  // namespace tenon::aot
