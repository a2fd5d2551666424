// Two passes over a file: the first finds names, types and the number of rows, the second fills columns of that size. So a table
// takes the memory of its columns, and a file that is wrong anywhere takes none.
#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <unordered_map>
#include <unordered_set>

#include "tenon/frontend/data/numbers.h"
#include "tenon/frontend/data/table.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/csv.h"

namespace tenon::data {
namespace {

using runtime::CsvField;
using runtime::CsvReader;

constexpr size_t most_columns = size_t{1} << 18;

// What stands in an error message: one line, and not a long one.
std::string shown(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 40)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out + (text.size() > 40 ? "...'" : "'");
}

bool read_bool(std::string_view text, bool& value) {
  for (const char* word : {"true", "True", "TRUE"})
    if (text == word) return value = true;
  for (const char* word : {"false", "False", "FALSE"})
    if (text == word) return value = false, true;
  return false;
}

// What is known of a column after the first pass, and how the second fills it.
struct Draft {
  std::string name;
  std::optional<ColumnType> given;
  // Of the values so far, none to begin with.
  bool any = false, bools = true, integers = true, numbers = true, lacks = false, inexact = false;
  std::string too_wide;  // the first integer that i64 does not hold, with its place

  ColumnType type{f64};
  std::vector<std::byte> values, missing;
  std::vector<std::string> texts;
  std::unordered_map<std::string, int64_t> number_of;
};

class Loader {
 public:
  Loader(const std::string& path, const Csv& o)
      : o_(o), file_(path, o.delimiter, o.quote), missing_(o.missing.begin(), o.missing.end()) {}

  Table load(const At& at) {
    learn();
    for (Draft& d : drafts_) choose(d);
    file_.rewind();
    if (o_.header) skip_record();
    fill();
    Table table;
    for (Draft& d : drafts_) table.columns.push_back(finish(d, at));
    return table;
  }

 private:
  bool is_missing(const CsvField& field, std::string_view text) {
    scratch_.assign(field.quoted ? field.text : text);
    return missing_.contains(scratch_);
  }
  std::string in(const Draft& d) const { return "in column '" + shown_name(d) + "', "; }
  static std::string shown_name(const Draft& d) {
    const std::string s = shown(d.name);
    return s.substr(1, s.size() - 2);
  }

  void skip_record() {
    CsvField field;
    while (file_.next(field) && !field.last) continue;
  }

  void learn() {
    CsvField field;
    bool more = file_.next(field);
    if (!more) file_.refuse_whole("there is nothing in it");
    for (; more; more = !field.last && file_.next(field)) {  // the first record
      if (drafts_.size() == most_columns) file_.refuse("more than " + std::to_string(most_columns) + " columns");
      Draft& d = drafts_.emplace_back();
      d.name = !o_.header ? std::to_string(drafts_.size() - 1)
                          : std::string(field.quoted ? field.text : trimmed(field.text));
      if (!o_.header) note(d, field);
    }
    name_columns();
    rows_ = o_.header ? 0 : 1;
    for (size_t c = 0; file_.next(field);) {
      if (c == drafts_.size()) file_.refuse("the first line has " + std::to_string(c) + " fields, and this one more");
      note(drafts_[c++], field);
      if (!field.last) continue;
      if (c != drafts_.size())
        file_.refuse("the line ends after " + std::to_string(c) + " fields, and the first one has " +
                     std::to_string(drafts_.size()));
      c = 0;
      ++rows_;
    }
  }

  void name_columns() {
    std::unordered_map<std::string_view, Draft*> by_name;
    for (Draft& d : drafts_)
      if (!by_name.emplace(d.name, &d).second) file_.refuse_whole("two columns are called " + shown(d.name));
    for (const auto& [name, type] : o_.columns) {
      const auto found = by_name.find(name);
      if (found == by_name.end())
        file_.refuse_whole("there is no column " + shown(name) + ", to which .columns gives a type");
      if (is_half(type.dtype) || is_complex(type.dtype))
        file_.refuse_whole("column " + shown(name) + " cannot be read as " + std::string(tenon::name(type.dtype)) +
                           "; read it as f32 and use astype");
      found->second->given = type;
    }
  }

  void note(Draft& d, const CsvField& field) {
    const std::string_view text = trimmed(field.text);
    if (is_missing(field, text)) {
      d.lacks = true;
      return;
    }
    d.any = true;
    if (d.given) return;
    bool truth = false;
    d.bools = d.bools && read_bool(text, truth);
    if (d.integers) {
      int64_t integer = 0;
      const Written w = read_number(text, integer);
      if (w == Written::no_number)
        d.integers = false;
      else if (w == Written::too_large && d.too_wide.empty())
        d.too_wide =
            "line " + std::to_string(file_.line()) + ", column " + std::to_string(file_.column()) + ": " + shown(text);
      d.inexact = d.inexact || integer > int64_t{1} << 53 || integer < -(int64_t{1} << 53);
      if (w != Written::no_number) return;
    }
    double number = 0;
    if (d.numbers) d.numbers = read_number(text, number) != Written::no_number;
  }

  void choose(Draft& d) {
    if (d.given) {
      d.type = *d.given;
      return;
    }
    const std::string remedy = "; give the column a type in .columns";
    if (!d.any) {
      d.type = f64;
    } else if (d.bools) {
      d.type = d.lacks && !o_.fill ? f64 : boolean;
    } else if (d.integers) {
      if (!d.too_wide.empty()) file_.refuse_whole(d.too_wide + " is no i64" + remedy);
      if (d.lacks && !o_.fill && d.inexact)
        file_.refuse_whole(in(d) + "some integers are missing, and f64 does not hold the others" + remedy +
                           " and a .fill");
      d.type = d.lacks && !o_.fill ? f64 : i64;
    } else {
      d.type = d.numbers ? ColumnType(f64) : category;
    }
  }

  void fill() {
    for (Draft& d : drafts_) d.values.resize(static_cast<size_t>(rows_) * static_cast<size_t>(bytes(d.type.dtype)));
    CsvField field;
    for (size_t row = 0; row < static_cast<size_t>(rows_); ++row)
      for (Draft& d : drafts_) {
        if (!file_.next(field)) file_.refuse_whole("became shorter while it was read");
        put(d, row, field);
      }
  }

  template <class T>
  static void store(Draft& d, size_t row, T value) {
    std::memcpy(d.values.data() + row * sizeof(T), &value, sizeof(T));
  }

  void put(Draft& d, size_t row, const CsvField& field) {
    const std::string_view text = trimmed(field.text);
    const bool lacks = is_missing(field, text);
    if (lacks) {
      d.missing.resize(static_cast<size_t>(rows_));
      d.missing[row] = std::byte{1};
    }
    if (d.type.category) {
      if (lacks) return store<int64_t>(d, row, -1);
      scratch_.assign(field.quoted ? field.text : text);
      const auto [found, is_new] = d.number_of.try_emplace(scratch_, static_cast<int64_t>(d.texts.size()));
      if (is_new) d.texts.push_back(scratch_);
      return store(d, row, found->second);
    }
    switch (d.type.dtype) {
      case boolean: return put_bool(d, row, text, lacks);
      case i8: return put_integer<int8_t>(d, row, text, lacks);
      case i16: return put_integer<int16_t>(d, row, text, lacks);
      case i32: return put_integer<int32_t>(d, row, text, lacks);
      case i64: return put_integer<int64_t>(d, row, text, lacks);
      case u8: return put_integer<uint8_t>(d, row, text, lacks);
      case u16: return put_integer<uint16_t>(d, row, text, lacks);
      case u32: return put_integer<uint32_t>(d, row, text, lacks);
      case u64: return put_integer<uint64_t>(d, row, text, lacks);
      case f32: return put_float<float>(d, row, text, lacks);
      default: return put_float<double>(d, row, text, lacks);
    }
  }

  [[noreturn]] void refuse_value(const Draft& d, std::string_view text, bool too_large) {
    const std::string type(name(d.type.dtype));
    file_.refuse(in(d) + shown(text) + (too_large ? " is too large for " + type : " is no value of " + type));
  }
  int64_t filled(const Draft& d) {
    if (!o_.fill)
      file_.refuse(in(d) + "a value is missing, and " + std::string(name(d.type.dtype)) +
                   " has none for that; give a .fill, or read f64");
    return *o_.fill;
  }

  void put_bool(Draft& d, size_t row, std::string_view text, bool lacks) {
    bool value = false;
    int64_t number = lacks ? filled(d) : 0;
    if (!lacks && !read_bool(text, value) && (read_number(text, number) != Written::number || number < 0 || number > 1))
      refuse_value(d, text, false);
    store<uint8_t>(d, row, value || number != 0);
  }
  template <class T>
  void put_integer(Draft& d, size_t row, std::string_view text, bool lacks) {
    T value{};
    if (lacks) {
      const int64_t given = filled(d);
      if (!std::in_range<T>(given)) refuse_value(d, std::to_string(given), true);
      value = static_cast<T>(given);
    } else if (const Written w = read_number(text, value); w != Written::number) {
      refuse_value(d, text, w == Written::too_large);
    }
    store(d, row, value);
  }
  template <class T>
  void put_float(Draft& d, size_t row, std::string_view text, bool lacks) {
    T value = std::numeric_limits<T>::quiet_NaN();
    bool truth = false;
    if (!lacks) {
      const Written w = read_number(text, value);
      if (w == Written::no_number && !d.given && read_bool(text, truth))
        value = truth ? T{1} : T{0};
      else if (w != Written::number)
        refuse_value(d, text, w == Written::too_large);
    }
    store(d, row, value);
  }

  Column finish(Draft& d, const At& at) {
    if (d.type.category) sort_categories(d);
    Column column{d.name, copy_from(d.values.data(), {rows_}, d.type.dtype, false, at), {}, std::move(d.texts)};
    if (!d.missing.empty()) column.missing = copy_from(d.missing.data(), {rows_}, boolean, false, at);
    d.values = {};
    d.missing = {};
    d.number_of = {};
    return column;
  }

  void sort_categories(Draft& d) {
    std::sort(d.texts.begin(), d.texts.end());
    std::vector<int64_t> now(d.texts.size());
    for (size_t i = 0; i < d.texts.size(); ++i)
      now[static_cast<size_t>(d.number_of.at(d.texts[i]))] = static_cast<int64_t>(i);
    for (size_t row = 0; row < static_cast<size_t>(rows_); ++row) {
      int64_t number = 0;
      std::memcpy(&number, d.values.data() + row * sizeof number, sizeof number);
      if (number >= 0) store(d, row, now[static_cast<size_t>(number)]);
    }
  }

  const Csv& o_;
  CsvReader file_;
  const std::unordered_set<std::string> missing_;
  std::string scratch_;
  std::vector<Draft> drafts_;
  int64_t rows_ = 0;
};

}  // namespace

Table load_csv(const std::string& path, const Csv& o, const At& at) {
  return door("load_csv", place(at), [&] {
    const auto control = [](char c) { return c == '\n' || c == '\r' || c == '\0'; };
    if (o.delimiter == o.quote || control(o.delimiter) || control(o.quote))
      throw Error("load_csv: delimiter and quote are two characters, and no line ends", place(at));
    return Loader(path, o).load(at);
  });
}

}  // namespace tenon::data
