// A list that holds a few elements in place and many on the heap: what one call makes and drops, on the stack. Refuses to be a
// container: it grows at its end, and shrinks there.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace tenon {

template <class T, size_t few>
class Few {
 public:
  using value_type = T;
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

  void push_back(T value) {
    if (many_ == nullptr && size_ < few)
      few_[size_++] = std::move(value);
    else
      resize(size_ + 1), data()[size_ - 1] = std::move(value);
  }
  void resize(size_t size) {  // new elements are as T() makes them, or of a plain type anything
    if (many_ == nullptr && size <= few) {
      for (size_t i = size; i < size_; ++i) few_[i] = T();
      size_ = size;
    } else {
      resize_many(size);
    }
  }

 private:
  void resize_many(size_t size) {
    if (many_ == nullptr) {
      auto all = std::make_unique<std::vector<T>>();
      all->reserve(2 * size);
      for (size_t i = 0; i < size_; ++i) all->push_back(std::move(few_[i]));
      many_ = std::move(all);
    }
    many_->resize(size);
    size_ = size;
  }
  size_t size_ = 0;
  T few_[few];
  std::unique_ptr<std::vector<T>> many_;  // all of them, once they are many
};

}  // namespace tenon
