// Saves the service's programs into the folder that is its argument: objects, headers, manifests, and the requests that check
// them, each with the answer of the same function jitted for its very shape. Programs are compiled for the machine at hand.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tenon/examples/service/models.h"

namespace {

namespace tn = tenon;
using tn::Tensor;

constexpr int64_t most_images = 64, most_rows = 16, sizes = 20;

class Requests {
 public:
  explicit Requests(const std::string& path) : out_(path, std::ios::binary), path_(path) {}
  void number(int64_t v) { out_.write(reinterpret_cast<const char*>(&v), sizeof v); }
  void tensor(const Tensor& t) {
    out_.write(static_cast<const char*>(t.raw()), static_cast<std::streamsize>(t.numel() * tn::bytes(t.dtype())));
  }
  void close() {
    out_.close();
    if (!out_) throw tn::Error("cannot write " + path_);
  }

 private:
  std::ofstream out_;
  const std::string path_;
};

// Twenty batches of images, from none to the most.
void save_cnn(const std::string& folder) {
  const auto f = tn::jit([net = service::init_cnn(1)](const Tensor& images) { return service::classify(net, images); });
  const tn::Dim n = tn::dim("images", 0, most_images);
  tn::aot::save(f, {.name = "cnn", .out = folder, .native = true, .arguments = {"pixels"}},
                tn::spec({n, 28, 28, 1}, tn::f32));
  Requests requests(folder + "/cnn.requests");
  requests.number(sizes);
  for (int64_t k = 0; k < sizes; ++k) {
    const int64_t count = k * most_images / (sizes - 1);
    const Tensor images = tn::normal(tn::key(100 + static_cast<uint64_t>(k)), {count, 28, 28, 1});
    requests.number(count);
    requests.tensor(images);
    requests.tensor(f(images));
  }
  requests.close();
}

// Twenty batches of sentences of different lengths.
void save_transformer(const std::string& folder) {
  const auto f = tn::jit([net = service::init_transformer(2)](const Tensor& tokens, const Tensor& positions) {
    return service::predict(net, tokens, positions);
  });
  const tn::Dim n = tn::dim("sentences", 1, most_rows), t = tn::dim("length", 1, service::longest);
  tn::aot::save(f, {.name = "transformer", .out = folder, .native = true, .arguments = {"tokens", "positions"}},
                tn::spec({n, t}, tn::i32), tn::spec({t}, tn::i32));
  Requests requests(folder + "/transformer.requests");
  requests.number(sizes);
  for (int64_t k = 0; k < sizes; ++k) {
    const int64_t count = 1 + k % most_rows, length = 1 + (k * 37) % 97;
    const Tensor tokens =
        (tn::uniform(tn::key(200 + static_cast<uint64_t>(k)), {count, length}) * service::vocabulary).astype(tn::i32);
    const Tensor positions = tn::arange(0, length).astype(tn::i32);
    requests.number(count);
    requests.number(length);
    requests.tensor(tokens);
    requests.tensor(positions);
    requests.tensor(f(tokens, positions));
  }
  requests.close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: service_generator FOLDER\n"), 2;
  try {
    save_cnn(argv[1]);
    save_transformer(argv[1]);
  } catch (const tn::Error& e) {
    return std::fprintf(stderr, "service_generator: %s\n", e.what()), 1;
  }
  return 0;
}
