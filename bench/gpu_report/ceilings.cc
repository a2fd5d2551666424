// What the machine can do at most, and what surrounds kernels: copies, products, launches, replays of graphs, the host's part.
#include <algorithm>

#include "tenon/bench/gpu_report/measure.h"
#include "tenon/runtime/cuda/table.h"
#include "tenon/runtime/device.h"

namespace tenon::gpu_report {
namespace {

// Of the device's own copy, read and written bytes both counted.
Row copies(const Recorder& recorder) {
  const runtime::Device& device = runtime::device_of(TargetKind::cuda, 0);
  const auto most = static_cast<uint64_t>(0.2 * memory_bytes());
  const uint64_t bytes = recorder.quick() ? 1 << 20 : std::min<uint64_t>(uint64_t{8} << 30, most) & ~uint64_t{255};
  struct Memory {
    const runtime::Device& device;
    uint64_t bytes;
    void* at;
    ~Memory() { device.free(device, at, bytes); }
  };
  const Memory from{device, bytes, device.allocate(device, bytes)}, to{device, bytes, device.allocate(device, bytes)};
  if (from.at == nullptr || to.at == nullptr) throw Error("no memory on the device for a copy");
  // What is copied is random, too: bits that do not change take less power.
  const Tensor random = random_bits(key(3), {static_cast<int64_t>(std::min<uint64_t>(bytes, 1 << 28) / 4)});
  const std::vector<uint32_t> bits = random.to_vector<uint32_t>();
  for (uint64_t at = 0; at < bytes; at += bits.size() * 4)
    device.copy_in(device, static_cast<char*>(from.at) + at, bits.data(),
                   std::min<uint64_t>(bits.size() * 4, bytes - at));
  const Timing t = time_calls(recorder, [&](int64_t) { device.copy(device, to.at, from.at, bytes); });
  return row_of(t, "GB/s", 2.0 * static_cast<double>(bytes));
}

void fused_copies(Recorder& recorder) {
  const int64_t side = recorder.quick() ? 64 : 16384;  // 1 GiB of f32
  const std::vector<int64_t> shape = {side, side};
  Case c;
  c.inputs = [=](int copy) { return Tensors{drawn(10 + static_cast<uint64_t>(copy), shape)}; };
  c.formula = [](const Tensors& in) { return Tensors{in[0] * 1.5}; };
  c.bytes = 8 * elements(shape);
  c.shown = true;
  c.peer = peer("scale", {shape}, f32);
  measure(recorder, "x * 1.5, f32 " + shape_text(shape), c);
  c.inputs = [=](int copy) {
    const auto seed = static_cast<uint64_t>(20 + 2 * copy);
    return Tensors{drawn(seed, shape), drawn(seed + 1, shape)};
  };
  c.formula = [](const Tensors& in) { return Tensors{in[0] + in[1]}; };
  c.bytes = 12 * elements(shape);
  c.peer = peer("sum of inputs", {shape, shape}, f32);
  if (!recorder.quick()) measure(recorder, "x + y, f32 " + shape_text(shape), c);
}

void products_of(Recorder& recorder, DType dtype) {
  const int64_t n = recorder.quick() ? 32 : 8192;
  Case c;
  c.inputs = [=](int copy) {
    const auto seed = static_cast<uint64_t>(30 + 2 * copy);
    return Tensors{drawn(seed, {n, n}, dtype), drawn(seed + 1, {n, n}, dtype)};
  };
  c.formula = [](const Tensors& in) { return Tensors{matmul(in[0], in[1])}; };
  c.bytes = 3 * size_of(dtype) * static_cast<double>(n * n);
  c.work = 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  c.unit = "TFLOP/s";
  c.ceiling = name_of(dtype);
  c.shown = true;
  c.peer = peer("matmul", {{n, n}, {n, n}}, dtype);
  measure(recorder, std::string("matmul, ") + name_of(dtype) + " " + std::to_string(n), c);
}

// A program of n kernels, each of them tiny: from the second call on one graph, and above 8192 launches none.
Formula chain(int64_t n) {
  return [n](const Tensors& in) {
    return Tensors{fori_loop(0, n, [](const Tensor&, const Tensor& t) { return barrier(t * 0.5 + 1); }, in[0])};
  };
}

void replays(Recorder& recorder) {
  const std::vector<int64_t> counts =
      recorder.quick() ? std::vector<int64_t>{1, 4} : std::vector<int64_t>{1, 10, 100, 1000, 10000};
  for (const int64_t n : counts)
    recorder.row("a call of " + std::to_string(n) + " kernels in a row", [&] {
      const Tensor x = drawn(40, {4096});
      const auto f = jit(chain(n));
      f(Tensors{x});
      synchronize();
      const auto before = runtime::cuda_counts(0);
      f(Tensors{x});
      f(Tensors{x});
      synchronize();
      const auto after = runtime::cuda_counts(0);
      const Timing t = time_calls(recorder, [&](int64_t) { f(Tensors{x}); });
      Row r = row_of(t, "us");
      r.shown = true;
      r.more.set("kernels", n);
      r.more.set("launches of two calls", after.launches - before.launches);
      r.more.set("graphs of two calls", after.graphs_launched - before.graphs_launched);
      r.words = after.graphs_launched > before.graphs_launched ? "a graph" : "launched one by one";
      return r;
    });
}

}  // namespace

void ceilings(Recorder& recorder) {
  recorder.row("device copy", [&] {
    Row r = copies(recorder);
    r.shown = true;
    return r;
  });
  fused_copies(recorder);
  products_of(recorder, bf16);
  products_of(recorder, f32);
  replays(recorder);
  recorder.row("the host's part of a call of one kernel", [&] {
    const Tensor x = drawn(41, {1024}), y = drawn(42, {1024});
    const auto f = jit([](const Tensor& a, const Tensor& b) { return a + b; });
    Row r = row_of(time_host(recorder, [&](int64_t) { f(x, y); }), "us");
    r.shown = true;
    return r;
  });
}

}  // namespace tenon::gpu_report
