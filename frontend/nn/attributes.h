// The attributes of frontend/nn/attributes.def by name: views and values, as ir/graph/attributes.h has them for ops. Internal to the
// frontend.
#pragma once

#include "tenon/ir/graph/attributes.h"

namespace tenon::made {

#define TENON_ATTRS TENON_ATTRS_VIEW
#define FIELD TENON_FIELD_VIEW
#include "tenon/frontend/nn/attributes.def"

#define TENON_ATTRS TENON_ATTRS_VALUES
#define FIELD TENON_FIELD_VALUES
#include "tenon/frontend/nn/attributes.def"

}  // namespace tenon::made
