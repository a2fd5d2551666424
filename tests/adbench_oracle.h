// ADBench's four objectives as loops over doubles, written from their definitions alone: what the programs over tensors are held
// against. Refuses to share a line with them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace tenon::testing::oracle {

using Numbers = std::vector<double>;

inline double log_sum_exp(const Numbers& v) {
  const double most = *std::max_element(v.begin(), v.end());
  double sum = 0;
  for (double x : v) sum += std::exp(x - most);
  return most + std::log(sum);
}

// parameters: alpha, means, icf, row by row.
inline double gmm(const Numbers& parameters, const Numbers& x, size_t d, size_t k, double gamma, double m,
                  double sign) {
  const size_t n = x.size() / d, packed = d * (d + 1) / 2;
  const double *alpha = parameters.data(), *mean = alpha + k, *icf = mean + k * d;
  std::vector<Numbers> root(k, Numbers(d * d));
  Numbers logs(k), squares(k);
  for (size_t j = 0; j < k; ++j) {
    const double *q = icf + j * packed, *l = q + d;
    for (size_t c = 0; c < d; ++c) {
      logs[j] += q[c];
      root[j][c * d + c] = std::exp(q[c]);
      for (size_t r = c + 1; r < d; ++r) root[j][r * d + c] = *l++;
    }
    for (double entry : root[j]) squares[j] += entry * entry;
  }
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    Numbers inside(k);
    for (size_t j = 0; j < k; ++j) {
      double distance = 0;
      for (size_t r = 0; r < d; ++r) {
        double y = 0;
        for (size_t c = 0; c < d; ++c) y += root[j][r * d + c] * (x[i * d + c] - mean[j * d + c]);
        distance += y * y;
      }
      inside[j] = alpha[j] + logs[j] - 0.5 * distance;
    }
    sum += log_sum_exp(inside);
  }
  const double points = static_cast<double>(n), width = static_cast<double>(d), pi = std::acos(-1.0);
  sum -= 0.5 * points * width * std::log(2 * pi) + points * log_sum_exp(Numbers(alpha, alpha + k));
  const double freedom = width + m + 1;
  double log_gamma = 0.25 * width * (width - 1) * std::log(pi);
  for (size_t j = 1; j <= d; ++j) log_gamma += std::lgamma(0.5 * freedom + 0.5 * (1 - static_cast<double>(j)));
  const double constant = freedom * width * (std::log(gamma) - 0.5 * std::log(2.0)) - log_gamma;
  for (size_t j = 0; j < k; ++j) sum += sign * (0.5 * gamma * gamma * squares[j] - m * logs[j] - constant);
  return sum;
}

// parameters: main, extra, flat.
inline double lstm(const Numbers& parameters, Numbers state, const Numbers& sequence, size_t layers, size_t b) {
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const size_t characters = sequence.size() / b;
  const double* extra = parameters.data() + 8 * layers * b;
  double total = 0;
  for (size_t t = 0; t + 1 < characters; ++t) {
    Numbers x(b);
    for (size_t u = 0; u < b; ++u) x[u] = sequence[t * b + u] * extra[u];
    for (size_t i = 0; i < layers; ++i) {
      const double *w = parameters.data() + 8 * i * b, *bias = w + 4 * b;
      double *h = state.data() + 2 * i * b, *c = h + b;
      for (size_t u = 0; u < b; ++u) {
        const double forget = sigmoid(x[u] * w[u] + bias[u]), in = sigmoid(h[u] * w[b + u] + bias[b + u]);
        const double out = sigmoid(x[u] * w[2 * b + u] + bias[2 * b + u]);
        c[u] = c[u] * forget + in * std::tanh(h[u] * w[3 * b + u] + bias[3 * b + u]);
        h[u] = x[u] = out * std::tanh(c[u]);
      }
    }
    double sum = 2;
    for (size_t u = 0; u < b; ++u) sum += std::exp(x[u] * extra[b + u] + extra[2 * b + u]);
    for (size_t u = 0; u < b; ++u)
      total += sequence[(t + 1) * b + u] * (x[u] * extra[b + u] + extra[2 * b + u] - std::log(sum));
  }
  return -total / static_cast<double>(b * (characters - 1));
}

using Vector = std::array<double, 3>;
inline double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
inline Vector turned(const Vector& r, const Vector& v, double least) {
  const double angle = std::sqrt(dot(r, r));
  Vector y{};
  if (angle <= least) {
    const Vector across = cross(r, v);
    for (size_t k = 0; k < 3; ++k) y[k] = v[k] + (least == 0 ? across[k] : 0);
    return y;
  }
  const Vector axis{r[0] / angle, r[1] / angle, r[2] / angle}, across = cross(axis, v);
  for (size_t k = 0; k < 3; ++k)
    y[k] = v[k] * std::cos(angle) + across[k] * std::sin(angle) + axis[k] * dot(axis, v) * (1 - std::cos(angle));
  return y;
}

// Of one observation: two reprojection errors.
inline std::array<double, 2> reprojection(const double* camera, const double* point, double weight,
                                          const double* feature) {
  const Vector r{camera[0], camera[1], camera[2]};
  const Vector y = turned(r, {point[0] - camera[3], point[1] - camera[4], point[2] - camera[5]}, 0);
  const double u = y[0] / y[2], v = y[1] / y[2], square = u * u + v * v;
  const double scale = 1 + camera[9] * square + camera[10] * square * square;
  return {weight * (camera[6] * u * scale + camera[7] - feature[0]),
          weight * (camera[6] * v * scale + camera[8] - feature[1])};
}

struct Hand {
  std::vector<int64_t> parent;
  std::vector<Numbers> rest, inverse;  // 4 x 4, row by row
  std::vector<Vector> vertices;
  std::vector<std::vector<std::pair<size_t, double>>> weights;  // by vertex
};

inline Numbers product(const Numbers& a, const Numbers& b) {
  Numbers c(16);
  for (size_t i = 0; i < 4; ++i)
    for (size_t j = 0; j < 4; ++j)
      for (size_t k = 0; k < 4; ++k) c[4 * i + j] += a[4 * i + k] * b[4 * k + j];
  return c;
}

// All vertices of the posed hand.
inline std::vector<Vector> posed(const Hand& hand, const Numbers& theta) {
  std::vector<Numbers> absolute, place;
  for (size_t b = 0; b < hand.parent.size(); ++b) {
    double flexion = 0, abduction = 0;
    if (b >= 1 && b <= 20 && (b - 1) % 4 > 0) {
      const size_t first = 6 + 4 * ((b - 1) / 4), joint = (b - 1) % 4;
      flexion = theta[joint == 1 ? first : first + joint];
      if (joint == 1) abduction = theta[first + 1];
    }
    const double c = std::cos(flexion), s = std::sin(flexion), d = std::cos(abduction), t = std::sin(abduction);
    const Numbers bend{1, 0, 0, 0, 0, c, -s, 0, 0, s, c, 0, 0, 0, 0, 1},
        spread{d, -t, 0, 0, t, d, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    const Numbers local = product(hand.rest[b], product(spread, bend));
    absolute.push_back(hand.parent[b] < 0 ? local : product(absolute[static_cast<size_t>(hand.parent[b])], local));
    place.push_back(product(absolute[b], hand.inverse[b]));
  }
  std::vector<Vector> result;
  for (size_t v = 0; v < hand.vertices.size(); ++v) {
    const Vector& x = hand.vertices[v];
    Vector p{};
    for (const auto& [bone, weight] : hand.weights[v])
      for (size_t k = 0; k < 3; ++k) {
        const double* row = place[bone].data() + 4 * k;
        p[k] += weight * (row[0] * x[0] + row[1] * x[1] + row[2] * x[2] + row[3]);
      }
    Vector g = turned({theta[0], theta[1], theta[2]}, p, 1e-4);
    for (size_t k = 0; k < 3; ++k) g[k] += theta[3 + k];
    result.push_back(g);
  }
  return result;
}

}  // namespace tenon::testing::oracle
