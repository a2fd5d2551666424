// Constants, counting, and elements that move.
#include <algorithm>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {

std::vector<Value> import_constant(Call& c) {
  const Attribute* value = c.find({"value"});
  c.expects(value != nullptr, "it lacks its value");
  c.expects(!c.scope.lifted || c.rank() == 0, "a constant in a reducer is a scalar");
  return one(c.scope.importer.constant(c.scope.building, *value));
}

std::vector<Value> import_iota(Call& c) {
  const DType to = c.dtype();
  return one(ir::cast(ir::iota(c.b, part_of(to), c.shape(), c.integer({"dim", "iota_dimension"})), to));
}

std::vector<Value> import_broadcast_in_dim(Call& c) {
  c.operands(1);
  c.expects(!c.scope.lifted || c.rank() == 0, "in a reducer are scalars only");
  if (c.scope.lifted) return c.in;
  return one(broadcast_in_dim(c.in[0], c.shape(), c.integers({"dims", "broadcast_dimensions"})));
}

// One free extent of the result is what the others leave of the elements.
std::vector<Value> import_reshape(Call& c) {
  c.operands(1);
  c.expects(!c.scope.lifted || c.rank() == 0, "in a reducer are scalars only");
  if (c.scope.lifted) return c.in;
  const TensorType& t = c.op.result_types.at(0);
  const auto free = std::count(t.extents.begin(), t.extents.end(), unknown_extent);
  if (free != 1) return one(ir::reshape(c.in[0], c.shape()));
  int64_t rest = 1;
  for (int64_t n : t.extents)
    if (n >= 0 && __builtin_mul_overflow(rest, n, &rest)) c.fail("its shape is too large");
  c.expects(rest > 0, "its shape is not known");
  Shape shape;
  for (int64_t n : t.extents) shape.push_back(n >= 0 ? n : c.in[0].shape().numel() / rest);
  return one(ir::reshape(c.in[0], shape));
}

std::vector<Value> import_transpose(Call& c) {
  c.operands(1);
  return one(ir::transpose(c.in[0], c.integers({"dims", "permutation"})));
}

std::vector<Value> import_slice(Call& c) {
  c.operands(1);
  const Value x = c.in[0];
  const std::vector<Dim> starts = c.sizes({"start_indices"}), limits = c.sizes({"limit_indices"});
  const Axes strides = c.integers({"strides"});
  const size_t rank = x.shape().size();
  c.expects(starts.size() == rank && limits.size() == rank && strides.size() == rank,
            "it names a start, a limit and a stride for each axis");
  std::vector<Dim> sizes;
  for (size_t i = 0; i < rank; ++i) {
    c.expects(
        strides[i] >= 1 && starts[i].number() <= limits[i].number() && limits[i].number() <= x.shape()[i].number(),
        "starts, limits and strides lie in the operand");
    const int64_t span = limits[i].number() - starts[i].number();
    sizes.push_back(span / strides[i] + (span % strides[i] != 0));
  }
  return one(ir::slice(x, starts, sizes, strides));
}

std::vector<Value> import_concatenate(Call& c) {
  c.expects(!c.in.empty(), "it takes at least one operand");
  const size_t axis = c.axis(c.integer({"dim", "dimension"}), c.in[0].shape().rank());
  return one(ir::concat(c.in, static_cast<int64_t>(axis)));
}

std::vector<Value> import_reverse(Call& c) {
  c.operands(1);
  Axes axes = c.integers({"dims", "dimensions"});
  std::sort(axes.begin(), axes.end());
  return one(ir::reverse(c.in[0], axes));
}

// Negative margins drop elements, after interior ones have been put between them.
Value padded(Call& c, Value x, Value fill, const Axes& low, const Axes& high, const Axes& interior) {
  const size_t rank = x.shape().size();
  c.expects(low.size() == rank && high.size() == rank && interior.size() == rank,
            "it names three numbers for each axis");
  std::vector<Dim> before, after, starts, sizes;
  constexpr int64_t most = int64_t{1} << 48;
  for (size_t i = 0; i < rank; ++i) {
    c.expects(std::max(low[i], high[i]) <= most && std::min(low[i], high[i]) >= -most && interior[i] <= most &&
                  interior[i] >= 0,
              "a margin lies between -2^48 and 2^48, and interior elements are not negative");
    before.push_back(std::max<int64_t>(low[i], 0));
    after.push_back(std::max<int64_t>(high[i], 0));
  }
  Value r = ir::pad(x, fill, before, after, interior);
  bool cut = false;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t first = std::max<int64_t>(-low[i], 0), last = std::max<int64_t>(-high[i], 0);
    c.expects(first + last <= r.shape()[i].number(), "negative margins drop more elements than there are");
    cut |= first + last > 0;
    starts.push_back(first);
    sizes.push_back(r.shape()[i].number() - first - last);
  }
  return cut ? ir::slice(r, starts, sizes, Axes(rank, 1)) : r;
}

std::vector<Value> import_pad(Call& c) {
  c.operands(2);
  return one(padded(c, c.in[0], c.in[1], c.integers({"low", "edge_padding_low"}),
                    c.integers({"high", "edge_padding_high"}), c.integers({"interior", "interior_padding"})));
}

namespace {

std::vector<Value> positions(Call& c, size_t first) {
  std::vector<Value> starts;
  for (size_t i = first; i < c.in.size(); ++i) {
    c.expects(is_integer(c.in[i].dtype()), "a start is an integer");
    starts.push_back(formula::position(c.in[i]));
  }
  return starts;
}

}  // namespace

std::vector<Value> import_dynamic_slice(Call& c) {
  c.expects(!c.in.empty(), "it takes a tensor and one start for each axis");
  return one(ir::dynamic_slice(c.in[0], positions(c, 1), c.sizes({"sizes", "slice_sizes"})));
}

std::vector<Value> import_dynamic_update_slice(Call& c) {
  c.expects(c.in.size() >= 2, "it takes a tensor, an update and one start for each axis");
  return one(ir::dynamic_update_slice(c.in[0], c.in[1], positions(c, 2)));
}

std::vector<Value> import_dimension_size(Call& c) {
  c.operands(1);
  const size_t axis = c.axis(c.integer({"dim", "dimension"}), c.in[0].shape().rank());
  return one(ir::splat_integer(c.b, c.dtype(), c.in[0].shape()[axis].number(), {}));
}

}  // namespace tenon::hlo
