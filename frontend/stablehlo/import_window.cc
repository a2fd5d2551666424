// Reductions over windows.
#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {

std::vector<Value> import_reduce_window(Call& c) { c.fail("Tenon does not import it yet"); }
std::vector<Value> import_select_and_scatter(Call& c) { c.fail("Tenon does not import it yet"); }

}  // namespace tenon::hlo
