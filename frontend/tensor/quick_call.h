// What every call of a compiled program does between its inputs and its results: the same few steps for jitted functions, eager ops
// and pullbacks, in place, since a small call is mostly what surrounds its kernel. What a result consists of is kept by the thread that
// let go of an earlier one (frontend/tensor/result_cell.h). Internal to the frontend. Refuses to know of
// signatures, donation and the tape.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "tenon/frontend/tensor/callable.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/result_cell.h"
#include "tenon/frontend/tensor/slot.h"

namespace tenon {

// A result with memory of its own, at `address`; values: of the symbols in its type; bytes: negative where they are not known.
inline Tensor make_result(const ir::Type& type, std::span<const int64_t> values, int64_t bytes,
                          const runtime::Device& device, const Location& made, void*& address) {
  auto cell = new_cell();
  Shape& shape = cell->type.shape;
  if (const size_t rank = type.shape.size(); shape.size() != rank)
    shape = type.shape;
  else
    for (size_t i = 0; i < rank; ++i) shape[i] = type.shape[i];
  cell->type.dtype = type.dtype;
  if (!values.empty())
    for (size_t i = 0; i < shape.size(); ++i) shape[i] = Symbols::value(shape[i], values);
  if (bytes < 0) bytes = byte_count(shape, tenon::bytes(type.dtype));
  if (cell->slot != nullptr) {
    address = cell->slot->take_memory(bytes, device);
  } else {
    auto buffer = runtime::Buffer::allocate(bytes, device);
    address = buffer->address();
    cell->slot = runtime::make_recycled<Slot>(std::move(buffer));
  }
  cell->place = &device;
  cell->made = made;
  return Tensor(std::move(cell));
}

using Values = Few<int64_t, 8>;
Values values_of(const runtime::Manifest& m, std::span<const int64_t> dims);  // of a program's symbols
using Addresses = Few<const void*, 16>;

// Runs it. Results that are there already have taken a donated input's memory; the others get memory of their own.
inline void run_into(Tensors& results, const runtime::Executable& program, const void* const* in,
                     std::span<const int64_t> dims, const runtime::Caller& caller, bool* started) {
  const runtime::Manifest& m = program.manifest();
  const size_t count = m.outputs.size();
  Few<void*, 8> out;
  out.resize(count);
  if (results.empty() && m.symbols.empty()) {
    void** to = out.data();
    const int64_t* bytes = program.output_bytes().data();
    for (const ir::Type& type : m.outputs)
      results.push_back(make_result(type, {}, *bytes++, program.device(), caller.at, *to++));
  } else {
    results.resize(count);
    const Values values = values_of(m, dims);
    for (size_t o = 0; o < count; ++o) {
      if (results[o].defined())
        out[o] = results[o].cell()->slot->buffer()->address();
      else
        results[o] = make_result(m.outputs[o], {values.data(), values.size()}, -1, program.device(), caller.at, out[o]);
    }
  }
  program.run(in, out.data(), dims.data(), nullptr, started, caller);
}

// Where the buffers lie that are pinned, input(i) being what was added. Error for one that was donated.
template <class Input>
void addresses_of(Addresses& in, const Pins& pins, size_t count, Input input, const char* name, const Location& at) {
  in.resize(count);
  const void** const to = in.data();
  for (size_t i = 0; i < count; ++i) {
    const runtime::Buffer* const buffer = pins[i];
    if (buffer == nullptr) {
      check_readable(input(i), name, at);
      throw Error(std::string(name) + ": another thread donated an input and took it back meanwhile; pass a copy", at);
    }
    to[i] = buffer->address();
  }
}

}  // namespace tenon
