// Ranks on GPUs, each a thread with a simulated GPU of its own, by a simulated NCCL: what they do together has the bits of the CPU's
// ranks. tests/cuda_ranks_faults_simulated_test.cc has what goes wrong.
#include <dlfcn.h>

#include <cmath>
#include <limits>

#include "tenon/tests/simulated_gpu.h"

namespace tenon::testing {
namespace {

using dist::World;

int nccl_calls(const char* function) {
  void* library = dlopen(std::getenv("TENON_NCCL"), RTLD_NOW | RTLD_NOLOAD);
  auto* count = library ? reinterpret_cast<int (*)(const char*)>(dlsym(library, "simulated_nccl_count")) : nullptr;
  return count ? count(function) : 0;
}

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

// What each rank gets, compiled and eagerly, on CPUs and on GPUs, of which there are five.
template <class F, class X>
void compare(int n, F f, X x) {
  std::vector<Bytes> expected(static_cast<size_t>(n)), found(expected), eager(expected);
  const auto run = [&](std::vector<Bytes>& into, bool gpu, bool compiled) {
    dist::simulate(n, [&](World w) {
      const Tensor t = x(w.rank()).to(gpu ? cuda(w.rank() % 5) : cpu());
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

// Subtrees of 64 ranks first; several share a GPU, and go through the host.
TEST_F(CudaRanks, ReduceOverManyToTheBitsOfTheCpu) {
  for (const int n : {70, 129})
    for (const DType dtype : {f32, bf16})
      compare(
          n, [](const Tensor& x, const World& w) { return std::vector<Tensor>{dist::all_reduce(x, w)}; },
          [&](int rank) { return numbers(rank, dtype, 70); });
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
  const int before = nccl_calls("ncclAllGather");
  const Bytes expected = train(1, false);
  for (const int n : {2, 4}) EXPECT_EQ(train(n, true), expected) << n << " ranks";
  EXPECT_GT(nccl_calls("ncclAllGather"), before);
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
  dist::simulate(3, [](World w) { dist::all_gather(ones({5}).to(cuda(w.rank())), w); });
  EXPECT_EQ(simulated_count("live_events"), events);
  EXPECT_EQ(nccl_calls("ncclCommInitRankConfig") - nccl_calls("ncclCommDestroy"), left);
  EXPECT_EQ(nccl_calls("ncclCommAbort"), aborted);
}

}  // namespace
}  // namespace tenon::testing
