// Trains a convolutional network on Fashion-MNIST: pooling, batch norm, dropout, random shifts and flips, a cosine rate. The whole step
// is one jitted function whose state is donated; batches are made ahead on a thread. Two runs give the same bits. Writes the training
// curve (SVG), a picture of mistakes (PNG) and the network (safetensors), which it loads again.
// usage: convnet [--epochs N] [--out FOLDER] [--explain] [FOLDER]; the last is the folder of the four gzipped IDX files
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tenon/examples/convnet/net.h"
#include "tenon/examples/data/curve.h"
#include "tenon/examples/data/images.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

constexpr int64_t batch = 128;

struct Options {
  int epochs = 10;
  std::string out = ".", data = "/usr/share/datasets/fashion-mnist";
  bool explain = false;
};

struct Data {
  Tensor images, labels;  // u8[n, 28, 28], u8[n]
};

Data load(const std::string& folder, const std::string& kind) {
  Data d{tn::data::load_idx(folder + "/" + kind + "-images-idx3-ubyte.gz"),
         tn::data::load_idx(folder + "/" + kind + "-labels-idx1-ubyte.gz")};
  if (d.images.dtype() != tn::u8 || d.images.shape() != tn::Shape({d.labels.numel(), convnet::side, convnet::side}) ||
      d.labels.numel() < batch)
    throw tn::Error("the data set '" + kind + "' does not hold 28x28 images with one label each");
  return d;
}

template <class Hits>
double accuracy(const Hits& hits, const convnet::Net& net, const Data& test) {
  int64_t right = 0;
  for (const auto& [images, labels] : tn::data::batches(test, {.size = 1000}))
    right += hits(net, images, labels).template item<int64_t>();
  return 100.0 * static_cast<double>(right) / static_cast<double>(test.labels.numel().number());
}

// FNV-1a over the bytes of a tree: equal runs print equal digests.
template <class T>
uint64_t digest(const T& tree) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const Tensor& t : tn::tree::leaves(tree)) {
    const auto* const bytes = static_cast<const unsigned char*>(t.raw());
    for (int64_t i = 0; i < t.numel() * tn::bytes(t.dtype()); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  }
  return hash;
}

// The first test images that the network takes for something else.
void write_mistakes(const std::string& path, const convnet::Net& net, const Data& test) {
  const auto guess = tn::jit(
      [](const convnet::Net& n, const Tensor& images) { return tn::argmax(convnet::forward(n, images, {}).first, 1); });
  std::vector<Tensor> wrong;
  for (const auto& [images, labels] : tn::data::batches(test, {.size = 1000})) {
    const auto guesses = guess(net, images).to_vector<int64_t>(), truth = labels.to_vector<int64_t>();
    for (size_t i = 0; i < truth.size() && wrong.size() < 60; ++i)
      if (guesses[i] != truth[i]) wrong.push_back(images[static_cast<int64_t>(i)]);
  }
  if (!wrong.empty()) tenon::examples::write_image(path, tenon::examples::sheet(tn::stack(wrong), 12));
}

void run(const Options& o) {
  const Data train = load(o.data, "train"), test = load(o.data, "t10k");
  std::filesystem::create_directories(o.out);
  const int64_t steps_of_epoch = train.labels.numel().number() / batch;
  const convnet::Settings settings{.steps = o.epochs * steps_of_epoch};
  const auto step = tn::jit(convnet::step, {.donate = {0}, .name = "convnet_step"});
  const auto hits = tn::jit(convnet::hits);
  const auto [of_net, of_steps] = tn::split(tn::key(1));
  convnet::State state = convnet::state(convnet::net(of_net));

  const auto first = *tn::data::batches(train, {.size = batch}).begin();
  const tn::Compiled compiled = step.lower(state, first.images, first.labels, of_steps, settings).compile();
  std::printf("Fashion-MNIST, %lld-%lld-%lld channels, batch %lld: %zu kernels, compiled in %.2f s, arena %.1f MB\n",
              static_cast<long long>(convnet::widths[0]), static_cast<long long>(convnet::widths[1]),
              static_cast<long long>(convnet::widths[2]), static_cast<long long>(batch), compiled.kernels().size(),
              compiled.compile_seconds(), static_cast<double>(compiled.memory().arena_bytes) / 1e6);
  if (o.explain) std::printf("%s\n", compiled.explain().c_str());

  const auto start = std::chrono::steady_clock::now();
  tn::Progress progress(settings.steps, {.unit = "images", .per_step = batch});
  std::vector<std::pair<double, double>> losses, accuracies;
  double reached = 0;
  for (int epoch = 0; epoch < o.epochs; ++epoch) {
    progress.label("epoch " + std::to_string(epoch + 1) + "/" + std::to_string(o.epochs));
    double total = 0;
    const auto batches =
        tn::data::batches(train, {.size = batch, .key = tn::fold_in(tn::key(7), epoch), .drop_last = true});
    for (const auto& [images, labels] : batches) {
      auto [next, value] = step(state, images, labels, of_steps, settings);
      state = std::move(next);
      const auto loss = static_cast<double>(value.item<float>());
      total += loss;
      progress.step({{"loss", loss}});
      losses.emplace_back(static_cast<double>(progress.done()) / static_cast<double>(steps_of_epoch), loss);
    }
    progress.pause();
    reached = accuracy(hits, state.net, test);
    accuracies.emplace_back(epoch + 1, reached);
    progress.line({{"mean loss", total / static_cast<double>(batches.size())}, {"test accuracy %", reached}});
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  tenon::examples::write_svg(o.out + "/convnet.svg",
                             {.title = "Fashion-MNIST, convolutional network",
                              .x_label = "epoch",
                              .left_label = "loss",
                              .right_label = "test accuracy, %",
                              .curves = {{"", losses, false, true},
                                         {"training loss", tenon::examples::smoothed(losses, 50)},
                                         {"test accuracy", accuracies, true}}});
  write_mistakes(o.out + "/convnet_mistakes.png", state.net, test);
  const std::string file = o.out + "/convnet.safetensors";
  tn::save(file, state.net);
  const double again = accuracy(hits, tn::load(file, convnet::net(tn::key(99))), test);
  std::printf("\ntest accuracy %.2f %% after %d epochs in %.1f s, %.0f images/s while training; digest %016llx\n",
              reached, o.epochs, seconds, progress.rate(), static_cast<unsigned long long>(digest(state.net)));
  std::printf("loaded from %s: test accuracy %.2f %%, %s\n", file.c_str(), again,
              again == reached ? "the same" : "DIFFERENT");
  if (again != reached) throw tn::Error("the network that was saved gives another accuracy");
}

bool parse(int argc, char** argv, Options& o) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--explain")
      o.explain = true;
    else if (word == "--epochs" && i + 1 < argc)
      o.epochs = std::atoi(argv[++i]);
    else if (word == "--out" && i + 1 < argc)
      o.out = argv[++i];
    else if (i + 1 == argc && word[0] != '-')
      o.data = word;
    else
      return false;
  }
  return o.epochs >= 1 && o.epochs <= 1000;
}

}  // namespace

int main(int argc, char** argv) try {
  Options o;
  if (!parse(argc, argv, o))
    return std::fprintf(stderr, "usage: convnet [--epochs N] [--out FOLDER] [--explain] [FOLDER]\n"), 2;
  run(o);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "convnet: %s\n", e.what());
  return 1;
}
