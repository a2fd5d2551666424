// Counted memory of one tensor on a device: immutable once it is shared, recycled when the last holder goes. Owned memory
// comes from the device; borrowed memory (from_blob) is the caller's and is never written.
//
// The door: the host copies bytes in and out with write() and read(), which serve every device, or asks for a place to look at
// (HostView, host_data()). An address() is the device's, to be passed on to its functions and to programs that run on it, and
// never to be followed. Refuses to let the host look into memory that it cannot address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tenon/runtime/device.h"

namespace tenon::runtime {

class Buffer {
  struct Key {};  // only Buffer makes buffers, object and count in one block

 public:
  static std::shared_ptr<Buffer> allocate(int64_t bytes,
                                          const Device& device = current_device());  // Error when out of memory
  // Memory of the host, which must outlive the buffer. A device that cannot address it takes a copy.
  static std::shared_ptr<Buffer> borrow(const void* data, int64_t bytes, const Device& device = current_device());
  Buffer(Key, void* address, int64_t size, bool borrowed, const Device& device)
      : address_(address), size_(size), borrowed_(borrowed), device_(&device) {}
  ~Buffer() { give_up(); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  const Device& device() const { return *device_; }
  int64_t size() const { return size_; }
  bool borrowed() const { return borrowed_; }
  const void* address() const { return address_; }
  void* address() { return address_; }  // to write to only while nobody else holds the buffer

  const void* host_data() const;  // InternalError for memory that the host cannot address
  void read(void* to) const;  // all of its bytes
  void read(void* to, int64_t offset, int64_t bytes) const;  // some that it has
  void write(const void* from);  // only while nobody else holds it
  void copy(const Buffer& from);  // of the same size and device; only while nobody else holds this one
  // All of `from` as rows of `bytes` each; row i goes to `place` + i * stride. Only while nobody else holds this one.
  void copy_rows(int64_t place, int64_t stride, const Buffer& from, int64_t bytes, int64_t rows);
  std::string bytes() const;

  // A record that is used again, only while nobody else holds it: gives up its memory, and takes other, which it has none before.
  void give_up() {
    if (!borrowed_ && address_ != nullptr) device_->free(*device_, address_, static_cast<uint64_t>(size_));
    address_ = nullptr, size_ = 0, borrowed_ = false;
  }
  void* take(int64_t bytes, const Device& device) {  // Error when out of memory
    address_ = memory_of(bytes, device);
    size_ = bytes;
    device_ = &device;
    return address_;
  }

 private:
  static void* memory_of(int64_t bytes, const Device& device) {
    void* const memory = bytes == 0 ? nullptr : device.allocate(device, static_cast<uint64_t>(bytes));
    if (bytes != 0 && memory == nullptr) refuse(bytes);
    return memory;
  }
  [[noreturn]] static void refuse(int64_t bytes);
  void* address_;
  int64_t size_;
  bool borrowed_;
  const Device* device_;
};

// A buffer's bytes for the host to look at: in place where it can address them, else a copy.
class HostView {
 public:
  explicit HostView(const Buffer& buffer);
  const void* data() const { return data_; }

 private:
  std::vector<std::byte> copy_;
  const void* data_;
};

}  // namespace tenon::runtime
