// What dense<...> holds, as bytes: one number for a splat, else all of them in row-major order.
// Refuses lists that do not have the shape of the type, and numbers that do not fit it.
#pragma once

#include <string>
#include <vector>

#include "tenon/frontend/stablehlo/module.h"
#include "tenon/ir/base/shape.h"

namespace tenon::hlo {

struct Elements {
  DType dtype{};
  Shape shape;
  bool splat = false;
  std::string bytes;
};
Elements elements_of(const Source& source, const Attribute& dense);
// The numbers of a list, nested or not, or of a dense attribute of integers. Error for anything else.
std::vector<int64_t> integers_of(const Source& source, const Attribute& list);

}  // namespace tenon::hlo
