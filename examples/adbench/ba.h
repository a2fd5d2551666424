// ADBench's bundle adjustment: how far points, seen through cameras with radial distortion, fall from where they were observed,
// each observation with a weight; and how far the weights are from 1. All errors are one vector of all parameters, and each
// depends on fifteen of them at most.
#pragma once

#include <tenon/tenon.h>

namespace adbench {

namespace tn = tenon;
using tn::Tensor;

struct BaParams {
  Tensor cameras;  // [n, 11]: rotation as angle and axis, center, focal length, principal point, radial distortion
  Tensor points;  // [m, 3]
  Tensor weights;  // [p], one for each observation
};

struct BaData {
  Tensor camera, point;  // i64[p]: which camera observed which point
  Tensor feature;  // [p, 2]: where
  int64_t cameras = 0, points = 0;
};

// Cameras, points, weights, one after the other: the columns of the Jacobian.
inline Tensor ba_parameters(const BaParams& p) {
  return tn::concat({p.cameras.reshape({-1}), p.points.reshape({-1}), p.weights}, 0);
}

struct Vector3 {
  Tensor x, y, z;
};

inline Tensor dot(const Vector3& a, const Vector3& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vector3 cross(const Vector3& a, const Vector3& b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

// v turned by an angle |r| about r (Rodrigues); without an angle, v + r x v.
inline Vector3 rotated(const Vector3& r, const Vector3& v) {
  const Tensor square = dot(r, r), still = square == 0;
  const Tensor angle = tn::sqrt(tn::where(still, 1, square));  // no derivative of a root at 0
  const Tensor inverse = 1 / angle, cosine = tn::cos(angle), sine = tn::sin(angle);
  const Vector3 axis{r.x * inverse, r.y * inverse, r.z * inverse};
  const Vector3 across = cross(axis, v), small = cross(r, v);
  const Tensor along = dot(axis, v) * (1 - cosine);
  const auto turned = [&](const Tensor& v_k, const Tensor& across_k, const Tensor& axis_k, const Tensor& small_k) {
    return tn::where(still, v_k + small_k, v_k * cosine + across_k * sine + axis_k * along);
  };
  return {turned(v.x, across.x, axis.x, small.x), turned(v.y, across.y, axis.y, small.y),
          turned(v.z, across.z, axis.z, small.z)};
}

// Two reprojection errors for each observation, then the errors of the weights: [3 p].
inline Tensor ba_errors(const Tensor& parameters, const BaData& data) {
  const int64_t n = data.cameras, m = data.points, p = data.feature.shape()[0];
  const Tensor cameras = parameters[tn::slice(0, 11 * n)].reshape({n, 11});
  const Tensor points = parameters[tn::slice(11 * n, 11 * n + 3 * m)].reshape({m, 3});
  const Tensor weight = parameters[tn::slice(11 * n + 3 * m, 11 * n + 3 * m + p)];
  // A number of each observation's camera or point, [p].
  const auto of_camera = [&](int64_t k) { return tn::take(cameras[{tn::all, k}], data.camera); };
  const auto of_point = [&](int64_t k) { return tn::take(points[{tn::all, k}], data.point); };

  const Vector3 rotation{of_camera(0), of_camera(1), of_camera(2)};
  const Vector3 seen =
      rotated(rotation, {of_point(0) - of_camera(3), of_point(1) - of_camera(4), of_point(2) - of_camera(5)});
  const Tensor u = seen.x / seen.z, v = seen.y / seen.z, square = u * u + v * v;
  const Tensor scale = of_camera(6) * (1 + of_camera(9) * square + of_camera(10) * square * square);
  const Tensor error_u = weight * (scale * u + of_camera(7) - data.feature[{tn::all, 0}]);
  const Tensor error_v = weight * (scale * v + of_camera(8) - data.feature[{tn::all, 1}]);
  return tn::concat({tn::stack({error_u, error_v}, 1).reshape({2 * p}), 1 - weight * weight}, 0);
}

}  // namespace adbench
