// Ranks on GPUs, each a thread with a simulated GPU of its own, by a simulated NCCL: what they do together has the bits of the CPU's
// ranks; where NCCL does not serve them they go through memory of the host; and whatever fails, or never ends, is an Error on
// all of them.
#include <dlfcn.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>
#include <mutex>

#include "tenon/tests/child.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/simulated_gpu.h"

namespace tenon::testing {
namespace {

using dist::World;

int nccl_calls(const char* function) {
  void* library = dlopen(std::getenv("TENON_NCCL"), RTLD_NOW | RTLD_NOLOAD);
  auto* count = library ? reinterpret_cast<int (*)(const char*)>(dlsym(library, "simulated_nccl_count")) : nullptr;
  return count ? count(function) : 0;
}

// ---- what goes wrong, each in a process of its own, before this one starts the driver

// What `f` says in a child, in which every rank has a GPU of its own, or as the words say.
std::string said_by(const std::function<void()>& f, const std::string& nccl = "",
                    const std::string& cuda = "devices=4") {
  std::string said;
  const int code = in_child(
      [&] {
        use_simulated_gpu(cuda);
        setenv("SIMULATED_NCCL", nccl.c_str(), 1);
        if (const std::string reason = no_simulated_gpu(); !reason.empty()) return 0;
        f();
        return 0;
      },
      &said);
  return said + (code == 0 ? "" : "ended with " + std::to_string(code));
}

Tensor own(const World& w, Device device, int64_t count = 8) {
  return (arange(0, count).astype(f32) + static_cast<float>(10 * w.rank())).to(device);
}

// The words of every rank's error in a step of a gathering, a sum in parts and a permutation; and that all are there in time.
void say_errors(int n, double timeout) {
  std::mutex lock;
  const auto begun = std::chrono::steady_clock::now();
  try {
    dist::simulate(n, [&](World w) {
      w.set_timeout(timeout);
      const Device device = cuda(w.rank());
      std::string text = "no error";
      try {
        const auto f = jit([&](const Tensor& x) {
          return dist::all_reduce(x, w) + dist::all_reduce(dist::permute(x, w, {{0, 1}, {1, 0}}), w, {.op = "max"});
        });
        f(own(w, device, 40000));
      } catch (const Error& e) {
        text = e.what();
      }
      const std::lock_guard hold(lock);
      std::cerr << "rank " << w.rank() << ": " << text << "\n";
    });
  } catch (const Error& e) {
    std::cerr << "simulate: " << e.what() << "\n";
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  if (took.count() > timeout + 20) std::cerr << "took " << took.count() << " s\n";
}

int times(const std::string& text, const std::string& word) {
  int n = 0;
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) ++n;
  return n;
}

TEST(CudaRanksFaults, WhatNcclRefusesIsAnErrorOnAllRanks) {
  const struct {
    const char *words, *doing;
  } cases[] = {
      {"fail=ncclGetUniqueId:1:2", "name a group of ranks: unhandled system error (2)"},
      {"fail=ncclCommInitRankConfig:2:5", "begin a group of ranks: invalid usage (5)"},
      {"async=ncclCommInitRankConfig:1:6", "begin what ranks asked for: remote process"},
      {"fail=ncclGroupStart:2:3", "move what ranks have: internal error (3)"},
      {"fail=ncclSend:2:1", "move what ranks have: unhandled cuda error (1)"},
      {"fail=ncclGroupEnd:1:1", "move what ranks have: unhandled cuda error (1)"},
      {"fail=ncclAllGather:2:4", "move what ranks have: invalid argument (4)"},
      {"async=ncclAllGather:1:6", "remote process exited"},
      {"fail=ncclCommGetAsyncError:9:3", "internal error (3)"},
  };
  for (const auto& c : cases) {
    const std::string said = said_by([] { say_errors(2, 9); }, c.words);
    if (said.empty()) GTEST_SKIP() << "nothing runs on the simulated GPU";
    EXPECT_EQ(times(said, c.doing), 2) << c.words << ":\n" << said;
    EXPECT_EQ(times(said, "NCCL could not"), 2) << c.words << ":\n" << said;
    EXPECT_EQ(times(said, "TENON_NCCL=0"), 2) << c.words << ":\n" << said;
    EXPECT_EQ(times(said, "took"), 0) << c.words << ":\n" << said;
  }
}

TEST(CudaRanksFaults, WhatNeverBeginsOrNeverEndsIsAnErrorOnAllRanksInTime) {
  for (const char* words : {"hang=ncclCommInitRankConfig:1", "hang=ncclSend:1", "hang=ncclAllGather:2",
                            "stall=ncclSend:3", "stall=ncclAllGather:1"}) {
    const std::string said = said_by([] { say_errors(2, 2); }, words);
    if (said.empty()) GTEST_SKIP() << "nothing runs on the simulated GPU";
    EXPECT_EQ(times(said, "within 2 s"), 2) << words << ":\n" << said;
    EXPECT_EQ(times(said, "took"), 0) << words << ":\n" << said;
  }
}

TEST(CudaRanksFaults, ARankThatFailsOrEndsMeanwhileIsAnErrorOnTheOthers) {
  const std::string said = said_by([] {
    for (const bool throws : {true, false}) {
      try {
        dist::simulate(2, [&](World w) {
          w.set_timeout(5);
          const Tensor x = own(w, cuda(w.rank()));
          dist::all_gather(x, w);
          if (w.rank() == 1 && throws) throw Error("a reason");
          if (w.rank() == 1) return;
          dist::all_gather(x, w);
        });
      } catch (const Error& e) {
        std::cerr << e.what() << "\n";
      }
    }
  });
  if (said.empty()) GTEST_SKIP() << "nothing runs on the simulated GPU";
  EXPECT_NE(said.find("a reason"), std::string::npos) << said;
  EXPECT_NE(said.find("rank 1 has ended, awaited in all_gather"), std::string::npos) << said;
}

// A kernel that breaks one rank's GPU: the others do not wait for it.
TEST(CudaRanksFaults, AGpuThatIsLostIsAnErrorOnAllRanks) {
  const std::string said = said_by([] { say_errors(2, 9); }, "", "devices=4 sticky=cuLaunchKernel:3:700");
  if (said.empty()) GTEST_SKIP() << "nothing runs on the simulated GPU";
  EXPECT_EQ(times(said, "memory that is not there"), 2) << said;
  EXPECT_EQ(times(said, "no error"), 0) << said;
}

TEST(CudaRanksFaults, WhoDoesSomethingElseIsNamed) {
  const std::string said = said_by([] {
    const auto differ = [](auto f) {
      try {
        dist::simulate(2, [&](World w) { f(w, own(w, cuda(w.rank()), 5)); });
      } catch (const Error& e) {
        std::cerr << e.what() << "\n";
      }
    };
    differ([](const World& w, const Tensor& x) { dist::all_reduce(x, w, {.op = w.rank() == 0 ? "min" : "max"}); });
    differ([](const World& w, const Tensor& x) { w.rank() == 0 ? dist::all_reduce(x, w) : dist::all_gather(x, w); });
    differ([](const World& w, const Tensor& x) { dist::all_reduce(w.rank() == 0 ? x : x[slice(1, 4)], w); });
    differ([](const World& w, const Tensor& x) {
      const int64_t n = w.rank() == 0 ? 40001 : 40002;
      jit([&](const Tensor& t) { return dist::all_reduce(broadcast_to(sum(t), {n}), w); })(x);
    });
    differ([](const World& w, const Tensor& x) { dist::all_reduce(w.rank() == 0 ? x : x.to(cpu()), w); });
  });
  if (said.empty()) GTEST_SKIP() << "nothing runs on the simulated GPU";
  for (const char* words : {"all_reduce_min", "all_reduce_max", "all_reduce_sum", "the ranks run different programs",
                            "all_gather of 5 f32 over 2 ranks", "all_gather of 3 f32", "of 20001 f32", "how GPUs move",
                            "all_reduce(sum) of 5 f32"})
    EXPECT_NE(said.find(words), std::string::npos) << words << " is not in\n" << said;
  EXPECT_EQ(times(said, "dist::simulate"), 5) << said;
}

// ---- through memory of the host

void say_way(const char* words) {
  for (const int n : {2, 3}) {
    dist::simulate(n, [&](World w) {
      const Tensor sum = dist::all_reduce(own(w, cuda(std::string(words) == "shared" ? 0 : w.rank())), w);
      for (int i = 0; i < 8; ++i)
        if (sum.to_vector<float>()[static_cast<size_t>(i)] != static_cast<float>(n * i + 5 * n * (n - 1)))
          std::cerr << "wrong at " << i << "\n";
    });
  }
  const std::string report = doctor();
  const size_t at = report.find("its ranks");
  std::cerr << (at == std::string::npos ? report : report.substr(at));
}

TEST(CudaRanksStaged, RanksThatShareAGpuGoThroughTheHost) {
  const std::string said = said_by([] { say_way("shared"); });
  if (said.empty()) GTEST_SKIP() << "nothing runs on the simulated GPU";
  EXPECT_NE(said.find("through memory of the host: ranks 0 and 1 share a GPU"), std::string::npos) << said;
  EXPECT_EQ(said.find("wrong"), std::string::npos) << said;
}

TEST(CudaRanksStaged, WithoutNcclTheyGoThroughTheHost) {
  for (const char* named : {"0", "/nowhere/libnccl.so.2", "libm.so.6"}) {
    const std::string said = said_by([&] {
      setenv("TENON_NCCL", named, 1);
      say_way("apart");
    });
    if (said.empty()) GTEST_SKIP() << "nothing runs on the simulated GPU";
    EXPECT_NE(said.find("through memory of the host: rank 0 has no NCCL"), std::string::npos) << said;
    EXPECT_EQ(said.find("wrong"), std::string::npos) << said;
  }
  const std::string said = said_by([] { say_way("old"); }, "version=21304");
  EXPECT_NE(said.find("rank 0 has no NCCL"), std::string::npos) << said;
}

// ---- the bits of the CPU

class CudaRanks : public ::testing::Test {
 protected:
  void SetUp() override {
    use_simulated_gpu("devices=5");
    unsetenv("SIMULATED_NCCL");
    if (const std::string reason = no_simulated_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

using Bytes = std::vector<std::string>;

Bytes bytes_of(const std::vector<Tensor>& results) {
  Bytes all;
  for (const Tensor& t : results) {
    const Tensor here = t.to(cpu());
    all.emplace_back(static_cast<const char*>(here.raw()), static_cast<size_t>(here.numel() * bytes(here.dtype())));
  }
  return all;
}

// What each rank gets, compiled and eagerly, on CPUs and on GPUs.
template <class F, class X>
void compare(int n, F f, X x) {
  std::vector<Bytes> expected(static_cast<size_t>(n)), found(expected), eager(expected);
  const auto run = [&](std::vector<Bytes>& into, bool gpu, bool compiled) {
    dist::simulate(n, [&](World w) {
      const Tensor t = x(w.rank()).to(gpu ? cuda(w.rank()) : cpu());
      const auto g = [&](const Tensor& a) { return f(a, w); };
      into[static_cast<size_t>(w.rank())] = bytes_of(compiled ? jit(g)(t) : g(t));
    });
  };
  run(expected, false, true);
  run(found, true, true);
  run(eager, true, false);
  for (size_t r = 0; r < found.size(); ++r)
    for (size_t k = 0; k < expected[r].size(); ++k) {
      EXPECT_EQ(found[r][k], expected[r][k]) << "result " << k << " of rank " << r << " of " << n;
      EXPECT_EQ(eager[r][k], expected[r][k]) << "result " << k << " of rank " << r << " of " << n << ", eagerly";
    }
}

std::vector<Tensor> reductions(const Tensor& x, const World& w) {
  const Tensor blocks = concat(std::vector<Tensor>(static_cast<size_t>(w.size()), x), 0);
  return {dist::all_reduce(x, w), dist::all_reduce(x, w, {.op = "prod"}), dist::all_reduce(x, w, {.op = "min"}),
          dist::all_reduce(x, w, {.op = "max"}), dist::reduce_scatter(blocks + x[slice(0, 1)], w)};
}

std::vector<Tensor> moves(const Tensor& x, const World& w) {
  const int n = w.size(), next = (w.rank() + 1) % n, before = (w.rank() + n - 1) % n;
  const Tensor blocks = concat(std::vector<Tensor>(static_cast<size_t>(n), x), 0);
  return {dist::all_gather(x, w),
          dist::all_to_all(blocks, w),
          dist::permute(x, w, {{0, n - 1}}),
          dist::permute(x, w, {{0, 0}, {1, n - 1}}),
          dist::broadcast(x, w, n - 1),
          dist::exchange(x, w, {.to = next, .from = before})};
}

// Numbers that differ by rank, with everything special that the dtype has.
Tensor numbers(int rank, DType dtype, int64_t count) {
  std::vector<double> v(static_cast<size_t>(count));
  for (size_t i = 0; i < v.size(); ++i) v[i] = std::fmod(static_cast<double>(7 * i + 3) * (rank + 1) * 0.37, 11) - 4;
  if (is_floating(dtype)) {
    const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
    const double special[] = {0., -0., infinity, -infinity, nan, 1e-7, 1e-39, 6e4};
    for (size_t i = 0; i < 64 && i < v.size(); ++i) v[i] = special[(rank % 2 == 0 ? i / 8 : i) % 8];
  }
  return copy_from(v.data(), {count}, f64).astype(dtype);
}

constexpr DType types[] = {i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64};

TEST_F(CudaRanks, ReduceToTheBitsOfTheCpu) {
  for (const DType dtype : types) {
    SCOPED_TRACE(name(dtype));
    compare(3, reductions, [&](int rank) { return numbers(rank, dtype, 67); });
  }
  EXPECT_GT(nccl_calls("ncclAllGather"), 0);
}

TEST_F(CudaRanks, ReduceInPartsToTheBitsOfTheCpu) {
  for (const int n : {2, 4, 5}) compare(n, reductions, [&](int rank) { return numbers(rank, f32, 9001); });
  compare(3, reductions, [&](int rank) { return numbers(rank, bf16, 20003); });
  EXPECT_GT(nccl_calls("ncclSend"), 0);
}

TEST_F(CudaRanks, MoveWhatTheCpuMoves) {
  for (const int n : {2, 3})
    for (const DType dtype : {u8, f16, f64})
      compare(
          n, [](const Tensor& x, const World& w) { return moves(x, w); },
          [&](int rank) { return numbers(rank, dtype, 33); });
  compare(
      3, [](const Tensor& x, const World& w) { return moves(x > 0, w); },
      [](int rank) { return numbers(rank, f32, 5); });
  compare(
      2, [](const Tensor& x, const World& w) { return moves(x[slice(0, 0)], w); },
      [](int rank) { return numbers(rank, f32, 5); });
  EXPECT_GT(nccl_calls("ncclBroadcast"), 0);
}

TEST_F(CudaRanks, GoAlongTheAxesOfAMesh) {
  const auto f = [](const Tensor& x, const World& w) {
    const dist::Mesh mesh(w, {{"data", 2}, {"model", 2}});
    return std::vector<Tensor>{dist::all_reduce(x, mesh["model"]), dist::all_gather(x, mesh["data"])};
  };
  compare(4, f, [](int rank) { return numbers(rank, f32, 12); });
}

// Losses and parameters of a few steps over shards, as bytes.
Bytes train(int n, bool gpu) {
  struct Net {
    Tensor w, b, v;
  };
  std::vector<Bytes> all(static_cast<size_t>(n));
  dist::simulate(n, [&](World world) {
    const auto there = [&](const Tensor& t) { return t.to(gpu ? cuda(world.rank()) : cpu()); };
    const auto loss_of = [](const Net& net, const Tensor& x, const Tensor& y) {
      const Tensor out = matmul(tanh(matmul(x, net.w) + net.b), net.v);
      return mean((out - y) * (out - y));
    };
    const auto step = jit(dist::data_parallel(
        [&](const Net& net, const Tensor& rate, const Tensor& x, const Tensor& y) {
          const auto [loss, gradient] = dist::mean_gradient(loss_of)(net, x, y);
          return std::make_tuple(
              tree::map([&](const Tensor& p, const Tensor& g) { return p - rate * g; }, net, gradient), loss);
        },
        world, {.shards = 4}));
    Net net{there(normal(key(1), {6, 128}) * 0.4f), there(zeros({128})), there(normal(key(2), {128, 70}) * 0.1f)};
    Bytes& mine = all[static_cast<size_t>(world.rank())];
    for (uint64_t k = 0; k < 4; ++k) {
      const Tensor x = normal(key(10 + k), {16, 6}), y = sin(matmul(x, normal(key(3), {6, 70})));
      const auto [next, loss] = step(net, there(full({}, 0.1f)), there(x), there(y));
      net = next;
      mine.push_back(bytes_of({loss})[0]);
    }
    for (const std::string& one : bytes_of({net.w, net.b, net.v})) mine.push_back(one);
  });
  for (const Bytes& one : all) EXPECT_EQ(one, all[0]);
  return all[0];
}

TEST_F(CudaRanks, TrainOverShardsToTheBitsOfTheCpu) {
  const Bytes expected = train(1, false);
  for (const int n : {2, 4}) EXPECT_EQ(train(n, true), expected) << n << " ranks";
  EXPECT_EQ(doctor().find("through memory"), std::string::npos) << doctor();
  EXPECT_NE(doctor().find("by NCCL 2.28.3"), std::string::npos) << doctor();
}

// Activations and cotangents that both ends of a pair send before either takes one, more than a message that waits in a copy.
TEST_F(CudaRanks, RunAPipelineWhoseMessagesCross) {
  const auto run = [](bool gpu) {
    std::vector<Bytes> all(3);
    dist::simulate(3, [&](World w) {
      const auto there = [&](const Tensor& t) { return t.to(gpu ? cuda(w.rank()) : cpu()); };
      const auto stage = [](const Tensor& p, const Tensor& x) { return tanh(x * p); };
      const auto last = [](const Tensor& p, const Tensor& x) { return mean(x * p); };
      const auto f =
          dist::pipeline(std::tuple{stage, stage, last}, w, {.microbatches = 6, .schedule = dist::one_f_one_b});
      using Three = std::tuple<Tensor, Tensor, Tensor>;
      const auto step = jit(value_and_grad<0>([&](const Three& p, const Tensor& x) { return f(p, x); }));
      const Tensor p = there(full({400}, 0.5f)), x = there(normal(key(1), {6 * 60, 400}));
      const auto [loss, gradient] = step(Three{p, p, p}, x);
      const auto& [a, b, c] = gradient;
      all[static_cast<size_t>(w.rank())] = bytes_of({loss, a, b, c});
    });
    return all;
  };
  EXPECT_EQ(run(true), run(false));
}

TEST_F(CudaRanks, LeaveNothingBehind) {
  const long events = simulated_count("live_events");
  const int aborted = nccl_calls("ncclCommAbort");
  const int left = nccl_calls("ncclCommInitRankConfig") - nccl_calls("ncclCommDestroy");
  dist::simulate(3, [](World w) { dist::all_gather(own(w, cuda(w.rank())), w); });
  EXPECT_EQ(simulated_count("live_events"), events);
  EXPECT_EQ(nccl_calls("ncclCommInitRankConfig") - nccl_calls("ncclCommDestroy"), left);
  EXPECT_EQ(nccl_calls("ncclCommAbort"), aborted);
}

}  // namespace
}  // namespace tenon::testing
