// Tensor handles: making, reading, autograd state. Computation lives elsewhere (ops_*.cc).
#include "tenon/frontend/tensor/tensor.h"

#include <cstring>
#include <ostream>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/reference/array.h"
#include "tenon/runtime/named_extents.h"

namespace tenon {
namespace {

const Cell& cell_of(const Tensor& t) {
  if (!t.defined()) throw Error("an undefined tensor has no shape, dtype or values; give it a value first");
  return *t.cell();
}

}  // namespace

void detail::out_of_memory(const char* what, uint64_t bytes, const Location& at) {
  if (bytes != 0) refuse_memory(what, bytes, at);
  leave_with_error(what, at);
}

double Operand::as_double(float value) {
  const FloatEnvironment standard;
  return static_cast<double>(value);
}
double Operand::as_double(long double value) {
  const FloatEnvironment standard;
  return static_cast<double>(value);
}

std::string type_text(const ir::Type& type) {
  std::string text = std::string(name(type.dtype)) + "[";
  for (size_t i = 0; i < type.shape.size(); ++i) text += (i ? ", " : "") + extent_text(type.shape[i]);
  return text + "]";
}

std::string describe(const Tensor& t) {
  if (!t.defined()) return "an undefined tensor";
  const Cell& c = *t.cell();
  std::string text = type_text(c.type);
  if (c.made.known()) text += " from " + to_string(c.made);
  return text;
}

namespace {

[[noreturn]] void refuse_donated(const Tensor& t, const char* use, const Location& at) {
  const Location donated = t.cell()->slot->donated();
  throw Error(std::string(use) + ": " + describe(t) + " was donated" +
                  (donated.known() ? " at " + to_string(donated) : "") +
                  " and its memory is gone; use the result "
                  "of that call, or do not donate it",
              at);
}

void check_concrete(const Tensor& t, const char* use, const Location& at) {
  const Cell& c = cell_of(t);
  if (c.is_spec) throw Error(std::string(use) + ": a tn::spec has no values; pass a tensor", at);
  if (c.traced()) {
    if (Trace::active(c.trace))
      throw Error(std::string(use) + ": " + describe(t) +
                      " is being traced and has no values yet. Use tn::cond or tn::where to "
                      "choose by value, or return it and read it outside",
                  at);
    throw Error(
        std::string(use) + ": leaked tensor: " + describe(t) +
            " belongs to a trace that has ended. Return it from the traced function instead of storing it outside",
        at);
  }
}

}  // namespace

void check_readable(const Tensor& t, const char* use, const Location& at) {
  check_concrete(t, use, at);
  if (t.cell()->slot->empty()) refuse_donated(t, use, at);
}

BufferPtr buffer_of(const Tensor& t, const char* use, const Location& at) {
  check_concrete(t, use, at);
  BufferPtr buffer = t.cell()->slot->buffer();
  if (buffer == nullptr) refuse_donated(t, use, at);
  return buffer;
}

std::shared_ptr<Cell> grad_of(const Cell& cell) {
  if (!cell.concrete()) return cell.grad;
  const std::lock_guard hold(cell.slot->lock());
  return cell.grad;
}

bool set_grad(Cell& cell, const std::shared_ptr<Cell>& before, std::shared_ptr<Cell> after) {
  const std::lock_guard hold(cell.slot->lock());
  if (cell.grad != before) return false;
  cell.grad.swap(after);  // what was there goes after the lock, when `after` does
  return true;
}

const Shape& Tensor::shape() const { return cell_of(*this).type.shape; }
int Tensor::ndim() const { return shape().rank(); }
Extent element_count(const Shape& shape) {
  if (shape.is_static()) return shape.numel();
  Extent n = 1;
  for (Dim d : shape) n = n * d;
  return n;
}
Extent Tensor::numel() const { return element_count(shape()); }
DType Tensor::dtype() const { return cell_of(*this).type.dtype; }

void Tensor::read_elements(void* out, DType want, const Location& at) const try {
  const BufferPtr buffer = buffer_of(*this, "to_vector()", at);
  const size_t size = static_cast<size_t>(numel()) * static_cast<size_t>(bytes(want));
  if (want == dtype()) {
    buffer->read(out);
    return;
  }
  const FloatEnvironment standard;
  ir::Array from(cell_->type);
  buffer->read(from.data.data());
  const ir::Array to = ir::recast(from, want);
  if (size != 0) std::memcpy(out, to.data.data(), size);
} catch (...) {
  leave_with_error("to_vector()", at);
}

void Tensor::read_element(void* out, DType want, const Location& at) const try {
  if (Trace::current())
    throw Error("item() inside a trace: " + describe(*this) + " has no value while '" + Trace::current()->what +
                    "' traces. Use tn::cond or tn::where to choose by value, or return it and read it outside",
                at);
  if (numel() != 1)
    throw Error("item() reads a one-element tensor, and this is " + describe(*this) + "; index it first", at);
  read_elements(out, want, at);
} catch (...) {
  leave_with_error("item()", at);
}

const void* Tensor::raw(const std::source_location& at) const {
  return buffer_of(*this, "raw()", place(at))->host_data();
}

// ---- making --------------------------------------------------------------------------------------------------------

Tensor copy_from(const void* data, const Extents& extents, DType dtype, bool requires_grad, const At& at) try {
  const Shape shape = extents.checked("copy_from", dtype, place(at));
  if (!shape.is_static())
    throw Error("copy_from: a tensor with values has numbers as extents; tn::spec takes names", place(at));
  const int64_t size = byte_count(shape, bytes(dtype));
  if (size != 0 && data == nullptr) throw Error("copy_from: the address is null", place(at));
  auto buffer = runtime::Buffer::allocate(size);
  buffer->write(data);
  Tensor t = make_concrete({dtype, shape}, std::move(buffer), {});
  if (requires_grad) t.set_requires_grad(true, at);
  return t;
} catch (...) {
  leave_with_error("copy_from", place(at));
}

Tensor detail::from_blob(const void* data, const Extents& extents, DType dtype, const At& at) try {
  const Shape shape = extents.checked("from_blob", dtype, place(at));
  if (!shape.is_static())
    throw Error("from_blob: a tensor with values has numbers as extents; tn::spec takes names", place(at));
  const int64_t size = byte_count(shape, bytes(dtype));
  if (size != 0 && data == nullptr) throw Error("from_blob: the address is null", place(at));
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(bytes(dtype)) != 0)
    throw Error(
        "from_blob: the address is not aligned to an element of " + std::string(name(dtype)) + "; use tn::copy_from",
        place(at));
  return make_concrete({dtype, shape}, runtime::Buffer::borrow(data, size), {});
} catch (...) {
  leave_with_error("from_blob", place(at));
}

Tensor spec(const Extents& extents, DType dtype, const At& at) try {
  const Shape shape = extents.checked("spec", dtype, place(at));
  auto cell = std::make_shared<Cell>();
  cell->type = {dtype, shape};
  cell->is_spec = true;
  cell->made = place(at);
  return Tensor(std::move(cell));
} catch (...) {
  leave_with_error("spec", place(at));
}

Dim dim(const std::string& name, int64_t lower, int64_t upper, const At& at) try {
  bool good = !name.empty() && (name[0] < '0' || name[0] > '9') && name != "max";
  for (char c : name)
    good = good && (c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
  if (!good)
    throw Error(
        "dim: a name has letters, digits and '_', does not start with a digit and is not 'max', unlike '" + name + "'",
        place(at));
  if (lower < 0 || upper < lower)
    throw Error("dim: the bounds of '" + name + "' must be 0 <= lower <= upper, not " + std::to_string(lower) +
                    " and " + std::to_string(upper),
                place(at));
  try {
    return runtime::name_extent(name, lower, upper);
  } catch (const Error& e) {
    throw Error(e.message(), place(at));
  }
} catch (...) {
  leave_with_error("dim", place(at));
}

// ---- autograd --------------------------------------------------------------------------------------------------------

bool Tensor::requires_grad() const { return cell_ && cell_->requires_grad; }
bool Tensor::is_leaf() const {
  const Cell& c = cell_of(*this);
  return !c.requires_grad || (!c.entry && !c.leaf);
}

Tensor& Tensor::set_requires_grad(bool value, const At& at) {
  cell_of(*this);
  if (!is_leaf() && !value)
    throw Error("set_requires_grad(false) on the result of " +
                    (cell_->entry ? "'" + cell_->entry->name + "' (" + tenon::to_string(cell_->entry->where) + ")"
                                  : std::string("a call")) +
                    ": only leaves can change it; use detach() for a tensor without history",
                place(at));
  if (value && !is_continuous(dtype()))
    throw Error(
        "requires_grad needs a floating or complex dtype, and this is " + describe(*this) + "; use astype(tn::f32)",
        place(at));
  if (value && cell_->traced())
    throw Error("requires_grad inside a trace: tn::grad differentiates traced functions", place(at));
  cell_->requires_grad = value;
  cell_->number = false;
  return *this;
}

std::ostream& operator<<(std::ostream& out, const GradFn& fn) { return out << (fn ? "<" + fn.name + ">" : "none"); }
GradFn Tensor::grad_fn() const { return {cell_of(*this).entry && cell_->requires_grad ? cell_->entry->name : ""}; }
Tensor Tensor::grad() const { return Tensor(grad_of(cell_of(*this))); }
void Tensor::zero_grad() {
  cell_of(*this);
  while (cell_->concrete() && !set_grad(*cell_, grad_of(*cell_), nullptr)) {
  }
}
void Tensor::backward(BackwardOptions o, const At& at) const {
  cell_of(*this);
  backward_from(*this, nullptr, o.retain_graph, place(at));
}
void Tensor::backward(const Tensor& cotangent, BackwardOptions o, const At& at) const {
  cell_of(*this);
  backward_from(*this, &cotangent, o.retain_graph, place(at));
}

Extent Tensor::size(int64_t axis, const At& at) const {
  const Shape& shape = cell_of(*this).type.shape;
  return shape[static_cast<size_t>(axis_of(axis, shape.rank(), "size", place(at)))];
}

Tensor Tensor::detach() const try {
  const Cell& c = cell_of(*this);
  if (!c.concrete()) return tenon::stop_gradient(*this);
  return make_concrete(c.type, buffer_of(*this, "detach()", {}), c.made);
} catch (...) {
  leave_with_error("detach()", Location{});
}

}  // namespace tenon
