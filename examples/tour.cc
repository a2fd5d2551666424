// A tour for those who come from NumPy: the first hour of an array library, in its own words. Prints what it computes.
#include <tenon/tenon.h>

#include <iostream>

namespace tn = tenon;
using tn::all, tn::ellipsis, tn::none, tn::slice;

int main() {
  // Making arrays
  const auto a = tn::arange(0, 12).reshape({3, 4});
  const auto grid = tn::linspace(0.0, 1.0, 5);
  std::cout << a << "\n" << a.shape() << " " << a.dtype() << "\n" << grid << "\n" << tn::eye(3) << "\n";

  // Indexing: numbers, slices, new axes, index arrays, masks
  std::cout << a[{1, slice(0, 4, 2)}] << "\n" << a[{ellipsis, none, 0}].shape() << "\n";
  std::cout << a[{tn::tensor({2, 0})}] << "\n" << a[{a > 6}] << "\n";
  auto b = a.astype(tn::f32);
  b[{all, 1}] = -1;
  b[0] += 10;
  std::cout << b << "\n";

  // Reductions, order, sets
  std::cout << b.sum(0) << " " << b.mean(1) << " " << b.std({.axes = {1}, .correction = 1}) << "\n";
  const auto [values, places] = tn::topk(b.flatten(), 3);
  std::cout << values << " " << places << " " << tn::median(b) << " " << tn::quantile(b, 0.9) << "\n";
  std::cout << tn::cumprod(grid + 1, 0) << " " << tn::diff(grid) << " " << tn::bincount(tn::tensor({0, 1, 1, 3}), 4)
            << "\n";
  std::cout << tn::searchsorted(grid, tn::tensor({0.3, 0.7})) << " " << tn::unique(tn::tensor({3, 1, 3, 2}), 3) << "\n";

  // Shapes
  std::cout << tn::concat({a, a}, 1).shape() << " " << tn::stack({a, a}).shape() << " " << tn::roll(grid, 1, 0) << "\n";
  std::cout << tn::tril(tn::ones({3, 3})) << "\n" << tn::pad(tn::arange(0, 3), {{1, 2}}, {.mode = "reflect"}) << "\n";
  for (const auto& part : tn::chunk(a, 2, 1)) std::cout << part.shape() << " ";

  // Products and linear algebra
  const auto m = tn::tensor({{4., 1.}, {1., 3.}}), v = tn::tensor({1., 2.});
  std::cout << "\n" << m.matmul(v) << " " << tn::einsum("ij,j->i", {m, v}) << " " << tn::outer(v, v) << "\n";
  std::cout << tn::linalg::solve(m, v) << " " << tn::linalg::det(m) << "\n" << tn::linalg::cholesky(m) << "\n";
  const auto [w, vectors] = tn::linalg::eigh(m);
  std::cout << w << " " << tn::norm(vectors) << "\n";

  // Random numbers are keyed: the same key gives the same draw
  const auto key = tn::key(7);
  std::cout << tn::random::randint(key, {4}, 0, 10) << " " << tn::random::permutation(key, 5) << "\n";

  // Waves
  const auto wave = tn::sin(tn::arange(0, 8).astype(tn::f64) * (2 * 3.14159265358979 / 8));
  std::cout << tn::abs(tn::fft::rfft(wave)) << "\n";

  // And what NumPy has not: derivatives, and one native function of it all
  const auto energy = [](const tn::Tensor& x) { return (x.sin() * x).sum(); };
  std::cout << tn::grad(energy)(grid) << " " << tn::jit(tn::grad(energy))(grid) << "\n";
}
