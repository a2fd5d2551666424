// Elements that lie apart in memory: strides in elements, of any sign, zero included, one per axis. Says where they reach, whether they
// are dense and row-major as they lie, and brings them into that order. Refuses nothing: whoever asks has checked what they reach.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tenon::runtime {

// Whether elements lie row-major without holes. Strides of axes of extent 1, and all of an empty array, do not count.
bool is_row_major(std::span<const int64_t> shape, std::span<const int64_t> strides);
std::vector<int64_t> column_major_strides(std::span<const int64_t> shape);

// Bytes that elements take, counted from the first one: from `lowest`, which is no more than 0, to `end`. Nothing where they reach
// further than 63 bits tell. Of an empty array both are 0.
struct Reach {
  int64_t lowest = 0, end = 0;
};
std::optional<Reach> reach_of(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t element_bytes);

// Copies elements of 1, 2, 4, 8 or 16 bytes, aligned to nothing, to where they lie row-major.
void gather(void* to, const void* from, std::span<const int64_t> shape, std::span<const int64_t> strides,
            int64_t element_bytes);

}  // namespace tenon::runtime
