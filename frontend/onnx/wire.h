// The wire format of protocol buffers, read field by field: tags, varints, fixed numbers and spans of bytes. Everything stays a view of
// the bytes that were given, and nothing is believed beyond their end. Refuses to know messages (frontend/onnx/model.h); whatever is wrong
// is an Error that names the file and the byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/error.h"

namespace tenon::onnx {

// An Error that names its file already.
class FileError : public Error {
 public:
  using Error::Error;
};

// A file of bytes and its name; "<bytes>" for none.
struct Bytes {
  std::string name;
  std::string folder;  // that external data lies in; empty: there is none
  std::string content;
  [[noreturn]] void fail(const std::string& message) const;  // "model.onnx: ..."
  [[noreturn]] void fail_at(const char* byte, const std::string& message) const;  // "model.onnx, byte 17: ..."
};

enum class Wire : uint8_t { varint = 0, fixed64 = 1, span = 2, fixed32 = 5 };

// The fields of one message, in the order in which they stand. Groups, which nobody writes any more, are refused.
class Fields {
 public:
  Fields(const Bytes& file, std::string_view message) : file_(file), rest_(message) {}
  bool next();  // false at the end
  uint32_t number() const { return number_; }
  std::string_view span() const;  // of a string, of bytes, of a message; Error where the field is something else
  int64_t integer() const;
  float single() const;
  // One number, or many that are packed.
  void append(std::vector<int64_t>& to) const;
  void append(std::vector<float>& to) const;
  void append(std::vector<double>& to) const;
  [[noreturn]] void fail(const std::string& message) const { file_.fail_at(start_, message); }

 private:
  uint64_t varint(std::string_view& from) const;
  std::string_view take(std::string_view& from, uint64_t count) const;
  template <class T>
  void append_fixed(std::vector<T>& to, Wire one) const;
  [[noreturn]] void refuse_kind() const;
  const Bytes& file_;
  std::string_view rest_, span_;
  const char* start_ = nullptr;  // of the field
  uint64_t value_ = 0;
  uint32_t number_ = 0;
  Wire wire_ = Wire::varint;
};

}  // namespace tenon::onnx
