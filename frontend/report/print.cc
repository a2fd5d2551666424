// Printing tensors in PyTorch's format: numbers of one width, large tensors summarised, dtype and requires_grad named where they
// are not the default. Reads what it shows and nothing else, and knows no locale.
#include "tenon/frontend/report/print.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <ostream>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/ir/reference/array.h"

namespace tenon {
namespace {

struct Format {
  int precision = 4;
  bool integral = false;  // all finite numbers are whole: "1."
  bool scientific = false;
  size_t width = 0;
};

std::string number(double v, const Format& f) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  return f.scientific ? scientific(v, f.precision) : f.integral ? fixed(v, 0) + "." : fixed(v, f.precision);
}

// PyTorch's choice: scientific when the ratio of the largest to the smallest magnitude exceeds 1000, or the extremes do.
Format choose(std::span<const double> shown, int precision) {
  Format f{precision};
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
  const PrintOptions& options;
  bool summarize;
  std::vector<std::string> items = {};  // in row-major order, only those shown
  size_t next = 0;
  size_t width = 0;
  std::string out = {};

  std::vector<int64_t> shown(int64_t n) const {
    std::vector<int64_t> v;
    const bool gap = summarize && options.edge_items < n - options.edge_items;
    for (int64_t i = 0; i < (gap ? options.edge_items : n); ++i) v.push_back(i);
    for (int64_t i = n - options.edge_items; gap && i < n; ++i) v.push_back(i);
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
          if (column - 1 + need > static_cast<size_t>(options.line_width)) {  // as PyTorch counts
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

// The elements that are shown, in row-major order; neighbours are read together.
ir::Array shown_elements(const Printer& p, const Tensor& t) {
  const runtime::Buffer& buffer = *buffer_of(t, "to_string", {});
  std::vector<int64_t> positions = {0};
  for (const Dim extent : p.shape) {
    std::vector<int64_t> next;
    const std::vector<int64_t> along = p.shown(extent.number());
    for (const int64_t base : positions)
      for (const int64_t i : along) next.push_back(base * extent.number() + i);
    positions = std::move(next);
  }
  const int64_t element = bytes(t.dtype());
  ir::Array shown(ir::Type{t.dtype(), {static_cast<int64_t>(positions.size())}});
  for (size_t from = 0, to = 0; from < positions.size(); from = to) {
    while (to < positions.size() && positions[to] == positions[from] + static_cast<int64_t>(to - from)) ++to;
    buffer.read(shown.data.data() + from * static_cast<size_t>(element), positions[from] * element,
                static_cast<int64_t>(to - from) * element);
  }
  return shown;
}

template <class T>
std::span<const T> elements(const ir::Array& a) {
  return {a.as<T>(), static_cast<size_t>(a.numel())};
}

std::vector<std::string> item_texts(const ir::Array& shown, const PrintOptions& options) {
  const DType dtype = shown.type.dtype;
  std::vector<std::string> texts;
  if (is_floating(dtype)) {
    const ir::Array wide = ir::recast(shown, f64);
    const Format f = choose(elements<double>(wide), options.precision);
    for (double v : elements<double>(wide)) texts.push_back(number(v, f));
  } else if (dtype == boolean) {
    for (uint8_t v : elements<uint8_t>(shown)) texts.push_back(v ? "true" : "false");
  } else if (dtype == u64) {
    for (uint64_t v : elements<uint64_t>(shown)) texts.push_back(std::to_string(v));
  } else {
    const ir::Array wide = ir::recast(shown, i64);
    for (int64_t v : elements<int64_t>(wide)) texts.push_back(std::to_string(v));
  }
  return texts;
}

struct InForce {
  Mutex mutex;
  PrintOptions options;
};
constinit Forever<InForce> in_force;

}  // namespace

void print_options(const PrintOptions& o, const At& at) {
  if (o.threshold < 0 || o.edge_items < 1 || o.precision < 0 || o.precision > 100 || o.line_width < 0)
    throw Error("print_options: no number is negative, .edge_items is 1 or more, and .precision at most 100",
                place(at));
  InForce& all = in_force.get();
  const std::lock_guard lock(all.mutex);
  all.options = o;
}
PrintOptions print_options() {
  InForce& all = in_force.get();
  const std::lock_guard lock(all.mutex);
  return all.options;
}

std::string to_string(const Tensor& t) { return to_string(t, print_options()); }

std::string to_string(const Tensor& t, const PrintOptions& options) try {
  const FloatEnvironment standard;
  if (!t.defined()) return "tensor(undefined)";
  const Cell& cell = *t.cell();
  if (!cell.concrete()) return std::string(cell.is_spec ? "spec(" : "traced(") + type_text(cell.type) + ")";
  const Shape& shape = t.shape();
  Printer p{shape, options, t.numel() > options.threshold};
  if (t.numel() == 0) {
    p.out = "[]";
  } else {
    p.items = item_texts(shown_elements(p, t), options);
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
} catch (...) {
  leave_with_error("to_string", Location{});
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return out << to_string(tensor); }

}  // namespace tenon
