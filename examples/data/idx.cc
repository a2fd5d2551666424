// Reads gzipped IDX files with zlib's inflate, stepping over memory that is bounded from the start.
// Format: https://yann.lecun.com/exdb/mnist, "the IDX file format".
#include "tenon/examples/data/idx.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "tenon/ir/base/error.h"

namespace tenon::examples {
namespace {

constexpr uint64_t most_compressed = uint64_t{1} << 30;
constexpr uint64_t most_expansion = 1032;  // deflate cannot do better
constexpr uint8_t unsigned_byte = 0x08;

[[noreturn]] void refuse(const std::string& name, const std::string& reason) {
  throw Error("IDX file '" + name + "': " + reason);
}

// Inflates one gzip member, as much at a time as is asked for.
class Inflater {
 public:
  Inflater(std::string_view compressed, const std::string& name) : name_(name) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
    stream_.avail_in = static_cast<uInt>(compressed.size());
    constexpr int gzip_only = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, gzip_only) != Z_OK) refuse(name_, "zlib cannot be started");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Up to `count` bytes; fewer at the end of the data only.
  size_t read(uint8_t* to, size_t count) {
    size_t done = 0;
    while (done < count && !ended_) {
      const size_t step = std::min(count - done, size_t{1} << 30);
      stream_.next_out = to + done;
      stream_.avail_out = static_cast<uInt>(step);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      done += step - stream_.avail_out;
      if (status == Z_STREAM_END) {
        ended_ = true;
      } else if (status == Z_BUF_ERROR || (status == Z_OK && stream_.avail_in == 0 && stream_.avail_out != 0)) {
        refuse(name_, "truncated");
      } else if (status != Z_OK) {
        refuse(name_, std::string("damaged: ") + (stream_.msg != nullptr ? stream_.msg : "not gzip data"));
      }
    }
    return done;
  }
  // Whether everything was read, checksum included, and nothing lies behind it.
  bool at_end() const { return ended_ && stream_.avail_in == 0; }

 private:
  const std::string& name_;
  z_stream stream_ = {};
  bool ended_ = false;
};

}  // namespace

IdxArray parse_idx(std::string_view compressed, int rank, const std::string& name) {
  if (compressed.size() > most_compressed) refuse(name, "larger than 1 GiB");
  if (compressed.size() < 2 || compressed[0] != '\x1f' || compressed[1] != '\x8b') refuse(name, "not a gzip file");
  Inflater data(compressed, name);
  uint8_t magic[4];
  if (data.read(magic, 4) != 4) refuse(name, "too short for a magic number");
  if (magic[0] != 0 || magic[1] != 0) refuse(name, "wrong magic number: not an IDX file");
  if (magic[2] != unsigned_byte) refuse(name, "wrong magic number: the elements are not unsigned bytes");
  if (magic[3] != rank)
    refuse(name, "has " + std::to_string(magic[3]) + " extents where " + std::to_string(rank) + " are expected");

  IdxArray array;
  uint64_t count = 1;
  for (int axis = 0; axis < rank; ++axis) {
    uint8_t extent[4];
    if (data.read(extent, 4) != 4) refuse(name, "too short for its extents");
    array.shape.push_back(int64_t{extent[0]} << 24 | extent[1] << 16 | extent[2] << 8 | extent[3]);
    const uint64_t factor = static_cast<uint64_t>(array.shape.back());
    if (factor != 0 && count > compressed.size() * most_expansion / factor)
      refuse(name, "declares more elements than " + std::to_string(compressed.size()) + " compressed bytes can hold");
    count *= factor;
  }
  array.bytes.resize(count);
  const size_t got = data.read(array.bytes.data(), count);
  if (got != count)
    refuse(name, "holds " + std::to_string(got) + " elements where " + std::to_string(count) + " are declared");
  uint8_t surplus;
  if (data.read(&surplus, 1) != 0) refuse(name, "more elements follow than are declared");
  if (!data.at_end()) refuse(name, "bytes follow the compressed data");
  return array;
}

IdxArray read_idx(const std::string& path, int rank) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) refuse(path, std::strerror(errno));
  const auto size = static_cast<int64_t>(file.tellg());
  if (size < 0 || static_cast<uint64_t>(size) > most_compressed) refuse(path, "not a file of at most 1 GiB");
  std::string compressed(static_cast<size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(compressed.data(), size)) refuse(path, "cannot be read");
  return parse_idx(compressed, rank, path);
}

}  // namespace tenon::examples
