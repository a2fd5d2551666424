// Finding the one device of some tensors, and copies from one device to another, by way of the host.
#include "tenon/frontend/tensor/placement.h"

#include <algorithm>

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/refuse_device.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

std::string name_of(const runtime::Device& device) {
  return device.kind == TargetKind::cpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

[[noreturn]] void refuse_mixed(const Tensor& first, const Tensor& second, const char* what, const Location& at) {
  const std::string a = name_of(*first.cell()->place), b = name_of(*second.cell()->place);
  throw Error(std::string(what) + ": operands lie on two devices: " + describe(first) + " on " + a + ", and " +
                  describe(second) + " on " + b + "; move one of them, as in x.to(tn::" +
                  (a == "cpu" ? "cpu()" : "cuda(" + std::to_string(first.cell()->place->index) + ")") + ")",
              at);
}

// next(i): number i of `count` tensors.
template <class Next>
const runtime::Device& common(size_t count, const char* what, const Location& at, Next next) {
  const Tensor* first = nullptr;
  for (size_t i = 0; i < count; ++i) {
    const Tensor& t = next(i);
    if (!t.defined() || t.cell()->place == nullptr) continue;
    const Cell& c = *t.cell();
    if (first == nullptr || (first->cell()->number && !c.number))
      first = &t;
    else if (first->cell()->place != c.place && !c.number)
      refuse_mixed(*first, t, what, at);
  }
  return first != nullptr ? *first->cell()->place : runtime::current_device();
}

}  // namespace

const runtime::Device& device_of_all(std::span<const Tensor> inputs, const char* what, const Location& at) {
  return common(inputs.size(), what, at, [&](size_t i) -> const Tensor& { return inputs[i]; });
}

const runtime::Device& device_of_all(std::span<Tensor* const> inputs, const char* what, const Location& at) {
  return common(inputs.size(), what, at, [&](size_t i) -> const Tensor& { return *inputs[i]; });
}

Tensor moved_to(const Tensor& t, const runtime::Device& device, const Location& at) {
  const BufferPtr from = buffer_of(t, "to()", at);
  if (&from->device() == &device) return t.detach();
  auto to = runtime::Buffer::allocate(from->size(), device);
  to->write(runtime::HostView(*from).data());
  Tensor moved = make_concrete(t.cell()->type, std::move(to), t.cell()->made);
  moved.cell()->backward = t.cell()->backward;
  return moved;
}

Tensor beside(const Tensor& t, const Tensor& like, const Location& at) {
  const runtime::Device* const there = like.defined() ? like.cell()->place : nullptr;
  if (there == nullptr || t.cell()->place == nullptr || t.cell()->place == there) return t;
  return moved_to(t, *there, at);
}

std::unique_ptr<std::vector<Tensor>> inputs_on(const runtime::Device& device, std::span<const Tensor> inputs,
                                               const char* what, const Location& at) {
  const auto is_elsewhere = [&](const Tensor& t) {
    return t.defined() && t.cell()->place != nullptr && t.cell()->place != &device;
  };
  if (std::none_of(inputs.begin(), inputs.end(), is_elsewhere)) return nullptr;
  auto there = std::make_unique<std::vector<Tensor>>(inputs.begin(), inputs.end());
  for (Tensor& t : *there) {
    if (!is_elsewhere(t)) continue;
    if (!t.cell()->number)
      throw Error(std::string(what) + ": " + describe(t) + " lies on " + name_of(*t.cell()->place) +
                      ", and the program runs on " + name_of(device) + "; move it there by to()",
                  at);
    t = moved_to(t, device, at);
  }
  return there;
}

Device Tensor::device() const {
  if (!defined()) throw Error("an undefined tensor lies on no device; give it a value first");
  const runtime::Device& d = cell_->place != nullptr ? *cell_->place : runtime::current_device();
  return {d.kind == TargetKind::cpu ? Kind::cpu : Kind::cuda, d.index};
}

Tensor Tensor::to(Device device, const At& at) const {
  const Location here = place(at);
  refuse_device("to()", device, here);
  if (!defined()) throw Error("to(): the tensor is undefined; give it a value first", here);
  if (cell_->is_spec || this->device() == device) return *this;
  if (cell_->traced())
    throw Error("to(): " + describe(*this) +
                    " is being traced, and a program runs on one device; move the arguments before the call, or the "
                    "results after it",
                here);
  const runtime::Device& target =
      runtime::device_of(device.kind == Kind::cpu ? TargetKind::cpu : TargetKind::cuda, device.index);
  try {
    Tensor moved = moved_to(*this, target, here);
    moved.cell()->made = here;
    if (grad_enabled() && cell_->has_history()) put_move_on_tape(*this, moved, here);
    return moved;
  } catch (...) {
    leave_with_error("to()", here);
  }
}

}  // namespace tenon
