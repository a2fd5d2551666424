// What the extents of a call say of a program's free symbols. Refuses nothing: whether the rest of the extents fits is compared by
// who knows how to name what does not.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tenon/ir/graph/graph.h"

namespace tenon::ir {

// The values of the free symbols, in order: of each the first extent that it stands for alone in an input's type, or where it stands
// in none its lower bound. type_of(i) and shape_of(i) are what the program takes as input i and what the call brings.
template <class TypeOf, class ShapeOf>
std::vector<int64_t> free_values(std::span<const Symbol> symbols, size_t inputs, TypeOf type_of, ShapeOf shape_of) {
  std::vector<int64_t> bound(symbols.size(), -1);
  for (size_t i = 0; i < inputs; ++i) {
    const Shape &formal = type_of(i).shape, &actual = shape_of(i);
    for (size_t axis = 0; axis < formal.size() && axis < actual.size(); ++axis)
      if (const Dim d = formal[axis]; d.is_symbol() && bound[d.index()] < 0) bound[d.index()] = actual[axis].number();
  }
  std::vector<int64_t> values;
  for (size_t i = 0; i < symbols.size(); ++i)
    if (symbols[i].kind == SymbolKind::free) values.push_back(bound[i] < 0 ? symbols[i].lower : bound[i]);
  return values;
}

// A type over symbols in numbers, from the values of all symbols.
inline Type resolved(const Type& type, std::span<const int64_t> values) {
  Type result = type;
  for (size_t i = 0; i < type.shape.size(); ++i)
    if (type.shape[i].is_symbol()) result.shape[i] = values[type.shape[i].index()];
  return result;
}

}  // namespace tenon::ir
