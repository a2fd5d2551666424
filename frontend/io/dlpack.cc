// What a DLTensor may say, held against what Tenon has.
#include "tenon/frontend/io/dlpack.h"

#include <limits>
#include <string>

#include "tenon/frontend/io/stored.h"
#include "tenon/frontend/tensor/borrow.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/device.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/strided.h"

namespace tenon::detail {
namespace {

enum Code : uint8_t {
  signed_code = 0,
  unsigned_code = 1,
  floating_code = 2,
  bfloat_code = 4,
  complex_code = 5,
  bool_code = 6
};
enum DeviceType : int32_t { on_cpu = 1, on_cuda = 2, on_pinned_host = 3 };
constexpr int32_t most_rank = 64;

Code code_of(DType t) {
  if (t == DType::boolean) return bool_code;
  if (t == DType::bf16) return bfloat_code;
  return is_complex(t) ? complex_code : is_floating(t) ? floating_code : is_signed(t) ? signed_code : unsigned_code;
}

DType dtype_of(const DLDataType& type, const Location& at) {
  if (type.lanes != 1)
    throw Error("from_dlpack: elements of " + std::to_string(type.lanes) +
                    " lanes are not supported; reshape them to one more axis",
                at);
  for (int i = 0; i < dtype_count; ++i) {
    const auto t = static_cast<DType>(i);
    if (code_of(t) == type.code && 8 * bytes(t) == type.bits) return t;
  }
  throw Error("from_dlpack: element type of code " + std::to_string(type.code) + " and " + std::to_string(type.bits) +
                  " bits, which Tenon has not",
              at);
}

// Error unless a tensor of this shape can be: its extents, if it is right.
std::vector<int64_t> checked_shape(const DLTensor& t, DType dtype, const Location& at) {
  const auto fail = [&](const std::string& reason) { throw Error("from_dlpack: " + reason, at); };
  if (t.ndim < 0 || t.ndim > most_rank) fail("ndim is " + std::to_string(t.ndim) + ", not 0 to 64");
  if (t.ndim > 0 && t.shape == nullptr) fail("the shape is null");
  std::vector<int64_t> shape;
  int64_t product = bytes(dtype);
  for (int32_t axis = 0; axis < t.ndim; ++axis) {
    const int64_t extent = t.shape[axis];
    if (extent < 0) fail("extent " + std::to_string(axis) + " is " + std::to_string(extent));
    if (__builtin_mul_overflow(product, std::max<int64_t>(extent, 1), &product) || product > most_bytes)
      fail("the shape has more elements than memory can hold");
    shape.push_back(extent);
  }
  return shape;
}

void check_bools(const Tensor& t, const Location& at) {
  const runtime::HostView view(*buffer_of(t, "from_dlpack", at));
  const auto* const elements = static_cast<const unsigned char*>(view.data());
  for (int64_t i = 0; i < t.numel(); ++i)
    if (elements[i] > 1)
      throw Error("from_dlpack: element " + std::to_string(i) + " of the bools is neither 0 nor 1", at);
}

}  // namespace

void refuse_null(const Location& at) { throw Error("from_dlpack: the struct is null", at); }

Lent lend(const Tensor& x, const Location& at) {
  return door("to_dlpack", at, [&] {
    const BufferPtr buffer = buffer_of(x, "to_dlpack", at);
    Lent lent;
    lent.extents = extents_of(x, "", at);
    std::vector<int64_t> strides(lent.extents.size(), 1);
    for (size_t axis = strides.size(); axis-- > 1;)
      strides[axis - 1] = strides[axis] * std::max<int64_t>(lent.extents[axis], 1);
    const Device device = x.device();
    if (device.kind == Kind::cuda) synchronize();
    lent.tensor.data = buffer->address();
    lent.tensor.device = {device.kind == Kind::cuda ? on_cuda : on_cpu, device.kind == Kind::cuda ? device.index : 0};
    lent.tensor.ndim = static_cast<int32_t>(lent.extents.size());
    lent.tensor.dtype = {code_of(x.dtype()), static_cast<uint8_t>(8 * bytes(x.dtype())), 1};
    lent.extents.insert(lent.extents.end(), strides.begin(), strides.end());
    lent.buffer = buffer;
    return lent;
  });
}

Tensor borrow(const DLTensor& t, const DLPackVersion& version, void* managed, void (*release)(void*),
              const Location& at) {
  return door("from_dlpack", at, [&] {
    const auto fail = [&](const std::string& reason) { throw Error("from_dlpack: " + reason, at); };
    if (version.major > 1)
      fail("the struct is of version " + std::to_string(version.major) + "." + std::to_string(version.minor) +
           ", and versions up to 1 are known");
    if (t.device.device_type != on_cpu && t.device.device_type != on_pinned_host)
      fail("the memory is that of a device of type " + std::to_string(t.device.device_type) +
           ", and not the CPU's (1); copy the tensor to the CPU first");
    const DType dtype = dtype_of(t.dtype, at);
    const std::vector<int64_t> shape = checked_shape(t, dtype, at);
    const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
    if (t.data == nullptr && !empty) fail("the address is null");
    if (t.byte_offset > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) fail("the offset is beyond memory");
    const auto address = reinterpret_cast<uintptr_t>(t.data) + t.byte_offset;
    if (!empty && address % static_cast<uintptr_t>(bytes(part_of(dtype))) != 0)
      fail("the elements are not aligned to their " + std::to_string(bytes(part_of(dtype))) + " bytes");
    std::vector<int64_t> strides;
    if (t.strides != nullptr) strides.assign(t.strides, t.strides + t.ndim);
    // Bools are looked at before anything is the tensor's.
    const BlobOptions borrowed{.strides = strides};
    const void* const data = reinterpret_cast<const void*>(address);
    if (dtype == DType::boolean) check_bools(borrow_from(data, shape, dtype, borrowed, "from_dlpack", at), at);
    return borrow_from(data, shape, dtype,
                       {.strides = strides, .deleter = [managed, release](void*) { release(managed); }}, "from_dlpack",
                       at);
  });
}

}  // namespace tenon::detail
