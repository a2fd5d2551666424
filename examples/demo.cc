// Trains 784-512-512-10 on Fashion-MNIST with one jitted step, shows what was compiled, and ships the step to a C program.
// usage: demo [--device cpu|cuda] [EPOCHS [FOLDER]]; the folder holds the four gzipped IDX files
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tenon/examples/data/mlp.h"
#include "tenon/examples/data/ship.h"

namespace tn = tenon;

namespace {

constexpr int64_t batch = 128;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Data {
  tn::Tensor images, labels;  // u8[n, 784], u8[n], on the processor
  int64_t count() const { return labels.size(0); }
};

Data load(const std::string& folder, const std::string& kind, int64_t at_least) {
  Data d{tn::data::load_idx(folder + "/" + kind + "-images-idx3-ubyte.gz"),
         tn::data::load_idx(folder + "/" + kind + "-labels-idx1-ubyte.gz")};
  if (d.images.dtype() != tn::u8 || d.images.shape() != tn::Shape({d.labels.numel(), 28, 28}))
    throw tn::Error("the data set '" + kind + "' does not hold 28x28 images with one label each");
  if (d.count() < at_least)
    throw tn::Error("the data set '" + kind + "' holds " + std::to_string(d.count()) + " images; the demo needs " +
                    std::to_string(at_least));
  d.images = d.images.reshape({-1, 784});
  return d;
}

template <class F>
double accuracy(const F& count_hits, const mlp::Params& params, const Data& test, tn::Device device) {
  int64_t hits = 0;
  for (const auto& [images, labels] : tn::data::batches(test, {.size = 1000, .device = device}))
    hits += count_hits(params, images, labels).template item<int64_t>();
  return 100.0 * static_cast<double>(hits) / static_cast<double>(test.count());
}

// Eager runs each function as a program of its own; jit runs the whole step as one.
template <class Step>
void compare(const Step& step, const mlp::Params& params, const mlp::State& state, const tn::Tensor& images,
             const tn::Tensor& labels) {
  const auto copy = [](const auto& tree) {
    return tn::tree::map([](const tn::Tensor& t) { return tn::copy_from(t.to(tn::cpu()).raw(), t.shape(), t.dtype()); },
                         tree);
  };
  const auto median = [](std::vector<double> v) {
    std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
    return v[v.size() / 2];
  };
  std::vector<double> eager, fused;
  mlp::Step eager_result, fused_result;
  const auto finished = [] {  // work on a GPU goes on when a call returns
    tn::synchronize();
    return now();
  };
  mlp::train_step(params, state, images, labels);  // its programs are compiled now
  for (int i = 0; i < 9; ++i) {
    double start = finished();
    eager_result = mlp::train_step(params, state, images, labels);
    eager.push_back(finished() - start);
    mlp::Params p = copy(params);
    mlp::State s = copy(state);
    start = finished();
    fused_result = step(p, s, images, labels);
    fused.push_back(finished() - start);
  }
  std::printf("one step: eager %.2f ms, fused %.2f ms (%.2fx); the losses are %s: %.9g\n\n", median(eager) * 1e3,
              median(fused) * 1e3, median(eager) / median(fused),
              eager_result.loss.item<float>() == fused_result.loss.item<float>() ? "the same bits" : "DIFFERENT",
              static_cast<double>(fused_result.loss.item<float>()));
}

void run(int epochs, const std::string& folder, tn::Device device) {
  std::printf(
      "Tenon demo: 784-512-512-10 on Fashion-MNIST, batch %lld, adamw; forward, gradient and update are one compiled "
      "function%s.\n\n",
      static_cast<long long>(batch), device == tn::cpu() ? "" : (" on " + tn::device_info(device).name).c_str());
  constexpr int shipped_steps = 20;
  const Data train = load(folder, "train", shipped_steps * batch), test = load(folder, "t10k", 1);
  tn::set_default_device(device);
  auto step = tn::jit(mlp::train_step, {.donate = {0, 1}, .name = "train_step"});
  auto hits = tn::jit([](const mlp::Params& p, const tn::Tensor& images, const tn::Tensor& labels) {
    return tn::sum(tn::argmax(mlp::forward(p, images), 1) == labels);
  });

  mlp::Params params = mlp::init(42);
  mlp::State state = tn::optim::adamw_init(params);
  const auto in_order = tn::data::batches(train, {.size = batch, .drop_last = true, .device = device});
  const int64_t steps = in_order.size();

  {
    const auto [images, labels] = *in_order.begin();
    const double start = now();
    const tn::Compiled compiled = step.lower(params, state, images, labels).compile();
    std::printf("traced, differentiated and compiled in %.0f ms%s: %zu kernels, arena %.2f MB\n\n",
                (now() - start) * 1e3, compiled.from_cache() ? " (kernels from the cache on disk)" : "",
                compiled.kernels().size(), static_cast<double>(compiled.memory().arena_bytes) / 1e6);
  }

  tn::Progress progress(epochs * steps, {.unit = "images", .per_step = batch});
  double reached = 0;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    progress.label("epoch " + std::to_string(epoch + 1) + "/" + std::to_string(epochs));
    double total = 0;
    for (const auto& [images, labels] : tn::data::batches(
             train, {.size = batch, .key = tn::fold_in(tn::key(7), epoch), .drop_last = true, .device = device})) {
      mlp::Step next = step(params, state, images, labels);
      params = std::move(next.params);
      state = std::move(next.state);
      const auto loss = static_cast<double>(next.loss.item<float>());
      total += loss;
      progress.step({{"loss", loss}});
    }
    reached = accuracy(hits, params, test, device);
    progress.line({{"mean loss", total / static_cast<double>(steps)}, {"test accuracy %", reached}});
  }
  std::printf("\ntest accuracy %.2f %% after %d epochs in %.1f s\n\n", reached, epochs, progress.seconds());

  const auto [images, labels] = *in_order.begin();
  compare(step, params, state, images, labels);

  const tn::Compiled compiled = step.lower(params, state, images, labels).compile();
  std::printf("what was compiled:\n%s\n", compiled.explain().c_str());

  // Ship it: save the step, train on in C on the processor, and compare losses bit by bit.
  const auto home = [](const auto& tree) {
    return tn::tree::map([](const tn::Tensor& t) { return t.to(tn::cpu()); }, tree);
  };
  params = home(params);
  state = home(state);
  tn::set_default_device(tn::cpu());
  std::vector<std::pair<tn::Tensor, tn::Tensor>> batches;
  for (const auto& [x, y] : tn::data::batches(train, {.size = batch})) {
    batches.emplace_back(x, y);
    if (batches.size() == shipped_steps) break;
  }
  tenon::examples::ship(step, params, state, batches);
}

}  // namespace

int main(int argc, char** argv) {
  tn::Device device = tn::cpu();
  bool known = true;
  if (argc > 2 && std::strcmp(argv[1], "--device") == 0) {
    known = std::strcmp(argv[2], "cpu") == 0 || std::strcmp(argv[2], "cuda") == 0;
    if (std::strcmp(argv[2], "cuda") == 0) device = tn::cuda(0);
    argc -= 2;
    argv += 2;
  }
  const int epochs = argc > 1 ? std::atoi(argv[1]) : 8;
  if (!known || epochs < 1 || epochs > 1000)
    return std::fprintf(stderr, "usage: demo [--device cpu|cuda] [EPOCHS [FOLDER]], 1 to 1000 epochs\n"), 2;
  if (device != tn::cpu() && !tn::cuda_is_available())
    return std::fprintf(stderr, "demo: there is no GPU to train on: %s\n\n%s", tn::cuda_reason().c_str(),
                        tn::doctor().c_str()),
           1;
  try {
    run(epochs, argc > 2 ? argv[2] : "/usr/share/datasets/fashion-mnist", device);
  } catch (const tn::Error& e) {
    std::fprintf(stderr, "demo: %s\n", e.what());
    return 1;
  } catch (const tn::InternalError& e) {
    std::fprintf(stderr, "demo: %s\n", e.what());
    return 1;
  }
  return 0;
}
