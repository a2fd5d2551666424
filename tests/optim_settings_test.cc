// What optimizers are told: numbers as tensors, which compile nothing anew; settings by path; numbers out of range; trees of every kind of
// leaf; states that are saved, donated and batched; one program for a tree of any size.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>

#include "tenon/runtime/compile.h"
#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

uint64_t asked_for() {
  const runtime::CacheStats s = runtime::cache_stats();
  return s.compiled + s.memory_hits + s.disk_hits;
}
std::vector<double> values(const Tensor& t) { return t.to_vector<double>(); }
Tensor draw(uint64_t n, DType dtype = f32) { return normal(key(n), {3}, {.dtype = dtype}); }

struct Layer {
  Tensor weight;
  Tensor bias;  // some have none
};
struct Net {
  Tensor count;  // i64
  std::vector<Layer> layers;
  std::map<std::string, Tensor> named;
  std::optional<Layer> head = {};
  nn::Buffer running;
};
Net net(uint64_t n, DType dtype = f32) {
  return {full({}, static_cast<int64_t>(n)),
          {{draw(n, dtype), draw(n + 1, dtype)}, {draw(n + 2, dtype), Tensor()}},
          {{"scale", draw(n + 3, dtype)}},
          Layer{draw(n + 4, dtype), draw(n + 5, dtype)},
          draw(n + 6, dtype)};
}

// ---- numbers

TEST(OptimNumbers, TensorsGiveWhatDoublesGive) {
  const auto t = [](double x) { return tensor(x); };
  const Tensor p = draw(1, f64), g = draw(2, f64);
  const auto near = [&](const Tensor& a, const Tensor& b) {
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(values(a)[i], values(b)[i], 1e-14);
  };
  const auto two = [&](auto init, auto step, auto plain, auto tensors) {
    auto a = init(p), b = init(p);
    Tensor x = p, y = p;
    for (int i = 0; i < 3; ++i) {
      std::tie(x, a) = step(x, g, a, plain);
      std::tie(y, b) = step(y, g, b, tensors);
    }
    near(x, y);
  };
#define TWO(name, Options, plain, tensors)                                                                \
  two([](const Tensor& x) { return optim::name##_init(x); },                                              \
      [](const auto& x, const auto& d, const auto& s, const auto& o) { return optim::name(x, d, s, o); }, \
      optim::Options plain, optim::Options tensors)
  TWO(adam, Adam, ({.rate = 0.1, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.1}),
      ({.rate = t(0.1), .beta1 = t(0.8), .beta2 = t(0.9), .epsilon = t(1e-3), .weight_decay = t(0.1)}));
  TWO(adamw, AdamW, ({.rate = 0.1, .beta1 = 0.8, .beta2 = 0.9}), ({.rate = t(0.1), .beta1 = t(0.8), .beta2 = t(0.9)}));
  TWO(sgd, Sgd, ({.rate = 0.1, .momentum = 0.8, .dampening = 0.1, .weight_decay = 0.1}),
      ({.rate = t(0.1), .momentum = t(0.8), .dampening = t(0.1), .weight_decay = t(0.1)}));
  TWO(rmsprop, RmsProp, ({.rate = 0.1, .momentum = 0.8, .alpha = 0.9}),
      ({.rate = t(0.1), .momentum = t(0.8), .alpha = t(0.9)}));
  TWO(adagrad, Adagrad, ({.rate = 0.1, .rate_decay = 0.2}), ({.rate = t(0.1), .rate_decay = t(0.2)}));
  TWO(adadelta, Adadelta, ({.rho = 0.8}), ({.rho = t(0.8)}));
  TWO(lion, Lion, ({.rate = 0.1, .beta1 = 0.8}), ({.rate = t(0.1), .beta1 = t(0.8)}));
  TWO(lamb, Lamb, ({.rate = 0.1, .weight_decay = 0.2}), ({.rate = t(0.1), .weight_decay = t(0.2)}));
#undef TWO
}

// A rate from a schedule, and decays that are tensors, 0 among them: one program whatever they are.
TEST(OptimNumbers, TensorsCompileOnce) {
  const Net p = net(1);
  const auto step = jit([](const Net& q, const Net& g, const optim::AdamWState<Net>& s, const optim::AdamW& o) {
    return optim::adamw(q, g, s, o);
  });
  auto state = optim::adamw_init(p);
  Net q = p;
  uint64_t before = 0;
  std::vector<double> moved;
  for (int64_t t = 0; t < 5; ++t) {
    const optim::AdamW o{.rate = optim::cosine(t, {.rate = 0.1, .steps = 10, .warmup = 2}),
                         .weight_decay = tensor(t % 2 == 0 ? 0.0 : 0.5)};
    const Net last = q;
    std::tie(q, state) = step(q, net(7), state, o);
    moved.push_back(std::fabs(values(q.layers[0].weight)[0] - values(last.layers[0].weight)[0]));
    if (t == 0) before = asked_for();
  }
  EXPECT_EQ(asked_for(), before);
  EXPECT_EQ(moved[0], 0);  // the warm-up begins at 0
  EXPECT_GT(moved[1], 0);
  EXPECT_NE(moved[3], moved[2]);
  // Inside a program the state's own step leads the schedule.
  const auto led = jit([](const Net& a, const Net& g, const optim::AdamWState<Net>& s) {
    return optim::adamw(a, g, s, {.rate = optim::cosine(s.step, {.rate = 0.1, .steps = 10, .warmup = 2})});
  });
  auto again = optim::adamw_init(p);
  Net r = p;
  std::tie(r, again) = led(r, net(7), again);
  EXPECT_EQ(values(r.head->weight), values(p.head->weight));
  std::tie(r, again) = led(r, net(7), again);
  EXPECT_NE(values(r.head->weight), values(p.head->weight));
}

TEST(OptimNumbers, ADecayThatIsATensorIsAlwaysApplied) {
  const Tensor p = draw(1), none = zeros({3});
  const auto decayed = [&](const optim::Number& decay) {
    return values(optim::sgd(p, none, {.rate = 0.5, .weight_decay = decay}));
  };
  EXPECT_EQ(decayed(0), values(p));
  EXPECT_EQ(decayed(tensor(0.0)), values(p));
  EXPECT_NE(decayed(tensor(0.25)), values(p));
  EXPECT_EQ(decayed(tensor(0.25)), decayed(0.25));
  EXPECT_EQ(decayed(tensor(0.25f)), decayed(0.25));
  EXPECT_EQ(decayed(tensor(int64_t{1})), decayed(1));
}

// A number in an argument tree: a double is part of the signature, a tensor is a leaf.
TEST(OptimNumbers, WalkAsAVariant) {
  const optim::Sgd a{.rate = 0.1}, b{.rate = 0.2}, c{.rate = tensor(0.1)};
  EXPECT_FALSE(tree::equal_structure(a, b));
  EXPECT_FALSE(tree::equal_structure(a, c));
  EXPECT_TRUE(tree::equal_structure(c, optim::Sgd{.rate = tensor(0.2)}));
  EXPECT_EQ(tree::paths(c), std::vector<std::string>{"rate"});
  optim::Number n = tensor(0.5), copy = n;
  n = 2;
  EXPECT_TRUE(n.is(2) && copy.is_tensor());
  EXPECT_EQ(copy.tensor().item<double>(), 0.5);
  copy = n;
  EXPECT_TRUE(copy.is(2));
  constexpr optim::AdamW constant{.rate = 3};
  static_assert(constant.rate.is(3));
}

// ---- settings

TEST(OptimSettings, Patterns) {
  const struct {
    const char *pattern, *path;
    bool fits;
  } rows[] = {{"*.bias", "layers[0].bias", true},
              {"*.bias", "bias", false},
              {"*bias", "bias", true},
              {"layers[0].*", "layers[0].w", true},
              {"layers[0].*", "layers[1].w", false},
              {"layers[?].w", "layers[1].w", true},
              {"layers[?].w", "layers[12].w", false},
              {"*", "", true},
              {"", "", true},
              {"", "a", false},
              {"a*b*c", "axxbxxbc", true},
              {"a*b*c", "axxbxxb", false},
              {"named[\"a*\"]", "named[\"abc\"]", true},
              {"**", "x", true},
              {"?", "", false},
              {"a*****************************b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false}};
  for (const auto& row : rows)
    EXPECT_EQ(optim::detail::matches(row.pattern, row.path), row.fits) << row.pattern << " and " << row.path;
}

TEST(OptimSettings, TheLastThatMatchesDecidesEach) {
  const Net p = net(1), g = net(50);
  const optim::AdamW plain{.rate = 0.1, .weight_decay = 0.5};
  optim::AdamW with = plain;
  with.settings = {{"*", {.rate_scale = 2}},
                   {"*.bias", {.weight_decay = 0}},
                   {"layers[1].*", {.rate_scale = tensor(0.1), .weight_decay = tensor(0.25)}},
                   {"head.*", {.frozen = true}},
                   {"head.bias", {.frozen = false}}};
  const auto state = optim::adamw_init(p);
  const auto [q, next] = optim::adamw(p, g, state, with);
  const auto jitted = jit([with](const Net& a, const Net& d, const optim::AdamWState<Net>& s) {
                        return optim::adamw(a, d, s, with);
                      })(p, g, state)
                          .first;
  const auto alone = [&](const Tensor& x, const Tensor& d, optim::AdamW o) {
    return values(optim::adamw(x, d, optim::adamw_init(x), o).first);
  };
  EXPECT_EQ(values(q.layers[0].weight),
            alone(p.layers[0].weight, g.layers[0].weight, {.rate = 0.2, .weight_decay = 0.5}));
  EXPECT_EQ(values(q.layers[0].bias), alone(p.layers[0].bias, g.layers[0].bias, {.rate = 0.2, .weight_decay = 0}));
  const auto scaled = alone(p.layers[1].weight, g.layers[1].weight, {.rate = 0.1 * 0.1, .weight_decay = 0.25});
  EXPECT_EQ(values(q.layers[1].weight), scaled);
  EXPECT_EQ(q.head->weight.cell(), p.head->weight.cell());
  EXPECT_EQ(next.first.head->weight.cell(), state.first.head->weight.cell());
  EXPECT_EQ(values(q.head->bias), alone(p.head->bias, g.head->bias, {.rate = 0.2, .weight_decay = 0}));
  EXPECT_EQ(values(q.named.at("scale")),
            alone(p.named.at("scale"), g.named.at("scale"), {.rate = 0.2, .weight_decay = 0.5}));
  EXPECT_EQ(q.running.cell(), p.running.cell());
  const auto a = tree::leaves(q), b = tree::leaves(jitted);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(values(a[i]), values(b[i])) << tree::paths(q)[i];
}

TEST(OptimSettings, MistakesAreNamed) {
  const Net p = net(1);
  const std::string text = message_of([&] { optim::sgd(p, p, {.settings = {{"*.bais", {.weight_decay = 0}}}}); });
  EXPECT_HAS(text, "'*.bais', which no leaf of the parameters matches");
  EXPECT_HAS(text, "'layers[0].weight'");
  EXPECT_HAS(text, "more");
  EXPECT_HAS(text, "optim_settings_test.cc");
  EXPECT_EQ(message_of([&] { optim::sgd(p, p, {.settings = {{"layers[1].bias", {.weight_decay = 0}}}}); }),
            "no error");  // a leaf without a tensor
  EXPECT_HAS(message_of([&] { optim::sgd(p, p, {.settings = {{"*", {.rate_scale = -1}}}}); }), "rate_scale");
  EXPECT_HAS(message_of([&] { optim::sgd(p, p, {.settings = {{"*", {.weight_decay = ones({2})}}}}); }),
             "weight_decay is f32[2]");
}

TEST(OptimNumbers, OutOfRangeAreNamed) {
  const Tensor p = draw(1);
  const auto of = [&](auto init, auto step) { return message_of([&] { step(p, p, init(p)); }); };
#define REFUSED(name, field, ...)                                                                        \
  EXPECT_HAS(of([](const Tensor& x) { return optim::name##_init(x); },                                   \
                [](const auto& x, const auto& g, const auto& s) { optim::name(x, g, s, __VA_ARGS__); }), \
             #name ": ." field)
  constexpr double none = NAN, far = INFINITY;
  REFUSED(sgd, "rate", {.rate = -1});
  REFUSED(sgd, "momentum", {.momentum = none});
  REFUSED(sgd, "nesterov", {.nesterov = true});
  REFUSED(sgd, "nesterov", {.momentum = 0.5, .dampening = 0.1, .nesterov = true});
  REFUSED(adam, "rate", {.rate = far});
  REFUSED(adam, "beta1", {.beta1 = 1});
  REFUSED(adam, "epsilon", {.epsilon = -1e-8});
  REFUSED(adamw, "beta2", {.beta2 = -0.1});
  REFUSED(adamw, "weight_decay", {.weight_decay = -1});
  REFUSED(lamb, "beta1", {.beta1 = none});
  REFUSED(lion, "beta2", {.beta2 = 1});
  REFUSED(rmsprop, "alpha", {.alpha = 1});
  REFUSED(rmsprop, "momentum", {.momentum = -1});
  REFUSED(adagrad, "rate_decay", {.rate_decay = -1});
  REFUSED(adadelta, "rho", {.rho = 1.5});
  REFUSED(adamw, "rate is f32[3]", {.rate = ones({3})});
  REFUSED(adamw, "rate is bool[]", {.rate = tensor(true)});
  REFUSED(adamw, "rate is an undefined tensor", {.rate = Tensor()});
#undef REFUSED
  EXPECT_HAS(message_of([&] { optim::adam(p, p, optim::adam_init(p), {.amsgrad = true}); }), "tell it of .amsgrad");
  EXPECT_HAS(message_of([&] { optim::rmsprop(p, p, optim::rmsprop_init(p), {.centered = true}); }),
             "tell it of .centered");
}

// ---- trees and states

// A tree whose shape the seed draws: how many layers, which have a bias, whether there is a head, which names. Its numbers are drawn by
// `numbers`, so that trees of one seed match.
Net drawn(uint64_t seed, uint64_t numbers, DType dtype) {
  uint64_t next = numbers;
  const auto pick = [&](uint64_t of) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (seed >> 33) % of == 0;
  };
  Net net{full({}, 3), {}, {}, std::nullopt, draw(next++, dtype)};
  while (net.layers.size() < 6 && !pick(4))
    net.layers.push_back({draw(next++, dtype), pick(2) ? Tensor() : draw(next++, dtype)});
  for (const char* name : {"a", "b", "scale"})
    if (pick(2)) net.named[name] = pick(3) ? full({2}, 4) : draw(next++, dtype);
  if (pick(2)) net.head = Layer{draw(next++, dtype), pick(2) ? Tensor() : draw(next++, dtype)};
  return net;
}

// Two steps of a whole tree, the second jitted, beside two steps of each leaf alone.
template <class Init, class Step>
void expect_leaf_by_leaf(Init init, Step step) {
  int moved = 0, stayed = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const DType dtype = seed % 3 == 0 ? f32 : seed % 3 == 1 ? f64 : f16;
    const Net p = drawn(seed, 1, dtype);
    Net g = drawn(seed, 50, dtype);
    if (!g.layers.empty()) g.layers[0].weight = Tensor();
    g.count = Tensor(), g.running = Tensor();
    const auto [q, s] = step(p, g, init(p));
    const auto [r, t] = jit(step)(q, g, s);
    const auto before = detail::items_of(p), gradients = detail::items_of(g), after = detail::items_of(r),
               once = detail::items_of(q);
    ASSERT_EQ(before.size(), after.size());
    for (size_t i = 0; i < before.size(); ++i) {
      if (before[i].tag != 't') continue;
      const Tensor &x = *before[i].tensor, &y = *after[i].tensor;
      if (gradients[i].tag != 't' || !is_floating(x.dtype())) {
        ++stayed;
        EXPECT_EQ(once[i].tensor->cell(), x.cell()) << before[i].path;
        EXPECT_EQ(values(y), values(x)) << before[i].path;
        continue;
      }
      ++moved;
      const auto [one, state] = step(x, *gradients[i].tensor, init(x));
      EXPECT_EQ(values(y), values(step(one, *gradients[i].tensor, state).first)) << before[i].path;
    }
  }
  EXPECT_GT(moved, 10);
  EXPECT_GT(stayed, 10);
}

#define FUNCTIONS(name)                                \
  [](const auto& p) { return optim::name##_init(p); }, \
      [](const auto& p, const auto& g, const auto& s) { return optim::name(p, g, s); }
TEST(OptimTrees, EachLeafGoesItsOwnWay) {
  expect_leaf_by_leaf(FUNCTIONS(sgd));
  expect_leaf_by_leaf(FUNCTIONS(adam));
  expect_leaf_by_leaf(FUNCTIONS(adamw));
  expect_leaf_by_leaf(FUNCTIONS(lamb));
  expect_leaf_by_leaf(FUNCTIONS(lion));
  expect_leaf_by_leaf(FUNCTIONS(rmsprop));
  expect_leaf_by_leaf(FUNCTIONS(adagrad));
  expect_leaf_by_leaf(FUNCTIONS(adadelta));
}

TEST(OptimTrees, StatesAreSavedAndLoaded) {
  const std::string path = ::testing::TempDir() + "/optim_state.safetensors";
  const Net p = net(1), g = net(9);
  auto [q, s] = optim::adamw(p, g, optim::adamw_init(p));
  save(path, std::pair(q, s));
  auto back = std::pair(net(30), optim::adamw_init(net(30)));
  load(path, back);
  const Net once = optim::adamw(q, g, s).first, again = optim::adamw(back.first, g, back.second).first;
  const auto a = tree::leaves(once), b = tree::leaves(again);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(values(a[i]), values(b[i])) << tree::paths(once)[i];
  std::filesystem::remove(path);
}

TEST(OptimTrees, AnEnsembleOverParametersAndRates) {
  const auto loss = [](const Tensor& w, const Tensor& x) { return sum(square(w * x - 1)); };
  const auto train = [&](const Tensor& w, const Tensor& rate) {
    auto state = optim::adam_init(w);
    Tensor p = w;
    for (int i = 0; i < 4; ++i)
      std::tie(p, state) = optim::adam(p, grad(loss)(p, tensor({1.0, 2.0})), state, {.rate = rate});
    return p;
  };
  const Tensor starts = tensor({{0.0, 1.0}, {2.0, -1.0}, {0.5, 0.5}}), rates = tensor({0.1, 0.01, 0.3});
  const auto all = values(jit(vmap(train))(starts, rates));
  for (int lane = 0; lane < 3; ++lane) {
    const auto one = values(train(starts[lane], rates[lane]));
    for (size_t i = 0; i < 2; ++i) EXPECT_NEAR(all[static_cast<size_t>(lane) * 2 + i], one[i], 1e-14);
  }
}

// The lines of a step grow with the leaves and no faster; eagerly it stays one program.
TEST(OptimTrees, ManyLeavesStayLinear) {
  const auto lines = [](size_t n) {
    const std::vector<Tensor> p(n, ones({4}));
    const std::string text = trace([](const auto& a, const auto& g, const auto& s) { return optim::adamw(a, g, s); }, p,
                                   p, optim::adamw_init(p))
                                 .ir();
    return static_cast<double>(std::count(text.begin(), text.end(), '\n'));
  };
  const double few = lines(20), many = lines(200);
  EXPECT_LT(many, 10.5 * few);
  const std::vector<Tensor> p(200, ones({4}));
  auto state = optim::adamw_init(p);
  runtime::clear_memory_cache();
  const uint64_t before = asked_for();
  optim::adamw(p, p, state);
  EXPECT_EQ(asked_for() - before, 1u);
}

}  // namespace
}  // namespace tenon::testing
