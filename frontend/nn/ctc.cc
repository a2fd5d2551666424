// ctc_loss: the forward recursion over time in logarithms, as a scan. Its formula is part of the contract on numbers (docs/numbers.md).
// Refuses lengths and labels that do not fit where their values are at hand.
#include <algorithm>
#include <array>
#include <limits>

#include "tenon/frontend/nn/loss_formula.h"
#include "tenon/frontend/ops/indexed.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/loops.h"

namespace tenon {
namespace formula {
namespace {

constexpr double never = -1e30;  // the logarithm of what cannot be; finite, so that differences are numbers

// The numbers of a row k places further on, with `fill` in front.
Value shifted(Value rows, int64_t k, Value fill) {
  const Shape& shape = rows.shape();
  const Value longer = ir::pad(rows, fill, {Dim(0), Dim(k)}, {Dim(0), Dim(0)}, {0, 0});
  return ir::slice(longer, {Dim(0), Dim(0)}, shape.dims(), {1, 1});
}

// A blank before, between and behind the labels: [n, 2 s + 1]. Without labels there are two, of which the second counts for nothing.
Value extended(Value targets, int64_t blank) {
  const Value fill = ir::splat_integer(*targets.builder, i64, blank, {});
  return ir::pad(targets, fill, {Dim(0), Dim(1)}, {Dim(0), Dim(1)}, {0, 1});
}

Value log_sum(Value a, Value b) {
  const Value top = stop_gradient(max(a, b));
  return log(exp(a - top) + exp(b - top)) + top;
}

// The logarithm of the sum over all paths that end at each place, after the steps that count. skips: where a path may pass over the blank
// in front. Graves and others, Connectionist Temporal Classification, ICML 2006, equations 6 and 7.
Value ends(Value emissions, Value skips, Value lengths) {
  ir::GraphBuilder& b = *emissions.builder;
  const Dim steps = emissions.shape()[0];
  const Shape& row = skips.shape();
  ir::GraphBuilder body("main", b.graph().symbols);
  body.merging = b.merging;
  const auto input = [&](const ir::Type& type) { return Value{&body, body.input(type)}; };
  const Value skip = input(skips.type()), length = input(lengths.type());
  const Value stay = input({emissions.dtype(), row}), here = input({emissions.dtype(), row}), time = input({i64, {}});
  const Value none = ir::splat(body, stay.dtype(), never, {}), low = like(stay, never);
  const Value one = shifted(stay, 1, none), two = select(skip, shifted(stay, 2, none), low);
  const Value top = stop_gradient(max(stay, max(one, two)));
  const Value moved = log(exp(stay - top) + exp(one - top) + exp(two - top)) + top + here;
  const Value counts = lt(ir::spread(time, length), length);
  const ir::ValueId outputs[] = {select(ir::broadcast(counts, row, {0}), moved, stay).id};
  const Value place = ir::iota(b, i64, row, 1);
  const Value before =
      select(eq(place, literal(place, 0)), ir::splat(b, stay.dtype(), 0, row), ir::splat(b, stay.dtype(), never, row));
  const Value operands[] = {skips, lengths, before, emissions, ir::iota(b, i64, Shape({steps}), 0)};
  return ir::apply(
      b, ir::Op::scan, operands,
      ir::ScanAttrs{
          .body = body.finish(outputs), .length = steps, .counts = ir::counts_of({.constants = 2, .carries = 1})})[0];
}

// Targets that stand one behind the other, as rows as wide as all of them: what stands behind a row's own belongs to others.
Value rows_of(Value targets, Value lengths) {
  ir::GraphBuilder& b = *targets.builder;
  const Dim n = lengths.shape()[0];
  const Shape square = {n, n}, rows = {n, targets.shape()[0]};
  const Value earlier = lt(ir::iota(b, i64, square, 1), ir::iota(b, i64, square, 0));
  const Value each = ir::broadcast(lengths, square, {1});
  const Value start = reduce(ir::Op::reduce_sum, select(earlier, each, literal(each, 0)), {1});
  return ir::take(targets, ir::broadcast(start, rows, {0}) + ir::iota(b, i64, rows, 1), 0);
}

bool is_joined(std::span<const Value> x) { return x[0].shape().rank() == 3 && x[1].shape().rank() == 1; }

// Which sequences have lengths or labels that do not fit. all: of joined targets how many there are.
Value misfits(std::span<const Value> x, Value all, int64_t blank) {
  const Value labels = x[1], inputs = x[2], targets = x[3];
  const Value steps = Count(x[0], {0}, i64).over(inputs), most = Count(labels, {1}, i64).over(targets);
  const Value none = literal(targets, 0);
  const Value lengths =
      bit_or(bit_or(lt(inputs, none), gt(inputs, steps)), bit_or(lt(targets, none), gt(targets, most)));
  const Value counts =
      lt(ir::iota(*labels.builder, i64, labels.shape(), 1), ir::broadcast(targets, labels.shape(), {0}));
  const Value foreign = bit_or(lt(labels, literal(labels, 0)), ge(labels, Count(x[0], {2}, i64).over(labels)));
  const Value label = bit_and(counts, bit_or(foreign, eq(labels, literal(labels, blank))));
  const Value wrong = bit_or(lengths, reduce(ir::Op::reduce_or, label, {1}));
  if (!all) return wrong;
  return bit_or(wrong, ne(spread(reduce(ir::Op::reduce_sum, targets, {0}), all), all));
}

// Inputs: logarithms of probabilities [t, n, classes], labels [n, s] or [all], lengths of both [n]. parameter: the blank; flags: zero_infinity.
Value ctc(std::span<const Value> given, const made::Loss& with) {
  const auto blank = static_cast<int64_t>(with.parameter);
  const bool joined = is_joined(given);
  const Value count = joined ? Count(given[1], {0}, i64).over(given[3]) : Value();
  const Value x[] = {given[0], joined ? rows_of(given[1], given[3]) : given[1], given[2], given[3]};
  const Value labels = extended(x[1], blank);
  const Shape& row = labels.shape();
  const Shape all = {x[0].shape()[0], row[0], row[1]};
  const Value read = gather_along(x[0], ir::broadcast(labels, all, {1, 2}), 2), low = like(read, never);
  const Value emissions = select(lt(read, low), low, read);
  const Value before = shifted(labels, 2, ir::splat_integer(*labels.builder, i64, blank, {}));
  const Value skips = bit_and(ne(labels, literal(labels, blank)), ne(labels, before));
  const Value paths = ends(emissions, skips, x[2]), place = ir::iota(*labels.builder, i64, row, 1);
  const Value length = ir::broadcast(x[3], row, {0}), last = length * 2;
  const auto at = [&](Value where) {
    return reduce(ir::Op::reduce_sum, select(eq(place, where), paths, literal(paths, 0)), {1});
  };
  const Value on_blank = at(last), some = gt(x[3], literal(x[3], 0));
  const Value total = log_sum(on_blank, select(some, at(last - 1), like(on_blank, never)));
  const Value impossible = lt(total, like(total, never / 10));
  const double worst = with.flags[0] ? 0 : std::numeric_limits<double>::infinity();
  const Value defined = select(impossible, like(total, worst), -total);
  const Value loss = select(misfits(x, count, blank), like(total, std::numeric_limits<double>::quiet_NaN()), defined);
  if (with.reduction != "mean") return reduced_loss(loss, with.reduction);
  return mean(loss / ir::cast(max(x[3], literal(x[3], 1)), loss.dtype()), {0}, false);
}

std::vector<Value> build_ctc(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Loss with(attrs);
  const bool alone = x[0].shape().rank() == 2;
  const auto batch = [&](Value v, size_t axis) {
    Shape shape = v.shape();
    if (alone) shape.insert(axis, Dim(1));
    return ir::reshape(v, shape);
  };
  const Value labels = position(x[1]);
  const auto lengths = [&](Value v) {
    return v.shape().empty() ? ir::reshape(position(v), Shape({Dim(1)})) : position(v);
  };
  return rounded(x[0], [&](Value probabilities) {
    const Value given[] = {batch(probabilities, 1), batch(labels, 0), lengths(x[2]), lengths(x[3])};
    const Value loss = ctc(given, with);
    return alone && loss.shape().rank() == 1 ? ir::reshape(loss, {}) : loss;
  });
}

}  // namespace
}  // namespace formula

namespace {

// Targets that stand one behind the other, padded to the longest: [n, s]. Eagerly, where lengths are at hand.
Tensor padded(const Tensor& targets, const Tensor& lengths, const Location& at) {
  const std::vector<int64_t> all = targets.to_vector<int64_t>(), each = lengths.to_vector<int64_t>();
  int64_t longest = 0, sum = 0;
  for (const int64_t s : each) {
    if (s < 0) throw Error("ctc_loss: target length " + std::to_string(s) + " is below 0", at);
    longest = std::max(longest, s), sum = s > INT64_MAX - sum ? INT64_MAX : sum + s;
  }
  if (sum != static_cast<int64_t>(all.size()))
    throw Error("ctc_loss: the targets, one behind the other, are " + describe(targets) +
                    ", and target_lengths sum to " + std::to_string(sum),
                at);
  std::vector<int64_t> rows(each.size() * static_cast<size_t>(longest));
  size_t next = 0;
  for (size_t n = 0; n < each.size(); ++n)
    for (size_t i = 0; i < static_cast<size_t>(each[n]); ++i) rows[n * static_cast<size_t>(longest) + i] = all[next++];
  return copy_from(rows.data(), {static_cast<int64_t>(each.size()), longest}, i64).to(targets.device());
}

void check_numbers(const Tensor& x, const Tensor& labels, const Tensor& inputs, const Tensor& targets, int64_t blank,
                   const Location& at) {
  const std::vector<int64_t> label = labels.to_vector<int64_t>(), t = inputs.to_vector<int64_t>(),
                             s = targets.to_vector<int64_t>();
  const int64_t steps = x.shape()[0].number(), most = labels.shape()[labels.ndim() - 1].number(),
                classes = x.shape()[x.ndim() - 1].number();
  for (size_t n = 0; n < t.size(); ++n) {
    const auto refuse = [&](const std::string& what) {
      throw Error("ctc_loss: " + what + " of sequence " + std::to_string(n), at);
    };
    if (t[n] < 0 || t[n] > steps)
      refuse("input length " + std::to_string(t[n]) + " is not between 0 and " + std::to_string(steps));
    if (s[n] < 0 || s[n] > most)
      refuse("target length " + std::to_string(s[n]) + " is not between 0 and " + std::to_string(most));
    for (int64_t i = 0; i < s[n]; ++i) {
      const int64_t l = label[n * static_cast<size_t>(most) + static_cast<size_t>(i)];
      if (l < 0 || l >= classes || l == blank)
        refuse("label " + std::to_string(l) + (l == blank ? " is the blank" : " is no class"));
    }
  }
}

}  // namespace

Tensor ctc_loss(Operand log_probs, Operand targets, Operand input_lengths, Operand target_lengths,
                const CtcLoss& o) try {
  const Location& at = log_probs.where();
  const char* const name = "ctc_loss";
  check_reduction(name, o.reduction, at);
  Tensor labels = as_tensor(targets, name);
  const Tensor x = real_tensor(log_probs, name), inputs = as_tensor(input_lengths, name),
               lengths = as_tensor(target_lengths, name);
  const bool batched = x.ndim() == 3, joined = batched && labels.ndim() == 1;
  const auto whole = [](const Tensor& t) { return is_integer(t.dtype()); };
  const auto counts = [&](const Tensor& t) {
    if (!batched) return t.ndim() == 0 || (t.ndim() == 1 && t.shape()[0] == 1);
    return t.ndim() == 1 && t.shape()[0] == x.shape()[1];
  };
  if ((x.ndim() != 2 && !batched) || (labels.ndim() != x.ndim() - 1 && !joined) || !whole(labels) || !whole(inputs) ||
      !whole(lengths) || (batched && !joined && !(labels.shape()[0] == x.shape()[1])) || !counts(inputs) ||
      !counts(lengths))
    throw Error(
        "ctc_loss: log_probs [t, n, classes], integer targets [n, s], both lengths [n] (without n for one sequence), "
        "not " +
            describe(x) + ", " + describe(labels) + ", " + describe(inputs) + ", " + describe(lengths) +
            "; targets of different lengths are padded, or stand one behind the other on one axis",
        at);
  const Dim classes = x.shape()[x.ndim() - 1];
  if (o.blank < 0 || (!classes.is_symbol() && o.blank >= classes.number()))
    throw Error("ctc_loss: .blank is a class, and is " + std::to_string(o.blank), at);
  if (!Trace::current()) {
    if (joined) labels = padded(labels, lengths, at);
    check_numbers(x, labels, inputs, lengths, o.blank, at);
  }
  return apply_one({name, formula::build_ctc},
                   made::LossAttrs{.reduction = o.reduction,
                                   .flags = {o.zero_infinity},
                                   .parameter = static_cast<double>(o.blank),
                                   .second = 0,
                                   .dtype = formula::floating(x.dtype())},
                   {x, labels, inputs, lengths}, at);
} catch (...) {
  leave_with_error("ctc_loss", log_probs.where());
}

}  // namespace tenon
