// What SIMULATED_NCCL says, and the counts of calls.
#include <cstdlib>
#include <cstring>

#include "tenon/tests/cuda/driver/words.h"
#include "tenon/tests/cuda/nccl/state.h"

namespace simulated_nccl {
namespace {

std::map<std::string, int>& counts() {
  static auto* const all = new std::map<std::string, int>;
  return *all;
}

const char* value_of(const char* name) { return simulated::value_in("SIMULATED_NCCL", name); }

// The code of NAME:N:CODE, or 1 of NAME:N, where this call is that one.
int planned(const char* what, const std::string& function, int count) {
  const char* value = value_of(what);
  if (!value || std::strncmp(value, (function + ":").c_str(), function.size() + 1) != 0) return 0;
  char* rest = nullptr;
  const long when = std::strtol(value + function.size() + 1, &rest, 10);
  if (when != count) return 0;
  return *rest == ':' ? std::atoi(rest + 1) : 1;
}

}  // namespace

int word(const char* name, int otherwise) {
  const char* value = value_of(name);
  return value ? std::atoi(value) : otherwise;
}

std::mutex& lock() {
  static auto* const one = new std::mutex;
  return *one;
}

Injected called(const char* function) {
  const int count = ++counts()[function];
  return {planned("fail", function, count), planned("async", function, count), planned("hang", function, count) != 0,
          planned("stall", function, count) != 0};
}

}  // namespace simulated_nccl

// How often a function was called.
extern "C" int simulated_nccl_count(const char* function) {
  const std::lock_guard<std::mutex> guard(simulated_nccl::lock());
  return simulated_nccl::counts()[function];
}
