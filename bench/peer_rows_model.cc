// Rows of whole models: the demo's training step at two sizes of batch, and a transformer block with its gradient.
#include "tenon/bench/gpu_report/transformer.h"
#include "tenon/bench/peer_row.h"
#include "tenon/examples/data/mlp.h"

namespace tenon::bench {
namespace {

// Multiply-adds of the products in forward, gradient by weights, and gradient by hidden layers, for one image.
constexpr double forward_macs = 784.0 * 512 + 512 * 512 + 512 * 10, backward_macs = 512.0 * 512 + 512 * 10;

PeerRow mlp_row(int64_t batch) {
  PeerRow row{"MLP step, B" + std::to_string(batch), "mlp step", "{}", [=] {
                const auto keys = split(key(61), 2);
                const mlp::Params params = mlp::init(7);
                const mlp::State state = optim::adamw_init(params);
                const Tensor images = (uniform(keys[0], {batch, 784}) * 256).astype(u8);
                const Tensor labels = (uniform(keys[1], {batch}) * 10).astype(u8);
                Work work = jitted(mlp::train_step, params, state, images, labels);
                work.result = [=] {  // the loss and the new parameters
                  const mlp::Step step = jit(mlp::train_step)(params, state, images, labels);
                  std::vector<Tensor> all{step.loss};
                  for (const Tensor& t : tree::leaves(step.params)) all.push_back(t);
                  return all;
                };
                return work;
              }};
  row.flops = 2.0 * static_cast<double>(batch) * (2 * forward_macs + backward_macs);
  // adamw's first step is the gradient's sign: where that is a rounding it is either
  row.tolerance = 2e-2;
  return row;
}

}  // namespace

void add_model_rows(PeerRows& rows) {
  rows.push_back(mlp_row(128));
  rows.push_back(mlp_row(32));
  constexpr int64_t batch = 4, tokens = 128, width = 256, heads = 4;
  PeerRow block{"transformer block + gradient, 4x128x256", "block gradient", R"({"heads": 4})", [] {
                  const transformer::Config sizes{batch, tokens, width, heads, 1, 16};
                  const transformer::Block weights = transformer::init(9, sizes).blocks[0];
                  const auto f = [](const transformer::Block& b, const Tensor& in) {
                    const Tensor x = in + transformer::attention(b, layer_norm(in, b.norm1, b.shift1), heads);
                    const Tensor inner = gelu(linear(layer_norm(x, b.norm2, b.shift2), b.up, b.up_bias));
                    const Tensor y = x + linear(inner, b.down, b.down_bias);
                    return mean(y * y);
                  };
                  return jitted(value_and_grad(f), weights, normal(key(62), {batch, tokens, width}));
                }};
  constexpr double each = double{batch} * tokens, products = 12.0 * width * width + 2.0 * tokens * width;
  block.flops = 2 * each * products * 3;
  block.tolerance = 1e-4;
  rows.push_back(block);
}

}  // namespace tenon::bench
