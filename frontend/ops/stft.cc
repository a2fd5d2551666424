// stft and istft: pieces of a signal by gather, put together by scatter, in one program each. Refuses windows that do not fit, and
// signals shorter than a piece.
#include <cmath>

#include "tenon/frontend/ops/fft.h"
#include "tenon/frontend/ops/fft_formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::fft {
namespace {

using ir::Value;

Value zeros_of(Value x, const Shape& shape) { return ir::splat(*x.builder, x.dtype(), 0, shape); }

// x[batch, samples] with p more at either end.
Value padded(Value x, int64_t p, Pad mode) {
  if (mode == Pad::constant) return ir::pad(x, zeros_of(x, {}), {0, p}, {0, p}, {0, 0});
  return formula::padded_axis(x, 1, p, p, mode);
}

// Where sample t of piece f lies: f hop + t, i64[pieces, n].
Value places(ir::GraphBuilder& b, Dim pieces, int64_t n, int64_t hop) {
  const Shape shape = {pieces, Dim(n)};
  const Value f = ir::iota(b, i64, shape, 0), t = ir::iota(b, i64, shape, 1);
  return f * hop + t;
}

// A window in the middle of a piece; ones where there is none.
Value window_of(ir::GraphBuilder& b, const Value* given, const made::Stft& to, DType part) {
  const Value own = given != nullptr ? ir::cast(*given, part) : ir::splat(b, part, 1, {Dim(to.window)});
  const int64_t low = (to.n - to.window) / 2;
  if (to.n == to.window) return own;
  return ir::pad(own, ir::splat(b, part, 0, {}), {low}, {to.n - to.window - low}, {0});
}

struct Inputs {
  Value x, table;
  const Value* window = nullptr;
};
// x, then the window if there is one, then the table if there is one.
Inputs inputs_of(std::span<const Value> given, bool table) {
  Inputs in{given[0], {}, nullptr};
  if (table) in.table = given.back();
  if (given.size() > (table ? 2u : 1u)) in.window = &given[1];
  return in;
}

// By a real factor, broadcast from the last axis.
Value scaled(Value x, Value by) { return formula::by_real(x, ir::spread(by, is_complex(x.dtype()) ? ir::real(x) : x)); }

std::vector<Value> build_stft(ir::GraphBuilder& b, std::span<const Value> given, const ir::Attrs& attrs) {
  const made::Stft to(attrs);
  const bool real = !is_complex(to.dtype);
  const Inputs in = inputs_of(given, has_table(to.n, real && to.onesided));
  Symbols& symbols = b.symbols();
  Value x = ir::cast(in.x, to.dtype);
  Shape lead = x.shape();
  const Dim samples = lead[lead.size() - 1];
  lead.erase(lead.size() - 1);
  const Dim batch = symbols.numel(lead);
  x = ir::reshape(x, {batch, samples});
  if (to.center) x = padded(x, to.n / 2, static_cast<Pad>(to.pad));
  const Dim pieces = symbols.sum(symbols.quotient(symbols.difference(x.shape()[1], to.n), to.hop), 1);
  const Value cut = ir::take(x, places(b, pieces, to.n, to.hop), 1);
  const Value framed = ir::reshape(scaled(cut, window_of(b, in.window, to, part_of(to.dtype))),
                                   {symbols.product(batch, pieces), Dim(to.n), Dim(1)});
  const Plan plan = plan_for(to.n, real && to.onesided);
  const Value z = real && to.onesided
                      ? formula::transformed_real(framed, in.table, plan, to.n, to.scale)
                      : formula::transformed(formula::whole(formula::parts(framed)), in.table, plan, false, to.scale);
  const Dim frequencies = z.shape()[1];
  Shape shape = lead;
  shape.push_back(frequencies), shape.push_back(pieces);
  return {ir::reshape(ir::transpose(ir::reshape(z, {batch, pieces, frequencies}), {0, 2, 1}), shape)};
}

// x[rows, pieces n] added up where the pieces lie.
Value overlapped(Value pieces, Value where, Dim length) {
  return ir::scatter(zeros_of(pieces, {pieces.shape()[0], length}), where, pieces, 1);
}

std::vector<Value> build_istft(ir::GraphBuilder& b, std::span<const Value> given, const ir::Attrs& attrs) {
  const made::Stft to(attrs);
  const Inputs in = inputs_of(given, has_table(to.n, to.onesided));
  Symbols& symbols = b.symbols();
  Shape lead = in.x.shape();
  const Dim frequencies = lead[lead.size() - 2], pieces = lead[lead.size() - 1];
  if (!frequencies.is_number()) throw Error("istft: the number of frequencies is no number");
  lead.erase(lead.size() - 1), lead.erase(lead.size() - 1);
  const Dim batch = symbols.numel(lead);
  const Value z = ir::transpose(
      ir::reshape(ir::cast(in.x, complex_of(part_of(in.x.dtype()))), {batch, frequencies, pieces}), {0, 2, 1});
  const Value folded = ir::reshape(z, {symbols.product(batch, pieces), frequencies, Dim(1)});
  const Plan plan = plan_for(to.n, to.onesided);
  Value x = to.onesided ? formula::transformed_back(folded, in.table, plan, to.n, to.scale)
                        : formula::transformed(folded, in.table, plan, true, to.scale);
  if (!is_complex(to.dtype) && is_complex(x.dtype())) x = ir::real(x);
  const Value window = window_of(b, in.window, to, part_of(to.dtype));
  x = scaled(ir::reshape(x, {batch, pieces, Dim(to.n)}), window);
  const Dim count = symbols.product(pieces, to.n);
  const Dim length = symbols.sum(symbols.product(symbols.difference(pieces, 1), to.hop), to.n);
  const Value where = ir::reshape(places(b, pieces, to.n, to.hop), {count});
  const Value squares = ir::reshape(ir::broadcast_to(window * window, {pieces, Dim(to.n)}), {Dim(1), count});
  Value sum = overlapped(ir::reshape(x, {batch, count}), where, length), weight = overlapped(squares, where, length);
  const int64_t start = to.center ? to.n / 2 : 0;
  const Dim there = symbols.difference(length, to.center ? 2 * start : 0);
  const bool cut = to.result >= 0 && (!length.is_number() || to.result <= length.number() - start);
  const Dim end = to.result < 0 ? there : cut ? Dim(to.result) : symbols.difference(length, start);
  sum = formula::part(sum, 1, start, end), weight = formula::part(weight, 1, start, end);
  const Value inverse = ir::reshape(ir::like(weight, 1) / weight, {end});
  x = scaled(sum, inverse);
  if (to.result >= 0 && !cut) x = ir::pad(x, zeros_of(x, {}), {0, 0}, {0, symbols.difference(to.result, end)}, {0, 0});
  Shape shape = lead;
  shape.push_back(x.shape()[1]);
  return {ir::reshape(x, shape)};
}

struct Pieces {
  int64_t hop, window;
};
Pieces checked(const char* op, int64_t n, int64_t hop, int64_t win, const Tensor& window, const Location& at) {
  if (n < 1) throw Error(std::string(op) + ": n_fft is at least 1, not " + std::to_string(n), at);
  const Pieces p{hop == 0 ? std::max<int64_t>(1, n / 4) : hop, win == 0 ? n : win};
  if (p.hop < 1) throw Error(std::string(op) + ": hop_length is at least 1, not " + std::to_string(hop), at);
  if (p.window < 1 || p.window > n)
    throw Error(
        std::string(op) + ": win_length lies in 1 to n_fft (" + std::to_string(n) + "), and is " + std::to_string(win),
        at);
  if (window.defined() && (window.ndim() != 1 || !(window.shape()[0] == p.window) || !is_floating(window.dtype())))
    throw Error(std::string(op) + ": the window is a real vector of win_length " + std::to_string(p.window) +
                    ", and this is " + describe(window),
                at);
  return p;
}

Pad mode_of(const std::string& name, const Location& at) {
  const PadMode mode(name);
  if (mode.known) return mode.mode;
  throw Error("stft: pad_mode is \"reflect\", \"constant\", \"replicate\" or \"circular\", not \"" + name + "\"", at);
}

void append(std::vector<Tensor>& inputs, const Tensor& window, int64_t n, bool real, DType part, const Location& at) {
  if (window.defined()) inputs.push_back(window);
  if (has_table(n, real))
    inputs.push_back(beside(table_of(plan_for(n, real), in_halves(n, real), part), inputs[0], at));
}

}  // namespace

Tensor stft(Operand operand, int64_t n, Stft o) try {
  const Location at = operand.where();
  const Tensor x = as_tensor(operand, "stft");
  const Pieces p = checked("stft", n, o.hop_length, o.win_length, o.window, at);
  if (x.ndim() == 0) throw Error("stft: a signal has an axis of samples, and this is " + describe(x), at);
  const Pad mode = mode_of(o.pad_mode, at);
  const Dim samples = x.shape()[x.ndim() - 1];
  const int64_t pad = o.center ? n / 2 : 0;
  if (samples.is_number() && samples.number() + 2 * pad < n)
    throw Error("stft: a piece of n_fft " + std::to_string(n) + " is longer than the signal " + describe(x), at);
  if (samples.is_number() && pad >= samples.number() + (mode == Pad::circular) &&
      (mode == Pad::reflect || mode == Pad::circular) && pad != 0)
    throw Error("stft: " + o.pad_mode + " padding by n_fft / 2 needs more samples than " + describe(x) + " has", at);
  const bool real = !is_complex(x);
  const DType part = part_of(x.dtype()) == f64 ? f64 : f32;
  std::vector<Tensor> inputs{x};
  append(inputs, o.window, n, real && o.onesided, part, at);
  const Tensor z = apply({"stft", build_stft},
                         made::StftAttrs{.n = n,
                                         .hop = p.hop,
                                         .window = p.window,
                                         .center = o.center,
                                         .pad = static_cast<int64_t>(mode),
                                         .onesided = real && o.onesided,
                                         .scale = o.normalized ? 1 / std::sqrt(static_cast<double>(n)) : 1,
                                         .result = -1,
                                         .dtype = real ? part : complex_of(part)},
                         inputs, at)[0];
  return o.return_complex ? z : view_as_real(Operand(z, at));
} catch (...) {
  leave_with_error("stft", operand.where());
}

Tensor istft(Operand operand, int64_t n, Istft o) try {
  const Location at = operand.where();
  const Tensor z = as_tensor(operand, "istft");
  const Pieces p = checked("istft", n, o.hop_length, o.win_length, o.window, at);
  if (z.ndim() < 2 || !is_complex(z))
    throw Error("istft: takes complex [.., frequencies, pieces], and this is " + describe(z), at);
  if (o.onesided && o.return_complex)
    throw Error("istft: a one-sided spectrum is that of a real signal; return_complex needs .onesided = false", at);
  const int64_t frequencies = o.onesided ? n / 2 + 1 : n;
  if (!(z.shape()[z.ndim() - 2] == frequencies))
    throw Error("istft: n_fft " + std::to_string(n) + " has " + std::to_string(frequencies) +
                    " frequencies, and this is " + describe(z),
                at);
  const DType part = part_of(z.dtype());
  const auto length = static_cast<double>(n);
  std::vector<Tensor> inputs{z};
  append(inputs, o.window, n, o.onesided, part, at);
  return apply({"istft", build_istft},
               made::StftAttrs{.n = n,
                               .hop = p.hop,
                               .window = p.window,
                               .center = o.center,
                               .pad = static_cast<int64_t>(Pad::constant),
                               .onesided = o.onesided,
                               .scale = o.normalized ? 1 / std::sqrt(length) : 1 / length,
                               .result = o.length,
                               .dtype = o.return_complex ? complex_of(part) : part},
               inputs, at)[0];
} catch (...) {
  leave_with_error("istft", operand.where());
}

}  // namespace tenon::fft
