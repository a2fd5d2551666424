// Printing tensors in PyTorch's format: numbers of one width, summarised beyond 1000 elements, dtype and requires_grad named
// where they are not the default.
#include <algorithm>
#include <cmath>
#include <ostream>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon {
namespace {

constexpr int64_t summarize_beyond = 1000, edge_items = 3, line_width = 80;

struct Format {
  bool integral = false;  // all finite numbers are whole: "1."
  bool scientific = false;
  size_t width = 0;
};

std::string number(double v, const Format& f) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  return f.scientific ? scientific(v, 4) : f.integral ? fixed(v, 0) + "." : fixed(v, 4);
}

// PyTorch's choice: scientific when the ratio of the largest to the smallest magnitude exceeds 1000, or the extremes do.
Format choose(const std::vector<double>& shown) {
  Format f;
  double low = INFINITY, high = 0;
  f.integral = true;
  for (double v : shown) {
    if (!std::isfinite(v)) continue;
    if (v != std::trunc(v)) f.integral = false;
    if (v == 0) continue;
    low = std::min(low, std::fabs(v));
    high = std::max(high, std::fabs(v));
  }
  if (high > 0)
    f.scientific =
        f.integral ? high / low > 1000.0 ? high > 1e8 : high > 1e8 : high / low > 1000.0 || high > 1e8 || low < 1e-4;
  for (double v : shown) f.width = std::max(f.width, number(v, f).size());
  return f;
}

struct Printer {
  const Shape& shape;
  std::vector<std::string> items;  // in row-major order, only those shown
  std::vector<int64_t> where;  // positions of the shown elements
  bool summarize;
  size_t next = 0;
  size_t width = 0;
  std::string out;

  std::vector<int64_t> shown(int64_t n) const {
    std::vector<int64_t> v;
    for (int64_t i = 0; i < n; ++i)
      if (!summarize || n <= 2 * edge_items || i < edge_items || i >= n - edge_items) v.push_back(i);
    return v;
  }

  void print(size_t axis, size_t indent) {
    if (axis == shape.size()) {
      out += std::string(width - std::min(width, items[next].size()), ' ') + items[next];
      ++next;
      return;
    }
    const int64_t n = shape[axis].number();
    const bool last = axis + 1 == shape.size();
    const std::vector<int64_t> rows = shown(n);
    out += '[';
    size_t column = indent + 1;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (i != 0) {
        out += ',';
        const bool gap = rows[i] != rows[i - 1] + 1;
        if (last) {
          const size_t need = width + 2;
          if (column + need > static_cast<size_t>(line_width)) {
            out += "\n" + std::string(indent + 1, ' ');
            column = indent + 1;
          } else {
            out += ' ';
          }
          if (gap) out += " ..., ", column += 6;
        } else {
          out += std::string(shape.size() - axis - 1, '\n') + std::string(indent + 1, ' ');
          if (gap) out += "...,\n" + std::string(shape.size() - axis - 2, '\n') + std::string(indent + 1, ' ');
        }
      }
      print(axis + 1, indent + 1);
      column += width + 2;
    }
    out += ']';
  }
};

// Row-major positions of the elements that are shown.
void positions(const Printer& p, const Shape& shape, std::vector<int64_t>& out) {
  out = {0};
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    std::vector<int64_t> next;
    for (int64_t base : out)
      for (int64_t i : p.shown(shape[axis].number())) next.push_back(base * shape[axis].number() + i);
    out = std::move(next);
  }
}

}  // namespace

std::string to_string(const Tensor& t) {
  const FloatEnvironment standard;
  if (!t.defined()) return "tensor(undefined)";
  const Cell& cell = *t.cell();
  if (!cell.concrete()) return std::string(cell.is_spec ? "spec(" : "traced(") + type_text(cell.type) + ")";
  const Shape& shape = t.shape();
  Printer p{shape, {}, {}, t.numel() > summarize_beyond, 0, 0, ""};
  if (t.numel() == 0) {
    p.out = "[]";
  } else {
    positions(p, shape, p.where);
    if (is_floating(t.dtype())) {
      const std::vector<double> all = t.to_vector<double>();
      std::vector<double> shown;
      for (int64_t i : p.where) shown.push_back(all[i]);
      const Format f = choose(shown);
      for (double v : shown) p.items.push_back(number(v, f));
    } else if (t.dtype() == boolean) {
      const std::vector<bool> all = t.to_vector<bool>();
      for (int64_t i : p.where) p.items.push_back(all[i] ? "true" : "false");
    } else if (t.dtype() == u64) {
      const std::vector<uint64_t> all = t.to_vector<uint64_t>();
      for (int64_t i : p.where) p.items.push_back(std::to_string(all[i]));
    } else {
      const std::vector<int64_t> all = t.to_vector<int64_t>();
      for (int64_t i : p.where) p.items.push_back(std::to_string(all[i]));
    }
    for (const std::string& s : p.items) p.width = std::max(p.width, s.size());
    p.print(0, 7);
  }
  std::string text = "tensor(" + p.out;
  if (t.numel() == 0 && shape.rank() != 1) {
    text += ", size=" + tenon::to_string(shape);
    text[text.rfind('[')] = '(';
    text.back() = ')';
  }
  if (t.dtype() != f32 && t.dtype() != i64 && t.dtype() != boolean)
    text += ", dtype=" + std::string(name(t.dtype()));
  else if (t.numel() == 0 && t.dtype() != f32)
    text += ", dtype=" + std::string(name(t.dtype()));
  if (cell.entry)
    text += ", grad_fn=<" + cell.entry->name + ">";
  else if (cell.requires_grad)
    text += ", requires_grad=true";
  return text + ")";
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return out << to_string(tensor); }

}  // namespace tenon
