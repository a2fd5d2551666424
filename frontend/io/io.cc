// Tensors from and to .npy files.
#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/npy.h"

namespace tenon {

Tensor load_npy(const std::string& path, const At& at) {
  return door("load_npy", place(at), [&] {
    const runtime::NpyArray a = runtime::read_npy(path);
    Tensor t = copy_from(a.bytes.data(), a.shape, a.dtype, false, at);
    t.cell()->made = place(at);
    return t;
  });
}

void save_npy(const std::string& path, const Tensor& x, const At& at) {
  door("save_npy", place(at), [&] {
    const auto& buffer = buffer_of(x, "save_npy", place(at));
    std::vector<int64_t> shape;
    for (Dim d : x.shape()) shape.push_back(d.number());
    runtime::write_npy(path, x.dtype(), shape, runtime::HostView(*buffer).data());
  });
}

}  // namespace tenon
