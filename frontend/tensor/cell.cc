// Cells that are made of what is there; results of calls are made where they are called (frontend/tensor/quick_call.h).
#include "tenon/frontend/tensor/cell.h"

#include "tenon/frontend/tensor/result_cell.h"

namespace tenon {

Tensor make_concrete(ir::Type type, std::shared_ptr<runtime::Buffer> buffer, const Location& made) {
  auto cell = new_cell();
  cell->type = std::move(type);
  cell->place = &buffer->device();
  cell->slot = runtime::make_recycled<Slot>(std::move(buffer));
  cell->made = made;
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
