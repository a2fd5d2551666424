// What it costs that extents are known only at the call: the service's networks (examples/service) compiled for free extents, beside
// the same functions compiled for the very shapes. The figure is how many times the specialised program's rate the free one has.
#include <tenon/tenon.h>

#include "tenon/bench/case.h"
#include "tenon/examples/service/models.h"

namespace tenon::bench {
namespace {

constexpr const char* special = "specialised";

void add_images(int64_t count) {
  Case c;
  c.name = "CNN over free images, " + std::to_string(count);
  c.unit = Unit::microseconds;
  c.bars = {{std::string("per ") + special, true, 1 / 1.1}};
  c.prepare = [=] {
    const auto f = [net = service::init_cnn(1)](const Tensor& x) { return service::classify(net, x); };
    const auto free = jit(f, {.dynamic = {{0, 0, dim("images", 1, 64)}}}), exact = jit(f);
    const Tensor images = normal(key(3), {count, 28, 28, 1});
    return std::vector<Subject>{{fused, [=] { free(images); }}, {special, [=] { exact(images); }}};
  };
  add(c);
}

void add_sentences(int64_t count, int64_t length) {
  Case c;
  c.name = "transformer over free " + std::to_string(count) + " x " + std::to_string(length);
  c.unit = Unit::microseconds;
  c.bars = {{std::string("per ") + special, true, 1 / 1.1}};
  c.prepare = [=] {
    const auto f = [net = service::init_transformer(2)](const Tensor& tokens, const Tensor& positions) {
      return service::predict(net, tokens, positions);
    };
    const Dim n = dim("sentences", 1, 16), t = dim("length", 1, service::longest);
    const auto free = jit(f, {.dynamic = {{0, 0, n}, {0, 1, t}, {1, 0, t}}}), exact = jit(f);
    const Tensor tokens = (uniform(key(3), {count, length}) * service::vocabulary).astype(i32);
    const Tensor positions = arange(0, length).astype(i32);
    return std::vector<Subject>{{fused, [=] { free(tokens, positions); }},
                                {special, [=] { exact(tokens, positions); }}};
  };
  add(c);
}

}  // namespace

void add_free_extents() {
  for (int64_t count : {1, 8, 64}) add_images(count);
  add_sentences(1, 16);
  add_sentences(8, 64);
  add_sentences(16, 96);
}

}  // namespace tenon::bench
