// Writes a compiled program as an object file, a C header and, if asked, an archive. The object is the artifact's own: the
// same bytes that jit would link for the same target.
#include "tenon/frontend/aot.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tenon/frontend/c_header.h"
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
    inputs.push_back(ir::constant(builder, t.dtype(), t.shape(), buffer->bytes()).id);
  }
  const std::vector<ir::ValueId> outputs = builder.splice(traced, inputs);
  runtime::CompileOptions compile;
  compile.entry = options.name;
  compile.donations = entry.donations;
  compile.fuse = entry.fuse;
  if (!options.native) compile.target = Target::portable();
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
