// Tensors from and to .npy files.
#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/runtime/npy.h"

namespace tenon {

Tensor load_npy(const std::string& path, const At& at) {
  try {
    const runtime::NpyArray a = runtime::read_npy(path);
    Tensor t = copy_from(a.bytes.data(), a.shape, a.dtype, false, at);
    t.cell()->made = place(at);
    return t;
  } catch (const Error& e) {
    throw Error("load_npy: " + e.message(), place(at));
  } catch (const std::bad_alloc&) {
    throw Error("load_npy: out of memory for '" + path + "'", place(at));
  }
}

void save_npy(const std::string& path, const Tensor& x, const At& at) {
  const auto& buffer = buffer_of(x, "save_npy", place(at));
  std::vector<int64_t> shape;
  for (Dim d : x.shape()) shape.push_back(d.number());
  try {
    runtime::write_npy(path, x.dtype(), shape, runtime::HostView(*buffer).data());
  } catch (const Error& e) {
    throw Error("save_npy: " + e.message(), place(at));
  }
}

}  // namespace tenon
