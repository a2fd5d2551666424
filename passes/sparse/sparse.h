// Derivatives that are mostly zeros: which elements of a result may depend on which elements of an input (the pattern), which
// columns or rows of a Jacobian can be had in one product (the colouring), and the graph of those products. Refuses symbolic
// extents: a pattern belongs to shapes that are known.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tenon/ir/reference/array.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

// Where a matrix may differ from zero: row r holds columns[row_offsets[r]] ... columns[row_offsets[r + 1] - 1], ascending.
struct Pattern {
  int64_t rows = 0, cols = 0;
  std::vector<int64_t> row_offsets{0}, columns;

  std::span<const int64_t> row(int64_t r) const {
    const auto begin = static_cast<size_t>(row_offsets[static_cast<size_t>(r)]);
    return std::span(columns).subspan(begin, static_cast<size_t>(row_offsets[static_cast<size_t>(r) + 1]) - begin);
  }
};
Pattern transposed(const Pattern& p);
Pattern symmetric(const Pattern& p);  // with the transposed pattern's entries

// Which elements of input `by` the elements of output 0 may depend on through floating-point arithmetic, row-major on both sides.
// known: by input, its value, or nullptr; of those that are known the indices of gathers and scatters count. Exact to the element
// for straight code; for loops and branches it contains the true pattern.
Pattern sparsity(const ir::Graph& graph, uint32_t by, std::span<const ir::Array* const> known);

// A colour for every column such that no two columns of one colour meet in a row: each row then sees its entries apart in a sum of
// the columns of a colour.
struct Colouring {
  int64_t count = 0;
  std::vector<int64_t> colour;  // by column; columns without entries have 0, too
};
Colouring colour_columns(const Pattern& p);
// The same for a symmetric matrix whose entries may be read from either side: a star colouring. Every entry (r, c) is alone in its
// row among the columns of c's colour, or alone in row c among those of r's.
Colouring colour_symmetric(const Pattern& p);

// A program that is linear in its last input, for several values of that input which are known: their zeros are followed through it
// and what is a product with zero or one is no product. Inputs: those of `graph` without the last, then `data`; outputs: the
// `results`, values of the graph, for each seed in turn.
struct Seeded {
  GraphPtr graph;
  std::vector<ir::Array> data;
};
Seeded seeded(const ir::Graph& graph, std::span<const ir::ValueId> results, std::span<const ir::Array> seeds,
              std::span<const ir::Array* const> known);

// A vector as what it is put together of: element start + i * step is element i of a value.
struct Piece {
  ir::ValueId value = ir::no_value;
  int64_t start = 0, step = 1, count = 0;
};
std::vector<Piece> pieces_of(const ir::Graph& graph, ir::ValueId vector);

}  // namespace tenon::passes
