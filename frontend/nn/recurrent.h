// Recurrent layers: x [batch, length, width] -> (outputs [batch, length, out], state), one scan a layer and direction. Gates stand in
// PyTorch's order and have both of its biases, so its numbers come out; weights are [in, gates * out], as Linear's are. Refuses x of another
// width than the layer's, and states of another shape.
#pragma once

#include <utility>
#include <vector>

#include "tenon/frontend/nn/mode.h"

namespace tenon::nn {

// One layer in one direction. PyTorch's names with _l0, _l1_reverse ..., transposed.
struct RecurrentCell {
  Tensor weight_ih, weight_hh, bias_ih = {},
                               bias_hh = {};  // [in, gates * out], [out, gates * out]; [gates * out], or undefined
};

// i, f, o = sigmoid, g = tanh of x W_ih + b_ih + h W_hh + b_hh; c = f c + i g; h = o tanh(c) (Hochreiter and Schmidhuber, 1997; Gers and
// others, 2000). The state of the last step: h and c [layers * directions, batch, out].
struct LstmState {
  Tensor h, c;
};
struct Lstm {
  std::vector<RecurrentCell> cells;  // layer by layer, of two directions the backward one second
  bool bidirectional = false;
  double dropout = 0;  // of what goes from a layer to the next, in training
  std::pair<Tensor, LstmState> operator()(Operand x, const Mode& mode = {}) const;  // from zeros
  std::pair<Tensor, LstmState> operator()(Operand x, const LstmState& state, const Mode& mode = {}) const;
};

// r, z = sigmoid of x W_ih + b_ih + h W_hh + b_hh; n = tanh(x W_in + b_in + r (h W_hn + b_hn)); h = (1 - z) n + z h (Cho and others, 2014, as
// PyTorch and cuDNN compute it). The state: h [layers * directions, batch, out].
struct Gru {
  std::vector<RecurrentCell> cells;
  bool bidirectional = false;
  double dropout = 0;
  std::pair<Tensor, Tensor> operator()(Operand x, const Mode& mode = {}) const;
  std::pair<Tensor, Tensor> operator()(Operand x, const Tensor& state, const Mode& mode = {}) const;
};

struct RecurrentOptions {
  int64_t layers = 1;
  bool bias = true;
  double dropout = 0;
  bool bidirectional = false;
  DType dtype = default_dtype();
};
// Weights and biases uniform within 1 / sqrt(out), as PyTorch's.
Lstm lstm(const Tensor& key, int64_t in, int64_t out, const RecurrentOptions& o = {}, const At& at = At::current());
Gru gru(const Tensor& key, int64_t in, int64_t out, const RecurrentOptions& o = {}, const At& at = At::current());

}  // namespace tenon::nn
