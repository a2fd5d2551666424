// Type rules of reductions, contractions, sorting and random bits.
#include <algorithm>

#include "tenon/ir/rules/infer.h"

namespace tenon::ir::rules {
namespace {

bool has(const std::vector<int64_t>& axes, size_t axis) {
  return std::find(axes.begin(), axes.end(), static_cast<int64_t>(axis)) != axes.end();
}

}  // namespace

std::vector<Type> infer_reduce(const InferArgs& args) {
  const Type& x = args.operands[0];
  const auto& axes = Reduce(args.attrs).axes;
  check_axes(axes, x.shape.rank(), "axis");
  TENON_REQUIRE(std::is_sorted(axes.begin(), axes.end()), "reduced axes must ascend");
  Type r{x.dtype, {}};
  for (size_t i = 0; i < x.shape.size(); ++i)
    if (!has(axes, i)) r.shape.push_back(x.shape[i]);
  return {r};
}

std::vector<Type> infer_arg_reduce(const InferArgs& args) {
  Type r = args.operands[0];
  const auto& axes = Reduce(args.attrs).axes;
  TENON_REQUIRE(axes.size() == 1,
                "attribute 'axes' takes one integer, not " + number(static_cast<int64_t>(axes.size())));
  check_axes(axes, r.shape.rank(), "axis");
  const auto axis = static_cast<size_t>(axes[0]);
  TENON_REQUIRE(!(r.shape[axis] == 0), "axis " + number(axes[0]) + " is empty: it has no extremum");
  r.shape.erase(axis);
  r.dtype = DType::i64;
  return {r};
}

std::vector<Type> infer_cumulative(const InferArgs& args) {
  check_axis(Cumulative(args.attrs).axis, args.operands[0].shape.rank(), "axis");
  return {args.operands[0]};
}

std::vector<Type> infer_dot(const InferArgs& args) {
  const Type &l = args.operands[0], &r = args.operands[1];
  const DotGeneral d(args.attrs);
  const auto &lb = d.lhs_batch, &rb = d.rhs_batch, &lc = d.lhs_contract, &rc = d.rhs_contract;
  TENON_REQUIRE(l.dtype == r.dtype, "the dtypes differ: lhs is " + std::string(name(l.dtype)) + ", rhs is " +
                                        std::string(name(r.dtype)) + "; cast one of them");
  TENON_REQUIRE(lb.size() == rb.size(), "lhs and rhs name different numbers of batch axes");
  TENON_REQUIRE(lc.size() == rc.size(), "lhs and rhs name different numbers of contracted axes");
  std::vector<int64_t> la = lb, ra = rb;
  la.insert(la.end(), lc.begin(), lc.end());
  ra.insert(ra.end(), rc.begin(), rc.end());
  check_axes(la, l.shape.rank(), "lhs axis");
  check_axes(ra, r.shape.rank(), "rhs axis");
  for (size_t i = 0; i < la.size(); ++i) {
    const Dim a = l.shape[la[i]], b = r.shape[ra[i]];
    if (a == b) continue;
    refuse(std::string(i < lb.size() ? "batch" : "contracted") + " extents differ: axis " + number(la[i]) +
           " of lhs is " + to_string(a, &args.symbols) + ", axis " + number(ra[i]) + " of rhs is " +
           to_string(b, &args.symbols) + "; transpose or slice one of them");
  }
  Type result{l.dtype, {}};
  for (int64_t axis : lb) result.shape.push_back(l.shape[axis]);
  for (size_t i = 0; i < l.shape.size(); ++i)
    if (!has(la, i)) result.shape.push_back(l.shape[i]);
  for (size_t i = 0; i < r.shape.size(); ++i)
    if (!has(ra, i)) result.shape.push_back(r.shape[i]);
  return {result};
}

namespace {
int64_t least(const Symbols& s, Dim d) { return d.is_number() ? d.number() : s[d.index()].lower; }
}  // namespace

std::vector<Type> infer_convolution(const InferArgs& args) {
  const Type &x = args.operands[0], &k = args.operands[1];
  const int rank = x.shape.rank();
  TENON_REQUIRE(x.dtype == k.dtype, "the dtypes differ: input is " + std::string(name(x.dtype)) + ", kernel is " +
                                        std::string(name(k.dtype)) + "; cast one of them");
  TENON_REQUIRE(rank >= 2 && k.shape.rank() == rank,
                "convolution takes x[n, spatial..., c] and kernel[spatial..., c / groups, o] of equal rank");
  const auto spatial = static_cast<size_t>(rank - 2);
  const Convolution c(args.attrs);
  const auto check_count = [&](const std::vector<int64_t>& list, const char* name) {
    TENON_REQUIRE(list.size() == spatial, std::string("attribute '") + name + "' has " +
                                              number(static_cast<int64_t>(list.size())) + " entries for " +
                                              number(static_cast<int64_t>(spatial)) + " spatial axes");
  };
  check_count(c.strides, "strides");
  check_count(c.low, "low");
  check_count(c.high, "high");
  check_count(c.lhs_dilation, "lhs_dilation");
  check_count(c.rhs_dilation, "rhs_dilation");
  const int64_t groups = c.groups;
  TENON_REQUIRE(groups >= 1, "groups must be at least 1");
  const Dim channels = x.shape[spatial + 1], per_group = k.shape[spatial], filters = k.shape[spatial + 1];
  TENON_REQUIRE(args.symbols.product(per_group, groups) == channels,
                "x has " + to_string(channels, &args.symbols) + " channels, the kernel " +
                    to_string(per_group, &args.symbols) + " in each of " + number(groups) + " groups");
  TENON_REQUIRE(groups == 1 || (filters.is_number() && filters.number() % groups == 0),
                to_string(filters, &args.symbols) + " filters cannot be dealt to " + number(groups) + " groups");
  Symbols& s = args.symbols;
  Type result{x.dtype, {x.shape[0]}};
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t stride = c.strides[i], low = c.low[i], high = c.high[i];
    const int64_t ld = c.lhs_dilation[i], rd = c.rhs_dilation[i];
    TENON_REQUIRE(stride >= 1 && ld >= 1 && rd >= 1, "strides and dilations must be at least 1");
    TENON_REQUIRE(std::min(low, high) >= -INT32_MAX && std::max(low, high) <= INT32_MAX, "padding is beyond 2^31");
    const auto dilated = [&](Dim n, int64_t d) -> Dim {
      return d == 1 || n == 0 ? n : s.sum(s.product(s.difference(s.maximum(n, 1), 1), d - 1), n);
    };
    // As often as the window fits: (padded - taps) / stride + 1, or not at all, as a quotient of what is never negative.
    // Negative padding drops elements, which is as if the window were longer.
    const int64_t margin = low + high;
    const Dim padded = s.sum(dilated(x.shape[i + 1], ld), std::max<int64_t>(margin, 0)), reach = s.sum(padded, stride);
    const Dim taps = s.sum(dilated(k.shape[i], rd), std::max<int64_t>(-margin, 0));
    const bool fits = taps.is_number() && least(s, reach) >= taps.number();
    result.shape.push_back(s.quotient(s.difference(fits ? reach : s.maximum(reach, taps), taps), stride));
  }
  result.shape.push_back(filters);
  return {result};
}

std::vector<Type> infer_sort(const InferArgs& args) {
  TENON_REQUIRE(!args.operands.empty(), "sort takes at least the keys");
  const Shape& shape = args.operands[0].shape;
  check_axis(Sort(args.attrs).axis, shape.rank(), "axis");
  for (size_t k = 1; k < args.operands.size(); ++k)
    TENON_REQUIRE(args.operands[k].shape == shape, operand_name(k) + " has shape " +
                                                       to_string(args.operands[k].shape, &args.symbols) +
                                                       ", the keys " + to_string(shape, &args.symbols));
  return {args.operands.begin(), args.operands.end()};
}

std::vector<Type> infer_random_bits(const InferArgs& args) {
  // Axes of the key before its last are lanes: each has a key, and counts its elements from 0. The counter is theirs, or one for
  // all. A symbolic extent is checked when it is known.
  const auto is_pair = [&](const Type& t) {
    if (t.dtype != DType::u32 || t.shape.rank() < 1) return false;
    const Dim words = t.shape[t.shape.size() - 1];
    if (words.is_number()) return words == 2;
    args.symbols.difference(words, 2);
    args.symbols.difference(2, words);
    return true;
  };
  for (size_t k = 0; k < 2; ++k)
    TENON_REQUIRE(is_pair(args.operands[k]), std::string(k == 0 ? "the key" : "the counter") + " must be u32[2], not " +
                                                 to_string(args.operands[k], &args.symbols));
  TENON_REQUIRE(args.operands[1].shape.rank() == 1 || args.operands[0].shape == args.operands[1].shape,
                "key and counter have the same lanes, and these are " + to_string(args.operands[0], &args.symbols) +
                    " and " + to_string(args.operands[1], &args.symbols));
  const RandomBits r(args.attrs);
  TENON_REQUIRE(r.dtype == DType::u32 || r.dtype == DType::u64,
                "random bits are u32 or u64, not " + std::string(name(r.dtype)));
  check_symbols(args, r.shape);
  Shape shape(r.shape);
  const Shape& key = args.operands[0].shape;
  for (size_t i = 0; i + 1 < key.size(); ++i) shape.insert(i, key[i]);
  return {Type{r.dtype, shape}};
}

}  // namespace tenon::ir::rules
