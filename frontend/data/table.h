// Tables of named columns from files of delimited text: tn::data::load_csv. Refuses to guess where a guess could lose something:
// ragged lines, numbers that their type does not hold, and missing integers are Errors with line and column.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon::data {

// What a column is read as: bool, an integer dtype, f32, f64, or texts as categories.
struct ColumnType {
  DType dtype = f64;
  bool category = false;
  ColumnType(DType d) : dtype(d) {}  // NOLINT
  explicit ColumnType(bool c) : dtype(i64), category(c) {}
};
inline const ColumnType category{true};

struct Csv {
  bool header = true;  // the first line has the names; otherwise they are "0", "1", ...
  char delimiter = ',';
  char quote = '"';
  std::map<std::string, ColumnType> columns = {};  // by name; of others the type is found out
  std::vector<std::string> missing = {"", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None"};
  std::optional<int64_t> fill = {};  // stands for missing integers and bools
};

struct Column {
  std::string name;
  Tensor values;  // [rows]; of categories their numbers, i64
  Tensor missing;  // bool[rows]: where the file has no value; undefined where it has all
  std::vector<std::string> categories;  // the texts by number, sorted
};

// A tree like any other: its tensors are the columns'.
struct Table {
  std::vector<Column> columns;

  struct Name {  // with the place of who asks
    std::string text;
    Location at;
    Name(const char* t, const At& where = At::current()) : text(t), at(place(where)) {}  // NOLINT
    Name(std::string t, const At& where = At::current()) : text(std::move(t)), at(place(where)) {}  // NOLINT
  };
  int64_t rows() const;
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const;
  const Column& column(const Name& name) const;  // Error where there is none, with the names that there are
  const Tensor& operator[](const Name& name) const { return column(name).values; }
  const Tensor& at(const Name& name) const { return column(name).values; }
  // [rows, names]: columns side by side in one floating dtype, as astype converts; all of them where no name is given. Error for a
  // column of categories that is not named.
  Tensor matrix(const std::vector<std::string>& names = {}, DType dtype = default_dtype(),
                const At& where = At::current()) const;
};

// The table in a file of UTF-8 text, plain or gzipped, on the default device. Without a type of its own a column is
//   bool, where every value is true or false (True, TRUE, ...); i64, where every one is an integer; f64, where every one is a number;
//   else categories.
// Numbers are the nearest to what is written; blanks around them do not count. Missing values are NaN among floats and -1 among
// categories; a column of integers or bools that lacks some is f64, unless its type or .fill is given. Error, in one line with file,
// line and column: ragged lines; what is not of the column's type, or too large for it; integers that i64, or f64 with NaNs, does not
// hold; missing integers of a given type without .fill; equal names; more than 262144 columns; whatever is no text;
// a gzipped file that unpacks to more than 64 MiB and 64 times its size.
Table load_csv(const std::string& path, const Csv& o = {}, const At& at = At::current());

}  // namespace tenon::data
