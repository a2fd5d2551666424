// The table of operations, looked up by name.
#include <algorithm>
#include <array>

#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {
namespace {

using ir::Op;

constexpr auto sorted_table() {
  std::array table = {
#define TENON_HLO(name, importer) Known{name, importer, false},
#define TENON_HLO_LIFTS(name, importer) Known{name, importer, true},
#include "tenon/frontend/stablehlo/operations.def"
  };
  std::sort(table.begin(), table.end(), [](const Known& a, const Known& b) { return a.name < b.name; });
  return table;
}
constexpr auto table = sorted_table();

}  // namespace

const Known* known_operation(std::string_view name) {
  const auto found = std::lower_bound(table.begin(), table.end(), name,
                                      [](const Known& k, std::string_view wanted) { return k.name < wanted; });
  return found != table.end() && found->name == name ? &*found : nullptr;
}

bool is_known(std::string_view operation) { return known_operation(operation) != nullptr; }

}  // namespace tenon::hlo
