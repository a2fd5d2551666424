// Functions over tensors. Elementwise primitives are generated from the op table; the rest is composed or has a signature
// of its own. Operands promote as documented in docs/numbers.md: scalars are weak, tensors promote by category and width,
// shapes broadcast from the trailing axis. Every function takes part in traces, in the tape, and names its place in errors.
#pragma once

#include <span>

#include "tenon/frontend/ops/functions.h"
#include "tenon/frontend/tensor/literals.h"
#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

Tensor where(Operand condition, Operand x, Operand y);

Tensor operator+(Operand x, Operand y);
Tensor operator-(Operand x, Operand y);
Tensor operator*(Operand x, Operand y);
Tensor operator/(Operand x, Operand y);  // integers truncate toward zero
Tensor operator%(Operand x, Operand y);
Tensor operator-(Operand x);
Tensor operator<(Operand x, Operand y);
Tensor operator<=(Operand x, Operand y);
Tensor operator>(Operand x, Operand y);
Tensor operator>=(Operand x, Operand y);
Tensor operator==(Operand x, Operand y);
Tensor operator!=(Operand x, Operand y);
Tensor operator&(Operand x, Operand y);
Tensor operator|(Operand x, Operand y);
Tensor operator^(Operand x, Operand y);
Tensor operator<<(const Tensor& x, Operand count);
Tensor operator>>(const Tensor& x, Operand count);
Tensor operator~(Operand x);
template <class T>
  requires std::is_arithmetic_v<T>
Tensor operator<<(T x, const Tensor& count) {
  return elementwise::shl(x, count);
}
template <class T>
  requires std::is_arithmetic_v<T>
Tensor operator>>(T x, const Tensor& count) {
  return elementwise::shr(x, count);
}
// x op= y is x = x op y, cast to x's dtype: it gives this variable a new value. A leaf that requires grad refuses, except under
// NoGrad, where its cell gets the new values and it stays the leaf.
Tensor& operator+=(Tensor& x, Operand y);
Tensor& operator-=(Tensor& x, Operand y);
Tensor& operator*=(Tensor& x, Operand y);
Tensor& operator/=(Tensor& x, Operand y);

// ---- movement
Tensor reshape(Operand x, const Extents& shape);  // one extent may be -1: what the others leave
Tensor transpose(Operand x, const std::vector<int64_t>& permutation);
Tensor concat(std::span<const Tensor> parts, int64_t axis = 0, const At& at = At::current());
Tensor concat(std::initializer_list<Tensor> parts, int64_t axis = 0, const At& at = At::current());
Tensor stack(std::span<const Tensor> parts, int64_t axis = 0, const At& at = At::current());
Tensor stack(std::initializer_list<Tensor> parts, int64_t axis = 0, const At& at = At::current());

// ---- contractions
Tensor einsum(const std::string& equation, std::span<const Tensor> operands, const At& at = At::current());
Tensor einsum(const std::string& equation, std::initializer_list<Tensor> operands, const At& at = At::current());
// x[n, spatial..., c] with kernel[spatial..., c / groups, o]
struct Convolution {
  std::vector<int64_t> strides = {}, low = {}, high = {}, dilation = {};
  int64_t groups = 1;
  std::vector<int64_t> lhs_dilation = {};  // of x
};
Tensor convolution(Operand x, Operand kernel, Convolution c = {});

// ---- composed functions: the formulas are part of the contract (docs/numbers.md)
Tensor polygamma(int64_t n, Operand x);  // the n-th derivative of digamma
Tensor layer_norm(Operand x, Operand scale, Operand shift, double epsilon = 1e-5);  // over the last axis
Tensor rms_norm(Operand x, Operand scale, double epsilon = 1e-6);
// Over the last axes together, whose extents are those of `shape`, as PyTorch's normalized_shape; the bits are those of one axis that holds
// their elements. Weight and bias are of that shape, or undefined. Two names of one number: the one that is given counts.
struct LayerNormInputs {
  Tensor weight = {}, bias = {};
  double epsilon = 1e-5, eps = epsilon;
};
Tensor layer_norm(Operand x, const Extents& shape, const LayerNormInputs& o = {});
struct RmsNormInputs {
  Tensor weight = {};
  double epsilon = 1e-6, eps = epsilon;
};
Tensor rms_norm(Operand x, const Extents& shape, const RmsNormInputs& o = {});
inline Tensor rms_norm(Operand x, std::initializer_list<int64_t> shape,
                       const RmsNormInputs& o = {}) {  // {64} is no scale
  return rms_norm(std::move(x), Extents(std::vector<int64_t>(shape)), o);
}
Tensor linear(Operand x, Operand weight, Operand bias);  // x[.., in] weight[in, out] bias[out]

// ---- randomness: keys are u32[2] tensors; equal keys give equal draws on every route
Tensor key(uint64_t seed);
std::pair<Tensor, Tensor> split(const Tensor& key, const At& at = At::current());
std::vector<Tensor> split(const Tensor& key, int64_t count, const At& at = At::current());
Tensor fold_in(const Tensor& key, Operand data);
Tensor random_bits(const Tensor& key, const Extents& shape, DType dtype = u32, const At& at = At::current());
struct Draw {
  DType dtype = f32;
};
Tensor uniform(const Tensor& key, const Extents& shape, Draw d = {}, const At& at = At::current());  // [0, 1)
Tensor normal(const Tensor& key, const Extents& shape, Draw d = {}, const At& at = At::current());

// ---- files
Tensor load_npy(const std::string& path, const At& at = At::current());
void save_npy(const std::string& path, const Tensor& x, const At& at = At::current());

}  // namespace tenon
