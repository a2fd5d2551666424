// Derivatives of what reads and writes by index: first and second against finite differences, by both arguments, and over lanes; at ties and
// zeros and where updates meet by PyTorch's conventions, in numbers.
#include "tenon/tests/index_arrays.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;
using namespace tenon::testing;
using tn::all;
using tn::Tensor;

namespace {

const Tensor&
meeting() {  // indices of which several are equal, one is outside; for x[4, 3] and updates [5, 3] along axis 0
  static const Tensor i = tn::tensor({{0, 1, 3}, {0, 2, 3}, {2, 2, 9}, {0, 1, 0}, {-1, 2, 3}});
  return i;
}
const Tensor& row_list() {
  static const Tensor i = tn::tensor({3, 0, 3, 7, 1});
  return i;
}

struct Case {
  const char* name;
  Tensor (*f)(Tensor x, Tensor u);  // x[4, 3], u[5, 3]
};
template <int reduction, bool self>
Tensor reduced(Tensor x, Tensor u) {
  static constexpr const char* names[] = {"sum", "prod", "mean", "amax", "amin"};
  return tn::scatter_reduce(x, 0, meeting(), u, names[reduction], {.include_self = self});
}
const Case cases[] = {
    {"gather", [](Tensor x, Tensor u) { return tn::gather(x, 0, meeting()) * u; }},
    {"scatter", [](Tensor x, Tensor u) { return tn::scatter(x, 0, meeting(), u); }},
    {"scatter_add", [](Tensor x, Tensor u) { return tn::scatter_add(x, 0, meeting(), u); }},
    {"sum", reduced<0, true>},
    {"prod", reduced<1, true>},
    {"prod alone", reduced<1, false>},
    {"mean", reduced<2, true>},
    {"mean alone", reduced<2, false>},
    {"amax", reduced<3, true>},
    {"amax alone", reduced<3, false>},
    {"amin", reduced<4, true>},
    {"take_along_axis", [](Tensor x, Tensor u) { return tn::take_along_axis(x, tn::tensor({{0}, {-1}}), 0) * u[0]; }},
    {"index_select", [](Tensor x, Tensor u) { return tn::index_select(x, 0, row_list()) * u; }},
    {"index_add", [](Tensor x, Tensor u) { return tn::index_add(x, 0, row_list(), u, {.alpha = 1.5}); }},
    {"index_copy", [](Tensor x, Tensor u) { return tn::index_copy(x, 0, row_list(), u); }},
    {"index_reduce", [](Tensor x, Tensor u) { return tn::index_reduce(x, 0, row_list(), u, "prod"); }},
    {"embedding", [](Tensor x, Tensor u) { return tn::embedding(row_list(), x) * u; }},
    {"index_put",
     [](Tensor x, Tensor u) { return tn::index_put(x, {row_list(), tn::tensor({0, 1, 0, 2, 2})}, u[{all, 1}]); }},
    {"accumulated",
     [](Tensor x, Tensor u) { return tn::index_put(x, {row_list(), tn::tensor({0, 1, 0, 2, 2})}, u[{all, 1}], true); }},
    {"x[i, none, j]",
     [](Tensor x, Tensor u) { return x[{tn::tensor({{1}, {-1}}), tn::none, tn::tensor({0, 2})}] * u[{0, 1}]; }},
    {"x[i] += u",
     [](Tensor x, Tensor u) {
       x[{tn::tensor({0, 2, 0}), tn::slice(0, 2)}] += u[{tn::slice(1, 4), tn::slice(1, 3)}];
       return x;
     }},
    {"masked_select", [](Tensor x, Tensor u) { return tn::masked_select(x, tn::sin(x * 9.) > 0., 8) * u[{0, 1}]; }},
    {"masked_scatter", [](Tensor x, Tensor u) { return tn::masked_scatter(x, tn::sin(x * 9.) > 0., u); }},
};

using Scalar = std::function<Tensor(Tensor, Tensor)>;

Tensor weights(const Tensor& like, double seed) {
  return tn::sin(tn::arange(0, like.numel().number()).astype(tn::f64) * 1.7 + seed).reshape(like.shape());
}
Scalar weighed(Tensor (*f)(Tensor, Tensor), double seed) {
  return [f, seed](Tensor x, Tensor u) {
    const Tensor y = f(x, u);
    return tn::sum(y * weights(y, seed));
  };
}

// The derivative by either argument, element by element.
void expect_slopes(const Scalar& f, const std::pair<Tensor, Tensor>& found, const Grid& x, const Grid& u,
                   double tolerance) {
  for (int which = 0; which < 2; ++which) {
    const std::vector<double> slopes = (which == 0 ? found.first : found.second).to_vector<double>();
    for (size_t k = 0; k < slopes.size(); ++k) {
      double sides[2];
      for (int side = 0; side < 2; ++side) {
        Grid a = x, b = u;
        (which == 0 ? a : b).values[k] += side == 0 ? 1e-5 : -1e-5;
        sides[side] = f(a.tensor(), b.tensor()).item<double>();
      }
      ASSERT_NEAR(slopes[k], (sides[0] - sides[1]) / 2e-5, tolerance) << "argument " << which << ", element " << k;
    }
  }
}

std::pair<Tensor, Tensor> gradients(const Scalar& f, const Tensor& x, const Tensor& u) {
  return {tn::grad<0>(f)(x, u), tn::grad<1>(f)(x, u)};
}

TEST(Derivatives, AgreeWithDifferences) {
  Draws draw;
  const Grid x = draw.reals({4, 3}), u = draw.reals({5, 3});
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Scalar first = weighed(c.f, 0.3);
    const auto found = gradients(first, x.tensor(), u.tensor());
    expect_slopes(first, found, x, u, 1e-7);
    const Scalar second = [&](Tensor v, Tensor w) {
      const auto g = gradients(first, v, w);
      return tn::sum(g.first * weights(g.first, 0.9)) + tn::sum(g.second * weights(g.second, 1.4));
    };
    expect_slopes(second, gradients(second, x.tensor(), u.tensor()), x, u, 1e-6);
    // Compiled, and forward.
    const Tensor compiled = tn::jit(tn::grad<1>(first))(x.tensor(), u.tensor());
    EXPECT_EQ(compiled.to_vector<double>(), found.second.to_vector<double>());
    const Tensor tx = weights(x.tensor(), 2), tu = weights(u.tensor(), 3);
    const Tensor pushed = tn::jvp(first, std::tuple{x.tensor(), u.tensor()}, std::tuple{tx, tu}).second;
    const Tensor pulled = tn::sum(found.first * tx) + tn::sum(found.second * tu);
    EXPECT_NEAR(pushed.item<double>(), pulled.item<double>(), 1e-12);
  }
}

TEST(Derivatives, EveryLaneItsOwn) {
  Draws draw;
  const Tensor x = draw.reals({3, 4, 3}).tensor(), u = draw.reals({3, 5, 3}).tensor();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto f = [&](Tensor v, Tensor w) { return c.f(v, w); };
    const auto g = tn::grad<0>(weighed(c.f, 0.3));
    for (int lanes = 1; lanes < 4; ++lanes) {  // by x, by u, by both
      const tn::LaneAxes axes(
          {lanes & 1 ? tn::LaneAxis(0) : tn::LaneAxis(tn::none), lanes & 2 ? tn::LaneAxis(0) : tn::LaneAxis(tn::none)});
      const Tensor a = lanes & 1 ? x : x[1], b = lanes & 2 ? u : u[1];
      const Tensor values = tn::vmap(f, {.in_axes = axes})(a, b), slopes = tn::vmap(g, {.in_axes = axes})(a, b);
      for (int64_t lane = 0; lane < 3; ++lane) {
        const Tensor v = lanes & 1 ? x[lane] : a, w = lanes & 2 ? u[lane] : b;
        EXPECT_EQ(values[lane].to_vector<double>(), f(v, w).to_vector<double>());
        EXPECT_EQ(slopes[lane].to_vector<double>(), g(v, w).to_vector<double>());
      }
    }
  }
}

TEST(Derivatives, IndicesOverLanes) {
  Draws draw;
  const Tensor x = draw.reals({4, 3}).tensor(), u = draw.reals({5, 3}).tensor();
  const Tensor i = draw.integers({6, 5, 3}, -1, 5).tensor(tn::i64);
  const auto f = [](Tensor v, Tensor k, Tensor w) {
    return tn::scatter_reduce(v, 0, k, w, "amax") + tn::gather(v, 0, k)[{tn::slice(0, 4)}] + tn::scatter(v, 0, k, w);
  };
  const Tensor found = tn::vmap(f, {.in_axes = {tn::none, 0, tn::none}})(x, i, u);
  for (int64_t lane = 0; lane < 6; ++lane)
    EXPECT_EQ(found[lane].to_vector<double>(), f(x, i[lane], u).to_vector<double>());
}

std::vector<double> values(const Tensor& t) { return t.to_vector<double>(); }
using Numbers = std::vector<double>;

// torch: amax and amin share evenly among the elements that equal them.
TEST(Conventions, TiesShareEvenly) {
  const Tensor i = tn::tensor({0, 0, 0, 1});
  const auto most = [&](Tensor x, Tensor u) { return tn::sum(tn::scatter_reduce(x, 0, i, u, "amax")); };
  const Tensor x = tn::tensor({2., 1.}), u = tn::tensor({2., 0., 2., 5.});
  EXPECT_NEAR(values(tn::grad<0>(most)(x, u))[0], 1. / 3, 1e-16);
  EXPECT_EQ(values(tn::grad<0>(most)(x, u))[1], 0);
  EXPECT_EQ(values(tn::grad<1>(most)(x, u)), (Numbers{1. / 3, 0, 1. / 3, 1}));
  const auto apart = [&](Tensor v, Tensor w) {
    return tn::sum(tn::scatter_reduce(v, 0, i, w, "amax", {.include_self = false}));
  };
  EXPECT_EQ(values(tn::grad<0>(apart)(x, u)), (Numbers{0, 0}));
  EXPECT_EQ(values(tn::grad<1>(apart)(x, u)), (Numbers{0.5, 0, 0.5, 1}));
}

// The derivative by a zero factor is the product of the others, and mixed second derivatives see it too.
TEST(Conventions, ProductsWithZeros) {
  const Tensor i = tn::tensor({0, 0, 1, 1, 1});
  const auto product = [&](Tensor x, Tensor u) { return tn::sum(tn::scatter_reduce(x, 0, i, u, "prod")); };
  const Tensor x = tn::tensor({3., 5.}), u = tn::tensor({0., 2., 0., 4., 0.});
  EXPECT_EQ(values(tn::grad<0>(product)(x, u)), (Numbers{0, 0}));
  EXPECT_EQ(values(tn::grad<1>(product)(x, u)), (Numbers{6, 0, 0, 0, 0}));
  const auto by_zero = [&](Tensor v, Tensor w) { return tn::grad<1>(product)(v, w)[0]; };
  EXPECT_EQ(values(tn::grad<1>(by_zero)(x, u)), (Numbers{0, 3, 0, 0, 0}));
  const auto by_other = [&](Tensor v, Tensor w) { return tn::grad<1>(product)(v, w)[1]; };
  EXPECT_EQ(values(tn::grad<1>(by_other)(x, u)), (Numbers{3, 0, 0, 0, 0}));
  const auto by_one_of_two = [&](Tensor v, Tensor w) { return tn::grad<1>(product)(v, w)[2]; };
  EXPECT_EQ(values(tn::grad<1>(by_one_of_two)(x, u)), (Numbers{0, 0, 0, 0, 20}));
}

// What was overwritten has no derivative, be it of x or of an earlier update; nor has what was dropped.
TEST(Conventions, TheLastWriterCounts) {
  const Tensor i = tn::tensor({1, 1, 7, 2});
  const auto f = [&](Tensor x, Tensor u) { return tn::sum(tn::scatter(x, 0, i, u) * tn::tensor({1., 2., 3.})); };
  const Tensor x = tn::tensor({1., 1., 1.}), u = tn::tensor({4., 5., 6., 7.});
  EXPECT_EQ(values(tn::grad<0>(f)(x, u)), (Numbers{1, 0, 0}));
  EXPECT_EQ(values(tn::grad<1>(f)(x, u)), (Numbers{0, 2, 0, 3}));
}

TEST(Conventions, SparsePatternsSeeWhereIndicesPoint) {
  const Tensor i = tn::tensor({2, 0, 2});
  const auto f = [&](Tensor x) { return tn::scatter(x * x, 0, i, tn::sin(x)); };
  const auto j = tn::sparse_jacobian(f)(tn::tensor({1., 2., 3.}));
  EXPECT_EQ(j.columns.to_vector<int64_t>(), (std::vector<int64_t>{1, 1, 2}));
}

}  // namespace
