// ADBench's hand: a skinned model of 22 bones, posed by 26 parameters, against measured points. In the complicated problem each
// point lies somewhere on a triangle of the model, and where is two parameters more.
#pragma once

#include <tenon/tenon.h>

#include <vector>

namespace adbench {

namespace tn = tenon;
using tn::Tensor;

// Bones are numbered by their distance from the root: those of a level stand together, and a level hangs on the one before.
struct HandModel {
  std::vector<std::vector<int64_t>>
      levels;  // by level and bone, the number of its parent within the level before; the root's is 0
  std::vector<int64_t> flexion,
      abduction;  // by bone: the parameter that bends it and the one that spreads it, 26 for none
  Tensor rest;  // [bones, 3, 4]: the transform from bone to parent, at rest
  Tensor
      skin;  // [vertices, 4 bones]: by vertex and bone, its weight times its place [x, y, z, 1] as the bone has it at rest
};

struct HandData {
  HandModel model;
  Tensor points;  // [n, 3], measured
  Tensor corners;  // i64[n, 1]: the vertex of each point; or i64[n, 3]: the corners of its triangle
};

inline constexpr int64_t hand_parameters = 26;

inline Tensor indices(const std::vector<int64_t>& list) {
  return tn::copy_from(list.data(), {static_cast<int64_t>(list.size())}, tn::i64);
}

// A matrix for each element of what its nine entries are, row by row.
inline Tensor matrices(const std::vector<Tensor>& entries) { return tn::stack(entries, -1).reshape({-1, 3, 3}); }

// By angle and axis (Rodrigues); below an angle of 1e-4 nothing turns, and it has no derivative.
inline Tensor rotation(const Tensor& r) {
  const Tensor square = tn::sum(r * r), still = square < 1e-8;
  const Tensor angle = tn::sqrt(tn::where(still, 1, square)), axis = r / angle;
  const Tensor sine = tn::where(still, 0, tn::sin(angle)), rest = tn::where(still, 0, 1 - tn::cos(angle));
  const Tensor x = axis[0], y = axis[1], z = axis[2], zero = tn::zeros_like(x);
  const Tensor across = matrices({zero, -z, y, z, zero, -x, -y, x, zero})[0];
  const Tensor identity = tn::copy_from(std::vector<double>{1, 0, 0, 0, 1, 0, 0, 0, 1}.data(), {3, 3}, tn::f64);
  return identity + sine * across + rest * tn::matmul(across, across);
}

// Each bone's transform from the bone to its parent, [bones, 3, 4]: at rest, after it was bent and spread.
inline Tensor bent(const HandModel& model, const Tensor& theta) {
  const Tensor angles = tn::concat({theta, tn::zeros({1}, {.dtype = tn::f64})}, 0);
  const Tensor flexion = tn::take(angles, indices(model.flexion)),
               abduction = tn::take(angles, indices(model.abduction));
  const Tensor c = tn::cos(flexion), s = tn::sin(flexion), d = tn::cos(abduction), t = tn::sin(abduction);
  const Tensor turn = matrices({d, -t * c, t * s, t, d * c, -d * s, tn::zeros_like(c), s, c});
  const Tensor axes = model.rest[{tn::all, tn::all, tn::slice(0, 3)}],
               place = model.rest[{tn::all, tn::all, tn::slice(3, 4)}];
  return tn::concat({tn::matmul(axes, turn), place}, 2);
}

// The bones of the posed hand, [4 bones, 3]: what a row of the skin is multiplied with.
inline Tensor posed(const HandModel& model, const Tensor& theta) {
  const Tensor local = bent(model, theta);
  const auto axes = [](const Tensor& t) { return t[{tn::all, tn::all, tn::slice(0, 3)}]; };
  const auto place = [](const Tensor& t) { return t[{tn::all, tn::all, tn::slice(3, 4)}]; };
  Tensor level =
      tn::concat({rotation(theta[tn::slice(0, 3)]), tn::zeros({3, 1}, {.dtype = tn::f64})}, 1).reshape({1, 3, 4});
  std::vector<Tensor> all;
  int64_t first = 0;
  for (const std::vector<int64_t>& parents : model.levels) {
    const auto count = static_cast<int64_t>(parents.size());
    const Tensor own = local[tn::slice(first, first + count)], parent = tn::take(level, indices(parents));
    const Tensor moved = tn::matmul(axes(parent), own);
    level = tn::concat({axes(moved), place(moved) + place(parent)}, 2);
    all.push_back(level);
    first += count;
  }
  return tn::concat(all, 0).transpose({0, 2, 1}).reshape({4 * first, 3});
}

// Where rows of the skin lie on the posed hand, [rows, 3].
inline Tensor placed(const Tensor& skin, const HandModel& model, const Tensor& theta) {
  return tn::matmul(skin, posed(model, theta)) + theta[tn::slice(3, 6)];
}

// From each measured point to its vertex, [n, 3].
inline Tensor hand_simple(const Tensor& theta, const HandData& data) {
  const Tensor skin = tn::take(data.model.skin, data.corners.reshape({-1}));
  return data.points - placed(skin, data.model, theta);
}

// From each measured point to its place on its triangle, where: [n, 2]. What a triangle carries there is what its corners carry,
// in shares whose sum is 1.
inline Tensor hand_complicated(const Tensor& where, const Tensor& theta, const HandData& data) {
  const int64_t n = data.points.shape()[0];
  const Tensor corners = tn::take(data.model.skin, data.corners);  // [n, 3, 4 bones]
  const Tensor shares = tn::concat({where, 1 - tn::sum(where, {.axes = {1}, .keepdims = true})}, 1);
  const Tensor skin = tn::sum(shares.reshape({n, 3, 1}) * corners, {.axes = {1}});
  return data.points - placed(skin, data.model, theta);
}

}  // namespace adbench
