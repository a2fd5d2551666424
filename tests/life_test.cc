// Birth and death: ops in every kind of destructor and handler that runs when a thread or the process ends, and threads that
// compile while it does. Each case is a fresh process. Refuses to assert times.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

// Counts what registers itself to be destroyed at the end of the process, for whoever asks.
namespace {
std::atomic<int> objects = 0, objects_of_llvm = 0;
std::atomic<bool> asks = false;  // for the library: a long search
}  // namespace
extern "C" int __cxa_atexit(void (*destroy)(void*), void* object, void* library) noexcept {
  using Register = int (*)(void (*)(void*), void*, void*);
  static const auto next = reinterpret_cast<Register>(dlsym(RTLD_NEXT, "__cxa_atexit"));
  Dl_info from{};
  ++objects;
  if (asks && dladdr(__builtin_return_address(0), &from) != 0 && from.dli_fname != nullptr &&
      std::string_view(from.dli_fname).find("libLLVM") != std::string_view::npos)
    ++objects_of_llvm;
  return next(destroy, object, library);
}

namespace tn = tenon;
using tn::Tensor;

namespace {

// Eager ops, a jitted function that is new for each number, a backward: the process ends with 3 where a value is wrong.
void work(int number) {
  const Tensor x = tn::full({number + 2, 3}, 2.0f);
  const auto f = tn::jit([&](const Tensor& v) { return tn::sum(tn::exp(v * 0) + v * number); });
  const Tensor leaf = tn::full({number + 5}, 3.0f, {.requires_grad = true});
  tn::sum(leaf * leaf * number).backward();
  const auto elements = static_cast<float>(3 * (number + 2)), n = static_cast<float>(number);
  if (f(x).item<float>() != elements * (1 + 2 * n)) _exit(3);
  if (leaf.grad().to_vector<float>().back() != 6 * n) _exit(4);
  if (tn::max(x + x * x).item<float>() != 6) _exit(5);
}

struct AtEnd {
  int number;
  explicit AtEnd(int number) : number(number) {}
  ~AtEnd() { work(number); }
};

class Life : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void end_with_statics() {
  static AtEnd before(11);
  work(1);
  static AtEnd after(12);
  std::exit(0);
}

[[noreturn]] void end_with_the_first_op() {
  static AtEnd only(11);
  std::exit(0);
}

[[noreturn]] void end_with_thread_locals(bool ops_before, bool on_main) {
  const auto body = [=] {
    if (ops_before) work(1);
    thread_local AtEnd first(11);
    work(2);
    thread_local AtEnd second(12);
    EXPECT_NE(first.number, second.number);
  };
  if (on_main) {
    body();
  } else {
    for (int i = 0; i < 3; ++i) std::thread(body).join();
  }
  std::exit(0);
}

[[noreturn]] void end_with_key_of_pthreads() {
  static pthread_key_t key;
  pthread_key_create(&key, [](void* rounds) {  // comes back until the last round
    work(20);
    if (rounds != nullptr) pthread_setspecific(key, static_cast<char*>(rounds) - 1);
  });
  std::thread([] {
    pthread_setspecific(key, reinterpret_cast<void*>(4));
    work(1);
  }).join();
  work(2);
  std::exit(0);
}

[[noreturn]] void end_with_handlers(bool quick) {
  const auto add = quick ? std::at_quick_exit : std::atexit;
  add([] { work(11); });
  work(1);
  add([] { work(12); });
  quick ? std::quick_exit(0) : std::exit(0);
}

[[noreturn]] void end_with_everything() {
  std::atexit([] { work(11); });
  static AtEnd before(12);
  thread_local AtEnd of_main(13);
  work(of_main.number + before.number);
  static AtEnd after(14);
  std::atexit([] { work(15); });
  std::thread([] {
    thread_local AtEnd of_thread(16);
    work(of_thread.number);
  }).join();
  std::exit(0);
}

TEST_F(Life, OpsInStaticDestructors) { EXPECT_EXIT(end_with_statics(), testing::ExitedWithCode(0), ""); }
TEST_F(Life, TheFirstOpInAStaticDestructor) { EXPECT_EXIT(end_with_the_first_op(), testing::ExitedWithCode(0), ""); }
TEST_F(Life, OpsInThreadLocalDestructors) {
  for (const bool ops_before : {false, true})
    for (const bool on_main : {false, true})
      EXPECT_EXIT(end_with_thread_locals(ops_before, on_main), testing::ExitedWithCode(0), "");
}
TEST_F(Life, OpsInKeysOfPthreads) { EXPECT_EXIT(end_with_key_of_pthreads(), testing::ExitedWithCode(0), ""); }
TEST_F(Life, OpsInHandlers) {
  for (const bool quick : {false, true}) EXPECT_EXIT(end_with_handlers(quick), testing::ExitedWithCode(0), "");
}
TEST_F(Life, OpsInEverything) { EXPECT_EXIT(end_with_everything(), testing::ExitedWithCode(0), ""); }

// main returns while threads compile one new function after the other, from the first compilation of the process on.
[[noreturn]] void end_while_compiling(int threads, int run) {
  static std::atomic<int> compiled = 0;
  for (int t = 0; t < threads; ++t)
    std::thread([t] {
      for (int number = 2;; ++number, ++compiled) {
        const auto f = tn::jit([&](const Tensor& v) { return tn::softmax(v * number + t, -1) + tn::sum(v); });
        f(tn::ones({7, number}));
      }
    }).detach();
  while (compiled < run % 5) std::this_thread::yield();  // 0: nobody has begun
  std::this_thread::sleep_for(std::chrono::microseconds(run * 977 % 10000));
  std::exit(0);
}

TEST_F(Life, TheProcessEndsWhileThreadsCompile) {
  for (int run = 0; run < 48; ++run)
    EXPECT_EXIT(end_while_compiling(1 + run % 4, run), testing::ExitedWithCode(0), "") << run;
}

// Whatever LLVM makes after the library is loaded would be destroyed while others still compile.
TEST_F(Life, LlvmMakesItsObjectsWhenTheLibraryIsLoaded) {
  EXPECT_GT(objects, 100) << "what is registered is not seen";
  asks = true;
  const Tensor x = tn::normal(tn::key(1), {40, 50});
  const Tensor leaf = tn::full({50, 30}, 0.5f, {.requires_grad = true});
  tn::sum(tn::layer_norm(tn::gelu(tn::matmul(x, leaf)), tn::ones({30}), 0.1, 1e-5)).backward();
  tn::jit([](const Tensor& v) { return tn::cumsum(tn::tanh(v), 0) / tn::floor(v) + tn::sin(v).astype(tn::f16); })(x);
  tn::softmax(x.astype(tn::bf16), 0).astype(tn::i8) / 3;
  tn::where(x > 0, x.astype(tn::i64), 7) % 5;
  EXPECT_EQ(objects_of_llvm, 0);
}

// Nothing of the library's own is destroyed when a thread or the process ends, or is made under a lock that a fork could leave
// locked for ever.
TEST_F(Life, TheLibraryHasNoDestructorsOfObjects) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers add objects of their own";
#endif
  int archives = 0;
  for (const auto& file : std::filesystem::directory_iterator(TENON_BINARY_DIR)) {
    if (file.path().extension() != ".a" || file.path().filename().string().starts_with("libtenon_testing") ||
        file.path().filename().string().starts_with("libtenon_example") ||
        file.path().filename().string().starts_with("libtenon_bench"))
      continue;
    std::ifstream in(file.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    for (const char* name : {"__cxa_thread_atexit", "__cxa_atexit", "__cxa_guard_acquire"})
      EXPECT_EQ(bytes.find(name), std::string::npos) << file.path() << " asks for " << name;
    ++archives;
  }
  EXPECT_GE(archives, 6);
}

}  // namespace
