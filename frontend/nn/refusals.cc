// The doors of layers, in one wording.
#include "tenon/frontend/nn/refusals.h"

#include "tenon/frontend/random/draw.h"
#include "tenon/ir/base/number_text.h"

namespace tenon::nn {

Tensor entering(const Operand& x, const char* layer, int least, int64_t axis, Dim width, const std::string& wants) {
  const Tensor t = as_tensor(x, layer);
  const auto refuse = [&](const std::string& why) {
    throw Error(std::string(layer) + ": takes " + wants + ", and is applied to " + describe(t) + "; " + why, x.where());
  };
  if (t.ndim() < least)
    refuse("it has " + std::to_string(t.ndim()) + (t.ndim() == 1 ? " axis" : " axes") + "; unsqueeze adds one");
  const Dim extent = t.shape()[static_cast<size_t>(axis < 0 ? t.ndim() + axis : axis)];
  if (extent.is_number() && width.is_number() && extent.number() != width.number())
    refuse("its axis " + std::to_string(axis) + " has " + std::to_string(extent.number()) +
           " elements, and the layer " + std::to_string(width.number()) + ": make the layer for " +
           std::to_string(extent.number()) + ", or move the axis there");
  return t;
}

void check_count(const char* maker, const char* name, int64_t count, const Location& at) {
  if (count < 1 || count > INT32_MAX)
    throw Error(std::string(maker) + ": " + name + " is " + std::to_string(count) + "; it is 1 or more, and below 2^31",
                at);
}

void check_floating(const char* maker, DType dtype, const Location& at) {
  if (!is_floating(dtype))
    throw Error(std::string(maker) + ": .dtype is f32, f64, f16 or bf16, not " + std::string(name(dtype)), at);
}

void check_probability(const char* layer, double p, const Location& at) {
  if (!(p >= 0 && p < 1))
    throw Error(std::string(layer) + ": the share that is dropped lies in [0, 1), and is " + shortest(p), at);
}

const Tensor& key_of(const Tensor& key, const char* layer, const Location& at) {
  if (!key.defined())
    throw Error(std::string(layer) +
                    ": dropout in training draws from a key: {.training = true, .key = tn::key(1)}, a "
                    "new one at every step",
                at);
  check_key(key, at);
  return key;
}

const Tensor& weight_of(const Tensor& weight, const char* layer, int rank, const Location& at) {
  if (!weight.defined())
    throw Error(std::string(layer) + ": has no weight; make it by the function of its name, or load one", at);
  if (weight.ndim() != rank)
    throw Error(std::string(layer) + ": its weight has " + std::to_string(rank) + " axes, not " + describe(weight), at);
  return weight;
}

}  // namespace tenon::nn
