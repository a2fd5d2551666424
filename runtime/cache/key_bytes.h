// Bytes that something is found by, in place while they are few: made on the stack for one look-up, and kept beside what they find.
// So a look-up allocates nothing, needs no thread-local, which whatever runs while a thread ends would find destroyed, and does not
// go far to compare. Refuses to be a string: they are only added to and looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace tenon {

class KeyBytes {
 public:
  KeyBytes() = default;
  explicit KeyBytes(std::string_view bytes) { append(bytes.data(), bytes.size()); }
  [[gnu::always_inline]] void append(const void* bytes, size_t size) {
    if (many_ == nullptr && size <= sizeof few_ - size_) {
      if (size != 0) std::memcpy(few_ + size_, bytes, size);
      size_ += size;
    } else {
      append_to_many(static_cast<const char*>(bytes), size);
    }
  }
  // So many bytes to be written at once, at the end; null where they are not in place.
  char* extend(size_t size) {
    if (many_ != nullptr || size > sizeof few_ - size_) return nullptr;
    char* const at = few_ + size_;
    size_ += size;
    return at;
  }
  // Up to a whole number of words: words that are written next are read as such.
  void pad() {
    if (many_ == nullptr)
      while (size_ % sizeof(uint64_t) != 0 && size_ < sizeof few_) few_[size_++] = '\0';
  }
  void word(uint64_t value) { append(&value, sizeof value); }
  KeyBytes& operator+=(char c) { return append(&c, 1), *this; }
  KeyBytes& operator+=(std::string_view bytes) { return append(bytes.data(), bytes.size()), *this; }
  bool operator==(const KeyBytes& other) const { return view() == other.view(); }
  std::string_view view() const { return many_ == nullptr ? std::string_view(few_, size_) : *many_; }

 private:
  void append_to_many(const char* bytes, size_t size) {
    if (many_ == nullptr) many_ = std::make_unique<std::string>(few_, size_);
    many_->append(bytes, size);
  }
  size_t size_ = 0;  // of few
  std::unique_ptr<std::string> many_;  // all of them, once they are many
  alignas(8) char few_[232];
};

}  // namespace tenon
