// Gather and scatter.
#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {

std::vector<Value> import_gather(Call& c) { c.fail("Tenon does not import it yet"); }
std::vector<Value> import_dynamic_gather(Call& c) { c.fail("Tenon does not import it yet"); }
std::vector<Value> import_scatter(Call& c) { c.fail("Tenon does not import it yet"); }

}  // namespace tenon::hlo
