// Runs the blocks of a launch, one after the other, and their threads, one at a time, in an order that may be turned round. What
// a GPU leaves undefined ends the launch with a text: threads that wait at different places, lanes that are missing, a bad
// address. Refuses to know of streams and memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/tests/cuda/driver/fiber.h"
#include "tenon/tests/cuda/shim/services.h"

namespace simulated {

enum class Order { forward, reverse, random };

struct Launch {
  const Module* module = nullptr;
  const Kernel* kernel = nullptr;
  Index grid{1, 1, 1}, block{1, 1, 1};
  size_t shared_bytes = 0;
  std::vector<std::vector<uint64_t>> arguments;  // each with room for its alignment
  void (*set_condition)(unsigned long long handle, unsigned value) = nullptr;
};

struct Manner {
  Order order = Order::forward;
  uint64_t seed = 1;
  bool late = true;  // asynchronous copies arrive when they are waited for, the last first
};

struct Outcome {
  int code = 0;  // as the driver numbers them
  std::string text;
};

// By one thread of the process at a time.
Outcome run(const Launch& launch, const Manner& manner);

// ---- for the files that share the work: warp.cc, fault.cc

struct Copy {
  void* to;
  const void* from;
  bool valid;
};

struct Thread {
  enum State : uint8_t { fresh, ready, at_barrier, in_warp, ended };
  Fiber fiber;
  int number = 0;
  uint32_t place = 0;  // in the order
  State state = fresh;
  Collective what{};
  unsigned mask = 0;
  void* record = nullptr;
  int line = 0;
  std::vector<std::vector<Copy>> groups;  // the last one is open
};

struct Running {
  const Launch* launch = nullptr;
  Manner manner;
  uint64_t random = 0;
  Index block{};
  std::vector<Thread> threads;
  int count = 0;
  Thread* now = nullptr;
  uint32_t first_ready = 0;  // of those that the running thread has made ready, by place
  char failure[512] = "";  // not a string: written from a signal's handler too
  int failure_code = 0;
};
extern Running running;

constexpr unsigned nan_word = 0x7ff9fff9;  // a NaN as f32, and its halves as bf16 and f16, two of them as f64
constexpr int error_launch_failed = 719, error_illegal_address = 700, error_misaligned = 716;

extern const Services services;
void wait();  // of the running thread, until it is made ready
// Ends the launch; returns to no fiber.
[[noreturn]] void fail(int code, const char* format, ...) __attribute__((format(printf, 2, 3)));
void say_failure(int code, const char* format, ...) __attribute__((format(printf, 2, 3)));
Index coordinates(int thread);
uint64_t next_random(uint64_t& state);
void fill(void* begin, size_t bytes, unsigned word);  // unseen by sanitizers
size_t first_unlike(const void* begin, size_t bytes, unsigned word);  // `bytes` where all are like it; unseen too

// While this lives, bad accesses and traps of fibers become failures instead of the process's end.
class FaultsAreCaught {
 public:
  FaultsAreCaught();
  ~FaultsAreCaught();
};

}  // namespace simulated
