// The C header of a saved program: its entry, the sizes of its buffers, a struct for each tree, and the functions that call it.
// It compiles without a warning as C11 and as C++17. A program for a GPU is loaded first, and its functions take what was loaded.
// Refuses to write files.
#include <algorithm>

#include "tenon/frontend/ship/interface.h"
#include "tenon/frontend/ship/names.h"
#include "tenon/runtime/targets.h"

namespace tenon::aot {
namespace {

class Header {
 public:
  Header(const Interface& program, bool on_gpu)
      : p_(program), m_(program.manifest), n_(program.manifest.entry), on_gpu_(on_gpu) {
    for (const char* own : {"", "_arena_bytes", "_inputs", "_outputs", "_input_bytes", "_output_bytes", "_sizes",
                            "_run", "_typed", "_message", "_bundle", "_bundle_bytes", "_load"})
      scope_.take(n_ + own);
  }
  std::string text() {
    opening();
    numbers();
    sizes();
    on_gpu_ ? run_on_gpu() : run();
    structs();
    typed();
    messages();
    return std::move(h_) + "\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
  }

 private:
  void opening() {
    h_ = "/* " + n_ + ": a program compiled by Tenon for " + p_.target + ". Link with " + n_ +
         ".o, the tenon_runtime library, and pthreads.\n" +
         (on_gpu_ ? " * Buffers lie on the GPU (tenon_cuda_allocate), dense and row-major, aligned to 16 bytes; 0 is "
                    "success, "
                    "anything else a code that\n * "
                  : " * Buffers are dense and row-major, aligned to their element; 0 is success, anything else a code "
                    "that\n "
                    "* ") +
         n_ + "_message explains.";
    for (size_t i = 0; i < p_.inputs.size(); ++i) line(p_.inputs[i], "input", i);
    for (size_t i = 0; i < p_.outputs.size(); ++i) line(p_.outputs[i], "output", i);
    for (const auto& [i, o] : m_.aliases)
      h_ += "\n * " + p_.inputs[i].name + " and " + p_.outputs[o].name +
            " must be the same memory, or the content of " + p_.inputs[i].name + " must be in " + p_.outputs[o].name +
            " already.";
    h_ += " */\n#ifndef TENON_PROGRAM_" + n_ + "_H\n#define TENON_PROGRAM_" + n_ + "_H\n\n" +
          "#include <tenon/runtime/" + (on_gpu_ ? "tenon_cuda.h" : "tenon_runtime.h") +
          ">\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
    if (on_gpu_)
      h_ += "extern const unsigned char " + n_ + "_bundle[]; /* " + n_ + ".bundle, in " + n_ + ".o */\n" +
            "extern const uint64_t " + n_ + "_bundle_bytes;\n\n";
    else
      h_ += "int32_t " + n_ + "(const tenon_call* call);\n" +
            "/* What the arena must hold; a negative code where no call with these extents can be right. */\n" +
            "int64_t " + n_ + "_arena_bytes(const int64_t* dims);\n\n";
  }

  void line(const Leaf& leaf, const char* what, size_t number) {
    h_ += "\n *   " + std::string(what) + " " + std::to_string(number) + ", " + leaf.name + ": " +
          ir::to_string(leaf.type, &p_.symbols) + ", " + in_comment(leaf.path);
  }

  void numbers() {
    h_ += "enum { " + n_ + "_inputs = " + std::to_string(p_.inputs.size()) + ", " + n_ +
          "_outputs = " + std::to_string(p_.outputs.size()) + " };\n";
    const auto list = [&](const char* what, const std::vector<Leaf>& leaves) {
      std::string names;
      for (size_t i = 0; i < leaves.size(); ++i)
        names +=
            std::string(i ? ",\n  " : "  ") + scope_.unique(n_ + what + leaves[i].name) + " = " + std::to_string(i);
      if (!leaves.empty()) h_ += "enum {\n" + names + "\n};\n";
    };
    list("_in_", p_.inputs);
    list("_out_", p_.outputs);
    const auto table = [&](const char* what, const std::vector<Leaf>& leaves) {
      h_ += "static const uint64_t " + n_ + what + "_bytes[] = {";
      for (size_t i = 0; i < leaves.size(); ++i) h_ += (i ? ", " : "") + static_bytes(leaves[i].type);
      h_ += leaves.empty() ? "0};\n" : "};\n";
    };
    table("_input", p_.inputs);
    table("_output", p_.outputs);
  }

  static std::string static_bytes(const ir::Type& type) {
    if (!type.shape.is_static()) return "0u /* see the sizes */";
    return std::to_string(type.shape.numel() * bytes(type.dtype)) + "u";
  }

  // An extent in C. The entry has been asked before, so nothing overflows.
  static std::string extent(Dim d) {
    return d.is_number() ? std::to_string(d.number()) : "d" + std::to_string(d.index());
  }

  void symbols() {
    size_t free = 0;
    for (size_t k = 0; k < m_.symbols.size(); ++k) {
      const Symbol& s = m_.symbols[k];
      const std::string a = extent(s.left), b = extent(s.right);
      std::string value;
      switch (s.kind) {
        case SymbolKind::free: value = "dims[" + std::to_string(free++) + "]"; break;
        case SymbolKind::sum: value = a + " + " + b; break;
        case SymbolKind::difference: value = a + " - " + b; break;
        case SymbolKind::product: value = a + " * " + b; break;
        case SymbolKind::quotient: value = b + " == 0 ? 0 : " + a + " / " + b; break;
        case SymbolKind::maximum: value = a + " > " + b + " ? " + a + " : " + b; break;
      }
      h_ += "  const int64_t d" + std::to_string(k) + " = " + value + ";\n";
    }
    for (size_t k = 0; k < m_.symbols.size(); ++k) h_ += "  (void)d" + std::to_string(k) + ";\n";
  }

  void sizes() {
    h_ += "\n/* The bytes of each input and output at these extents; either array may be null. */\n" +
          std::string("static inline int32_t ") + n_ + "_sizes(" + first_parameter() +
          "const int64_t* dims, uint64_t* inputs, uint64_t* outputs) {\n";
    if (on_gpu_)
      h_ += "  const int64_t arena = program != NULL ? tenon_cuda_arena_bytes(program, dims) : TENON_BAD_CALL;\n";
    else
      h_ += "  const uint64_t needs = " + runtime::feature_expression(m_.needs) + ";\n  int64_t arena;\n" +
            "  if ((tenon_cpu_features() & needs) != needs) return TENON_BAD_CPU;\n  arena = " + n_ +
            "_arena_bytes(dims);\n";
    h_ += "  if (arena < 0) return (int32_t)arena;\n  {\n";
    symbols();
    const auto fill = [&](const char* array, const std::vector<Leaf>& leaves) {
      h_ += std::string("  if (") + array + " != NULL) {\n";
      for (size_t i = 0; i < leaves.size(); ++i) {
        h_ += std::string("    ") + array + "[" + std::to_string(i) +
              "] = " + std::to_string(bytes(leaves[i].type.dtype)) + "u";
        for (Dim d : leaves[i].type.shape) h_ += " * (uint64_t)" + (d.is_number() ? extent(d) + "u" : extent(d));
        h_ += ";\n";
      }
      h_ += "  }\n";
    };
    fill("inputs", p_.inputs);
    fill("outputs", p_.outputs);
    h_ += "  }\n  return TENON_OK;\n}\n";
  }

  const char* first_parameter() const { return on_gpu_ ? "tenon_cuda_program* program, " : ""; }

  bool calls_host() const {
    return std::any_of(m_.checks.begin(), m_.checks.end(), [](const auto& c) { return !c.custom_call.empty(); });
  }

  // Loading, and the function that takes the arguments as arrays of addresses on the device.
  void run_on_gpu() {
    const std::string custom = calls_host() ? "resolve, context" : "NULL, NULL";
    h_ +=
        "\n/* Brings the program to a GPU, for as many calls as one likes; tenon_cuda_unload takes it away. fault may "
        "be "
        "null. */\n" +
        std::string("static inline int32_t ") + n_ + "_load(tenon_cuda_device* device, " +
        (calls_host() ? "tenon_custom (*resolve)(void* context, const char* name), void* context, " : "") +
        "tenon_cuda_program** program, tenon_cuda_fault* fault) {\n  return tenon_cuda_load_bundle(device, " +
        quoted(n_) + ", " + n_ + "_bundle, " + n_ + "_bundle_bytes, " + custom + ", program, fault);\n}\n" +
        "\n/* All inputs and outputs in order, on the program's device. The call is queued; tenon_cuda_synchronize or "
        "a copy "
        "to the host waits\n * for it. fault may be null. */\n" +
        "static inline int32_t " + n_ +
        "_run(tenon_cuda_program* program, const void* const* inputs, void* const* outputs, const int64_t* dims, "
        "tenon_cuda_fault* fault) {\n" +
        "  const tenon_cuda_caller caller = {" + quoted(n_) + ", NULL, 0, 0};\n" +
        "  tenon_call call;\n  call.struct_size = sizeof call;\n  call.inputs = inputs;\n  call.outputs = outputs;\n" +
        "  call.arena = NULL;\n  call.dims = dims;\n  call.env = NULL;\n  call.error = NULL;\n" +
        "  return tenon_cuda_run(program, &call, &caller, NULL, fault);\n}\n";
  }

  // The function that takes the arguments as arrays.
  void run() {
    const std::string count = std::to_string(std::max<size_t>(1, p_.inputs.size() + p_.outputs.size()));
    std::string donated;
    for (const auto& [i, o] : m_.aliases)
      donated += "  sizes[" + std::to_string(i) + "] = 0; /* shares an output's memory */\n";
    h_ +=
        "\n/* All inputs and outputs in order. Allocates the arena from tenon_alloc. env may be null: the process-wide "
        "pool.\n * Every misuse that can be seen from outside is answered by a code; nothing is written then. */\n" +
        std::string("static inline int32_t ") + n_ +
        "_run(const void* const* inputs, void* const* outputs, const int64_t* dims, const tenon_env* env) {\n" +
        "  uint64_t sizes[" + count + "];\n" + "  tenon_span spans[" + count +
        "];\n  tenon_call call;\n  int64_t arena;\n  int32_t code;\n" + "  code = " + n_ +
        "_sizes(dims, sizes, sizes + " + std::to_string(p_.inputs.size()) +
        ");\n  if (code != TENON_OK) return code;\n" + donated + "  code = tenon_check_buffers(inputs, sizes, " +
        std::to_string(p_.inputs.size()) + ", outputs, sizes + " + std::to_string(p_.inputs.size()) + ", " +
        std::to_string(p_.outputs.size()) + ", spans);\n  if (code != TENON_OK) return code;\n" + "  arena = " + n_ +
        "_arena_bytes(dims);\n" +
        "  call.struct_size = sizeof call;\n  call.inputs = inputs;\n  call.outputs = outputs;\n  call.dims = dims;\n" +
        "  call.env = env != NULL ? env : tenon_runtime_env();\n  call.error = NULL;\n  call.arena = NULL;\n" +
        "  if (arena > 0) {\n    call.arena = tenon_alloc((uint64_t)arena);\n    if (call.arena == NULL) return "
        "TENON_NO_MEMORY;\n  }\n" +
        "  code = " + n_ + "(&call);\n  if (arena > 0) tenon_free(call.arena, (uint64_t)arena);\n  return code;\n}\n";
  }

  void structure(const Tree& tree, const std::vector<Leaf>& leaves, bool inputs) {
    if (tree.alone || tree.count == 0) return;
    const std::string name = scope_.unique(n_ + "_" + tree.name);
    struct_names_.emplace_back(&tree, name);
    h_ += "\ntypedef struct " + name + " {\n";
    for (size_t i = tree.first; i < tree.first + tree.count; ++i)
      h_ += std::string("  ") + (inputs ? "const " : "") + c_type(leaves[i].type.dtype) + "* " + leaves[i].member +
            "; /* " + ir::to_string(leaves[i].type, &p_.symbols) + " */\n";
    h_ += "} " + name + ";\n";
  }
  void structs() {
    for (const Tree& tree : p_.arguments) structure(tree, p_.inputs, true);
    structure(p_.result, p_.outputs, false);
  }
  std::string struct_of(const Tree& tree) const {
    for (const auto& [known, name] : struct_names_)
      if (known == &tree) return name;
    return {};
  }

  // The function that takes one typed parameter for each argument.
  void typed() {
    std::string parameters = on_gpu_ ? "tenon_cuda_program* program" : "", null, in, out;
    const auto add = [&](const Tree& tree, const std::vector<Leaf>& leaves, bool inputs, std::string& list) {
      if (tree.count == 0) return;
      const std::string type = tree.alone ? c_type(leaves[tree.first].type.dtype) : struct_of(tree);
      parameters += std::string(parameters.empty() ? "" : ", ") + (inputs || !tree.alone ? "const " : "") + type +
                    "* " + tree.name;
      if (!tree.alone) null += std::string(null.empty() ? "" : " || ") + tree.name + " == NULL";
      for (size_t i = tree.first; i < tree.first + tree.count; ++i)
        list += std::string(list.empty() ? "" : ", ") + tree.name + (tree.alone ? "" : "->" + leaves[i].member);
    };
    for (const Tree& tree : p_.arguments) add(tree, p_.inputs, true, in);
    add(p_.result, p_.outputs, false, out);
    std::string values;
    for (const Extent& e : p_.extents) {
      parameters += std::string(parameters.empty() ? "" : ", ") + "int64_t " + e.parameter;
      values += (values.empty() ? "" : ", ") + e.parameter;
    }
    if (on_gpu_) parameters += ", tenon_cuda_fault* fault";
    h_ += std::string("\n/* The same with one typed parameter for each argument, a struct where it is a tree") +
          (on_gpu_ ? "" : ", on the process-wide pool") + ". */\n";
    h_ += "static inline int32_t " + n_ + "_typed(" + (parameters.empty() ? "void" : parameters) + ") {\n";
    const std::string pad = "    ";
    if (!null.empty()) h_ += "  if (" + null + ") return TENON_BAD_CALL;\n";
    h_ += "  {\n" + pad + "const void* inputs[" + std::to_string(std::max<size_t>(1, p_.inputs.size())) + "];\n" + pad +
          "void* outputs[" + std::to_string(std::max<size_t>(1, p_.outputs.size())) + "];\n";
    if (!values.empty()) h_ += pad + "int64_t dims[" + std::to_string(p_.extents.size()) + "];\n";
    fill("inputs", in);
    fill("outputs", out);
    fill("dims", values);
    h_ += pad + "return " + n_ + "_run(" + (on_gpu_ ? "program, " : "") + "inputs, outputs, " +
          (values.empty() ? "NULL" : "dims") + (on_gpu_ ? ", fault" : ", NULL") + ");\n  }\n}\n";
  }

  // One assignment for each item of a list: C allows no initialiser that is not constant in an older dialect, and warns.
  void fill(const char* array, const std::string& list) {
    if (list.empty() && std::string(array) != "dims") h_ += std::string("    ") + array + "[0] = NULL;\n";
    size_t at = 0;
    for (int number = 0; at < list.size(); ++number) {
      const size_t end = std::min(list.find(", ", at), list.size());
      h_ += std::string("    ") + array + "[" + std::to_string(number) + "] = " + list.substr(at, end - at) + ";\n";
      at = end + 2;
    }
  }

  void messages() {
    h_ +=
        "\n/* What a code says, in English: of a check that failed what it says, and where it stands in the C++ "
        "program. */\n" +
        std::string("static inline const char* ") + n_ + "_message(int32_t code) {\n";
    for (size_t k = 0; k < p_.checks.size(); ++k)
      h_ += "  if (code == " + std::to_string(k + 1) + ") return " + quoted(p_.checks[k]) + ";\n";
    h_ += "  return tenon_message(code);\n}\n";
  }

  const Interface& p_;
  const runtime::Manifest& m_;
  const std::string n_;
  const bool on_gpu_;
  Scope scope_;  // of the file
  std::vector<std::pair<const Tree*, std::string>> struct_names_;
  std::string h_;
};

}  // namespace

std::string c_header(const Interface& program) { return Header(program, false).text(); }
std::string cuda_header(const Interface& program) { return Header(program, true).text(); }

}  // namespace tenon::aot
