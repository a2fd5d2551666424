// Making cells, at every call. Cells, slots and buffers come from blocks that their thread keeps (runtime/recycled.h), and so do the
// extents of their types.
#include "tenon/frontend/tensor/cell.h"

#include "tenon/runtime/recycled.h"

namespace tenon {

// Its type is given with it, or set by who makes the tensor.
Cell::~Cell() { runtime::keep_shape(std::move(type.shape)); }

namespace {

std::shared_ptr<Cell> cell_with(std::shared_ptr<runtime::Buffer> buffer, const Location& made) {
  auto cell = runtime::make_recycled<Cell>();
  cell->place = &buffer->device();
  cell->slot = runtime::make_recycled<Slot>(std::move(buffer));
  cell->made = made;
  return cell;
}

}  // namespace

Tensor make_result(const ir::Type& type, std::span<const int64_t> values, const runtime::Device& device,
                   const Location& made, void*& address) {
  Shape shape = runtime::kept_shape();
  shape = type.shape;
  if (!values.empty())
    for (size_t i = 0; i < shape.size(); ++i) shape[i] = Symbols::value(shape[i], values);
  auto buffer = runtime::Buffer::allocate(byte_count(shape, bytes(type.dtype)), device);
  address = buffer->address();
  auto cell = cell_with(std::move(buffer), made);
  cell->type.dtype = type.dtype;
  cell->type.shape = std::move(shape);
  return Tensor(std::move(cell));
}

Tensor make_concrete(ir::Type type, std::shared_ptr<runtime::Buffer> buffer, const Location& made) {
  auto cell = cell_with(std::move(buffer), made);
  cell->type = std::move(type);
  return Tensor(std::move(cell));
}

Tensor make_traced(ir::Type type, uint64_t trace, ir::ValueId value, const Location& made) {
  auto cell = std::make_shared<Cell>();
  cell->type = std::move(type);
  cell->trace = trace;
  cell->value = value;
  cell->made = made;
  return Tensor(std::move(cell));
}

}  // namespace tenon
