// Writes a compiled program as an object file, headers for C and C++, a manifest and, if asked, an archive. The object is the
// artifact's own, with the constants that the program captured put into it.
#include "tenon/frontend/transform/aot.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "tenon/frontend/report/lines.h"
#include "tenon/frontend/ship/interface.h"
#include "tenon/frontend/ship/names.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/cache/digest.h"
#include "tenon/runtime/targets.h"
#include "tenon/runtime/write.h"

namespace tenon::aot {
namespace {

constexpr int64_t most_inline_bytes = 64;  // of a captured tensor that becomes a constant of the graph

void write_file(const std::filesystem::path& path, const std::string& bytes, const Location& at) {
  const std::string fault = runtime::write_file(path.string(), bytes);
  if (!fault.empty()) throw Error("aot::save: cannot write " + path.string() + ": " + fault, at);
}

void check_options(const SaveOptions& options, size_t arguments, const Location& at) {
  const auto require = [&](const std::string& name, const char* what) {
    if (const std::string fault = name_fault(name); !fault.empty())
      throw Error(std::string("aot::save: ") + what + " '" + name.substr(0, 200) + "' " + fault, at);
  };
  require(options.name, ".name");
  if (options.name.ends_with("_arena_bytes") || options.name == "main")
    throw Error("aot::save: .name '" + options.name + "' is another function's in a program that links it", at);
  if (options.native && !options.target.empty() && options.target != "native")
    throw Error("aot::save: .native and .target '" + options.target + "' are two answers to one question", at);
  if (!options.arguments.empty() && options.arguments.size() != arguments)
    throw Error("aot::save: .arguments has " + std::to_string(options.arguments.size()) + " names for " +
                    std::to_string(arguments) + " arguments",
                at);
  for (size_t n = 0; n < options.arguments.size(); ++n) {
    const std::string& name = options.arguments[n];
    require(name, ".arguments has a name that cannot be a parameter's:");
    if (std::find(options.arguments.begin(), options.arguments.begin() + static_cast<std::ptrdiff_t>(n), name) !=
        options.arguments.begin() + static_cast<std::ptrdiff_t>(n))
      throw Error("aot::save: .arguments has '" + name + "' twice", at);
  }
}

// The bytes of large captured tensors, each content once.
struct Stored {
  std::vector<std::string> pieces;
  std::map<std::string, int64_t> offsets;  // by digest
  int64_t end = 0;
  Constant add(const ir::Type& type, std::string bytes) {
    Constant constant{type, runtime::hex(runtime::digest(bytes)), end, static_cast<int64_t>(bytes.size())};
    const auto [known, fresh] = offsets.try_emplace(constant.digest, end);
    constant.offset = known->second;
    if (fresh) {
      end += (constant.bytes + 63) / 64 * 64;
      pieces.push_back(std::move(bytes));
    }
    return constant;
  }
};

// The traced program over its arguments, and after them the captured tensors that lie beside the code.
std::shared_ptr<const ir::Graph> closed(const detail::JitEntry& entry, const std::string& name, Stored& stored,
                                        std::vector<Constant>& constants, const Location& at) {
  const ir::Graph& traced = *entry.program.graph;
  ir::GraphBuilder builder(name, traced.symbols);
  std::vector<ir::ValueId> inputs;
  for (uint32_t i = 0; i < entry.program.arguments; ++i)
    inputs.push_back(builder.input(traced.type(ir::ValueId{i}), traced.input_note(i)));
  std::vector<std::string> small;
  for (const Tensor& t : entry.program.captured) {
    const auto& buffer = buffer_of(t, "aot::save", at);
    std::string bytes = buffer->bytes();
    inputs.push_back(ir::no_value);
    small.emplace_back();
    if (buffer->size() <= most_inline_bytes) {
      small.back() = std::move(bytes);
      continue;
    }
    const ir::Type type{t.dtype(), t.shape()};
    constants.push_back(stored.add(type, std::move(bytes)));
    inputs.back() = builder.input(type);
  }
  for (size_t k = 0; k < small.size(); ++k)
    if (ir::ValueId& v = inputs[entry.program.arguments + k]; v == ir::no_value) {
      const Tensor& t = entry.program.captured[k];
      v = ir::constant(builder, t.dtype(), t.shape(), small[k]).id;
    }
  return builder.finish(builder.splice(traced, inputs));
}

// What the optimised graph knows of lines.
void add_lines(Interface& program, const ir::Graph& graph, TargetKind kind) {
  const auto optimised = passes::optimize(graph, kind);
  const ir::Levels levels(*optimised);
  for (const runtime::KernelRecord& k : program.manifest.kernels)
    program.kernel_lines.push_back(lines_of(levels, k.nodes));
  for (const ir::FusionNote& n : program.manifest.not_fused)
    program.not_fused.push_back(describe_node(levels, n.producer) + " -> " + describe_node(levels, n.consumer) + ": " +
                                n.reason);
  for (const runtime::CheckRecord& c : program.manifest.checks) {
    if (c.custom_call.empty()) {
      program.checks.push_back(c.message +
                               (c.place.empty() ? "" : " (" + c.place.substr(c.place.rfind('/') + 1) + ")"));
      continue;
    }
    const Location where = location_of(levels, c.node);
    program.checks.push_back("the custom call '" + c.custom_call + "'" +
                             (where.known() ? " (" + file_line(where) + ")" : "") + " failed");
  }
}

}  // namespace

void save(const Lowered& lowered, const SaveOptions& options) try {
  const FloatEnvironment standard;
  const Location at = place(options.at);
  const detail::JitEntry& entry = *lowered.entry();
  check_options(options, entry.arguments->size(), at);
  Interface program;
  program.target = options.native ? "native" : options.target.empty() ? "x86-64-v3" : options.target;
  Stored stored;
  runtime::CompileOptions compile;
  compile.target = runtime::named_target(program.target);
  const bool for_gpu = compile.target->kind() == TargetKind::cuda;
  if (for_gpu) {
    program.triple = "nvptx64-nvidia-cuda";
    program.processor = program.target;
  } else {
    const CpuTarget& cpu = compile.target->cpu();
    program.triple = cpu.triple;
    program.processor = cpu.tune.empty() ? cpu.cpu : cpu.tune;
  }
  std::shared_ptr<const ir::Graph> graph = closed(entry, options.name, stored, program.constants, at);
  if (entry.check_nans) graph = passes::check_nans(*graph);
  compile.entry = options.name;
  compile.donations = entry.donations;
  compile.fuse = entry.fuse;
  compile.parts = 1;
  for (const Constant& c : program.constants) compile.stored.push_back(c.offset);
  runtime::Artifact artifact = runtime::compile_artifact(*graph, compile);
  if (!stored.pieces.empty()) artifact.put_constants(stored.pieces);
  program.manifest = artifact.manifest;
  name_leaves(program, *entry.arguments, entry.results, options.arguments);
  add_lines(program, *graph, compile.target->kind());

  const std::filesystem::path folder(options.out);
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  const auto write = [&](const char* ending, const std::string& bytes) {
    write_file(folder / (options.name + ending), bytes, at);
  };
  if (for_gpu) {
    const std::string bundle = artifact.bundle(compile.target->cuda().sm);
    artifact.objects = {runtime::data_object(options.name + "_bundle", bundle)};
    write(".bundle", bundle);
    write(".h", cuda_header(program));
  } else {
    write(".h", c_header(program));
    write(".hpp", cpp_header(program));
  }
  write(".o", artifact.objects.at(0));
  write(".json", manifest_json(program));
  if (options.archive) write(".a", artifact.archive());
} catch (...) {
  leave_with_error("aot::save", place(options.at));
}

}  // namespace tenon::aot
