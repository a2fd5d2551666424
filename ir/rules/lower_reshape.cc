// Lowers a reshape to index arithmetic. Axes whose products of extents agree form groups, found from the left; inside a
// group the result's indices are merged into one number, which is split over the operand's axes. Equal axes pass through.
//
//   f32[a, b, c] -> f32[a * b, c]:   x[i / b, i rem b, j]        the second axis costs nothing
//
// Refuses to prove more than it must: extents are symbols, and a group that cannot be closed runs on to the end.
#include <algorithm>

#include "tenon/ir/rules/lower.h"

namespace tenon::ir::rules {
namespace {

// A product of extents: a number times symbols, defined products being taken apart.
struct Product {
  int64_t number = 1;
  std::vector<uint32_t> symbols;  // ascending

  void multiply(Dim d, const Symbols& table) {
    std::vector<Dim> parts{d};
    while (!parts.empty()) {
      const Dim part = parts.back();
      parts.pop_back();
      if (part.is_number()) {
        number *= part.number();
      } else if (table[part.index()].kind == SymbolKind::product) {
        parts.push_back(table[part.index()].left);
        parts.push_back(table[part.index()].right);
      } else {
        symbols.insert(std::upper_bound(symbols.begin(), symbols.end(), part.index()), part.index());
      }
    }
  }
  bool operator==(const Product&) const = default;
  // Whether this product surely lacks a factor of the other.
  bool lacks(const Product& other) const {
    if (symbols != other.symbols)
      return !std::includes(symbols.begin(), symbols.end(), other.symbols.begin(), other.symbols.end());
    return number < other.number;
  }
};

// Axes that are not 1: those carry no information, and their index is 0.
std::vector<size_t> wide_axes(const Shape& shape) {
  std::vector<size_t> axes;
  for (size_t i = 0; i < shape.size(); ++i)
    if (!(shape[i] == 1)) axes.push_back(i);
  return axes;
}

}  // namespace

Scalar lower_reshape(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Shape &from = c.operand_type(node, 0).shape, &to = c.result_type(node).shape;
  const Symbols& table = c.builder.symbols();
  const std::vector<size_t> source = wide_axes(from), target = wide_axes(to);
  std::vector<Scalar> place(from.size(), c.index_literal(0));
  size_t s = 0, t = 0;
  while (s < source.size()) {
    const size_t first_source = s, first_target = t;
    Product left, right;
    left.multiply(from[source[s++]], table);
    if (t < target.size()) right.multiply(to[target[t++]], table);
    while (left != right && (s < source.size() || t < target.size())) {
      if (t == target.size() || (s < source.size() && left.lacks(right)))
        left.multiply(from[source[s++]], table);
      else
        right.multiply(to[target[t++]], table);
    }
    Scalar linear = c.index_literal(0);
    for (size_t i = first_target; i < t; ++i) linear = linear * c.extent(to[target[i]]) + index[target[i]];
    for (size_t i = s; i-- > first_source;) {
      if (i == first_source) {
        place[source[i]] = linear;
        break;
      }
      const Scalar extent = c.extent(from[source[i]]);
      place[source[i]] = rem(linear, extent);
      linear = linear / extent;
    }
  }
  return c.element(node, 0, place);
}

}  // namespace tenon::ir::rules
