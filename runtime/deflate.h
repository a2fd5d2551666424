// Compressed bytes (RFC 1950 to 1952), and checksums of what was compressed. The one file that knows zlib is deflate.cc. Refuses
// damaged bytes; how many may come out is the caller's to bound, who asks for them piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace tenon::runtime {

enum class Wrapping : uint8_t {
  bare,  // as in ZIP files
  gzip,  // one member behind the other, as gunzip takes them
};

class Inflater {
 public:
  using Source = std::function<size_t(void* to, size_t most)>;  // the next compressed bytes; 0: there are no more
  Inflater(Wrapping wrapping, Source source, std::string who);  // Errors are "WHO: reason"
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  size_t read(void* to, size_t bytes);  // fewer only at the end
  uint64_t taken() const;  // compressed bytes so far, without those that were given and are not part of it

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// Whether bytes begin as a gzipped file does.
inline bool is_gzip(std::string_view start) { return start.starts_with("\x1f\x8b"); }
// How many bytes are believed to come out of so many: no more than deflate can make of them, and above 64 MiB no more than 64 times as
// many. A file that unpacks to more is taken for a bomb.
uint64_t most_inflated(uint64_t compressed);

std::string deflated(std::string_view bytes);  // bare, one block of memory to another
uint32_t crc32_of(std::string_view bytes, uint32_t before = 0);

}  // namespace tenon::runtime
