// Gather and scatter, whose rows have StableHLO's attributes; windows as a gather; sorting.
#include <algorithm>

#include "tenon/frontend/stablehlo/print.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/rules/window_axes.h"

namespace tenon::hlo {
namespace {

using ir::Op;

std::string list(const char* name, const std::vector<int64_t>& numbers) {
  std::string text = std::string(name) + " = [";
  for (size_t i = 0; i < numbers.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(numbers[i]);
  return text + "], ";
}

std::string gather_text(const ir::Gather& g) {
  return "dimension_numbers = #stablehlo.gather<" + list("offset_dims", g.offset_dims) +
         list("collapsed_slice_dims", g.collapsed_slice_dims) + list("operand_batching_dims", g.operand_batching_dims) +
         list("start_indices_batching_dims", g.start_indices_batching_dims) +
         list("start_index_map", g.start_index_map) + "index_vector_dim = " + std::to_string(g.index_vector_dim) +
         ">, slice_sizes = " + array_text(numbers_of(g.slice_sizes)) + ", indices_are_sorted = false";
}

std::string scatter_text(const ir::Scatter& s) {
  return "scatter_dimension_numbers = #stablehlo.scatter<" + list("update_window_dims", s.update_window_dims) +
         list("inserted_window_dims", s.inserted_window_dims) + list("input_batching_dims", s.input_batching_dims) +
         list("scatter_indices_batching_dims", s.scatter_indices_batching_dims) +
         list("scatter_dims_to_operand_dims", s.scatter_dims_to_operand_dims) +
         "index_vector_dim = " + std::to_string(s.index_vector_dim) +
         ">, indices_are_sorted = false, unique_indices = false";
}

Shown scattered(Printer& p, const ir::Scatter& s, const Results& x) {
  const ir::Type element{x[0].type.dtype, {}};
  return p.with_regions("stablehlo.scatter", x, {x[0].type}, scatter_text(s), [&] {
    p.region({element, element}, [&](const Results& a) {
      return Results{s.combine == "set" ? a[1] : p.binary(operation_name(ir::find_op(s.combine)->op), a[0], a[1])};
    });
  })[0];
}

// Every element of the result has its place in x along the windowed axes, and along the taps where x has them: an index of so many
// components, computed from the element's own place.
Shown windows(Printer& p, const ir::Windows& w, const Shown& x, const ir::Type& type) {
  const ir::rules::WindowAxes axes(w);
  std::vector<int64_t> offset, collapsed, sizes = numbers_of(x.type.shape.dims());
  Shape places;  // of the indices: the dimensions of the result that are not taken whole
  std::vector<size_t> kept(type.shape.size());
  const auto in_operand = [&](size_t k) { return axes.in_operand(static_cast<size_t>(w.axes[k])); };
  const auto in_result = [&](size_t k) {
    return in_operand(k) + (!w.tapped && in_operand(k) >= w.at ? w.axes.size() : 0);
  };
  std::vector<bool> indexed(type.shape.size(), false);
  for (size_t k = 0; k < w.axes.size(); ++k) indexed[w.at + k] = indexed[in_result(k)] = true;
  for (size_t d = 0; d < type.shape.size(); ++d) {
    if (!indexed[d]) {
      offset.push_back(static_cast<int64_t>(d));
    } else {
      kept[d] = places.size();
      places.push_back(type.shape[d]);
    }
  }
  const ir::Type index{i64, places};
  const auto along = [&](size_t d) {
    return p.one("stablehlo.iota", {}, index, "iota_dimension = " + std::to_string(kept[d]) + " : i64");
  };
  const auto times = [&](const Shown& v, int64_t factor) {
    return p.binary("stablehlo.multiply", v, p.repeated(index, std::to_string(factor)));
  };
  Shape component = places;
  component.push_back(1);
  Results components;
  const auto add_component = [&](size_t operand_axis, const Shown& at) {
    collapsed.push_back(static_cast<int64_t>(operand_axis));
    sizes[operand_axis] = 1;
    components.push_back(p.reshaped(at, component));
  };
  for (size_t k = 0; w.tapped && k < w.axes.size(); ++k) add_component(w.at + k, along(w.at + k));
  for (size_t k = 0; k < w.axes.size(); ++k) {
    const Shown moved =
        p.binary("stablehlo.add", times(along(in_result(k)), w.strides[k]), times(along(w.at + k), w.dilation[k]));
    add_component(in_operand(k), p.binary("stablehlo.add", moved, p.repeated(index, std::to_string(w.starts[k]))));
  }
  if (components.empty()) return x;
  const auto vector = static_cast<int64_t>(places.size());
  component[component.size() - 1] = static_cast<int64_t>(components.size());
  const Shown indices =
      p.one("stablehlo.concatenate", components, {i64, component}, "dimension = " + std::to_string(vector) + " : i64");
  std::vector<int64_t> sorted = collapsed;
  std::sort(sorted.begin(), sorted.end());
  return p.one("stablehlo.gather", {x, indices}, type,
               "dimension_numbers = #stablehlo.gather<" + list("offset_dims", offset) +
                   list("collapsed_slice_dims", sorted) + list("start_index_map", collapsed) + "index_vector_dim = " +
                   std::to_string(vector) + ">, slice_sizes = " + array_text(sizes) + ", indices_are_sorted = false");
}

}  // namespace

bool print_indexing(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r) {
  if (n.op == Op::gather) {
    const ir::Gather gather(g, n);
    bool empty = false;  // an axis without what is to be read there, which StableHLO refuses
    for (size_t i = 0; i < gather.slice_sizes.size(); ++i)
      empty = empty || x[0].type.shape[i].number() < gather.slice_sizes[i].number();
    const ir::Type& type = g.type(n.first_result);
    r = {empty ? p.number(type, 0) : p.one("stablehlo.gather", x, type, gather_text(gather))};
  } else if (n.op == Op::scatter) {
    r = {scattered(p, ir::Scatter(g, n), x)};
  } else if (n.op == Op::windows) {
    r = {windows(p, ir::Windows(g, n), x[0], g.type(n.first_result))};
  } else {
    return false;
  }
  return true;
}

}  // namespace tenon::hlo
