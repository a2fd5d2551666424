// Signals that a kernel raises. The handler says what happened and lets the thread go on, on a stack of its own, at a place that
// leaves for the scheduler. Signals of other threads go where they went before.
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#include "tenon/tests/cuda/driver/block.h"

extern "C" __attribute__((weak)) int __asan_report_present(void);

namespace simulated {
namespace {

constexpr int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
struct sigaction before[5];
stack_t stack_before;
pthread_t owner;
alignas(64) char handler_stack[64 << 10], emergency_stack[64 << 10];

[[noreturn]] void give_up() {
  leave(running.now->fiber, true);
  __builtin_unreachable();
}

void handle(int number, siginfo_t* info, void* context) {
  const bool reported = __asan_report_present && __asan_report_present();  // which ends the process, whatever comes
  if (reported || !pthread_equal(owner, pthread_self()) || !running.now) {
    for (size_t i = 0; i < std::size(signals); ++i)
      if (signals[i] == number) sigaction(number, &before[i], nullptr);
    return;  // it comes again
  }
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  const auto stack = reinterpret_cast<uintptr_t>(running.now->fiber.stack);
  if (number == SIGSEGV && address < stack && address + (64 << 10) >= stack)
    say_failure(error_launch_failed, "the stack overflows");
  else if (number == SIGSEGV || number == SIGBUS)
    say_failure(error_illegal_address, "address %p is not the device's", info->si_addr);
  else if (number == SIGFPE)
    say_failure(error_launch_failed, "an integer is divided by zero");
  else
    say_failure(error_launch_failed,
                "an index is outside its array, an address is not aligned, or a signed integer overflows");
  auto* c = static_cast<ucontext_t*>(context);
  const auto top = reinterpret_cast<uintptr_t>(emergency_stack + sizeof emergency_stack);
#if defined(__x86_64__)
  c->uc_mcontext.gregs[REG_RSP] = static_cast<greg_t>(top - 8);
  c->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(reinterpret_cast<uintptr_t>(&give_up));
#else
  c->uc_mcontext.sp = top;
  c->uc_mcontext.pc = reinterpret_cast<uintptr_t>(&give_up);
#endif
}

}  // namespace

FaultsAreCaught::FaultsAreCaught() {
  owner = pthread_self();
  stack_t mine = {};
  mine.ss_sp = handler_stack;
  mine.ss_size = sizeof handler_stack;
  sigaltstack(&mine, &stack_before);
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &action, &before[i]);
}

FaultsAreCaught::~FaultsAreCaught() {
  for (size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &before[i], nullptr);
  sigaltstack(&stack_before, nullptr);
}

}  // namespace simulated
