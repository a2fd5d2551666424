// Owned and borrowed tensor memory. The functions of a device are called for bytes that exist only.
#include "tenon/runtime/buffer.h"

#include "tenon/ir/base/error.h"
#include "tenon/runtime/recycled.h"

namespace tenon::runtime {

std::shared_ptr<Buffer> Buffer::allocate(int64_t bytes, const Device& device) {
  void* const address = memory_of(bytes, device);
  return make_recycled<Buffer>(Key{}, address, bytes, false, device);
}

void Buffer::refuse(int64_t bytes) {
  throw Error("out of memory: a tensor of " + std::to_string(bytes) + " bytes could not be allocated");
}

std::shared_ptr<Buffer> Buffer::borrow(const void* data, int64_t bytes, const Device& device) {
  if (device.host_addressed) return make_recycled<Buffer>(Key{}, const_cast<void*>(data), bytes, true, device);
  auto buffer = allocate(bytes, device);
  buffer->write(data);
  return buffer;
}

const void* Buffer::host_data() const {
  if (!device_->host_addressed)
    throw InternalError(std::string("the host cannot look into memory of device '") + device_->name +
                        "'; read() copies it");
  return address_;
}

void Buffer::read(void* to) const {
  if (size_ != 0) device_->copy_out(*device_, to, address_, static_cast<uint64_t>(size_));
}

void Buffer::read(void* to, int64_t offset, int64_t bytes) const {
  ensure(offset >= 0 && bytes >= 0 && bytes <= size_ - offset, "a read leaves its buffer");
  if (bytes != 0)
    device_->copy_out(*device_, to, static_cast<const char*>(address_) + offset, static_cast<uint64_t>(bytes));
}

void Buffer::write(const void* from) {
  ensure(!borrowed_, "borrowed memory is never written");
  if (size_ != 0) device_->copy_in(*device_, address_, from, static_cast<uint64_t>(size_));
}

void Buffer::copy(const Buffer& from) {
  ensure(!borrowed_, "borrowed memory is never written");
  ensure(from.size_ == size_ && from.device_ == device_, "buffers of two sizes or devices are not copied in place");
  if (size_ != 0) device_->copy(*device_, address_, from.address_, static_cast<uint64_t>(size_));
}

void Buffer::copy_rows(int64_t place, int64_t stride, const Buffer& from, int64_t bytes, int64_t rows) {
  ensure(!borrowed_, "borrowed memory is never written");
  if (bytes == 0 || rows == 0) return;
  ensure(from.device_ == device_ && from.size_ == bytes * rows && place >= 0 && bytes <= stride &&
             place + (rows - 1) * stride + bytes <= size_,
         "rows are copied that do not fit");
  device_->copy_rows(*device_, static_cast<char*>(address_) + place, static_cast<uint64_t>(stride), from.address_,
                     static_cast<uint64_t>(bytes), static_cast<uint64_t>(bytes), static_cast<uint64_t>(rows));
}

std::string Buffer::bytes() const {
  std::string text(static_cast<size_t>(size_), '\0');
  read(text.data());
  return text;
}

HostView::HostView(const Buffer& buffer) {
  if (!buffer.device().host_addressed) {
    copy_.resize(static_cast<size_t>(buffer.size()));
    buffer.read(copy_.data());
  }
  data_ = buffer.device().host_addressed ? buffer.host_data() : copy_.data();
}

}  // namespace tenon::runtime
