// Programs cut by constrain against the whole program: every family of ops along every dimension, and what they say.
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/pass.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/partition_checks.h"
#include "tenon/tests/small_stack.h"

namespace tenon::testing {
namespace {

// ---- every family, every dimension

struct Family {
  const char* name;
  std::vector<std::vector<int64_t>> inputs;
  std::function<Tensor(const List&)> f;
};

std::vector<Family> families_by_index() {
  const std::vector<int64_t> some = {3, 0, 7, 7, 2, 100, 5, 1};  // clamps to 7 when it reads
  return {
      {"gather_along_lanes",
       {{8, 4}},
       [some](const List& x) { return sin(gather(x[0], 0, broadcast_to(indices_of(some).reshape({8, 1}), {8, 4}))); }},
      {"scatter_along_lanes",
       {{8, 4}, {8, 4}},
       [some](const List& x) {
         const Tensor i = broadcast_to(indices_of(some).reshape({8, 1}), {8, 4});
         return sin(scatter_reduce(x[0], 0, i, x[1], "amax")) + scatter_add(x[0], 0, i, x[1]);
       }},
      {"set_rows",
       {{8, 4}, {8, 4}},
       [some](const List& x) { return sin(index_copy(x[0], 0, indices_of(some), x[1])); }},
      {"two_indices",
       {{8, 8, 4}},
       [some](const List& x) { return sin(x[0][{indices_of(some), indices_of(some).reshape({8, 1})}]); }},
  };
}

std::vector<Family> families_by_axes() {
  const std::vector<int64_t> some = {3, 0, 7, 7, 2, 100, 5, 1};  // clamps to 7 when it reads
  return {
      {"elementwise", {{4, 8}, {4, 8}}, [](const List& x) { return exp(x[0]) * x[1] + sin(x[0]); }},
      {"broadcast", {{4, 8}, {8}, {4, 1}}, [](const List& x) { return x[0] * x[1] + x[2]; }},
      {"select", {{4, 8}, {4, 8}}, [](const List& x) { return where(x[0] > x[1], x[0] * 2, x[1]); }},
      {"reshape", {{4, 8}}, [](const List& x) { return sin(x[0].reshape({4, 4, 2})).reshape({16, 2}) * 3; }},
      {"reshape_merge", {{4, 4, 8}}, [](const List& x) { return sin(x[0].reshape({16, 8})).reshape({4, 32}) * 3; }},
      {"transpose", {{4, 8, 4}}, [](const List& x) { return sin(x[0].transpose({2, 0, 1})) * 2; }},
      {"slice", {{4, 8}}, [](const List& x) { return sin(x[0][{all, slice(2, 6)}]) * 2; }},
      {"pad", {{4, 8}}, [](const List& x) { return sin(pad(x[0], {{0, 0}, {1, 3}})) * 2; }},
      {"concat", {{4, 8}, {4, 4}}, [](const List& x) { return sin(concat({x[0], x[1]}, 1)) * 2; }},
      {"flip", {{4, 8}}, [](const List& x) { return sin(flip(x[0], {1})) * x[0]; }},
      {"dynamic_slice",
       {{4, 8}},
       [](const List& x) {
         const Tensor starts[] = {full({}, 0, {.dtype = i64}), full({}, 3, {.dtype = i64})};
         return sin(dynamic_slice(x[0], starts, {4, 4})) * 2;
       }},
      {"dynamic_update_slice",
       {{4, 8}, {4, 4}},
       [](const List& x) {
         const Tensor starts[] = {full({}, 0, {.dtype = i64}), full({}, 3, {.dtype = i64})};
         return sin(dynamic_update_slice(x[0], x[1], starts)) * 2;
       }},
      {"sum", {{4, 8, 4}}, [](const List& x) { return sum(sin(x[0]), {.axes = {1}}); }},
      {"sum_all", {{4, 8}}, [](const List& x) { return sum(sin(x[0])); }},
      {"max", {{4, 8}}, [](const List& x) { return (max)(x[0] * 2, {.axes = {1}}) * 3; }},
      {"min", {{4, 8}}, [](const List& x) { return (min)(x[0] * 2, {.axes = {0}}) * 3; }},
      {"prod", {{4, 8}}, [](const List& x) { return prod(x[0] * 2, {.axes = {1}}) * 3; }},
      {"argmax", {{4, 8}, {4, 8}}, [](const List& x) { return x[1] + argmax(x[0], 1).reshape({4, 1}).astype(f64); }},
      {"matmul", {{4, 8}, {8, 4}}, [](const List& x) { return sin(matmul(x[0], x[1])); }},
      {"batched_matmul", {{4, 4, 8}, {4, 8, 4}}, [](const List& x) { return sin(matmul(x[0], x[1])); }},
      {"convolution",
       {{4, 6, 4}, {3, 4, 8}},
       [](const List& x) { return sin(convolution(x[0], x[1], {.strides = {1}, .low = {1}, .high = {1}})); }},
      {"take", {{8, 4}}, [some](const List& x) { return sin(take(x[0], indices_of(some), 0)); }},
      {"take_columns",
       {{4, 8}},
       [some](const List& x) { return sin(take(x[0], indices_of(some).reshape({2, 4}), 1)); }},
      {"scatter_add",
       {{8, 4}, {8, 4}},
       [some](const List& x) { return sin(scatter_add(x[0], indices_of(some), x[1], 0)); }},
      {"sort", {{4, 8}}, [](const List& x) { return sort(x[0], 1) * 2; }},
      {"cumsum", {{4, 8}}, [](const List& x) { return cumsum(x[0], 1) * 2; }},
      {"softmax", {{4, 8}}, [](const List& x) { return softmax(x[0], 1); }},
      {"layer_norm", {{4, 8}, {8}, {8}}, [](const List& x) { return layer_norm(x[0], x[1], x[2]); }},
      {"rms_norm", {{4, 8}, {8}}, [](const List& x) { return rms_norm(x[0], x[1]); }},
      {"iota",
       {{4, 8}},
       [](const List& x) { return x[0] * arange(0, 8).astype(f64) + one_hot(arange(0, 4) * 2, 8, f64); }},
      {"barrier", {{4, 8}}, [](const List& x) { return sin(barrier(x[0] * 2)); }},
      {"integers",
       {{4, 8}},
       [](const List& x) {
         const Tensor i = (x[0] * 100).astype(i32);
         return x[0] * sum(i * i, {.axes = {1}, .keepdims = true}).astype(f64) +
                matmul(i, i.transpose()).astype(f64)[{all, slice(0, 1)}];
       }},
      {"cond",
       {{4, 8}},
       [](const List& x) {
         return cond(
                    sum(x[0]) > 100, [](const Tensor& t) { return t * 2; }, [](const Tensor& t) { return sin(t); },
                    x[0]) *
                2;
       }},
      {"scan",
       {{4, 8}, {8}},
       [](const List& x) {
         return scan([](const Tensor& c, const Tensor& row) { return std::pair(sin(c) + row, c * row); }, x[1], x[0])
                    .second *
                2;
       }},
  };
}

// A dimension of one tensor lies along an axis.
Tensor laid(const Tensor& t, const Mesh& mesh, size_t dimension, const std::string& axis) {
  std::vector<Spec::Dimension> spec(t.shape().size(), Spec::Dimension(none));
  spec[dimension] = Spec::Dimension(axis);
  return dist::constrain(t, mesh, Spec(spec));
}

std::vector<Family> families() {
  std::vector<Family> all = families_by_axes();
  for (const Family& f : families_by_index()) all.push_back(f);
  return all;
}

class EveryFamily : public ::testing::TestWithParam<size_t> {};

TEST_P(EveryFamily, IsTheWholeProgramsAlongEveryDimension) {
  const Family family = families()[GetParam()];
  List x;
  for (size_t k = 0; k < family.inputs.size(); ++k) x.push_back(drawn(family.inputs[k], k + 1));
  const Function f = [&](const List& v, const Lay& lay) {
    List w;
    for (size_t k = 0; k < v.size(); ++k) w.push_back(lay(v[k], std::to_string(k)));
    return lay(family.f(w), "y");
  };
  const Tensor y = family.f(x);
  for (const auto& axes : meshes)
    for (size_t k = 0; k <= x.size(); ++k) {
      const Tensor& of = k == x.size() ? y : x[k];
      const std::string name = k == x.size() ? "y" : std::to_string(k);
      for (size_t d = 0; d < of.shape().size(); ++d) {
        const Mesh::Axis& axis = axes[d % axes.size()];
        if (of.shape()[d].number() % axis.size != 0) continue;
        check(
            axes, f, x,
            [&](const Tensor& t, const std::string& given, const Mesh& mesh) {
              return given == name ? laid(t, mesh, d, axis.name) : t;
            },
            std::string(family.name) + ": " + name + " along " + std::to_string(d) + " over " + axis.name + " of " +
                std::to_string(ranks_of(axes)) + " ranks");
        if (HasFatalFailure()) return;
      }
    }
}
INSTANTIATE_TEST_SUITE_P(Partition, EveryFamily, ::testing::Range(size_t{0}, families().size()),
                         [](const auto& info) { return std::string(families()[info.param].name); });

// ---- what is inserted

const std::vector<Mesh::Axis> two = {{"model", 2}};

TEST(Partition, ColumnThenRowJoinsOnce) {
  const Function f = [](const List& v, const Lay& lay) {
    return matmul(relu(matmul(v[0], lay(v[1], "columns"))), v[2]);
  };
  const List x = {drawn({4, 8}, 1), drawn({8, 16}, 2), drawn({16, 8}, 3)};
  const Outcome o = check(
      two, f, x, [](const Tensor& t, const std::string&, const Mesh& mesh) { return laid(t, mesh, 1, "model"); },
      "mlp");
  EXPECT_HAS(o.explained, "all_reduce_sum over 'model' for the partial sums of dot_general at ");
  EXPECT_HAS(o.explained, "partition_test.cc");
}

TEST(Partition, WhatIsCutOnOneRankIsGatheredAtTheEnd) {
  const Function f = [](const List& v, const Lay& lay) { return exp(lay(v[0], "x")) * 2; };
  const Outcome o = check(
      two, f, {drawn({4, 8}, 1)},
      [](const Tensor& t, const std::string&, const Mesh& mesh) { return laid(t, mesh, 1, "model"); }, "exp");
  EXPECT_TRUE(o.exact);
  EXPECT_HAS(o.explained,
             "all_gather over 'model' for result 0 of the program, which takes dimension 1 of extent 8 whole, of 128 B "
             "a rank");
}

TEST(Partition, ACutMovesFromOneDimensionToAnother) {
  const Function f = [](const List& v, const Lay& lay) { return lay(exp(lay(v[0], "x")), "y") * 2; };
  const Outcome o = check(
      two, f, {drawn({4, 8}, 1)},
      [](const Tensor& t, const std::string& name, const Mesh& mesh) {
        return laid(t, mesh, name == "x" ? 0 : 1, "model");
      },
      "moves");
  EXPECT_TRUE(o.exact);
  EXPECT_HAS(o.explained, "all_to_all over 'model' for constrain at ");
}

TEST(Partition, ASumThatIsWantedCutIsScattered) {
  const Function f = [](const List& v, const Lay& lay) { return lay(matmul(lay(v[0], "x"), v[1]), "y") * 2; };
  const Outcome o = check(
      two, f, {drawn({4, 64}, 1), drawn({64, 8}, 2)},
      [](const Tensor& t, const std::string&, const Mesh& mesh) { return laid(t, mesh, 1, "model"); }, "scatters");
  EXPECT_HAS(o.explained, "reduce_scatter over 'model' for the partial sums of dot_general at ");
}

TEST(Partition, ExtentsThatDoNotDivideStayWhole) {
  const Function f = [](const List& v, const Lay& lay) {
    return sin(lay(exp(v[0]), "x").reshape({3, 8, 2}).reshape({3, 16})) * 2;
  };
  const Outcome o = check(
      two, f, {drawn({6, 8}, 1)},
      [](const Tensor& t, const std::string&, const Mesh& mesh) { return laid(t, mesh, 0, "model"); }, "odd");
  EXPECT_TRUE(o.exact);
  EXPECT_HAS(o.explained, "since 2 ranks do not divide what it becomes");
}

// ---- misuse

TEST(Partition, WhatDoesNotFitIsAnError) {
  dist::simulate(4, [](World w) {
    const Mesh mesh(w, {{"data", 2}, {"model", 2}});
    const Tensor x = drawn({4, 6}, 1);
    const auto said = [&](const Spec& spec) { return message_of([&] { dist::constrain(x, mesh, spec); }); };
    EXPECT_HAS(said({none, none, "data"}), "2 dimensions");
    EXPECT_HAS(said({"batch"}), "batch");
    EXPECT_HAS(said({"data", "data"}), "names 'data' twice");
    EXPECT_HAS(said({"data"}), "no error");
    EXPECT_HAS(message_of([&] { dist::constrain(drawn({3, 6}, 1), mesh, {"data"}); }), "do not divide");
    EXPECT_HAS(message_of([&] { dist::constrain(x, {"data"}); }), "which mesh?");
    EXPECT_HAS(message_of([&] { dist::constrain(x, mesh["model"], 2); }), "has no dimension 2");
    EXPECT_HAS(message_of([&] { dist::constrain(drawn({4, 5}, 1), mesh["model"], 1); }),
               "not a multiple of the 2 ranks");
    const Mesh flat(w, {{"all", 4}});
    EXPECT_HAS(message_of([&] {
                 jit([&](const Tensor& t) {
                   return dist::constrain(dist::constrain(t, mesh, {"data"}) * 2, flat, {"all"});
                 })(x);
               }),
               "different meshes");
    EXPECT_HAS(message_of([&] {
                 dist::shard_map([&](const Tensor& t) { return dist::constrain(t * 2, {"data"}); }, mesh, Spec{"data"},
                                 Spec{"data"})(x);
               }),
               "have different values here");
    EXPECT_HAS(message_of([&] {
                 jit([&](const Tensor& t) { return dist::constrain(t, mesh, {"data"}); })
                     .lower(spec({dim("n"), 6}, f64))
                     .compile();
               }),
               "extent is free");
  });
}

TEST(Partition, InsideShardMapOverTheOtherAxis) {
  const Tensor x = drawn({4, 8}, 1), v = drawn({8, 16}, 2), u = drawn({16, 8}, 3);
  const auto plain = [](const Tensor& a, const Tensor& b, const Tensor& c) {
    return sin(matmul(relu(matmul(a, b)), c));
  };
  const Tensor expected = plain(x, v, u);
  dist::simulate(4, [&](World w) {
    w.set_timeout(300);
    const Mesh mesh(w, {{"data", 2}, {"model", 2}});
    auto f = jit(dist::shard_map([&](const Tensor& a, const Tensor& b,
                                     const Tensor& c) { return plain(a, dist::constrain(b, {none, "model"}), c); },
                                 mesh, {Spec{"data"}, Spec{}, Spec{}}, Spec{"data"}));
    expect_alike(f(x, v, u), expected, false, "shard_map");
    const std::string explained = f.lower(x, v, u).compile().explain();
    EXPECT_HAS(explained, "all_reduce_sum over 'model'");
  });
}

TEST(Partition, InNestsOfTransforms) {
  const Tensor x = drawn({4, 8}, 1), w = drawn({8, 8}, 2), xs = drawn({3, 4, 8}, 3);
  using Cut = std::function<Tensor(const Tensor&)>;
  const auto layer = [](const Cut& cut) {
    return [cut](const Tensor& a, const Tensor& b) { return tanh(matmul(a, cut(b))); };
  };
  const std::vector<std::function<List(const Cut&)>> nests = {
      [&](const Cut& cut) {  // the lanes of vmap are whole
        const auto f = [&](const Tensor& t) { return layer(cut)(t, w); };
        return List{jit(vmap(f))(xs), jit(vmap(grad([&](const Tensor& t) { return sum(f(t)); })))(xs)};
      },
      [&](const Cut& cut) {  // the body of a loop is cut by itself
        const auto f = [&](const Tensor& b) {
          return sum(
              scan([&](const Tensor& c, const Tensor& row) { return std::pair(layer(cut)(c, b) + row, c); }, x, xs)
                  .first);
        };
        return List{jit(f)(w), jit(grad(f))(w)};
      },
      [&](const Cut& cut) {
        const auto f = [&](const Tensor& b) { return sum(checkpoint(layer(cut))(x, b) * x); };
        return List{jit(grad(f))(w), jit(grad([&](const Tensor& b) { return sum(grad(f)(b) * b); }))(w)};
      },
      [&](const Cut& cut) {
        const auto f = [&](const Tensor& b) { return layer(cut)(x, b); };
        return List{jit([&](const Tensor& b) { return jvp(f, b, w).second; })(w)};
      },
      [&](const Cut& cut) {  // a branch
        const auto f = [&](const Tensor& b) {
          return sum(cond(
              sum(b) > 0, [&](const Tensor& t) { return layer(cut)(x, t); },
              [&](const Tensor& t) { return matmul(x, t); }, b));
        };
        return List{jit(f)(w), jit(grad(f))(w)};
      },
  };
  for (size_t k = 0; k < nests.size(); ++k) {
    const List expected = nests[k]([](const Tensor& t) { return t; });
    dist::simulate(4, [&](World world) {
      world.set_timeout(300);
      const Mesh mesh(world, {{"data", 2}, {"model", 2}});
      for (const Spec& spec : {Spec{none, "model"}, Spec{"data", "model"}}) {
        const List got = nests[k]([&](const Tensor& t) { return dist::constrain(t, mesh, spec); });
        for (size_t o = 0; o < got.size(); ++o) expect_alike(got[o], expected[o], false, "nest " + std::to_string(k));
      }
    });
  }
}

TEST(Partition, OutsideOfAProgramNothing) {
  const Tensor x = drawn({4, 8}, 1);
  dist::simulate(2, [&](World w) {
    const Mesh mesh(w, {{"model", 2}});
    expect_alike(dist::constrain(x, mesh, {"model"}), x, true, "eager");
    expect_alike(grad([&](const Tensor& t) { return sum(sin(dist::constrain(t, mesh, {"model"}))); })(x), cos(x), true,
                 "a gradient");
  });
}

// 100,000 ops, on a small stack, in time that is linear in them.
TEST(Partition, LongProgramsTakeNoStack) {
  const auto chain = [](int length) {
    ir::GraphBuilder b("main");
    const ir::ValueId x = b.input(ir::Type{f64, Shape{4, 8}});
    ir::ValueId v = b.add(ir::Op::constrain, {x},
                          ir::ConstrainAttrs{.sizes = {2}, .axes = {-1, 0}, .names = "model", .place = "here"});
    const ir::ValueId first = v;
    for (int k = 0; k < length; ++k)
      v = b.add(k % 2 == 0 ? ir::Op::sin : ir::Op::mul, k % 2 == 0 ? std::vector{v} : std::vector{v, first});
    return b.finish(std::vector{v});
  };
  const auto graph = chain(100000);
  on_small_stack([&] { EXPECT_EQ(passes::partition(*graph)->text().find("all_reduce"), std::string::npos); });
}

// ---- random programs

}  // namespace
}  // namespace tenon::testing
