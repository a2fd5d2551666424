// Whole training steps: jitted and eager, kernels and memory. Random data; nothing is downloaded.
#include "tenon/bench/gpu_report/measure.h"
#include "tenon/bench/gpu_report/transformer.h"
#include "tenon/examples/data/mlp.h"
#include "tenon/runtime/cuda/table.h"

namespace tenon::gpu_report {
namespace {

struct Trained {  // one step after another; what a step gives goes into the next
  std::function<void()> step;
  Compiled compiled;
};

void add(Recorder& recorder, const std::string& name, const Json& theirs, const std::function<Trained()>& make_jitted,
         const std::function<std::function<void()>()>& make_eager) {
  recorder.row(name + ", jitted", [&] {
    const Trained t = make_jitted();
    for (int k = 0; k < 3; ++k) t.step();
    synchronize();
    const auto before = runtime::cuda_counts(0);
    t.step();
    synchronize();
    const auto after = runtime::cuda_counts(0);
    Row r = row_of(time_calls(recorder, [&](int64_t) { t.step(); }, 1.5), "us");
    r.shown = true;
    r.peer = theirs;
    const int64_t kernels = static_cast<int64_t>(t.compiled.kernels().size());
    const int64_t arena = t.compiled.memory().arena_bytes;
    r.more.set("kernels", kernels);
    r.more.set("arena_bytes", arena);
    r.more.set("graphs of a step", after.graphs_launched - before.graphs_launched);
    r.more.set("launches of a step", after.launches - before.launches);
    r.words = std::to_string(kernels) + " kernels, arena " + std::to_string(arena / 1000) + " kB, " +
              (after.graphs_launched > before.graphs_launched ? "a graph" : "launched one by one");
    return r;
  });
  if (!make_eager) return;
  recorder.row(name + ", eager", [&] {
    const auto step = make_eager();
    Row r = row_of(time_calls(recorder, [&](int64_t) { step(); }, 1), "us");
    r.shown = true;
    return r;
  });
}

struct MlpData {
  mlp::Params params = mlp::init(7);
  mlp::State state = optim::adamw_init(params);
  Tensor images, labels;
  explicit MlpData(int64_t batch)
      : images((random_bits(key(8), {batch, 784}) % 256).astype(u8)),
        labels((random_bits(key(9), {batch}) % 10).astype(u8)) {}
};

Trained jitted_mlp(int64_t batch) {
  const auto data = std::make_shared<MlpData>(batch);
  const auto f = jit(mlp::train_step, {.donate = {0, 1}, .name = "mlp_step"});
  const auto step = [=] {
    mlp::Step next = f(data->params, data->state, data->images, data->labels);
    data->params = std::move(next.params);
    data->state = std::move(next.state);
  };
  return {step, f.lower(data->params, data->state, data->images, data->labels).compile()};
}

struct TransformerData {
  transformer::Config config;
  transformer::Model model;
  transformer::State state;
  Tensor tokens, labels;
  TransformerData(const transformer::Config& c, DType dtype)
      : config(c),
        model(transformer::init(7, c, dtype)),
        state(optim::adamw_init(model)),
        tokens((random_bits(key(8), {c.batch, c.tokens}) % c.vocabulary).astype(i64)),
        labels((random_bits(key(9), {c.batch, c.tokens}) % c.vocabulary).astype(i64)) {}
};

Trained jitted_transformer(const transformer::Config& c, DType dtype) {
  const auto data = std::make_shared<TransformerData>(c, dtype);
  const auto f = jit(transformer::train_step, {.donate = {0, 1}, .name = "transformer_step"});
  const auto step = [=] {
    transformer::Step next = f(data->model, data->state, data->tokens, data->labels, data->config.heads);
    data->model = std::move(next.model);
    data->state = std::move(next.state);
  };
  return {step, f.lower(data->model, data->state, data->tokens, data->labels, data->config.heads).compile()};
}

}  // namespace

void models(Recorder& recorder) {
  const bool quick = recorder.quick();
  const int64_t batch = quick ? 8 : 128;
  const auto eager_mlp = [=]() -> std::function<void()> {
    const auto data = std::make_shared<MlpData>(batch);
    return [=] {
      mlp::Step next = mlp::train_step(data->params, data->state, data->images, data->labels);
      data->params = std::move(next.params);
      data->state = std::move(next.state);
    };
  };
  add(
      recorder, "MLP 784-512-512-10 step, batch " + std::to_string(batch), peer("mlp step", {{batch, 784}}, f32),
      [=] { return jitted_mlp(batch); }, quick ? nullptr : std::function<std::function<void()>()>(eager_mlp));
  const transformer::Config c =
      quick ? transformer::Config{2, 6, 8, 2, 0, 20} : transformer::Config{8, 512, 768, 12, 2, 32768};
  for (const DType dtype : quick ? std::vector<DType>{f32} : std::vector<DType>{f32, bf16}) {
    const auto eager_transformer = [=]() -> std::function<void()> {
      const auto data = std::make_shared<TransformerData>(c, dtype);
      return [=] {
        transformer::Step next =
            transformer::train_step(data->model, data->state, data->tokens, data->labels, data->config.heads);
        data->model = std::move(next.model);
        data->state = std::move(next.state);
      };
    };
    const std::vector<int64_t> sizes = {c.batch, c.tokens, c.width, c.heads, c.layers, c.vocabulary};
    add(
        recorder, "transformer step, " + std::to_string(c.layers) + " layers, " + name_of(dtype),
        peer("transformer step", {sizes}, dtype), [=] { return jitted_transformer(c, dtype); },
        quick || dtype != f32 ? nullptr : std::function<std::function<void()>()>(eager_transformer));
  }
}

}  // namespace tenon::gpu_report
