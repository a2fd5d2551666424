// Random programs through the public functions of the library: op by op, jitted, with memory given away, on the tape, saved.
// Derivatives held against each other.
#pragma once

#include <optional>

#include "tenon/tests/op_cases.h"
#include "tenon/tests/routes.h"

namespace tenon::testing {

Runnable eager(const Case& c, Random& random);
Runnable jitted(const Case& c, Random& random);
Runnable jitted_donated(const Case& c, Random& random);
Runnable taped(const Case& c, Random& random);  // the values, while everything floating requires grad
Runnable saved(const Case& c, Random& random);  // aot::save, linked and called

// <pull(cotangent), tangent> = <cotangent, push(tangent)>, for programs of f64; what is wrong, or nothing.
std::optional<std::string> inner_product(const Case& c, Random& random);
// backward() on the tape, op by op or of the jitted whole, gives the bits of the vjp graph.
std::optional<std::string> tape_agrees(const Case& c, Random& random);

}  // namespace tenon::testing
