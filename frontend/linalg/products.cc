// cross, vecdot, tensordot, multi_dot, diagonal, trace.
#include <algorithm>
#include <array>

#include "tenon/frontend/linalg/formulas.h"
#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/diagonal.h"

namespace tenon::linalg {

using namespace ir::matrices;

namespace {

DType dtype_of(const Operand& a, const Operand& b, const char* name) {
  return common_dtype(std::array<const Operand*, 2>{&a, &b}, name);
}
// Two operands in one dtype, a half as f32, and one shape.
Values met(std::span<const Value> x, DType t, const char* name) {
  const DType computed = is_floating(t) ? formula::wide(t) : t;
  const Value parts[] = {ir::cast(x[0], computed), ir::cast(x[1], computed)};
  return formula::broadcast_together(parts, name);
}

Values build_cross(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Products to(attrs);
  const Values v = met(x, to.dtype, "cross");
  const auto axis = static_cast<size_t>(static_cast<int64_t>(rank(v[0])) + to.lhs[0]);
  const auto turned = [&](Value a, int64_t by) {
    return joined(part(a, axis, by, 3 - by), part(a, axis, 0, by), axis);
  };
  const auto product = [&](int64_t a, int64_t b) { return formula::product_of(turned(v[0], a), turned(v[1], b)); };
  return {ir::cast(product(1, 2) - product(2, 1), to.dtype)};
}

Values build_vecdot(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Products to(attrs);
  const Values v = met(x, to.dtype, "vecdot");
  const auto conjugate = [](Value z) { return is_complex(z.dtype()) ? ir::complex(ir::real(z), -ir::imag(z)) : z; };
  const Value products = formula::product_of(conjugate(v[0]), v[1]);
  const Value sum = ir::reduce(ir::Op::reduce_sum, products, {static_cast<int64_t>(rank(v[0])) + to.lhs[0]});
  return {ir::cast(sum, to.dtype)};
}

Values build_tensordot(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Products to(attrs);
  const auto sums = [&](Value a, Value b) { return ir::dot_general(a, b, {}, {}, to.lhs, to.rhs); };
  return {formula::bilinear(x[0], x[1], to.dtype, sums)};
}

Values build_multi_dot(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Chain to(attrs);
  // The splits stand in the order of a walk from the whole to its parts, left before right; the walk is a list, not a recursion.
  struct Span {
    size_t first, count;
  };
  std::vector<Span> open = {{0, x.size()}}, order;
  std::vector<size_t> left;
  size_t next = 0;
  while (!open.empty()) {
    const Span s = open.back();
    open.pop_back();
    order.push_back(s);
    left.push_back(0);
    if (s.count == 1) continue;
    const auto cut = static_cast<size_t>(to.splits[next++]);
    left.back() = cut;
    open.push_back({s.first + cut, s.count - cut});
    open.push_back({s.first, cut});
  }
  std::vector<Value> done;  // of spans that are computed, the last one first
  for (size_t k = order.size(); k-- > 0;) {
    if (order[k].count == 1) {
      done.push_back(x[order[k].first]);
      continue;
    }
    const Value a = done.back();
    done.pop_back();
    const Value b = done.back();
    done.back() = formula::matmul(a, b, formula::wide(to.dtype));  // halves are rounded once, at the end
  }
  return {ir::cast(done[0], to.dtype)};
}

Value diagonal_of(Value x, const made::Diagonals& d) { return formula::diagonal(x, d.offset, d.first, d.second); }

Values build_diagonal(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  return {diagonal_of(x[0], made::Diagonals(attrs))};
}
Values build_trace(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const Value d = diagonal_of(x[0], made::Diagonals(attrs)),
              sums = ir::cast(d, formula::wide(formula::summed_as(d.dtype())));
  const Value sum = ir::reduce(ir::Op::reduce_sum, sums, {static_cast<int64_t>(d.shape().rank()) - 1});
  return {is_continuous(d.dtype()) ? ir::cast(sum, d.dtype()) : sum};
}

// Which cuts multiply least, by the classic recurrence; an extent that is free makes all start from the left.
std::vector<int64_t> splits_of(const std::vector<Tensor>& list) {
  const size_t n = list.size();
  std::vector<double> extents;
  bool free = false;
  const auto add = [&](Dim d) {
    free = free || !d.is_number();
    extents.push_back(d.is_number() ? static_cast<double>(d.number()) : 1);
  };
  add(list[0].ndim() == 1 ? Dim(1) : list[0].shape()[0]);
  for (size_t k = 0; k < n; ++k) add(list[k].ndim() == 1 && k > 0 ? Dim(1) : list[k].shape()[list[k].ndim() - 1]);
  std::vector<std::vector<double>> cost(n, std::vector<double>(n + 1, 0));
  std::vector<std::vector<size_t>> cut(n, std::vector<size_t>(n + 1, 1));
  for (size_t count = 2; count <= n; ++count)
    for (size_t first = 0; first + count <= n; ++first) {
      cost[first][count] = -1;
      for (size_t k = 1; k < count; ++k) {
        const double here =
            cost[first][k] + cost[first + k][count - k] + extents[first] * extents[first + k] * extents[first + count];
        if (cost[first][count] < 0 || here < cost[first][count]) cost[first][count] = here, cut[first][count] = k;
      }
      if (free) cut[first][count] = count - 1;
    }
  std::vector<int64_t> splits;
  std::vector<std::pair<size_t, size_t>> open = {{0, n}};
  while (!open.empty()) {
    const auto [first, count] = open.back();
    open.pop_back();
    if (count == 1) continue;
    const size_t k = cut[first][count];
    splits.push_back(static_cast<int64_t>(k));
    open.push_back({first + k, count - k});
    open.push_back({first, k});
  }
  return splits;
}

}  // namespace

// Axes count from the end, for the operands' ranks may differ.
Tensor cross(Operand a, Operand b, int64_t axis) try {
  const Tensor x = as_tensor(a, "cross"), y = as_tensor(b, "cross");
  const int most = std::max(x.ndim(), y.ndim());
  const int64_t from_end = axis_of(axis, most, "cross", a.where()) - most;
  for (const Tensor* t : {&x, &y})
    if (t->ndim() + from_end < 0 || !(t->shape()[static_cast<size_t>(t->ndim() + from_end)] == 3))
      throw Error("linalg::cross: both operands have three elements along the axis, not " + describe(*t), a.where());
  return apply_one({"cross", build_cross},
                   made::ProductsAttrs{.lhs = {from_end}, .rhs = {}, .dtype = dtype_of(a, b, "cross")}, {x, y},
                   a.where());
} catch (...) {
  leave_with_error("cross", a.where());
}

Tensor vecdot(Operand a, Operand b, int64_t axis) try {
  const Tensor x = as_tensor(a, "vecdot"), y = as_tensor(b, "vecdot");
  const int most = std::max(x.ndim(), y.ndim());
  const int64_t from_end = axis_of(axis, most, "vecdot", a.where()) - most;
  return apply_one({"vecdot", build_vecdot},
                   made::ProductsAttrs{.lhs = {from_end}, .rhs = {}, .dtype = dtype_of(a, b, "vecdot")}, {x, y},
                   a.where());
} catch (...) {
  leave_with_error("vecdot", a.where());
}

Tensor tensordot(Operand a, Operand b, const std::vector<int64_t>& of_a, const std::vector<int64_t>& of_b) try {
  const Tensor x = as_tensor(a, "tensordot"), y = as_tensor(b, "tensordot");
  if (of_a.size() != of_b.size())
    throw Error("linalg::tensordot: as many axes of one operand as of the other", a.where());
  made::ProductsAttrs attrs{.lhs = {}, .rhs = {}, .dtype = dtype_of(a, b, "tensordot")};
  for (int64_t axis : of_a) attrs.lhs.push_back(axis_of(axis, x.ndim(), "tensordot", a.where()));
  for (int64_t axis : of_b) attrs.rhs.push_back(axis_of(axis, y.ndim(), "tensordot", a.where()));
  return apply_one({"tensordot", build_tensordot}, std::move(attrs), {x, y}, a.where());
} catch (...) {
  leave_with_error("tensordot", a.where());
}

Tensor tensordot(Operand a, Operand b, int64_t axes) {
  const int rank = as_tensor(a, "tensordot").ndim(), other = as_tensor(b, "tensordot").ndim();
  if (axes < 0 || axes > rank || axes > other)
    throw Error("linalg::tensordot: sums over 0 to " + std::to_string(std::min(rank, other)) + " axes here, not " +
                    std::to_string(axes),
                a.where());
  std::vector<int64_t> of_a, of_b;
  for (int64_t k = 0; k < axes; ++k) of_a.push_back(rank - axes + k), of_b.push_back(k);
  return tensordot(std::move(a), std::move(b), of_a, of_b);
}

Tensor multi_dot(std::span<const Tensor> matrices, const At& at) try {
  if (matrices.empty()) throw Error("linalg::multi_dot: takes at least one matrix", place(at));
  DType dtype = matrices[0].dtype();
  std::vector<Tensor> list;
  for (size_t k = 0; k < matrices.size(); ++k) {
    const Tensor& t = matrices[k];
    const bool end = k == 0 || k + 1 == matrices.size();
    if (t.ndim() != 2 && !(end && t.ndim() == 1))
      throw Error("linalg::multi_dot: takes matrices, and vectors at the ends, not " + describe(t), place(at));
    dtype = promote(dtype, t.dtype(), "multi_dot", place(at));
    list.push_back(t);
  }
  if (list.size() == 1) return list[0];
  return std::move(apply({"multi_dot", build_multi_dot}, made::ChainAttrs{.splits = splits_of(list), .dtype = dtype},
                         list, place(at))[0]);
} catch (...) {
  leave_with_error("multi_dot", place(at));
}
Tensor multi_dot(std::initializer_list<Tensor> matrices, const At& at) {
  return multi_dot(std::span(matrices.begin(), matrices.size()), at);
}

namespace {

Tensor along_diagonal(const char* name, BuildFn build, const Operand& x, const Diagonal& d) try {
  const Tensor t = matrices_of(x, name, true);
  const int64_t first = axis_of(d.axis1, t.ndim(), name, x.where()),
                second = axis_of(d.axis2, t.ndim(), name, x.where());
  if (first == second) throw Error(named(name) + ": a diagonal runs along two axes, and these are one", x.where());
  if (d.offset > (int64_t{1} << 40) || d.offset < -(int64_t{1} << 40))
    throw Error(named(name) + ": the offset lies far outside every matrix", x.where());
  return apply_one({name, build}, made::DiagonalsAttrs{.offset = d.offset, .first = first, .second = second}, {t},
                   x.where());
} catch (...) {
  leave_with_error(name, x.where());
}

}  // namespace

Tensor diagonal(Operand x, Diagonal d) { return along_diagonal("diagonal", build_diagonal, x, d); }
Tensor trace(Operand x, int64_t offset) { return along_diagonal("trace", build_trace, x, {.offset = offset}); }

Tensor chain_matmul(std::span<const Tensor> matrices, const At& at) { return multi_dot(matrices, at); }
Tensor chain_matmul(std::initializer_list<Tensor> matrices, const At& at) { return multi_dot(matrices, at); }

}  // namespace tenon::linalg
