// What the lines of frontend/nn/attributes.def are stored as and read from.
#include "tenon/frontend/nn/attributes.h"

namespace tenon::made {
#define TENON_ATTRS TENON_ATTRS_STORE
#define FIELD TENON_FIELD_STORE
#include "tenon/frontend/nn/attributes.def"

}  // namespace tenon::made
