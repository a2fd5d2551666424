// Shapes and places. Shapes, starts and counts that are operands are known numbers, or extents.
#include <algorithm>

#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {

Extent product(const Shape& shape, int from, int to) {
  Extent n = 1;
  for (int i = from; i < to; ++i) n = n * shape[static_cast<size_t>(i)];
  return n;
}

Results import_reshape(Call& c) {
  const Tensor x = c.tensor(0);
  std::vector<Extent> shape;
  if (c.opset >= 5) {
    shape = c.extents(1);
  } else {
    for (int64_t n : c.integers("shape")) shape.push_back(n);
  }
  const bool zero = c.integer("allowzero", 0) != 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (zero || !shape[i].is_number() || shape[i].number() != 0) continue;
    c.expects(i < x.shape().size(), "a 0 copies an extent of its input, which has fewer axes");
    shape[i] = x.shape()[i];
  }
  return one(x.reshape(shape));
}

Results import_transpose(Call& c) {
  const Tensor x = c.tensor(0);
  Axes order = c.integers("perm");
  if (c.find("perm") == nullptr)
    for (int64_t i = x.ndim(); i-- > 0;) order.push_back(i);
  return one(x.transpose(order));
}

Results import_concat(Call& c) {
  std::vector<Tensor> parts;
  for (size_t i = 0; i < c.in.size(); ++i) parts.push_back(c.tensor(i));
  c.expects(!parts.empty(), "it joins nothing");
  return one(concat(parts, c.axis(c.required("axis"), parts[0].ndim())));
}

Results import_split(Call& c) {
  const Tensor x = c.tensor(0);
  const int64_t axis = c.axis(c.integer("axis", 0), x.ndim());
  std::vector<Extent> sizes;
  if (c.opset >= 13 && c.has(1)) {
    sizes = c.extents(1);
  } else if (c.opset < 13 && c.find("split") != nullptr) {
    for (int64_t n : c.integers("split")) sizes.push_back(n);
  } else {
    const auto parts = c.integer("num_outputs", static_cast<int64_t>(c.node.outputs.size()));
    c.expects(parts >= 1 && parts == static_cast<int64_t>(c.node.outputs.size()), "it has another number of outputs");
    const Extent n = x.size(axis), each = (n + (parts - 1)) / parts;
    for (int64_t i = 0; i + 1 < parts; ++i) sizes.push_back(each);
    sizes.push_back(n - each * (parts - 1));
  }
  Results results;
  for (Tensor& t : split(x, sizes, axis)) results.push_back(std::move(t));
  return results;
}

namespace {

bool beyond(Extent e) { return e.is_number() && (e.number() > INT32_MAX || e.number() < -INT32_MAX); }

// One axis of a slice whose step is negative: the axis turned around.
Index backwards(Call& c, Tensor& x, int64_t axis, Extent start, Extent stop, int64_t step) {
  const Extent n = x.size(axis);
  x = flip(x, {axis});
  if (!n.is_number() || !start.is_number() || !stop.is_number()) {
    const bool whole =
        start.is_number() && (start.number() == -1 || beyond(start)) && beyond(stop) && stop.number() < 0;
    c.expects(whole, "a slice backwards of a free extent takes all of it");
    return slice(0, n, -step);
  }
  const int64_t size = n.number();
  const auto from_front = [&](int64_t i) { return i < 0 ? i + size : i; };
  const int64_t first = std::clamp<int64_t>(from_front(start.number()), -1, size - 1);
  const int64_t last = std::clamp<int64_t>(stop.number() < -size ? -1 : from_front(stop.number()), -1, size - 1);
  return slice(size - 1 - first, std::max(size - 1 - last, size - 1 - first), -step);
}

}  // namespace

Results import_slice(Call& c) {
  Tensor x = c.tensor(0);
  std::vector<Extent> starts, stops;
  Axes axes, steps;
  if (c.opset >= 10) {
    starts = c.extents(1), stops = c.extents(2);
    if (c.has(3)) axes = c.integers(3);
    if (c.has(4)) steps = c.integers(4);
  } else {
    for (int64_t n : c.integers("starts")) starts.push_back(n);
    for (int64_t n : c.integers("ends")) stops.push_back(n);
    axes = c.integers("axes");
  }
  if (axes.empty())
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (steps.empty()) steps.assign(starts.size(), 1);
  c.expects(stops.size() == starts.size() && axes.size() == starts.size() && steps.size() == starts.size(),
            "starts, ends, axes and steps are equally many");
  std::vector<Index> indices(static_cast<size_t>(x.ndim()), Index(all));
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = c.axis(axes[i], x.ndim());
    c.expects(steps[i] != 0 && steps[i] > INT64_MIN, "a step is not 0");
    indices[static_cast<size_t>(axis)] =
        steps[i] > 0 ? slice(starts[i], stops[i], steps[i]) : backwards(c, x, axis, starts[i], stops[i], steps[i]);
  }
  return one(x[indices]);
}

Results import_pad(Call& c) {
  const Tensor x = c.tensor(0);
  const auto rank = static_cast<size_t>(x.ndim());
  std::vector<Extent> pads;
  if (c.opset >= 11) {
    pads = c.extents(1);
  } else {
    for (int64_t n : c.integers("pads")) pads.push_back(n);
  }
  Axes axes;
  for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  if (c.opset >= 18 && c.has(3)) {
    axes.clear();
    for (int64_t a : c.integers(3)) axes.push_back(c.axis(a, x.ndim()));
  }
  c.expects(pads.size() == 2 * axes.size(), "it has two numbers for each axis");
  Widths widths(rank, {0, 0});
  for (size_t i = 0; i < axes.size(); ++i) widths[static_cast<size_t>(axes[i])] = {pads[i], pads[axes.size() + i]};
  const std::string mode = c.word("mode", "constant");
  if (mode != "constant") {
    c.expects(mode == "reflect" || mode == "edge" || mode == "wrap", "its mode is constant, reflect, edge or wrap");
    return one(pad(x, widths, Padding{.mode = mode}));
  }
  if (c.opset < 11) return one(pad(x, widths, c.number("value", 0)));
  if (!c.has(2)) return one(pad(x, widths));
  if (c.known(2)) return one(pad(x, widths, c.numbers(2).at(0)));
  const Tensor inside = pad(full(x.shape(), true), widths);
  return one(where(inside, pad(x, widths), c.tensor(2).reshape({}).astype(x.dtype())));
}

Results import_expand(Call& c) {
  const Tensor x = c.tensor(0);
  std::vector<Extent> shape = c.extents(1);
  const size_t rank = std::max(shape.size(), x.shape().size());
  shape.insert(shape.begin(), rank - shape.size(), Extent(1));
  for (size_t i = 0; i < x.shape().size(); ++i) {  // both stretch
    Extent& n = shape[rank - x.shape().size() + i];
    if (n == Extent(1)) n = x.shape()[i];
  }
  return one(broadcast_to(x, shape));
}

Results import_tile(Call& c) {
  const Tensor x = c.tensor(0);
  const std::vector<Extent> counts = c.extents(1);
  c.expects(counts.size() == x.shape().size(), "it has a count for each axis");
  return one(tile(x, counts));
}

Results import_squeeze(Call& c) {
  const Tensor x = c.tensor(0);
  const auto listed = c.list("axes", 1, 13);
  if (listed) return one(squeeze(x, c.axes(*listed, x.ndim())));
  return one(squeeze(x));
}

Results import_unsqueeze(Call& c) {
  const Tensor x = c.tensor(0);
  const auto listed = c.list("axes", 1, 13);
  c.expects(listed.has_value(), "it names no axes");
  const Axes axes = c.axes(*listed, x.ndim() + static_cast<int>(listed->size()));
  std::vector<Extent> shape(x.shape().begin(), x.shape().end());
  for (int64_t a : axes) shape.insert(shape.begin() + a, Extent(1));
  return one(x.reshape(shape));
}

Tensor flattened(Call& c, const Tensor& x) {
  const int64_t axis = c.integer("axis", 1);
  c.expects(axis >= -x.ndim() && axis <= x.ndim(), "there is no such axis");
  const int from = static_cast<int>(axis < 0 ? axis + x.ndim() : axis);
  return x.reshape({product(x.shape(), 0, from), product(x.shape(), from, x.ndim())});
}

Results import_flatten(Call& c) { return one(flattened(c, c.tensor(0))); }

Results import_depth_to_space(Call& c) {
  const Tensor x = c.tensor(0);
  c.expects(x.ndim() == 4, "its input is [n, channels, height, width]");
  const int64_t b = c.required("blocksize");
  c.expects(b >= 1 && b <= INT16_MAX, "its blocks have one element or more");
  const Shape& s = x.shape();
  const Extent depth = s[1] / (b * b);
  const std::string mode = c.word("mode", "DCR");
  c.expects(mode == "DCR" || mode == "CRD", "its mode is DCR or CRD");
  const Tensor blocks = mode == "DCR" ? x.reshape({s[0], b, b, depth, s[2], s[3]}).transpose({0, 3, 4, 1, 5, 2})
                                      : x.reshape({s[0], depth, b, b, s[2], s[3]}).transpose({0, 1, 4, 2, 5, 3});
  return one(blocks.reshape({s[0], depth, s[2] * b, s[3] * b}));
}

Results import_space_to_depth(Call& c) {
  const Tensor x = c.tensor(0);
  c.expects(x.ndim() == 4, "its input is [n, channels, height, width]");
  const int64_t b = c.required("blocksize");
  c.expects(b >= 1 && b <= INT16_MAX, "its blocks have one element or more");
  const Shape& s = x.shape();
  const bool crd = c.word("mode", "DCR") == "CRD";
  return one(x.reshape({s[0], s[1], s[2] / b, b, s[3] / b, b})
                 .transpose(crd ? Axes{0, 1, 3, 5, 2, 4} : Axes{0, 3, 5, 1, 2, 4})
                 .reshape({s[0], s[1] * (b * b), s[2] / b, s[3] / b}));
}

Results import_trilu(Call& c) {
  const Tensor x = c.tensor(0);
  const int64_t k = c.has(1) ? c.integer(1) : 0;
  return one(c.integer("upper", 1) != 0 ? triu(x, k) : tril(x, k));
}

Results import_center_crop_pad(Call& c) {
  Tensor x = c.tensor(0);
  const std::vector<Extent> shape = c.extents(1);
  Axes axes;
  for (int64_t a : c.integers("axes")) axes.push_back(c.axis(a, x.ndim()));
  if (c.find("axes") == nullptr)
    for (int64_t i = 0; i < x.ndim(); ++i) axes.push_back(i);
  c.expects(axes.size() == shape.size(), "its shape has a number for each axis");
  Widths widths(static_cast<size_t>(x.ndim()), {0, 0});
  for (size_t i = 0; i < axes.size(); ++i) {
    const Extent n = x.size(axes[i]), wanted = shape[i];
    if (n == wanted) continue;
    c.expects(wanted.is_number(), "it crops to numbers");
    const int64_t more = wanted.number() - c.number_of(x.shape(), static_cast<size_t>(axes[i]), "cropping");
    const int64_t low = more >= 0 ? more / 2 : -(-more / 2);
    widths[static_cast<size_t>(axes[i])] = {low, more - low};
  }
  return one(pad(x, widths));
}

// The first elements of each row in reverse, as many as its length says.
Results import_reverse_sequence(Call& c) {
  const Tensor x = c.tensor(0), lengths = c.tensor(1);
  const int64_t time = c.integer("time_axis", 0), batch = c.integer("batch_axis", 1);
  c.expects(x.ndim() >= 2 && time + batch == 1 && time * batch == 0, "time and batch are the first two axes");
  std::vector<Extent> rows(static_cast<size_t>(x.ndim()), 1), line = rows;
  rows[static_cast<size_t>(batch)] = x.size(batch);
  line[static_cast<size_t>(time)] = x.size(time);
  const Tensor place = arange(0, x.size(time)).reshape(line), length = lengths.astype(i64).reshape(rows);
  const Tensor from = where(place < length, length - 1 - place, place);
  return one(take_along_axis(x, from, time));
}

}  // namespace tenon::onnx
