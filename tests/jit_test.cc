// Jitted functions, transforms in any nesting, control flow, trees.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/ir/reference/array.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

struct Params {
  Tensor w, b;
};
struct Model {
  Params first;
  std::vector<Params> rest;
  std::map<std::string, Tensor> extra;
  std::optional<Tensor> maybe;
  std::array<Tensor, 2> pair;
  int power = 2;
};

Model model() {
  const auto p = [](int seed) { return Params{tn::normal(tn::key(seed), {4, 4}), tn::zeros({4})}; };
  return {p(1), {p(2), p(3)}, {{"gain", tn::full({4}, 0.5)}}, std::nullopt, {tn::ones({4}), tn::zeros({4})}, 2};
}

Tensor loss(const Model& m, const Tensor& x) {
  Tensor h = tn::tanh(tn::linear(x, m.first.w, m.first.b));
  for (const Params& p : m.rest) h = tn::tanh(tn::linear(h, p.w, p.b));
  h = h * m.extra.at("gain") * m.pair[0] + m.pair[1];
  return tn::mean(m.power == 2 ? h * h : h);
}

TEST(Jit, EqualsEagerToTheBit) {
  auto x = tn::normal(tn::key(9), {5, 4});
  auto f = tn::jit(loss);
  EXPECT_EQ(f(model(), x).item<float>(), loss(model(), x).item<float>());
  auto chain = [](const Tensor& t) { return tn::gelu(t * 3 + 1) / (tn::exp(-t) + 1); };
  EXPECT_EQ(tn::jit(chain)(x).to_vector<float>(), chain(x).to_vector<float>());
  auto soft = [](const Tensor& t) { return tn::softmax(tn::layer_norm(t, tn::ones({4}), 0.1, 1e-5), -1); };
  EXPECT_EQ(tn::jit(soft)(x).to_vector<float>(), soft(x).to_vector<float>());
}

TEST(Jit, SignatureCoversValuesShapesAndStructure) {
  int traces = 0;
  auto f = tn::jit([&traces](const Model& m, const Tensor& x) {
    ++traces;
    return loss(m, x);
  });
  auto x = tn::normal(tn::key(9), {5, 4});
  Model m = model();
  f(m, x);
  f(m, x);
  EXPECT_EQ(traces, 1);
  m.power = 1;
  f(m, x);
  EXPECT_EQ(traces, 2);
  f(m, tn::normal(tn::key(9), {6, 4}));
  EXPECT_EQ(traces, 3);
  m.maybe = tn::ones({1});
  f(m, x);
  EXPECT_EQ(traces, 4);
}

TEST(Jit, ManyRetracesForAValueWarnOnceAndNameTheMember) {
  auto f = tn::jit([](const Tensor& x, const Model& m) { return x + m.power; });
  testing::internal::CaptureStderr();
  Model m = model();
  for (m.power = 0; m.power < 20; ++m.power) f(tn::ones({2}), m);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("argument 1, 'power'"), std::string::npos) << text;
  EXPECT_EQ(text.find("traced"), text.rfind("traced")) << text;
}

TEST(Jit, CapturedTensorsAreSeenWhenTheyChange) {
  auto scale = tn::full({1}, 2.0);
  auto f = tn::jit([&](const Tensor& x) { return x * scale; });
  auto x = tn::ones({1});
  EXPECT_EQ(f(x).item<float>(), 2);
  scale.data() *= 5;
  EXPECT_EQ(f(x).item<float>(), 10);
}

TEST(Jit, DonatedMemoryIsReused) {
  auto f = tn::jit([](const Tensor& x) { return x * 2 + 1; }, {.donate = {0}});
  auto x = tn::normal(tn::key(3), {1000});
  const auto before = x.to_vector<float>();
  const void* memory = x.raw();
  auto y = f(x);
  EXPECT_EQ(y.raw(), memory);
  EXPECT_EQ(y.to_vector<float>()[7], before[7] * 2 + 1);
  EXPECT_THROW(x.to_vector<float>(), tn::Error);
}

TEST(Jit, FunctionsAreNamedByTheirSignature) {
  tn::Function<Tensor(Model, Tensor)> f = tn::jit(loss);
  auto x = tn::ones({2, 4});
  EXPECT_EQ(f(model(), x).item<float>(), loss(model(), x).item<float>());
}

TEST(Jit, SeveralOutputsAndTrees) {
  auto f = tn::jit([](const Params& p) {
    return std::make_tuple(Params{p.w + 1, p.b}, tn::sum(p.w), std::vector<Tensor>{p.b * 2});
  });
  auto [p, s, v] = f(Params{tn::ones({2, 2}), tn::ones({2})});
  EXPECT_EQ(p.w.to_vector<float>(), (std::vector<float>{2, 2, 2, 2}));
  EXPECT_EQ(p.b.to_vector<float>(), (std::vector<float>{1, 1}));
  EXPECT_EQ(s.item<float>(), 4);
  EXPECT_EQ(v[0].to_vector<float>(), (std::vector<float>{2, 2}));
}

TEST(Transforms, GradientOfGradient) {
  auto f = [](const Tensor& x) { return x * x * x; };
  auto x = tn::tensor(2.f);
  EXPECT_EQ(tn::grad(f)(x).item<float>(), 12);
  EXPECT_EQ(tn::grad(tn::grad(f))(x).item<float>(), 12);
  EXPECT_EQ(tn::grad(tn::grad(tn::grad(f)))(x).item<float>(), 6);
  EXPECT_EQ(tn::jit(tn::grad(tn::jit(tn::grad(f))))(x).item<float>(), 12);
  EXPECT_EQ(tn::grad(tn::jit(f))(x).item<float>(), 12);
}

TEST(Transforms, JitInsideGradAndGradInsideJitAgreeToTheBit) {
  auto x = tn::normal(tn::key(9), {5, 4});
  const Model g1 = tn::grad(loss)(model(), x), g2 = tn::jit(tn::grad(loss))(model(), x),
              g3 = tn::grad(tn::jit(loss))(model(), x);
  EXPECT_EQ(g1.first.w.to_vector<float>(), g2.first.w.to_vector<float>());
  EXPECT_EQ(g1.first.w.to_vector<float>(), g3.first.w.to_vector<float>());
  EXPECT_EQ(g1.rest[1].b.to_vector<float>(), g2.rest[1].b.to_vector<float>());
}

TEST(Transforms, ArgumentsAndAux) {
  auto f = [](const Tensor& a, const Tensor& b) { return std::make_pair(tn::sum(a * b), a + b); };
  auto a = tn::tensor({1.f, 2.f}), b = tn::tensor({3.f, 4.f});
  auto [ga, aux] = tn::grad(f)(a, b);
  EXPECT_EQ(ga.to_vector<float>(), (std::vector<float>{3, 4}));
  EXPECT_EQ(aux.to_vector<float>(), (std::vector<float>{4, 6}));
  auto [value, both] = tn::value_and_grad<0, 1>(f)(a, b);
  EXPECT_EQ(value.first.item<float>(), 11);
  EXPECT_EQ(std::get<1>(both).to_vector<float>(), (std::vector<float>{1, 2}));
}

TEST(Transforms, JvpAndVjp) {
  auto f = [](const Tensor& x) { return tn::sin(x) * x; };
  auto x = tn::tensor({0.3f, 0.7f}), t = tn::tensor({1.f, -2.f});
  auto [y, dy] = tn::jvp(f, x, t);
  auto [y2, pull] = tn::vjp(f, x);
  EXPECT_EQ(y.to_vector<float>(), y2.to_vector<float>());
  const float forward = tn::sum(dy).item<float>(), reverse = tn::sum(pull(tn::ones({2})) * t).item<float>();
  EXPECT_NEAR(forward, reverse, 1e-6);
}

TEST(Control, CondWhileScan) {
  auto x = tn::tensor(3.f);
  auto choose = [](const Tensor& v) {
    return tn::cond(v > 2, [](const Tensor& t) { return t * 10; }, [](const Tensor& t) { return t + 1; }, v);
  };
  EXPECT_EQ(choose(x).item<float>(), 30);
  EXPECT_EQ(tn::jit(choose)(tn::tensor(1.f)).item<float>(), 2);
  auto count = [](const Tensor& v) {
    return tn::while_loop([](const Tensor& t) { return t < 100; }, [](const Tensor& t) { return t * 2; }, v);
  };
  EXPECT_EQ(count(x).item<float>(), 192);
  EXPECT_EQ(tn::jit(count)(x).item<float>(), 192);
  auto sums = [](const Tensor& xs) {
    return tn::scan([](const Tensor& c, const Tensor& v) { return std::make_pair(c + v, c * 2); }, tn::tensor(0.f), xs);
  };
  auto [last, ys] = tn::jit(sums)(tn::tensor({1.f, 2.f, 3.f}));
  EXPECT_EQ(last.item<float>(), 6);
  EXPECT_EQ(ys.to_vector<float>(), (std::vector<float>{0, 2, 6}));
  auto through = [&](const Tensor& xs) { return sums(xs * xs).first; };
  EXPECT_EQ(tn::grad(through)(tn::tensor({1.f, 2.f, 3.f})).to_vector<float>(), (std::vector<float>{2, 4, 6}));
}

TEST(Control, ForiLoopDifferentiates) {
  auto power = [](const Tensor& x) {
    return tn::fori_loop(0, 3, [&](const Tensor&, const Tensor& y) { return y * x; }, tn::tensor(1.f));
  };
  EXPECT_EQ(tn::jit(power)(tn::tensor(2.f)).item<float>(), 8);
  EXPECT_EQ(tn::grad(power)(tn::tensor(2.f)).item<float>(), 12);
}

TEST(Symbolic, OneProgramServesEveryBatch) {
  const auto w = tn::normal(tn::key(1), {7, 3});
  auto f = [](const Tensor& x, const Tensor& w) {
    return std::make_pair(tn::softmax(tn::relu(tn::matmul(x, w)), -1), tn::mean(x));
  };
  const tn::Lowered lowered =
      tn::jit(f).lower(tn::spec({tn::dim("batch", 1, 4096), 7}, tn::f32), tn::spec({7, 3}, tn::f32));
  EXPECT_NE(lowered.ir().find("batch"), std::string::npos) << lowered.ir();
  const auto program = tenon::runtime::compile(*lowered.entry()->program.graph);
  for (int64_t n : {1, 2, 33, 700}) {
    const auto x = tn::normal(tn::key(2), {n, 7});
    std::vector<tenon::ir::Array> in(2);
    for (int i = 0; i < 2; ++i) {
      const Tensor& t = i == 0 ? x : w;
      in[i] = tenon::ir::Array({tn::f32, t.shape()});
      std::memcpy(in[i].data.data(), t.raw(), in[i].data.size());
    }
    const auto out = program->run(in);
    const auto [y, m] = f(x, w);
    EXPECT_EQ(std::memcmp(out[0].data.data(), y.raw(), out[0].data.size()), 0) << n;
    EXPECT_EQ(*out[1].as<float>(), m.item<float>()) << n;
  }
  EXPECT_THROW(tn::dim("batch", 2, 5), tn::Error);
}

TEST(Symbolic, CrossEntropyCountsNamedClasses) {
  const auto f = [](const Tensor& x, const Tensor& l) { return tn::cross_entropy(x, l); };
  const tn::Lowered lowered =
      tn::jit(f).lower(tn::spec({3, tn::dim("classes", 1, 4096)}, tn::f32), tn::spec({3}, tn::i64));
  const auto program = tenon::runtime::compile(*lowered.entry()->program.graph);
  const Tensor labels = tn::tensor<int64_t>({0, 4, -100});
  for (int64_t n : {5, 40}) {
    const Tensor x = tn::normal(tn::key(2), {3, n});
    std::vector<tenon::ir::Array> in = {tenon::ir::Array({tn::f32, x.shape()}), tenon::ir::Array({tn::i64, {3}})};
    std::memcpy(in[0].data.data(), x.raw(), in[0].data.size());
    std::memcpy(in[1].data.data(), labels.raw(), in[1].data.size());
    EXPECT_EQ(*program->run(in)[0].as<float>(), f(x, labels).item<float>()) << n;
    in[1].as<int64_t>()[1] = n;
    EXPECT_TRUE(std::isnan(*program->run(in)[0].as<float>())) << n;
  }
}

int32_t add_seven(const void* const* inputs, void* const* outputs) {
  for (int i = 0; i < 3; ++i) static_cast<float*>(outputs[0])[i] = static_cast<const float*>(inputs[0])[i] + 7;
  return 0;
}

TEST(Functions, CustomCallsRunInsidePrograms) {
  tn::register_custom_call("jit_test_add_seven", add_seven);
  const auto f = [](const Tensor& x) {
    const Tensor in = x * 2, like = tn::spec({3}, tn::f32);
    return tn::custom_call({.name = "jit_test_add_seven"}, std::span(&in, 1), std::span(&like, 1))[0] + 1;
  };
  const auto x = tn::tensor({1.f, 2.f, 3.f});
  EXPECT_EQ(tn::jit(f)(x).to_vector<float>(), (std::vector<float>{10, 12, 14}));
  EXPECT_EQ(f(x).to_vector<float>(), (std::vector<float>{10, 12, 14}));
}

TEST(Functions, EdgesOfReluAndCrossEntropy) {
  const auto x = tn::tensor({-1.f, 0.f, 2.f, NAN});
  EXPECT_TRUE(std::isnan(tn::relu(x).to_vector<float>()[3]));
  const auto g = tn::grad([](const Tensor& t) { return tn::sum(tn::relu(t)); })(tn::tensor({-1.f, 0.f, 2.f}));
  EXPECT_EQ(g.to_vector<float>(), (std::vector<float>{0, 0, 1}));
  const auto logits = tn::tensor({{0.f, -INFINITY}});
  EXPECT_EQ(tn::cross_entropy(logits, tn::tensor({0})).item<float>(), 0);
}

TEST(Trace, TextReadsBack) {
  auto p = tn::trace([](const Tensor& x) { return tn::sum(tn::exp(x) * 2); }, tn::ones({3}));
  auto q = tn::parse(p.ir());
  EXPECT_EQ(p.ir(), q.ir());
  EXPECT_NE(p.annotated().find("jit_test.cc"), std::string::npos) << p.annotated();
  EXPECT_EQ(q({tn::ones({3})})[0].item<float>(), p({tn::ones({3})})[0].item<float>());
  EXPECT_THROW(tn::parse("graph @main("), tn::Error);
}

TEST(Explain, NamesLinesAndReasons) {
  auto f = tn::jit(loss);
  const tn::Compiled c = f.lower(model(), tn::ones({5, 4})).compile();
  EXPECT_GT(c.kernels().size(), 0u);
  EXPECT_NE(c.explain().find("jit_test.cc"), std::string::npos) << c.explain();
}

}  // namespace
