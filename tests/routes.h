// The ways a program can run, all of which must give the interpreter's bits.
#pragma once

#include <optional>
#include <span>

#include "tenon/tests/arrays.h"

namespace tenon::testing {

struct Route {
  const char* name;
  std::vector<ir::Array> (*run)(const ir::Graph& graph, std::span<const ir::Array> inputs);
};
std::span<const Route> routes();

// What is wrong with a route's answer, or nothing. A failure of the route is an answer too.
std::optional<std::string> disagreement(const Route& route, const ir::Graph& graph, std::span<const ir::Array> inputs,
                                        std::span<const ir::Array> expected, NaNs nans);

}  // namespace tenon::testing
