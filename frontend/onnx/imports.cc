// Types are compared under the lock, values outside it: memory of a device is waited for.
#include "tenon/frontend/onnx/imports.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/trace.h"

namespace tenon::onnx {
namespace {

constexpr uint64_t most_bytes_of_values = uint64_t{1} << 20;

bool same_bytes(const Tensor& a, const Tensor& b) {
  const BufferPtr left = buffer_of(a, "onnx", {}), right = buffer_of(b, "onnx", {});
  if (left->size() != right->size() || &left->device() != &right->device()) return false;
  const runtime::HostView x(*left), y(*right);
  return left->size() == 0 || std::memcmp(x.data(), y.data(), static_cast<size_t>(left->size())) == 0;
}

}  // namespace

bool Imports::serve(const std::vector<Tensor>& arguments) {
  return Trace::current() == nullptr &&
         std::all_of(arguments.begin(), arguments.end(), [](const Tensor& t) { return t.cell()->concrete(); });
}

bool Imports::Entry::fits(const std::vector<Tensor>& arguments) const {
  for (size_t i = 0; i < types.size(); ++i)
    if (!(arguments[i].cell()->type == types[i])) return false;
  return true;
}

bool Imports::Entry::has_values_of(const std::vector<Tensor>& arguments) const {
  return std::all_of(values.begin(), values.end(),
                     [&](const auto& v) { return same_bytes(v.second, arguments[v.first]); });
}

Imports::Made Imports::find(const std::vector<Tensor>& arguments) const {
  std::vector<Shared> fitting;
  {
    const std::lock_guard lock(mutex_);
    for (auto e = entries_.rbegin(); e != entries_.rend(); ++e)
      if ((*e)->fits(arguments)) fitting.push_back(*e);
  }
  for (const Shared& e : fitting) {
    if (!e->has_values_of(arguments)) continue;
    const std::lock_guard lock(mutex_);
    if (const auto at = std::find(entries_.begin(), entries_.end(), e); at != entries_.end())
      std::rotate(at, at + 1, entries_.end());
    return e->made;
  }
  return nullptr;
}

Imports::Made Imports::keep(const std::vector<Tensor>& arguments, const std::vector<Tensor>& values, Made made) {
  auto entry = std::make_shared<Entry>();
  uint64_t bytes = 0;
  for (size_t i = 0; i < arguments.size(); ++i) {
    entry->types.push_back(arguments[i].cell()->type);
    if (!values[i].defined()) continue;
    entry->values.emplace_back(i, values[i]);
    bytes += static_cast<uint64_t>(buffer_of(values[i], "onnx", {})->size());
  }
  if (bytes > most_bytes_of_values) return made;
  if (Made first = find(arguments)) return first;  // of another thread
  entry->made = std::move(made);
  Shared gone;  // whose program is freed outside the lock
  const std::lock_guard lock(mutex_);
  if (entries_.size() == most) {
    gone = entries_.front();
    entries_.erase(entries_.begin());
  }
  entries_.push_back(std::move(entry));
  return entries_.back()->made;
}

}  // namespace tenon::onnx
