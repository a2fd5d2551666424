// Reading archives: the end record, the directory that it tells of, the headers of members.
#include "tenon/runtime/zip.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/shown_name.h"
#include "tenon/runtime/zip_records.h"

namespace tenon::runtime {

using namespace zip_records;  // NOLINT: their signatures, sizes and places

namespace {

constexpr uint16_t encrypted = 1, strong_encryption = 1 << 6, masked_headers = 1 << 13, described_behind = 1 << 3;

std::string read_text(const InputFile& file, uint64_t at, uint64_t bytes) {
  std::string text(bytes, '\0');
  file.read(at, text.data(), bytes);
  return text;
}

// The sizes that a record gives as 2^32 - 1 stand in the extra field 1, those alone and in this order.
void read_wide(std::string_view extra, std::vector<uint64_t*> fields, const std::string& name, const InputFile& file) {
  std::erase_if(fields, [](const uint64_t* f) { return *f != wide32; });
  if (fields.empty()) return;
  while (extra.size() >= 4) {
    const uint64_t id = number(extra, 0, 2), size = number(extra, 2, 2);
    if (extra.size() - 4 < size) break;
    if (id == wide_extra) {
      if (size < 8 * fields.size()) break;
      for (size_t i = 0; i < fields.size(); ++i) *fields[i] = number(extra, 4 + 8 * i, 8);
      return;
    }
    extra.remove_prefix(4 + size);
  }
  file.refuse("member " + shown_name(name) + " lacks its 64-bit sizes");
}

// Deflate makes at most 1032 bytes of one.
bool may_hold(const ZipEntry& e) {
  if (!e.deflated) return e.bytes == e.packed_bytes;
  return e.bytes <= 64 || (e.bytes - 64) / 1032 <= e.packed_bytes;
}

}  // namespace

ZipFile::ZipFile(const std::string& path, const char* kind) : file_(path, kind) {
  const Directory directory = find_directory();
  read_directory(directory);
  check_members(directory.begin);
}

ZipFile::Directory ZipFile::find_directory() const {
  const uint64_t size = file_.size();
  if (size < end_bytes) file_.refuse("truncated, or no ZIP archive");
  const uint64_t from = size - std::min<uint64_t>(size, end_bytes + 0xffff);
  const std::string tail = read_text(file_, from, size - from);
  size_t at = tail.size() - end_bytes;
  // The record is followed by a comment of the length that it tells, and by nothing.
  while (number(tail, at, 4) != end_mark || at + end_bytes + number(tail, at + 20, 2) != tail.size())
    if (at-- == 0) file_.refuse("truncated, or no ZIP archive: the directory's end is missing");
  const uint64_t end = from + at;
  Directory d{number(tail, at + 16, 4), number(tail, at + 12, 4), number(tail, at + 10, 2)};
  bool whole = number(tail, at + 4, 2) == 0 && number(tail, at + 6, 2) == 0 && number(tail, at + 8, 2) == d.entries;
  uint64_t limit = end;
  if (end >= locator_bytes && number(read_text(file_, end - locator_bytes, 4), 0, 4) == locator_mark) {
    const std::string locator = read_text(file_, end - locator_bytes, locator_bytes);
    const uint64_t place = number(locator, 8, 8);
    limit = end - locator_bytes;
    if (limit < wide_end_bytes || place > limit - wide_end_bytes)
      file_.refuse("the 64-bit end of the directory lies beyond the file");
    const std::string wide = read_text(file_, place, wide_end_bytes);
    if (number(wide, 0, 4) != wide_end_mark) file_.refuse("the 64-bit end of the directory is missing");
    whole = number(locator, 4, 4) == 0 && number(locator, 16, 4) <= 1 && number(wide, 16, 4) == 0 &&
            number(wide, 20, 4) == 0 && number(wide, 24, 8) == number(wide, 32, 8);
    const Directory seen{number(wide, 48, 8), number(wide, 40, 8), number(wide, 32, 8)};
    if ((d.begin != wide32 && d.begin != seen.begin) || (d.bytes != wide32 && d.bytes != seen.bytes) ||
        (d.entries != 0xffff && d.entries != seen.entries))
      file_.refuse("the two ends of the directory differ");
    d = seen;
    limit = place;
  }
  if (!whole) file_.refuse("an archive of several files");
  if (d.bytes > limit || d.begin != limit - d.bytes)
    file_.refuse("the directory of " + std::to_string(d.bytes) + " bytes at " + std::to_string(d.begin) +
                 " does not lie before its end at " + std::to_string(limit));
  if (d.entries > d.bytes / entry_bytes)
    file_.refuse("the directory's " + std::to_string(d.bytes) + " bytes cannot hold " + std::to_string(d.entries) +
                 " entries");
  return d;
}

void ZipFile::read_directory(const Directory& directory) {
  const std::string text = read_text(file_, directory.begin, directory.bytes);
  size_t at = 0;
  const auto need = [&](uint64_t bytes) {
    if (text.size() - at < bytes) file_.refuse("the directory is damaged at byte " + std::to_string(at));
  };
  for (uint64_t i = 0; i < directory.entries; ++i) {
    need(entry_bytes);
    if (number(text, at, 4) != entry_mark)
      file_.refuse("the directory is damaged at byte " + std::to_string(at) + ": no entry begins there");
    const uint64_t flags = number(text, at + 8, 2), method = number(text, at + 10, 2);
    ZipEntry e;
    e.crc = static_cast<uint32_t>(number(text, at + 16, 4));
    e.packed_bytes = number(text, at + 20, 4), e.bytes = number(text, at + 24, 4);
    const uint64_t name = number(text, at + 28, 2), extra = number(text, at + 30, 2),
                   comment = number(text, at + 32, 2);
    e.header = number(text, at + 42, 4);
    at += entry_bytes;
    need(name + extra + comment);
    e.name = text.substr(at, name);
    read_wide(std::string_view(text).substr(at + name, extra), {&e.bytes, &e.packed_bytes, &e.header}, e.name, file_);
    at += name + extra + comment;
    const std::string who = "member " + shown_name(e.name);
    if (flags & (encrypted | strong_encryption | masked_headers)) file_.refuse(who + " is encrypted");
    if (method != stored && method != deflate)
      file_.refuse(who + " is compressed by method " + std::to_string(method) + "; stored and deflate are known");
    e.deflated = method == deflate;
    if (e.name.empty() || e.name.find('\0') != std::string::npos) file_.refuse(who + ": no name for a member");
    if (e.packed_bytes > directory.begin || !may_hold(e))
      file_.refuse(who + " claims " + std::to_string(e.bytes) + " bytes in " + std::to_string(e.packed_bytes) +
                   ", which cannot be");
    entries_.push_back(std::move(e));
  }
  if (at != text.size()) file_.refuse("the directory is longer than its entries");
}

// Each member's own header, and that no two share bytes or a name.
void ZipFile::check_members(uint64_t end) {
  for (ZipEntry& e : entries_) {
    const std::string who = "member " + shown_name(e.name);
    if (end < header_bytes || e.header > end - header_bytes) file_.refuse(who + " lies beyond the file");
    const std::string header = read_text(file_, e.header, header_bytes);
    const uint64_t name = number(header, 26, 2), extra = number(header, 28, 2);
    if (number(header, 0, 4) != header_mark) file_.refuse(who + " has no header where the directory says");
    if (end - e.header - header_bytes < name + extra) file_.refuse(who + " lies beyond the file");
    const std::string more = read_text(file_, e.header + header_bytes, name + extra);
    ZipEntry own;
    own.bytes = number(header, 22, 4), own.packed_bytes = number(header, 18, 4);
    const uint64_t flags = number(header, 6, 2);
    if (more.substr(0, name) != e.name)
      file_.refuse(who + " is called " + shown_name(more.substr(0, name)) + " in its own header");
    if (number(header, 8, 2) != (e.deflated ? deflate : stored) || (flags & encrypted))
      file_.refuse(who + ": its own header differs from the directory");
    if (!(flags & described_behind)) {
      read_wide(std::string_view(more).substr(name), {&own.bytes, &own.packed_bytes}, e.name, file_);
      if (own.bytes != e.bytes || own.packed_bytes != e.packed_bytes || number(header, 14, 4) != e.crc)
        file_.refuse(who + ": its own header differs from the directory");
    }
    e.begin = e.header + header_bytes + name + extra;
    if (e.packed_bytes > end - e.begin) file_.refuse(who + " lies beyond the file");
  }
  std::vector<size_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return entries_[a].header < entries_[b].header; });
  for (size_t i = 1; i < order.size(); ++i) {
    const ZipEntry &before = entries_[order[i - 1]], &e = entries_[order[i]];
    if (before.begin + before.packed_bytes > e.header)
      file_.refuse("members " + shown_name(before.name) + " and " + shown_name(e.name) + " overlap");
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return entries_[a].name < entries_[b].name; });
  for (size_t i = 1; i < order.size(); ++i)
    if (entries_[order[i - 1]].name == entries_[order[i]].name)
      file_.refuse("member " + shown_name(entries_[order[i]].name) + " stands twice");
}

ZipMember::ZipMember(const ZipFile& archive, const ZipEntry& entry) : archive_(archive), entry_(entry) {
  if (!entry.deflated) return;
  const auto source = [this](void* to, size_t most) {
    const uint64_t bytes = std::min<uint64_t>(most, entry_.packed_bytes - given_);
    archive_.file().read(entry_.begin + given_, to, bytes);
    given_ += bytes;
    return static_cast<size_t>(bytes);
  };
  inflater_ =
      std::make_unique<Inflater>(Wrapping::bare, source, archive.file().who() + ": member " + shown_name(entry.name));
}

void ZipMember::read(void* to, uint64_t bytes) {
  ensure(bytes <= entry_.bytes - read_, "more is read of a member than it declares");
  uint64_t got = bytes;
  if (inflater_ != nullptr)
    got = inflater_->read(to, bytes);
  else
    archive_.file().read(entry_.begin + read_, to, bytes);
  if (got != bytes)
    archive_.file().refuse("member " + shown_name(entry_.name) + " declares " + std::to_string(entry_.bytes) +
                           " bytes and has " + std::to_string(read_ + got));
  read_ += bytes;
  crc_ = crc32_of({static_cast<const char*>(to), bytes}, crc_);
}

void ZipMember::finish() {
  const std::string who = "member " + shown_name(entry_.name);
  ensure(read_ == entry_.bytes, "a member was not read to its end");
  if (inflater_ != nullptr) {
    char more = 0;
    if (inflater_->read(&more, 1) != 0)
      archive_.file().refuse(who + " inflates to more than the " + std::to_string(entry_.bytes) + " bytes it declares");
    if (inflater_->taken() != entry_.packed_bytes)
      archive_.file().refuse(who + ": bytes follow the end of what is compressed");
  }
  if (crc_ != entry_.crc) archive_.file().refuse(who + " is damaged: its checksum (CRC-32) is wrong");
}

}  // namespace tenon::runtime
