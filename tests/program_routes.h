// All ways a random program can run, and relations between programs; each must give the interpreter's bits. tests/routes.h has
// the few that the cases of the op table take; these differ in threads, splits, passes left out, extents known or named,
// memory given away, and in going through the public functions of the library.
#pragma once

#include <functional>

#include "tenon/tests/random_program.h"

namespace tenon::testing {

struct Finding {
  std::string route, message;
};
// Called with the name of each route before it runs, so that one that dies can be named.
using OnRoute = std::function<void(const char* route)>;

// What one program's routes give: a random choice of them, or the one named. Every route runs at every row of values.
std::optional<Finding> first_finding(const RandomProgram& program, uint64_t seed, const OnRoute& on_route);
std::optional<Finding> first_finding(const Case& program, uint64_t seed, const std::string& route);

}  // namespace tenon::testing
