// The ways a program can run, all of which must give the interpreter's bits.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/tests/arrays.h"

namespace tenon::testing {

using Runnable = std::function<std::vector<ir::Array>(std::span<const ir::Array> inputs)>;
struct Route {
  const char* name;
  Runnable (*prepare)(const std::shared_ptr<const ir::Graph>& graph);  // compiles once; the result runs often
};
std::span<const Route> routes();

// What is wrong with a route's answer, or nothing. A failure of the route is an answer too.
std::optional<std::string> disagreement(const Runnable& run, std::span<const ir::Array> inputs,
                                        std::span<const ir::Array> expected, NaNs nans);
// All routes on one program; the first disagreement, with the name of its route.
std::optional<std::string> first_disagreement(const std::shared_ptr<const ir::Graph>& graph,
                                              std::span<const ir::Array> inputs, NaNs nans);

// The same for programs that come several times in a row, each with other inputs: their routes are made ready once.
class ReadyRoutes {
 public:
  // `without`: routes that are left out.
  std::optional<std::string> first_disagreement(const std::shared_ptr<const ir::Graph>& graph,
                                                std::span<const ir::Array> inputs, NaNs nans,
                                                std::span<const std::string_view> without = {});

 private:
  std::string text_;
  std::vector<Runnable> ready_;
};

}  // namespace tenon::testing
