// Running reductions: cumsum, cumprod, cummax, cummin, logcumsumexp. The first four are rows of the op table, in the contract's order
// (docs/numbers.md); of the extrema the places follow from the values. Refuses differences and integrals: frontend/ops/differences.cc.
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/loops.h"

namespace tenon {
namespace formula {
namespace {

template <ir::Op op>
std::vector<Value> build_running(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Running r(attrs);
  return with_axis(ir::cast(x[0], r.dtype), [&](Value t) {
    return ir::apply(*t.builder, op, std::span(&t, 1), ir::CumulativeAttrs{.axis = r.axis, .reverse = r.reverse});
  });
}

// Values and places: of equal extrema the last on the way, and of NaNs. A bool is ordered as a number.
template <ir::Op op>
std::vector<Value> build_running_extremum(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Running r(attrs);
  return with_axis(x[0], [&](Value given) {
    ir::GraphBuilder& b = *given.builder;
    const Value t = given.dtype() == boolean ? ir::cast(given, u8) : given;
    const auto run = [&](ir::Op running, Value v) {
      return ir::apply(b, running, std::span(&v, 1), ir::CumulativeAttrs{.axis = r.axis, .reverse = r.reverse})[0];
    };
    const Value values = run(op, t);
    const Value chosen = ir::bit_or(ir::eq(t, values), is_nan(t));
    const Value places = ir::iota(b, i64, t.shape(), static_cast<int64_t>(r.axis));
    const Value last = ir::select(chosen, places, ir::literal(places, r.reverse ? INT64_MAX : -1));
    return std::vector<Value>{ir::cast(values, given.dtype()), run(r.reverse ? ir::Op::cummin : ir::Op::cummax, last)};
  });
}

// log(sum of exp) over growing parts of a row: m is the greatest so far, s the sum of exp(x - m), and when m grows, s is brought to it.
// An infinite x that is the greatest counts as e^0. (The running form of logsumexp, as in Milakov and Gimelshein, "Online normalizer
// calculation for softmax", 2018, section 3.)
Value logcumsumexp(Value x, int64_t axis) {
  ir::GraphBuilder& b = *x.builder;
  const Value rows = ir::move_axis(x, static_cast<size_t>(axis), 0);
  Shape row = rows.shape();
  const Dim length = row[0];
  row.erase(0);
  const ir::Type type{x.dtype(), row};
  ir::GraphBuilder body("main", b.graph().symbols);
  const Value m{&body, body.input(type)}, s{&body, body.input(type)}, next{&body, body.input(type)};
  const Value greatest = stop_gradient(max(m, next));
  const Value sum = s * exp(gap(m, greatest)) + exp(gap(next, greatest));
  const ir::ValueId outputs[] = {greatest.id, sum.id, (log(sum) + greatest).id};
  const Value operands[] = {ir::splat(b, x.dtype(), -std::numeric_limits<double>::infinity(), row),
                            ir::splat(b, x.dtype(), 0, row), rows};
  const auto results =
      ir::apply(b, ir::Op::scan, operands,
                ir::ScanAttrs{.body = body.finish(outputs), .length = length, .counts = ir::counts_of({.carries = 2})});
  return ir::move_axis(results[2], 0, static_cast<size_t>(axis));
}

std::vector<Value> build_logcumsumexp(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const int64_t axis = made::Along(attrs).axis;
  return with_axis(x[0], [&](Value t) { return rounded(t, [&](Value wide) { return logcumsumexp(wide, axis); }); });
}

}  // namespace
}  // namespace formula

namespace {

made::RunningAttrs running(const Tensor& x, const Cumulative& c, DType dtype, const char* name, const Location& at) {
  return {.axis = static_cast<size_t>(row_axis(c.axis, x, name, at)), .reverse = c.reverse, .dtype = dtype};
}

// Sums and products of bools and integers are i64.
Tensor accumulated(const Emit& emit, const Operand& x, const Cumulative& c) try {
  const Tensor t = as_tensor(x, emit.name);
  const DType dtype = formula::summed_as(c.dtype.value_or(t.dtype()));
  return apply_one(emit, running(t, c, dtype, emit.name, x.where()), {t}, x.where());
} catch (...) {
  leave_with_error(emit.name, x.where());
}

TensorPair extrema(const Emit& emit, const Operand& x, int64_t axis, bool reverse) try {
  const Tensor t = as_tensor(x, emit.name);
  const auto results = apply(emit, running(t, {.axis = axis, .reverse = reverse}, t.dtype(), emit.name, x.where()),
                             std::span(&t, 1), x.where());
  return {results[0], results[1]};
} catch (...) {
  leave_with_error(emit.name, x.where());
}

constexpr Emit cumsum_emit{"cumsum", formula::build_running<ir::Op::cumsum>};
constexpr Emit cumprod_emit{"cumprod", formula::build_running<ir::Op::cumprod>};

}  // namespace

Tensor cumsum(Operand x, int64_t axis, bool reverse) {
  return accumulated(cumsum_emit, x, {.axis = axis, .reverse = reverse});
}
Tensor cumsum(Operand x, Cumulative c) { return accumulated(cumsum_emit, x, c); }
Tensor cumprod(Operand x, int64_t axis, bool reverse) {
  return accumulated(cumprod_emit, x, {.axis = axis, .reverse = reverse});
}
Tensor cumprod(Operand x, Cumulative c) { return accumulated(cumprod_emit, x, c); }

TensorPair cummax(Operand x, int64_t axis, bool reverse) {
  return extrema({"cummax", formula::build_running_extremum<ir::Op::cummax>}, x, axis, reverse);
}
TensorPair cummin(Operand x, int64_t axis, bool reverse) {
  return extrema({"cummin", formula::build_running_extremum<ir::Op::cummin>}, x, axis, reverse);
}

Tensor logcumsumexp(Operand x, int64_t axis) try {
  const Tensor t = as_tensor(x, "logcumsumexp");
  return apply_one({"logcumsumexp", formula::build_logcumsumexp},
                   made::AlongAttrs{row_axis(axis, t, "logcumsumexp", x.where())}, {t}, x.where());
} catch (...) {
  leave_with_error("logcumsumexp", x.where());
}

}  // namespace tenon
