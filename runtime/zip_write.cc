// Writing archives: headers with 64-bit sizes throughout, the directory behind the last member, its end in both widths where needed.
#include "tenon/ir/base/error.h"
#include "tenon/runtime/zip.h"
#include "tenon/runtime/zip_records.h"

namespace tenon::runtime {

using namespace zip_records;  // NOLINT: their signatures, sizes and places

namespace {

constexpr uint64_t version = 45, utf8_names = 1 << 11, first_day = 0x21;  // 1980-01-01

}  // namespace

void ZipWriter::add(const std::string& name, std::string_view first, std::string_view second, bool compress) {
  ensure(name.size() <= 0xffff, "a name of 64 KiB or more in a ZIP archive");
  const uint64_t bytes = first.size() + second.size(), header = at_;
  const uint32_t crc = crc32_of(second, crc32_of(first));
  std::string packed;
  if (compress) packed = deflated(std::string(first) + std::string(second));
  const uint64_t packed_bytes = compress ? packed.size() : bytes;
  // From the version to the length of the name, both records are one.
  std::string common;
  append(common, version, 2), append(common, utf8_names, 2), append(common, compress ? deflate : stored, 2);
  append(common, 0, 2), append(common, first_day, 2), append(common, crc, 4);
  append(common, wide32, 4), append(common, wide32, 4), append(common, name.size(), 2);

  std::string local;
  append(local, header_mark, 4);
  local += common;
  append(local, 20, 2);
  local += name;
  append(local, wide_extra, 2), append(local, 16, 2), append(local, bytes, 8), append(local, packed_bytes, 8);
  put(local);
  if (compress) {
    put(packed);
  } else {
    put(first);
    put(second);
  }

  append(directory_, entry_mark, 4), append(directory_, version, 2);
  directory_ += common;
  append(directory_, 28, 2), append(directory_, 0, 8), append(directory_, 0, 2), append(directory_, wide32, 4);
  directory_ += name;
  append(directory_, wide_extra, 2), append(directory_, 24, 2);
  append(directory_, bytes, 8), append(directory_, packed_bytes, 8), append(directory_, header, 8);
  ++entries_;
}

void ZipWriter::finish() {
  const uint64_t begin = at_, bytes = directory_.size();
  put(directory_);
  const uint64_t end = at_;
  std::string text;
  append(text, wide_end_mark, 4), append(text, wide_end_bytes - 12, 8), append(text, version, 2);
  append(text, version, 2), append(text, 0, 8);
  for (const uint64_t value : {entries_, entries_, bytes, begin}) append(text, value, 8);
  append(text, locator_mark, 4), append(text, 0, 4), append(text, end, 8), append(text, 1, 4);
  const uint64_t count = entries_ < 0xffff ? entries_ : 0xffff;
  append(text, end_mark, 4), append(text, 0, 4), append(text, count, 2), append(text, count, 2);
  append(text, bytes < wide32 ? bytes : wide32, 4), append(text, begin < wide32 ? begin : wide32, 4);
  append(text, 0, 2);
  put(text);
  file_.put();
}

}  // namespace tenon::runtime
