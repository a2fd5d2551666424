// Counted memory of one tensor: immutable once it is shared, recycled when the last holder goes.
// Owned memory comes from tenon_alloc; borrowed memory (from_blob) is the caller's and is never written.
#pragma once

#include <cstdint>
#include <memory>

namespace tenon::runtime {

class Buffer {
 public:
  static std::shared_ptr<Buffer> allocate(int64_t bytes);  // Error when out of memory
  static std::shared_ptr<Buffer> borrow(const void* data, int64_t bytes);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  const void* data() const { return data_; }
  void* mutable_data() { return data_; }  // only while nobody else holds it
  int64_t size() const { return size_; }
  bool borrowed() const { return borrowed_; }

 private:
  Buffer(void* data, int64_t size, bool borrowed) : data_(data), size_(size), borrowed_(borrowed) {}
  void* data_;
  int64_t size_;
  bool borrowed_;
};

}  // namespace tenon::runtime
