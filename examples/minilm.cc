#include "tenon/examples/minilm/encoder.h"
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <cstring>
namespace tn = tenon;
static double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
int main(int argc, char** argv) {
  try {
  // prototype: ids file: lines of ids
  auto net = minilm::load(std::string(argv[1]) + "/model.safetensors");
  std::ifstream in(argv[2]);
  std::vector<std::vector<int32_t>> rows;
  for (std::string line; std::getline(in, line);) {
    std::istringstream s(line);
    rows.emplace_back();
    for (int32_t v; s >> v;) rows.back().push_back(v);
  }
  const bool captured = argc > 3 && !strcmp(argv[3], "c");
  const tn::Dim n = tn::dim("n", 1, 64), t = tn::dim("t", 1, 256);
  std::vector<std::pair<tn::Tensor, tn::Tensor>> batches;
  for (size_t i = 0; i < rows.size(); i += 32) {
    size_t m = std::min<size_t>(32, rows.size() - i), longest = 0;
    for (size_t j = 0; j < m; ++j) longest = std::max(longest, rows[i + j].size());
    std::vector<int32_t> ids(m * longest), len(m);
    for (size_t j = 0; j < m; ++j) { len[j] = rows[i + j].size(); std::copy(rows[i+j].begin(), rows[i+j].end(), ids.begin() + j * longest); }
    batches.push_back({tn::copy_from(ids.data(), {(int64_t)m, (int64_t)longest}, tn::i32), tn::copy_from(len.data(), {(int64_t)m}, tn::i32)});
  }
  auto f1 = tn::jit([net](const tn::Tensor& ids, const tn::Tensor& len) { return minilm::embed(net, ids, len); }, {.dynamic = {{0, 0, n}, {1, 0, n}, {0, 1, t}}});
  auto f2 = tn::jit([](const minilm::Encoder& net, const tn::Tensor& ids, const tn::Tensor& len) { return minilm::embed(net, ids, len); }, {.dynamic = {{1, 0, n}, {2, 0, n}, {1, 1, t}}});
  auto f = [&](const tn::Tensor& ids, const tn::Tensor& len) { return captured ? f1(ids, len) : f2(net, ids, len); };
  double s = now();
  f(batches[0].first, batches[0].second);
  std::printf("first %.0f ms\n", (now() - s) * 1e3);
  if (argc > 4) { auto c = f2.lower(net, batches[3].first, batches[3].second).compile(); std::cout << c.explain() << "\n"; return 0; }
  double best = 1e9, begin = now();
  while (now() - begin < 4) {
    s = now();
    for (auto& [i, l] : batches) f(i, l);
    best = std::min(best, now() - s);
  }
  std::printf("%.1f sentences/s\n", rows.size() / best);
  auto r = f(batches.back().first, batches.back().second).to_vector<float>();
  for (int i = 0; i < 4; ++i) std::printf("%.8f ", r[i]);
  std::puts("");
  } catch (const std::exception& e) { std::puts(e.what()); }
}
