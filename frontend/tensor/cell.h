// What a Tensor points to: a concrete cell with its buffer, or a value of a trace. Internal to the frontend: public headers know
// Cell by name only. Refuses to know how tensors come about (frontend/tensor/apply.h) or what the tape keeps (frontend/tensor/tape.h).
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "tenon/frontend/tensor/slot.h"
#include "tenon/frontend/tensor/tensor.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/runtime/buffer.h"
#include "tenon/runtime/recycled.h"  // whether anything is kept

namespace tenon {

struct TapeEntry;  // frontend/tensor/tape.h

// Threads may share a cell. What can change in it after it was made is the content of its slot, which data() shares, its
// gradient, and whether it is a leaf that requires one.
struct Cell {
  Cell() {}  // sets what is set below, and not the whole before
  Cell(const Cell&) = delete;
  Cell& operator=(const Cell&) = delete;
  // Lets go of everything, when nobody holds it: it is as new, but for its type, and a slot without memory where that was its own.
  void clear() {
    if (slot != nullptr && !(runtime::recycles && held_once(slot) && slot->give_up_memory())) slot.reset();
    place = nullptr;
    number = is_spec = flat = false;
    requires_grad.store(false, std::memory_order_relaxed);
    if (entry != nullptr) entry.reset();
    if (leaf != nullptr) leaf.reset();
    if (grad != nullptr) grad.reset();
    if (backward.known()) backward = {};
    output = 0, trace = 0, value = ir::no_value;
  }

  // What every call reads, together.
  ir::Type type;
  std::shared_ptr<Slot> slot;  // of a concrete tensor
  const runtime::Device* place = nullptr;  // of a concrete tensor: where its buffers lie
  bool number = false;  // written in the program: it goes where the tensors are that it meets
  bool is_spec = false;
  std::atomic<bool> requires_grad = false;
  bool flat = false;  // made from what requires grad, but its derivative is zero: floor, a comparison, an index
  uint32_t output = 0;  // which of the entry's outputs
  std::shared_ptr<TapeEntry> entry;  // what produced it on the tape; null for a leaf
  Location backward;  // of what backward() computed, and of what was computed from it: the backward
  uint64_t trace = 0;  // of a traced tensor: the trace's number
  ir::ValueId value = ir::no_value;
  Location made;  // the call that made it, for errors
  std::shared_ptr<Cell> leaf;  // the leaf that a call gave back unchanged
  std::shared_ptr<Cell> grad;  // through grad_of() and set_grad()

  bool has_history() const { return requires_grad || entry != nullptr; }
  bool active() const { return requires_grad && !flat; }  // a cotangent may arrive
  bool concrete() const { return slot != nullptr; }
  bool traced() const { return trace != 0; }
};

Tensor make_concrete(ir::Type type, std::shared_ptr<runtime::Buffer> buffer, const Location& made);
Tensor make_traced(ir::Type type, uint64_t trace, ir::ValueId value, const Location& made);
// A share of the buffer of a concrete tensor; Error for a spec, a donated or a leaked tensor.
BufferPtr buffer_of(const Tensor& t, const char* use, const Location& at);
void check_readable(const Tensor& t, const char* use, const Location& at);  // the same errors
std::shared_ptr<Cell> grad_of(const Cell& cell);
// False, changing nothing, if the gradient is no longer `before`.
bool set_grad(Cell& cell, const std::shared_ptr<Cell>& before, std::shared_ptr<Cell> after);
// Element type and shape as error messages show them: f32[64, 784] from main.cc:12:9.
std::string describe(const Tensor& t);
std::string type_text(const ir::Type& type);
// An extent as the table at hand has it: in a trace that trace's own symbol for a named one. Error for one of a trace that ended.
Dim extent_here(Dim d);
std::string extent_text(Dim d);
std::string extent_text(const Extent& extent);
Extent element_count(const Shape& shape);

}  // namespace tenon
