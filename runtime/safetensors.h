// Tensors by name in one file: Hugging Face's safetensors. Eight bytes of length, a header in JSON, then the elements, little-endian
// and row-major, one tensor behind the other. https://github.com/huggingface/safetensors
//
// The file's size bounds everything: no number in a header is believed before it agrees with the bytes that are there. Refused, as
// the format's own library refuses them: holes between tensors and overlaps, bytes behind the last one, shapes that do not fill
// their place, names that stand twice, headers above 100 MB; and element types that Tenon has not, bools that are neither 0 nor 1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/ir/base/dtype.h"
#include "tenon/runtime/input_file.h"
#include "tenon/runtime/new_file.h"

namespace tenon::runtime {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes of the file
  uint64_t bytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order in which they lie in the file, which they fill
  std::vector<std::pair<std::string, std::string>> metadata;
  uint64_t bytes = 0;  // of what precedes the elements
};

// A file, or the bytes of one, whose header is right. Errors name the file (`name`), the tensor or the byte, and what is wrong.
SafetensorsHeader parse_safetensors(std::string_view file, const std::string& name);
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  const std::vector<SafetensorsEntry>& entries() const { return header_.entries; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return header_.metadata; }
  const SafetensorsEntry* find(std::string_view name) const;  // null: no such tensor
  const std::string& prefix() const { return prefix_; }  // what precedes the elements
  void read(const SafetensorsEntry& entry, void* to) const;  // all of its elements

 private:
  const InputFile file_;
  const std::string path_;
  std::string prefix_;
  SafetensorsHeader header_;
  std::vector<size_t> by_name_;
};

// Error where the elements of bools are neither 0 nor 1.
void check_bools(const SafetensorsEntry& entry, const void* elements, const std::string& name);

std::string_view safetensors_dtype(DType dtype);  // BF16
std::optional<DType> dtype_of_safetensors(std::string_view name);

// A file that is written: it is given names, types and shapes first, then the elements of each, and appears with finish(), whole.
class SafetensorsWriter {
 public:
  // Entries need no places. They are put into the format's order: wide elements first, so that all lie aligned, then by name.
  SafetensorsWriter(const std::string& path, std::vector<SafetensorsEntry> entries,
                    const std::vector<std::pair<std::string, std::string>>& metadata = {});
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }
  const std::string& prefix() const { return prefix_; }
  void write(const void* elements);  // of the next entry
  void finish();

 private:
  std::vector<SafetensorsEntry> entries_;
  const std::string prefix_;
  NewFile file_;
  size_t next_ = 0;
};
// What precedes the elements of entries in that order: sets their places. Error for a name that is not UTF-8 or stands twice.
std::string safetensors_prefix(std::vector<SafetensorsEntry>& entries,
                               const std::vector<std::pair<std::string, std::string>>& metadata,
                               const std::string& name);

}  // namespace tenon::runtime
