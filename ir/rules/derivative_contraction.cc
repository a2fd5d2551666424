// Derivatives of contractions: each factor's cotangent is a contraction of the result's cotangent with the other factor.
#include <algorithm>

#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {
namespace {

std::vector<Value> product_rule(const JvpArgs& args) {
  Value sum;
  for (size_t k = 0; k < 2; ++k) {
    if (!args.tangents[k]) continue;
    Value factors[] = {args.primals[0], args.primals[1]};
    factors[k] = args.tangents[k];
    const Value term = apply(args.builder, args.op, factors, args.attrs)[0];
    sum = sum ? sum + term : term;
  }
  return {sum};
}

std::vector<int64_t> free_axes(int rank, const std::vector<int64_t>& batch, const std::vector<int64_t>& contracted) {
  std::vector<int64_t> free;
  for (int64_t i = 0; i < rank; ++i)
    if (std::find(batch.begin(), batch.end(), i) == batch.end() &&
        std::find(contracted.begin(), contracted.end(), i) == contracted.end())
      free.push_back(i);
  return free;
}

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> r;
  for (int64_t i = begin; i < end; ++i) r.push_back(i);
  return r;
}

// The axes of one factor that match `others` of the other, in the order in which `others` ascend.
std::vector<int64_t> sorted_by(const std::vector<int64_t>& axes, const std::vector<int64_t>& others) {
  std::vector<size_t> order(axes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return others[a] < others[b]; });
  std::vector<int64_t> r;
  for (size_t i : order) r.push_back(axes[i]);
  return r;
}

// Brings a tensor whose axis i is axis layout[i] of the wanted one into the wanted order.
Value in_order(Value x, const std::vector<int64_t>& layout) {
  if (std::is_sorted(layout.begin(), layout.end())) return x;
  std::vector<int64_t> permutation(layout.size());
  for (size_t i = 0; i < layout.size(); ++i) permutation[layout[i]] = static_cast<int64_t>(i);
  return transpose(x, std::move(permutation));
}

std::vector<int64_t> joined(std::vector<int64_t> a, const std::vector<int64_t>& b, const std::vector<int64_t>& c) {
  a.insert(a.end(), b.begin(), b.end());
  a.insert(a.end(), c.begin(), c.end());
  return a;
}

}  // namespace

std::vector<Value> dot_jvp(const JvpArgs& args) { return product_rule(args); }

// Both products come out in the factor's own axis order for the usual layouts: ct w^T for the left, x^T ct for the right.
std::vector<Value> dot_transpose(const TransposeArgs& args) {
  ensure(!(args.linear[0] && args.linear[1]), "a contraction of two linear factors is not linear");
  const DotGeneral d(args.attrs);
  const auto &lb = d.lhs_batch, &rb = d.rhs_batch, &lc = d.lhs_contract, &rc = d.rhs_contract;
  const auto lf = free_axes(args.operand_types[0].shape.rank(), lb, lc);
  const auto rf = free_axes(args.operand_types[1].shape.rank(), rb, rc);
  const auto nb = static_cast<int64_t>(lb.size()), nl = static_cast<int64_t>(lf.size()),
             nr = static_cast<int64_t>(rf.size());
  const auto ct_batch = range(0, nb), ct_left = range(nb, nb + nl), ct_right = range(nb + nl, nb + nl + nr);
  const Value ct = args.cotangents[0];
  std::vector<Value> result = absent(2);
  if (args.linear[0])  // batch, left free, the right factor's contracted axes ascending
    result[0] =
        in_order(dot_general(ct, args.operands[1], ct_batch, rb, ct_right, rf), joined(lb, lf, sorted_by(lc, rc)));
  if (args.linear[1])  // batch, the left factor's contracted axes ascending, right free
    result[1] =
        in_order(dot_general(args.operands[0], ct, lb, ct_batch, lf, ct_left), joined(rb, sorted_by(rc, lc), rf));
  return result;
}

std::vector<Value> convolution_jvp(const JvpArgs& args) { return product_rule(args); }

namespace {

// Splits the channel axis (the last one) into groups and moves the group in front of axis `to`, then joins it with that.
Value regroup(Value x, int64_t groups, size_t from, size_t to) {
  if (groups == 1) return x;
  Shape split = x.shape();
  split[from] = split[from].number() / groups;
  split.insert(from, groups);
  // Axes: ..., group, channel, ...; the group is moved to stand right before `to`.
  std::vector<int64_t> order;
  const auto target = to < from ? to : to + 1;
  for (size_t i = 0; i < split.size(); ++i) {
    if (i == from) continue;
    if (i == target) order.push_back(static_cast<int64_t>(from));
    order.push_back(static_cast<int64_t>(i));
  }
  const Value moved = transpose(reshape(x, split), order);
  Shape merged = moved.shape();
  const size_t at =
      static_cast<size_t>(std::find(order.begin(), order.end(), static_cast<int64_t>(from)) - order.begin());
  merged[at + 1] = x.builder->symbols().product(merged[at], merged[at + 1]);
  merged.erase(at);
  return reshape(moved, merged);
}

}  // namespace

// By x: the cotangent, dilated by the stride, with the reversed kernel, channels and filters swapped. By the kernel: x with
// the cotangent as kernel, batch and channels swapped, stride and dilation swapped.
std::vector<Value> convolution_transpose(const TransposeArgs& args) {
  ensure(!(args.linear[0] && args.linear[1]), "a convolution of two linear factors is not linear");
  const Value ct = args.cotangents[0];
  const Convolution c(args.attrs);
  const Shape x = args.operand_types[0].shape, k = args.operand_types[1].shape;
  const size_t spatial = x.size() - 2;
  std::vector<int64_t> before(spatial), after(spatial), kernel_high(spatial), spatial_axes;
  for (size_t i = 0; i < spatial; ++i) {
    spatial_axes.push_back(static_cast<int64_t>(i));
    // Elements that the last window did not reach.
    int64_t rest = 0;
    if (c.strides[i] != 1) {
      if (!x[i + 1].is_number() || !k[i].is_number())
        throw Error(
            "the derivative of a strided convolution needs fixed spatial extents; give them as numbers, or use stride "
            "1");
      const int64_t padded = (x[i + 1].number() - 1) * c.lhs_dilation[i] + 1 + c.low[i] + c.high[i];
      rest = std::max<int64_t>(0, padded - ((k[i].number() - 1) * c.rhs_dilation[i] + 1)) % c.strides[i];
    }
    if (args.linear[0]) {
      if (!k[i].is_number())
        throw Error("the derivative of a convolution by its input needs a kernel of fixed extents");
      const int64_t reach = (k[i].number() - 1) * c.rhs_dilation[i];
      before[i] = reach - c.low[i];
      after[i] = reach - c.high[i] + rest;
    }
    kernel_high[i] = c.high[i] - rest;
  }
  const auto convolve = [&](Value a, Value kernel, ConvolutionAttrs attrs) {
    const Value operands[] = {a, kernel};
    return apply(args.builder, Op::convolution, operands, std::move(attrs))[0];
  };
  const auto last = static_cast<int64_t>(spatial) + 1;
  std::vector<Value> result = absent(2);
  if (args.linear[0]) {
    // kernel[s..., c / g, o] -> [s..., o / g, c]
    std::vector<int64_t> swap = spatial_axes;
    swap.push_back(last);
    swap.push_back(last - 1);
    const Value flipped = spatial == 0 ? args.operands[1] : reverse(args.operands[1], spatial_axes);
    const Value kernel =
        transpose(regroup(flipped, c.groups, spatial + 1, spatial), swap);  // [s..., (g, c / g), o / g] swapped
    result[0] = convolve(ct, kernel,
                         {.strides = c.lhs_dilation,
                          .low = before,
                          .high = after,
                          .lhs_dilation = c.strides,
                          .rhs_dilation = c.rhs_dilation,
                          .groups = c.groups});
  }
  if (args.linear[1]) {
    // x[n, s..., (g, c / g)] -> [c / g, s..., (g, n)], ct[n, s..., o] stands as kernel[s..., n, o]
    std::vector<int64_t> swap = {last}, front;
    for (int64_t i = 1; i < last; ++i) swap.push_back(i), front.push_back(i);
    swap.push_back(0);
    front.push_back(0);
    front.push_back(last);
    const Value lhs = transpose(regroup(args.operands[0], c.groups, spatial + 1, 0), swap);
    const Value by_kernel = convolve(lhs, transpose(ct, front),
                                     {.strides = c.rhs_dilation,
                                      .low = c.low,
                                      .high = kernel_high,
                                      .lhs_dilation = c.lhs_dilation,
                                      .rhs_dilation = c.strides,
                                      .groups = c.groups});
    // [c / g, s..., o] -> [s..., c / g, o]
    result[1] = transpose(by_kernel, front);
  }
  return result;
}

}  // namespace tenon::ir::rules
