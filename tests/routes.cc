#include "tenon/tests/routes.h"

#include "tenon/passes/pass.h"

namespace tenon::testing {

using namespace ir;

namespace {

using Arrays = std::vector<Array>;

Arrays by_text(const Graph& graph, std::span<const Array> inputs) {
  const std::string text = graph.text();
  const auto read = parse(text);
  if (read->text() != text) throw InternalError("the text changed on its way:\n" + text + read->text());
  return interpret(*read, inputs);
}

Arrays by_passes(const Graph& graph, std::span<const Array> inputs) {
  const std::vector<std::string> names = {"inline_calls", "simplify", "decompose", "simplify", "dce"};
  return interpret(*passes::run_passes(graph, names), inputs);
}

constexpr Route all[] = {
    {"text", by_text},
    {"passes", by_passes},
};

}  // namespace

std::span<const Route> routes() { return all; }

std::optional<std::string> disagreement(const Route& route, const Graph& graph, std::span<const Array> inputs,
                                        std::span<const Array> expected, NaNs nans) {
  Arrays actual;
  try {
    actual = route.run(graph, inputs);
  } catch (const std::exception& e) {
    return std::string(route.name) + ": " + e.what();
  }
  if (actual.size() != expected.size()) return std::string(route.name) + ": " + std::to_string(actual.size()) + " outputs";
  for (size_t i = 0; i < expected.size(); ++i)
    if (const auto found = difference(expected[i], actual[i], nans))
      return std::string(route.name) + ": output " + std::to_string(i) + ": " + *found;
  return std::nullopt;
}

}  // namespace tenon::testing
