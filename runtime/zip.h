// ZIP archives of stored and deflated members, with 64-bit sizes (PKWARE's APPNOTE 6.3, sections 4.3 and 4.4).
//
// The central directory says what is in an archive; the header before each member must agree with it. The file's size bounds
// everything: no size is believed that the bytes there cannot hold, no member gives more than it declares, and its checksum is held
// against what came out. Refused: encrypted members, other methods, archives of several files, members that overlap or stand twice.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/runtime/deflate.h"
#include "tenon/runtime/input_file.h"
#include "tenon/runtime/new_file.h"

namespace tenon::runtime {

struct ZipEntry {
  std::string name;
  uint64_t bytes = 0, packed_bytes = 0;  // of the member, and as they lie in the file
  uint64_t header = 0, begin = 0;  // where its header is, and its bytes
  uint32_t crc = 0;
  bool deflated = false;
};

class ZipFile {
 public:
  ZipFile(const std::string& path, const char* kind);  // Errors are "KIND 'PATH': reason" here and below
  const std::vector<ZipEntry>& entries() const { return entries_; }  // as the directory lists them
  const InputFile& file() const { return file_; }

 private:
  struct Directory {
    uint64_t begin = 0, bytes = 0, entries = 0;
  };
  Directory find_directory() const;
  void read_directory(const Directory& directory);
  void check_members(uint64_t end);

  const InputFile file_;
  std::vector<ZipEntry> entries_;
};

// One member, read from its first byte to its last.
class ZipMember {
 public:
  ZipMember(const ZipFile& archive, const ZipEntry& entry);
  void read(void* to, uint64_t bytes);  // exactly so many; Error where there are fewer
  void finish();  // Error unless all was read, nothing more is there, and the checksum is right

 private:
  const ZipFile& archive_;
  const ZipEntry& entry_;
  uint64_t read_ = 0, given_ = 0;  // bytes of the member, and of the file
  uint32_t crc_ = 0;
  std::unique_ptr<Inflater> inflater_;
};

// An archive that appears with finish(), whole. Equal members give equal bytes: no time is written.
class ZipWriter {
 public:
  ZipWriter(const std::string& path, const char* kind) : file_(path, kind) {}
  // A member of these bytes, one part behind the other.
  void add(const std::string& name, std::string_view first, std::string_view second, bool compress);
  void finish();

 private:
  void put(std::string_view bytes) {
    file_.write(bytes);
    at_ += bytes.size();
  }
  NewFile file_;
  uint64_t at_ = 0, entries_ = 0;
  std::string directory_;
};

}  // namespace tenon::runtime
