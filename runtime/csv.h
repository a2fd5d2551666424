// Files of delimited text as fields, in order, as RFC 4180 has them: quoted fields hold delimiters, line ends and doubled quotes;
// lines end in LF or CRLF; blank lines count for nothing; a byte order mark of UTF-8 is skipped. A file is read by pieces, so it takes
// the memory of its longest field; a gzipped one is unpacked on the way. Refuses what unpacks to more than is believed, NULs, UTF-16, quotes that do not end, text behind a closing quote, carriage returns inside
// a line, and fields above 16 MiB. Knows neither headers nor types.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tenon/runtime/deflate.h"
#include "tenon/runtime/input_file.h"

namespace tenon::runtime {

struct CsvField {
  std::string_view text;  // until the next field is asked for; without its quotes
  bool quoted = false;
  bool last = false;  // of its record
};

class CsvReader {
 public:
  CsvReader(const std::string& path, char delimiter, char quote);
  bool next(CsvField& field);  // false at the end of the file
  void rewind();
  // Where the field that next() gave last stands: from 1 on.
  uint64_t line() const { return line_; }
  uint64_t column() const { return column_; }
  // Error: CSV file 'PATH': line 3, column 2: reason.
  [[noreturn]] void refuse(const std::string& reason) const;
  [[noreturn]] void refuse_whole(const std::string& reason) const { file_.refuse(reason); }  // without a place

 private:
  void begin_text();
  void unpack_once();
  size_t read_text(char* to, size_t most);  // fewer only at the end
  bool more();  // bytes behind those that are there; the field at hand moves to the front
  bool at_end() { return at_ == buffer_.size() && !more(); }
  void skip_blank_lines();
  void read_plain(CsvField& field);
  void read_quoted(CsvField& field);
  void end_field(CsvField& field);  // takes what stands behind it

  const InputFile file_;
  bool gzipped_ = false;
  std::unique_ptr<Inflater> text_;  // of a gzipped file
  const char delimiter_, quote_;
  bool stops_[256] = {};  // bytes that a plain field does not simply hold
  std::string buffer_, unquoted_;
  size_t at_ = 0, start_ = 0;  // in the buffer: what comes next, and where the field at hand begins
  uint64_t place_ = 0, read_ = 0;  // in the file; bytes of text so far
  uint64_t line_ = 1, column_ = 0, next_line_ = 1;
  bool record_begins_ = true, ended_ = false;
};

}  // namespace tenon::runtime
