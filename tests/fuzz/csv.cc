// Fuzzes the reader of CSV files: fields, their places, and that a second reading gives the same ones.
// sources: runtime/csv.cc runtime/deflate.cc
#include "tenon/runtime/csv.h"

#include "tenon/tests/fuzz/fuzz.h"

void tenon::testing::fuzz(std::string_view file) {
  const MemoryFile on_disk(file);
  runtime::CsvReader reader(on_disk.path(), ',', '"');
  runtime::CsvField field;
  std::vector<std::string> fields;
  size_t bytes = 0;
  while (reader.next(field)) {
    bytes += field.text.size();
    fields.emplace_back(field.text);
    must(reader.line() > 0 && reader.column() > 0, "a field has no place");
  }
  must(bytes <= file.size() && fields.size() <= file.size() + 1, "more comes out than was there");
  reader.rewind();
  for (const std::string& before : fields) must(reader.next(field) && field.text == before, "a second reading differs");
}
