// A gradient for every example: vmap of a gradient, as one program, beside the same gradient called for each example in turn.
#include <benchmark/benchmark.h>
#include <tenon/tenon.h>

#include "tenon/bench/case.h"
#include "tenon/examples/data/mlp.h"

namespace tenon::bench {
namespace {

constexpr int64_t examples = 64;

Tensor example_loss(const mlp::Params& p, const Tensor& image, const Tensor& label) {
  return mlp::loss(p, image.reshape({1, 784}), label.reshape({1}));
}

// What per-example gradients are made for: each example's is scaled to a norm of at most 1, and their mean is taken (Abadi et al., 2016).
mlp::Params clipped(const mlp::Params& gradient) {
  Tensor squares = full({}, 0.0f);
  for (const Tensor& t : tree::leaves(gradient)) squares = squares + sum(t * t);
  const Tensor scale = minimum(rsqrt(squares), 1.0f);
  return tree::map([&](const Tensor& t) { return t * scale; }, gradient);
}

void add_case(const char* name, bool clip, double bar) {
  Case c;
  c.name = name;
  c.unit = Unit::microseconds;
  c.work = examples;
  c.bars = {{"per one by one", true, bar}};
  c.prepare = [clip] {
    const mlp::Params params = mlp::init(1);
    const Tensor images = (uniform(key(2), {examples, 784}) * 255.0f).astype(u8);
    const Tensor labels = arange(0, examples).astype(i64) - arange(0, examples).astype(i64) / 10 * 10;
    const auto one = [clip](const mlp::Params& p, const Tensor& image, const Tensor& label) {
      const mlp::Params g = grad(example_loss)(p, image, label);
      return clip ? clipped(g) : g;
    };
    const auto mean_of = [clip](const mlp::Params& g) {
      return clip ? tree::map([](const Tensor& t) { return mean(t, {.axes = {0}}); }, g) : g;
    };
    const auto all = jit([=](const mlp::Params& p, const Tensor& x, const Tensor& y) {
      return mean_of(vmap(one, {.in_axes = {none, 0, 0}})(p, x, y));
    });
    const auto single = jit(one);
    const auto sum_up = jit(
        [](const mlp::Params& a, const mlp::Params& b) {
          return tree::map([](const Tensor& s, const Tensor& t) { return s + t; }, a, b);
        },
        {.donate = {0}});
    std::vector<Tensor> x, y;
    for (int64_t i = 0; i < examples; ++i) {
      x.push_back(images[i]);
      y.push_back(labels[i]);
    }
    const auto in_turn = [=] {
      std::vector<mlp::Params> kept;
      mlp::Params total;
      for (size_t i = 0; i < x.size(); ++i) {
        mlp::Params g = single(params, x[i], y[i]);
        if (!clip)
          kept.push_back(std::move(g));
        else
          total = i == 0 ? g : sum_up(total, g);
      }
      benchmark::DoNotOptimize(kept.data());
    };
    return std::vector<Subject>{{fused, [=] { all(params, images, labels); }}, {"one by one", in_turn}};
  };
  add(c);
}

}  // namespace

void add_lanes() {
  add_case("gradient per example, all kept", false, 5);
  add_case("gradient per example, clipped, mean", true, 5);
}

}  // namespace tenon::bench
