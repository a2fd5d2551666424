// Random programs: drawn from the whole op table, in the shapes that real programs have, over several symbols at several
// values. Everything comes from the seed. Refuses custom calls, which have no meaning without a host function.
#pragma once

#include "tenon/tests/op_cases.h"

namespace tenon::testing {

// How an input is filled.
enum class Filling : uint8_t { any, unit, special, few, ones, zeros, counts, indices };
struct Recipe {
  ir::Type type;  // may be symbolic
  uint64_t seed = 0;
  Filling filling = Filling::any;
};

struct RandomProgram {
  std::string name;
  std::shared_ptr<const ir::Graph> graph;
  std::vector<Recipe> recipes;  // one per input
  std::vector<std::vector<int64_t>> runs;  // values of the free symbols, at least one row

  Case at(const std::vector<int64_t>& values) const;  // the program with inputs of these extents
};

RandomProgram random_program(uint64_t seed);
// What a text holds, with inputs drawn from the seed and the symbols at several values within their bounds.
RandomProgram read_program(std::string_view text, uint64_t seed);

// A derivative of the program as a program of its own, by a random choice of its floating inputs: tangents beside the values,
// or values and cotangents of the inputs. Nothing where the program has none.
enum class Derivative : uint8_t { forward, reverse };
std::optional<RandomProgram> derived(const RandomProgram& program, Derivative kind, uint64_t seed);

ir::Array fill(const ir::Type& type, const Recipe& recipe);
const char* name(Filling filling);

}  // namespace tenon::testing
