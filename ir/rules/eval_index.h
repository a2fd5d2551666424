// Walking the elements of dense arrays for the reference evaluators: odometers and strides, nothing clever.
#pragma once

#include <cstring>

#include "tenon/ir/reference/array.h"

namespace tenon::ir::rules {

using Indices = std::vector<int64_t>;

inline Indices extents(const Shape& shape) { return Indices(shape.begin(), shape.end()); }
inline Indices numbers(const std::vector<Dim>& dims) { return Indices(dims.begin(), dims.end()); }

// Row-major strides in elements.
inline Indices strides(const Indices& sizes) {
  Indices result(sizes.size());
  int64_t step = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    result[i] = step;
    step *= sizes[i];
  }
  return result;
}

inline int64_t product(const Indices& sizes) {
  int64_t result = 1;
  for (int64_t n : sizes) result *= n;
  return result;
}

// An index that counts up in row-major order.
class Odometer {
 public:
  explicit Odometer(Indices sizes) : index(sizes.size(), 0), sizes_(std::move(sizes)), done_(product(sizes_) == 0) {}
  bool done() const { return done_; }
  void next() {
    for (size_t i = index.size(); i-- > 0;) {
      if (++index[i] < sizes_[i]) return;
      index[i] = 0;
    }
    done_ = true;
  }
  Indices index;

 private:
  Indices sizes_;
  bool done_;
};

inline int64_t dot(const Indices& index, const Indices& step) {
  int64_t offset = 0;
  for (size_t i = 0; i < index.size(); ++i) offset += index[i] * step[i];
  return offset;
}

inline void copy_element(Array& to, int64_t at, const Array& from, int64_t source) {
  const size_t size = static_cast<size_t>(bytes(to.type.dtype));
  std::memcpy(to.data.data() + static_cast<size_t>(at) * size, from.data.data() + static_cast<size_t>(source) * size,
              size);
}

// Builds a result element by element: source(index) gives the offset of its element in x.
template <class Source>
Array rearranged(const Type& type, const Array& x, Source source) {
  Array result(type);
  int64_t at = 0;
  for (Odometer o(extents(type.shape)); !o.done(); o.next()) copy_element(result, at++, x, source(o.index));
  return result;
}

inline std::vector<Array> one_result(Array array) {
  std::vector<Array> results;
  results.push_back(std::move(array));
  return results;
}

}  // namespace tenon::ir::rules
