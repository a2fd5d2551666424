// The clock, rotation, and what all sections share of cases.
#include "tenon/bench/gpu_report/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "tenon/runtime/cuda/driver.h"

namespace tenon::gpu_report {
namespace {

constexpr int warm_up = 3;  // launched one by one, built as a graph, replayed

Timing of(std::vector<double> seconds, int64_t calls) {
  std::sort(seconds.begin(), seconds.end());
  const size_t n = seconds.size();
  Timing t;
  t.seconds = n % 2 == 1 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2;
  t.spread = seconds[std::min(n - 1, n * 9 / 10)] / t.seconds;
  t.calls = calls;
  t.repetitions = static_cast<int64_t>(n);
  return t;
}

}  // namespace

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Timing time_calls(const Recorder& recorder, const std::function<void(int64_t)>& call, double seconds) {
  int64_t number = 0;
  for (int k = 0; k < warm_up; ++k) call(number++);
  synchronize();
  double start = now();
  call(number++);
  synchronize();
  const double once = now() - start;
  // Of calls that take long, fewer repetitions: they scatter little.
  const double wanted = recorder.quick() ? 3 : std::clamp(3 / once, 3.0, 12.0);
  const double calls = recorder.quick() ? 1 : std::clamp(seconds / wanted / once, 1.0, 2000.0);
  std::vector<double> found;
  for (int k = 0; k < static_cast<int>(wanted); ++k) {
    start = now();
    for (int64_t i = 0; i < static_cast<int64_t>(calls); ++i) call(number++);
    synchronize();
    found.push_back((now() - start) / std::floor(calls));
  }
  return of(std::move(found), static_cast<int64_t>(calls));
}

Timing time_host(const Recorder& recorder, const std::function<void(int64_t)>& call) {
  int64_t number = 0;
  for (int k = 0; k < warm_up; ++k) call(number++);
  const int calls = recorder.quick() ? 2 : 100;  // a device's queue takes so many without waiting
  std::vector<double> found;
  for (int k = 0; k < (recorder.quick() ? 3 : 20); ++k) {
    synchronize();
    const double start = now();
    for (int i = 0; i < calls; ++i) call(number++);
    found.push_back((now() - start) / calls);
  }
  synchronize();
  return of(std::move(found), calls);
}

Timing time_alone(const Recorder& recorder, const std::function<void(int64_t)>& call) {
  int64_t number = 0;
  for (int k = 0; k < warm_up; ++k) call(number++);
  synchronize();
  std::vector<double> found;
  for (int k = 0; k < (recorder.quick() ? 3 : 100); ++k) {
    const double start = now();
    call(number++);
    synchronize();
    found.push_back(now() - start);
  }
  return of(std::move(found), 1);
}

Row row_of(const Timing& t, const std::string& unit, double work) {
  Row r;
  r.unit = unit;
  r.work = work;
  r.seconds = t.seconds;
  r.spread = t.spread;
  r.more.set("calls", t.calls);
  r.more.set("repetitions", t.repetitions);
  return r;
}

void measure(Recorder& recorder, const std::string& name, const Case& c) {
  recorder.row(name, [&] {
    const double most = 0.4 * memory_bytes();
    Row r;
    if (c.bytes > most) {
      r.words = "left out: the device has too little memory";
      return r;
    }
    const double rotated = std::clamp(3 * static_cast<double>(cache_bytes()) / c.bytes, 1.0, 48.0);
    const size_t copies = recorder.quick() ? 2 : static_cast<size_t>(std::ceil(rotated));
    std::vector<Tensors> sets, held(copies);
    for (size_t k = 0; k < copies; ++k) sets.push_back(c.inputs(static_cast<int>(k)));
    const auto compiled = jit(c.formula);
    const Timing t = time_calls(recorder, [&](int64_t i) {
      const size_t k = static_cast<size_t>(i) % copies;
      held[k] = compiled(sets[k]);  // what it held is freed: results rotate, too
    });
    r = row_of(t, c.unit, c.work > 0 ? c.work : c.bytes);
    r.shown = c.shown;
    r.peer = c.peer;
    if (*c.ceiling != '\0') r.more.set("ceiling", c.ceiling);
    r.more.set("rotated", static_cast<int64_t>(copies));
    return r;
  });
}

Tensor drawn(uint64_t seed, const std::vector<int64_t>& shape, DType dtype) {
  const Tensor x = normal(key(seed), Shape::from(shape));
  return dtype == f32 ? x : x.astype(dtype);
}

const char* name_of(DType dtype) {
  switch (dtype) {
    case f32: return "f32";
    case bf16: return "bf16";
    case f16: return "f16";
    case f64: return "f64";
    case i32: return "i32";
    default: return "other";
  }
}
double size_of(DType dtype) {
  return dtype == f64 ? 8 : dtype == bf16 || dtype == f16 ? 2 : dtype == u8 || dtype == boolean ? 1 : 4;
}
double elements(const std::vector<int64_t>& shape) {
  double n = 1;
  for (const int64_t e : shape) n *= static_cast<double>(e);
  return n;
}

Json shape_json(const std::vector<int64_t>& shape) {
  Json j = Json::make_list();
  for (const int64_t e : shape) j.items.emplace_back(e);
  return j;
}
std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t e : shape) text += (text.empty() ? "" : "x") + std::to_string(e);
  return text;
}
Json peer(const std::string& formula, const std::vector<std::vector<int64_t>>& shapes, DType dtype) {
  Json list = Json::make_list();
  for (const auto& shape : shapes) list.items.push_back(shape_json(shape));
  return Json::make_object({{"formula", formula}, {"shapes", std::move(list)}, {"dtype", name_of(dtype)}});
}

int64_t cache_bytes() {
  constexpr int l2_cache_size = 38;  // CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE
  const tenon_cuda_driver* driver = tenon_cuda_get_driver();
  int device = 0, bytes = 0;
  if (driver->device(&device, 0) != 0 || driver->device_attribute(&bytes, l2_cache_size, device) != 0) return 64 << 20;
  return bytes;
}
double memory_bytes() { return static_cast<double>(device_info(cuda(0)).memory_bytes); }

}  // namespace tenon::gpu_report
