// Rows of derivatives on their own: softmax, layer_norm, cross_entropy, embedding; the optimizer's step; and a loop of a hundred
// thousand tiny steps with its gradient.
#include "tenon/bench/lorenz.h"
#include "tenon/bench/peer_row.h"

namespace tenon::bench {
namespace {

using State = Point<Tensor>;

State go(const State& start, int64_t steps) {
  const auto body = [](const State& p, const std::vector<Tensor>& none) { return std::pair(advance<Tensor>(p), none); };
  return scan(body, start, std::vector<Tensor>{}, {.length = steps}).first;
}

Tensor total(const State& start, int64_t steps) {
  const State end = go(start, steps);
  return end.x + end.y + end.z;
}

void by_hand(int64_t steps) {
  Point<float> p{1, 1, 1};
  asm volatile("" : "+x"(p.x), "+x"(p.y), "+x"(p.z));
  for (int64_t i = 0; i < steps; ++i) p = advance<float>(p);
  asm volatile("" : : "x"(p.x), "x"(p.y), "x"(p.z));
}

// The system is chaotic: results are compared after fewer steps, where roundings have not yet grown.
constexpr int64_t few = 1000;
constexpr const char* few_steps = R"({"steps": 1000})";

PeerRow lorenz_row() {
  constexpr int64_t steps = 100000;
  PeerRow row{"Lorenz scan, 100000 steps", "lorenz", R"({"steps": 100000})", [] {
                const State start{tensor(1.0f), tensor(1.0f), tensor(1.0f)};
                Work work = jitted([](const State& s) { return go(s, steps); }, start);
                work.result = [=] { return tree::leaves(jit([](const State& s) { return go(s, few); })(start)); };
                work.loop = [] { by_hand(steps); };
                return work;
              }};
  row.check = few_steps;
  row.tolerance = 1e-3;
  return row;
}

PeerRow lorenz_gradient_row() {
  PeerRow row{"Lorenz scan gradient, 10000 steps", "lorenz gradient", R"({"steps": 10000})", [] {
                const State start{tensor(1.0f), tensor(1.0f), tensor(1.0f)};
                Work work = jitted(grad([](const State& s) { return total(s, 10000); }), start);
                work.result = [=] {
                  return tree::leaves(jit(grad([](const State& s) { return total(s, few); }))(start));
                };
                return work;
              }};
  row.check = few_steps;
  row.tolerance = 1e-3;
  return row;
}

PeerRow adamw_row() {
  PeerRow row{"adamw, 1 M", "adamw", "{}", [] {
                const Tensor p = normal(key(54), {1 << 20}), g = normal(key(55), {1 << 20});
                const auto state = optim::adamw_init(p);
                const auto f = [](const Tensor& parameters, const Tensor& gradient,
                                  const optim::AdamWState<Tensor>& s) {
                  return optim::adamw(parameters, gradient, s, {.rate = 1e-3, .weight_decay = 1e-2});
                };
                Work work = jitted(f, p, g, state);
                work.inputs = {p, g, zeros({1 << 20}), zeros({1 << 20})};
                work.result = [all = work.result] { return std::vector<Tensor>{all()[0]}; };
                return work;
              }};
  row.bytes = 28.0 * (1 << 20);
  return row;
}

}  // namespace

void add_gradient_rows(PeerRows& rows) {
  constexpr int64_t n = 1024;
  PeerRow soft{"softmax gradient, 1024x1024", "softmax gradient", "{}", [] {
                 const auto f = [](const Tensor& x, const Tensor& c) { return sum(softmax(x, -1) * c); };
                 return jitted(grad(f), normal(key(51), {n, n}), normal(key(52), {n, n}));
               }};
  soft.bytes = 12.0 * n * n;
  rows.push_back(soft);
  for (int64_t m : {int64_t{128}, n}) {
    const int64_t width = m == n ? n : 512;
    PeerRow norm{"layer_norm gradient, " + std::to_string(m) + "x" + std::to_string(width), "layer_norm gradient", "{}",
                 [=] {
                   const auto f = [](const Tensor& x, const Tensor& a, const Tensor& b, const Tensor& c) {
                     return sum(layer_norm(x, a, b) * c);
                   };
                   return jitted(grad<0, 1, 2>(f), normal(key(51), {m, width}), normal(key(53), {width}),
                                 zeros({width}), normal(key(52), {m, width}));
                 }};
    norm.bytes = 12.0 * static_cast<double>(m * width);
    rows.push_back(norm);
  }
  PeerRow loss{"cross_entropy gradient, 1024x1000", "cross_entropy gradient", "{}", [] {
                 const auto f = [](const Tensor& x, const Tensor& labels) { return cross_entropy(x, labels); };
                 return jitted(value_and_grad(f), normal(key(51), {n, 1000}), random::randint(key(52), {n}, 0, 1000));
               }};
  loss.bytes = 8.0 * n * 1000;
  rows.push_back(loss);
  PeerRow words{"embedding gradient, 4096 into 10000x256", "embedding gradient", "{}", [] {
                  const auto f = [](const Tensor& w, const Tensor& i, const Tensor& c) {
                    return sum(embedding(i, w) * c);
                  };
                  return jitted(grad(f), normal(key(51), {10000, 256}), random::randint(key(52), {4096}, 0, 10000),
                                normal(key(53), {4096, 256}));
                }};
  words.bytes = 4.0 * 256 * (10000 + 3 * 4096);
  rows.push_back(words);
  rows.push_back(adamw_row());
  rows.push_back(lorenz_row());
  rows.push_back(lorenz_gradient_row());
}

}  // namespace tenon::bench
