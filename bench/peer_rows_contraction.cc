// Rows of matrix products: square, odd, skinny, many small ones, halves; and attention composed of two of them and a softmax.
#include <cmath>

#include "tenon/bench/peer_row.h"

namespace tenon::bench {
namespace {

Tensor product(const Tensor& a, const Tensor& b) { return matmul(a, b); }

PeerRow product_row(int64_t m, int64_t k, int64_t n) {
  std::string size = std::to_string(m);
  if (m != n || m != k) size.append("x").append(std::to_string(k)).append("x").append(std::to_string(n));
  PeerRow row{"GEMM " + size, "matmul", "{}", [=] {
                const auto keys = split(key(21), 2);
                return jitted(product, normal(keys[0], {m, k}), normal(keys[1], {k, n}));
              }};
  row.flops = 2.0 * static_cast<double>(m * k * n);
  return row;
}

PeerRow batch_row(int64_t n, int64_t batch) {
  PeerRow row{"GEMM " + std::to_string(batch) + " of " + std::to_string(n), "matmul", "{}", [=] {
                const auto keys = split(key(22), 2);
                return jitted(product, normal(keys[0], {batch, n, n}), normal(keys[1], {batch, n, n}));
              }};
  row.flops = 2.0 * static_cast<double>(batch * n * n * n);
  return row;
}

PeerRow attention_row(int64_t tokens) {
  constexpr int64_t heads = 8, depth = 64;
  PeerRow row{"attention composed, 8x" + std::to_string(tokens) + "x64", "attention", "{}", [=] {
                const auto keys = split(key(23), 3);
                const auto f = [](const Tensor& q, const Tensor& k, const Tensor& v) {
                  return matmul(softmax(matmul(q, transpose(k, {0, 2, 1})) * (1 / std::sqrt(double{depth})), -1), v);
                };
                return jitted(f, normal(keys[0], {heads, tokens, depth}), normal(keys[1], {heads, tokens, depth}),
                              normal(keys[2], {heads, tokens, depth}));
              }};
  row.flops = 4.0 * static_cast<double>(heads * tokens * tokens * depth);
  return row;
}

// The row of its own. With the gradient, what is differentiated is a sum weighed by a fourth tensor: the seven products of a forward
// and a backward pass.
PeerRow own_attention_row(int64_t tokens, bool causal, bool gradient) {
  constexpr int64_t heads = 8, depth = 64;
  std::string name = causal ? "causal attention" : "attention";
  if (gradient) name.append(" + gradient");
  name.append(", 8x").append(std::to_string(tokens)).append("x64");
  const auto f = [=](const Tensor& q, const Tensor& k, const Tensor& v) {
    return nn::attention(q, k, v, {.causal = causal});
  };
  PeerRow row{name, gradient ? "attention gradient" : "own attention",
              causal ? R"({"causal": true})" : R"({"causal": false})", [=] {
                const auto keys = split(key(25), 4);
                const auto drawn = [&](size_t i) { return normal(keys[i], {heads, tokens, depth}); };
                if (!gradient) return jitted(f, drawn(0), drawn(1), drawn(2));
                const auto loss = [=](const std::vector<Tensor>& x, const Tensor& c) {
                  return sum(f(x[0], x[1], x[2]) * c);
                };
                return jitted(grad(loss), std::vector<Tensor>{drawn(0), drawn(1), drawn(2)}, drawn(3));
              }};
  const double products = gradient ? 7 : 2;
  row.flops = products * 2.0 * static_cast<double>(heads * tokens * (causal ? tokens + 1 : 2 * tokens) / 2 * depth);
  return row;
}

// One query against keys and values of 4096 tokens, four heads to each of theirs: what is read is all that counts.
PeerRow decode_row() {
  constexpr int64_t heads = 32, key_heads = 8, tokens = 4096, depth = 128;
  PeerRow row{"attention decode, 32/8x4096x128", "own attention", R"({"causal": false})", [=] {
                const auto keys = split(key(26), 3);
                const auto f = [](const Tensor& q, const Tensor& k, const Tensor& v) { return nn::attention(q, k, v); };
                return jitted(f, normal(keys[0], {heads, 1, depth}), normal(keys[1], {key_heads, tokens, depth}),
                              normal(keys[2], {key_heads, tokens, depth}));
              }};
  row.bytes = 8.0 * static_cast<double>(key_heads * tokens * depth);
  return row;
}

}  // namespace

void add_contraction_rows(PeerRows& rows) {
  for (int64_t n : {64, 256, 512, 1024, 2048}) rows.push_back(product_row(n, n, n));
  for (int64_t n : {32, 48, 67, 96, 129, 500, 1000}) rows.push_back(product_row(n, n, n));
  for (int64_t m : {1, 4, 8, 16, 32}) rows.push_back(product_row(m, 1024, 1024));
  rows.push_back(product_row(1024, 1024, 16));
  rows.push_back(product_row(1024, 1024, 1));
  for (const auto& [n, batch] : {std::pair<int64_t, int64_t>{8, 4096}, {16, 2048}, {32, 512}, {64, 128}, {96, 64}})
    rows.push_back(batch_row(n, batch));
  PeerRow halves{"GEMM bf16 512", "matmul bf16", "{}", [] {
                   const auto keys = split(key(24), 2);
                   const Tensor a = normal(keys[0], {512, 512}), b = normal(keys[1], {512, 512});
                   Work work = jitted(product, a.astype(bf16), b.astype(bf16));
                   work.inputs = {a, b};  // files hold no bf16: the peers round as Tenon does
                   return work;
                 }};
  halves.flops = 2.0 * 512 * 512 * 512;
  halves.tolerance = 1e-2;
  rows.push_back(halves);
  rows.push_back(attention_row(512));
  rows.push_back(attention_row(1024));
  for (int64_t tokens : {512, 1024})
    for (bool causal : {false, true})
      for (bool gradient : {false, true}) rows.push_back(own_attention_row(tokens, causal, gradient));
  rows.push_back(decode_row());
}

}  // namespace tenon::bench
