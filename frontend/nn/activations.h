// Activations, pooling and flatten as layers without weights, to stand in a Sequential; the functions of the same names under tn::nn, too.
// relu() is a layer, relu(x) a value.
#pragma once

#include <string>
#include <vector>

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/ops/windows.h"

namespace tenon::nn {

using tenon::celu, tenon::elu, tenon::gelu, tenon::gelu_tanh, tenon::glu, tenon::hardshrink, tenon::hardsigmoid,
    tenon::hardswish, tenon::hardtanh, tenon::leaky_relu, tenon::log_softmax, tenon::logsigmoid, tenon::mish,
    tenon::prelu, tenon::relu, tenon::relu6, tenon::selu, tenon::sigmoid, tenon::silu, tenon::softmax, tenon::softmin,
    tenon::softplus, tenon::softshrink, tenon::softsign, tenon::swish, tenon::tanh, tenon::tanhshrink, tenon::threshold;

#define TENON_ACTIVATION(Layer, function)                                        \
  struct Layer {                                                                 \
    Tensor operator()(Operand x) const { return tenon::function(std::move(x)); } \
  };                                                                             \
  inline Layer function() { return {}; }
TENON_ACTIVATION(Relu, relu)
TENON_ACTIVATION(Relu6, relu6)
TENON_ACTIVATION(Silu, silu)
TENON_ACTIVATION(Sigmoid, sigmoid)
TENON_ACTIVATION(Tanh, tanh)
TENON_ACTIVATION(Selu, selu)
TENON_ACTIVATION(Mish, mish)
TENON_ACTIVATION(Hardswish, hardswish)
TENON_ACTIVATION(Hardsigmoid, hardsigmoid)
TENON_ACTIVATION(Logsigmoid, logsigmoid)
TENON_ACTIVATION(Softsign, softsign)
#undef TENON_ACTIVATION

struct Identity {
  Tensor operator()(Operand x) const { return x.tensor(); }
};
inline Identity identity() { return {}; }
struct Gelu {
  std::string approximate = "none";  // or "tanh"
  Tensor operator()(Operand x) const { return tenon::gelu(std::move(x), approximate.c_str()); }
};
inline Gelu gelu(const std::string& approximate = "none") { return {approximate}; }
struct LeakyRelu {
  double negative_slope = 0.01;
  Tensor operator()(Operand x) const { return tenon::leaky_relu(std::move(x), Slope{negative_slope}); }
};
inline LeakyRelu leaky_relu(double negative_slope = 0.01) { return {negative_slope}; }
struct Elu {
  double alpha = 1;
  Tensor operator()(Operand x) const { return tenon::elu(std::move(x), Alpha{alpha}); }
};
inline Elu elu(double alpha = 1) { return {alpha}; }
struct Softmax {
  int64_t axis = -1;
  Tensor operator()(Operand x) const { return tenon::softmax(std::move(x), axis); }
};
struct LogSoftmax {
  int64_t axis = -1;
  Tensor operator()(Operand x) const { return tenon::log_softmax(std::move(x), axis); }
};

// The activation of a name: those above in small letters, "gelu_tanh", and "identity". Error that lists them for another one.
Tensor activated(const std::string& name, Operand x);
// Error unless it is the name of one.
void check_activation(const char* maker, const std::string& name, const At& at = At::current());

// Axes from `start` to `end` as one.
struct Flatten {
  int64_t start_axis = 1, end_axis = -1;
  Tensor operator()(Operand x) const;
};
inline Flatten flatten(int64_t start_axis = 1, int64_t end_axis = -1) { return {start_axis, end_axis}; }

// ---- pooling: numbers are one for each axis, or one for all; no stride: the kernel's size
#define TENON_POOLING(n)                                                                                    \
  struct MaxPool##n##d {                                                                                    \
    std::vector<int64_t> kernel_size, stride = {}, padding = {0}, dilation = {1};                           \
    bool ceil_mode = false;                                                                                 \
    Tensor operator()(Operand x) const;                                                                     \
  };                                                                                                        \
  struct AvgPool##n##d {                                                                                    \
    std::vector<int64_t> kernel_size, stride = {}, padding = {0};                                           \
    bool ceil_mode = false, count_include_pad = true;                                                       \
    Tensor operator()(Operand x) const;                                                                     \
  };                                                                                                        \
  struct AdaptiveAvgPool##n##d {                                                                            \
    std::vector<int64_t> output_size;                                                                       \
    Tensor operator()(Operand x) const;                                                                     \
  };                                                                                                        \
  struct AdaptiveMaxPool##n##d {                                                                            \
    std::vector<int64_t> output_size;                                                                       \
    Tensor operator()(Operand x) const;                                                                     \
  };                                                                                                        \
  inline MaxPool##n##d max_pool##n##d(const PerAxis& kernel_size, const MaxPool& p = {}) {                  \
    return {kernel_size.values(), p.stride.values(), p.padding.values(), p.dilation.values(), p.ceil_mode}; \
  }                                                                                                         \
  inline AvgPool##n##d avg_pool##n##d(const PerAxis& kernel_size, const AvgPool& p = {}) {                  \
    return {kernel_size.values(), p.stride.values(), p.padding.values(), p.ceil_mode, p.count_include_pad}; \
  }                                                                                                         \
  inline AdaptiveAvgPool##n##d adaptive_avg_pool##n##d(const PerAxis& size) { return {size.values()}; }     \
  inline AdaptiveMaxPool##n##d adaptive_max_pool##n##d(const PerAxis& size) { return {size.values()}; }
TENON_POOLING(1)
TENON_POOLING(2)
TENON_POOLING(3)
#undef TENON_POOLING

}  // namespace tenon::nn
