// Images read at places of a grid: between elements, a weighed sum of those around.
#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {
namespace {

struct Grid {
  const Tensor& x;  // [n, channels, spatial..]
  std::string padding;
  bool aligned;
  size_t axes;

  // From -1 .. 1 to positions along a spatial axis.
  Tensor position(const Tensor& at, size_t axis) const {
    const Operand n(x.size(static_cast<int64_t>(axis) + 2));
    return aligned ? (at + 1) * 0.5 * (full({}, n, {.dtype = at.dtype()}) - 1)
                   : ((at + 1) * full({}, n, {.dtype = at.dtype()}) - 1) * 0.5;
  }

  // Positions turned back at the borders, or held there.
  Tensor bordered(const Tensor& p, size_t axis) const {
    const Tensor n = full({}, Operand(x.size(static_cast<int64_t>(axis) + 2)), {.dtype = p.dtype()});
    if (padding == "border") return minimum(maximum(p, 0), n - 1);
    if (padding != "reflection") return p;
    const Tensor low = aligned ? zeros_like(n) : full({}, -0.5, {.dtype = p.dtype()});
    const Tensor range = maximum(aligned ? n - 1 : n, 1e-9);
    const Tensor away = abs(p - low), turns = floor(away / range), rest = away - turns * range;
    const Tensor odd = remainder(turns, 2) != 0;
    return minimum(maximum(where(odd, range - rest, rest) + low, 0), n - 1);
  }

  // x at whole positions [n, places..] of each axis, 0 outside: [n, channels, places..]
  Tensor at(std::vector<Tensor> whole) const {
    Tensor inside, flat;
    for (size_t i = 0; i < axes; ++i) {
      const Operand n(x.size(static_cast<int64_t>(i) + 2));
      if (padding == "reflection") whole[i] = bordered(whole[i], i);
      const Tensor p = whole[i].astype(i64), ok = logical_and(p >= 0, p < n);
      inside = inside.defined() ? logical_and(inside, ok) : ok;
      const Tensor held = minimum(maximum(p, 0), full({}, n, {.dtype = i64}) - 1);
      flat = flat.defined() ? flat * n + held : held;
    }
    const Extent channels = x.size(1), batch = x.size(0), places = product(flat.shape(), 1, flat.ndim());
    const Tensor rows = x.reshape({batch, channels, product(x.shape(), 2, x.ndim())});
    const Tensor picked = take_along_axis(rows, flat.reshape({batch, 1, places}), 2);
    std::vector<Extent> shape = {batch, channels}, mask = {batch, 1};
    for (int i = 1; i < flat.ndim(); ++i) shape.push_back(flat.size(i)), mask.push_back(flat.size(i));
    const Tensor y = picked.reshape(shape);
    return padding == "zeros" ? where(inside.reshape(mask), y, zeros_like(y)) : y;
  }

  // The sum over the corners of `reach` neighbours along each axis, from the first on.
  using Weight = Tensor (*)(const Tensor& fraction, int64_t neighbour);
  Tensor mixed(const std::vector<Tensor>& p, int64_t first, int64_t reach, Weight weight) const {
    int64_t corners = 1;
    for (size_t i = 0; i < axes; ++i) corners *= reach;
    Tensor total;
    for (int64_t corner = 0; corner < corners; ++corner) {
      std::vector<Tensor> whole;
      Tensor by;
      int64_t rest = corner;
      for (size_t i = 0; i < axes; ++i, rest /= reach) {
        const Tensor base = floor(p[i]);
        const int64_t neighbour = first + rest % reach;
        whole.push_back(base + static_cast<double>(neighbour));
        const Tensor w = weight(p[i] - base, neighbour);
        by = by.defined() ? by * w : w;
      }
      const Tensor part = at(whole) * unsqueeze(by, 1);
      total = total.defined() ? total + part : part;
    }
    return total;
  }
};

Tensor linear_weight(const Tensor& fraction, int64_t neighbour) { return neighbour == 0 ? 1 - fraction : fraction; }
Tensor cubic_weight(const Tensor& fraction, int64_t neighbour) {
  constexpr double a = -0.75;
  const Tensor d = abs(fraction - static_cast<double>(neighbour));
  const Tensor near = ((a + 2) * d - (a + 3)) * d * d + 1, far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return neighbour == 0 || neighbour == 1 ? near : far;
}

}  // namespace

Results import_grid_sample(Call& c) {
  const Tensor x = c.tensor(0), grid = c.tensor(1);
  const std::string mode = c.word("mode", "linear"), padding = c.word("padding_mode", "zeros");
  c.expects(padding == "zeros" || padding == "border" || padding == "reflection",
            "its padding is zeros, border or reflection");
  Grid g{x, padding, c.integer("align_corners", 0) != 0, static_cast<size_t>(x.ndim()) - 2};
  c.expects(x.ndim() >= 3 && grid.ndim() == x.ndim() &&
                grid.shape()[static_cast<size_t>(x.ndim()) - 1] == static_cast<int64_t>(g.axes),
            "its grid is [n, places.., axes]");
  c.expects(g.axes <= 6, "its images have six axes or fewer");  // of each element 2^axes neighbours are mixed
  std::vector<Tensor> p;
  for (size_t i = 0; i < g.axes; ++i) {  // the grid names the last axis first
    p.push_back(g.position(select(grid, -1, static_cast<int64_t>(g.axes - 1 - i)), i));
    if (mode != "bicubic" && mode != "cubic") p.back() = g.bordered(p.back(), i);
  }
  if (mode == "nearest") {
    for (Tensor& t : p) t = round(t);
    return one(g.at(p));
  }
  if (mode == "bicubic" || mode == "cubic") {
    c.expects(g.axes == 2, "cubic samples are those of two axes");
    return one(g.mixed(p, -1, 4, cubic_weight));
  }
  c.expects(mode == "bilinear" || mode == "linear", "its mode is linear, nearest or cubic");
  return one(g.mixed(p, 0, 2, linear_weight));
}

// theta [n, 2, 3] or [n, 3, 4] applied to an even grid: [n, places.., axes]
Results import_affine_grid(Call& c) {
  const Tensor theta = c.tensor(0);
  const std::vector<Extent> size = c.extents(1);
  c.expects(size.size() == 4 || size.size() == 5, "grids have two or three axes");
  const size_t axes = size.size() - 2;
  const bool aligned = c.integer("align_corners", 0) != 0;
  std::vector<Extent> shape(size.begin() + 2, size.end());
  std::vector<Tensor> parts;
  for (size_t i = axes; i-- > 0;) {
    std::vector<Extent> line(axes, 1);
    line[i] = shape[i];
    const Tensor n = full({}, Operand(shape[i]), {.dtype = theta.dtype()});
    const Tensor k = arange(0, shape[i]).astype(theta.dtype());
    const Tensor at = aligned ? k * 2 / (n - 1) - 1 : (k * 2 + 1) / n - 1;
    parts.push_back(broadcast_to(at.reshape(line), shape));
  }
  parts.push_back(ones(shape, {.dtype = theta.dtype()}));
  const Tensor base = stack(parts, -1);  // [places.., axes + 1]
  const Tensor rows = base.reshape({-1, static_cast<int64_t>(axes) + 1});
  std::vector<Extent> result = {size[0]};
  result.insert(result.end(), shape.begin(), shape.end());
  result.push_back(static_cast<int64_t>(axes));
  return one(matmul(rows, swapaxes(theta, 1, 2)).reshape(result));
}

}  // namespace tenon::onnx
