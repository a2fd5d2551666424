// Norms as layers, and group_norm as a function. Means and variances are those of the elements that share a group; halves compute in f32 and
// round once. Refuses x of another number of channels than the layer's.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "tenon/frontend/nn/mode.h"
#include "tenon/frontend/tensor/buffer.h"

namespace tenon::nn {

// Of every channel (axis 1) over all other axes: (x - mean) / sqrt(var + epsilon) * weight + bias (Ioffe and Szegedy, "Batch normalization",
// ICML 2015, algorithms 1 and 2). In use mean and var are the running ones. In training they are the batch's, which must have more than one
// number a channel, and the second of the pair is the layer after this batch: running = (1 - momentum) running + momentum of the batch,
// whose variance divides by n - 1 there. Without a momentum the running ones are the plain mean of all batches so far: 1 / num_batches_tracked,
// this batch counted, stands for it.
struct BatchNorm {
  Tensor weight = {}, bias = {};  // [channels], or undefined
  Buffer running_mean = {}, running_var = {};  // [channels], f32 for halves
  Buffer num_batches_tracked = {};  // i64[]
  std::optional<double> momentum = 0.1;
  double epsilon = 1e-5;
  Tensor operator()(Operand x) const;
  std::pair<Tensor, BatchNorm> operator()(Operand x, const Mode& mode) const;
  std::pair<Tensor, BatchNorm> train(Operand x) const;
};
// Two names of one number, where there are two: the one that is given counts.
struct BatchNormOptions {
  double epsilon = 1e-5, eps = epsilon;
  std::optional<double> momentum = 0.1;  // std::nullopt: the mean of all batches
  bool affine = true;
  DType dtype = default_dtype();
};
BatchNorm batch_norm(int64_t channels, const BatchNormOptions& o = {}, const At& at = At::current());

// (x - mean) / sqrt(var + epsilon) * weight + bias over the last axis, or over the last axes together (Ba, Kiros and Hinton, "Layer
// normalization", 2016, equations 3 and 4).
struct LayerNorm {
  Tensor weight = {}, bias = {};  // [width], or of `shape`; or undefined
  int64_t width = 0;
  double epsilon = 1e-5;
  std::vector<int64_t> shape = {};  // of the last axes, where they are several
  Tensor operator()(Operand x) const;
};
struct LayerNormOptions {
  double epsilon = 1e-5, eps = epsilon;
  bool affine = true, bias = true;
  DType dtype = default_dtype();
};
LayerNorm layer_norm(int64_t width, const LayerNormOptions& o = {}, const At& at = At::current());
LayerNorm layer_norm(const std::vector<int64_t>& shape, const LayerNormOptions& o = {}, const At& at = At::current());
using tenon::layer_norm;  // layer_norm(x, shape, {.weight, .bias})

// x / sqrt(mean(x^2) + epsilon) * weight over the last axis, or axes (Zhang and Sennrich, "Root mean square layer normalization", NeurIPS
// 2019).
struct RmsNorm {
  Tensor weight = {};  // [width], or of `shape`; or undefined
  int64_t width = 0;
  double epsilon = 1e-6;
  std::vector<int64_t> shape = {};  // of the last axes, where they are several
  Tensor operator()(Operand x) const;
};
struct RmsNormOptions {
  double epsilon = 1e-6, eps = epsilon;
  bool affine = true;
  DType dtype = default_dtype();
};
RmsNorm rms_norm(int64_t width, const RmsNormOptions& o = {}, const At& at = At::current());
RmsNorm rms_norm(const std::vector<int64_t>& shape, const RmsNormOptions& o = {}, const At& at = At::current());
using tenon::rms_norm;  // rms_norm(x, shape, {.weight})

// x [n, channels, ..]: the channels fall into groups of neighbours, each of which has a mean and a variance for each of n (Wu and He, "Group
// normalization", ECCV 2018, section 3).
struct GroupNormInputs {
  Tensor weight = {}, bias = {};  // [channels]
  double epsilon = 1e-5, eps = epsilon;
};
Tensor group_norm(Operand x, int64_t groups, const GroupNormInputs& o = {});
struct GroupNorm {
  Tensor weight = {}, bias = {};
  int64_t groups = 1, channels = 0;
  double epsilon = 1e-5;
  Tensor operator()(Operand x) const;
};
struct GroupNormOptions {
  double epsilon = 1e-5, eps = epsilon;
  bool affine = true;
  DType dtype = default_dtype();
};
GroupNorm group_norm(int64_t groups, int64_t channels, const GroupNormOptions& o = {}, const At& at = At::current());

// Every channel a group of its own; without weight and bias unless asked for.
struct InstanceNorm {
  Tensor weight = {}, bias = {};
  int64_t channels = 0;
  double epsilon = 1e-5;
  Tensor operator()(Operand x) const;
};
struct InstanceNormOptions {
  double epsilon = 1e-5, eps = epsilon;
  bool affine = false;
  DType dtype = default_dtype();
};
InstanceNorm instance_norm(int64_t channels, const InstanceNormOptions& o = {}, const At& at = At::current());

}  // namespace tenon::nn
