// Whether results are right, before anybody asks how fast they came: every family of kernels on the GPU against the CPU's bits,
// which docs/numbers.md promises of all of them, and against itself from call to call. A NaN counts as any other NaN.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tenon/bench/gpu_report/families.h"
#include "tenon/bench/gpu_report/transformer.h"
#include "tenon/examples/data/mlp.h"

namespace tenon::gpu_report {
namespace {

class On {  // the default device while this lives
 public:
  explicit On(Device d) { set_default_device(d); }
  ~On() { set_default_device(cuda(0)); }
  On(const On&) = delete;
  On& operator=(const On&) = delete;
};

Tensors moved(const Tensors& all, Device device) {
  Tensors there;
  for (const Tensor& t : all) there.push_back(t.to(device));
  return there;
}

bool same_value(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

// What differs, in words; empty where nothing does. Both lie on the CPU.
std::string difference(const Tensor& found, const Tensor& expected, double bound) {
  if (found.dtype() != expected.dtype() || found.numel().number() != expected.numel().number())
    return "another type or shape";
  const auto bytes = static_cast<size_t>(static_cast<double>(found.numel().number()) *
                                         dtype_table[static_cast<size_t>(found.dtype())].bytes);
  if (bytes == 0 || std::memcmp(found.raw(), expected.raw(), bytes) == 0) return "";
  if (!is_floating(found.dtype())) {
    const auto a = found.to_vector<int64_t>(), b = expected.to_vector<int64_t>();
    for (size_t i = 0; i < a.size(); ++i)
      if (a[i] != b[i])
        return "element " + std::to_string(i) + " of " + std::to_string(a.size()) + " is " + std::to_string(a[i]) +
               " and should be " + std::to_string(b[i]);
    return "bits differ";
  }
  const auto a = found.to_vector<double>(), b = expected.to_vector<double>();
  size_t count = 0, first = 0;
  double worst = 0, largest = 0;
  for (const double v : b) largest = std::max(largest, std::isfinite(v) ? std::abs(v) : 0);
  for (size_t i = 0; i < a.size(); ++i) {
    if (same_value(a[i], b[i]) || std::abs(a[i] - b[i]) <= bound * largest) continue;
    if (count++ == 0) first = i;
    worst = std::max(worst, std::abs(a[i] - b[i]) / std::max(std::abs(b[i]), 1e-30));
  }
  if (count == 0) return "";
  char text[200];
  std::snprintf(text, sizeof text,
                "%zu of %zu elements differ, by a factor of 1 + %.3g at most; element %zu is %.9g, not %.9g", count,
                a.size(), worst, first, a[first], b[first]);
  return text;
}

std::string differences(const Tensors& found, const Tensors& expected, const std::string& whose, double bound = 0) {
  if (found.size() != expected.size()) return "another number of results";
  for (size_t k = 0; k < found.size(); ++k)
    if (const std::string d = difference(found[k], expected[k], bound); !d.empty())
      return "result " + std::to_string(k) + " is not " + whose + ": " + d;
  return "";
}

Row checked(const Formula& formula, const Tensors& inputs, double bound) {
  Row r;
  r.unit = "checks";
  Tensors expected;
  {
    const On processor(cpu());
    expected = moved(jit(formula)(moved(inputs, cpu())), cpu());
  }
  const auto f = jit(formula);
  const Tensors there = moved(inputs, cuda(0));
  const Tensors first = moved(f(there), cpu());  // launched one by one
  r.failed = differences(first, expected, "the CPU's", bound);
  for (int again = 0; again < 2 && r.failed.empty(); ++again)  // built as a graph, and replayed
    r.failed = differences(moved(f(there), cpu()), first, "that of the first call");
  r.wrong = !r.failed.empty();
  r.more.set("results", static_cast<int64_t>(expected.size()));
  return r;
}

void check(Recorder& recorder, const std::vector<Family>& families) {
  for (const Family& f : families) recorder.row(f.name, [&] { return checked(f.formula, f.inputs, f.bound); });
}

// Losses of a number of steps on one device; batches are drawn on the CPU.
using Losses = std::vector<float>;
Losses mlp_losses(Device device, int steps, int64_t batch) {
  const On on(device);
  const auto there = [&](const auto& tree) { return tree::map([&](const Tensor& t) { return t.to(device); }, tree); };
  const auto step = jit(mlp::train_step, {.donate = {0, 1}});
  mlp::Params params = there(mlp::init(42));
  mlp::State state = there(optim::adamw_init(params));
  Losses losses;
  for (int s = 0; s < steps; ++s) {
    const auto seed = static_cast<uint64_t>(100 + 2 * s);
    const Tensor images = integers(seed, {batch, 784}, 256).astype(u8), labels = integers(seed + 1, {batch}, 10);
    mlp::Step next = step(params, state, images.to(device), labels.astype(u8).to(device));
    params = std::move(next.params);
    state = std::move(next.state);
    losses.push_back(next.loss.item<float>());
  }
  return losses;
}

Losses transformer_losses(Device device, int steps, const transformer::Config& c) {
  const On on(device);
  const auto step = jit(transformer::train_step);
  transformer::Model model = transformer::init(43, c);
  transformer::State state = optim::adamw_init(model);
  Losses losses;
  for (int s = 0; s < steps; ++s) {
    const auto seed = static_cast<uint64_t>(200 + 2 * s);
    transformer::Step next = step(model, state, integers(seed, {c.batch, c.tokens}, c.vocabulary).to(device),
                                  integers(seed + 1, {c.batch, c.tokens}, c.vocabulary).to(device), c.heads);
    model = std::move(next.model);
    state = std::move(next.state);
    losses.push_back(next.loss.item<float>());
  }
  return losses;
}

void check_losses(Recorder& recorder, const std::string& name, const std::function<Losses(Device)>& train) {
  recorder.row(name, [&] {
    const Losses expected = train(cpu()), found = train(cuda(0));
    Row r;
    r.unit = "checks";
    for (size_t s = 0; s < expected.size() && r.failed.empty(); ++s) {
      if (std::memcmp(&found[s], &expected[s], sizeof(float)) == 0) continue;
      char text[120];
      std::snprintf(text, sizeof text, "the loss of step %zu is %.9g, the CPU's %.9g", s, static_cast<double>(found[s]),
                    static_cast<double>(expected[s]));
      r.failed = text;
    }
    r.wrong = !r.failed.empty();
    r.more.set("results", static_cast<int64_t>(expected.size()));
    return r;
  });
}

// Indices that 31 bits do not hold.
Row large_map() {
  const int64_t n = (int64_t{1} << 31) + 4099;
  Row r;
  r.unit = "checks";
  if (memory_bytes() < 16e9) return r.words = "left out: the device has too little memory", r;
  const Tensor y = jit([](const Tensor& x) { return x + 1; })(full({n}, 2, {.dtype = u8}));
  const Tensor wrong = jit([](const Tensor& x) { return sum(x != 3); })(y);
  if (const int64_t count = wrong.item<int64_t>(); count != 0)
    r.failed = std::to_string(count) + " of " + std::to_string(n) + " elements are wrong";
  r.wrong = !r.failed.empty();
  return r;
}

Tensors eager_functions(const Tensors& in) {
  return {in[0] + in[1] * 2, softmax(in[0]), sum(in[0], {.axes = {0}}), matmul(in[0], in[1].transpose())};
}

}  // namespace

void correctness(Recorder& recorder) {
  const bool quick = recorder.quick();
  std::vector<Family> maps, reductions, others;
  {
    const On processor(cpu());  // draws the inputs
    maps = map_families(quick);
    reductions = reduction_families(quick);
    others = other_families(quick);
  }
  check(recorder, maps);
  check(recorder, reductions);
  check(recorder, others);
  if (!quick)
    recorder.row("eager functions, f32 65x130", [] {
      Tensors in, expected;
      {
        const On processor(cpu());
        in = {some(90, {65, 130}), some(91, {65, 130})};
        expected = eager_functions(in);
      }
      Row r;
      r.unit = "checks";
      r.failed = differences(moved(eager_functions(moved(in, cuda(0))), cpu()), expected, "the CPU's");
      r.wrong = !r.failed.empty();
      return r;
    });
  const int steps = quick ? 3 : 20;
  check_losses(recorder, "losses of " + std::to_string(steps) + " steps of the MLP",
               [&](Device d) { return mlp_losses(d, steps, quick ? 8 : 128); });
  if (!quick) {
    check_losses(recorder, "losses of 3 steps of a transformer",
                 [](Device d) { return transformer_losses(d, 3, {2, 48, 64, 4, 2, 300}); });
    recorder.row("a map of more than 2^31 elements", [] { return large_map(); });
  }
}

}  // namespace tenon::gpu_report
