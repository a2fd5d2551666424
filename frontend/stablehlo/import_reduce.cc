// Reductions. A region that is one operation on its two arguments is a row of the op table; any other is applied to whole tensors, halving
// what is to be reduced: neighbours are joined until one is left, in their order, which StableHLO leaves open.
#include <algorithm>
#include <optional>

#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {
namespace {

struct Combine {
  std::string_view name;
  ir::Op op, on_booleans;
  ir::Op of(DType t) const { return t == boolean ? on_booleans : op; }
};
constexpr Combine combines[] = {
    {"stablehlo.add", ir::Op::add, ir::Op::bit_or},      {"stablehlo.multiply", ir::Op::mul, ir::Op::bit_and},
    {"stablehlo.maximum", ir::Op::max, ir::Op::bit_or},  {"stablehlo.minimum", ir::Op::min, ir::Op::bit_and},
    {"stablehlo.and", ir::Op::bit_and, ir::Op::bit_and}, {"stablehlo.or", ir::Op::bit_or, ir::Op::bit_or},
    {"stablehlo.xor", ir::Op::bit_xor, ir::Op::bit_xor},
};

// The row that reduces by an op; none where the op table has no such reduction.
std::optional<ir::Op> reduction_by(ir::Op combine) {
  for (size_t i = 0; i < ir::op_count; ++i) {
    const ir::OpDef& row = ir::def(static_cast<ir::Op>(i));
    if (row.family == ir::Family::reduction && row.combine == combine && !row.positional && row.nest == nullptr)
      return static_cast<ir::Op>(i);
  }
  return std::nullopt;
}

const Combine* combine_called(std::string_view name) {
  for (const Combine& c : combines)
    if (c.name == name) return &c;
  return nullptr;
}

Axes with_all_but(const Shape& shape, const Axes& first) {  // `first`, then the others in their order
  Axes order = first;
  for (int64_t i = 0; i < shape.rank(); ++i)
    if (std::find(first.begin(), first.end(), i) == first.end()) order.push_back(i);
  return order;
}

// Rows [0, 2, 4 ...] or [1, 3, 5 ...] of axis 0.
Value every_second(Value x, int64_t first, int64_t count) {
  std::vector<Dim> starts(x.shape().size(), Dim(0)), sizes = x.shape().dims();
  Axes strides(x.shape().size(), 1);
  starts[0] = first;
  sizes[0] = count;
  strides[0] = 2;
  return ir::slice(x, starts, sizes, strides);
}

std::vector<Value> applied(Call& c, const Region& region, std::vector<Value> left, std::span<const Value> right) {
  const Shape shape = left.at(0).shape();
  left.insert(left.end(), right.begin(), right.end());
  std::vector<Value> results = c.scope.importer.inlined(c.scope, region, left, true);
  for (Value& r : results) r = spread_scalar(r, shape);
  if (results.size() != right.size()) throw Error("the region gives another number of values than it joins");
  for (size_t i = 0; i < results.size(); ++i)
    if (!(results[i].type() == left[i].type())) throw Error("the region gives values of other types than it joins");
  return results;
}

// One of `combines` for each value, null where a region gives the second; or nothing.
std::vector<const Combine*> recognized(Call& c, size_t count, size_t number) {
  if (const Attribute* applies = c.find({"applies"}); applies != nullptr) {
    c.expects(count == 1, "it applies one operation to several tensors; give it a region");
    if (const Combine* one = combine_called(applies->text)) return {one};
    c.fail("it cannot apply " + std::string(applies->text));
  }
  c.expects(number < c.op.regions.size(), "it lacks a region");
  const Region& region = c.op.regions[number];
  if (region.arguments.size() != 2 * count || region.operations.empty()) return {};
  const Operation& end = region.operations.back();
  if (end.operands.size() != count) return {};
  std::vector<const Combine*> found;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t a = region.arguments[i], b = region.arguments[i + count];
    if (end.operands[i] == b) {
      found.push_back(nullptr);
      continue;
    }
    const auto made = std::find_if(region.operations.begin(), region.operations.end(), [&](const Operation& op) {
      return op.result_count == 1 && op.first_result == end.operands[i];
    });
    if (made == region.operations.end() || made->operands.size() != 2) return {};
    const bool on_both =
        (made->operands[0] == a && made->operands[1] == b) || (made->operands[0] == b && made->operands[1] == a);
    const Combine* combine = combine_called(made->name);
    if (!on_both || combine == nullptr) return {};
    found.push_back(combine);
  }
  return found;
}

}  // namespace

std::vector<Value> folded(std::vector<Value> x, const Join& join) {
  for (int64_t n = x[0].shape()[0].number(); n > 1; n = x[0].shape()[0].number()) {
    std::vector<Value> even, odd;
    for (const Value& v : x) {
      even.push_back(every_second(v, 0, n / 2));
      odd.push_back(every_second(v, 1, n / 2));
    }
    std::vector<Value> joined = join(even, odd);
    if (n % 2 != 0)
      for (size_t i = 0; i < x.size(); ++i) {
        std::vector<Dim> starts(x[i].shape().size(), Dim(0)), sizes = x[i].shape().dims();
        starts[0] = n - 1;
        sizes[0] = 1;
        const Value parts[] = {joined[i], ir::slice(x[i], starts, sizes, Axes(sizes.size(), 1))};
        joined[i] = ir::concat(parts, 0);
      }
    x = std::move(joined);
  }
  for (Value& v : x) {
    Shape rest = v.shape();
    rest.erase(0);
    v = ir::reshape(v, rest);
  }
  return x;
}

std::vector<std::string> combine_names(Call& c, size_t count, size_t region) {
  const std::vector<const Combine*> rows = recognized(c, count, region);
  std::vector<std::string> names;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == nullptr) {
      names.push_back("set");
    } else {
      names.push_back(ir::def(rows[i]->of(c.in[i].dtype())).name);
    }
  }
  return names;
}

std::vector<Value> reduced(Call& c, std::vector<Value> x, std::span<const Value> starts, const Axes& axes) {
  const std::vector<const Combine*> rows = recognized(c, x.size(), 0);
  std::vector<ir::Op> reductions;  // one for each tensor, where there are such rows
  for (size_t i = 0; i < rows.size() && reductions.size() == i; ++i)
    if (rows[i] != nullptr)
      if (const auto row = reduction_by(rows[i]->of(x[i].dtype()))) reductions.push_back(*row);
  Axes ascending = axes;
  std::sort(ascending.begin(), ascending.end());
  std::vector<Value> results;
  if (!rows.empty() && reductions.size() == rows.size()) {
    for (size_t i = 0; i < x.size(); ++i) {
      const Value total = ascending.empty() ? x[i] : ir::reduce(reductions[i], x[i], ascending);
      const Value pair[] = {spread_scalar(starts[i], total.shape()), total};
      results.push_back(ir::apply(c.b, rows[i]->of(x[i].dtype()), pair)[0]);
    }
    return results;
  }
  const Shape shape = x[0].shape();
  const Axes order = with_all_but(shape, ascending);
  Shape flat{1}, kept;
  for (size_t i = 0; i < order.size(); ++i) {
    const Dim n = shape[static_cast<size_t>(order[i])];
    if (i < axes.size()) {
      flat[0] = n.number() == 0 ? 0 : flat[0].number() * n.number();
    } else {
      flat.push_back(n);
      kept.push_back(n);
    }
  }
  std::vector<Value> first;
  for (const Value& s : starts) first.push_back(spread_scalar(s, kept));
  if (flat[0] == 0) return first;
  for (Value& v : x) v = ir::reshape(ir::transpose(v, order), flat);
  const auto join = [&](std::vector<Value> left, std::span<const Value> right) {
    return applied(c, c.op.regions[0], std::move(left), right);
  };
  return applied(c, c.op.regions[0], first, folded(std::move(x), join));
}

std::vector<Value> import_reduce(Call& c) {
  const size_t count = c.in.size() / 2;
  c.expects(count >= 1 && c.in.size() == 2 * count, "it takes tensors and as many scalars to begin with");
  const std::span<const Value> all = c.in;
  const Axes axes = c.integers({"dimensions"});
  for (size_t i = 0; i < count; ++i) {
    c.expects(all[i].shape() == all[0].shape(), "its tensors have one shape");
    c.expects(all[count + i].shape().empty() && all[count + i].dtype() == all[i].dtype(),
              "what it begins with is a scalar of each tensor's dtype");
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    c.axis(axes[i], all[0].shape().rank());
    c.expects(std::count(axes.begin(), axes.end(), axes[i]) == 1, "it names an axis twice");
  }
  return reduced(c, {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)}, all.subspan(count), axes);
}

}  // namespace tenon::hlo
