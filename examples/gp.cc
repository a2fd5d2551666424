// A Gaussian process fitted by gradients: noisy samples of a curve, a kernel with three hyperparameters, the log marginal likelihood
// through a Cholesky factor and a triangular solve (Rasmussen and Williams, Gaussian Processes for Machine Learning, algorithm 2.1), its
// gradient by tn::value_and_grad, and Adam. Value and gradient are held against the closed form (the book's equations 5.8 and 5.9), which
// takes the inverse and the determinant instead. Exits with 1 where they differ.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "tenon/frontend/tenon.h"

namespace tn = tenon;
using tn::Tensor;

struct Hyperparameters {  // as logarithms, so that any number is one
  Tensor length, height, noise;
};

// height^2 exp(-|x - y|^2 / (2 length^2))
Tensor kernel(const Hyperparameters& h, const Tensor& x, const Tensor& y) {
  const Tensor apart = (x.reshape({-1, 1}) - y) / tn::exp(h.length);
  return tn::exp(2 * h.height - 0.5 * apart * apart);
}

Tensor eye(int64_t n) {
  const Tensor i = tn::arange(0, n);
  return (i.reshape({-1, 1}) == i).astype(tn::f64);
}

Tensor covariance(const Hyperparameters& h, const Tensor& x) {
  return kernel(h, x, x) + tn::exp(2 * h.noise) * eye(x.shape()[0].number());
}

// -log p(y | x)
Tensor loss(const Hyperparameters& h, const Tensor& x, const Tensor& y) {
  const double n = static_cast<double>(x.shape()[0].number());
  const Tensor l = tn::linalg::cholesky(covariance(h, x));
  const Tensor white = tn::linalg::solve_triangular(l, y);
  return 0.5 * tn::sum(white * white) + tn::sum(tn::log(tn::linalg::diagonal(l))) +
         0.5 * n * std::log(2 * std::numbers::pi);
}

// The same, and its derivatives by hand: d/dt = (tr(K^-1 dK/dt) - a^T dK/dt a) / 2 with a = K^-1 y.
std::pair<Tensor, Hyperparameters> closed_form(const Hyperparameters& h, const Tensor& x, const Tensor& y) {
  const double n = static_cast<double>(x.shape()[0].number());
  const Tensor k = covariance(h, x), inverse = tn::linalg::inv(k), a = tn::matmul(inverse, y);
  const Tensor value = 0.5 * (tn::dot(y, a) + tn::linalg::slogdet(k).logabsdet + n * std::log(2 * std::numbers::pi));
  const auto by = [&](const Tensor& dk) { return 0.5 * (tn::sum(inverse * dk) - tn::dot(a, tn::matmul(dk, a))); };
  const Tensor smooth = kernel(h, x, x), apart = (x.reshape({-1, 1}) - x) / tn::exp(h.length);
  const Tensor noise = tn::exp(2 * h.noise) * eye(x.shape()[0].number());
  return {value, {by(smooth * apart * apart), by(2 * smooth), by(2 * noise)}};
}

double gap(const Tensor& a, const Tensor& b) {
  return std::abs(a.item<double>() - b.item<double>()) / std::max(1.0, std::abs(b.item<double>()));
}

int main() {
  constexpr int64_t samples = 60;
  const auto [for_places, for_noise] = tn::split(tn::key(7));
  const Tensor x = tn::sort(6 * tn::uniform(for_places, {samples}, {.dtype = tn::f64}));
  const Tensor y = tn::sin(2 * x) + 0.1 * x + 0.2 * tn::normal(for_noise, {samples}, {.dtype = tn::f64});

  const auto zero = [] { return tn::zeros({}, {.dtype = tn::f64}); };
  Hyperparameters h{zero(), zero(), zero()};
  auto state = tn::optim::adamw_init(h);
  const auto step = tn::jit([&](const Hyperparameters& now, const tn::optim::AdamWState<Hyperparameters>& then) {
    const auto [value, gradient] = tn::value_and_grad([&](const Hyperparameters& p) { return loss(p, x, y); })(now);
    const auto [next, after] = tn::optim::adamw(now, gradient, then, {.rate = 0.05, .weight_decay = 0});
    return std::tuple(value, next, after);
  });

  const auto check = [&] {
    const auto [value, gradient] = tn::value_and_grad([&](const Hyperparameters& p) { return loss(p, x, y); })(h);
    const auto [expected, by_hand] = closed_form(h, x, y);
    return std::max({gap(value, expected), gap(gradient.length, by_hand.length), gap(gradient.height, by_hand.height),
                     gap(gradient.noise, by_hand.noise)});
  };
  double worst = check();
  for (int k = 0; k <= 300; ++k) {
    Tensor value;
    std::tie(value, h, state) = step(h, state);
    if (k % 50 == 0) std::printf("step %3d  -log p(y | x) %9.4f\n", k, value.item<double>());
  }
  worst = std::max(worst, check());

  const auto shown = [](const Tensor& t) { return std::exp(t.item<double>()); };
  std::printf("length %.3f  height %.3f  noise %.3f (drawn with 0.2)\n", shown(h.length), shown(h.height),
              shown(h.noise));

  // What the process says of new places: mean and deviation.
  const Tensor places = 0.5 + tn::arange(0, 6).astype(tn::f64), l = tn::linalg::cholesky(covariance(h, x));
  const Tensor cross = kernel(h, x, places);
  const Tensor mean = tn::matmul(cross.transpose(), tn::linalg::cholesky_solve(y, l));
  const Tensor seen = tn::linalg::solve_triangular(l, cross);
  const Tensor deviation = tn::sqrt(tn::exp(2 * h.height) - tn::sum(seen * seen, {.axes = {0}}));
  for (int64_t i = 0; i < 6; ++i) {
    const double at = places[i].item<double>();
    std::printf("f(%.1f) = %6.3f +- %.3f, the curve is %6.3f\n", at, mean[i].item<double>(),
                deviation[i].item<double>(), std::sin(2 * at) + 0.1 * at);
  }
  std::printf("value and gradient against the closed form: %.1e\n", worst);
  return worst < 1e-6 ? 0 : 1;
}
