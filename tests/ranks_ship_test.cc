// A training step over ranks, ahead of time: a C program that knows Tenon by the step's header and the small runtime alone, its ranks
// threads of its own process or, where MPI is here, processes under mpirun. Its losses are the JIT's to the bit.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cstdlib>
#include <filesystem>

#include "tenon/tests/shipped.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

struct Net {
  Tensor w, b;
};

constexpr int steps = 3;

Net first_net() { return {arange(0, 12).astype(f32).reshape({4, 3}) * 0.1f - 0.5f, zeros({3})}; }
Tensor loss_of(const Net& net, const Tensor& x, const Tensor& y) {
  const Tensor out = tanh(matmul(x, net.w) + net.b);
  return mean((out - y) * (out - y));
}

auto step_over(const dist::World& world) {
  return jit(dist::data_parallel(
      [](const Net& net, const Tensor& rate, const Tensor& x, const Tensor& y) {
        const auto [loss, gradient] = dist::mean_gradient(loss_of)(net, x, y);
        return std::make_tuple(tree::map([&](const Tensor& p, const Tensor& g) { return p - rate * g; }, net, gradient),
                               loss);
      },
      world, {.shards = 4}));
}

// What the C program makes, too: x[i] = (i % 7) / 7, y[i] = (i % 5) / 5, in f32.
Tensor fractions(int64_t count, int64_t cycle, Extents shape) {
  std::vector<float> v(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    v[static_cast<size_t>(i)] = static_cast<float>(i % cycle) / static_cast<float>(cycle);
  return copy_from(v.data(), {count}, f32).reshape(shape);
}

constexpr const char* program = R"(
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "step.h"
#include "tenon/runtime/tenon_ranks.h"

static int32_t train(const tenon_ranks* ranks) {
  tenon_env env = *tenon_serial_env();
  env.ranks = ranks;
  _Alignas(64) float w[12], b[3] = {0, 0, 0}, next_w[12], next_b[3], rate = 0.5f, x[32], y[24], loss = 0;
  for (int i = 0; i < 12; ++i) w[i] = (float)i * 0.1f - 0.5f;
  for (int i = 0; i < 32; ++i) x[i] = (float)(i % 7) / 7.0f;
  for (int i = 0; i < 24; ++i) y[i] = (float)(i % 5) / 5.0f;
  const void* inputs[] = {w, b, &rate, x, y};
  void* outputs[] = {next_w, next_b, &loss};
  for (int step = 0; step < 3; ++step) {
    const int32_t code = step_run(inputs, outputs, NULL, &env);
    if (code != TENON_OK) {
      printf("rank %d: %s: %s\n", ranks->rank, tenon_message(code), ranks->message(ranks->world));
      return code;
    }
    memcpy(w, next_w, sizeof w);
    memcpy(b, next_b, sizeof b);
    uint32_t bits;
    memcpy(&bits, &loss, sizeof bits);
    if (ranks->rank == 0) printf("%08x\n", (unsigned)bits);
  }
  ranks->leave(ranks->world);
  return 0;
}

#ifdef OVER_MPI
int main(void) {
  const char* reason = "";
  const tenon_ranks* ranks = tenon_mpi_ranks(&reason);
  if (ranks == NULL) return printf("%s\n", reason), 1;
  return train(ranks) != 0;
}
#else
static void* thread(void* ranks) { return train((const tenon_ranks*)ranks) == 0 ? ranks : NULL; }
int main(int argc, char** argv) {
  const int size = argc > 1 ? argv[1][0] - '0' : 1;
  tenon_simulated* world = tenon_simulated_open(size);
  pthread_t threads[8];
  for (int r = 0; r < size; ++r) pthread_create(&threads[r], NULL, thread, (void*)tenon_simulated_rank(world, r));
  int failed = 0;
  for (int r = 0; r < size; ++r) {
    void* good = NULL;
    pthread_join(threads[r], &good);
    failed |= good == NULL;
  }
  tenon_simulated_close(world);
  return failed;
}
#endif
)";

std::string expected_losses() {
  std::string text;
  Net net = first_net();
  const auto step = step_over(dist::init());
  const Tensor x = fractions(32, 7, {8, 4}), y = fractions(24, 5, {8, 3});
  for (int k = 0; k < steps; ++k) {
    const auto [next, loss] = step(net, full({}, 0.5f), x, y);
    net = next;
    const float value = loss.item<float>();
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    char line[16];
    std::snprintf(line, sizeof line, "%08x\n", bits);
    text += line;
  }
  return text;
}

// For a world of n ranks. The program is the same on every rank.
void save_step(const std::string& folder, int n) {
  dist::simulate(n, [&](dist::World world) {
    if (world.rank() == 0)
      aot::save(step_over(world), {.name = "step", .out = folder}, first_net(), full({}, 0.5f),
                fractions(32, 7, {8, 4}), fractions(24, 5, {8, 3}));
  });
}

class RanksShipped : public ::testing::Test {
 protected:
  RanksShipped() : folder_(temporary_folder("ranks")) {}
  ~RanksShipped() override { std::filesystem::remove_all(folder_); }
  const std::string folder_;
};

TEST_F(RanksShipped, ThreadsOfACProgramTrainAsTheJitDoes) {
  const std::string expected = expected_losses();
  for (const int n : {1, 2, 4}) {
    save_step(folder_, n);
    const Ran ran = run_shipped(folder_, {.text = program, .objects = {"step.o"}, .arguments = {std::to_string(n)}});
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_EQ(ran.output, expected) << n << " ranks";
  }
}

TEST_F(RanksShipped, AWorldThatIsTooSmallIsAnErrorWithAReason) {
  save_step(folder_, 2);
  const Ran ran = run_shipped(folder_, {.text = program, .objects = {"step.o"}, .arguments = {"1"}});
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.output.find("rank 0"), std::string::npos) << ran.output;
  EXPECT_NE(ran.output.find("group"), std::string::npos) << ran.output;
}

TEST_F(RanksShipped, ProcessesUnderMpirunTrainAsTheJitDoes) {
  const std::string plugin = TENON_BINARY_DIR "/libtenon_mpi.so";
  if (!std::filesystem::exists(plugin))
    GTEST_SKIP()
        << "the plug-in for MPI is not built; apt install libopenmpi-dev openmpi-bin, then cmake -DTENON_MPI=ON";
  if (run_command({"mpirun", "--version"}).status != 0) GTEST_SKIP() << "there is no mpirun; apt install openmpi-bin";
  setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  const std::string expected = expected_losses();
  for (const int n : {2, 4}) {
    save_step(folder_, n);
    const Ran built = run_shipped(folder_, {.text = program,
                                            .objects = {"step.o", plugin, "-Wl,-rpath," TENON_BINARY_DIR},
                                            .compiler = {"cc", "-std=c11", "-DOVER_MPI"}});
    EXPECT_NE(built.output.find("mpirun"), std::string::npos) << built.output;  // alone it says why it does nothing
    const Ran ran = run_command({"mpirun", "--oversubscribe", "-n", std::to_string(n), folder_ + "/user"});
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_EQ(ran.output, expected) << n << " ranks";
  }
}

}  // namespace
}  // namespace tenon::testing
