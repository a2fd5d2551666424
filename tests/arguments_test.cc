// What a jitted function knows of its arguments: types, structure, gradients, captured tensors, and who holds donated memory.
#include <gtest/gtest.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <variant>

#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/tests/messages.h"

namespace tenon::testing {

// Configuration with bytes between its members that nobody sets.
struct Padded {
  double x;
  char c;
};

}  // namespace tenon::testing

template <>
struct tenon::is_static<tenon::testing::Padded> : std::true_type {};

namespace tenon::testing {
namespace {

using Floats = std::vector<float>;
Floats floats(const Tensor& t) { return t.to_vector<float>(); }

struct Pair {
  Tensor a, b;
};
struct Other {
  Tensor b, a;
};

// ---- paths

struct Deep {
  std::vector<Pair> layers;
  std::map<std::string, std::vector<Tensor>> named;
  std::unordered_map<int, Tensor> numbered;
  std::pair<Tensor, int> pair;
  std::tuple<Tensor, std::string> tuple;
  std::array<Pair, 2> two;
  std::optional<Pair> maybe;
  std::variant<Tensor, Pair> either;
};

template <class T>
std::vector<std::string> tensor_paths(const T& tree) {
  std::vector<std::string> out;
  for (const detail::TreeItem& item : detail::items_of(tree))
    if (item.tag == 't') out.push_back(item.path);
  return out;
}

template <class T>
struct Outer {
  struct Inner {
    T deep_member_1;
  } inner;
  T x_;
};

TEST(Paths, NameMembersKeysAndPositions) {
  const Tensor t = ones({1});
  const Deep d{{{t, t}}, {{"k", {t, t}}},    {{7, t}, {-1, t}}, {t, 1},
               {t, "s"}, {{{t, t}, {t, t}}}, Pair{t, t},        Pair{t, t}};
  EXPECT_EQ(tensor_paths(d),
            (std::vector<std::string>{"layers[0].a", "layers[0].b", "named[\"k\"][0]", "named[\"k\"][1]",
                                      "numbered[-1]", "numbered[7]", "pair.first", "tuple[0]", "two[0].a", "two[0].b",
                                      "two[1].a", "two[1].b", "maybe.a", "maybe.b", "either.a", "either.b"}));
  EXPECT_EQ(tensor_paths(std::vector<Pair>{{t, t}}), (std::vector<std::string>{"[0].a", "[0].b"}));
  EXPECT_EQ(tensor_paths(t), (std::vector<std::string>{""}));
  struct Local {
    Tensor of_a_function;
  };
  EXPECT_EQ(tensor_paths(Local{t}), (std::vector<std::string>{"of_a_function"}));
  EXPECT_EQ(tensor_paths(Outer<Tensor>{{t}, t}), (std::vector<std::string>{"inner.deep_member_1", "x_"}));
}

// ---- the signature

TEST(Signature, TellsTypesOfOneStructureApart) {
  int traces = 0;
  const auto same = jit([&traces](const auto& tree) {
    ++traces;
    return tree;
  });
  const auto x = tensor({1.f}), y = tensor({2.f});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(floats(same(Pair{x, y}).a), Floats{1});
    EXPECT_EQ(floats(same(Other{x, y}).a), Floats{2});
    EXPECT_EQ(floats(std::get<1>(same(std::tuple{x, y}))), Floats{2});
    EXPECT_EQ(floats(same(std::array<Tensor, 2>{x, y})[1]), Floats{2});
    EXPECT_EQ(floats(same(std::vector<Tensor>{x, y})[1]), Floats{2});
  }
  EXPECT_EQ(traces, 5);
  const auto scale = jit([](const Tensor& t, auto s) { return t * s; });
  const float one = 1;
  int bits;
  std::memcpy(&bits, &one, sizeof bits);
  EXPECT_EQ(floats(scale(x, one)), Floats{1});
  EXPECT_EQ(floats(scale(x, bits)), Floats{static_cast<float>(bits)}) << "the same bytes as another type";
}

TEST(Signature, ShapesInARowAreNotOneShape) {
  const auto f = jit([](const Tensor& x, const Shape& a, const Shape& b) {
    return x * static_cast<double>(a.rank() * 10 + b.rank());
  });
  const auto x = ones({1});
  EXPECT_EQ(floats(f(x, Shape({2, 3}), Shape({4}))), Floats{21});
  EXPECT_EQ(floats(f(x, Shape({2}), Shape({3, 4}))), Floats{12});
}

TEST(Signature, PaddingIsNoValue) {
  [[maybe_unused]] const auto key_over = [](unsigned char filling) {
    alignas(Padded) unsigned char memory[sizeof(Padded)];
    std::memset(memory, filling, sizeof memory);
    auto* p = new (memory) Padded;
    p->x = 1.5, p->c = 'c';
    return detail::signature_of(nullptr, {}, *p).structure;
  };
#if __has_builtin(__builtin_clear_padding)
  EXPECT_EQ(key_over(0), key_over(255));
#endif
  alignas(long double) unsigned char memory[sizeof(long double)];
  std::memset(memory, 255, sizeof memory);
  const long double& number = *new (memory) long double;
  const_cast<long double&>(number) = 1.25L;
  EXPECT_EQ(detail::signature_of(nullptr, {}, number).structure, detail::signature_of(nullptr, {}, 1.25L).structure);
}

TEST(Signature, HoldsRequiresGradAndTheGradMode) {
  int traces = 0;
  const auto f = jit([&traces](const Tensor& a, const Tensor& b) {
    ++traces;
    return sum(a * b);
  });
  const auto plain = tensor({2.f, 3.f}), leaf = tensor({5.f, 7.f}, {.requires_grad = true});
  EXPECT_FALSE(f(plain, plain).requires_grad());
  const auto y = f(leaf, plain);
  EXPECT_TRUE(y.requires_grad());
  y.backward();
  EXPECT_EQ(floats(leaf.grad()), (Floats{2, 3}));
  f(plain, leaf).backward();
  EXPECT_EQ(floats(leaf.grad()), (Floats{4, 6}));
  EXPECT_EQ(traces, 3);
  {
    NoGrad off;
    EXPECT_FALSE(f(leaf, plain).requires_grad());
  }
  EXPECT_FALSE(f(plain, plain).requires_grad());
  EXPECT_TRUE(f(leaf, plain).requires_grad());
  EXPECT_EQ(traces, 4);
}

// The result's structure and numbers follow the arguments', call by call.
TEST(Signature, ResultsFollowTheArguments) {
  struct Result {
    std::optional<Tensor> big;
    std::map<std::string, Tensor> parts;
    std::variant<int, Tensor> either;
    int rank = 0;
    Tensor absent;
  };
  const auto f = [](const Tensor& x, bool both) {
    Result r;
    r.rank = x.ndim();
    if (x.numel() > 2) r.big = x * 2;
    for (int64_t i = 0; i < x.numel(); ++i) r.parts["p" + std::to_string(i)] = x[i];
    if (both) r.either = x + 1;
    return r;
  };
  const auto jitted = jit(f);
  for (int round = 0; round < 2; ++round)
    for (int64_t n : {1, 4, 2, 3})
      for (bool both : {true, false}) {
        const Tensor x = arange(n).astype(f32);
        Result got = jitted(x, both), want = f(x, both);
        EXPECT_EQ(detail::signature_of(nullptr, {}, got).structure, detail::signature_of(nullptr, {}, want).structure)
            << n;
        const auto a = detail::tensors_of(got), b = detail::tensors_of(want);
        ASSERT_EQ(a.size(), b.size());
        for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(floats(a[i]), floats(b[i])) << n << " " << i;
      }
  EXPECT_FALSE(jit([](const Tensor&) { return Tensor(); })(ones({1})).defined());
}

TEST(Signature, LoweredAndTransformedFunctionsKeepNumbers) {
  struct Scaled {
    Tensor x;
    double by = 2;
  };
  const auto f = [](const Scaled& s, const Tensor& y) {
    return std::make_pair(sum(s.x * s.by * y), Scaled{s.x, s.by + 1});
  };
  const Scaled s{tensor({1.f, 2.f}), 3};
  const auto y = tensor({4.f, 5.f});
  const auto [value, gradient] = value_and_grad(f)(s, y);
  EXPECT_EQ(value.first.item<float>(), 42);
  EXPECT_EQ(value.second.by, 4);
  EXPECT_EQ(gradient.by, 3);
  EXPECT_EQ(floats(gradient.x), (Floats{12, 15}));
  const auto [both, aux] = grad<1, 0>(f)(s, y);
  EXPECT_EQ(floats(std::get<0>(both)), (Floats{3, 6}));
  EXPECT_EQ(floats(std::get<1>(both).x), (Floats{12, 15}));
  EXPECT_EQ(aux.by, 4);
  const auto g = jit(f);
  EXPECT_HAS(g.lower(Scaled{spec({2}, f32), 7}, spec({2}, f32)).ir(), "7");
  EXPECT_EQ(g(s, y).second.by, 4) << "what was lowered is not called";
  EXPECT_HAS(message_of([] { grad([](const Tensor& x) { return std::make_pair(Tensor(), sum(x)); })(ones({2})); }),
             "no value to differentiate");
}

TEST(Saved, HeadersNameInputsByPath) {
  const auto folder = std::filesystem::temp_directory_path() / ("tenon_arguments_test_" + std::to_string(getpid()));
  const auto f = jit([](const std::map<std::string, Pair>& m, double by) { return m.begin()->second.b * by; });
  const Pair two{spec({2}, f32), spec({3}, f32)};
  aot::save(f, {.name = "scaled", .out = folder.string()},
            std::map<std::string, Pair>{{"end */ of\n", two}, {"k", two}}, 7.5);
  std::ostringstream text;
  text << std::ifstream(folder / "scaled.h").rdbuf();
  std::filesystem::remove_all(folder);
  EXPECT_HAS(text.str(), "in0_end_of_a: f32[2], in0[\"end *? of?\"].a");
  EXPECT_HAS(text.str(), "in0_k_b: f32[3], in0[\"k\"].b");
}

TEST(Traced, RefusesOtherTypes) {
  const Traced p = trace([](const Tensor& x) { return x * 2 + 1; }, ones({3}));
  EXPECT_EQ(floats(p({ones({3})})[0]), (Floats{3, 3, 3}));
  EXPECT_HAS(message_of([&] { p({ones({4})}); }), "takes f32[3] as input 0, not f32[4]");
  EXPECT_HAS(message_of([&] { p({ones({3}, {.dtype = f64})}); }), "f64[3]");
  EXPECT_HAS(message_of([&] { p({Tensor()}); }), "undefined");
}

// ---- captured tensors, aliases, donation

TEST(Captured, TensorsAreHiddenInputs) {
  auto scale = tensor({2.f}), alias = scale;
  const auto f = jit([&](const Tensor& x) { return x * scale + alias; });
  EXPECT_EQ(floats(f(scale)), Floats{6}) << "as an argument too";
  scale.data() *= 5;
  EXPECT_EQ(floats(f(tensor({1.f}))), Floats{20});
  const auto leaf = tensor({1.f}, {.requires_grad = true});
  EXPECT_HAS(message_of([&] { jit([&](const Tensor& x) { return x * leaf; })(scale); }), "pass it as an argument");
}

TEST(Aliases, OneTensorAsSeveralArguments) {
  const auto f = [](const Pair& p, const Tensor& c) { return Pair{p.a * 10 + p.b * c, p.b - p.a}; };
  const auto jitted = jit(f);
  const auto x = tensor({2.f, 3.f}), y = tensor({5.f, 7.f});
  const std::pair<Pair, Tensor> calls[] = {{{x, y}, x}, {{x, x}, y}, {{x, x}, x}, {{x, x.reshape({2})}, y}};
  for (const auto& [p, c] : calls) {
    const Pair got = jitted(p, c), want = f(p, c);
    EXPECT_EQ(floats(got.a), floats(want.a));
    EXPECT_EQ(floats(got.b), floats(want.b));
  }
}

TEST(Donation, SameTensorTwiceIsAnError) {
  const auto f = jit([](const Pair& p, const Tensor& y) { return p.a + p.b * y; }, {.donate = {0}});
  const auto x = tensor({1.f, 2.f}), y = tensor({3.f, 4.f});
  const auto shared = x.reshape({2});
  EXPECT_HAS(message_of([&] { f(Pair{x, y}, x); }),
             "the tensor of argument 0, 'a' is donated and also passed as argument 1");
  EXPECT_HAS(message_of([&] { f(Pair{y, x}, x); }), "argument 0, 'b' is donated");
  EXPECT_HAS(message_of([&] { f(Pair{x, x}, y); }), "argument 0, 'a' is donated and also passed as argument 0, 'b'");
  EXPECT_HAS(message_of([&] { f(Pair{x, shared}, y); }), "pass a copy");
  const auto captured = jit([x](const Tensor& t) { return t + x; }, {.donate = {0}});
  EXPECT_HAS(message_of([&] { captured(x); }), "a tensor that it captured");
  // Every refused call left everything as it was.
  EXPECT_EQ(floats(x), (Floats{1, 2}));
  EXPECT_EQ(floats(y), (Floats{3, 4}));
  EXPECT_EQ(floats(f(Pair{tensor({1.f, 1.f}), x}, y)), (Floats{4, 9}));
}

TEST(Donation, MemoryThatOthersHoldIsCopiedAndSaidOnce) {
  const auto f = jit([](const Tensor& x) { return x * 2; }, {.donate = {0}});
  const auto held_by = [&](auto hold) {
    auto x = tensor({1.f, 2.f});
    const auto held = hold(x);
    EXPECT_EQ(floats(f(x)), (Floats{2, 4}));
    EXPECT_EQ(floats(held), (Floats{1, 2})) << "a holder's values changed";
  };
  ::testing::internal::CaptureStderr();
  held_by([](const Tensor& x) { return x.reshape({2, 1}); });
  held_by([](const Tensor& x) { return x.detach(); });
  held_by([](Tensor& x) { return x.data(); });
  float numbers[] = {1, 2};
  f(from_blob(numbers, {2}, f32));
  EXPECT_EQ(numbers[1], 2) << "borrowed memory was written to";
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_HAS(text, "copies the donated tensor of argument 0");
  EXPECT_EQ(text.find("copies"), text.rfind("copies")) << text;
  // The tape holds values as well.
  auto w = tensor({3.f, 4.f}, {.requires_grad = true}), x = tensor({5.f, 6.f});
  const auto y = sum(w * x);
  EXPECT_EQ(floats(f(x)), (Floats{10, 12}));
  y.backward();
  EXPECT_EQ(floats(w.grad()), (Floats{5, 6}));
}

// Results that need each other's donors, in every crossing.
TEST(Donation, ResultsMayCrossTheirDonors) {
  using T = const Tensor&;
  const auto expect = [](const char* what, auto f) {
    const auto g = jit(f, {.donate = {0, 1}});
    for (int64_t n : {3, 5000}) {
      const auto x = [n] { return arange(n).astype(f32) + 1; };
      const auto y = [n] { return arange(n).astype(f32) * 10; };
      auto want = f(x(), y()), got = g(x(), y());
      const std::vector<Tensor> a = detail::tensors_of(want), b = detail::tensors_of(got);
      ASSERT_EQ(a.size(), b.size());
      for (size_t i = 0; i < a.size(); ++i)
        EXPECT_EQ(floats(a[i]), floats(b[i])) << what << " " << n << " result " << i;
    }
  };
  expect("swap", [](T x, T y) { return std::make_tuple(y, x); });
  expect("keep", [](T x, T y) { return std::make_tuple(x + y, x); });
  expect("repeat", [](T x, T y) { return std::make_tuple(x, x, y); });
  expect("scale", [](T x, T y) { return std::make_tuple(y * 2, x * 3); });
  expect("order", [](T x, T y) { return std::make_tuple(cumsum(y), sort(x), x + y); });
  expect("flip", [](T x, T y) { return std::make_tuple(flip(x + y, {0}), x); });
  expect("loop", [](T x, T y) { return std::make_tuple(fori_loop(0, 3, [&](T, T c) { return c * 2 + x; }, y), x); });
}

TEST(Donation, NumbersOutsideTheArgumentsAreErrors) {
  for (int number : {5, 1, -1}) {
    const auto f = jit([](const Tensor& x) { return x + 1; }, {.donate = {number}});
    EXPECT_HAS(message_of([&] { f(ones({1})); }), ".donate names argument " + std::to_string(number));
    EXPECT_HAS(message_of([&] { f.lower(ones({1})); }), ".donate");
  }
}

TEST(Donation, ARefusedCallKeepsItsTensors) {
  const auto f = jit([](const Tensor& x, const Tensor& y, const Tensor& z) { return std::make_tuple(x + z, y * z); },
                     {.donate = {0, 1}});
  const auto x = tensor({1.f, 2.f}), y = tensor({3.f, 4.f}), gone = tensor({1.f, 1.f});
  jit([](const Tensor& t) { return t + 1; }, {.donate = {0}})(gone);
  EXPECT_HAS(message_of([&] { f(x, y, gone); }), "was donated");
  EXPECT_HAS(message_of([&] { f(x, y, y); }), "also passed");
  EXPECT_HAS(message_of([&] { f(x, y, ones({3})); }), "shapes do not broadcast");
  EXPECT_HAS(message_of([&] { f(x, y, spec({2}, f32)); }), "spec");
  // Too much memory for the arena: refused before anything ran.
  const auto huge =
      jit([](const Tensor& t) { return std::make_tuple(t * 2, sum(cumsum(broadcast_to(t[0], {int64_t{1} << 44})))); },
          {.donate = {0}});
  EXPECT_HAS(message_of([&] { huge(x); }), "out of memory");
  EXPECT_EQ(floats(x), (Floats{1, 2}));
  EXPECT_EQ(floats(y), (Floats{3, 4}));
}

}  // namespace
}  // namespace tenon::testing
