// Lstm and Gru: what reads x is one product over the whole sequence, and the scan runs over what reads the state.
#include "tenon/frontend/nn/recurrent.h"

#include <array>
#include <cmath>

#include "tenon/frontend/nn/init.h"
#include "tenon/frontend/nn/refusals.h"
#include "tenon/frontend/random/random.h"
#include "tenon/frontend/transform/control.h"
#include "tenon/ir/base/door.h"

namespace tenon::nn {
namespace {

// Operators on behalf of the caller.
struct Here {
  const Location& at;
  Operand operator()(const Tensor& t) const { return {t, at}; }
};

Tensor mapped(const Tensor& x, const Tensor& weight, const Tensor& bias, const Location& at) {
  const Here o{at};
  return bias.defined() ? tenon::linear(o(x), o(weight), o(bias)) : matmul(o(x), o(weight));
}

Tensor gate(const Tensor& gates, int64_t n, int64_t out, const Location& at) {
  return narrow(Operand(gates, at), -1, n * out, out);
}

// The carry of one step: h, and c where there is one.
using Carry = std::vector<Tensor>;

Carry lstm_step(const RecurrentCell& cell, const Carry& before, const Tensor& read, int64_t out, const Location& at) {
  const Here o{at};
  const Tensor gates = o(read) + o(mapped(before[0], cell.weight_hh, cell.bias_hh, at));
  const Tensor i = sigmoid(o(gate(gates, 0, out, at))), f = sigmoid(o(gate(gates, 1, out, at)));
  const Tensor g = tanh(o(gate(gates, 2, out, at))), last = sigmoid(o(gate(gates, 3, out, at)));
  const Tensor c = o(o(f) * o(before[1])) + o(o(i) * o(g));
  return {o(last) * o(tanh(o(c))), c};
}

Carry gru_step(const RecurrentCell& cell, const Carry& before, const Tensor& read, int64_t out, const Location& at) {
  const Here o{at};
  const Tensor kept = mapped(before[0], cell.weight_hh, cell.bias_hh, at);
  const auto both = [&](int64_t n) { return o(gate(read, n, out, at)) + o(gate(kept, n, out, at)); };
  const Tensor r = sigmoid(o(both(0))), z = sigmoid(o(both(1)));
  const Tensor n = tanh(o(o(gate(read, 2, out, at)) + o(o(r) * o(gate(kept, 2, out, at)))));
  return {o(o(Operand(1, at) - o(z)) * o(n)) + o(o(z) * o(before[0]))};
}

struct Kind {
  const char* layer;
  const char* maker;
  int64_t gates;
  size_t states;  // tensors of the state
  Carry (*step)(const RecurrentCell&, const Carry&, const Tensor&, int64_t, const Location&);
};
constexpr Kind lstm_kind{"nn::Lstm", "nn::lstm", 4, 2, lstm_step};
constexpr Kind gru_kind{"nn::Gru", "nn::gru", 3, 1, gru_step};

// One layer in one direction over x [length, batch, in]: outputs [length, batch, out], and the state after them.
std::pair<Tensor, Carry> run(const Kind& kind, const RecurrentCell& cell, const Tensor& x, const Carry& first,
                             bool reverse, const Location& at) {
  const int64_t out = cell.weight_hh.shape()[0].number();
  const Tensor read = mapped(x, cell.weight_ih, cell.bias_ih, at);
  const auto step = [&](const Carry& before, const Tensor& row) {
    Carry after = kind.step(cell, before, row, out, at);
    const Tensor y = after[0];
    return std::pair(std::move(after), y);
  };
  auto [after, ys] = tenon::detail::scan_as(kind.layer, step, first, read, ScanOptions{.reverse = reverse}, at);
  return {std::move(ys), std::move(after)};
}

void check_cells(const Kind& kind, const std::vector<RecurrentCell>& cells, size_t directions, const Location& at) {
  if (cells.empty() || cells.size() % directions != 0)
    throw Error(std::string(kind.layer) + ": has " + std::to_string(cells.size()) + " cells for " +
                    std::to_string(directions) + (directions == 1 ? " direction" : " directions"),
                at);
  for (const RecurrentCell& c : cells) {
    const Shape &ih = weight_of(c.weight_ih, kind.layer, 2, at).shape(),
                &hh = weight_of(c.weight_hh, kind.layer, 2, at).shape();
    if (!ih.is_static() || !hh.is_static() || hh[1].number() != kind.gates * hh[0].number() || !(ih[1] == hh[1]))
      throw Error(std::string(kind.layer) + ": weight_ih is [in, " + std::to_string(kind.gates) +
                      " * out] and weight_hh [out, " + std::to_string(kind.gates) + " * out], not " +
                      describe(c.weight_ih) + " and " + describe(c.weight_hh),
                  at);
  }
}

struct Whole {
  Tensor outputs;
  std::vector<Tensor> state;
};

// state: none, or what the kind keeps, [layers * directions, batch, out] each.
Whole through(const Kind& kind, const std::vector<RecurrentCell>& cells, bool bidirectional, double dropout,
              const Operand& given, std::vector<Tensor> state, const Mode& mode) {
  const Location& at = given.where();
  const Here o{at};
  const size_t directions = bidirectional ? 2 : 1;
  check_cells(kind, cells, directions, at);
  check_probability(kind.layer, dropout, at);
  const Dim in = cells[0].weight_ih.shape()[0];
  const Tensor x = entering(given, kind.layer, 3, -1, in, "x[batch, length, " + extent_text(in) + "]");
  if (x.ndim() != 3)
    throw Error(std::string(kind.layer) + ": takes x[batch, length, " + extent_text(in) + "], not " + describe(x), at);
  const int64_t out = cells[0].weight_hh.shape()[0].number();
  const Shape wanted({Dim(static_cast<int64_t>(cells.size())), x.shape()[0], Dim(out)});
  for (const Tensor& t : state)
    if (!t.defined() || t.shape() != wanted)
      throw Error(std::string(kind.layer) + ": its state is [layers * directions, batch, out] = " + to_string(wanted) +
                      ", not " + describe(t),
                  at);
  const Operand meeting[] = {Operand(x, at), Operand(cells[0].weight_ih, at), Operand(cells[0].weight_hh, at)};
  const DType dtype = common_dtype(std::array{&meeting[0], &meeting[1], &meeting[2]}, kind.layer);
  if (state.empty()) state.assign(kind.states, tenon::zeros(Extents(wanted), {.dtype = dtype}));
  for (Tensor& t : state) t = cast_to(t, dtype, at);
  Tensor rows = tenon::transpose(o(x), {1, 0, 2});
  std::vector<std::vector<Tensor>> last(kind.states);
  for (size_t l = 0; l < cells.size(); l += directions) {
    if (l > 0 && mode.training && dropout > 0) {
      const Tensor key = fold_in(key_of(mode.key, kind.layer, at), Operand(static_cast<int64_t>(l), at));
      rows = random::dropout(key, o(rows), Operand(dropout, at));
    }
    std::vector<Tensor> sides;
    for (size_t d = 0; d < directions; ++d) {
      Carry first;
      for (const Tensor& t : state) first.push_back(select(o(t), 0, static_cast<int64_t>(l + d)));
      auto [ys, after] = run(kind, cells[l + d], rows, first, d == 1, at);
      sides.push_back(std::move(ys));
      for (size_t s = 0; s < kind.states; ++s) last[s].push_back(std::move(after[s]));
    }
    rows = directions == 1 ? sides[0] : concat(std::span<const Tensor>(sides), -1);
  }
  Whole w{tenon::transpose(o(rows), {1, 0, 2}), {}};
  for (const std::vector<Tensor>& t : last) w.state.push_back(stack(std::span<const Tensor>(t), 0));
  return w;
}

std::vector<RecurrentCell> cells_of(const Kind& kind, const Tensor& key, int64_t in, int64_t out,
                                    const RecurrentOptions& o, const At& from) {
  const Location at = place(from);
  check_count(kind.maker, "in", in, at);
  check_count(kind.maker, "out", out, at);
  check_count(kind.maker, ".layers", o.layers, at);
  check_floating(kind.maker, o.dtype, at);
  check_probability(kind.maker, o.dropout, at);
  const double bound = 1 / std::sqrt(static_cast<double>(out));
  const init::Uniform within{.low = -bound, .high = bound, .dtype = o.dtype};
  const int64_t directions = o.bidirectional ? 2 : 1, gates = kind.gates * out;
  std::vector<RecurrentCell> cells;
  for (const Tensor& cell_key : split(key, o.layers * directions, from)) {
    const bool lowest = static_cast<int64_t>(cells.size()) < directions;
    const std::vector<Tensor> keys = split(cell_key, 4, from);
    const auto draw = [&](size_t k, std::vector<int64_t> shape) { return init::uniform(keys[k], shape, within, from); };
    cells.push_back({draw(0, {lowest ? in : out * directions, gates}), draw(1, {out, gates}),
                     o.bias ? draw(2, {gates}) : Tensor(), o.bias ? draw(3, {gates}) : Tensor()});
  }
  return cells;
}

}  // namespace

std::pair<Tensor, LstmState> Lstm::operator()(Operand x, const Mode& mode) const try {
  Whole w = through(lstm_kind, cells, bidirectional, dropout, x, {}, mode);
  return {std::move(w.outputs), {std::move(w.state[0]), std::move(w.state[1])}};
} catch (...) {
  leave_with_error(lstm_kind.layer, x.where());
}
std::pair<Tensor, LstmState> Lstm::operator()(Operand x, const LstmState& state, const Mode& mode) const try {
  Whole w = through(lstm_kind, cells, bidirectional, dropout, x, {state.h, state.c}, mode);
  return {std::move(w.outputs), {std::move(w.state[0]), std::move(w.state[1])}};
} catch (...) {
  leave_with_error(lstm_kind.layer, x.where());
}

std::pair<Tensor, Tensor> Gru::operator()(Operand x, const Mode& mode) const try {
  Whole w = through(gru_kind, cells, bidirectional, dropout, x, {}, mode);
  return {std::move(w.outputs), std::move(w.state[0])};
} catch (...) {
  leave_with_error(gru_kind.layer, x.where());
}
std::pair<Tensor, Tensor> Gru::operator()(Operand x, const Tensor& state, const Mode& mode) const try {
  Whole w = through(gru_kind, cells, bidirectional, dropout, x, {state}, mode);
  return {std::move(w.outputs), std::move(w.state[0])};
} catch (...) {
  leave_with_error(gru_kind.layer, x.where());
}

Lstm lstm(const Tensor& key, int64_t in, int64_t out, const RecurrentOptions& o, const At& at) {
  return {cells_of(lstm_kind, key, in, out, o, at), o.bidirectional, o.dropout};
}
Gru gru(const Tensor& key, int64_t in, int64_t out, const RecurrentOptions& o, const At& at) {
  return {cells_of(gru_kind, key, in, out, o, at), o.bidirectional, o.dropout};
}

}  // namespace tenon::nn
