// Layers over ranks against the plain functions, and a transformer of them: its loss and gradients, its bits where nothing is reduced
// over `model`, and what its ranks do together.
#include <gtest/gtest.h>

#include <bit>
#include <cstdio>
#include <functional>

#include "tenon/tests/messages.h"
#include "tenon/tests/small_transformer.h"

namespace tenon {
namespace {

using dist::Group;
using dist::Mesh;
using dist::World;
using testing::small_tokens;
using testing::small_transformer;
using testing::Transformer;
using testing::TransformerLayers;
using List = std::vector<Tensor>;

Tensor drawn(const std::vector<int64_t>& shape, uint64_t seed) {
  std::mt19937_64 draw(seed);
  int64_t count = 1;
  for (int64_t n : shape) count *= n;
  std::vector<double> v(static_cast<size_t>(count));
  for (double& x : v) x = static_cast<double>(draw() >> 40) / (1 << 24) * 2 - 1;
  return copy_from(v.data(), Shape::from(shape), f64);
}
Tensor labels_of(const std::vector<int64_t>& v) { return copy_from(v.data(), {static_cast<int64_t>(v.size())}, i64); }

// Within a part of the largest element; bound 0: to the bit.
void expect_near(const Tensor& got, const Tensor& expected, double bound, const std::string& what) {
  ASSERT_EQ(got.shape(), expected.shape()) << what;
  const std::vector<double> a = got.to_vector<double>(), b = expected.to_vector<double>();
  double most = 0;
  for (double v : b) most = std::max(most, std::abs(v));
  for (size_t i = 0; i < a.size(); ++i)
    if (bound == 0)
      ASSERT_EQ(std::bit_cast<uint64_t>(a[i]), std::bit_cast<uint64_t>(b[i])) << what << ", element " << i;
    else
      ASSERT_NEAR(a[i], b[i], bound * most) << what << ", element " << i;
}

using Layer = std::function<Tensor(const List&, const Group*)>;  // no group: the plain function

// Result and cotangents on every rank. Gives what is inserted.
std::string check(const Layer& f, const List& x, double bound, const std::vector<Mesh::Axis>& axes) {
  const auto both = [&](const List& v, const Group* g) {
    auto [y, pull] = vjp([&](const List& t) { return f(t, g); }, v);
    List all{y};
    for (const Tensor& t : pull(y)) all.push_back(t);
    return all;
  };
  const List whole = jit([&](const List& v) { return both(v, nullptr); })(x);
  std::string explained;
  int n = 1;
  for (const Mesh::Axis& a : axes) n *= a.size;
  dist::simulate(n, [&](World w) {
    w.set_timeout(300);  // of what others compile meanwhile
    const Mesh mesh(w, axes);
    const Group g = mesh["model"];
    auto program = jit([&](const List& v) { return both(v, &g); });
    const List got = program(x);
    if (w.rank() == 0) explained = program.lower(x).compile().explain();
    for (size_t k = 0; k < whole.size(); ++k) expect_near(got[k], whole[k], bound, "part " + std::to_string(k));
    const Tensor eager = f(x, &g);
    expect_near(eager, whole[0], 1e-13, "eager");
  });
  return explained;
}

const std::vector<std::vector<Mesh::Axis>> meshes = {{{"model", 2}}, {{"model", 4}}, {{"data", 2}, {"model", 2}}};

TEST(ParallelLayers, Columns) {
  for (const auto& axes : meshes)
    check(
        [](const List& v, const Group* g) {
          return sin(g ? dist::column_parallel(v[0], v[1], v[2], *g) : linear(v[0], v[1], v[2]));
        },
        {drawn({3, 8}, 1), drawn({8, 12}, 2), drawn({12}, 3)}, 1e-14, axes);
}
TEST(ParallelLayers, Rows) {
  for (const auto& axes : meshes) {
    const std::string explained = check(
        [](const List& v, const Group* g) {
          return sin(g ? dist::row_parallel(v[0], v[1], v[2], *g) : linear(v[0], v[1], v[2]));
        },
        {drawn({3, 8}, 1), drawn({8, 12}, 2), drawn({12}, 3)}, 1e-14, axes);
    EXPECT_HAS(explained, "all_reduce_sum over 'model' for the partial sums of dot_general at ");
  }
}
TEST(ParallelLayers, EmbeddingKeepsBits) {
  for (const auto& axes : meshes)
    check(
        [](const List& v, const Group* g) {
          const Tensor i = labels_of({3, 0, 7, 7, 2, 9, 5, -1});
          return sin(g ? dist::embedding(i, v[0], *g) : take(v[0], i));
        },
        {drawn({8, 6}, 1)}, 0, axes);
}
TEST(ParallelLayers, CrossEntropyNeverGathersLogits) {
  for (const auto& axes : meshes) {
    const std::string explained = check(
        [](const List& v, const Group* g) {
          const Tensor labels = labels_of({3, 0, 7});
          const Tensor logits = matmul(v[0], v[1]);
          return g ? dist::cross_entropy(logits, labels, *g) : cross_entropy(logits, labels);
        },
        {drawn({3, 4}, 1), drawn({4, 8}, 2)}, 1e-13, axes);
    EXPECT_HAS(explained, "all_reduce_max over 'model'");
    // The gradient by the weight is put together, for it is a result; nothing else is.
    EXPECT_EQ(explained.find("all_gather over 'model' for result 2"), explained.rfind("all_gather over 'model'"))
        << explained;
  }
}
TEST(ParallelLayers, AttentionKeepsBits) {
  for (const auto& axes : meshes)
    check(
        [](const List& v, const Group* g) {
          const TransformerLayers layers{g ? std::optional<Group>(*g) : std::nullopt};
          return layers.attended(v[0], v[1], v[2]);
        },
        {drawn({2, 4, 8, 4}, 1), drawn({2, 4, 8, 4}, 2), drawn({2, 4, 8, 4}, 3)}, 0, axes);
}

struct Trained {
  Transformer gradient;
  Tensor loss, attention;
};

// Loss and gradient over shards of the batch, and what the first layer attends to.
auto step_of(const Mesh& mesh, bool parallel, int shards) {
  const TransformerLayers layers{parallel ? std::optional<Group>(mesh["model"]) : std::nullopt};
  return jit(dist::data_parallel(
      [layers](const Transformer& t, const Tensor&, const Tensor& tokens, const Tensor& labels) {
        const auto loss = [&](const Transformer& p, const Tensor& x, const Tensor& y) { return layers.loss(p, x, y); };
        const auto [l, gradient] = dist::mean_gradient(loss)(t, tokens, labels);
        return Trained{gradient, l, layers.attention_of(t.blocks[0], layers.begin(t, tokens))};
      },
      mesh["data"], {.shards = shards}));
}

void expect_trained(const Trained& got, const Trained& expected, double bound) {
  expect_near(got.loss, expected.loss, bound, "loss");
  // Within the bound of the largest element of all: the gradient by a key's bias is zero but for rounding.
  const auto flat = [](const Transformer& gradient) {
    List all;
    for (const Tensor& t : tenon::detail::tensors_of(gradient)) all.push_back(t.reshape({-1}));
    return concat(all);
  };
  expect_near(flat(got.gradient), flat(expected.gradient), bound, "gradient");
  expect_near(got.attention, expected.attention, 0, "the first attention: nothing before it is reduced over 'model'");
}

TEST(ParallelTransformer, IsThatOfOneProcess) {
  const Transformer t = small_transformer();
  const Tensor tokens = small_tokens(1, 8), labels = small_tokens(2, 8), state = full({}, 0);
  Trained alone;
  dist::simulate(1, [&](World w) {
    w.set_timeout(300);  // of what others compile meanwhile
    const Mesh mesh(w, {{"data", 1}, {"model", 1}});
    alone = step_of(mesh, false, 4)(t, state, tokens, labels);
  });
  for (const auto& [data, model] : {std::pair{2, 1}, std::pair{2, 2}, std::pair{1, 4}}) {
    dist::simulate(data * model, [&, data = data, model = model](World w) {
      w.set_timeout(300);  // of what others compile meanwhile
      const Mesh mesh(w, {{"data", data}, {"model", model}});
      auto step = step_of(mesh, true, 4);
      expect_trained(step(t, state, tokens, labels), alone, model == 1 ? 0 : 1e-13);
      if (w.rank() == 0 && model == 2) {
        const std::string explained = step.lower(t, state, tokens, labels).compile().explain();
        const size_t at = explained.find("what ranks do together:");
        ASSERT_NE(at, std::string::npos) << explained;
        std::printf("%s\n", explained.substr(at, explained.find("\nedges", at) - at).c_str());
      }
    });
  }
}

}  // namespace
}  // namespace tenon
