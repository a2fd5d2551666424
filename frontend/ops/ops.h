// Functions over tensors. Elementwise primitives are generated from the op table; the rest is composed or has a signature
// of its own. Operands promote as documented in docs/numbers.md: scalars are weak, tensors promote by category and width,
// shapes broadcast from the trailing axis. Every function takes part in traces, in the tape, and names its place in errors.
#pragma once

#include <span>

#include "tenon/frontend/tensor/literals.h"
#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// ---- elementwise: one function per row of the op table: sin(x), exp(x), pow(x, y), atan2(y, x) ...
namespace elementwise {
// Names stand in parentheses where another header may have made them macros: min and max are <windows.h>'s.
#define TENON_UNARY(name, ...) Tensor(name)(Operand x);
#define TENON_BINARY(name, ...) Tensor(name)(Operand x, Operand y);
#define TENON_TERNARY(name, ...) Tensor(name)(Operand x, Operand y, Operand z);
#define TENON_OP(name, ...)
#include "tenon/ir/ops.def"
}  // namespace elementwise
using elementwise::abs, elementwise::sign, elementwise::floor, elementwise::ceil, elementwise::trunc,
    elementwise::round, elementwise::sqrt, elementwise::is_finite, elementwise::popcount, elementwise::rem,
    elementwise::fma, elementwise::exp, elementwise::exp2, elementwise::expm1, elementwise::log, elementwise::log2,
    elementwise::log1p, elementwise::rsqrt, elementwise::cbrt, elementwise::sin, elementwise::cos, elementwise::tan,
    elementwise::asin, elementwise::acos, elementwise::atan, elementwise::sinh, elementwise::cosh, elementwise::tanh,
    elementwise::asinh, elementwise::acosh, elementwise::atanh, elementwise::erf, elementwise::erfc, elementwise::pow,
    elementwise::atan2, elementwise::softplus, elementwise::silu, elementwise::gelu, elementwise::normal_cdf;
Tensor maximum(Operand x, Operand y);  // NaN propagates
Tensor minimum(Operand x, Operand y);
Tensor where(Operand condition, Operand x, Operand y);
Tensor clip(Operand x, Operand low, Operand high);
Tensor logical_not(Operand x);
Tensor logical_and(Operand x, Operand y);
Tensor logical_or(Operand x, Operand y);

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
// x op= y is x = x op y, cast to x's dtype: it gives this variable a new value. A leaf that requires grad refuses, except under
// NoGrad, where its cell gets the new values and it stays the leaf.
Tensor& operator+=(Tensor& x, Operand y);
Tensor& operator-=(Tensor& x, Operand y);
Tensor& operator*=(Tensor& x, Operand y);
Tensor& operator/=(Tensor& x, Operand y);

// ---- reductions. No axes: all of them. Sums of bool and integers are i64.
struct Reduce {
  std::vector<int64_t> axes = {};
  bool keepdims = false;
};
Tensor sum(Operand x, Reduce r = {});
Tensor prod(Operand x, Reduce r = {});
Tensor(max)(Operand x, Reduce r = {});
Tensor(min)(Operand x, Reduce r = {});
Tensor mean(Operand x, Reduce r = {});
Tensor var(Operand x, Reduce r = {});  // divides by n
Tensor all_of(Operand x, Reduce r = {});
Tensor any_of(Operand x, Reduce r = {});
Tensor logsumexp(Operand x, Reduce r = {});
Tensor argmax(Operand x, int64_t axis = -1);
Tensor argmin(Operand x, int64_t axis = -1);
Tensor cumsum(Operand x, int64_t axis = -1, bool reverse = false);

// ---- movement
Tensor reshape(Operand x, const Extents& shape);  // one extent may be -1: what the others leave
Tensor transpose(Operand x, const std::vector<int64_t>& permutation);
Tensor broadcast_to(Operand x, const Extents& shape);
Tensor concat(std::span<const Tensor> parts, int64_t axis = 0, const At& at = At::current());
Tensor concat(std::initializer_list<Tensor> parts, int64_t axis = 0, const At& at = At::current());
Tensor stack(std::span<const Tensor> parts, int64_t axis = 0, const At& at = At::current());
Tensor stack(std::initializer_list<Tensor> parts, int64_t axis = 0, const At& at = At::current());
Tensor flip(Operand x, const std::vector<int64_t>& axes);
// Widths are (low, high) per axis.
Tensor pad(Operand x, const std::vector<std::pair<Extent, Extent>>& widths, double value = 0);
Tensor squeeze(Operand x, int64_t axis);
Tensor expand_dims(Operand x, int64_t axis);
Tensor dynamic_slice(Operand x, std::span<const Tensor> starts, const Extents& sizes);
Tensor dynamic_update_slice(Operand x, Operand update, std::span<const Tensor> starts);

// ---- indexing and order. Indices are integers; reading clamps, writing drops.
Tensor take(Operand x, Operand indices, int64_t axis = 0);
Tensor scatter_add(Operand x, Operand indices, Operand updates, int64_t axis = 0);
Tensor sort(Operand x, int64_t axis = -1);  // stable, NaN last
Tensor argsort(Operand x, int64_t axis = -1);  // i64
Tensor one_hot(Operand indices, Extent classes, DType dtype = f32);

// ---- contractions
Tensor matmul(Operand a, Operand b);  // [.., m, k] x [.., k, n]; vectors as in NumPy; leading axes broadcast
Tensor dot(Operand a, Operand b);  // two vectors: sum(a * b) in their dtype
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
Tensor relu(Operand x);
Tensor sigmoid(Operand x);
Tensor softmax(Operand x, int64_t axis = -1);
Tensor log_softmax(Operand x, int64_t axis = -1);
Tensor layer_norm(Operand x, Operand scale, Operand shift, double epsilon = 1e-5);  // over the last axis
Tensor rms_norm(Operand x, Operand scale, double epsilon = 1e-6);
Tensor linear(Operand x, Operand weight, Operand bias);  // x[.., in] weight[in, out] bias[out]
struct CrossEntropy {
  int64_t ignore_index = -100;  // rows with this label do not count
};
// logits [n, classes], integer labels [n] -> the mean over the rows that count, a scalar. A label outside is an error; inside
// a program it makes the loss NaN.
Tensor cross_entropy(Operand logits, Operand labels, CrossEntropy c = {});
Tensor stop_gradient(Operand x);
Tensor barrier(Operand x);  // nothing is merged or moved across it

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
