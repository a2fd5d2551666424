// A list that holds a few elements in place and many on the heap: what one call makes and drops, on the stack. Refuses to be a
// container: it grows at its end, and shrinks there.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace tenon {

template <class T, size_t few>
class Few {
 public:
  using value_type = T;
  Few() {}  // leaves the place of the few as it is
  Few(Few&& other) noexcept { take(other); }
  Few& operator=(Few&& other) noexcept {
    resize(0);
    many_ = nullptr;
    take(other);
    return *this;
  }
  ~Few() {
    if (many_ == nullptr) std::destroy_n(few_, size_);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return many_ == nullptr ? few_ : many_->data(); }
  const T* data() const { return many_ == nullptr ? few_ : many_->data(); }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }

  [[gnu::always_inline]] void push_back(T value) {
    if (many_ == nullptr && size_ < few)
      std::construct_at(few_ + size_++, std::move(value));
    else
      resize_many(size_ + 1), many_->back() = std::move(value);
  }
  void resize(size_t size) {  // new elements are as T() makes them, or of a plain type anything
    if (many_ != nullptr || size > few) return resize_many(size);
    if constexpr (!std::is_trivially_copyable_v<T>) {
      for (; size_ > size; --size_) std::destroy_at(few_ + size_ - 1);
      for (; size_ < size; ++size_) std::construct_at(few_ + size_);
    }
    size_ = size;
  }

 private:
  void take(Few& other) {
    if (other.many_ == nullptr)
      for (size_t i = 0; i < other.size_; ++i) push_back(std::move(other.few_[i]));
    else
      many_ = std::move(other.many_), size_ = std::exchange(other.size_, 0);
  }
  void resize_many(size_t size) {
    if (many_ == nullptr) {
      auto list = std::make_unique<std::vector<T>>();
      list->reserve(2 * size);
      for (size_t i = 0; i < size_; ++i) list->push_back(std::move(few_[i]));
      std::destroy_n(few_, size_);
      many_ = std::move(list);
    }
    many_->resize(size);
    size_ = size;
  }
  size_t size_ = 0;
  std::unique_ptr<std::vector<T>> many_;  // all of them, once they are many
  union {
    T few_[few];
  };
};

}  // namespace tenon
