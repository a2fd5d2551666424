// Printing tensors: the elements that are shown are read, and nothing else; their text is that of ir/base/tensor_text.h, with what
// the tape says of the tensor behind it.
#include "tenon/frontend/report/print.h"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <ostream>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/tensor_text.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon {
namespace {

// The elements that are shown, in row-major order; neighbours are read together.
std::string shown_elements(const Tensor& t, const tenon_text_options& options, const std::vector<int64_t>& extents) {
  const runtime::Buffer& buffer = *buffer_of(t, "to_string", {});
  const auto rank = static_cast<int32_t>(extents.size());
  std::vector<int64_t> positions(static_cast<size_t>(tenon_text_shown(&options, rank, extents.data(), nullptr)));
  tenon_text_shown(&options, rank, extents.data(), positions.data());
  const int64_t element = bytes(t.dtype());
  std::string shown(positions.size() * static_cast<size_t>(element), '\0');
  for (size_t from = 0, to = 0; from < positions.size(); from = to) {
    while (to < positions.size() && positions[to] == positions[from] + static_cast<int64_t>(to - from)) ++to;
    buffer.read(shown.data() + from * static_cast<size_t>(element), positions[from] * element,
                static_cast<int64_t>(to - from) * element);
  }
  return shown;
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
  std::vector<int64_t> extents;
  for (Dim d : t.shape()) extents.push_back(d.number());
  const tenon_text_options how{options.threshold, options.edge_items, options.precision, options.line_width};
  const std::string shown = t.numel() == 0 ? std::string() : shown_elements(t, how, extents);
  const tenon_text_tensor what{static_cast<int32_t>(t.dtype()), static_cast<int32_t>(extents.size()), extents.data(),
                               nullptr};
  const std::unique_ptr<char, void (*)(void*)> words(tenon_text_of(&how, what, shown.data()), &std::free);
  if (words == nullptr) throw std::bad_alloc();
  std::string text = words.get();
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
