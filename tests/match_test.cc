// Trees that must match are compared whole, by path: every change that a tree can suffer, at every place of several shapes of
// trees, through every door that takes two trees, is refused with an error that names the path; an equal tree passes.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include "tenon/tests/messages.h"
#include "tenon/tests/tree_mutations.h"

namespace tenon::testing {
namespace {

enum class Mode : uint8_t { train, evaluate };
struct Layer {
  Tensor weight;
  std::optional<Tensor> bias = {};
};
struct Numbers {
  Tensor x;
  int count = 2;
  double scale = 0.5;
  bool flag = true;
  Mode mode = Mode::train;
  std::string label = "a";
};
struct Containers {
  std::vector<Layer> layers;
  std::map<std::string, Tensor> named;
  std::unordered_map<std::string, Layer> hashed;
  std::unordered_map<int, Tensor> numbered;
  std::vector<bool> bits = {};
};
struct Nested {
  Layer first;
  std::pair<Tensor, std::optional<Layer>> pair;
  std::tuple<Tensor, int> tuple;
  std::array<Tensor, 2> two;
  std::optional<std::optional<Tensor>> twice = {};
  std::variant<int, Tensor> either = 1;
  Shape shape = {};
};
struct Steps {
  Tensor count, weight, mask;  // i64, f32, bool
  Tensor absent = {};
};

Tensor draw(int n) { return normal(key(static_cast<uint64_t>(n)), {2}); }

Layer layer(int n, bool bias) { return bias ? Layer{draw(n), draw(n + 1)} : Layer{draw(n), std::nullopt}; }
template <class T>
T make();
template <>
Tensor make() {
  return draw(1);
}
template <>
Layer make() {
  return layer(1, true);
}
template <>
Numbers make() {
  return {draw(1)};
}
template <>
Containers make() {
  return {{layer(1, true), layer(3, false)},
          {{"gain", draw(5)}, {"shift", draw(6)}},
          {{"left", layer(7, false)}, {"right", layer(8, true)}, {"middle", layer(9, true)}},
          {{7, draw(10)}, {-3, draw(11)}},
          {true, false}};
}
template <>
Nested make() {
  return {layer(1, false),    {draw(2), layer(3, true)},      {draw(4), 5},
          {draw(6), draw(7)}, std::optional<Tensor>(draw(8)), draw(9),
          Shape({2, 3})};
}
template <>
Steps make() {
  return {tensor(std::vector<int64_t>{3, 4}), draw(1), tensor(std::vector<bool>{true, false})};
}
template <>
std::tuple<Layer, Numbers> make() {
  return {make<Layer>(), make<Numbers>()};
}

template <class T>
class Trees : public ::testing::Test {};
using Types = ::testing::Types<Tensor, Layer, Numbers, Containers, Nested, Steps, std::tuple<Layer, Numbers>>;
TYPED_TEST_SUITE(Trees, Types);

// Calls see(mutation, changed tree) for every change of a tree; gives their number.
template <class T, class See>
int each_mutation(See see) {
  int n = 0;
  for (;; ++n) {
    T changed = make<T>();
    Mutation m{n};
    mutate(changed, "", m);
    if (!m.done) return n;
    see(m, changed);
  }
}

template <class T>
bool integer_at(const std::string& path) {
  T tree = make<T>();
  for (const detail::TreeItem& item : detail::items_of(tree))
    if (item.path == path && item.tag == 't') return !is_floating(item.tensor->dtype());
  return false;
}

std::string all_bits(const auto& tree) {
  std::string out;
  for (const Tensor& t : detail::tensors_of(tree))
    out.append(static_cast<const char*>(t.raw()), static_cast<size_t>(t.numel() * bytes(t.dtype())));
  return out;
}

// A door takes the tree that is expected and one that may differ, and gives the first back if it gives a tree.
template <class T, class Door>
void expect_whole(const char* name, Door door, bool may_lack_integers = false, bool may_lack_any = false) {
  const T good = make<T>();
  const std::string passed = message_of([&] {
    if constexpr (std::is_same_v<decltype(door(good, good)), void>)
      door(good, make<T>());
    else
      EXPECT_EQ(all_bits(door(good, make<T>())), all_bits(good)) << name;
  });
  EXPECT_EQ(passed, "no error") << name;
  const int seen = each_mutation<T>([&](const Mutation& m, const T& changed) {
    const std::string text = message_of([&] { door(good, changed); });
    if (m.undefined && (may_lack_any || (may_lack_integers && integer_at<T>(m.path)))) {
      EXPECT_EQ(text, "no error") << name << ": " << m.what << " at " << m.path;
      return;
    }
    EXPECT_NE(text, "no error") << name << ": " << m.what << " at '" << m.path << "' passes";
    if (!m.path.empty()) {
      EXPECT_HAS(text, "'" + m.path + "'") << name << ": " << m.what;
    }
    EXPECT_HAS(text, std::string(name)) << m.what;
    EXPECT_HAS(text, "match_test.cc:") << m.what;
  });
  EXPECT_GE(seen, 4);
}

TYPED_TEST(Trees, BranchesOfCond) {
  using T = TypeParam;
  expect_whole<T>("cond", [](const T& a, const T& b) {
    return cond(tensor(true), [&](const Tensor&) { return a; }, [&](const Tensor&) { return b; }, ones({}));
  });
}

TYPED_TEST(Trees, CarriesOfWhile) {
  using T = TypeParam;
  expect_whole<T>("while_loop", [](const T& a, const T& b) {
    return while_loop([](const T&) { return full({}, false); }, [&](const T&) { return b; }, a);
  });
}

TYPED_TEST(Trees, CarriesOfForiLoop) {
  using T = TypeParam;
  expect_whole<T>("fori_loop", [](const T& a, const T& b) {
    return fori_loop(0, 2, [&](const Tensor&, const T&) { return b; }, a);
  });
}

TYPED_TEST(Trees, CarriesOfScan) {
  using T = TypeParam;
  expect_whole<T>("scan", [](const T& a, const T& b) {
    return scan([&](const T&, const Tensor& x) { return std::make_pair(b, x); }, a, ones({2})).first;
  });
}

TYPED_TEST(Trees, TangentsOfJvp) {
  using T = TypeParam;
  expect_whole<T>(
      "jvp", [](const T& a, const T& b) { jvp([](const auto&... x) { return std::make_tuple(x...); }, a, b); }, true);
}

TYPED_TEST(Trees, CotangentsOfPullbacks) {
  using T = TypeParam;
  expect_whole<T>("vjp", [](const T& a, const T& b) { vjp([](const T& x) { return x; }, a).second(b); }, true);
}

TYPED_TEST(Trees, GradientsOfOptimizers) {
  using T = TypeParam;
  expect_whole<T>("sgd", [](const T& a, const T& b) { optim::sgd(a, b); }, true, true);
  expect_whole<T>("adamw", [](const T& a, const T& b) { optim::adamw(a, b, optim::adamw_init(a)); }, true, true);
}

TYPED_TEST(Trees, StatesOfOptimizers) {
  using T = TypeParam;
  expect_whole<T>("sgd", [](const T& a, const T& b) { optim::sgd(a, a, b, {.momentum = 0.9}); }, true);
  expect_whole<T>(
      "adamw",
      [](const T& a, const T& b) { optim::adamw(a, a, optim::AdamWState<T>{b, a, zeros({}, {.dtype = i64})}); }, true);
  expect_whole<T>(
      "adamw",
      [](const T& a, const T& b) { optim::adamw(a, a, optim::AdamWState<T>{a, b, zeros({}, {.dtype = i64})}); }, true);
}

TYPED_TEST(Trees, MappedTogether) {
  using T = TypeParam;
  expect_whole<T>("tree::map", [](const T& a, const T& b) {
    return tree::map([](const Tensor& x, const Tensor&) { return x; }, a, b);
  });
}

// A jitted function traces again for every change, and gives what the function gives; an equal tree traces nothing.
TYPED_TEST(Trees, JitTracesAgainForEveryChange) {
  using T = TypeParam;
  int traces = 0;
  const auto twice = [&](const T& tree) {
    ++traces;
    T out = tree;
    for (Tensor* t : detail::leaves_of(out)) *t = where(*t == *t, *t + *t, 0);
    return out;
  };
  each_mutation<T>([&](const Mutation& m, const T& changed) {
    const auto f = jit(twice, {.fuse = false});
    traces = 0;
    f(make<T>());
    f(make<T>());
    EXPECT_EQ(traces, 1) << "an equal tree";
    T result = f(changed);
    EXPECT_EQ(traces, 2) << m.what << " at " << m.path;
    T expected = twice(changed);
    EXPECT_EQ(all_bits(result), all_bits(expected)) << m.what << " at " << m.path;
    EXPECT_EQ(detail::signature_of(nullptr, {}, result).structure,
              detail::signature_of(nullptr, {}, expected).structure)
        << m.what;
    const bool of_types = m.what == "dtype" || m.what == "extent" || m.what == "rank";
    EXPECT_EQ(tree::equal_structure(changed, make<T>()), of_types) << m.what << " at " << m.path;
  });
}

TEST(Matching, MessagesNameBothSides) {
  const auto branches = [](const Tensor& x) {
    return cond(
        sum(x) > 0, [](const Tensor& t) { return Containers{{layer(1, false)}, {}, {{"k", {t}}}, {}}; },
        [](const Tensor& t) { return Containers{{layer(1, false)}, {}, {{"k", {concat({t, t})}}}, {}}; }, x);
  };
  const std::string text = message_of([&] { branches(ones({2})); });
  EXPECT_HAS(text, "cond: at 'hashed[\"k\"].weight', the first branch gives f32[2]");
  EXPECT_HAS(text, "the second f32[4]");
  const std::string carry = message_of([] {
    while_loop([](const Numbers& n) { return sum(n.x) < 3; },
               [](const Numbers& n) {
                 Numbers next = n;
                 ++next.count;
                 return next;
               },
               Numbers{ones({2})});
  });
  EXPECT_HAS(carry, "at 'count', the state goes in as 2");
  EXPECT_HAS(carry, "comes out as 3");
  EXPECT_HAS(message_of([] {
               fori_loop(
                   0, 2, [](const Tensor&, const Layer& l) { return Layer{l.weight, l.weight}; }, Layer{ones({2})});
             }),
             "at 'bias', the state goes in as no value");
}

// Leaves that move are found by path, not by their number among those that do.
TEST(Matching, IntegersInFrontShiftNothing) {
  const auto f = [](const Steps& s) { return Steps{s.count * 2, s.weight * s.weight, s.mask, s.weight * 3}; };
  const Steps at{tensor(std::vector<int64_t>{3, 4}), tensor({5.f, 6.f}), tensor(std::vector<bool>{true, false})};
  const Steps along{Tensor(), tensor({1.f, 10.f}), Tensor()};
  const auto [y, dy] = jvp(f, at, along);
  EXPECT_EQ(y.count.to_vector<int64_t>(), (std::vector<int64_t>{6, 8}));
  EXPECT_EQ(dy.weight.to_vector<float>(), (std::vector<float>{10, 120}));
  EXPECT_EQ(dy.absent.to_vector<float>(), (std::vector<float>{3, 30}));
  const auto [z, pull] = vjp(f, at);
  const Steps back = pull(Steps{Tensor(), tensor({1.f, 1.f}), Tensor(), tensor({100.f, 1000.f})});
  EXPECT_EQ(back.weight.to_vector<float>(), (std::vector<float>{310, 3012}));
  EXPECT_FALSE(back.count.defined());
  EXPECT_HAS(message_of([&] { pull(Steps{Tensor(), tensor({1.f, 1.f}), Tensor(), ones({3})}); }),
             "vjp: at 'absent', the result has f32[2]");
}

TEST(Matching, SymbolicExtentsAreTheSameExtents) {
  const auto f = [](const Layer& l) {
    const auto twice = [](const Tensor&, const Layer& s) { return Layer{s.weight * 2, s.bias}; };
    return cond(
        sum(l.weight) > 0, [&](const Layer& s) { return fori_loop(0, 3, twice, s); },
        [](const Layer& s) { return Layer{s.weight + *s.bias, s.bias}; }, l);
  };
  const Shape n = {dim("match_test_n"), 2};
  EXPECT_HAS(jit(f).lower(Layer{spec(n, f32), spec(n, f32)}).ir(), "match_test_n");
  const auto g = [](const Layer& l) {
    return fori_loop(
        0, 3, [](const Tensor&, const Layer& s) { return Layer{concat({s.weight, s.weight}), s.bias}; }, l);
  };
  EXPECT_HAS(message_of([&] { jit(g).lower(Layer{spec(n, f32), spec(n, f32)}); }), "at 'weight'");
}

// The order in which a hash table keeps its entries is nobody's business.
TEST(Matching, HashTablesPairByKey) {
  using Table = std::unordered_map<std::string, Tensor>;
  Table ascending, descending(1000);
  for (int i = 0; i < 40; ++i) ascending.emplace("k" + std::to_string(i), full({2}, static_cast<double>(i)));
  for (int i = 39; i >= 0; --i) descending.emplace("k" + std::to_string(i), full({2}, static_cast<double>(i)));
  const auto value = [](const Table& table, int i) { return table.at("k" + std::to_string(i)).to_vector<float>()[1]; };
  const Table stepped = optim::sgd(ascending, descending, {.rate = 1});
  const Table chosen = cond(
      tensor(false), [&](const Tensor&) { return ascending; }, [&](const Tensor&) { return descending; }, ones({}));
  const auto [y, dy] = jvp([](const Table& t) { return t; }, ascending, descending);
  int traces = 0;
  const auto f = jit([&traces](const Table& t) {
    ++traces;
    return t;
  });
  const Table once = f(ascending), again = f(descending);
  EXPECT_EQ(traces, 1);
  for (int i = 0; i < 40; ++i) {
    const auto n = static_cast<float>(i);
    EXPECT_EQ(value(stepped, i), 0) << i;
    EXPECT_EQ(value(chosen, i), n) << i;
    EXPECT_EQ(value(dy, i), n) << i;
    EXPECT_EQ(value(once, i), n) << i;
    EXPECT_EQ(value(again, i), n) << i;
  }
}

}  // namespace
}  // namespace tenon::testing
