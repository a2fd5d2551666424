// The C++ header of a saved program: one function over spans, above the C header. It compiles without a warning as C++17.
// Errors are exceptions here, for in C++ a code that nobody looks at is an error that nobody sees; whoever wants codes calls the C
// functions. Refuses to write files.
#include <algorithm>

#include "tenon/frontend/ship/interface.h"
#include "tenon/frontend/ship/names.h"

namespace tenon::aot {
namespace {

constexpr const char* span = "::tenon::program::Span<";

std::string element(DType t) { return is_complex(t) ? "::std::complex<" + std::string(c_type(t)) + ">" : c_type(t); }

std::string span_of(const Leaf& leaf, bool input) {
  return span + std::string(input ? "const " : "") + element(leaf.type.dtype) + ">";
}

std::string structure(const Tree& tree, const std::vector<Leaf>& leaves, bool inputs, const std::string& name,
                      const Symbols& symbols) {
  std::string h = "struct " + name + " {\n";
  for (size_t i = tree.first; i < tree.first + tree.count; ++i)
    h += "  " + span_of(leaves[i], inputs) + " " + leaves[i].member + ";  // " +
         ir::to_string(leaves[i].type, &symbols) + "\n";
  return h + "};\n";
}

// The parameters, and the leaves as expressions over them.
struct Parameters {
  std::string structs, list;
  std::vector<std::string> inputs, outputs;
};

Parameters parameters_of(const Interface& p) {
  Parameters result;
  Scope types;
  types.take("run");
  const auto add = [&](const Tree& tree, const std::vector<Leaf>& leaves, bool inputs) {
    if (tree.count == 0) return;
    std::string type = span_of(leaves[tree.first], inputs);
    if (!tree.alone) {
      const std::string name = types.unique(tree.name + "_tree");
      result.structs += structure(tree, leaves, inputs, name, p.symbols);
      type = "const " + name + "&";
    }
    result.list += (result.list.empty() ? "" : ", ") + type + " " + tree.name;
    for (size_t i = tree.first; i < tree.first + tree.count; ++i)
      (inputs ? result.inputs : result.outputs).push_back(tree.name + (tree.alone ? "" : "." + leaves[i].member));
  };
  for (const Tree& tree : p.arguments) add(tree, p.inputs, true);
  add(p.result, p.outputs, false);
  for (const Extent& e : p.extents)
    result.list += std::string(result.list.empty() ? "" : ", ") + "std::int64_t " + e.parameter;
  result.list += std::string(result.list.empty() ? "" : ", ") + "const tenon_env* env = nullptr";
  return result;
}

std::string array(const std::string& type, const char* name, const std::vector<std::string>& items) {
  std::string h = "  " + type + " " + name + "[] = {";
  for (size_t i = 0; i < items.size(); ++i) h += (i ? ", " : "") + items[i];
  return h + (items.empty() ? "nullptr};\n" : "};\n");
}

}  // namespace

std::string cpp_header(const Interface& p) {
  const std::string& n = p.manifest.entry;
  const auto complex = [](const Leaf& leaf) { return is_complex(leaf.type.dtype); };
  const bool pairs = std::ranges::any_of(p.inputs, complex) || std::ranges::any_of(p.outputs, complex);
  const Parameters parameters = parameters_of(p);
  std::string h = "// " + n + ": a program compiled by Tenon, for C++17. The leaves and what they mean stand in " + n +
                  ".h.\n" + "#ifndef TENON_PROGRAM_" + n + "_HPP\n#define TENON_PROGRAM_" + n + "_HPP\n\n" +
                  "#include <tenon/runtime/tenon_program.h>\n\n" + (pairs ? "#include <complex>\n\n" : "") +
                  "#include \"" + n + ".h\"\n\nnamespace tenon::programs::" + n + " {\n\n" + parameters.structs +
                  "// Throws tenon::program::Error where the call is wrong, and whatever a custom function throws.\n" +
                  "inline void run(" + parameters.list + ") {\n";
  std::vector<std::string> in, out, dims;
  for (const std::string& leaf : parameters.inputs) in.push_back(leaf + ".data()");
  for (const std::string& leaf : parameters.outputs) out.push_back(leaf + ".data()");
  for (const Extent& e : p.extents) dims.push_back(e.parameter);
  h += array("const void* const", "inputs", in) + array("void* const", "outputs", out);
  h += dims.empty() ? "  const std::int64_t* dims = nullptr;\n" : array("const std::int64_t", "dims", dims);
  const size_t count = p.inputs.size() + p.outputs.size();
  h += "  std::uint64_t sizes[" + std::to_string(std::max<size_t>(1, count)) +
       "];\n  ::tenon::program::Caught call(env);\n" + "  std::int32_t code = ::" + n + "_sizes(dims, sizes, sizes + " +
       std::to_string(p.inputs.size()) + ");\n  call.finish(code, \"" + n + "\", ::" + n + "_message(code));\n";
  const auto expect = [&](const Leaf& leaf, const std::string& given, size_t number) {
    h += "  call.expect(\"" + n + "\", " + quoted(leaf.path) + ", " + given + ".bytes(), sizes[" +
         std::to_string(number) + "]);\n";
  };
  for (size_t i = 0; i < p.inputs.size(); ++i) expect(p.inputs[i], parameters.inputs[i], i);
  for (size_t i = 0; i < p.outputs.size(); ++i) expect(p.outputs[i], parameters.outputs[i], p.inputs.size() + i);
  h += "  code = ::" + n + "_run(inputs, outputs, dims, call.env());\n  call.finish(code, \"" + n + "\", ::" + n +
       "_message(code));\n}\n\n}  // namespace tenon::programs::" + n + "\n\n#endif\n";
  return h;
}

}  // namespace tenon::aot
