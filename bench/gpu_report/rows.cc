// Reductions and norms over rows and columns, forward and with gradients; bytes per second by the least that has to move.
#include "tenon/bench/gpu_report/measure.h"

namespace tenon::gpu_report {
namespace {

using Shape2 = std::vector<int64_t>;

Tensor squares(const Tensor& y, const Tensor& weight) { return sum(y.astype(f32) * weight.astype(f32)); }

struct Kind {
  const char* name;
  Formula f;
  int passes;  // how often x moves in or out, at the least
  bool parameters, labels, cotangent;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"softmax", [](const Tensors& in) { return Tensors{softmax(in[0])}; }, 2, false, false, false},
      {"layer_norm", [](const Tensors& in) { return Tensors{layer_norm(in[0], in[1], in[2])}; }, 2, true, false, false},
      {"rms_norm", [](const Tensors& in) { return Tensors{rms_norm(in[0], in[1])}; }, 2, true, false, false},
      {"row sums", [](const Tensors& in) { return Tensors{sum(in[0], {.axes = {1}})}; }, 1, false, false, false},
      {"column sums", [](const Tensors& in) { return Tensors{sum(in[0], {.axes = {0}})}; }, 1, false, false, false},
      {"cross entropy and gradient",
       [](const Tensors& in) {
         const auto loss = [](const Tensor& x, const Tensor& labels) { return cross_entropy(x, labels); };
         const auto [value, gradient] = value_and_grad(loss)(in[0], in[1]);
         return Tensors{value, gradient};
       },
       2, false, true, false},
      {"gradients of layer_norm",
       [](const Tensors& in) {
         const auto loss = [](const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& weight) {
           return squares(layer_norm(x, scale, shift), weight);
         };
         const auto [x, scale, shift] = grad<0, 1, 2>(loss)(in[0], in[1], in[2], in[3]);
         return Tensors{x, scale, shift};
       },
       3, true, false, true},
  };
  return all;
}

void add(Recorder& recorder, const std::string& name, const Shape2& shape, DType dtype = f32, bool shown = false) {
  for (const Kind& k : kinds()) {
    if (k.name != name) continue;
    Case c;
    c.formula = k.f;
    c.bytes = k.passes * elements(shape) * size_of(dtype);
    c.shown = shown;
    c.inputs = [=](int copy) {
      const uint64_t seed = 2000 + 8 * static_cast<uint64_t>(copy);
      Tensors in = {drawn(seed, shape, dtype)};
      if (k.parameters)
        in.push_back(drawn(seed + 1, {shape[1]}, dtype)), in.push_back(drawn(seed + 2, {shape[1]}, dtype));
      if (k.labels) in.push_back((random_bits(key(seed + 3), {shape[0]}) % shape[1]).astype(i64));
      if (k.cotangent) in.push_back(drawn(seed + 4, shape, dtype));
      return in;
    };
    c.peer = peer(k.name, {shape}, dtype);
    measure(recorder, std::string(k.name) + ", " + name_of(dtype) + " " + shape_text(shape), c);
  }
}

}  // namespace

void rows(Recorder& recorder) {
  if (recorder.quick()) {
    add(recorder, "softmax", {4, 300}, f32, true);
    add(recorder, "column sums", {40, 16}, f32, true);
    return;
  }
  const Shape2 usual = {32768, 4096};
  for (const char* name : {"softmax", "layer_norm", "rms_norm", "column sums", "gradients of layer_norm"})
    add(recorder, name, usual, f32, true);
  add(recorder, "cross entropy and gradient", {8192, 32768}, f32, true);
  add(recorder, "softmax", {256, 262144}, f32, true);
  add(recorder, "softmax", usual, bf16, true);
  for (const Shape2& s :
       {Shape2{262144, 256}, Shape2{32768, 1024}, Shape2{4096, 16384}, Shape2{1024, 65536}, Shape2{8, 262144}})
    for (const char* name : {"softmax", "layer_norm"}) add(recorder, name, s);
  add(recorder, "rms_norm", {4096, 16384});
  add(recorder, "layer_norm", usual, bf16);
  add(recorder, "gradients of layer_norm", {32768, 1024});
  add(recorder, "cross entropy and gradient", {32768, 1024});
  add(recorder, "cross entropy and gradient", {4096, 131072});
  add(recorder, "row sums", usual);
  add(recorder, "row sums", {64, 2097152});
  add(recorder, "column sums", {262144, 512});
  add(recorder, "column sums", {1024, 131072});
}

}  // namespace tenon::gpu_report
