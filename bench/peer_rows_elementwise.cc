// Rows of elementwise work: eight cheap operations past the caches and inside them, gelu of an affine map, and single functions of
// 64 K elements.
#include "tenon/bench/case.h"
#include "tenon/bench/chain.h"
#include "tenon/bench/data.h"
#include "tenon/bench/peer_row.h"

namespace tenon::bench {
namespace {

PeerRow chain_row(const std::string& name, int64_t count, bool in_cache) {
  PeerRow row{name, "chain", "{}", [=] {
                const Tensor x = uniform(key(1), {count});
                Work work = jitted([](const Tensor& v) { return chain<Tensor>(v); }, x);
                if (in_cache) work.loop = [=, to = block(count)] { chain_loop(to.get(), data(x), count); };
                return work;
              }};
  row.bytes = 8.0 * static_cast<double>(count);
  return row;
}

using Function = Tensor (*)(const Tensor&);

PeerRow unary_row(const std::string& function, Function f) {
  constexpr int64_t count = 64 << 10;
  PeerRow row{function + ", 64 K", "unary", R"({"function": ")" + function + "\"}",
              [=] { return jitted(f, normal(key(2), {count}) * (function == "log1p" ? 0.2f : 1.0f)); }};
  row.bytes = 8.0 * count;
  return row;
}

}  // namespace

void add_elementwise_rows(PeerRows& rows) {
  rows.push_back(chain_row("8-op chain, 16 M", 16 << 20, false));
  rows.push_back(chain_row("8-op chain, 64 K", 64 << 10, true));
  PeerRow affine{"gelu(x*w+b), 256x256", "gelu of affine", "{}", [] {
                   const auto keys = split(key(3), 3);
                   return jitted([](const Tensor& x, const Tensor& w, const Tensor& b) { return gelu(x * w + b); },
                                 normal(keys[0], {256, 256}), normal(keys[1], {256}), normal(keys[2], {256}));
                 }};
  affine.bytes = 8.0 * 256 * 256;
  rows.push_back(affine);
  rows.push_back(unary_row("exp", [](const Tensor& x) { return exp(x); }));
  rows.push_back(unary_row("tanh", [](const Tensor& x) { return tanh(x); }));
  rows.push_back(unary_row("sigmoid", [](const Tensor& x) { return sigmoid(x); }));
  rows.push_back(unary_row("silu", [](const Tensor& x) { return silu(x); }));
  rows.push_back(unary_row("softplus", [](const Tensor& x) { return softplus(x); }));
  rows.push_back(unary_row("log1p", [](const Tensor& x) { return log1p(x); }));
  rows.push_back(unary_row("gelu", [](const Tensor& x) { return gelu(x); }));
  PeerRow power{"pow, 64 K", "pow", "{}", [] {
                  return jitted([](const Tensor& x, const Tensor& y) { return pow(x, y); },
                                uniform(key(4), {64 << 10}) + 0.5f, normal(key(5), {64 << 10}));
                }};
  power.bytes = 12.0 * (64 << 10);
  rows.push_back(power);
}

}  // namespace tenon::bench
