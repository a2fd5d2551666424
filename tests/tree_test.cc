// Argument trees as values: leaves, paths, map and equal_structure over every kind of node, and aggregates of up to 64 members.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <array>
#include <map>
#include <optional>
#include <unordered_map>
#include <variant>

#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

using Floats = std::vector<float>;
using Names = std::vector<std::string>;

enum class Mode : uint8_t { train, evaluate };
struct Layer {
  Tensor weight;
  std::optional<Tensor> bias = {};
};
struct Model {
  std::vector<Layer> layers;
  std::map<std::string, Tensor> named;
  std::unordered_map<int, Layer> hashed;
  std::tuple<Tensor, int> tuple;
  std::pair<Tensor, std::string> pair;
  std::array<Tensor, 2> two;
  std::variant<int, Layer> either;
  Tensor absent;
  Mode mode = Mode::train;
  double rate = 0.5;
  std::vector<bool> bits = {};
  Shape shape = {};
};
struct Nothing {};

Tensor number(double v) { return full({}, v); }

Model model() {
  return {.layers = {{number(1), number(2)}, {number(3)}},
          .named = {{"b", number(5)}, {"a", number(4)}},
          .hashed = {{7, {number(8)}}, {-3, {number(6), number(7)}}},
          .tuple = {number(9), 10},
          .pair = {number(10), "p"},
          .two = {number(11), number(12)},
          .either = Layer{number(13)},
          .absent = {}};
}
const Names model_paths = {"layers[0].weight", "layers[0].bias",    "layers[1].weight", "named[\"a\"]",
                           "named[\"b\"]",     "hashed[-3].weight", "hashed[-3].bias",  "hashed[7].weight",
                           "tuple[0]",         "pair.first",        "two[0]",           "two[1]",
                           "either.weight"};

template <class T>
Floats values(const T& tree) {
  Floats out;
  for (const Tensor& t : tree::leaves(tree)) out.push_back(t.item<float>());
  return out;
}

TEST(Tree, LeavesAreTheDefinedTensorsInOrder) {
  const Model m = model();
  Floats counted;
  for (int i = 1; i <= 13; ++i) counted.push_back(static_cast<float>(i));
  EXPECT_EQ(values(m), counted);
  EXPECT_EQ(tree::leaves(m)[0].cell(), m.layers[0].weight.cell());
  EXPECT_EQ(tree::leaves(number(3)).size(), 1u);
  EXPECT_TRUE(tree::leaves(Tensor()).empty());
  EXPECT_TRUE(tree::leaves(Nothing{}).empty());
  EXPECT_TRUE(tree::leaves(std::vector<Layer>{}).empty());
  EXPECT_TRUE(tree::leaves(std::tuple{1, 2.5, std::string("s")}).empty());
}

TEST(Tree, PathsStandBesideLeaves) {
  const Model m = model();
  EXPECT_EQ(tree::paths(m), model_paths);
  EXPECT_EQ(tree::paths(number(3)), Names{""});
  EXPECT_EQ(tree::paths(std::tuple{number(1), Tensor(), number(2)}), (Names{"[0]", "[2]"}));
  EXPECT_EQ(tree::paths(Nothing{}), Names{});
  EXPECT_EQ(tree::paths(std::map<std::string, Tensor>{{"k", Tensor()}}), Names{});
}

// The order in which a hash table keeps its entries is nobody's business.
TEST(Tree, HashTablesCountByTheirKeys) {
  using Table = std::unordered_map<std::string, Tensor>;
  Table up, down(1000);
  for (int i = 0; i < 30; ++i) up.emplace("k" + std::to_string(i), number(i));
  for (int i = 29; i >= 0; --i) down.emplace("k" + std::to_string(i), number(i));
  EXPECT_EQ(tree::paths(up), tree::paths(down));
  EXPECT_EQ(values(up), values(down));
  EXPECT_TRUE(tree::equal_structure(up, down));
  const Table doubled = tree::map([](const Tensor& a, const Tensor& b) { return a + b; }, up, down);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(doubled.at("k" + std::to_string(i)).item<float>(), static_cast<float>(2 * i));
  down.erase("k7");
  EXPECT_FALSE(tree::equal_structure(up, down));
}

TEST(Tree, MapKeepsWhatIsNoTensor) {
  const Model m = model();
  Names order;
  const Model halves = tree::map(
      [&](const Tensor& t) {
        order.push_back(std::to_string(t.item<int>()));
        return t.astype(f16);
      },
      m);
  EXPECT_EQ(order, (Names{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13"}));
  EXPECT_EQ(values(halves), values(m));
  for (const Tensor& t : tree::leaves(halves)) EXPECT_EQ(t.dtype(), f16);
  for (const Tensor& t : tree::leaves(m)) EXPECT_EQ(t.dtype(), f32) << "the tree itself stays as it was";
  EXPECT_TRUE(tree::equal_structure(m, halves));
  EXPECT_EQ(std::get<1>(halves.tuple), 10);
  EXPECT_EQ(halves.pair.second, "p");
  EXPECT_FALSE(halves.absent.defined());
  EXPECT_FALSE(halves.layers[1].bias.has_value());
}

TEST(Tree, MapOverSeveralTrees) {
  const Model m = model();
  const Model sum = tree::map([](const Tensor& a, const Tensor& b, const Tensor& c) { return a + b * c; }, m, m, m);
  Floats expected;
  for (int i = 1; i <= 13; ++i) expected.push_back(static_cast<float>(i + i * i));
  EXPECT_EQ(values(sum), expected);
  const auto add = [](const auto&... x) { return (x + ...); };
  expected.clear();
  for (int i = 1; i <= 13; ++i) expected.push_back(static_cast<float>(5 * i));
  EXPECT_EQ(values(tree::map(add, m, m, m, m, m)), expected);
  int calls = 0;
  tree::map([&](const Tensor& a, const Tensor&) { return ++calls, a; }, Nothing{}, Nothing{});
  EXPECT_EQ(calls, 0);
}

TEST(Tree, MapTakesWhatIndexingGives) {
  Tensor x = arange(6).reshape({2, 3});
  const Tensor twice = tree::map([](const Tensor& t) { return t * 2; }, x[1]);
  EXPECT_EQ(twice.to_vector<int>(), (std::vector<int>{6, 8, 10}));
  const Tensor first = tree::map([](Tensor t) { return t[0]; }, x);
  EXPECT_EQ(first.to_vector<int>(), (std::vector<int>{0, 1, 2}));
}

TEST(Tree, MapTracesAndDifferentiates) {
  const auto decayed = [](const Layer& l) { return tree::map([](const Tensor& t) { return t * t; }, l); };
  const Layer l{number(3), number(4)};
  EXPECT_EQ(values(jit(decayed)(l)), (Floats{9, 16}));
  const auto loss = [&](const Layer& x) { return decayed(x).weight + *decayed(x).bias; };
  EXPECT_EQ(values(grad(loss)(l)), (Floats{6, 8}));
}

TEST(Tree, TreesThatDifferAreRefusedByPath) {
  const auto both = [](const Model& a, const Model& b) {
    return message_of([&] { tree::map([](const Tensor& x, const Tensor&) { return x; }, a, b); });
  };
  const Model m = model();
  EXPECT_EQ(both(m, model()), "no error");
  const auto changed = [&](auto change) {
    Model other = model();
    change(other);
    return both(m, other);
  };
  EXPECT_HAS(changed([](Model& o) { o.layers.pop_back(); }), "tree::map: at 'layers', the first tree has 2 entries");
  EXPECT_HAS(changed([](Model& o) { o.layers[1].bias = number(1); }), "at 'layers[1].bias'");
  EXPECT_HAS(changed([](Model& o) { o.named.erase("a"); }), "and another the keys {\"b\"}");
  EXPECT_HAS(changed([](Model& o) { o.absent = number(1); }), "at 'absent', the first tree has an undefined tensor");
  EXPECT_HAS(changed([](Model& o) { o.either = 4; }), "at 'either'");
  EXPECT_HAS(changed([](Model& o) { o.rate = 0.25; }), "at 'rate', the first tree has 0.5");
  EXPECT_HAS(changed([](Model& o) { o.two[1] = ones({2}); }), "at 'two[1]', the first tree has f32[]");
  EXPECT_HAS(changed([](Model& o) { o.two[1] = ones({}, {.dtype = i64}); }), "and another i64[]");
}

TEST(Tree, EqualStructureIsAllButTheTypesOfTensors) {
  const Model m = model();
  const auto same = [&](auto change) {
    Model other = model();
    change(other);
    return tree::equal_structure(m, other);
  };
  EXPECT_TRUE(same([](Model&) {}));
  EXPECT_TRUE(same([](Model& o) { o.two[0] = ones({2, 3}, {.dtype = i64}); }));
  EXPECT_FALSE(same([](Model& o) { o.absent = number(1); }));
  EXPECT_FALSE(same([](Model& o) { o.two[0] = Tensor(); }));
  EXPECT_FALSE(same([](Model& o) { o.layers.push_back({number(1)}); }));
  EXPECT_FALSE(same([](Model& o) { o.layers[0].bias.reset(); }));
  EXPECT_FALSE(same([](Model& o) { std::get<1>(o.tuple) = 11; }));
  EXPECT_FALSE(same([](Model& o) { o.pair.second = "q"; }));
  EXPECT_FALSE(same([](Model& o) { o.mode = Mode::evaluate; }));
  EXPECT_FALSE(same([](Model& o) { o.bits.push_back(true); }));
  EXPECT_FALSE(same([](Model& o) { o.shape = Shape({2}); }));
  EXPECT_FALSE(same([](Model& o) { o.either = 0; }));
  const Tensor t = number(1);
  EXPECT_TRUE(tree::equal_structure(Nothing{}, Nothing{}));
  EXPECT_TRUE(tree::equal_structure(Tensor(), Tensor()));
  EXPECT_FALSE(tree::equal_structure(t, Tensor()));
  EXPECT_FALSE(tree::equal_structure(t, std::vector<Tensor>{t})) << "another C++ type";
  EXPECT_FALSE(tree::equal_structure(std::pair{t, 1}, std::pair{t, 1.0}));
}

#define EIGHT_MEMBERS(p) Tensor p##1, p##2, p##3, p##4, p##5, p##6, p##7, p##8;
struct OfOne {
  Tensor only;
};
struct OfEight {
  EIGHT_MEMBERS(a)
};
struct OfNine {
  EIGHT_MEMBERS(a)
  Tensor last;
};
struct OfSeventeen {
  EIGHT_MEMBERS(a)
  EIGHT_MEMBERS(b)
  Tensor last;
};
struct OfSixtyThree {
  Tensor a1, a2, a3, a4, a5, a6, last;
  EIGHT_MEMBERS(b)
  EIGHT_MEMBERS(c)
  EIGHT_MEMBERS(d)
  EIGHT_MEMBERS(e)
  EIGHT_MEMBERS(f)
  EIGHT_MEMBERS(g)
  EIGHT_MEMBERS(h)
};
struct OfSixtyFour {
  EIGHT_MEMBERS(a)
  EIGHT_MEMBERS(b)
  EIGHT_MEMBERS(c)
  EIGHT_MEMBERS(d)
  EIGHT_MEMBERS(e)
  EIGHT_MEMBERS(f)
  EIGHT_MEMBERS(g)
  EIGHT_MEMBERS(h)
};
#undef EIGHT_MEMBERS

// Fills the members through the walk's own list, and reads them back by name.
template <class T>
void expect_members(size_t count, const std::string& first, const std::string& middle, const std::string& last) {
  T tree;
  size_t n = 0;
  detail::with_members(tree, [&](auto&... member) { ((member = number(static_cast<double>(n++))), ...); });
  ASSERT_EQ(n, count);
  const Names names = tree::paths(tree);
  ASSERT_EQ(names.size(), count);
  EXPECT_EQ(names.front(), first);
  EXPECT_EQ(names[count / 2], middle);
  EXPECT_EQ(names.back(), last);
  const Floats got = values(tree);
  for (size_t i = 0; i < count; ++i) EXPECT_EQ(got[i], static_cast<float>(i));
}

TEST(Tree, AggregatesHaveUpToSixtyFourMembers) {
  expect_members<OfOne>(1, "only", "only", "only");
  expect_members<OfEight>(8, "a1", "a5", "a8");
  expect_members<OfNine>(9, "a1", "a5", "last");
  expect_members<OfSeventeen>(17, "a1", "b1", "last");
  expect_members<OfSixtyThree>(63, "a1", "e1", "h8");
  expect_members<OfSixtyFour>(64, "a1", "e1", "h8");
}

}  // namespace
}  // namespace tenon::testing
