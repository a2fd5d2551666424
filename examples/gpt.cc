// Trains a character transformer on the fortunes that Debian's package brings, and writes new ones.
// usage: gpt [STEPS [FOLDER]]       trains, 1500 steps unless told, prints what it writes
//        gpt --compare OUT [FOLDER] 50 steps; OUT gets what examples/gpt/reference.py needs to do the same in PyTorch
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tenon/examples/gpt/model.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

constexpr int64_t batch = 32;
constexpr double rate = 1e-3;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

// The same steps here and in PyTorch: weights, windows and what came out here go into a folder.
void compare(const gpt::Text& text, const std::string& out) {
  constexpr int64_t steps = 50;
  const gpt::Sizes sizes{.vocabulary = static_cast<int64_t>(text.alphabet.size())};
  gpt::Gpt model = gpt::make(tn::key(1), sizes);
  gpt::State state = tn::optim::adamw_init(model);
  std::filesystem::create_directories(out);
  tn::save(out + "/weights.safetensors", model);
  std::vector<Tensor> windows, losses;
  for (const Tensor& key : tn::split(tn::key(2), steps))
    windows.push_back(gpt::windows(key, text.train, batch, sizes.length));
  auto step = tn::jit(gpt::train_step, {.donate = {0, 1}, .name = "train_step"});
  std::vector<double> seconds;
  for (const Tensor& w : windows) {
    const double start = now();
    gpt::Step next = step(model, state, w, tn::tensor(static_cast<float>(rate)));
    model = std::move(next.model);
    state = std::move(next.state);
    (void)next.loss.item<float>();
    seconds.push_back(now() - start);
    losses.push_back(next.loss);
  }
  tn::save_npy(out + "/windows.npy", tn::stack(windows));
  tn::save_npy(out + "/losses.npy", tn::stack(losses));
  std::ofstream(out + "/settings.json") << "{\"rate\": " << rate
                                        << ", \"weight_decay\": 0.01, \"blocks\": " << sizes.blocks
                                        << ", \"heads\": " << sizes.heads
                                        << ", \"milliseconds\": " << median(seconds) * 1e3 << "}\n";
  std::printf("Tenon: loss %.6f to %.6f, %.1f ms a step\n", static_cast<double>(losses[0].item<float>()),
              static_cast<double>(losses.back().item<float>()), median(seconds) * 1e3);
}

// Writes characters one at a time, and holds the last scores against those of the whole text at once.
void write(const gpt::Gpt& model, const gpt::Text& text, const Tensor& key) {
  const int64_t length = model.positions.shape()[0].number();
  auto sample = tn::jit(gpt::sample, {.donate = {1}, .name = "sample"});
  double took = 0, apart = 0;
  constexpr int64_t pieces = 4;
  for (const Tensor& k : tn::split(key, pieces)) {
    std::vector<int64_t> written = text.encode("\n");
    gpt::Sampler sampler = gpt::begin(model, k, written[0]);
    Tensor last;
    const double start = now();
    for (int64_t i = 0; i + 1 < length; ++i) {
      gpt::Sampled next = sample(model, sampler, 0.8);
      sampler = std::move(next.sampler);
      last = next.logits;
      written.push_back(sampler.token.item<int64_t>());
    }
    took += now() - start;
    const Tensor seen = tn::copy_from(written.data(), {1, length - 1}, tn::i64);
    const Tensor whole = gpt::logits(model, seen)[{0, length - 2}];
    apart = std::max(apart, static_cast<double>(tn::max(tn::abs(whole - last)).item<float>()));
    std::printf("%s\n----\n", text.decode(written).c_str());
  }
  std::printf("%.0f characters a second; scores through the cache are within %.1e of those of the whole text at once\n",
              static_cast<double>(pieces * (length - 1)) / took, apart);
}

double held_out(const gpt::Gpt& model, const gpt::Text& text, int64_t length) {
  static const auto loss = tn::jit(gpt::loss, {.name = "loss"});
  double sum = 0;
  constexpr int64_t rounds = 8;
  for (const Tensor& key : tn::split(tn::key(77), rounds))
    sum += static_cast<double>(loss(model, gpt::windows(key, text.held, batch, length)).item<float>());
  return sum / static_cast<double>(rounds);
}

void train(const gpt::Text& text, int64_t steps) {
  const gpt::Sizes sizes{.vocabulary = static_cast<int64_t>(text.alphabet.size())};
  gpt::Gpt model = gpt::make(tn::key(1), sizes);
  gpt::State state = tn::optim::adamw_init(model);
  std::printf("%lld characters of %zu kinds; %lld steps of %lld windows of %lld\n",
              static_cast<long long>(text.train.numel()), text.alphabet.size(), static_cast<long long>(steps),
              static_cast<long long>(batch), static_cast<long long>(sizes.length));
  // Windows are read, the rate is computed, and the model moves in one native function.
  auto step = tn::jit(
      [steps, length = sizes.length](const gpt::Gpt& g, const gpt::State& s, const Tensor& text, const Tensor& key) {
        const Tensor at = tn::optim::cosine(s.step, {.rate = 2 * rate, .steps = steps, .warmup = steps / 20});
        return gpt::train_step(g, s, gpt::windows(key, text, batch, length), at);
      },
      {.donate = {0, 1}, .name = "train_step"});
  tn::Progress progress(steps, {.unit = "characters", .per_step = static_cast<double>(batch * sizes.length)});
  const Tensor key = tn::key(3);
  for (int64_t i = 0; i < steps; ++i) {
    gpt::Step next = step(model, state, text.train, tn::fold_in(key, i));
    model = std::move(next.model);
    state = std::move(next.state);
    progress.step({{"loss", next.loss.item<float>()}});
  }
  std::printf("held-out loss %.4f, %.2f bits a character\n\n", held_out(model, text, sizes.length),
              held_out(model, text, sizes.length) / std::log(2.0));
  write(model, text, tn::key(4));
}

}  // namespace

int main(int argc, char** argv) {
  const bool comparing = argc > 2 && std::strcmp(argv[1], "--compare") == 0;
  const int64_t steps = argc > 1 && !comparing ? std::atoll(argv[1]) : 1500;
  const int next = comparing ? 3 : 2;
  if (steps < 1 || steps > 1000000 || argc > next + 1)
    return std::fprintf(stderr, "usage: gpt [STEPS [FOLDER]], 1 to 1000000 steps, or gpt --compare OUT [FOLDER]\n"), 2;
  try {
    const gpt::Text text = gpt::read_text(argc > next ? argv[next] : "/usr/share/games/fortunes");
    comparing ? compare(text, argv[2]) : train(text, steps);
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "gpt: %s\n", e.what()), 1;
  }
  return 0;
}
