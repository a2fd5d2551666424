// A key that is there, compared with one that is written into this in its place, word by word, and is never made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tenon {

class KeyMatch {
 public:
  explicit KeyMatch(std::string_view key) : at_(key.data()), left_(key.size()) {}
  [[gnu::always_inline]] void word(uint64_t value) {
    uint64_t there = 0;
    if (left_ < sizeof there) return differs();
    std::memcpy(&there, at_, sizeof there);
    if (there != value) return differs();
    at_ += sizeof there, left_ -= sizeof there;
  }
  // Bytes, and zeros up to a whole number of words.
  void padded(std::string_view bytes) {
    for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) word(word_of(bytes.data(), 8));
    if (!bytes.empty()) word(word_of(bytes.data(), bytes.size()));
  }
  bool same() const { return same_; }  // so far
  bool whole() const { return same_ && left_ == 0; }

 private:
  static uint64_t word_of(const char* bytes, size_t size) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, size);
    return word;
  }
  void differs() { same_ = false, left_ = 0; }
  const char* at_;
  size_t left_;
  bool same_ = true;
};

}  // namespace tenon
