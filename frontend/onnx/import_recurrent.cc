// LSTM, GRU and RNN: a scan for each direction. Rows of a batch that end earlier keep the state that they ended with.
#include <functional>

#include "tenon/frontend/onnx/families.h"
#include "tenon/frontend/transform/control.h"

namespace tenon::onnx {
namespace {

using Activation = std::function<Tensor(const Tensor&)>;

Activation activation(const std::string& name, double alpha, double beta, bool has_alpha, bool has_beta) {
  const auto a = [&](double otherwise) { return has_alpha ? alpha : otherwise; };
  const auto b = [&](double otherwise) { return has_beta ? beta : otherwise; };
  std::string low;
  for (char ch : name) low += static_cast<char>(ch >= 'A' && ch <= 'Z' ? ch - 'A' + 'a' : ch);
  if (low == "sigmoid") return [](const Tensor& x) { return sigmoid(x); };
  if (low == "tanh") return [](const Tensor& x) { return tanh(x); };
  if (low == "relu") return [](const Tensor& x) { return relu(x); };
  if (low == "softsign") return [](const Tensor& x) { return softsign(x); };
  if (low == "softplus") return [](const Tensor& x) { return softplus(x); };
  if (low == "affine") return [p = a(1), q = b(0)](const Tensor& x) { return x * p + q; };
  if (low == "leakyrelu") return [p = a(0.01)](const Tensor& x) { return leaky_relu(x, Operand(p)); };
  if (low == "elu") return [p = a(1)](const Tensor& x) { return elu(x, Operand(p)); };
  if (low == "thresholdedrelu") return [p = a(1)](const Tensor& x) { return where(x > p, x, zeros_like(x)); };
  if (low == "scaledtanh") return [p = a(1), q = b(1)](const Tensor& x) { return tanh(x * q) * p; };
  if (low == "hardsigmoid") return [p = a(0.2), q = b(0.5)](const Tensor& x) { return clip(x * p + q, 0, 1); };
  throw Error("its activation '" + name + "' is none");
}

// What all directions share.
struct Recurrence {
  Call& c;
  size_t gates, peephole;  // per direction; the input of peepholes, 0: none
  std::vector<std::string> defaults;  // activations
  Tensor x;  // [time, batch, in]
  Tensor running;  // [time, batch, 1]: whether a row has not ended; undefined: none ends
  int64_t hidden = 0;
  bool batch_first = false;

  Recurrence(Call& c, size_t gates, size_t peephole, std::vector<std::string> defaults)
      : c(c), gates(gates), peephole(peephole), defaults(std::move(defaults)) {
    batch_first = c.integer("layout", 0) != 0;
    x = c.tensor(0);
    c.expects(x.ndim() == 3, "its first input has three axes");
    if (batch_first) x = swapaxes(x, 0, 1);
    const Shape r = c.shape(2);
    c.expects(r.rank() == 3 && r[2].is_number(), "its recurrent weight is [directions, gates * hidden, hidden]");
    hidden = r[2].number();
    c.expects(c.integer("hidden_size", hidden) == hidden, "hidden_size is not that of its weights");
    if (c.has(4)) {
      const Tensor place = arange(0, x.size(0)).reshape({x.size(0), 1, 1});
      running = place < c.tensor(4).astype(i64).reshape({1, x.size(1), 1});
    }
  }

  std::vector<Activation> activations(size_t direction) const {
    const std::vector<std::string> names = c.words("activations");
    const std::vector<double> alphas = c.numbers("activation_alpha"), betas = c.numbers("activation_beta");
    std::vector<Activation> list;
    for (size_t i = 0; i < defaults.size(); ++i) {
      const size_t k = direction * defaults.size() + i;
      c.expects(names.empty() || k < names.size(), "it lacks activations");
      list.push_back(activation(names.empty() ? defaults[i] : names[k], k < alphas.size() ? alphas[k] : 0,
                                k < betas.size() ? betas[k] : 0, k < alphas.size(), k < betas.size()));
    }
    return list;
  }

  Tensor clipped(const Tensor& t) const {
    if (c.find("clip") == nullptr) return t;
    const double by = c.number("clip", 0);
    return clip(t, -by, by);
  }

  Tensor of(size_t input, size_t direction) const {
    return select(c.tensor(input), 0, static_cast<int64_t>(direction));
  }

  Tensor first_state(size_t input, size_t direction) const {
    if (!c.has(input)) return zeros({x.size(1), hidden}, {.dtype = x.dtype()});
    return select(c.tensor(input), batch_first ? 1 : 0, static_cast<int64_t>(direction));
  }

  // Rows [batch, hidden] of one gate.
  Tensor gate(const Tensor& all, int64_t i) const { return narrow(all, -1, i * hidden, hidden); }
};

// One direction's step: from x w + bias, the states and what it needs, the next states, the first being the output.
using States = std::vector<Tensor>;
using Step = std::function<States(const Tensor& projected, const States& states)>;

struct Direction {
  Tensor outputs;  // [time, batch, hidden]
  States last;
};

Direction run_direction(const Recurrence& r, const Tensor& projected, const States& first, bool reverse,
                        const Step& step) {
  const auto keep = [](const Tensor& on, const States& next, const States& before) {
    States kept;
    for (size_t i = 0; i < next.size(); ++i) kept.push_back(where(on, next[i], before[i]));
    return kept;
  };
  const ScanOptions options{.length = r.x.size(0), .reverse = reverse};
  if (!r.running.defined()) {
    auto [last, outputs] = scan(
        [&](const States& s, const Tensor& row) {
          States next = step(row, s);
          const Tensor out = next[0];
          return std::pair(std::move(next), out);
        },
        first, projected, options);
    return {outputs, last};
  }
  auto [last, outputs] = scan(
      [&](const States& s, const std::vector<Tensor>& rows) {
        const States next = step(rows[0], s);
        return std::pair(keep(rows[1], next, s), where(rows[1], next[0], zeros_like(next[0])));
      },
      first, std::vector<Tensor>{projected, r.running}, options);
  return {outputs, last};
}

// All directions, joined: the outputs, and the last states.
template <class MakeStep>
Results all_directions(Recurrence& r, const std::vector<size_t>& state_inputs, MakeStep make_step) {
  Call& c = r.c;
  const std::string word = c.word("direction", "forward");
  c.expects(word == "forward" || word == "reverse" || word == "bidirectional",
            "its direction is forward, reverse or bidirectional");
  const size_t count = word == "bidirectional" ? 2 : 1;
  c.expects(c.shape(1).rank() == 3 && c.shape(1)[0] == static_cast<int64_t>(count),
            "its weights are [directions, gates * hidden, in]");
  std::vector<Tensor> outputs;
  std::vector<std::vector<Tensor>> last(state_inputs.size());
  for (size_t d = 0; d < count; ++d) {
    const auto width = static_cast<int64_t>(r.gates) * r.hidden;
    Tensor bias = zeros({2 * width}, {.dtype = r.x.dtype()});
    if (c.has(3)) bias = r.of(3, d);
    const Tensor recurrent = r.of(2, d).transpose();
    States first;
    for (size_t input : state_inputs) first.push_back(r.first_state(input, d));
    const Tensor projected = matmul(r.x, r.of(1, d).transpose()) + narrow(bias, 0, 0, width);
    const Direction done = run_direction(r, projected, first, word == "reverse" || d == 1,
                                         make_step(d, recurrent, narrow(bias, 0, width, width)));
    outputs.push_back(done.outputs);
    for (size_t i = 0; i < last.size(); ++i) last[i].push_back(done.last[i]);
  }
  // [time, directions, batch, hidden], or [batch, time, directions, hidden]
  Results results = one(r.batch_first ? stack(outputs, 2).transpose({1, 0, 2, 3}) : stack(outputs, 1));
  for (const auto& states : last) results.push_back(stack(states, r.batch_first ? 1 : 0));
  return results;
}

}  // namespace

Results import_lstm(Call& c) {
  Recurrence r(c, 4, 7, {"Sigmoid", "Tanh", "Tanh"});
  const bool coupled = c.integer("input_forget", 0) != 0;
  return all_directions(r, {5, 6}, [&](size_t d, const Tensor& recurrent, const Tensor& bias) -> Step {
    const auto f = r.activations(d);
    const Tensor peepholes = c.has(7) ? r.of(7, d) : Tensor();
    return [=, &r](const Tensor& projected, const States& s) -> States {
      const Tensor all = projected + (matmul(s[0], recurrent) + bias);
      const auto peep = [&](const Tensor& gate, int64_t i, const Tensor& cell) {
        return r.clipped(peepholes.defined() ? gate + narrow(peepholes, 0, i * r.hidden, r.hidden) * cell : gate);
      };
      const Tensor in = f[0](peep(r.gate(all, 0), 0, s[1]));
      const Tensor forget = coupled ? 1 - in : f[0](peep(r.gate(all, 2), 2, s[1]));
      const Tensor cell = forget * s[1] + in * f[1](r.clipped(r.gate(all, 3)));
      const Tensor out = f[0](peep(r.gate(all, 1), 1, cell));
      return {out * f[2](cell), cell};
    };
  });
}

Results import_gru(Call& c) {
  Recurrence r(c, 3, 0, {"Sigmoid", "Tanh"});
  const bool before = c.integer("linear_before_reset", 0) != 0;
  return all_directions(r, {5}, [&](size_t d, const Tensor& recurrent, const Tensor& bias) -> Step {
    const auto f = r.activations(d);
    const int64_t n = r.hidden;
    const Tensor gates = narrow(recurrent, 1, 0, 2 * n), candidate = narrow(recurrent, 1, 2 * n, n);
    const Tensor gate_bias = narrow(bias, 0, 0, 2 * n), candidate_bias = narrow(bias, 0, 2 * n, n);
    return [=, &r](const Tensor& projected, const States& s) -> States {
      const Tensor both = narrow(projected, -1, 0, 2 * n) + (matmul(s[0], gates) + gate_bias);
      const Tensor update = f[0](r.clipped(r.gate(both, 0))), reset = f[0](r.clipped(r.gate(both, 1)));
      const Tensor h = before ? reset * (matmul(s[0], candidate) + candidate_bias)
                              : matmul(reset * s[0], candidate) + candidate_bias;
      const Tensor proposed = f[1](r.clipped(r.gate(projected, 2) + h));
      return {(1 - update) * proposed + update * s[0]};
    };
  });
}

Results import_rnn(Call& c) {
  Recurrence r(c, 1, 0, {"Tanh"});
  return all_directions(r, {5}, [&](size_t d, const Tensor& recurrent, const Tensor& bias) -> Step {
    const auto f = r.activations(d);
    return [=, &r](const Tensor& projected, const States& s) -> States {
      return {f[0](r.clipped(projected + (matmul(s[0], recurrent) + bias)))};
    };
  });
}

}  // namespace tenon::onnx
