// from_blob on behalf of a function of another name. Internal to the frontend.
#pragma once

#include "tenon/frontend/tensor/blob.h"

namespace tenon {

Tensor borrow_from(const void* data, const Extents& shape, DType dtype, const BlobOptions& o, const char* use,
                   const Location& at);

}  // namespace tenon
