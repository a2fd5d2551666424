// The routes: read back from text, after the graph passes, fused, op by op, from the disk cache, as a saved program.
#include "tenon/tests/routes.h"

#include <algorithm>

#include "tenon/passes/pass.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/device.h"
#include "tenon/tests/fenced.h"
#include "tenon/tests/program_shrink.h"

namespace tenon::testing {

using namespace ir;

namespace {

using Arrays = std::vector<Array>;

using GraphPtr = std::shared_ptr<const Graph>;

Runnable by_text(const GraphPtr& graph) {
  const std::string text = graph->text();
  const GraphPtr read = parse(text);
  if (read->text() != text) throw InternalError("the text changed on its way:\n" + text + read->text());
  return [read](std::span<const Array> inputs) { return interpret(*read, inputs); };
}

Runnable by_passes(const GraphPtr& graph) {
  const std::vector<std::string> names = {"inline_calls", "simplify", "decompose", "simplify", "dce"};
  return
      [after = passes::run_passes(*graph, names)](std::span<const Array> inputs) { return interpret(*after, inputs); };
}

Runnable fenced(const GraphPtr& graph, std::shared_ptr<const runtime::Executable> executable) {
  return [graph, executable](std::span<const Array> inputs) {
    return run_fenced(*executable, inputs, dims_of(*graph, Arrays(inputs.begin(), inputs.end())));
  };
}

Runnable compiled(const GraphPtr& graph, const runtime::CompileOptions& options) {
  return fenced(graph, runtime::compile(*graph, options));
}

Runnable fused(const GraphPtr& graph) { return compiled(graph, {}); }

// Every op in a kernel of its own. Where that is what fusion gives too, one compilation serves both.
Runnable op_by_op(const GraphPtr& graph) {
  passes::Options together, apart;
  apart.fuse = false;
  const runtime::Device& device = runtime::current_device();
  const Target target = device.target(device);
  if (passes::build_program(*graph, target, apart).text() == passes::build_program(*graph, target, together).text())
    return fused(graph);
  runtime::CompileOptions options;
  options.fuse = false;
  return compiled(graph, options);
}

// What the fused route stored, read back from disk.
Runnable from_disk_cache(const GraphPtr& graph) {
  runtime::CompileOptions options;
  options.memory_cache = false;
  auto executable = runtime::compile(*graph, options);
  if (!executable->from_disk()) executable = runtime::compile(*graph, options);
  if (!executable->from_disk()) throw InternalError("the second compilation did not come from the disk cache");
  return [executable](std::span<const Array> inputs) { return executable->run(inputs); };
}

// As a saved program: for the portable floor, through the bytes of the artifact.
Runnable saved(const GraphPtr& graph) {
  runtime::CompileOptions options;
  options.target = Target::portable();
  const auto read = runtime::Artifact::from_bytes(runtime::compile_artifact(*graph, options).bytes());
  if (!read) throw InternalError("the artifact does not read back");
  return fenced(graph, runtime::load(*read));
}

constexpr Route all[] = {
    {"text", by_text},      {"passes", by_passes},           {"fused", fused},
    {"op by op", op_by_op}, {"disk cache", from_disk_cache}, {"saved", saved},
};

}  // namespace

std::span<const Route> routes() { return all; }

std::optional<std::string> disagreement(const Runnable& run, std::span<const Array> inputs,
                                        std::span<const Array> expected, NaNs nans) {
  Arrays actual;
  try {
    actual = run(inputs);
  } catch (const std::exception& e) {
    return e.what();
  }
  if (actual.size() != expected.size()) return std::to_string(actual.size()) + " outputs";
  for (size_t i = 0; i < expected.size(); ++i)
    if (const auto found = difference(expected[i], actual[i], nans))
      return "output " + std::to_string(i) + ": " + *found;
  return std::nullopt;
}

std::optional<std::string> first_disagreement(const GraphPtr& graph, std::span<const Array> inputs, NaNs nans) {
  return ReadyRoutes().first_disagreement(graph, inputs, nans);
}

std::optional<std::string> ReadyRoutes::first_disagreement(const GraphPtr& graph, std::span<const Array> inputs,
                                                           NaNs nans, std::span<const std::string_view> without) {
  if (std::string text = graph->text(); text != text_) {
    text_ = std::move(text);
    ready_.assign(std::size(all), nullptr);
  }
  const Arrays expected = interpret(*graph, inputs);
  for (size_t r = 0; r < std::size(all); ++r) try {
      if (std::find(without.begin(), without.end(), all[r].name) != without.end()) continue;
      if (!ready_[r]) ready_[r] = all[r].prepare(graph);
      if (const auto wrong = disagreement(ready_[r], inputs, expected, nans))
        return std::string(all[r].name) + ": " + *wrong;
    } catch (const std::exception& e) {
      return std::string(all[r].name) + ": " + e.what();
    }
  return std::nullopt;
}

}  // namespace tenon::testing
