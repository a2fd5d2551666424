// One program of StableHLO's test data as a case: @main with what @inputs gives as its arguments, and what @expected gives as the answer.
// Refuses to know how programs run; the conformance test does.
#pragma once

#include <string>
#include <vector>

#include "tenon/frontend/stablehlo/module.h"
#include "tenon/frontend/tensor/tensor.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/reference/array.h"

namespace tenon::testing {

enum class Closeness : uint8_t { equal, close, almost };
// What units of the last place belong to: each element, a complex one's larger part; the largest element where each is a sum of many, or of
// products of complex numbers; or each element roughly, where StableHLO calls its own answers inaccurate.
enum class Scale : uint8_t { element, largest, roughly };

struct HloCase {
  std::shared_ptr<detail::Program> program;
  std::vector<Tensor> inputs;
  std::vector<ir::Array> expected;  // of the first outputs; none for programs with free extents, which come without
  std::vector<Closeness> how;
  Scale scale = Scale::element;
  bool open = false;  // free extents: the program is made for inputs of the test's own
};

// Error, as load gives it, where the program is not one that can be imported.
HloCase read_case(const std::string& path);

ir::Array array_of(const Tensor& t);
// In words where two arrays differ by more than is allowed, as StableHLO's interpreter compares them up to the scale; else nothing.
std::string distance(const ir::Array& expected, const ir::Array& actual, Closeness how, Scale scale = {});

}  // namespace tenon::testing
