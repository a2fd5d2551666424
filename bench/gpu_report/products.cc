// Matrix products, plain and with what is fused behind them; TFLOP/s, beside what the machine's PyTorch makes of the same shapes.
#include "tenon/bench/gpu_report/measure.h"

namespace tenon::gpu_report {
namespace {

struct Sizes {
  int64_t m, k, n;
  bool shown = false;
};

void add(Recorder& recorder, const Sizes& s, DType dtype, bool activated) {
  Case c;
  std::vector<std::vector<int64_t>> shapes = {{s.m, s.k}, {s.k, s.n}};
  if (activated) shapes.push_back({s.n});
  c.formula = activated ? Formula([](const Tensors& in) { return Tensors{gelu(linear(in[0], in[1], in[2]))}; })
                        : Formula([](const Tensors& in) { return Tensors{matmul(in[0], in[1])}; });
  c.inputs = [=](int copy) {
    Tensors in;
    uint64_t seed = 3000 + 4 * static_cast<uint64_t>(copy);
    for (const auto& shape : shapes) in.push_back(drawn(seed++, shape, dtype));
    return in;
  };
  const auto m = static_cast<double>(s.m), k = static_cast<double>(s.k), n = static_cast<double>(s.n);
  c.bytes = (m * k + k * n + m * n) * size_of(dtype);
  c.work = 2 * m * k * n;
  c.unit = "TFLOP/s";
  c.ceiling = name_of(dtype);
  c.shown = s.shown;
  c.peer = peer(activated ? "gelu linear" : "matmul", shapes, dtype);
  measure(recorder,
          std::string(activated ? "gelu(x w + b), " : "matmul, ") + name_of(dtype) + " " + shape_text({s.m, s.k, s.n}),
          c);
}

}  // namespace

void products(Recorder& recorder) {
  if (recorder.quick()) {
    add(recorder, {24, 20, 17, true}, f32, true);
    return;
  }
  const std::vector<Sizes> plain = {{4096, 4096, 4096, true}, {1024, 1024, 1024, true}, {16, 4096, 4096, true},
                                    {512, 512, 512},          {2048, 2048, 2048},       {4096, 4096, 11008},
                                    {1, 4096, 4096},          {128, 4096, 4096},        {4096, 512, 2048},
                                    {1000, 1000, 1000},       {128, 784, 512},          {32768, 256, 256}};
  for (const DType dtype : {bf16, f32}) {
    add(recorder, {4096, 4096, 4096, true}, dtype, true);
    for (const Sizes& s : plain) add(recorder, s, dtype, false);
    add(recorder, {4096, 1024, 4096}, dtype, true);
    add(recorder, {128, 784, 512}, dtype, true);
  }
}

}  // namespace tenon::gpu_report
