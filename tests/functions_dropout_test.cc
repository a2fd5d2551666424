// Dropout of whole channels and alpha dropout: what is dropped goes as a whole, what is kept has the formula's value written out in double, shares
// and moments are those that are promised; derivatives, lanes, layers in use and in training, mistakes.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>

#include "tenon/tests/function_case.h"
#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

using Numbers = std::vector<double>;
Numbers values(const Tensor& t) { return t.to_vector<double>(); }

using Drop = Tensor (*)(const Tensor&, Operand, Operand, const At&);
struct Kind {
  const char* name;
  Drop drop;
  Extents shape;
  int64_t channels, each;  // how many channels of how many elements
};
const Kind kinds[] = {
    {"dropout1d", random::dropout1d, {40, 50, 3}, 2000, 3},
    {"dropout1d", random::dropout1d, {2000, 3}, 2000, 3},
    {"dropout2d", random::dropout2d, {40, 50, 3, 2}, 2000, 6},
    {"dropout2d", random::dropout2d, {2000, 3, 2}, 2000, 6},
    {"dropout3d", random::dropout3d, {40, 50, 3, 2, 2}, 2000, 12},
    {"dropout3d", random::dropout3d, {2000, 3, 2, 2}, 2000, 12},
    {"feature_alpha_dropout", random::feature_alpha_dropout, {40, 50, 5}, 2000, 5},
};

constexpr double limit = -1.7580993408473766;  // -scale * alpha of selu
double alpha_of(double x, bool kept, double p) {
  const double a = 1 / std::sqrt((1 - p) * (1 + p * limit * limit)), b = -a * limit * p;
  return a * (kept ? x : limit) + b;
}

TEST(Dropout, ChannelsGoAsAWhole) {
  constexpr double p = 0.3;
  for (const Kind& k : kinds) {
    SCOPED_TRACE(k.name);
    const bool alpha = std::string(k.name) == "feature_alpha_dropout";
    const Tensor x = normal(key(1), k.shape, {f64}) + 3;
    const Numbers v = values(x), y = values(k.drop(key(2), x, p, At::current()));
    int64_t dropped = 0;
    for (size_t c = 0; c < static_cast<size_t>(k.channels); ++c) {
      const size_t first = c * static_cast<size_t>(k.each);
      const bool gone = alpha ? std::fabs(y[first] - alpha_of(0, false, p)) < 1e-14 : y[first] == 0;
      dropped += gone;
      for (size_t i = first; i < first + static_cast<size_t>(k.each); ++i)
        EXPECT_NEAR(y[i], alpha ? alpha_of(v[i], !gone, p) : gone ? 0 : v[i] / (1 - p), 1e-14 * (1 + std::fabs(v[i])));
    }
    EXPECT_NEAR(static_cast<double>(dropped) / 2000, p, 0.04);
    // Another key, another choice; the same key, the same.
    EXPECT_NE(values(k.drop(key(3), x, p, At::current())), y);
    EXPECT_EQ(values(jit([&](const Tensor& from, const Tensor& at) { return k.drop(from, at, p, At::current()); })(
                  key(2), x)),
              y);
  }
}

TEST(Dropout, AlphaKeepsMeanAndVariance) {
  const Tensor x = normal(key(4), {200000}, {f64});
  for (const double p : {0.05, 0.2, 0.5, 0.8}) {
    const Tensor y = random::alpha_dropout(key(5), x, p);
    EXPECT_NEAR(mean(y).item<double>(), 0, 0.02) << p;
    EXPECT_NEAR(var(y).item<double>(), 1, 0.02) << p;
    const Numbers v = values(x), got = values(y);
    const Numbers plain = values(random::dropout(key(5), ones_like(x), p));  // the same draws
    for (size_t i = 0; i < 1000; ++i) EXPECT_NEAR(got[i], alpha_of(v[i], plain[i] != 0, p), 1e-13);
  }
  EXPECT_EQ(values(random::alpha_dropout(key(5), x, 0)), values(x));
  EXPECT_EQ(values(random::alpha_dropout(key(5), ones({3}), 1.0)), Numbers(3, 0.0));
  EXPECT_EQ(values(random::dropout2d(key(5), ones({2, 3, 1}), 1.0)), Numbers(6, 0.0));
}

const std::vector<FunctionCase> cases = {
    {"dropout1d",
     TENON_CALL(random::dropout1d(key(6), x[0], x[1])),
     {{{3, 4, 5}}, {{}, 0.2, 0.6}},
     {{{{4, 70}}, {{}, 0.2, 0.6}}}},
    {"dropout2d",
     TENON_CALL(random::dropout2d(key(6), x[0], 0.4)),
     {{{2, 3, 2, 3}}},
     {{{{0, 3, 2, 3}}}, {{{3, 2, 3}}}}},
    {"dropout3d", TENON_CALL(random::dropout3d(key(6), x[0], 0.4)), {{{2, 3, 2, 2, 1}}}},
    {"alpha_dropout",
     TENON_CALL(random::alpha_dropout(key(6), x[0], x[1])),
     {{{3, 4}}, {{}, 0.2, 0.6}},
     {{{{}}, {{}, 0.2, 0.6}}}},
    {"feature_alpha_dropout", TENON_CALL(random::feature_alpha_dropout(key(6), x[0], 0.4)), {{{3, 4, 2}}}},
};
TEST(Dropout, Battery) { check_functions(cases); }

TEST(Dropout, LanesHaveKeysOfTheirOwn) {
  const Tensor keys = stack(split(key(7), 5)), x = ones({5, 4, 6, 2});
  const Tensor lanes = vmap([](const Tensor& k, const Tensor& v) { return random::dropout1d(k, v, 0.5); })(keys, x);
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(values(lanes[i]), values(random::dropout1d(keys[i], x[i], 0.5)));
  EXPECT_NE(values(lanes[0]), values(lanes[1]));
}

template <class Layer, class Function>
void check_layer(const Layer& layer, const Tensor& x, Function function) {
  const nn::Mode training{.training = true, .key = key(8)};
  EXPECT_EQ(values(layer(x)), values(x));
  EXPECT_EQ(values(layer(x, {.training = false, .key = key(8)})), values(x));
  EXPECT_EQ(values(layer(x, training)), values(function(key(8), x, layer.p)));
  EXPECT_NE(values(layer(x, training)), values(x));
  EXPECT_HAS(message_of([&] { layer(x, {.training = true}); }), ".key = tn::key(1)");
}

TEST(Dropout, Layers) {
  const Tensor x = normal(key(9), {4, 5, 3, 2}), flat = x.reshape({4, 5, 6}), deep = x.reshape({4, 5, 3, 2, 1});
  check_layer(nn::dropout1d(0.4), flat,
              [](const Tensor& k, const Tensor& v, double p) { return nn::dropout1d(k, v, p); });
  check_layer(nn::dropout2d(0.4), x, [](const Tensor& k, const Tensor& v, double p) { return nn::dropout2d(k, v, p); });
  check_layer(nn::dropout3d(0.4), deep,
              [](const Tensor& k, const Tensor& v, double p) { return nn::dropout3d(k, v, p); });
  check_layer(nn::alpha_dropout(0.4), x,
              [](const Tensor& k, const Tensor& v, double p) { return nn::alpha_dropout(k, v, p); });
  check_layer(nn::feature_alpha_dropout(0.4), x,
              [](const Tensor& k, const Tensor& v, double p) { return nn::feature_alpha_dropout(k, v, p); });
  EXPECT_EQ(nn::dropout2d().p, 0.5);
  const auto net = nn::sequential(nn::conv2d(key(1), 5, 6, 1), nn::dropout2d(0.5), nn::selu(), nn::alpha_dropout(0.1));
  EXPECT_EQ(values(net(x, {.training = false}).first), values(net(x)));
  const auto [y, next] = net(x, {.training = true, .key = key(2)});
  EXPECT_NE(values(y), values(net(x)));
}

TEST(Dropout, MistakesAreNamed) {
  const Tensor k = key(1);
  EXPECT_HAS(message_of([&] { random::dropout2d(k, ones({3, 4}), 0.5); }),
             "dropout2d: takes x[n, channels, height, width] or x[channels, height, width]");
  EXPECT_HAS(message_of([&] { random::dropout1d(k, ones({1, 2, 3, 4}), 0.5); }),
             "dropout1d: takes x[n, channels, length]");
  EXPECT_HAS(message_of([&] { random::dropout3d(k, ones({1, 2, 3}), 0.5); }), "f32[1, 2, 3]");
  EXPECT_HAS(message_of([&] { random::feature_alpha_dropout(k, ones({3}), 0.5); }), "x[n, channels, ..]");
  EXPECT_HAS(message_of([&] { random::alpha_dropout(k, ones({3}), 1.5); }), "alpha_dropout: p is a probability");
  EXPECT_HAS(message_of([&] { random::alpha_dropout(ones({3}), ones({3}), 0.5); }), "a random key is u32[2]");
  EXPECT_HAS(message_of([&] { nn::dropout2d(1.0); }), "nn::dropout2d: the share that is dropped lies in [0, 1)");
  EXPECT_HAS(message_of([&] { nn::dropout2d(0.5)(ones({3, 4}), {.training = true, .key = k}); }), "dropout2d");
  EXPECT_HAS(message_of([&] { nn::alpha_dropout(-0.1); }), "nn::alpha_dropout");
  const std::string of_layer = message_of([&] { nn::dropout2d(0.5)(ones({3, 4}), {.training = true, .key = k}); });
  EXPECT_EQ(of_layer.find("linear.cc"), std::string::npos) << of_layer;
}

}  // namespace
}  // namespace tenon::testing
