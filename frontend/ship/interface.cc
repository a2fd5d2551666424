// Leaves by name. A name that is taken in its scope, by another path or by the header itself, gets a number.
#include "tenon/frontend/ship/interface.h"

#include "tenon/frontend/ship/names.h"

namespace tenon::aot {
namespace {

std::string join(const std::string& tree, const std::string& path) {
  if (path.empty()) return tree;
  return path[0] == '[' ? tree + path : tree + "." + path;
}

// The leaves of one tree at the given paths.
Tree add_tree(std::string name, const std::vector<std::string>& paths, const std::vector<ir::Type>& types,
              std::vector<Leaf>& leaves, Scope& scope, const std::string& prefix) {
  Tree tree{std::move(name), leaves.size(), paths.size(), paths.size() == 1 && paths[0].empty()};
  Scope members;
  for (const std::string& path : paths) {
    const std::string member = tree.alone ? "" : members.unique(identifier_of(path));
    std::string full = scope.unique(tree.alone ? tree.name : prefix + member);
    leaves.push_back({types.at(leaves.size()), join(tree.name, path), std::move(full), member});
  }
  return tree;
}

void name_extents(Interface& program, Scope& parameters) {
  program.symbols = Symbols::of(program.manifest.symbols);  // so that types can be spelled
  for (const Symbol& s : program.manifest.symbols)
    if (s.kind == SymbolKind::free)
      program.extents.push_back({s.name, parameters.unique(identifier_of(s.name)), s.lower, s.upper});
}

}  // namespace

void name_leaves(Interface& program, const std::vector<std::vector<detail::TreeItem>>& arguments,
                 const std::vector<std::string>& results, const std::vector<std::string>& names) {
  const std::string& entry = program.manifest.entry;
  Scope parameters, inputs, outputs;
  // What the functions of the headers call their own.
  for (const char* own :
       {"inputs", "outputs", "dims", "env", "sizes", "code", "call", "arena", "spans", "program", "fault", "caller"})
    parameters.take(own);
  for (const char* own : {"", "_run", "_typed", "_sizes", "_arena_bytes", "_message"}) parameters.take(entry + own);
  for (size_t n = 0; n < arguments.size(); ++n) {
    std::vector<std::string> paths;
    for (const detail::TreeItem& item : arguments[n])
      if (item.tag == 't') paths.push_back(item.path);
    if (paths.empty()) continue;
    std::string name = parameters.unique(n < names.size() ? names[n] : "in" + std::to_string(n));
    const std::string prefix = name + "_";
    program.arguments.push_back(
        add_tree(std::move(name), paths, program.manifest.inputs, program.inputs, inputs, prefix));
  }
  program.result = add_tree(parameters.unique("out"), results, program.manifest.outputs, program.outputs, outputs, "");
  name_extents(program, parameters);
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
    case DType::c64: return "float";  // two a number, the real part first
    case DType::c128: return "double";
  }
  return "void";
}

std::string in_comment(std::string text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const bool ends = i > 0 && text[i] == '/' && text[i - 1] == '*',
               begins = i > 0 && text[i] == '*' && text[i - 1] == '/';
    // A backslash at the end would join lines.
    if (static_cast<unsigned char>(text[i]) < ' ' || text[i] == '\\' || ends || begins) text[i] = '?';
  }
  return text;
}

// Bytes that are no ASCII text become spaces: what a file's name may hold need not be UTF-8.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c < ' ' || c > '~' ? ' ' : c;
  }
  return out + '"';
}

}  // namespace tenon::aot
