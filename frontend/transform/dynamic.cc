// Free extents of jitted functions: types to trace with, and what a call makes of them.
#include "tenon/frontend/transform/dynamic.h"

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/ir/graph/bind.h"
#include "tenon/runtime/named_extents.h"

namespace tenon::detail {
namespace {

// Walks the tensors with the numbers of their arguments.
template <class Each>
void each_tensor(const Leaves& leaves, Each each) {
  size_t argument = 0;
  for (size_t i = 0; i < leaves.tensors.size(); ++i) {
    while (i >= (*leaves.ends)[argument]) ++argument;
    each(argument, *leaves.tensors[i]);
  }
}

// The axis counted from 0, or -1 where the tensor does not have it.
int64_t axis_in(const FreeAxis& free, int rank) {
  const int64_t axis = free.axis < 0 ? free.axis + rank : free.axis;
  return axis < rank ? axis : -1;
}

Dim name_of(const FreeAxis& free) {
  if (!(free.dim == 0)) return free.dim;
  return runtime::name_extent("argument" + std::to_string(free.argument) + "_axis" +
                                  std::to_string(free.axis < 0 ? -free.axis : free.axis) +
                                  (free.axis < 0 ? "_from_the_end" : ""),
                              1, INT64_MAX);
}

ir::Type free_type(const Dynamic& dynamic, size_t argument, const Tensor& t, ExtentPattern& sizes) {
  ir::Type type = t.cell()->type;
  if (dynamic.every()) {
    for (size_t i = 0; i < type.shape.size(); ++i) {
      if (type.shape[i].is_symbol()) continue;
      const Dim size = sizes.symbol_for(type.shape[i].number());
      if (size.is_symbol()) type.shape[i] = runtime::name_extent("size" + std::to_string(size.index()), 2, INT64_MAX);
    }
    return type;
  }
  for (const FreeAxis& free : dynamic.axes()) {
    const int64_t axis = axis_in(free, type.shape.rank());
    if (static_cast<size_t>(free.argument) == argument && axis >= 0) type.shape[axis] = name_of(free);
  }
  return type;
}

}  // namespace

bool tracing() { return Trace::current() != nullptr; }

std::vector<Tensor> free_inputs(const Dynamic& dynamic, const Leaves& leaves, const Location& made) {
  for (const FreeAxis& free : dynamic.axes()) {
    const std::string what =
        "jit: .dynamic names axis " + std::to_string(free.axis) + " of argument " + std::to_string(free.argument);
    if (free.argument < 0 || static_cast<size_t>(free.argument) >= leaves.ends->size())
      throw Error(what + " of a call with " + std::to_string(leaves.ends->size()) + "; they are counted from 0", made);
    bool there = false;
    each_tensor(leaves, [&](size_t argument, const Tensor& t) {
      there |= argument == static_cast<size_t>(free.argument) && axis_in(free, t.ndim()) >= 0;
    });
    if (!there) throw Error(what + ", which has no tensor with that axis", made);
  }
  std::vector<Tensor> inputs;
  ExtentPattern sizes;
  each_tensor(leaves, [&](size_t argument, const Tensor& t) {
    inputs.push_back(stand_in(free_type(dynamic, argument, t, sizes), t.cell()->made));
  });
  return inputs;
}

void write_free_types(const Dynamic& dynamic, Leaves& leaves, const Location& made) {
  ExtentPattern sizes;
  leaves.structure.pad();
  KeyWriter writer(leaves.structure);
  each_tensor(leaves, [&](size_t argument, const Tensor& t) {
    writer.type(free_type(dynamic, argument, t, sizes), part_of(*t.cell()));
  });
  write_modes(leaves.structure, device_of_all(leaves.tensors, "jit", made));
}

std::vector<int64_t> extents_of_call(const JitEntry& entry, std::span<const Tensor> inputs) {
  const ir::Graph& graph = *entry.program.graph;
  const Symbols& symbols = *graph.symbols;
  const auto type_of = [&](size_t i) -> const ir::Type& { return graph.type(ir::ValueId{static_cast<uint32_t>(i)}); };
  std::vector<int64_t> values = ir::free_values(symbols.entries(), inputs.size(), type_of,
                                                [&](size_t i) -> const Shape& { return inputs[i].shape(); });
  const std::vector<int64_t> all = [&] {
    try {
      return symbols.evaluate(values);
    } catch (const Error& e) {
      throw Error(e.message() +
                  ". These extents do not fit their bounds, or what the function reshapes, slices or joins; the text "
                  "that .lower(...).ir() gives names them");
    }
  }();
  for (size_t i = 0; i < inputs.size(); ++i)
    for (size_t axis = 0; axis < type_of(i).shape.size(); ++axis) {
      const Dim wanted = type_of(i).shape[axis];
      const int64_t value = Symbols::value(wanted, all);
      if (inputs[i].shape()[axis] == value) continue;
      throw Error((i < entry.plain.inputs.size() ? entry.plain.inputs[i] : "a tensor that it captured") + " is " +
                  describe(inputs[i]) + ", whose axis " + std::to_string(axis) + " is " + to_string(wanted, &symbols) +
                  " in this function, and the arguments before it make that " + std::to_string(value));
    }
  return values;
}

}  // namespace tenon::detail
