// The network of examples/convnet.cc and its training step. Images stay with their channels last, as the convolution has them inside:
// weights are a layer's, [out, in, 3, 3], and what turns is a hundred thousand weights instead of ten million activations. That makes the
// step 1.7 times as fast as channels first (23.7 and 40.2 ms with 32, 64 and 64 channels, on two cores).
#pragma once

#include <tenon/tenon.h>

#include <utility>

namespace convnet {

namespace tn = tenon;
using tn::Tensor;

struct Block {
  tn::nn::Conv2d conv;  // 3x3, without a bias: the norm has one
  tn::nn::BatchNorm norm;
};
struct Net {
  Block first, second, third;
  tn::nn::Dropout dropout;
  tn::nn::Linear head;
};

inline constexpr int64_t widths[] = {32, 64, 128};
inline constexpr int64_t side = 28, classes = 10, shift = 1;

inline Block block(const Tensor& key, int64_t in, int64_t out) {
  Block b{tn::nn::conv2d(key, in, out, 3, {.padding = 1, .bias = false}), tn::nn::batch_norm(out)};
  b.conv.weight = tn::nn::init::kaiming_normal(key, {out, in, 3, 3}, {.nonlinearity = "relu"});
  return b;
}

inline Net net(const Tensor& key) {
  const std::vector<Tensor> keys = tn::split(key, 4);
  return {block(keys[0], 1, widths[0]), block(keys[1], widths[0], widths[1]), block(keys[2], widths[1], widths[2]),
          tn::nn::dropout(0.3), tn::nn::linear(keys[3], side / 4 * (side / 4) * widths[2], classes)};
}

// x[n, height, width, in] -> relu of [n, height, width, out], and the block with its running statistics moved
inline std::pair<Tensor, Block> run(const Block& b, const Tensor& x, const tn::nn::Mode& mode) {
  const Tensor kernel = b.conv.weight.transpose({2, 3, 1, 0});
  const Tensor y = tn::convolution(x, kernel, {.low = {1, 1}, .high = {1, 1}});
  const auto [z, norm] = b.norm(y.reshape({-1, y.size(3)}), mode);  // pixels are rows
  return {tn::relu(z).reshape(y.shape()), {b.conv, norm}};
}

// The greatest of each square of four.
inline Tensor pool(const Tensor& x) {
  const Tensor pairs = x.reshape({x.size(0), x.size(1) / 2, 2, x.size(2) / 2, 2, x.size(3)});
  return tn::max(tn::max(pairs, {.axes = {4}}), {.axes = {2}});
}

// images u8[n, 28, 28] -> logits f32[n, 10]
inline std::pair<Tensor, Net> forward(const Net& net, const Tensor& images, const tn::nn::Mode& mode) {
  const Tensor x =
      (images.astype(tn::f32) * (1.0 / 255.0) - 0.286) * (1.0 / 0.353);  // mean and deviation of the training set
  Net next = net;
  Tensor y;
  std::tie(y, next.first) = run(net.first, x.reshape({x.size(0), side, side, 1}), mode);
  std::tie(y, next.second) = run(net.second, pool(y), mode);
  std::tie(y, next.third) = run(net.third, pool(y), mode);
  y = net.dropout(y.reshape({x.size(0), -1}), mode);
  return {net.head(y), std::move(next)};
}

// Each image moved by up to one pixel either way, with black behind it, and every other one mirrored.
inline Tensor augmented(const Tensor& images, const Tensor& key) {
  const tn::Extent n = images.size(0);
  const std::vector<Tensor> keys = tn::split(key, 3);
  constexpr int64_t wide = side + 2 * shift;
  const Tensor framed = tn::pad(images, {{0, 0}, {shift, shift}, {shift, shift}}).reshape({n, wide * wide});
  const Tensor down = tn::random::randint(keys[0], {n, 1, 1}, 0, 2 * shift + 1);
  const Tensor right = tn::random::randint(keys[1], {n, 1, 1}, 0, 2 * shift + 1);
  const Tensor mirrored = tn::random::bernoulli(keys[2], 0.5, {n, 1, 1});
  const Tensor row = tn::arange(side).reshape({1, side, 1}), column = tn::arange(side).reshape({1, 1, side});
  const Tensor from = (row + down) * wide + right + tn::where(mirrored, side - 1 - column, column);
  return tn::take_along_axis(framed, from.reshape({n, side * side}), 1).reshape({n, side, side});
}

struct State {
  Net net;
  tn::optim::AdamWState<Net> moments;
};
inline State state(const Net& net) { return {net, tn::optim::adamw_init(net)}; }

struct Settings {
  double rate = 2e-3, weight_decay = 2e-2;
  int64_t steps = 0, warmup = 200;
};

// One step of adamw on one batch: augmentation, forward, gradient and update. Jitted, it is one native function. Draws are functions of
// the key and of the number of the step, which the state has; the rate is computed from that number, so nothing compiles anew.
inline std::pair<State, Tensor> step(const State& s, const Tensor& images, const Tensor& labels, const Tensor& key,
                                     const Settings& o) {
  const auto [of_images, of_dropout] = tn::split(tn::fold_in(key, s.moments.step));
  const Tensor seen = augmented(images, of_images);
  const auto loss = [&](const Net& net) {
    auto [logits, next] = forward(net, seen, {.training = true, .key = of_dropout});
    return std::pair(tn::cross_entropy(logits, labels), std::move(next));
  };
  auto [value, gradient] = tn::value_and_grad(loss)(s.net);
  const Tensor rate = tn::optim::cosine(s.moments.step, {.rate = o.rate, .steps = o.steps, .warmup = o.warmup});
  auto [net, moments] = tn::optim::adamw(std::move(value.second), std::move(gradient), s.moments,
                                         {.rate = rate, .weight_decay = o.weight_decay});
  return {{std::move(net), std::move(moments)}, value.first};
}

// How many of the labels are the greatest logit.
inline Tensor hits(const Net& net, const Tensor& images, const Tensor& labels) {
  return tn::sum(tn::argmax(forward(net, images, {}).first, 1) == labels);
}

}  // namespace convnet
