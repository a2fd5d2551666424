// Reads IDX files. Format: https://yann.lecun.com/exdb/mnist, "the IDX file format".
#include "tenon/runtime/idx.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/shape.h"
#include "tenon/runtime/deflate.h"
#include "tenon/runtime/input_file.h"

namespace tenon::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are turned around as they come");

using Bytes = std::span<const std::byte>;

constexpr size_t most_header = 4 + 4 * 255;

[[noreturn]] void refuse(const std::string& name, const std::string& reason) {
  throw Error("IDX file '" + name + "': " + reason);
}

struct Layout {
  DType dtype = DType::u8;
  std::vector<int64_t> shape;
  uint64_t offset = 0, bytes = 0;  // of the elements
};

uint32_t big_endian(Bytes bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint32_t>(bytes[at + i]);
  return value;
}

bool find_dtype(uint32_t code, DType& dtype) {
  constexpr struct {
    uint32_t code;
    DType dtype;
  } table[] = {{0x08, DType::u8},  {0x09, DType::i8},  {0x0b, DType::i16},
               {0x0c, DType::i32}, {0x0d, DType::f32}, {0x0e, DType::f64}};
  for (const auto& row : table)
    if (row.code == code) return dtype = row.dtype, true;
  return false;
}

// start: the first bytes, all of the file or most_header. most: the bytes that header and elements may take.
Layout parse_layout(Bytes start, uint64_t most, const std::string& most_reason, const std::string& name) {
  if (start.size() < 4) refuse(name, "too short for a magic number");
  const uint32_t magic = big_endian(start, 0);
  if (magic >> 16 != 0) refuse(name, "wrong magic number: not an IDX file");
  Layout layout;
  if (!find_dtype(magic >> 8, layout.dtype))
    refuse(name, "wrong magic number: " + std::to_string(magic >> 8) + " is no element type of IDX");
  const size_t rank = magic & 255;
  layout.offset = 4 + 4 * rank;
  if (start.size() < layout.offset) refuse(name, "too short for its " + std::to_string(rank) + " extents");
  const uint64_t element = static_cast<uint64_t>(bytes(layout.dtype)), room = most - std::min(most, layout.offset);
  // Extents of zero count as one here, so that no product of extents overflows anywhere later.
  uint64_t product = element;
  layout.bytes = element;
  for (size_t axis = 0; axis < rank; ++axis) {
    const uint64_t extent = big_endian(start, 4 + 4 * axis);
    layout.shape.push_back(static_cast<int64_t>(extent));
    if (extent > 1 && product > static_cast<uint64_t>(most_bytes) / extent)
      refuse(name, "declares more elements than " + most_reason);
    product *= std::max<uint64_t>(extent, 1);
    layout.bytes *= extent;
  }
  if (layout.bytes > room) refuse(name, "declares more elements than " + most_reason);
  return layout;
}

void check_count(const Layout& layout, uint64_t there, bool more, const std::string& name) {
  const uint64_t element = static_cast<uint64_t>(bytes(layout.dtype));
  if (there < layout.bytes)
    refuse(name, "holds " + std::to_string(there / element) + " elements where " +
                     std::to_string(layout.bytes / element) + " are declared");
  if (more || there > layout.bytes) refuse(name, "more bytes follow than are declared");
}

std::vector<std::byte> room_for(uint64_t bytes, const std::string& name) {
  try {
    return std::vector<std::byte>(bytes);
  } catch (const std::bad_alloc&) {
    refuse(name, "out of memory: " + std::to_string(bytes) + " bytes could not be allocated");
  }
}

IdxArray finish(Layout layout, std::vector<std::byte> elements) {
  const size_t width = static_cast<size_t>(bytes(layout.dtype));
  for (size_t at = 0; width > 1 && at < elements.size(); at += width)
    std::reverse(elements.data() + at, elements.data() + at + width);
  return {layout.dtype, std::move(layout.shape), std::move(elements)};
}

bool is_gzip(Bytes start) { return runtime::is_gzip({reinterpret_cast<const char*>(start.data()), start.size()}); }

// size: of the compressed bytes that the source gives.
IdxArray parse_gzip(Inflater::Source source, uint64_t size, const std::string& name) {
  const uint64_t most = most_inflated(size);
  Inflater content(Wrapping::gzip, std::move(source), "IDX file '" + name + "'");
  std::vector<std::byte> header(4);
  header.resize(content.read(header.data(), 4));
  if (header.size() == 4) {
    header.resize(4 + 4 * std::to_integer<size_t>(header[3]));
    header.resize(4 + content.read(header.data() + 4, header.size() - 4));
  }
  Layout layout = parse_layout(
      header, most, std::to_string(size) + " compressed bytes are believed to hold; unpack the file if they do", name);
  std::vector<std::byte> elements = room_for(layout.bytes, name);
  const uint64_t there = content.read(elements.data(), elements.size());
  std::byte more{};
  check_count(layout, there, content.read(&more, 1) != 0, name);
  return finish(std::move(layout), std::move(elements));
}

std::string bytes_of(uint64_t size) { return std::to_string(size) + " bytes can hold"; }

}  // namespace

IdxArray parse_idx(Bytes file, const std::string& name) {
  if (is_gzip(file)) {
    const auto source = [rest = file](void* to, size_t count) mutable {
      count = std::min(count, rest.size());
      std::memcpy(to, rest.data(), count);
      rest = rest.subspan(count);
      return count;
    };
    return parse_gzip(source, file.size(), name);
  }
  Layout layout = parse_layout(file, file.size(), bytes_of(file.size()), name);
  check_count(layout, file.size() - layout.offset, false, name);
  const Bytes elements = file.subspan(layout.offset);
  return finish(std::move(layout), std::vector<std::byte>(elements.begin(), elements.end()));
}

IdxArray read_idx(const std::string& path) {
  const InputFile file(path, "IDX file");
  std::vector<std::byte> start(std::min<uint64_t>(file.size(), most_header));
  file.read(0, start.data(), start.size());
  if (is_gzip(start)) {
    const auto source = [&file, at = uint64_t{0}](void* to, size_t most) mutable {
      return file.read_next(at, to, most);
    };
    return parse_gzip(source, file.size(), path);
  }
  Layout layout = parse_layout(start, file.size(), bytes_of(file.size()), path);
  check_count(layout, file.size() - layout.offset, false, path);
  std::vector<std::byte> elements = room_for(layout.bytes, path);
  file.read(layout.offset, elements.data(), elements.size());
  return finish(std::move(layout), std::move(elements));
}

}  // namespace tenon::runtime
