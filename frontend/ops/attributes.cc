// The values of the frontend's own attributes as the list that a program is made with.
#include "tenon/frontend/ops/attributes.h"

namespace tenon::made {

#define TENON_ATTRS TENON_ATTRS_STORE
#define FIELD TENON_FIELD_STORE
#include "tenon/frontend/ops/attributes.def"

}  // namespace tenon::made
