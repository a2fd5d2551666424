// L-BFGS over one flat vector: the two-loop recursion as two scans, the line search and the iterations as while loops.
#include "tenon/frontend/optim/lbfgs.h"

#include <tuple>

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/optim/step.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/transform/control.h"
#include "tenon/frontend/transform/gradients.h"
#include "tenon/ir/base/door.h"

namespace tenon::optim::detail {
namespace {

constexpr double enough = 1e-4, flatter = 0.9;  // c1 and c2 of the Wolfe conditions
constexpr double least_curvature = 1e-10;  // of a pair that is kept

// Loss and gradient at a point.
struct Point {
  Tensor x, loss, gradient;
};
Point point(const FlatLoss& loss, const Tensor& x) {
  const auto [value, gradient] = value_and_grad(loss)(x);
  return {x, value.astype(x.dtype()), gradient};
}

Tensor dot_of(const Tensor& a, const Tensor& b) { return sum(a * b); }
Tensor largest(const Tensor& x) { return max(abs(x)); }

// Against the gradient, times the estimate. A row without a pair has weight 0 and changes nothing.
Tensor direction(const Tensor& gradient, const LbfgsState& s) {
  using Row = std::tuple<Tensor, Tensor, Tensor>;
  const auto [q, shares] = scan(
      [](const Tensor& q, const Row& row) {
        const auto& [step, change, weight] = row;
        const Tensor share = weight * dot_of(step, q);
        return std::make_pair(q - share * change, share);
      },
      gradient, Row(s.steps, s.changes, s.weights), {.reverse = true});
  using Shared = std::tuple<Tensor, Tensor, Tensor, Tensor>;
  const auto r = scan(
      [](const Tensor& r, const Shared& row) {
        const auto& [step, change, weight, share] = row;
        return std::make_pair(r + step * (share - weight * dot_of(change, r)), 0);
      },
      q * s.scale, Shared(s.steps, s.changes, s.weights, shares));
  return -r.first;
}

Tensor pushed(const Tensor& rows, const Tensor& last, const Tensor& keep) {
  const Tensor row = expand_dims(last, 0);
  const int64_t n = rows.shape()[0].number();
  return where(keep, concat({rows[{slice(1, n)}], row}, 0), rows);
}

void remember(LbfgsState& s, const Tensor& step, const Tensor& change) {
  const Tensor curvature = dot_of(step, change), keep = curvature > least_curvature;
  const Tensor safe = where(keep, curvature, 1);
  s.steps = pushed(s.steps, step, keep), s.changes = pushed(s.changes, change, keep);
  s.weights = pushed(s.weights, 1 / safe, keep);
  s.scale = where(keep, curvature / where(keep, dot_of(change, change), 1), s.scale);
}

// ---- line searches

// What is known of the loss along the direction: at lengths `low`, the best so far, and `high`, the other end of the bracket.
struct Search {
  Tensor length;  // to be tried next
  Tensor low, low_loss, low_slope, high, high_loss, high_slope;
  Tensor gradient;  // at `low`
  Tensor bracketed, done, count;
};

// The minimum of the cubic with these values and slopes at both ends, or the middle where it has none well inside.
Tensor between(const Search& s) {
  const Tensor width = s.high - s.low;
  const Tensor a = s.low_slope + s.high_slope - 3 * (s.high_loss - s.low_loss) / width;
  const Tensor square = a * a - s.low_slope * s.high_slope;
  const Tensor root = sqrt(where(square > 0, square, 0)) * sign(width);
  const Tensor share = 1 - (s.high_slope + root - a) / (s.high_slope - s.low_slope + 2 * root);
  return s.low + width * where((share > 0.1) & (share < 0.9), share, 0.5);
}

struct Line {
  const FlatLoss& loss;
  const Point& from;
  const Tensor &along, &slope;  // slope: of the loss along the direction
  bool wolfe;
  int64_t most;
};

Search tried(const Line& line, Search s) {
  const Point here = point(line.loss, line.from.x + s.length * line.along);
  const Tensor slope = dot_of(here.gradient, line.along);
  // Said so that a NaN fails.
  const Tensor falls = here.loss <= line.from.loss + enough * s.length * line.slope;
  const Tensor good = line.wolfe ? falls & (here.loss <= s.low_loss) : falls;
  const Tensor flat = line.wolfe ? abs(slope) <= -flatter * line.slope : falls;
  const Tensor turns = where(s.bracketed, slope * (s.high - s.low) >= 0, slope >= 0);
  const Tensor swaps = good & turns, fails = ~good;
  const auto high = [&](const Tensor& here_value, const Tensor& low, const Tensor& before) {
    return where(fails, here_value, where(swaps, low, before));
  };
  Search next{s.length,
              where(good, s.length, s.low),
              where(good, here.loss, s.low_loss),
              where(good, slope, s.low_slope),
              high(s.length, s.low, s.high),
              high(here.loss, s.low_loss, s.high_loss),
              high(slope, s.low_slope, s.high_slope),
              where(good, here.gradient, s.gradient),
              s.bracketed | fails | swaps,
              good & flat,
              s.count + 1};
  next.length = line.wolfe ? where(next.bracketed, between(next), 2 * s.length) : s.length * 0.5;
  return next;
}

// The length that was found and the point there; the first point where no length was good.
std::pair<Tensor, Point> searched(const Line& line, const Tensor& first) {
  const Tensor none = zeros_like(first), no = full({}, false);
  const Search start{first, none, line.from.loss,      line.slope, none, line.from.loss, line.slope, line.from.gradient,
                     no,    no,   full({}, int64_t{0})};
  const Search found = while_loop([&](const Search& s) { return ~s.done & (s.count < line.most); },
                                  [&](const Search& s) { return tried(line, s); }, start);
  return {found.low, {line.from.x + found.low * line.along, found.low_loss, found.gradient}};
}

// ---- iterations

struct Run {
  Point at;
  LbfgsState state;
  Tensor count, done;
};

Tensor as_dtype(const Number& n, DType dtype) {
  return n.is_tensor() ? n.tensor().astype(dtype) : full({}, n.value(), {.dtype = dtype});
}

Run iterated(const FlatLoss& loss, const Run& run, const Lbfgs& o) {
  const auto number = [&](const Number& n) { return as_dtype(n, run.at.x.dtype()); };
  const Tensor along = direction(run.at.gradient, run.state), slope = dot_of(run.at.gradient, along);
  const Tensor size = sum(abs(run.at.gradient)), small = number(o.tolerance_change);
  const Tensor first = number(o.rate) * where(run.state.iterations == 0, minimum(1, 1 / size), 1);
  std::pair<Tensor, Point> next;
  if (o.line_search == "none")
    next = {first, point(loss, run.at.x + first * along)};
  else
    next = searched({loss, run.at, along, slope, o.line_search == "strong_wolfe", o.searches}, first);
  const auto& [length, there] = next;
  const Tensor step = length * along;
  Run out{there, run.state, run.count + 1, full({}, false)};
  remember(out.state, step, there.gradient - run.at.gradient);
  out.state.iterations = run.state.iterations + 1;
  out.done = (largest(there.gradient) <= number(o.tolerance_grad)) | (largest(step) <= small) |
             (abs(there.loss - run.at.loss) < small);
  // No way down: nothing has happened.
  const Tensor stuck = ~(slope <= -small);
  for (auto [now, before] :
       {std::pair(&out.at.x, &run.at.x), std::pair(&out.at.loss, &run.at.loss),
        std::pair(&out.at.gradient, &run.at.gradient), std::pair(&out.state.steps, &run.state.steps),
        std::pair(&out.state.changes, &run.state.changes), std::pair(&out.state.weights, &run.state.weights),
        std::pair(&out.state.scale, &run.state.scale), std::pair(&out.state.iterations, &run.state.iterations)})
    *now = where(stuck, *before, *now);
  out.done = out.done | stuck;
  return out;
}

void check(const Tensor& x, const LbfgsState& s, const Lbfgs& o, const Location& at) {
  const char* const what = "lbfgs";
  check_number(what, {"rate", o.rate, Range::positive}, at);
  check_number(what, {"tolerance_grad", o.tolerance_grad, Range::not_negative}, at);
  check_number(what, {"tolerance_change", o.tolerance_change, Range::not_negative}, at);
  if (o.iterations < 1) throw Error("lbfgs: .iterations is 1 or more, and is " + std::to_string(o.iterations), at);
  if (o.searches < 1) throw Error("lbfgs: .searches is 1 or more, and is " + std::to_string(o.searches), at);
  if (o.line_search != "strong_wolfe" && o.line_search != "backtracking" && o.line_search != "none")
    throw Error(
        "lbfgs: .line_search is \"strong_wolfe\", \"backtracking\" or \"none\", and is \"" + o.line_search + '"', at);
  if (!s.steps.defined() || s.steps.ndim() != 2 || !(s.steps.shape()[1] == x.shape()[0]) ||
      s.steps.dtype() != x.dtype())
    throw Error("lbfgs: the state holds steps " + describe(s.steps) + ", and the parameters are " + describe(x) +
                    " one after the other; make the state with tn::optim::lbfgs_init",
                at);
}

}  // namespace

Tensor flat(const Items& parameters, const Location& at) {
  std::vector<Tensor> parts;
  DType dtype = f32;
  for (const TreeItem& item : parameters) {
    if (!is_number(item)) continue;
    const Shape& shape = item.tensor->shape();
    for (const Dim d : shape)
      if (d.is_symbol())
        throw Error("lbfgs: a parameter is " + describe(*item.tensor) + "; extents must be numbers", at);
    if (item.tensor->dtype() == f64) dtype = f64;
    parts.push_back(reshape(Operand(*item.tensor, at), {-1}));
  }
  if (parts.empty()) throw Error("lbfgs: the parameters have no numbers", at);
  for (Tensor& part : parts) part = part.astype(dtype);
  return parts.size() == 1 ? parts[0] : concat(parts, 0);
}

void put(const Items& parameters, const Tensor& flat, const Location& at) {
  int64_t next = 0;
  for (const TreeItem& item : parameters) {
    if (!is_number(item)) continue;
    int64_t count = 1;
    for (const Dim d : item.tensor->shape()) count *= d.number();
    const Tensor part = flat[{slice(next, next + count)}];
    next += count;
    *item.tensor = reshape(Operand(part, at), item.tensor->shape()).astype(item.tensor->dtype());
  }
}

LbfgsState lbfgs_state(const Items& parameters, const Lbfgs& o, const Location& at) {
  if (o.history < 1) throw Error("lbfgs_init: .history is 1 or more, and is " + std::to_string(o.history), at);
  const Tensor x = flat(parameters, at);
  const Tensor rows = zeros({o.history, x.shape()[0]}, {.dtype = x.dtype()});
  const auto here = [&](const Tensor& t) { return beside(t, x, at); };
  return {here(rows),
          here(rows),
          here(zeros({o.history}, {.dtype = x.dtype()})),
          here(ones({}, {.dtype = x.dtype()})),
          here(zeros({}, {.dtype = i64})),
          here(zeros({}, {.dtype = x.dtype()}))};
}

Tensor lbfgs_steps(const FlatLoss& loss, Tensor x, LbfgsState& state, const Lbfgs& o, const Location& at) {
  const FloatEnvironment standard;
  check(x, state, o, at);
  const Point start = point(loss, x);
  const Run run{start, state, full({}, int64_t{0}), largest(start.gradient) <= as_dtype(o.tolerance_grad, x.dtype())};
  const Run end = while_loop([&](const Run& r) { return ~r.done & (r.count < o.iterations); },
                             [&](const Run& r) { return iterated(loss, r, o); }, run);
  state = end.state;
  state.loss = end.at.loss;
  return end.at.x;
}

}  // namespace tenon::optim::detail
