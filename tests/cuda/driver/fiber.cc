// Stacks, and the switch in assembly. Under AddressSanitizer each switch is told to it.
#include "tenon/tests/cuda/driver/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#define SIMULATED_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIMULATED_ASAN 1
#endif
#endif

#ifdef SIMULATED_ASAN
extern "C" {
void __sanitizer_start_switch_fiber(void** fake, const void* bottom, size_t size);
void __sanitizer_finish_switch_fiber(void* fake, const void** bottom, size_t* size);
void __asan_unpoison_memory_region(const volatile void* begin, size_t size);
}
#endif

extern "C" void simulated_switch(void** from, void* to);

#if defined(__x86_64__)
__asm__(R"(
.text
.globl simulated_switch
.hidden simulated_switch
.type simulated_switch, @function
simulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simulated_switch, .-simulated_switch
)");
#elif defined(__aarch64__)
__asm__(R"(
.text
.globl simulated_switch
.hidden simulated_switch
.type simulated_switch, %function
simulated_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size simulated_switch, .-simulated_switch
)");
#else
#error "no switch of stacks is written for this architecture"
#endif

namespace simulated {
namespace {

constexpr size_t page = 64 << 10;  // no machine's pages are larger

void* scheduler = nullptr;
#ifdef SIMULATED_ASAN
void* scheduler_fake = nullptr;
const void* scheduler_stack = nullptr;
size_t scheduler_bytes = 0;
#endif

}  // namespace

#ifdef SIMULATED_ASAN
const size_t stack_bytes = 256 << 10;
#else
const size_t stack_bytes = 64 << 10;
#endif

char* stack_of(int number) {
  static char* const stacks = [] {
    const size_t bytes = (stack_bytes + page) * most_threads;
    void* memory = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    for (int i = 0; i < most_threads; ++i)
      mprotect(static_cast<char*>(memory) + (stack_bytes + page) * static_cast<size_t>(i) + page, stack_bytes,
               PROT_READ | PROT_WRITE);
    return static_cast<char*>(memory);
  }();
  return stacks + (stack_bytes + page) * static_cast<size_t>(number) + page;
}

void prepare(Fiber& fiber, void (*entry)()) {
#ifdef SIMULATED_ASAN
  __asan_unpoison_memory_region(fiber.stack, stack_bytes);  // who ran here before may have been dropped
#endif
  // Tops at different distances, for equal ones would all fall into the same lines of the cache.
  const auto top = reinterpret_cast<uintptr_t>(fiber.stack) + stack_bytes -
                   (reinterpret_cast<uintptr_t>(fiber.stack) / (stack_bytes + page) * 192 & 0x7c0);
  auto* words = reinterpret_cast<void**>(top & ~uintptr_t{63});
#if defined(__x86_64__)
  words[-1] = nullptr;  // returns nowhere
  words[-2] = reinterpret_cast<void*>(entry);
  for (int i = 3; i <= 8; ++i) words[-i] = nullptr;
  fiber.at = words - 8;
#else
  words -= 20;
  for (int i = 0; i < 20; ++i) words[i] = nullptr;
  words[11] = reinterpret_cast<void*>(entry);
  fiber.at = words;
#endif
  fiber.fake = nullptr;
}

void enter(Fiber& fiber) {
#ifdef SIMULATED_ASAN
  __sanitizer_start_switch_fiber(&scheduler_fake, fiber.stack, stack_bytes);
#endif
  simulated_switch(&scheduler, fiber.at);
#ifdef SIMULATED_ASAN
  __sanitizer_finish_switch_fiber(scheduler_fake, nullptr, nullptr);
#endif
}

void entered() {
#ifdef SIMULATED_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_bytes);
#endif
}

void leave(Fiber& fiber, [[maybe_unused]] bool last) {
#ifdef SIMULATED_ASAN
  __sanitizer_start_switch_fiber(last ? nullptr : &fiber.fake, scheduler_stack, scheduler_bytes);
#endif
  simulated_switch(&fiber.at, scheduler);
#ifdef SIMULATED_ASAN
  __sanitizer_finish_switch_fiber(fiber.fake, nullptr, nullptr);
#endif
}

}  // namespace simulated
