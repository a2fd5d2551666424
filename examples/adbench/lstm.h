// ADBench's LSTM: the mean loss of predicting each next character of a text, all weights being diagonal. The gates are wired as
// the project has them: forget and output gate read the layer's input, input gate and change the layer's last output.
#pragma once

#include <tenon/tenon.h>

#include <vector>

namespace adbench {

namespace tn = tenon;
using tn::Tensor;

struct LstmParams {
  Tensor main;  // [layers, 2, 4, width]: weights and biases of the forget, input and output gates and of the change
  Tensor extra;  // [3, width]: input weight, output weight, output bias
};

struct LstmData {
  Tensor state;  // [layers, 2, width]: output and cell of each layer before the first character
  Tensor sequence;  // [characters, width], of zeros and ones
};

struct LstmState {
  Tensor output, cell;  // [width]
};

struct LstmGate {
  Tensor weight, bias;  // [width]
  Tensor operator()(const Tensor& x) const { return x * weight + bias; }
};

struct LstmLayer {
  LstmGate forget, in, out, change;

  LstmState step(const Tensor& x, const LstmState& last) const {
    const Tensor keep = tn::sigmoid(forget(x)), add = tn::sigmoid(in(last.output));
    const Tensor cell = last.cell * keep + add * tn::tanh(change(last.output));
    return {tn::sigmoid(out(x)) * tn::tanh(cell), cell};
  }
};

inline Tensor lstm_objective(const LstmParams& p, const LstmData& data) {
  const int64_t characters = data.sequence.shape()[0];
  std::vector<LstmLayer> layers;
  std::vector<LstmState> start;
  for (int64_t i = 0; i < p.main.shape()[0]; ++i) {
    const auto gate = [&](int64_t g) { return LstmGate{p.main[{i, 0, g}], p.main[{i, 1, g}]}; };
    layers.push_back({gate(0), gate(1), gate(2), gate(3)});
    start.push_back({data.state[{i, 0}], data.state[{i, 1}]});
  }
  const auto step = [&](const std::vector<LstmState>& last, const Tensor& input) {
    std::vector<LstmState> next;
    Tensor x = input;
    for (size_t i = 0; i < layers.size(); ++i) {
      next.push_back(layers[i].step(x, last[i]));
      x = next.back().output;
    }
    return std::pair(next, x);
  };
  const Tensor inputs = data.sequence[tn::slice(0, characters - 1)] * p.extra[0];
  const Tensor hidden = tn::scan(step, start, inputs).second;  // [characters - 1, width]
  const Tensor prediction = hidden * p.extra[1] + p.extra[2];
  const Tensor norm = tn::log(2.0 + tn::sum(tn::exp(prediction), {.axes = {1}, .keepdims = true}));
  return -tn::mean(data.sequence[tn::slice(1, characters)] * (prediction - norm));
}

}  // namespace adbench
