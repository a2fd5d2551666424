// Where weights begin: numbers drawn by a key, by PyTorch's names and formulas (torch.nn.init). A matrix is [in, out], as nn::Linear
// keeps it; a kernel is [out, in / groups, extents...], as convolutions do. So a weight reads shape[0] numbers for each it makes where
// it is a matrix, else shape[1] times the kernel's extents. Refuses free extents and dtypes that are not floating.
#pragma once

#include <string>

#include "tenon/frontend/ops/ops.h"

namespace tenon::nn::init {

struct Kaiming {
  std::string mode = "fan_in";  // or "fan_out"
  std::string nonlinearity = "leaky_relu";  // what gain() takes
  double a = 0;  // the slope of leaky_relu
  DType dtype = default_dtype();
};
struct Xavier {
  double gain = 1;
  DType dtype = default_dtype();
};
struct Uniform {
  double low = 0, high = 1;
  DType dtype = default_dtype();
};
struct Normal {
  double mean = 0, std = 1;
  DType dtype = default_dtype();
};
struct Truncated {
  double mean = 0, std = 1, low = -2, high = 2;  // the bounds are those of the numbers
  DType dtype = default_dtype();
};
struct As {
  DType dtype = default_dtype();
};

// By how much a nonlinearity narrows: linear, conv1d ..., sigmoid 1; tanh 5/3; relu sqrt(2); leaky_relu sqrt(2 / (1 + a^2)), a being
// 0.01 unless given; selu 3/4.
double gain(const std::string& nonlinearity, const At& at = At::current());
double gain(const std::string& nonlinearity, double a, const At& at = At::current());
// {fan_in, fan_out} of a shape with two axes or more.
std::pair<int64_t, int64_t> fans(const Extents& shape, const At& at = At::current());

// Within gain sqrt(3 / fan), and of deviation gain / sqrt(fan) (He and others, "Delving deep into rectifiers", ICCV 2015, section 2.2).
Tensor kaiming_uniform(const Tensor& key, const Extents& shape, const Kaiming& o = {}, const At& at = At::current());
Tensor kaiming_normal(const Tensor& key, const Extents& shape, const Kaiming& o = {}, const At& at = At::current());
// Within gain sqrt(6 / (fan_in + fan_out)), and of deviation gain sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, AISTATS 2010, section 4.2).
Tensor xavier_uniform(const Tensor& key, const Extents& shape, const Xavier& o = {}, const At& at = At::current());
Tensor xavier_normal(const Tensor& key, const Extents& shape, const Xavier& o = {}, const At& at = At::current());
// gain times a matrix [shape[0], the rest] whose rows or columns, whichever are fewer, are orthonormal; all such are alike likely.
Tensor orthogonal(const Tensor& key, const Extents& shape, const Xavier& o = {}, const At& at = At::current());
// A normal distribution, of which what lies outside the bounds is drawn again.
Tensor truncated_normal(const Tensor& key, const Extents& shape, const Truncated& o = {}, const At& at = At::current());
Tensor uniform(const Tensor& key, const Extents& shape, const Uniform& o = {}, const At& at = At::current());
Tensor normal(const Tensor& key, const Extents& shape, const Normal& o = {}, const At& at = At::current());
// What needs no key, with one, so that they may stand in each other's place.
Tensor zeros(const Tensor& key, const Extents& shape, const As& o = {}, const At& at = At::current());
Tensor ones(const Tensor& key, const Extents& shape, const As& o = {}, const At& at = At::current());
Tensor constant(const Tensor& key, const Extents& shape, double value, const As& o = {}, const At& at = At::current());

}  // namespace tenon::nn::init
