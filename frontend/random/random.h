// Random draws: tn::random. Keys first, then parameters, then the shape of the draws, to which tensor parameters stretch; without a
// shape that of the parameters. Equal keys give equal draws on every route. Floating draws have the dtype that is asked for, else that
// of the parameters, else the default dtype. Keys: tn::key, tn::split, tn::fold_in. A draw has the derivative of its formula where it has one
// (normal, uniform, exponential, laplace, gumbel, truncated_normal, dropout). Of those that accept and reject, gamma, beta and dirichlet
// have the derivative of their distribution at the same probability by their parameters, the integers have none.
#pragma once

#include <optional>

#include "tenon/frontend/ops/ops.h"

namespace tenon::random {

using tenon::fold_in, tenon::key, tenon::normal, tenon::random_bits, tenon::split, tenon::uniform;

struct Draw {
  std::optional<DType> dtype = {};
};
struct Integers {
  DType dtype = i64;
};
struct Sampling {
  bool replacement = false;
};
struct Choice {
  bool replace = true;
  Tensor p = {};  // weights of the elements, in any scale
};

// ---- continuous
Tensor exponential(const Tensor& key, const Extents& shape, Draw d = {}, const At& at = At::current());  // of rate 1
Tensor laplace(const Tensor& key, const Extents& shape, Draw d = {}, const At& at = At::current());
Tensor gumbel(const Tensor& key, const Extents& shape, Draw d = {}, const At& at = At::current());
// The standard normal distribution between two bounds.
Tensor truncated_normal(const Tensor& key, Operand low, Operand high, const Extents& shape, Draw d = {},
                        const At& at = At::current());
Tensor truncated_normal(const Tensor& key, Operand low, Operand high, Draw d = {}, const At& at = At::current());
// Of rate 1. Derivatives by a are implicit in the distribution function (Figurnov, Mohamed and Mnih, "Implicit reparameterization
// gradients", NeurIPS 2018, section 3), to second order; of third order NaN. Relative error of the first for a > 0: below 4e-8 in f32
// and 1e-12 in f64, beside rounding. NaN where a < 0. Beta and Dirichlet draws have those of the gamma draws that they are made of.
Tensor gamma(const Tensor& key, Operand a, const Extents& shape, Draw d = {}, const At& at = At::current());
Tensor gamma(const Tensor& key, Operand a, Draw d = {}, const At& at = At::current());
Tensor beta(const Tensor& key, Operand a, Operand b, const Extents& shape, Draw d = {}, const At& at = At::current());
Tensor beta(const Tensor& key, Operand a, Operand b, Draw d = {}, const At& at = At::current());
// Rows along the last axis, which is that of alpha, sum to 1. The shape is that of the rows, before the last axis.
Tensor dirichlet(const Tensor& key, Operand alpha, const Extents& shape, Draw d = {}, const At& at = At::current());
Tensor dirichlet(const Tensor& key, Operand alpha, Draw d = {}, const At& at = At::current());

// Orthogonal matrices [shape, n, n], all alike likely (Stewart, SIAM J. Numer. Anal. 17, 1980): the q of normal draws, signed as r's diagonal.
Tensor orthogonal(const Tensor& key, int64_t n, const Extents& shape = {}, Draw d = {}, const At& at = At::current());

// ---- discrete
Tensor bernoulli(const Tensor& key, Operand p, const Extents& shape, const At& at = At::current());  // bool
Tensor bernoulli(const Tensor& key, Operand p = 0.5, const At& at = At::current());
Tensor rademacher(const Tensor& key, const Extents& shape, Integers d = {}, const At& at = At::current());  // -1 or 1
// From low to high - 1, each as likely as the others whatever the bounds.
Tensor randint(const Tensor& key, const Extents& shape, Operand low, Operand high, Integers d = {},
               const At& at = At::current());
Tensor randint(const Tensor& key, Operand low, Operand high, const Extents& shape, Integers d = {},
               const At& at = At::current());
// Numbers of events, i64.
Tensor poisson(const Tensor& key, Operand rate, const Extents& shape, Integers d = {}, const At& at = At::current());
Tensor poisson(const Tensor& key, Operand rate, Integers d = {}, const At& at = At::current());
// Positions along the last axis of logits, as likely as e^logit; the other axes stretch to the shape.
Tensor categorical(const Tensor& key, Operand logits, const Extents& shape, const At& at = At::current());
Tensor categorical(const Tensor& key, Operand logits, const At& at = At::current());
// num_samples positions along the last axis of weights, as likely as these.
Tensor multinomial(const Tensor& key, Operand weights, int64_t num_samples, Sampling s = {},
                   const At& at = At::current());

// ---- order
Tensor permutation(const Tensor& key, Extent n, const At& at = At::current());  // of 0 ... n - 1
Tensor permutation(const Tensor& key, const Tensor& x, int64_t axis = 0, const At& at = At::current());
Tensor choice(const Tensor& key, const Tensor& x, const Extents& shape, Choice c = {}, const At& at = At::current());
Tensor choice(const Tensor& key, int64_t n, const Extents& shape, Choice c = {}, const At& at = At::current());

// ---- what takes part in networks, and the generator of other libraries
// x / (1 - p) where it is kept, with probability 1 - p, else 0.
Tensor dropout(const Tensor& key, Operand x, Operand p = 0.5, const At& at = At::current());
// The same of whole channels, each with what lies behind it: x [n, channels, extents..] or [channels, extents..] with 1, 2 or 3 extents.
// Error for other numbers of axes.
Tensor dropout1d(const Tensor& key, Operand x, Operand p = 0.5, const At& at = At::current());
Tensor dropout2d(const Tensor& key, Operand x, Operand p = 0.5, const At& at = At::current());
Tensor dropout3d(const Tensor& key, Operand x, Operand p = 0.5, const At& at = At::current());
// a x + b where it is kept, b - a s else, s being selu's limit; a and b keep a mean of 0 and a variance of 1 (Klambauer and others,
// "Self-normalizing neural networks", NeurIPS 2017, section 3). feature_: of whole channels of x [n, channels, ..].
Tensor alpha_dropout(const Tensor& key, Operand x, Operand p = 0.5, const At& at = At::current());
Tensor feature_alpha_dropout(const Tensor& key, Operand x, Operand p = 0.5, const At& at = At::current());
// Threefry 2x32 with 20 rounds (Salmon and others, SC 2011) of each pair of words along the last axis of the counter.
Tensor threefry2x32(const Tensor& key, const Tensor& counter, const At& at = At::current());

}  // namespace tenon::random
