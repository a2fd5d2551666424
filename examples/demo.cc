// Trains 784-512-512-10 on Fashion-MNIST with one jitted step, shows what was compiled, and ships the step to a C program.
// usage: demo [--device cpu|cuda] [EPOCHS [FOLDER]]; the folder holds the four gzipped IDX files
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>

#include "tenon/examples/data/idx.h"
#include "tenon/examples/data/mlp.h"
#include "tenon/examples/data/progress.h"
#include "tenon/examples/data/ship.h"

namespace tn = tenon;
using tenon::examples::IdxArray;

namespace {

constexpr int64_t batch = 128;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Data {
  IdxArray images, labels;
  int64_t count() const { return images.shape[0]; }
  // Rows in the given order, copied together.
  std::pair<tn::Tensor, tn::Tensor> rows(const int64_t* order, int64_t n) const {
    std::vector<uint8_t> pixels(static_cast<size_t>(n * 784)), classes(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
      std::memcpy(pixels.data() + i * 784, images.bytes.data() + order[i] * 784, 784);
      classes[i] = labels.bytes[order[i]];
    }
    return {tn::copy_from(pixels.data(), {n, 784}, tn::u8), tn::copy_from(classes.data(), {n}, tn::u8)};
  }
};

Data load(const std::string& folder, const std::string& kind, int64_t at_least) {
  Data d{tenon::examples::read_idx(folder + "/" + kind + "-images-idx3-ubyte.gz", 3),
         tenon::examples::read_idx(folder + "/" + kind + "-labels-idx1-ubyte.gz", 1)};
  if (d.images.shape[1] != 28 || d.images.shape[2] != 28 || d.labels.shape[0] != d.images.shape[0])
    throw tn::Error("the data set '" + kind + "' does not hold 28x28 images with one label each");
  if (d.count() < at_least)
    throw tn::Error("the data set '" + kind + "' holds " + std::to_string(d.count()) + " images; the demo needs " +
                    std::to_string(at_least));
  return d;
}

template <class F>
double accuracy(const F& count_hits, const mlp::Params& params, const Data& test) {
  std::vector<int64_t> order(static_cast<size_t>(test.count()));
  std::iota(order.begin(), order.end(), 0);
  int64_t hits = 0;
  for (int64_t at = 0; at < test.count(); at += 1000) {
    const auto [images, labels] = test.rows(order.data() + at, std::min<int64_t>(1000, test.count() - at));
    hits += count_hits(params, images, labels).template item<int64_t>();
  }
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
  tn::set_default_device(device);
  std::printf(
      "Tenon demo: 784-512-512-10 on Fashion-MNIST, batch %lld, adamw; forward, gradient and update are one compiled "
      "function%s.\n\n",
      static_cast<long long>(batch), device == tn::cpu() ? "" : (" on " + tn::device_info(device).name).c_str());
  constexpr int shipped_steps = 20;
  const Data train = load(folder, "train", shipped_steps * batch), test = load(folder, "t10k", 1);
  auto step = tn::jit(mlp::train_step, {.donate = {0, 1}, .name = "train_step"});
  auto hits = tn::jit([](const mlp::Params& p, const tn::Tensor& images, const tn::Tensor& labels) {
    return tn::sum(tn::argmax(mlp::forward(p, images), 1) == labels);
  });

  mlp::Params params = mlp::init(42);
  mlp::State state = tn::optim::adamw_init(params);
  std::vector<int64_t> order(static_cast<size_t>(train.count()));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 shuffle(7);
  const int64_t steps = train.count() / batch;

  {
    const auto [images, labels] = train.rows(order.data(), batch);
    const double start = now();
    const tn::Compiled compiled = step.lower(params, state, images, labels).compile();
    std::printf("traced, differentiated and compiled in %.0f ms%s: %zu kernels, arena %.2f MB\n\n",
                (now() - start) * 1e3, compiled.from_cache() ? " (kernels from the cache on disk)" : "",
                compiled.kernels().size(), static_cast<double>(compiled.memory().arena_bytes) / 1e6);
  }

  tenon::examples::Progress progress(epochs, steps, batch);
  double reached = 0;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    std::shuffle(order.begin(), order.end(), shuffle);
    double total = 0;
    for (int64_t s = 0; s < steps; ++s) {
      const auto [images, labels] = train.rows(order.data() + s * batch, batch);
      mlp::Step next = step(params, state, images, labels);
      params = std::move(next.params);
      state = std::move(next.state);
      const float loss = next.loss.item<float>();
      total += static_cast<double>(loss);
      progress.step(epoch, s, loss);
    }
    reached = accuracy(hits, params, test);
    progress.epoch(epoch, total / static_cast<double>(steps), reached);
  }
  std::printf("\ntest accuracy %.2f %% after %d epochs in %.1f s\n\n", reached, epochs, progress.seconds());

  const auto [images, labels] = train.rows(order.data(), batch);
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
  for (int i = 0; i < shipped_steps; ++i) batches.push_back(train.rows(order.data() + i * batch, batch));
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
