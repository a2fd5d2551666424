// Contractions and convolutions, in the dtype of their result: operands that are narrower are widened first.
#include <algorithm>

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {
namespace {

// Booleans are counted and asked for more than none; what is narrower than the result is widened, what is wider is rounded at the end.
DType contracted_as(DType operand, DType result) {
  if (operand == boolean) return i32;
  return bytes(result) >= bytes(operand) && is_floating(result) == is_floating(operand) ? result : operand;
}

// What is linear in either operand, of complex numbers by their parts.
template <class F>
Value contracted(Call& c, Value x, Value y, F f) {
  const DType to = c.dtype();
  c.expects(is_complex(to) || (!is_complex(x.dtype()) && !is_complex(y.dtype())),
            "of complex numbers it gives complex ones");
  if (is_complex(to)) return formula::bilinear(x, y, to, f);
  const DType as = std::max(contracted_as(x.dtype(), to), contracted_as(y.dtype(), to));
  return ir::cast(f(ir::cast(x, as), ir::cast(y, as)), to);
}

Axes axes_of(Call& c, const Attribute* numbers, std::string_view key) {
  const Attribute* list = numbers == nullptr ? nullptr : numbers->find(key);
  return list == nullptr ? Axes() : integers_of(c.scope.importer.source(), *list);
}

}  // namespace

std::vector<Value> import_dot_general(Call& c) {
  c.operands(2);
  Axes lhs_batch, rhs_batch, lhs_contract, rhs_contract;
  if (const Attribute* numbers = c.find({"dot_dimension_numbers"})) {
    lhs_batch = axes_of(c, numbers, "lhs_batching_dimensions");
    rhs_batch = axes_of(c, numbers, "rhs_batching_dimensions");
    lhs_contract = axes_of(c, numbers, "lhs_contracting_dimensions");
    rhs_contract = axes_of(c, numbers, "rhs_contracting_dimensions");
  } else {
    const Source& source = c.scope.importer.source();
    if (const Attribute* pair = c.find({"batching_dims"}); pair != nullptr && pair->items.size() == 2) {
      lhs_batch = integers_of(source, pair->items[0]);
      rhs_batch = integers_of(source, pair->items[1]);
    }
    if (const Attribute* pair = c.find({"contracting_dims"}); pair != nullptr && pair->items.size() == 2) {
      lhs_contract = integers_of(source, pair->items[0]);
      rhs_contract = integers_of(source, pair->items[1]);
    }
  }
  return one(contracted(c, c.in[0], c.in[1], [&](Value x, Value y) {
    return ir::dot_general(x, y, lhs_batch, rhs_batch, lhs_contract, rhs_contract);
  }));
}

// Of vectors and matrices: the last axis with the first.
std::vector<Value> import_dot(Call& c) {
  c.operands(2);
  c.expects(!c.in[0].shape().empty() && !c.in[1].shape().empty(), "it takes vectors and matrices");
  return one(contracted(c, c.in[0], c.in[1],
                        [&](Value x, Value y) { return ir::dot_general(x, y, {}, {}, {x.shape().rank() - 1}, {0}); }));
}

namespace {

// Where batch, channels (or: input channels, output channels) and spatial axes stand, from [b, 0, 1, f].
struct Layout {
  int64_t first = -1, second = -1;
  Axes spatial;
};

Layout layout(Call& c, const Attribute& list, std::string_view first, std::string_view second, int rank) {
  Layout found;
  found.spatial.assign(static_cast<size_t>(std::max(rank - 2, 0)), -1);
  c.expects(static_cast<int>(list.items.size()) == rank && rank >= 2, "its dimension numbers name every axis");
  for (size_t i = 0; i < list.items.size(); ++i) {
    const Attribute& item = list.items[i];
    const auto axis = static_cast<int64_t>(i);
    if (item.kind == Attribute::Kind::integer) {
      found.spatial[c.axis(item.integer, rank - 2)] = axis;
    } else if (item.text == first) {
      found.first = axis;
    } else if (item.text == second) {
      found.second = axis;
    }
  }
  c.expects(found.first >= 0 && found.second >= 0 &&
                std::find(found.spatial.begin(), found.spatial.end(), -1) == found.spatial.end(),
            "its dimension numbers name every axis once");
  return found;
}

// The same from input_batch_dimension = 0, ... as a dictionary.
Layout layout_by_name(Call& c, const Attribute& numbers, const std::string& who, const char* first, const char* second,
                      int rank) {
  const auto number = [&](const std::string& key) {
    const Attribute* a = numbers.find(key);
    return a == nullptr ? -1 : a->integer;
  };
  Layout found{number(who + first), number(who + second), axes_of(c, &numbers, who + "_spatial_dimensions")};
  Axes all = found.spatial;
  all.insert(all.end(), {found.first, found.second});
  std::sort(all.begin(), all.end());
  c.expects(static_cast<int>(all.size()) == rank, "its dimension numbers name every axis");
  for (size_t i = 0; i < all.size(); ++i)
    c.expects(all[i] == static_cast<int64_t>(i), "its dimension numbers name every axis once");
  return found;
}

struct Window {
  Axes strides, low, high, lhs_dilation, rhs_dilation, reversed;
};

Window window(Call& c, size_t spatial) {
  const Attribute* short_form = c.find({"window"});
  const auto list = [&](std::string_view brief, std::string_view full, Axes otherwise) {
    const Attribute* a = short_form != nullptr ? short_form->find(brief) : c.find({full});
    return a == nullptr ? std::move(otherwise) : integers_of(c.scope.importer.source(), *a);
  };
  Window w{list("stride", "window_strides", Axes(spatial, 1)),
           {},
           {},
           list("lhs_dilate", "lhs_dilation", Axes(spatial, 1)),
           list("rhs_dilate", "rhs_dilation", Axes(spatial, 1)),
           list("reverse", "window_reversal", Axes(spatial, 0))};
  const Axes pads = list("pad", "padding", Axes(2 * spatial, 0));
  c.expects(pads.size() == 2 * spatial && w.reversed.size() == spatial, "its window names every spatial axis");
  for (size_t i = 0; i < spatial; ++i) {
    w.low.push_back(pads[2 * i]);
    w.high.push_back(pads[2 * i + 1]);
  }
  return w;
}

Value permuted(Value x, int64_t first, const Axes& spatial, int64_t last, bool spatial_first) {
  Axes order;
  if (!spatial_first) order.push_back(first);
  order.insert(order.end(), spatial.begin(), spatial.end());
  if (spatial_first) order.push_back(first);
  order.push_back(last);
  return ir::transpose(x, order);
}

// Groups of the batch become groups of channels: [g n, .., c] -> [n, .., g c].
Value batch_to_channels(Call& c, Value x, int64_t groups) {
  const int64_t n = x.shape()[0].number(), rank = x.shape().rank();
  c.expects(groups >= 1 && n % groups == 0, "the batch is dealt to its groups evenly");
  Shape split = x.shape(), joined = x.shape();
  split[0] = n / groups;
  split.insert(0, groups);
  joined[0] = n / groups;
  joined[static_cast<size_t>(rank - 1)] = groups * joined[static_cast<size_t>(rank - 1)].number();
  Axes order;
  for (int64_t i = 1; i < rank; ++i) order.push_back(i);
  order.insert(order.end(), {0, rank});
  return ir::reshape(ir::transpose(ir::reshape(x, split), order), joined);
}

}  // namespace

// [n, spatial.., c] with [spatial.., c / groups, o], as the row has it; then the result's axes go where they are wanted.
Value convolved(Call& c, Value x, Value kernel, const Axes* padding) {
  const Attribute* numbers = c.find({"dimension_numbers"});
  c.expects(numbers != nullptr, "it lacks its dimension numbers");
  const int rank = x.shape().rank();
  c.expects(kernel.shape().rank() == rank && rank >= 2, "operand and kernel have one rank");
  Layout in, taps, out;
  if (numbers->kind == Attribute::Kind::list && numbers->items.size() == 3) {
    in = layout(c, numbers->items[0], "b", "f", rank);
    taps = layout(c, numbers->items[1], "i", "o", rank);
    out = layout(c, numbers->items[2], "b", "f", rank);
  } else {
    in = layout_by_name(c, *numbers, "input", "_batch_dimension", "_feature_dimension", rank);
    taps = layout_by_name(c, *numbers, "kernel", "_input_feature_dimension", "_output_feature_dimension", rank);
    out = layout_by_name(c, *numbers, "output", "_batch_dimension", "_feature_dimension", rank);
  }
  const size_t spatial = in.spatial.size();
  Window w = window(c, spatial);
  if (padding != nullptr)
    for (size_t i = 0; i < spatial; ++i) {
      w.low[i] = (*padding)[2 * i];
      w.high[i] = (*padding)[2 * i + 1];
    }
  int64_t groups = c.integer_or({"feature_group_count"}, 1);
  const int64_t batch_groups = c.integer_or({"batch_group_count"}, 1);
  c.expects(groups == 1 || batch_groups == 1, "it has groups of features or of the batch, not both");
  x = permuted(x, in.first, in.spatial, in.second, false);
  kernel = permuted(kernel, taps.first, taps.spatial, taps.second, true);
  Axes reversed;
  for (size_t i = 0; i < spatial; ++i)
    if (w.reversed[i] != 0) reversed.push_back(static_cast<int64_t>(i));
  if (!reversed.empty()) kernel = ir::reverse(kernel, reversed);
  if (batch_groups != 1) {
    x = batch_to_channels(c, x, batch_groups);
    groups = batch_groups;
  }
  const Value r = contracted(c, x, kernel, [&](Value of, Value by) {
    const Value operands[] = {of, by};
    return ir::apply(c.b, ir::Op::convolution, operands,
                     ir::ConvolutionAttrs{.strides = w.strides,
                                          .low = w.low,
                                          .high = w.high,
                                          .lhs_dilation = w.lhs_dilation,
                                          .rhs_dilation = w.rhs_dilation,
                                          .groups = groups})[0];
  });
  Axes order(static_cast<size_t>(rank));
  order[static_cast<size_t>(out.first)] = 0;
  order[static_cast<size_t>(out.second)] = rank - 1;
  for (size_t i = 0; i < spatial; ++i) order[static_cast<size_t>(out.spatial[i])] = static_cast<int64_t>(i) + 1;
  return ir::transpose(r, order);
}

std::vector<Value> import_convolution(Call& c) {
  c.operands(2);
  return one(convolved(c, c.in[0], c.in[1], nullptr));
}

}  // namespace tenon::hlo
