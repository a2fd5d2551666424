// The door of load_idx; what a file may be is the runtime's to know.
#include "tenon/frontend/data/idx.h"

#include "tenon/ir/base/door.h"
#include "tenon/runtime/idx.h"

namespace tenon::data {

Tensor load_idx(const std::string& path, const At& at) {
  return door("load_idx", place(at), [&] {
    const runtime::IdxArray array = runtime::read_idx(path);
    return copy_from(array.bytes.data(), array.shape, array.dtype, false, at);
  });
}

}  // namespace tenon::data
