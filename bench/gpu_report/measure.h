// Measuring calls by the host's clock around many of them and one wait, after a warm-up; inputs and results rotate through more
// memory than the device's second-level cache holds. Refuses to measure what it has not run before.
#pragma once

#include <tenon/tenon.h>

#include <functional>
#include <string>
#include <vector>

#include "tenon/bench/gpu_report/report.h"

namespace tenon::gpu_report {

using Tensors = std::vector<Tensor>;
using Formula = std::function<Tensors(const Tensors&)>;

struct Timing {
  double seconds = 0, spread = 0;  // of one call: the median, and the 90th percentile / the median
  int64_t calls = 0, repetitions = 0;
};
// call(i) starts call number i. Seconds are what it takes altogether, about.
Timing time_calls(const Recorder& recorder, const std::function<void(int64_t)>& call, double seconds = 0.3);
// The same of what the host does of a call, the device being idle before.
Timing time_host(const Recorder& recorder, const std::function<void(int64_t)>& call);
// Of one call and the wait for it.
Timing time_alone(const Recorder& recorder, const std::function<void(int64_t)>& call);
Row row_of(const Timing& t, const std::string& unit, double work = 0);

// A formula compiled for inputs of these types. bytes: the least that one call moves; inputs(copy) makes one of the rotating sets.
struct Case {
  Formula formula;
  std::function<Tensors(int copy)> inputs;
  double bytes = 0;
  std::string unit = "GB/s";
  double work = 0;  // 0: bytes
  const char* ceiling = "copy";  // of the ceilings, what the row is a share of; "": none
  bool shown = false;
  Json peer;
};
void measure(Recorder& recorder, const std::string& name, const Case& c);

// Random numbers on the default device: no zeros, which a device multiplies at less power.
Tensor drawn(uint64_t seed, const std::vector<int64_t>& shape, DType dtype = f32);
const char* name_of(DType dtype);
double size_of(DType dtype);
double elements(const std::vector<int64_t>& shape);
Json shape_json(const std::vector<int64_t>& shape);
std::string shape_text(const std::vector<int64_t>& shape);
// What peers.py measures: a formula by its name there, the shapes of its inputs, their dtype.
Json peer(const std::string& formula, const std::vector<std::vector<int64_t>>& shapes, DType dtype);

int64_t cache_bytes();  // of the device's second level
double memory_bytes();  // of the device

}  // namespace tenon::gpu_report
