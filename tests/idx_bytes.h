// IDX files and gzip, as tests make them.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::testing {

inline std::string gzip(const std::string& text) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string result(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

// A header of these extents and an element type, 8 being u8, then the elements.
inline std::string idx(const std::vector<uint32_t>& shape, const std::string& elements, int type = 8) {
  std::string text = {'\0', '\0', static_cast<char>(type), static_cast<char>(shape.size())};
  for (const uint32_t extent : shape)
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(extent >> shift);
  return text + elements;
}

}  // namespace tenon::testing
