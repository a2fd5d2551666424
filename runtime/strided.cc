// Axes that are one run of memory are joined first. What is left is copied row by row where rows are dense, and in tiles that stay in
// the cache where another axis than the last one is.
#include "tenon/runtime/strided.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "tenon/ir/base/error.h"

namespace tenon::runtime {
namespace {

struct Axis {
  int64_t extent, stride;
};

// Without axes of extent 1, and with neighbours that are one axis joined.
std::vector<Axis> joined(std::span<const int64_t> shape, std::span<const int64_t> strides) {
  std::vector<Axis> axes;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (!axes.empty() && axes.back().stride == strides[i] * shape[i])
      axes.back() = {axes.back().extent * shape[i], strides[i]};
    else
      axes.push_back({shape[i], strides[i]});
  }
  return axes;
}

struct Unit16 {
  unsigned char bytes[16];
};

// A block of two axes: `row` is the outer one, elements of the result are dense along `column`, and its rows lie `to_stride` apart.
template <class T>
void copy_block(std::byte* to, int64_t to_stride, const std::byte* from, Axis row, Axis column) {
  constexpr int64_t tile = 32;
  constexpr int64_t size = sizeof(T);
  for (int64_t i0 = 0; i0 < row.extent; i0 += tile) {
    const int64_t i1 = std::min(row.extent, i0 + tile);
    for (int64_t j0 = 0; j0 < column.extent; j0 += tile) {
      const int64_t j1 = std::min(column.extent, j0 + tile);
      for (int64_t i = i0; i < i1; ++i)
        for (int64_t j = j0; j < j1; ++j)
          std::memcpy(to + (i * to_stride + j) * size, from + (i * row.stride + j * column.stride) * size, sizeof(T));
    }
  }
}

template <class T>
void gather_as(std::byte* to, const std::byte* from, std::vector<Axis> axes) {
  constexpr int64_t size = sizeof(T);
  if (axes.empty()) axes.push_back({1, 1});
  const Axis column = axes.back();
  axes.pop_back();
  // The axis along which the source is densest is tiled with the last one.
  size_t other = axes.size();
  for (size_t i = 0; i < axes.size() && column.stride != 1; ++i)
    if (other == axes.size() || std::abs(axes[i].stride) < std::abs(axes[other].stride)) other = i;
  std::vector<int64_t> place(axes.size());  // how far apart steps along an axis lie in the result
  int64_t step = column.extent;
  for (size_t i = axes.size(); i-- > 0;) place[i] = step, step *= axes[i].extent;
  Axis row{1, 0};
  int64_t row_place = 0;
  if (other < axes.size()) {
    row = axes[other], row_place = place[other];
    axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(other));
    place.erase(place.begin() + static_cast<std::ptrdiff_t>(other));
  }
  std::vector<int64_t> index(axes.size(), 0);
  int64_t source = 0, target = 0;
  while (true) {
    if (column.stride == 1 && row.extent == 1)
      std::memcpy(to + target * size, from + source * size, static_cast<size_t>(column.extent * size));
    else
      copy_block<T>(to + target * size, row_place, from + source * size, row, column);
    size_t axis = axes.size();
    while (axis-- > 0) {
      source += axes[axis].stride, target += place[axis];
      if (++index[axis] < axes[axis].extent) break;
      source -= axes[axis].stride * axes[axis].extent, target -= place[axis] * axes[axis].extent;
      index[axis] = 0;
    }
    if (axis > axes.size()) return;  // every index ran through
  }
}

}  // namespace

bool is_row_major(std::span<const int64_t> shape, std::span<const int64_t> strides) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return true;
  int64_t step = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] == 1) continue;
    if (strides[axis] != step) return false;
    step *= shape[axis];
  }
  return true;
}

std::vector<int64_t> column_major_strides(std::span<const int64_t> shape) {
  std::vector<int64_t> strides;
  int64_t step = 1;
  for (const int64_t extent : shape) {
    strides.push_back(step);
    step *= std::max<int64_t>(extent, 1);
  }
  return strides;
}

std::optional<Reach> reach_of(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t element_bytes) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return Reach{};
  Reach reach{0, element_bytes};
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    int64_t far = 0;
    if (__builtin_mul_overflow(shape[axis] - 1, strides[axis], &far) ||
        __builtin_mul_overflow(far, element_bytes, &far) ||
        (far < 0 ? __builtin_add_overflow(reach.lowest, far, &reach.lowest)
                 : __builtin_add_overflow(reach.end, far, &reach.end)))
      return std::nullopt;
  }
  return reach;
}

void gather(void* to, const void* from, std::span<const int64_t> shape, std::span<const int64_t> strides,
            int64_t element_bytes) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return;
  auto* const target = static_cast<std::byte*>(to);
  const auto* const source = static_cast<const std::byte*>(from);
  std::vector<Axis> axes = joined(shape, strides);
  switch (element_bytes) {
    case 1: return gather_as<uint8_t>(target, source, std::move(axes));
    case 2: return gather_as<uint16_t>(target, source, std::move(axes));
    case 4: return gather_as<uint32_t>(target, source, std::move(axes));
    case 8: return gather_as<uint64_t>(target, source, std::move(axes));
    case 16: return gather_as<Unit16>(target, source, std::move(axes));
    default: throw InternalError("elements of " + std::to_string(element_bytes) + " bytes are not gathered");
  }
}

}  // namespace tenon::runtime
