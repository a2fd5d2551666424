// One field at a time, in a window that grows with the field alone. Source of the format: RFC 4180.
#include "tenon/runtime/csv.h"

#include <algorithm>

namespace tenon::runtime {
namespace {
constexpr size_t piece = 1 << 20, most_field = size_t{16} << 20;
}

CsvReader::CsvReader(const std::string& path, char delimiter, char quote)
    : file_(path, "CSV file"), delimiter_(delimiter), quote_(quote) {
  for (const char c : {delimiter, '\n', '\r', '\0'}) stops_[static_cast<unsigned char>(c)] = true;
  char start[2];
  uint64_t from = 0;
  gzipped_ = is_gzip({start, file_.read_next(from, start, sizeof start)});
  if (gzipped_) unpack_once();
  rewind();
}

// Once to the end, without a look at it: what is damaged or a bomb is refused before time goes into its fields.
void CsvReader::unpack_once() {
  begin_text();
  buffer_.resize(piece);
  while (read_text(buffer_.data(), piece) == piece) continue;
}

void CsvReader::begin_text() {
  place_ = read_ = 0;
  if (!gzipped_) return;
  const auto compressed = [this](void* to, size_t most) { return file_.read_next(place_, to, most); };
  text_ = std::make_unique<Inflater>(Wrapping::gzip, compressed, file_.who());
}

void CsvReader::rewind() {
  begin_text();
  buffer_.clear();
  at_ = start_ = 0;
  line_ = next_line_ = 1;
  column_ = 0;
  record_begins_ = true;
  ended_ = false;
  if (!more()) return;
  if (gzipped_ && is_gzip(buffer_)) refuse_whole("what is unpacked is gzipped once more; unpack the file");
  if (buffer_.starts_with("\xef\xbb\xbf")) at_ = 3;
  if (buffer_.starts_with("\xff\xfe") || buffer_.starts_with("\xfe\xff"))
    refuse_whole("the text is UTF-16; save it as UTF-8");
}

void CsvReader::refuse(const std::string& reason) const {
  refuse_whole("line " + std::to_string(line_) + ", column " + std::to_string(column_) + ": " + reason);
}

size_t CsvReader::read_text(char* to, size_t most) {
  if (!gzipped_) return file_.read_next(place_, to, most);
  const size_t got = text_->read(to, most);
  read_ += got;
  if (read_ > most_inflated(file_.size()))
    refuse_whole("unpacks to more than " + std::to_string(most_inflated(file_.size())) + " bytes, which " +
                 std::to_string(file_.size()) + " compressed bytes are believed to hold; unpack the file if they do");
  return got;
}

bool CsvReader::more() {
  if (ended_) return false;
  if (buffer_.size() - start_ > most_field) refuse("a field of more than 16 MiB");
  buffer_.erase(0, start_);
  at_ -= start_;
  start_ = 0;
  const size_t held = buffer_.size();
  const size_t wanted = std::min(std::max(piece, held), most_field + piece - held);
  buffer_.resize(held + wanted);
  const size_t got = read_text(buffer_.data() + held, wanted);
  ended_ = got < wanted || (!gzipped_ && place_ == file_.size());
  buffer_.resize(held + got);
  return got != 0;
}

void CsvReader::skip_blank_lines() {
  while (true) {
    start_ = at_;
    if (at_end()) return;
    size_t end = at_;
    if (buffer_[end] == '\r') {
      if (end + 1 == buffer_.size() && !more()) return;  // a carriage return at the end of the file: read_plain says so
      end = at_ + 1;
    }
    if (buffer_[end] != '\n') return;
    at_ = end + 1;
    ++next_line_;
  }
}

bool CsvReader::next(CsvField& field) {
  if (record_begins_) {
    skip_blank_lines();
    if (at_end()) return false;
    column_ = 0;
  }
  record_begins_ = false;
  start_ = at_;
  line_ = next_line_;
  ++column_;
  field = {};
  if (!at_end() && buffer_[at_] == quote_)
    read_quoted(field);
  else
    read_plain(field);
  record_begins_ = field.last;
  return true;
}

void CsvReader::read_plain(CsvField& field) {
  do {
    while (at_ < buffer_.size() && !stops_[static_cast<unsigned char>(buffer_[at_])]) ++at_;
  } while (at_ == buffer_.size() && more());
  const size_t length = at_ - start_;
  end_field(field);
  field.text = std::string_view(buffer_).substr(start_, length);
}

void CsvReader::read_quoted(CsvField& field) {
  field.quoted = true;
  unquoted_.clear();
  ++at_;
  size_t from = at_ - start_;  // what is not in unquoted_ yet
  while (true) {
    if (at_end()) refuse("the quoted field that begins here does not end");
    const char c = buffer_[at_++];
    if (c == '\0') refuse("a zero byte: this is no text");
    if (c == '\n') ++next_line_;
    if (c != quote_) continue;
    if (at_end() || buffer_[at_] != quote_) break;
    unquoted_.append(buffer_, start_ + from, at_ - start_ - from);  // one of the two
    from = ++at_ - start_;
  }
  const size_t length = at_ - start_ - from - 1;
  end_field(field);
  const std::string_view rest = std::string_view(buffer_).substr(start_ + from, length);
  if (unquoted_.empty()) {
    field.text = rest;
  } else {
    unquoted_.append(rest);
    field.text = unquoted_;
  }
}

void CsvReader::end_field(CsvField& field) {
  field.last = at_end();
  if (field.last) return;
  const char c = buffer_[at_++];
  if (c == delimiter_) return;
  if (c == '\0') refuse("a zero byte: this is no text");
  if (c == '\r') {
    field.last = true;
    if (at_end()) return;
    if (buffer_[at_++] != '\n') refuse("a carriage return inside a line");
  } else if (c != '\n') {
    refuse("text follows the closing quote");
  }
  field.last = true;
  ++next_line_;
}

}  // namespace tenon::runtime
