// ADBench's Gaussian mixture: the log-likelihood of points under a mixture of Gaussians, each given by its mean and the inverse of
// a root of its covariance, and a Wishart prior. The objective is the project's as published and timed, the log-likelihood minus
// the log of the prior; GradBench's correction, the log-posterior, is the other sign of `prior` (GmmData::sign).
#pragma once

#include <tenon/tenon.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace adbench {

namespace tn = tenon;
using tn::Tensor;

struct GmmParams {
  Tensor alpha;  // [k], the logarithms of the weights, up to a constant
  Tensor mean;  // [k, d]
  Tensor
      icf;  // [k, d (d + 1) / 2]: logarithms of the diagonal of a lower triangle, then what is below it, column by column
};

struct GmmData {
  Tensor x;  // [n, d]
  double gamma = 1;
  int64_t m = 0;
  double sign = 1;  // of minus the log of the prior: 1 as ADBench has it, -1 for the log-posterior
};

// Where the entries of a lower triangle stand in [diagonal..., below it column by column..., 0], row by row.
inline Tensor triangle_places(int64_t d) {
  const int64_t zero = d * (d + 1) / 2;
  std::vector<int64_t> places(static_cast<size_t>(d * d), zero);
  int64_t next = d;
  for (int64_t column = 0; column < d; ++column) {
    places[static_cast<size_t>(column * d + column)] = column;
    for (int64_t row = column + 1; row < d; ++row) places[static_cast<size_t>(row * d + column)] = next++;
  }
  return tn::copy_from(places.data(), {d * d}, tn::i64);
}

// log Γ_d(a), the multivariate gamma function.
inline double log_gamma(double a, int64_t d) {
  double sum = 0.25 * static_cast<double>(d * (d - 1)) * std::log(std::numbers::pi);
  for (int64_t j = 1; j <= d; ++j) sum += std::lgamma(a + 0.5 * static_cast<double>(1 - j));
  return sum;
}

inline Tensor gmm_objective(const GmmParams& p, const GmmData& data) {
  const int64_t n = data.x.shape()[0], d = data.x.shape()[1], k = p.alpha.shape()[0];
  const Tensor logs = p.icf[{tn::all, tn::slice(0, d)}], below = p.icf[{tn::all, tn::slice(d, d * (d + 1) / 2)}];
  const Tensor diagonal = tn::exp(logs), log_determinant = tn::sum(logs, {.axes = {1}});  // [k]
  const Tensor zero = tn::zeros({k, 1}, {.dtype = tn::f64});
  const Tensor root = tn::take(tn::concat({diagonal, below, zero}, 1), triangle_places(d), 1).reshape({k, d, d});

  // Q (x - mean) is [Q, -Q mean] times x with a 1 behind it: one product of matrices for all points and components.
  const Tensor shift = -tn::sum(root * p.mean.reshape({k, 1, d}), {.axes = {2}, .keepdims = true});
  const Tensor affine = tn::concat({root, shift}, 2).reshape({k * d, d + 1});
  const Tensor points_and_one = tn::concat({data.x, tn::ones({n, 1}, {.dtype = tn::f64})}, 1);
  const Tensor centred = tn::matmul(points_and_one, affine.transpose()).reshape({n, k, d});
  const Tensor distance = tn::sum(centred * centred, {.axes = {2}});  // [n, k]
  const Tensor inside = tn::logsumexp(p.alpha + log_determinant - 0.5 * distance, {.axes = {1}});
  const double points = static_cast<double>(n), width = static_cast<double>(d);
  const Tensor likelihood =
      tn::sum(inside) - points * tn::logsumexp(p.alpha) - 0.5 * points * width * std::log(2 * std::numbers::pi);

  const double m = static_cast<double>(data.m), freedom = width + m + 1;
  const double constant =
      freedom * width * (std::log(data.gamma) - 0.5 * std::numbers::ln2) - log_gamma(0.5 * freedom, d);
  const Tensor squares = tn::sum(diagonal * diagonal) + tn::sum(below * below);
  const Tensor prior =
      0.5 * data.gamma * data.gamma * squares - m * tn::sum(log_determinant) - static_cast<double>(k) * constant;
  return likelihood + data.sign * prior;
}

}  // namespace adbench
