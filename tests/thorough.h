// Whether a test runs all of its cases (`./dev test --all`) or, as ctest does, those of which the others are combinations.
#pragma once

#include <cstdlib>

namespace tenon::testing {

inline bool thorough() { return std::getenv("TENON_TEST_ALL") != nullptr; }

}  // namespace tenon::testing
