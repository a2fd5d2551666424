// Type rules of gather and scatter: every list of dimensions is checked before anybody reads it.
#include <algorithm>

#include "tenon/ir/rules/infer.h"
#include "tenon/ir/rules/windows.h"

namespace tenon::ir::rules {
namespace {

using Integers = std::vector<int64_t>;

bool has(const Integers& list, int64_t n) { return std::find(list.begin(), list.end(), n) != list.end(); }

// The lists of either op, under the names that it has for them.
struct Lists {
  const Integers &window, &removed, &batching, &index_batching, &map;
  int64_t vector;
  const char *window_name, *removed_name, *batching_name, *index_batching_name, *map_name;
};

void check_ascending(const Integers& list, int rank, const char* name) {
  check_axes(list, rank, name);
  TENON_REQUIRE(std::is_sorted(list.begin(), list.end()), std::string("attribute '") + name + "' must ascend");
}

void check_lists(const InferArgs& args, const Lists& l, int windows_rank) {
  const Shape &x = args.operands[0].shape, &indices = args.operands[1].shape;
  TENON_REQUIRE(args.operands[1].dtype == DType::i64,
                "indices must be i64, not " + std::string(name(args.operands[1].dtype)) + "; cast them");
  TENON_REQUIRE(l.vector >= 0 && l.vector <= indices.rank(), "attribute 'index_vector_dim' is " + number(l.vector) +
                                                                 "; it goes from 0 to " + number(indices.rank()));
  check_ascending(l.window, windows_rank, l.window_name);
  check_ascending(l.removed, x.rank(), l.removed_name);
  check_ascending(l.batching, x.rank(), l.batching_name);
  check_axes(l.index_batching, indices.rank(), l.index_batching_name);
  check_axes(l.map, x.rank(), l.map_name);
  for (int64_t d : l.batching)
    TENON_REQUIRE(!has(l.removed, d) && !has(l.map, d),
                  "dimension " + number(d) + " of x is in '" + l.batching_name + "' and elsewhere");
  TENON_REQUIRE(!has(l.index_batching, l.vector),
                std::string("index_vector_dim is in '") + l.index_batching_name + "'");
  TENON_REQUIRE(l.batching.size() == l.index_batching.size(), std::string("'") + l.batching_name + "' and '" +
                                                                  l.index_batching_name +
                                                                  "' name different numbers of dimensions");
  for (size_t k = 0; k < l.batching.size(); ++k) {
    const Dim a = x[static_cast<size_t>(l.batching[k])], b = indices[static_cast<size_t>(l.index_batching[k])];
    check_equal(args, a, b, [&] {
      return "dimension " + number(l.batching[k]) + " of x goes along with dimension " + number(l.index_batching[k]) +
             " of the indices, and their extents are " + to_string(a, &args.symbols) + " and " +
             to_string(b, &args.symbols);
    });
  }
  const Dim components = l.vector < indices.rank() ? indices[static_cast<size_t>(l.vector)] : Dim(1);
  TENON_REQUIRE(components.is_number() && components.number() == static_cast<int64_t>(l.map.size()),
                "an index has " + to_string(components, &args.symbols) + " components, '" + l.map_name + "' names " +
                    number(static_cast<int64_t>(l.map.size())) + " dimensions");
  TENON_REQUIRE(l.window.size() + l.removed.size() + l.batching.size() == x.size(),
                std::string("'") + l.window_name + "' names " + number(static_cast<int64_t>(l.window.size())) +
                    " dimensions of windows, and x has " +
                    number(x.rank() - static_cast<int64_t>(l.removed.size() + l.batching.size())) +
                    " that they run along");
}

// A window must fit into x. One of a single element that an index points to need not: along nothing it reads zero, and is dropped.
void check_sizes(const InferArgs& args, const Windows& w) {
  const Shape& x = args.operands[0].shape;
  for (size_t d = 0; d < w.x.size(); ++d) {
    const Dim size = w.x[d].size;
    if (w.x[d].batch >= 0 || (size == 1 && w.x[d].component >= 0)) continue;
    check_at_least(args, x[d], size, [&] {
      return "a window of " + to_string(size, &args.symbols) + " does not fit into dimension " +
             number(static_cast<int64_t>(d)) + " of x, which has " + to_string(x[d], &args.symbols);
    });
  }
}

}  // namespace

std::vector<Type> infer_gather(const InferArgs& args) {
  const Gather g(args.attrs);
  const Type &x = args.operands[0], &indices = args.operands[1];
  const bool vectors = g.index_vector_dim < indices.shape.rank();
  const int rank = indices.shape.rank() - (vectors ? 1 : 0) + static_cast<int>(g.offset_dims.size());
  check_lists(args,
              {g.offset_dims, g.collapsed_slice_dims, g.operand_batching_dims, g.start_indices_batching_dims,
               g.start_index_map, g.index_vector_dim, "offset_dims", "collapsed_slice_dims", "operand_batching_dims",
               "start_indices_batching_dims", "start_index_map"},
              rank);
  check_symbols(args, g.slice_sizes);
  TENON_REQUIRE(g.slice_sizes.size() == x.shape.size(), "'slice_sizes' has " +
                                                            number(static_cast<int64_t>(g.slice_sizes.size())) +
                                                            " entries for " + number(x.shape.rank()) + " dimensions");
  const Windows w = windows_of(g, indices.shape.size());
  Type r{x.dtype, Shape(std::vector<Dim>(static_cast<size_t>(rank), Dim(1)))};
  for (size_t d = 0; d < w.x.size(); ++d) {
    const Dim size = w.x[d].size;
    TENON_REQUIRE(size.is_symbol() || size.number() >= 0, "slice sizes are not negative");
    TENON_REQUIRE(w.x[d].window >= 0 || size == 1, "dimension " + number(static_cast<int64_t>(d)) +
                                                       " of x is not in the result, so its slice size is 1, not " +
                                                       to_string(size, &args.symbols));
    if (w.x[d].window >= 0) r.shape[static_cast<size_t>(w.x[d].window)] = size;
  }
  check_sizes(args, w);
  for (size_t j = 0; j < w.along.size(); ++j)
    if (w.along[j] >= 0) r.shape[static_cast<size_t>(w.along[j])] = indices.shape[j];
  return {r};
}

std::vector<Type> infer_scatter(const InferArgs& args) {
  const Scatter s(args.attrs);
  const Type &x = args.operands[0], &indices = args.operands[1], &updates = args.operands[2];
  const OpDef* combine = find_op(s.combine);
  const bool combines = combine && combine->identity != Identity::none && combine->arity == 2;
  TENON_REQUIRE(combines || s.combine == "set",
                "attribute 'combine' is 'set' or an op that combines two elements (add, "
                "mul, min, max, bit_and, bit_or, bit_xor), not '" +
                    s.combine + "'");
  TENON_REQUIRE(s.combine == "set" || contains(combine->dtypes, x.dtype),
                "'" + s.combine + "' does not combine elements of " + std::string(name(x.dtype)));
  check_lists(args,
              {s.update_window_dims, s.inserted_window_dims, s.input_batching_dims, s.scatter_indices_batching_dims,
               s.scatter_dims_to_operand_dims, s.index_vector_dim, "update_window_dims", "inserted_window_dims",
               "input_batching_dims", "scatter_indices_batching_dims", "scatter_dims_to_operand_dims"},
              updates.shape.rank());
  const bool vectors = s.index_vector_dim < indices.shape.rank();
  const int rank = indices.shape.rank() - (vectors ? 1 : 0) + static_cast<int>(s.update_window_dims.size());
  TENON_REQUIRE(updates.shape.rank() == rank, "the updates of these indices have " + number(rank) +
                                                  " dimensions, and these are " + to_string(updates, &args.symbols));
  const Windows w = windows_of(s, x.shape.size(), indices.shape.size(), updates.shape);
  Type want{x.dtype, updates.shape};
  for (size_t j = 0; j < w.along.size(); ++j)
    if (w.along[j] >= 0) want.shape[static_cast<size_t>(w.along[j])] = indices.shape[j];
  TENON_REQUIRE(updates == want, "updates must be " + to_string(want, &args.symbols) +
                                     ", the type a gather by these indices gives, not " +
                                     to_string(updates, &args.symbols));
  check_sizes(args, w);
  return {x};
}

}  // namespace tenon::ir::rules
