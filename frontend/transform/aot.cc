// Writes a compiled program as an object file, a C header and, if asked, an archive. The object is the artifact's own: the
// same bytes that jit would link for the same target.
#include "tenon/frontend/transform/aot.h"

#include <cstring>
#include <filesystem>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/transform/c_header.h"
#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/ir/graph/build.h"
#include "tenon/runtime/write.h"

namespace tenon::aot {
namespace {

void write_file(const std::filesystem::path& path, const std::string& bytes, const Location& at) {
  const std::string fault = runtime::write_file(path.string(), bytes);
  if (!fault.empty()) throw Error("aot::save: cannot write " + path.string() + ": " + fault, at);
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
    inputs.push_back(ir::constant(builder, t.dtype(), t.shape(), buffer->bytes()).id);
  }
  const std::vector<ir::ValueId> outputs = builder.splice(traced, inputs);
  runtime::CompileOptions compile;
  compile.entry = options.name;
  compile.donations = entry.donations;
  compile.fuse = entry.fuse;
  compile.target = options.native ? runtime::device_of(TargetKind::cpu).target() : Target::portable();
  compile.parts = 1;
  const runtime::Artifact artifact = runtime::compile_artifact(*builder.finish(outputs), compile);

  const std::filesystem::path folder(options.out);
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  write_file(folder / (options.name + ".o"), artifact.objects.at(0), at);
  write_file(folder / (options.name + ".h"), header(artifact.manifest, entry.plain.inputs), at);
  if (options.archive) write_file(folder / (options.name + ".a"), artifact.archive(), at);
}

}  // namespace tenon::aot
