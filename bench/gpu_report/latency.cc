// What one waits for: the training step compiled by a process that finds no cache and by one that finds it, and the cost of calls.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "tenon/bench/gpu_report/measure.h"
#include "tenon/examples/data/mlp.h"

namespace tenon::gpu_report {
namespace {

int64_t batch_of(bool quick) { return quick ? 8 : 128; }

// The training step in a process of its own, whose kernels are cached in `folder`. words name what is timed.
void start_rows(Recorder& recorder, const std::string& manner, const std::string& folder, bool expect_cached) {
  const std::string compile = "the MLP step compiled, " + manner, first = "its first result, " + manner;
  if (recorder.has(compile) && recorder.has(first)) return;
  const double before = now();
  setenv("TENON_CACHE_DIR", folder.c_str(), 1);
  std::vector<std::string> words = {"/proc/self/exe", "--child", "probe"};
  if (recorder.quick()) words.emplace_back("--quick");
  // /proc/self is the one who opens it: the program's own name is asked for here.
  words[0] = std::filesystem::read_symlink("/proc/self/exe").string();
  const Printed said = printed_by(words, 70);
  const double whole = now() - before;
  const auto j = parse_json(said.text);
  const auto row = [&](const std::string& name, double seconds) {
    recorder.row(name, [&] {
      Row r;
      if (!said.succeeded || !j) throw Error("the process that was to compile gave no answer");
      r.unit = "ms";
      r.seconds = seconds;
      r.spread = 1;
      r.shown = true;
      r.more.set("process", whole);
      r.more.set("from_cache", j->at("from_cache"));
      if ((j->at("from_cache").number != 0) != expect_cached)
        r.words = expect_cached ? "its kernels were not found on disk" : "its kernels were cached";
      return r;
    });
  };
  row(compile, j ? j->at("compile").number : 0);
  row(first, j ? j->at("first").number : 0);
}

}  // namespace

int probe(const Options& options) {
  const Tensor warm = drawn(1, {16}) + 1;  // the context is there, and the first small program
  synchronize();
  const mlp::Params params = mlp::init(7);
  const mlp::State state = optim::adamw_init(params);
  const int64_t batch = batch_of(options.quick);
  const Tensor images = (random_bits(key(8), {batch, 784}) % 256).astype(u8);
  const Tensor labels = (random_bits(key(9), {batch}) % 10).astype(u8);
  synchronize();
  const double start = now();
  const auto step = jit(mlp::train_step, {.name = "mlp_step"});
  const Compiled compiled = step.lower(params, state, images, labels).compile();
  const double compile = now() - start;
  const mlp::Step next = step(params, state, images, labels);
  const float loss = next.loss.item<float>();
  Json j = Json::make_object({{"compile", compile}, {"first", now() - start}, {"loss", static_cast<double>(loss)}});
  j.set("from_cache", compiled.from_cache());
  std::printf("%s\n", j.dump().c_str());
  return 0;
}

void latency(Recorder& recorder) {
  const std::string folder = recorder.options().out + "/" + cold_folder + std::to_string(getpid());
  const char* shared = std::getenv("TENON_CACHE_DIR");
  const std::string before = shared != nullptr ? shared : "";
  start_rows(recorder, "no cache", folder, false);
  start_rows(recorder, "from disk", folder, true);
  std::filesystem::remove_all(folder);
  before.empty() ? unsetenv("TENON_CACHE_DIR") : setenv("TENON_CACHE_DIR", before.c_str(), 1);

  const auto row = [&](const std::string& name, const std::function<Timing()>& time) {
    recorder.row(name, [&] {
      Row r = row_of(time(), "us");
      r.shown = true;
      return r;
    });
  };
  const Tensor x = drawn(2, {1024}), y = drawn(3, {1024});
  const auto f = jit([](const Tensor& a, const Tensor& b) { return a + b; });
  row("a call of one kernel, and its end", [&] { return time_alone(recorder, [&](int64_t) { f(x, y); }); });
  row("the host's part of an eager x + y", [&] { return time_host(recorder, [&](int64_t) { x + y; }); });
  if (recorder.quick()) return;
  const mlp::Params params = mlp::init(7);
  const mlp::State state = optim::adamw_init(params);
  const Tensor images = (random_bits(key(8), {128, 784}) % 256).astype(u8);
  const Tensor labels = (random_bits(key(9), {128}) % 10).astype(u8);
  const auto step = jit(mlp::train_step, {.name = "mlp_step"});
  row("the host's part of the MLP step",
      [&] { return time_host(recorder, [&](int64_t) { step(params, state, images, labels); }); });
}

}  // namespace tenon::gpu_report
