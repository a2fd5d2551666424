// Activations by name, and the bodies of layers without weights.
#include "tenon/frontend/nn/activations.h"

#include "tenon/frontend/nn/refusals.h"
#include "tenon/ir/base/door.h"

namespace tenon::nn {
namespace {

struct Named {
  const char* name;
  Tensor (*function)(Operand x);
};
constexpr Named activations[] = {
    {"relu", [](Operand x) { return tenon::relu(std::move(x)); }},
    {"gelu", [](Operand x) { return tenon::gelu(std::move(x)); }},
    {"gelu_tanh", [](Operand x) { return tenon::gelu_tanh(std::move(x)); }},
    {"silu", [](Operand x) { return tenon::silu(std::move(x)); }},
    {"swish", [](Operand x) { return tenon::silu(std::move(x)); }},
    {"tanh", [](Operand x) { return tenon::tanh(std::move(x)); }},
    {"sigmoid", [](Operand x) { return tenon::sigmoid(std::move(x)); }},
    {"relu6", [](Operand x) { return tenon::relu6(std::move(x)); }},
    {"leaky_relu", [](Operand x) { return tenon::leaky_relu(std::move(x)); }},
    {"elu", [](Operand x) { return tenon::elu(std::move(x)); }},
    {"selu", [](Operand x) { return tenon::selu(std::move(x)); }},
    {"mish", [](Operand x) { return tenon::mish(std::move(x)); }},
    {"softplus", [](Operand x) { return tenon::softplus(std::move(x)); }},
    {"hardswish", [](Operand x) { return tenon::hardswish(std::move(x)); }},
    {"hardsigmoid", [](Operand x) { return tenon::hardsigmoid(std::move(x)); }},
    {"softsign", [](Operand x) { return tenon::softsign(std::move(x)); }},
    {"identity", [](Operand x) { return as_tensor(x, "identity"); }},
};

const Named* named(const std::string& name) {
  for (const Named& a : activations)
    if (name == a.name) return &a;
  return nullptr;
}

}  // namespace

void check_activation(const char* maker, const std::string& name, const At& at) {
  if (named(name)) return;
  std::string known;
  for (const Named& a : activations) known += std::string(known.empty() ? "" : ", ") + a.name;
  throw Error(std::string(maker) + ": there is no activation \"" + name + "\"; there are " + known, place(at));
}

Tensor activated(const std::string& name, Operand x) {
  const Named* a = named(name);
  if (a == nullptr) check_activation("nn::activated", name);
  return a->function(std::move(x));
}

Tensor Flatten::operator()(Operand x) const { return tenon::flatten(std::move(x), start_axis, end_axis); }

#define TENON_POOLING(n)                                                                                            \
  Tensor MaxPool##n##d::operator()(Operand x) const {                                                               \
    return tenon::max_pool##n##d(                                                                                   \
        std::move(x), kernel_size,                                                                                  \
        MaxPool{.stride = stride, .padding = padding, .dilation = dilation, .ceil_mode = ceil_mode});               \
  }                                                                                                                 \
  Tensor AvgPool##n##d::operator()(Operand x) const {                                                               \
    return tenon::avg_pool##n##d(                                                                                   \
        std::move(x), kernel_size,                                                                                  \
        AvgPool{                                                                                                    \
            .stride = stride, .padding = padding, .ceil_mode = ceil_mode, .count_include_pad = count_include_pad}); \
  }                                                                                                                 \
  Tensor AdaptiveAvgPool##n##d::operator()(Operand x) const {                                                       \
    return tenon::adaptive_avg_pool##n##d(std::move(x), output_size);                                               \
  }                                                                                                                 \
  Tensor AdaptiveMaxPool##n##d::operator()(Operand x) const {                                                       \
    return tenon::adaptive_max_pool##n##d(std::move(x), output_size);                                               \
  }
TENON_POOLING(1)
TENON_POOLING(2)
TENON_POOLING(3)
#undef TENON_POOLING

}  // namespace tenon::nn
