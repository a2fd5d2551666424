// zlib, behind functions of our own.
#include "tenon/runtime/deflate.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "tenon/ir/base/error.h"

namespace tenon::runtime {
namespace {

constexpr int bare_window = -15, gzip_window = 15 + 16;
constexpr size_t most_at_once = size_t{1} << 30;  // zlib counts in 32 bits

}  // namespace

struct Inflater::State {
  Wrapping wrapping;
  Source source;
  std::string who;
  z_stream stream{};
  uint64_t given = 0;
  bool ended = false, between = false;  // the last member; a member, and nothing of the next one yet
  std::array<unsigned char, 1 << 16> input;

  [[noreturn]] void refuse(const std::string& reason) const { throw Error(who + ": " + reason); }
  bool fill() {  // whether there is more
    if (stream.avail_in != 0) return true;
    const size_t got = source(input.data(), input.size());
    given += got;
    stream.next_in = input.data(), stream.avail_in = static_cast<uInt>(got);
    return got != 0;
  }
};

Inflater::Inflater(Wrapping wrapping, Source source, std::string who) : state_(new State) {
  state_->wrapping = wrapping, state_->source = std::move(source), state_->who = std::move(who);
  if (inflateInit2(&state_->stream, wrapping == Wrapping::bare ? bare_window : gzip_window) != Z_OK)
    throw std::bad_alloc();
}

Inflater::~Inflater() { inflateEnd(&state_->stream); }

uint64_t Inflater::taken() const { return state_->given - state_->stream.avail_in; }

size_t Inflater::read(void* to, size_t bytes) {
  State& s = *state_;
  size_t done = 0;
  while (done < bytes && !s.ended) {
    const bool more = s.fill();
    if (s.between) {
      if (!more) return s.ended = true, done;
      inflateReset(&s.stream);
      s.between = false;
    }
    const size_t room = std::min(bytes - done, most_at_once);
    s.stream.next_out = static_cast<unsigned char*>(to) + done;
    s.stream.avail_out = static_cast<uInt>(room);
    const int result = inflate(&s.stream, Z_NO_FLUSH);
    const size_t got = room - s.stream.avail_out;
    done += got;
    if (result == Z_STREAM_END) {
      (s.wrapping == Wrapping::bare ? s.ended : s.between) = true;
    } else if (result == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      s.refuse(std::string("the compressed bytes are damaged (") + (s.stream.msg ? s.stream.msg : "no deflate") + ")");
    } else if (got == 0 && !more) {
      s.refuse("the compressed bytes are cut off");
    }
  }
  return done;
}

uint64_t most_inflated(uint64_t compressed) {
  constexpr uint64_t harmless = uint64_t{64} << 20, most_ratio = 64, most_expansion = 1032;  // deflate cannot do better
  constexpr uint64_t countable = UINT64_MAX / most_expansion;
  compressed = std::min(compressed, countable);
  return std::min(compressed * most_expansion, std::max(harmless, compressed * most_ratio));
}

std::string deflated(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, bare_window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  struct End {
    z_stream& stream;
    ~End() { deflateEnd(&stream); }
  } const end{stream};
  std::string out;
  std::array<unsigned char, 1 << 16> some;
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      const std::string_view next = bytes.substr(0, most_at_once);
      stream.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(next.data()));
      stream.avail_in = static_cast<uInt>(next.size());
      bytes.remove_prefix(next.size());
    }
    stream.next_out = some.data(), stream.avail_out = static_cast<uInt>(some.size());
    result = deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
    ensure(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR, "zlib cannot compress");
    out.append(reinterpret_cast<const char*>(some.data()), some.size() - stream.avail_out);
  }
  return out;
}

uint32_t crc32_of(std::string_view bytes, uint32_t before) {
  uLong sum = before;
  while (!bytes.empty()) {
    const std::string_view next = bytes.substr(0, most_at_once);
    sum = crc32(sum, reinterpret_cast<const unsigned char*>(next.data()), static_cast<uInt>(next.size()));
    bytes.remove_prefix(next.size());
  }
  return static_cast<uint32_t>(sum);
}

}  // namespace tenon::runtime
