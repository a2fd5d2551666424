// What a Tensor points to: a concrete cell with its buffer, or a value of a trace. Internal to the frontend: public headers know
// Cell by name only. Refuses to know how tensors come about (frontend/tensor/apply.h) or what the tape keeps (frontend/tensor/tape.h).
#pragma once

#include <memory>
#include <string>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/runtime/buffer.h"

namespace tenon {

struct TapeEntry;  // frontend/tensor/tape.h

// The replaceable content of a concrete tensor. data() shares the slot, so an assignment through it is seen by the tensor.
struct Slot {
  std::shared_ptr<runtime::Buffer> buffer;  // null after donation
  Location donated;  // where, if it was
};

struct Cell {
  ir::Type type;
  std::shared_ptr<Slot> slot;  // of a concrete tensor
  uint64_t trace = 0;  // of a traced tensor: the trace's number
  ir::ValueId value = ir::no_value;
  bool is_spec = false;
  Location made;  // the call that made it, for errors
  // autograd
  bool requires_grad = false;
  bool flat = false;  // made from what requires grad, but its derivative is zero: floor, a comparison, an index
  std::shared_ptr<TapeEntry> entry;  // what produced it on the tape; null for a leaf
  uint32_t output = 0;  // which of the entry's outputs
  std::shared_ptr<Cell> leaf;  // the leaf that a call gave back unchanged
  std::shared_ptr<Cell> grad;
  Location backward;  // of what backward() computed, and of what was computed from it: the backward

  bool has_history() const { return requires_grad || entry != nullptr; }
  bool active() const { return requires_grad && !flat; }  // a cotangent may arrive
  bool concrete() const { return slot != nullptr; }
  bool traced() const { return trace != 0; }
};

Tensor make_concrete(ir::Type type, std::shared_ptr<runtime::Buffer> buffer, const Location& made);
Tensor make_traced(ir::Type type, uint64_t trace, ir::ValueId value, const Location& made);
// The buffer of a concrete tensor; Error for a spec, a donated or a leaked tensor.
const std::shared_ptr<runtime::Buffer>& buffer_of(const Tensor& t, const char* use, const Location& at);
// Element type and shape as error messages show them: f32[64, 784] from main.cc:12:9.
std::string describe(const Tensor& t);
std::string type_text(const ir::Type& type);
std::string extent_text(Dim extent);  // by its name: that of tn::dim, or that in the trace at hand

}  // namespace tenon
