// Formulas of the functions that read and write by index. Internal to the frontend. Indices are i64; what is written has x's dtype.
#pragma once

#include <string>

#include "tenon/frontend/ops/formula.h"

namespace tenon::formula {

// An index for each element: along other axes element by element, for as many of them as the indices have.
Value gather_along(Value x, Value indices, size_t axis);
Value scatter_along(Value x, Value indices, Value updates, size_t axis, const char* combine);
// What combines elements of a dtype: of bools sums and maxima are or, products and minima and.
const char* combiner_of(const char* combine, DType dtype);
// Negative positions counted from the end.
Value from_end(Value indices, Dim extent);

// What "sum", "prod", "mean", "amax" and "amin" make of x and the updates that go to each of its elements: write(into, updates, combine)
// scatters. Without itself an element counts only where nothing is written. Halves compute in f32 and round once.
template <class Write>
Value reduced_into(Value x, Value updates, const std::string& reduce, bool include_self, Write write);
// The name of a reduction, checked: Error lists them.
void check_reduction(const std::string& reduce, DType dtype, const char* op, const Location& at);

namespace scattered {  // of reduced_into
const char* combiner(const std::string& reduce, DType dtype);
Value start(Value x, const std::string& reduce);  // what leaves others as they are
Value divided(Value sum, Value count);  // integers round down
}  // namespace scattered

template <class Write>
Value reduced_into(Value x, Value updates, const std::string& reduce, bool include_self, Write write) {
  const DType given = x.dtype();
  const Value base = cast(x, wide(given)), added = cast(updates, wide(given));
  Value into = base;
  if (!include_self) {
    ir::GraphBuilder& b = *x.builder;
    const Value touched =
        write(ir::splat_integer(b, boolean, 0, x.shape()), ir::splat_integer(b, boolean, 1, updates.shape()), "set");
    into = select(touched, scattered::start(base, reduce), base);
  }
  Value result = write(into, added, scattered::combiner(reduce, added.dtype()));
  if (reduce == "mean") {
    ir::GraphBuilder& b = *x.builder;
    const Value ones = ir::splat_integer(b, i64, 1, updates.shape());
    const Value count = write(ir::splat_integer(b, i64, include_self ? 1 : 0, x.shape()), ones, "add");
    result = scattered::divided(result, max(count, ir::literal(count, 1)));
  }
  return cast(result, given);
}

}  // namespace tenon::formula
