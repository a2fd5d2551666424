// Rows of what surrounds kernels: a cached call, one among a hundred signatures, and compiling from the function on. Compilations
// are compared with those of JAX alone.
#include "tenon/bench/gpu_report/transformer.h"
#include "tenon/bench/peer_row.h"
#include "tenon/examples/data/mlp.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/runtime/compile.h"

namespace tenon::bench {
namespace {

template <class F, class... A>
Work compiling(F f, const A&... args) {
  return {tree::leaves(std::make_tuple(args...)), [=] {
            runtime::CompileOptions options;
            options.memory_cache = false;
            options.disk_cache = false;
            static_cast<void>(runtime::compile(*trace(f, args...).program()->graph, options));
          }};
}

PeerRow hundred_row() {
  return {"cached call, 100 signatures", "add of many", "{}", [] {
            constexpr int count = 100;
            std::vector<Tensor> all;
            for (int n = 1; n <= count; ++n) all.push_back(ones({n}));
            auto compiled = jit([](const Tensor& a, const Tensor& b) { return a + b; });
            for (const Tensor& x : all) compiled(x, x);
            return Work{{all.back()},
                        [=, n = size_t{0}]() mutable {
                          n = (n + 37) % count;
                          compiled(all[n], all[n]);
                        },
                        [=] { return std::vector<Tensor>{compiled(all[7], all[7])}; }};
          }};
}

}  // namespace

void add_latency_rows(PeerRows& rows) {
  rows.push_back({"cached call, x + y of 8", "add", "{}",
                  [] { return jitted([](const Tensor& a, const Tensor& b) { return a + b; }, ones({8}), ones({8})); }});
  rows.push_back(hundred_row());
  rows.push_back({"compile, one kernel", "compile", R"({"formula": "gelu of affine"})", [] {
                    const auto f = [](const Tensor& x, const Tensor& w, const Tensor& b) { return gelu(x * w + b); };
                    return compiling(f, ones({256, 256}), ones({256}), ones({256}));
                  }});
  rows.push_back({"compile, MLP step", "compile", R"({"formula": "mlp step"})", [] {
                    const mlp::Params params = mlp::init(7);
                    return compiling(mlp::train_step, params, optim::adamw_init(params), zeros({128, 784}).astype(u8),
                                     zeros({128}).astype(u8));
                  }});
  rows.push_back(
      {"compile, transformer block + gradient", "compile", R"({"formula": "block gradient", "heads": 4})", [] {
         const transformer::Block weights = transformer::init(9, {4, 128, 256, 4, 1, 16}).blocks[0];
         const auto f = [](const transformer::Block& b, const Tensor& in) {
           const Tensor x = in + transformer::attention(b, layer_norm(in, b.norm1, b.shift1), 4);
           const Tensor inner = gelu(linear(layer_norm(x, b.norm2, b.shift2), b.up, b.up_bias));
           const Tensor y = x + linear(inner, b.down, b.down_bias);
           return mean(y * y);
         };
         return compiling(value_and_grad(f), weights, ones({4, 128, 256}));
       }});
}

PeerRows peer_rows() {
  PeerRows rows;
  add_elementwise_rows(rows);
  add_reduction_rows(rows);
  add_contraction_rows(rows);
  add_convolution_rows(rows);
  add_movement_rows(rows);
  add_gradient_rows(rows);
  add_model_rows(rows);
  add_latency_rows(rows);
  return rows;
}

}  // namespace tenon::bench
