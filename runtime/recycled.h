// Memory of small objects that every call makes and drops (slots, buffers): what a thread frees it gets back for
// the next, without malloc. An allocator for std::allocate_shared. A thread keeps at most 64 blocks of a size. Refuses to keep
// blocks where an address sanitizer watches, which is to see who uses freed ones.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include "tenon/runtime/thread_record.h"

namespace tenon::runtime {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool recycles = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool recycles = false;
#else
inline constexpr bool recycles = true;
#endif
#else
inline constexpr bool recycles = true;
#endif

template <class T>
class Recycled {
 public:
  using value_type = T;
  Recycled() = default;
  template <class U>
  Recycled(const Recycled<U>&) {}  // NOLINT: as allocators are

  T* allocate(size_t n) {
    if (kept_size(n)) {
      ThreadRecord::Blocks& kept = own_record->blocks[size - 1];
      if (void* const block = kept.first; block != nullptr) {
        kept.first = *static_cast<void**>(block);
        --kept.count;
        return static_cast<T*>(block);
      }
    }
    return static_cast<T*>(::operator new(n == 1 ? size * ThreadRecord::granule : n * sizeof(T)));
  }
  void deallocate(T* block, size_t n) {
    if (kept_size(n)) {
      ThreadRecord::Blocks& kept = own_record->blocks[size - 1];
      if (kept.count < ThreadRecord::most_blocks) {
        *reinterpret_cast<void**>(block) = kept.first;
        kept.first = block;
        ++kept.count;
        return;
      }
    }
    ::operator delete(block);
  }
  bool operator==(const Recycled&) const { return true; }

 private:
  static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  static constexpr size_t size = (sizeof(T) + ThreadRecord::granule - 1) / ThreadRecord::granule;
  // A thread without a record, as at its end, keeps nothing: asking for one may fail, and destructors must not.
  static bool kept_size(size_t n) {
    return recycles && n == 1 && size <= ThreadRecord::block_sizes && own_record != nullptr;
  }
};

template <class T, class... A>
std::shared_ptr<T> make_recycled(A&&... args) {
  return std::allocate_shared<T>(Recycled<T>(), std::forward<A>(args)...);
}

}  // namespace tenon::runtime
