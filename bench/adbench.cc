// ADBench's problems: how long a derivative takes beside its objective, on one thread. Of the mixture and the LSTM a gradient, of the
// bundle adjustment and the hand a Jacobian, which is sparse. Refuses to run without the project's files: the case says where they
// are looked for.
#include <benchmark/benchmark.h>
#include <tenon/tenon.h>

#include "tenon/bench/case.h"
#include "tenon/examples/adbench/read.h"

namespace tenon::bench {
namespace {

constexpr const char* objective = "objective";

// What both take, and what the derivative may take: that many objectives, or so many microseconds.
void add_problem(const std::string& name, std::vector<Bar> bars, std::function<std::vector<Subject>()> prepare) {
  Case c;
  c.name = name;
  c.unit = Unit::microseconds;
  c.bars = std::move(bars);
  c.prepare = std::move(prepare);
  c.seconds = 3;
  c.derivative = true;
  add(std::move(c));
}

template <class P, class F>
std::vector<Subject> gradient_beside(const P& params, F f) {
  const auto value = jit(f);
  const auto gradient = jit(grad(f));
  return {{fused, [=] { benchmark::DoNotOptimize(gradient(params)); }},
          {objective, [=] { benchmark::DoNotOptimize(value(params)); }}};
}

template <class F>
std::vector<Subject> jacobian_beside(const Tensor& x, F f) {
  const auto value = jit(f);
  const auto jacobian = jit(sparse_jacobian(f));
  return {{fused, [=] { benchmark::DoNotOptimize(jacobian(x)); }},
          {objective, [=] { benchmark::DoNotOptimize(value(x)); }}};
}

std::string file(const std::string& name) { return adbench::default_folder() + "/" + name; }

}  // namespace

void add_adbench() {
  const Bar three_objectives{std::string("per ") + objective, true, 1 / 3.0};
  for (const char* size : {"d2_K5", "d10_K10", "d32_K25"})
    add_problem(std::string("GMM gradient ") + size, {three_objectives}, [size] {
      const adbench::GmmFile gmm = adbench::read_gmm(file(std::string("gmm/1k/gmm_") + size + ".txt"));
      return gradient_beside(gmm.params, [=](const adbench::GmmParams& p) { return gmm_objective(p, gmm.data); });
    });
  add_problem("LSTM gradient l2_c1024", {three_objectives}, [] {
    const adbench::LstmFile lstm = adbench::read_lstm(file("lstm/lstm_l2_c1024.txt"));
    return gradient_beside(lstm.params, [=](const adbench::LstmParams& p) { return lstm_objective(p, lstm.data); });
  });
  add_problem("BA1 Jacobian", {{"value", false, 6000}}, [] {
    const adbench::BaFile ba = adbench::read_ba(file("ba/ba1_n49_m7776_p31843.txt"));
    return jacobian_beside(ba_parameters(ba.params), [=](const Tensor& x) { return ba_errors(x, ba.data); });
  });
  add_problem("HAND Jacobian, complicated", {{"value", false, 300}}, [] {
    const adbench::HandFile hand =
        adbench::read_hand(file("hand/model"), file("hand/complicated_small/hand1_t26_c100.txt"), true);
    const auto shares = static_cast<int64_t>(hand.where.numel());
    return jacobian_beside(concat({hand.where.reshape({-1}), hand.theta}, 0), [=](const Tensor& x) {
      const Tensor where = x[slice(0, shares)].reshape({-1, 2}), theta = x[slice(shares, shares + 26)];
      return hand_complicated(where, theta, hand.data).reshape({-1});
    });
  });
}

}  // namespace tenon::bench
