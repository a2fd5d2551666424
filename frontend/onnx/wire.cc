// Tags, lengths and numbers, each checked against what is left.
#include "tenon/frontend/onnx/wire.h"

#include <bit>
#include <cstring>

namespace tenon::onnx {

static_assert(std::endian::native == std::endian::little, "numbers stand in files with their lowest byte first");

void Bytes::fail(const std::string& message) const { throw FileError(name + ": " + message); }

void Bytes::fail_at(const char* byte, const std::string& message) const {
  throw FileError(name + ", byte " + std::to_string(byte - content.data()) + ": " + message);
}

uint64_t Fields::varint(std::string_view& from) const {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (from.empty()) file_.fail_at(from.data(), "a number is cut off");
    const auto byte = static_cast<unsigned char>(from.front());
    if (shift == 63 && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    from.remove_prefix(1);
    if (byte < 0x80) return value;
  }
  file_.fail_at(from.data(), "a number has more than 64 bits");
}

std::string_view Fields::take(std::string_view& from, uint64_t count) const {
  if (count > from.size())
    file_.fail_at(from.data(), "a field of " + std::to_string(count) + " bytes stands where " +
                                   std::to_string(from.size()) + " are left");
  const std::string_view taken = from.substr(0, count);
  from.remove_prefix(count);
  return taken;
}

bool Fields::next() {
  if (rest_.empty()) return false;
  start_ = rest_.data();
  const uint64_t tag = varint(rest_);
  if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) fail("there is no field of number " + std::to_string(tag >> 3));
  number_ = static_cast<uint32_t>(tag >> 3);
  wire_ = static_cast<Wire>(tag & 7);
  span_ = {};
  value_ = 0;
  switch (wire_) {
    case Wire::varint: value_ = varint(rest_); break;
    case Wire::span: span_ = take(rest_, varint(rest_)); break;
    case Wire::fixed32:
    case Wire::fixed64: {
      span_ = take(rest_, wire_ == Wire::fixed32 ? 4 : 8);
      std::memcpy(&value_, span_.data(), span_.size());
      break;
    }
    default: fail("there is no field of kind " + std::to_string(tag & 7));
  }
  return true;
}

void Fields::refuse_kind() const { fail("field " + std::to_string(number_) + " is of another kind than it should be"); }

std::string_view Fields::span() const {
  if (wire_ != Wire::span) refuse_kind();
  return span_;
}

int64_t Fields::integer() const {
  if (wire_ != Wire::varint) refuse_kind();
  return static_cast<int64_t>(value_);
}

float Fields::single() const {
  if (wire_ != Wire::fixed32) refuse_kind();
  return std::bit_cast<float>(static_cast<uint32_t>(value_));
}

void Fields::append(std::vector<int64_t>& to) const {
  if (wire_ == Wire::varint) {
    to.push_back(integer());
    return;
  }
  for (std::string_view rest = span(); !rest.empty();) to.push_back(static_cast<int64_t>(varint(rest)));
}

template <class T>
void Fields::append_fixed(std::vector<T>& to, Wire one) const {
  if (wire_ != one && wire_ != Wire::span) refuse_kind();
  if (span_.size() % sizeof(T) != 0) fail("packed numbers end in the middle of one");
  const size_t before = to.size();
  to.resize(before + span_.size() / sizeof(T));
  if (!span_.empty()) std::memcpy(to.data() + before, span_.data(), span_.size());
}
void Fields::append(std::vector<float>& to) const { append_fixed(to, Wire::fixed32); }
void Fields::append(std::vector<double>& to) const { append_fixed(to, Wire::fixed64); }

}  // namespace tenon::onnx
