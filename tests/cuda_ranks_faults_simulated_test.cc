// What goes wrong between ranks on simulated GPUs with a simulated NCCL, each in a process of its own: whatever fails, or never ends, is
// an Error on all of them, in time; and where NCCL does not serve them they go through memory of the host.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <mutex>

#include "tenon/tests/child.h"
#include "tenon/tests/simulated_gpu.h"

namespace tenon::testing {
namespace {

using dist::World;

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

}  // namespace
}  // namespace tenon::testing
