// Losses of labels and classes: cross_entropy and nll_loss, of labels or of probabilities; margins. Their formulas are part of the contract on numbers
// (docs/numbers.md): changing one raises runtime::numerics_version. Refuses labels that are no class where their values are at hand;
// inside a program such a label makes the loss NaN.
#include <limits>

#include "tenon/frontend/nn/loss_formula.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon {
namespace formula {
namespace {

int64_t class_axis(const Shape& shape) { return shape.rank() == 1 ? 0 : 1; }

// Of x's shape: whether an element is that of its row's label.
Value hits(Value labels, const Shape& shape, int64_t axis) {
  if (shape.rank() == 2) return one_hot(labels, shape, boolean);
  Axes kept;
  for (int64_t i = 0; i < shape.rank(); ++i)
    if (i != axis) kept.push_back(i);
  const Value classes = ir::iota(*labels.builder, i64, shape, axis);
  return eq(classes, ir::broadcast(position(labels), shape, kept));
}
Value over_classes(Value weight, const Shape& shape, int64_t axis) { return ir::broadcast(weight, shape, {axis}); }
Value sum_over(Value x, int64_t axis) { return reduce(ir::Op::reduce_sum, x, {axis}); }

struct Labelled {
  Value x, labels, weight;  // no weight: all weigh 1
  const made::Labelled& with;
};

// Of likelihoods: -w[label] x[label] of every row, with smoothing s (1 - s) of it and s / classes of the sum over classes. Entries off the
// label count as 0, whatever they are; rows that carry ignore_index do not count. The mean is over the weights of labels.
Value of_labels(const Labelled& l) {
  const int64_t axis = class_axis(l.x.shape());
  const Value number = position(l.labels);
  const Value positive = ge(number, literal(number, 0));
  const Value ignored = eq(number, literal(number, l.with.ignore_index));
  const Value inside = bit_and(lt(number, Count(l.x, {axis}, i64).over(number)), positive);
  const Value hit = hits(l.labels, l.x.shape(), axis);
  const Value likelihood = l.with.likelihoods ? l.x : log_softmax(l.x, axis), none = literal(likelihood, 0);
  const Value weight = l.weight ? over_classes(l.weight, l.x.shape(), axis) : Value();
  Value picked = sum_over(select(hit, weight ? weight * likelihood : likelihood, none), axis);
  if (l.with.smoothing != 0) {
    const Value all = sum_over(weight ? weight * likelihood : likelihood, axis);
    picked = picked * (1 - l.with.smoothing) + all / Count(l.x, {axis}, all.dtype()).over(all) * l.with.smoothing;
  }
  const Value row = select(inside, picked, literal(picked, std::numeric_limits<double>::quiet_NaN()));
  if (l.with.reduction == "none") return select(ignored, literal(row, 0), -row);
  const Value counted = select(ignored, literal(row, 0), row);
  const Axes rows = all_axes(counted);
  const Value sum = rows.empty() ? counted : reduce(ir::Op::reduce_sum, counted, rows);
  if (l.with.reduction == "sum") return -sum;
  if (weight) {
    const Value of_row = select(ignored, literal(row, 0), sum_over(select(hit, weight, none), axis));
    return -(sum / (rows.empty() ? of_row : reduce(ir::Op::reduce_sum, of_row, rows)));
  }
  const Value count = cast(bit_not(ignored), i64);
  return -(sum / cast(rows.empty() ? count : reduce(ir::Op::reduce_sum, count, rows), sum.dtype()));
}

// -sum(w p log_softmax(x)) of every row; the mean is over rows.
Value of_probabilities(const Labelled& l) {
  const int64_t axis = class_axis(l.x.shape());
  Value share = l.labels;
  if (l.with.smoothing != 0)
    share = share * (1 - l.with.smoothing) + l.with.smoothing / Count(l.x, {axis}, share.dtype()).over(share);
  Value product = share * log_softmax(l.x, axis);
  if (l.weight) product = product * over_classes(l.weight, l.x.shape(), axis);
  return reduced_loss(-sum_over(product, axis), l.with.reduction);
}

// Inputs: x, labels or probabilities, the weights if there are some.
std::vector<Value> build_labelled(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Labelled with(attrs);
  return rounded(x[0], [&](Value logits) {
    const Value weight = with.weighted ? stop_gradient(ir::cast(x[2], logits.dtype())) : Value();
    const bool shares = is_floating(x[1].dtype());
    const Labelled l{logits, shares ? ir::cast(x[1], logits.dtype()) : x[1], weight, with};
    return shares ? of_probabilities(l) : of_labels(l);
  });
}

// Inputs: x [n, classes], labels [n], the weights if there are some. parameter: the margin; second: the power.
std::vector<Value> build_multi_margin(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Loss with(attrs);
  return rounded(x[0], [&](Value scores) {
    const Shape& shape = scores.shape();
    const int64_t axis = class_axis(shape);
    const Axes rows = axis == 1 ? Axes{0} : Axes{};
    const Value number = position(x[1]), hit = hits(x[1], shape, axis), none = literal(scores, 0);
    const Value own = ir::broadcast(sum_over(select(hit, scores, none), axis), shape, rows);
    const Value raw = with.parameter - own + scores;
    Value part = select(gt(raw, none), raw, none);
    if (with.second == 2) part = part * part;
    if (with.flags[0]) {
      const Value weight = over_classes(stop_gradient(ir::cast(x[2], scores.dtype())), shape, axis);
      part = part * ir::broadcast(sum_over(select(hit, weight, none), axis), shape, rows);
    }
    const Value sum = sum_over(select(hit, none, part), axis), count = Count(scores, {axis}, sum.dtype()).over(sum);
    const Value inside = bit_and(ge(number, literal(number, 0)), lt(number, Count(scores, {axis}, i64).over(number)));
    const Value row = select(inside, sum / count, literal(sum, std::numeric_limits<double>::quiet_NaN()));
    return reduced_loss(row, with.reduction);
  });
}

// Whether any number of a row fulfils it; rows are those along the axis.
Value any_along(Value which, int64_t axis) { return reduce(ir::Op::reduce_or, which, {axis}); }

// Inputs: x [n, classes] or [classes], labels of that shape. Pairs of a label and a class lie along the last two axes.
std::vector<Value> build_multilabel_margin(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Loss with(attrs);
  return rounded(x[0], [&](Value scores) {
    const Shape shape = scores.shape();
    const int64_t axis = class_axis(shape);
    const Axes rows = axis == 1 ? Axes{0} : Axes{};
    Shape pairs = shape;
    pairs.push_back(shape[static_cast<size_t>(axis)]);
    Axes of_label = rows, of_class = rows;
    of_label.push_back(axis), of_class.push_back(axis + 1);
    const Value labels = position(x[1]), classes = Count(scores, {axis}, i64).over(labels);
    const Value place = ir::iota(*labels.builder, i64, shape, axis), ends = lt(labels, literal(labels, 0));
    const Value end = reduce(ir::Op::reduce_min, select(ends, place, classes), {axis});
    const Value counts = lt(place, ir::broadcast(end, shape, rows));
    const Value class_of = ir::iota(*labels.builder, i64, pairs, axis + 1);
    const Value hit =
        bit_and(ir::broadcast(counts, pairs, of_label), eq(ir::broadcast(labels, pairs, of_label), class_of));
    const Value each = ir::broadcast(scores, pairs, of_class), none = literal(each, 0);
    const Value own = ir::broadcast(sum_over(select(hit, each, none), axis + 1), pairs, of_label);
    const Value other = bit_not(ir::broadcast(any_along(hit, axis), pairs, of_class));
    const Value raw = 1 - own + each;
    const Value asked = bit_and(bit_and(gt(raw, none), other), ir::broadcast(counts, pairs, of_label));
    const Value sum = reduce(ir::Op::reduce_sum, select(asked, raw, none), {axis, axis + 1});
    const Value outside = bit_or(lt(labels, literal(labels, -1)), ge(labels, classes));
    const Value row = select(any_along(outside, axis), literal(sum, std::numeric_limits<double>::quiet_NaN()),
                             sum / Count(scores, {axis}, sum.dtype()).over(sum));
    return reduced_loss(row, with.reduction);
  });
}

}  // namespace
}  // namespace formula

namespace {

void check_labels(const char* name, const Tensor& labels, int64_t classes, const int64_t* ignore, const Location& at) {
  const bool is_unsigned = labels.dtype() == u64;
  const std::vector<int64_t> values = labels.to_vector<int64_t>();
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t label = values[i];
    if ((label >= 0 && label < classes) || (ignore && label == *ignore && !(is_unsigned && label < 0))) continue;
    throw Error(
        std::string(name) + ": label " +
            (is_unsigned ? std::to_string(static_cast<uint64_t>(label)) : std::to_string(label)) + " of row " +
            std::to_string(i) + " is no class: they go from 0 to " + std::to_string(classes - 1) +
            (ignore ? ". Rows that shall not count carry {.ignore_index}, " + std::to_string(*ignore) + " here" : ""),
        at);
  }
}

// What brings labels that do not fit to their form, where that can be guessed.
std::string remedy_of(const Tensor& x, const Tensor& labels, const Shape& rows) {
  if (labels.shape() == rows) return is_integer(labels.dtype()) ? "" : "; labels.astype(tn::i64) makes them integers";
  if (labels.shape() == x.shape() && is_integer(labels.dtype()))
    return "; of one-hot rows tn::argmax(labels, axis) gives the labels, and as probabilities they are floating";
  Shape longer = rows;
  longer.push_back(Dim(1));
  return labels.shape() == longer ? "; tn::squeeze(labels, -1) drops the last axis" : "";
}

// Labels of x's shape without its classes. Their values are looked at where they are there.
void check_classes(const char* name, const Tensor& x, const Tensor& labels, const int64_t* ignore, const Location& at) {
  Shape rows = x.shape();
  const bool any = rows.rank() > 0;
  if (any) rows.erase(static_cast<size_t>(formula::class_axis(x.shape())));
  if (!any || !is_integer(labels.dtype()) || !(labels.shape() == rows))
    throw Error(std::string(name) +
                    ": logits [n, classes] and integer labels [n], axes behind the classes being the same, not " +
                    describe(typed(x, formula::floating(x.dtype()), at)) + " and " + describe(labels) +
                    (any ? remedy_of(x, labels, rows) : ""),
                at);
  const Dim classes = x.shape()[formula::class_axis(x.shape())];
  if (!Trace::current()) check_labels(name, labels, classes.number(), ignore, at);
  (void)one_hot_shape(labels, classes, boolean, at);
}

void add_weight(const char* name, std::vector<Tensor>& inputs, const Weights& weight, const Location& at) {
  if (!weight) return;
  const Tensor w = weight.tensor();
  const Dim classes = inputs[0].shape()[formula::class_axis(inputs[0].shape())];
  if (w.ndim() != 1 || !(w.shape()[0] == classes) || !is_floating(w.dtype()))
    throw Error(std::string(name) + ": .weight is one number per class, and is " + describe(w), at);
  inputs.push_back(w);
}

struct Labels {
  const char* name;
  const Weights& weight;
  int64_t ignore_index;
  const std::string& reduction;
  double smoothing;
  bool likelihoods;
};

Tensor labelled(const Labels& o, const Operand& x, const Operand& labels) {
  const Location& at = x.where();
  try {
    const Tensor logits = real_tensor(x, o.name), l = as_tensor(labels, o.name);
    check_reduction(o.name, o.reduction, at);
    if (!(o.smoothing >= 0 && o.smoothing <= 1))
      throw Error(std::string(o.name) + ": .label_smoothing lies in [0, 1], and is " + shortest(o.smoothing), at);
    const bool probabilities =
        !o.likelihoods && is_floating(l.dtype()) && logits.ndim() > 0 && l.shape() == logits.shape();
    if (!probabilities) check_classes(o.name, logits, l, &o.ignore_index, at);
    std::vector<Tensor> inputs = {logits, l};
    add_weight(o.name, inputs, o.weight, at);
    return apply_one({o.name, formula::build_labelled},
                     made::LabelledAttrs{.reduction = o.reduction,
                                         .ignore_index = o.ignore_index,
                                         .weighted = bool(o.weight),
                                         .likelihoods = o.likelihoods,
                                         .smoothing = o.smoothing},
                     inputs, at);
  } catch (...) {
    leave_with_error(o.name, at);
  }
}

}  // namespace

Tensor cross_entropy(Operand logits, Operand labels, const CrossEntropy& c) {
  return labelled({"cross_entropy", c.weight, c.ignore_index, c.reduction,
                   c.label_smoothing != 0 ? c.label_smoothing : c.smoothing, false},
                  logits, labels);
}

Tensor nll_loss(Operand x, Operand labels, const NllLoss& o) {
  return labelled({"nll_loss", o.weight, o.ignore_index, o.reduction, 0, true}, x, labels);
}

Tensor multi_margin_loss(Operand x, Operand labels, const MultiMarginLoss& o) try {
  const char* const name = "multi_margin_loss";
  const Location& at = x.where();
  const Tensor scores = real_tensor(x, name), l = as_tensor(labels, name);
  check_reduction(name, o.reduction, at);
  if (o.p != 1 && o.p != 2) throw Error("multi_margin_loss: .p is 1 or 2, and not " + shortest(o.p), at);
  if (scores.ndim() > 2)
    throw Error("multi_margin_loss: scores [n, classes] or [classes], not " + describe(scores), at);
  check_classes(name, scores, l, nullptr, at);
  std::vector<Tensor> inputs = {scores, l};
  add_weight(name, inputs, o.weight, at);
  return apply_one({name, formula::build_multi_margin},
                   made::LossAttrs{.reduction = o.reduction,
                                   .flags = {bool(o.weight)},
                                   .parameter = o.margin,
                                   .second = o.p,
                                   .dtype = formula::floating(scores.dtype())},
                   inputs, at);
} catch (...) {
  leave_with_error("multi_margin_loss", x.where());
}

Tensor multilabel_margin_loss(Operand x, Operand labels, const Loss& o) try {
  const char* const name = "multilabel_margin_loss";
  const Location& at = x.where();
  const Tensor scores = real_tensor(x, name), l = as_tensor(labels, name);
  check_reduction(name, o.reduction, at);
  if (scores.ndim() < 1 || scores.ndim() > 2 || !is_integer(l.dtype()) || !(l.shape() == scores.shape()))
    throw Error(
        "multilabel_margin_loss: scores [n, classes] or [classes] and integer labels of their shape, -1 behind "
        "the last label of a row, not " +
            describe(scores) + " and " + describe(l),
        at);
  if (!Trace::current()) {
    const int64_t classes = scores.shape()[static_cast<size_t>(formula::class_axis(scores.shape()))].number();
    const std::vector<int64_t> values = l.to_vector<int64_t>();
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i] < -1 || values[i] >= classes)
        throw Error("multilabel_margin_loss: label " + std::to_string(values[i]) + " of row " +
                        std::to_string(i / static_cast<size_t>(classes)) + " is no class: they go from 0 to " +
                        std::to_string(classes - 1) + ", and -1 stands behind the last of a row",
                    at);
  }
  return apply_one({name, formula::build_multilabel_margin},
                   made::LossAttrs{.reduction = o.reduction,
                                   .flags = {},
                                   .parameter = 1,
                                   .second = 1,
                                   .dtype = formula::floating(scores.dtype())},
                   {scores, l}, at);
} catch (...) {
  leave_with_error("multilabel_margin_loss", x.where());
}

}  // namespace tenon
