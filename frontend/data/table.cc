// Looking into tables.
#include "tenon/frontend/data/table.h"

#include <algorithm>
#include <cstring>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"

namespace tenon::data {
namespace {

constexpr size_t most_shown = 20;  // names in a message

const Column* find(const Table& table, const std::string& name) {
  for (const Column& c : table.columns)
    if (c.name == name) return &c;
  return nullptr;
}

template <class T>
Tensor side_by_side(const std::vector<const Column*>& columns, int64_t rows, DType dtype, const At& at) {
  std::vector<T> values(static_cast<size_t>(byte_count({Dim(rows), Dim(static_cast<int64_t>(columns.size()))}, 1)));
  for (size_t c = 0; c < columns.size(); ++c) {
    const std::vector<T> column = columns[c]->values.to_vector<T>(at);
    if (column.size() != static_cast<size_t>(rows))
      throw Error("matrix: columns have one number of rows: '" + columns.front()->name + "' is " +
                      describe(columns.front()->values) + ", '" + columns[c]->name + "' " +
                      describe(columns[c]->values),
                  place(at));
    for (size_t row = 0; row < column.size(); ++row) values[row * columns.size() + c] = column[row];
  }
  return copy_from(values.data(), {rows, static_cast<int64_t>(columns.size())}, dtype, false, at);
}

}  // namespace

int64_t Table::rows() const { return columns.empty() ? 0 : columns.front().values.numel().number(); }

std::vector<std::string> Table::names() const {
  std::vector<std::string> names;
  for (const Column& c : columns) names.push_back(c.name);
  return names;
}

bool Table::contains(const std::string& name) const { return find(*this, name) != nullptr; }

const Column& Table::column(const Name& name) const {
  if (const Column* c = find(*this, name.text)) return *c;
  std::string there;
  for (size_t i = 0; i < std::min(columns.size(), most_shown); ++i)
    there += (i == 0 ? "'" : ", '") + columns[i].name + "'";
  throw Error("the table has no column '" + name.text + "'; it has " +
                  (columns.size() > most_shown ? there + " and others" : there),
              name.at);
}

Tensor Table::matrix(const std::vector<std::string>& names, DType dtype, const At& where) const {
  return door("matrix", place(where), [&] {
    std::vector<const Column*> chosen;
    for (const std::string& name : names) chosen.push_back(&column(Name(name, where)));
    if (names.empty())
      for (const Column& c : columns) {
        if (!c.categories.empty())
          throw Error("matrix: column '" + c.name +
                          "' holds categories; name the columns that are wanted, that one too if its numbers are",
                      place(where));
        chosen.push_back(&c);
      }
    if (dtype == f32) return side_by_side<float>(chosen, rows(), f32, where);
    if (dtype == f64) return side_by_side<double>(chosen, rows(), f64, where);
    throw Error("matrix: f32 or f64, not " + std::string(name(dtype)) + "; use astype on it", place(where));
  });
}

}  // namespace tenon::data
