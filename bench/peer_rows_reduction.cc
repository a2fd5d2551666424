// Rows of reductions and of work on whole rows: softmax, layer_norm, sums, positions of the greatest.
#include "tenon/bench/peer_row.h"

namespace tenon::bench {
namespace {

std::string text(int64_t m, int64_t n) { return ", " + std::to_string(m) + "x" + std::to_string(n); }

PeerRow softmax_row(int64_t m, int64_t n) {
  PeerRow row{"softmax" + text(m, n), "softmax", "{}",
              [=] { return jitted([](const Tensor& x) { return softmax(x, -1); }, normal(key(11), {m, n})); }};
  row.bytes = 8.0 * static_cast<double>(m * n);
  return row;
}

PeerRow layer_norm_row(int64_t m, int64_t n) {
  PeerRow row{"layer_norm" + text(m, n), "layer_norm", "{}", [=] {
                const auto keys = split(key(12), 3);
                return jitted([](const Tensor& x, const Tensor& a, const Tensor& b) { return layer_norm(x, a, b); },
                              normal(keys[0], {m, n}), normal(keys[1], {n}), normal(keys[2], {n}));
              }};
  row.bytes = 8.0 * static_cast<double>(m * n);
  return row;
}

}  // namespace

void add_reduction_rows(PeerRows& rows) {
  constexpr int64_t n = 1024;
  rows.push_back(softmax_row(128, 512));
  rows.push_back(softmax_row(256, 256));
  rows.push_back(softmax_row(n, n));
  rows.push_back(softmax_row(4096, 64));
  rows.push_back(layer_norm_row(128, 512));
  rows.push_back(layer_norm_row(n, n));
  PeerRow exponentials{"sum(exp(x)*y), 1024x1024", "sum of exp", "{}", [] {
                         const auto keys = split(key(13), 2);
                         return jitted([](const Tensor& x, const Tensor& y) { return sum(exp(x) * y); },
                                       normal(keys[0], {n, n}), uniform(keys[1], {n, n}));
                       }};
  exponentials.bytes = 8.0 * n * n;
  rows.push_back(exponentials);
  PeerRow columns{"column sums, 1024x1024", "column sums", "{}",
                  [] { return jitted([](const Tensor& x) { return sum(x, 0); }, normal(key(14), {n, n})); }};
  columns.bytes = 4.0 * n * n;
  rows.push_back(columns);
  PeerRow positions{"argmax of rows, 1024x1024", "argmax", "{}",
                    [] { return jitted([](const Tensor& x) { return argmax(x, 1); }, normal(key(15), {n, n})); }};
  positions.bytes = 4.0 * n * n;
  rows.push_back(positions);
}

}  // namespace tenon::bench
