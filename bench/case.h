// A benchmark case: one piece of work done by several subjects (Tenon's fused code first), measured in turn within one
// run, so that what disturbs the machine disturbs all of them. Refuses to compare figures from different runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tenon/runtime/tenon_runtime.h"

namespace tenon::bench {

// Names of subjects that the table has columns for. Any other subject is a ceiling of the machine.
inline constexpr const char* fused = "fused";
inline constexpr const char* eager = "eager";
inline constexpr const char* loop = "C++";

struct Subject {
  std::string name;
  std::function<void()> run;
  double work = 0;  // of one run; 0: the case's
  std::function<double()> timed = {};  // in place of run: of another process, which gives the seconds of one run itself
};

enum class Unit : uint8_t { gigabytes, gigaflops, microseconds, nanoseconds };  // times are per unit of work

// What the case must reach: a measured value against a limit. Values: "per SUBJECT", how many times Tenon's fused rate is
// the subject's, and "value", the fused figure in the case's unit.
struct Bar {
  std::string value;
  bool at_least = true;
  double limit = 0;
};

struct Case {
  std::string name;
  int threads = 1;
  Unit unit = Unit::gigabytes;
  double work = 1;  // bytes, flops, steps or calls of one run
  std::function<std::vector<Subject>()> prepare;  // makes the data; the first run of a subject compiles
  std::vector<Bar> bars;
  const char* published = "";  // the best figure of the peers, from their own run on another machine
  double seconds = 1.5;  // spent measuring
  bool derivative = false;  // its other subject is the function whose derivative it is: the table has times, not rates
};

struct Result {
  double seconds = 0;  // median time of one run of the first subject
  std::map<std::string, double> value;  // in the case's unit
  std::map<std::string, double> per;  // fused rate / subject's rate
  double spread = 0;  // 90th percentile of the fused time / its median
};

// Runs every subject in turn, again and again, in another order each round, and compares medians.
Result measure(const Case& c);
double to_unit(Unit unit, double work, double seconds);

// Registers a case with Google Benchmark; its result is kept for the table.
void add(Case c);
// Prints every result measured so far, beside the bars. False when a bar was missed.
bool print_table();

// Runs body(begin, end) over [0, total) in as many pieces as Tenon may use threads: how hand-written loops share work.
template <class Body>
void share(int64_t total, const Body& body) {
  const int64_t threads = tenon_runtime_threads();
  if (threads == 1) return body(int64_t{0}, total);
  const tenon_env* env = tenon_runtime_env();
  const auto piece = [](void* context, int64_t begin, int64_t end) -> int32_t {
    (*static_cast<const Body*>(context))(begin, end);
    return 0;
  };
  env->parallel_for(env->pool, total, (total + threads - 1) / threads, piece, const_cast<Body*>(&body));
}

// The groups of cases.
void add_ceilings();
void add_elementwise();
void add_rows();
void add_contractions();
void add_windows();
void add_scan();
void add_order();
void add_linalg();
void add_lanes();
void add_loops();
void add_adbench();
void add_latencies();
void add_free_extents();
void add_gpu();
void add_fft();

// Written memory from Tenon's allocator: aligned, on huge pages where it is large.
std::shared_ptr<float> block(int64_t count, float value = 0);

// Measured next to the cases that they bound (bench/ceilings.cc).
void copy_ordinary(float* to, const float* from, int64_t count);  // memcpy
void copy_nontemporal(float* to, const float* from, int64_t count);  // stores that bypass the caches
Subject fma_peak(double flops);  // about so many, so that it takes as long as its peer

}  // namespace tenon::bench
