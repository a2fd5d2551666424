// A public function is one eager program: it compiles one, whatever it is composed of and whatever dtypes it is given, and other
// extents of the same pattern compile nothing. Every function that frontend/ops/ops.h declares has a line here; one without fails.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <regex>
#include <set>

#include "tenon/runtime/compile.h"
#include "tenon/tests/source_tree.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

using X = const Tensor&;

struct Inputs {
  Tensor x, w, v, bias;  // [n, m], [m, k], [m], [k]
  Tensor block, kernel;  // [n, m, 3], [2, 3, 4]
  Tensor mask, labels, narrow, key;  // bool[n, m], i64[n] and i32[n] of zeros, u32[2]
  std::vector<Tensor> starts;  // two zeros

  Inputs(int64_t n, int64_t m, int64_t k, tn::DType dtype) {
    const auto drawn = [&](const tn::Extents& shape) { return tn::normal(tn::key(7), shape).astype(dtype); };
    x = drawn({n, m}), w = drawn({m, k}), v = drawn({m}), bias = drawn({k}), block = drawn({n, m, 3});
    kernel = drawn({2, 3, 4});
    mask = x > 0, labels = tn::zeros({n}, {.dtype = tn::i64}), narrow = labels.astype(tn::i32), key = tn::key(3);
    starts = {tn::tensor(int64_t{0}), tn::tensor(int64_t{0})};
  }
  void require_grad() {
    for (Tensor* t : {&x, &w, &v, &bias, &block})
      if (tn::is_floating(t->dtype())) t->set_requires_grad(true);
  }
};

struct Function {
  const char* name;
  void (*call)(const Inputs&);
  int programs = 1;
  int recorded = 1;  // on the tape
  bool exact = false;  // its rules need numbers: every shape has a program of its own
};

#define CALL(...) [](const Inputs& in) { static_cast<void>(in), static_cast<void>(__VA_ARGS__); }
const Function functions[] = {
    {"maximum", CALL(tn::maximum(in.x, in.v))},
    {"minimum", CALL(tn::minimum(in.x, 1))},
    {"where", CALL(tn::where(in.x, in.x, 1))},
    {"clip", CALL(tn::clip(in.x, -1, in.v))},
    {"real", CALL(tn::real(in.x)), 0, 0},
    {"imag", CALL(tn::imag(in.x))},
    {"conj", CALL(tn::conj(in.x)), 0, 0},
    {"angle", CALL(tn::angle(in.x))},
    {"view_as_real", CALL(tn::view_as_real(tn::complex(in.x, in.x))), 2, 2},
    {"view_as_complex", CALL(tn::view_as_complex(tn::stack({in.x, in.x}, 2))), 2, 2, true},
    {"logical_not", CALL(tn::logical_not(in.x))},
    {"logical_and", CALL(tn::logical_and(in.x, in.v))},
    {"logical_or", CALL(tn::logical_or(in.x, in.mask))},
    {"sum", CALL(tn::sum(in.x, {{1}, true}))},
    {"prod", CALL(tn::prod(in.x))},
    {"max", CALL(tn::max(in.x, {{0}}))},
    {"min", CALL(tn::min(in.x))},
    {"mean", CALL(tn::mean(in.x))},
    {"var", CALL(tn::var(in.x, {{1}}))},
    {"all_of", CALL(tn::all_of(in.x))},
    {"any_of", CALL(tn::any_of(in.x, {{0}}))},
    {"logsumexp", CALL(tn::logsumexp(in.x))},
    {"argmax", CALL(tn::argmax(in.x))},
    {"argmin", CALL(tn::argmin(in.x, 0))},
    {"cumsum", CALL(tn::cumsum(in.x, 0))},
    {"reshape", CALL(tn::reshape(in.x, {in.x.shape()[1], in.x.shape()[0]})), 0},
    {"transpose", CALL(tn::transpose(in.x, {1, 0}))},
    {"broadcast_to", CALL(tn::broadcast_to(in.v, in.x.shape()))},
    {"concat", CALL(tn::concat({in.x, in.mask}, 0))},
    {"stack", CALL(tn::stack({in.x, in.mask}, 1))},
    {"flip", CALL(tn::flip(in.x, {0}))},
    {"pad", CALL(tn::pad(in.x, {{1, 0}, {0, 1}}, 2))},
    {"squeeze", CALL(tn::squeeze(in.x.reshape({1, in.x.shape()[0], -1}), 0)), 0, 2},
    {"expand_dims", CALL(tn::expand_dims(in.x, 1)), 0},
    {"dynamic_slice", CALL(tn::dynamic_slice(in.x, in.starts, {1, 1}))},
    {"dynamic_update_slice", CALL(tn::dynamic_update_slice(in.x, in.x, in.starts))},
    {"take", CALL(tn::take(in.x, in.labels, 1))},
    {"scatter_add", CALL(tn::scatter_add(in.x, in.labels, in.x))},
    {"sort", CALL(tn::sort(in.x))},
    {"argsort", CALL(tn::argsort(in.x))},
    {"one_hot", CALL(tn::one_hot(in.labels, in.x.shape()[1]))},
    {"matmul", CALL(tn::matmul(in.x, in.w))},
    {"dot", CALL(tn::dot(in.v, in.v))},
    {"einsum", CALL(tn::einsum("ij,jk->ik", {in.x, in.w}))},
    {"convolution", CALL(tn::convolution(in.block, in.kernel)), 1, 1, true},
    {"relu", CALL(tn::relu(in.x))},
    {"sigmoid", CALL(tn::sigmoid(in.x))},
    {"softmax", CALL(tn::softmax(in.x))},
    {"log_softmax", CALL(tn::log_softmax(in.x, 0))},
    {"layer_norm", CALL(tn::layer_norm(in.x, in.v, 1))},
    {"rms_norm", CALL(tn::rms_norm(in.x, in.v))},
    {"linear", CALL(tn::linear(in.x, in.w, in.bias))},
    {"cross_entropy", CALL(tn::cross_entropy(in.x, in.labels))},
    {"stop_gradient", CALL(tn::stop_gradient(in.x))},
    {"barrier", CALL(tn::barrier(in.x))},
    {"key", CALL(tn::key(5)), 0, 0},
    {"split", CALL(tn::split(in.key))},
    {"fold_in", CALL(tn::fold_in(in.key, 4))},
    {"random_bits", CALL(tn::random_bits(in.key, in.x.shape()))},
    {"uniform", CALL(tn::uniform(in.key, in.x.shape(), {tn::f16}))},
    {"normal", CALL(tn::normal(in.key, in.x.shape()))},
    {"load_npy", nullptr},  // reads a file
};

// Those with an unusual operand: vectors in products, numbers in norms, labels of another dtype.
const Function variants[] = {
    {"matmul", CALL(tn::matmul(in.v, in.w))},
    {"matmul", CALL(tn::matmul(in.x, in.v))},
    {"matmul", CALL(tn::matmul(in.v, in.v))},
    {"linear", CALL(tn::linear(in.v, in.w, 2))},
    {"layer_norm", CALL(tn::layer_norm(in.x, 1.5, 0.5))},
    {"clip", CALL(tn::clip(in.x, 0, 1))},
    {"mean", CALL(tn::mean(in.x, {{1}}))},
    {"var", CALL(tn::var(in.block, {{0, 1}, true}))},
    {"logsumexp", CALL(tn::logsumexp(in.x, {{1}}))},
    {"take", CALL(tn::take(in.x, in.narrow, 1))},
    {"scatter_add", CALL(tn::scatter_add(in.x, in.narrow, in.mask))},
    {"one_hot", CALL(tn::one_hot(in.narrow, 3))},
    {"cross_entropy", CALL(tn::cross_entropy(in.x, in.narrow))},
    {"cross_entropy", CALL(tn::cross_entropy(in.x, in.labels, {.weight = in.v, .smoothing = 0.1, .reduction = "sum"}))},
    {"cross_entropy", CALL(tn::cross_entropy(in.x, in.x))},
    {"nll_loss", CALL(tn::nll_loss(in.x, in.labels))},
    {"multi_margin_loss", CALL(tn::multi_margin_loss(in.x, in.labels))},
    {"multilabel_margin_loss", CALL(tn::multilabel_margin_loss(in.x, tn::zeros(in.x.shape(), {.dtype = tn::i64}))), 2,
     2},
    {"layer_norm", CALL(tn::layer_norm(in.block, {in.v.shape()[0], 3}))},
    {"rms_norm", CALL(tn::rms_norm(in.block, {in.v.shape()[0], 3}))},
    {"multilabel_soft_margin_loss", CALL(tn::multilabel_soft_margin_loss(in.x, in.mask, {.weight = in.v}))},
    {"mse_loss", CALL(tn::mse_loss(in.x, in.v))},
    {"l1_loss", CALL(tn::l1_loss(in.x, 1, {"none"}))},
    {"huber_loss", CALL(tn::huber_loss(in.x, in.v))},
    {"smooth_l1_loss", CALL(tn::smooth_l1_loss(in.x, in.v, {.reduction = "sum"}))},
    {"binary_cross_entropy", CALL(tn::binary_cross_entropy(in.x, in.mask))},
    {"binary_cross_entropy_with_logits",
     CALL(tn::binary_cross_entropy_with_logits(in.x, in.mask, {.pos_weight = in.v}))},
    {"kl_div", CALL(tn::kl_div(in.x, in.v, {.reduction = "batchmean"}))},
    {"soft_margin_loss", CALL(tn::soft_margin_loss(in.x, in.v))},
    {"hinge_embedding_loss", CALL(tn::hinge_embedding_loss(in.x, in.v))},
    {"margin_ranking_loss", CALL(tn::margin_ranking_loss(in.x, in.v, 1))},
    {"poisson_nll_loss", CALL(tn::poisson_nll_loss(in.x, in.v, {.full = true}))},
    {"gaussian_nll_loss", CALL(tn::gaussian_nll_loss(in.x, in.v, in.x))},
    {"cosine_similarity", CALL(tn::cosine_similarity(in.x, in.v))},
    {"cosine_embedding_loss", CALL(tn::cosine_embedding_loss(in.x, in.v, 1))},
    {"triplet_margin_loss", CALL(tn::triplet_margin_loss(in.x, in.v, in.x))},
    {"ctc_loss",
     CALL(tn::ctc_loss(in.block, tn::ones({in.x.shape()[1], 2}, {.dtype = tn::i64}), tn::full({in.x.shape()[1]}, 2),
                       tn::ones({in.x.shape()[1]}, {.dtype = tn::i64}))),
     3, 3},
    {"ctc_loss",
     CALL(tn::ctc_loss(in.block, tn::ones({in.x.shape()[1]}, {.dtype = tn::i64}), tn::full({in.x.shape()[1]}, 2),
                       tn::ones({in.x.shape()[1]}, {.dtype = tn::i64}))),
     2, 2},
    {"stack", CALL(tn::stack({in.x, in.x, in.x}, -1))},
    {"sgd", CALL(tn::optim::sgd(std::vector{in.x, in.w}, std::vector{in.x, in.w}))},
};

uint64_t asked_for() {
  const tn::runtime::CacheStats s = tn::runtime::cache_stats();
  return s.compiled + s.memory_hits + s.disk_hits;
}

void expect_programs(const Function& f, tn::DType dtype, bool recorded) {
  SCOPED_TRACE(std::string(f.name) + " of " + std::string(tn::name(dtype)) + (recorded ? ", recorded" : ""));
  Inputs first(4, 6, 5, dtype), other(7, 11, 8, dtype);
  if (recorded) first.require_grad(), other.require_grad();
  tn::runtime::clear_memory_cache();
  const uint64_t before = asked_for();
  f.call(first);
  const uint64_t after = asked_for();
  EXPECT_EQ(after - before, static_cast<uint64_t>(recorded ? f.recorded : f.programs));
  if (f.exact) return;
  f.call(other);
  EXPECT_EQ(asked_for(), after) << "other extents";
}

TEST(EagerPrograms, OneForEachFunction) {
  for (const Function& f : functions) {
    if (f.call == nullptr) continue;
    expect_programs(f, tn::f32, false);
    expect_programs(f, tn::f32, true);
  }
}

TEST(EagerPrograms, FunctionsCastInside) {
  for (const tn::DType dtype : {tn::f16, tn::i32})
    for (const Function& f : functions)
      if (f.call != nullptr && f.recorded == 1 && !f.exact) expect_programs(f, dtype, false);
}

// Operands of two dtypes meet inside one program, recorded or not, and the bits are those of casting first.
TEST(EagerPrograms, MixedOperandsCastInside) {
  const Tensor x = tn::normal(tn::key(1), {4, 6}), y = tn::normal(tn::key(2), {4, 6}, {.dtype = tn::f64});
  const Tensor half = x.astype(tn::f16), whole = tn::reshape(tn::arange(24), {4, 6}), mask = x > 0;
  const Tensor block = tn::normal(tn::key(3), {1, 8, 3}), kernel = tn::normal(tn::key(4), {2, 3, 4}).astype(tn::f16);
  struct Mixed {
    const char* name;
    Tensor (*call)(const Tensor&, const Tensor&);
    Tensor a, b;
    tn::DType meet;
  };
  const Mixed all[] = {
      {"add", [](X a, X b) { return a + b; }, x, y, tn::f64},
      {"mul of a half", [](X a, X b) { return a * b; }, half, x, tn::f32},
      {"sub of integers", [](X a, X b) { return a - b; }, whole, x, tn::f32},
      {"less", [](X a, X b) { return a < b; }, mask, whole, tn::i64},
      {"sine of integers", [](X a, X) { return tn::sin(a); }, whole, whole, tn::f32},
      {"integers and a number", [](X a, X) { return a * 0.5; }, whole, whole, tn::f32},
      {"maximum", [](X a, X b) { return tn::maximum(a, b); }, half, y, tn::f64},
      {"pow", [](X a, X b) { return tn::pow(a, b); }, x, whole, tn::f32},
      {"where", [](X a, X b) { return tn::where(a > 0, a, b); }, y, half, tn::f64},
      {"convolution", [](X a, X b) { return tn::convolution(a, b); }, block, kernel, tn::f32},
  };
  for (const Mixed& m : all) {
    const int others = std::string(m.name) == "where" ? 1 : 0;  // the comparison
    for (const bool recorded : {false, true}) {
      if (recorded && !tn::is_floating(m.a.dtype())) continue;
      Tensor a = m.a.detach();
      a.set_requires_grad(recorded);
      tn::runtime::clear_memory_cache();
      const uint64_t before = asked_for();
      const Tensor found = m.call(a, m.b);
      EXPECT_EQ(asked_for() - before, 1u + others) << m.name << recorded;
      const Tensor expected = m.call(a.astype(m.meet), m.b.astype(m.meet));
      ASSERT_EQ(found.dtype(), expected.dtype()) << m.name;
      EXPECT_EQ(found.to_vector<double>(), expected.to_vector<double>()) << m.name;
      const auto traced = tn::jit(m.call)(m.a, m.b);
      EXPECT_EQ(found.to_vector<double>(), traced.to_vector<double>()) << m.name;
    }
  }
}

// A reduction converts what it reads where it reads it: one kernel, and no copy of the operand in another dtype.
TEST(EagerPrograms, ReductionsConvertInsideTheirKernel) {
  const tn::Dim n = tn::dim("rows", 2), m = tn::dim("columns", 2);
  using Reduction = Tensor (*)(const Tensor&);
  const std::pair<const char*, Reduction> all[] = {
      {"sum", [](X x) { return tn::sum(x); }},
      {"sum of rows", [](X x) { return tn::sum(x, {{1}}); }},
      {"sum of columns", [](X x) { return tn::sum(x, {{0}}); }},
      {"prod", [](X x) { return tn::prod(x); }},
      {"any_of", [](X x) { return tn::any_of(x); }},
      {"max", [](X x) { return tn::max(x); }},
      {"argmax", [](X x) { return tn::argmax(x); }},
  };
  for (const tn::DType dtype : {tn::u8, tn::boolean, tn::i32, tn::f16})
    for (const auto& [name, f] : all)
      for (const tn::Extents& shape : {tn::Extents{n, m}, tn::Extents{1 << 20, 64}, tn::Extents{int64_t{3}, m}}) {
        if (dtype == tn::boolean && std::string(name) == "argmax") continue;
        const auto compiled = tn::jit(f).lower(tn::spec(shape, dtype)).compile();
        EXPECT_LE(compiled.kernels().size(), 2u) << name << " of " << tn::name(dtype) << "\n" << compiled.explain();
        EXPECT_LE(compiled.memory().arena_bytes, 1 << 21) << name << " of " << tn::name(dtype);
        EXPECT_EQ(compiled.explain().find(" cast"), std::string::npos)
            << compiled.explain();  // an edge that was not fused
      }
}

TEST(EagerPrograms, OneForEachVariant) {
  for (const tn::DType dtype : {tn::f32, tn::f16})
    for (const Function& f : variants) {
      expect_programs(f, dtype, false);
      expect_programs(f, dtype, true);
    }
}

TEST(EagerPrograms, OneForEachRow) {
  using Unary = Tensor (*)(tn::Operand);
  const std::pair<const char*, Unary> rows[] = {
#define TENON_UNARY(name, ...) {#name, tn::elementwise::name},
#define TENON_BINARY(name, ...)
#define TENON_TERNARY(name, ...)
#define TENON_OP(name, ...)
#include "tenon/ir/ops.def"
  };
  for (const auto& [name, f] : rows) {
    const bool floats = tn::contains(tn::ir::find_op(name)->dtypes, tn::f32);
    const Tensor x = floats ? tn::ones({3, 4}) : tn::ones({3, 4}, {.dtype = tn::i64});
    tn::runtime::clear_memory_cache();
    const uint64_t before = asked_for();
    f(x);
    EXPECT_EQ(asked_for() - before, 1u) << name;
  }
}

TEST(EagerPrograms, OneForAllLeavesOfAnOptimizer) {
  Inputs in(4, 6, 5, tn::f32);
  const std::vector<Tensor> parameters = {in.x, in.w, in.block, in.v}, gradients = parameters;
  const auto state = tn::optim::adamw_init(parameters);
  tn::runtime::clear_memory_cache();
  const uint64_t before = asked_for();
  const auto next = tn::optim::adamw(parameters, gradients, state);
  EXPECT_EQ(asked_for() - before, 1u);
  const uint64_t after = asked_for();
  tn::optim::adamw(next.first, gradients, next.second, {.rate = 0.5, .beta1 = 0.8, .epsilon = 1e-6});
  EXPECT_EQ(asked_for(), after) << "other numbers";
}

// Here, or in the table of its family (tests/functions_*_test.cc), whose battery counts programs too, or as another name of one there.
TEST(EagerPrograms, EveryDeclaredFunctionHasALine) {
  std::set<std::string> listed, declared;
  for (const Function& f : functions) listed.insert(f.name);
  const std::regex declaration(R"((?:^|\n)(?:Tensor|std::pair<Tensor, Tensor>|std::vector<Tensor>)[ (](\w+)\)?\()");
  const std::regex line(R"-((?:^|\n)TENON_(?:FUNCTION\([\w:<>, ]+, |REDUCTION\()(\w+)[,)])-"),
      row(R"-(\{"(\w+)",\s+TENON_CALL)-"), alias(R"(\n  SAME\((?:tn::|\w+\.)(\w+)\()");
  const auto add = [](std::set<std::string>& to, const std::string& text, const std::regex& what) {
    for (std::sregex_iterator it(text.begin(), text.end(), what), end; it != end; ++it) to.insert((*it)[1]);
  };
  for (const auto& file : tenon::testing::source_tree()) {
    if (file.path == "frontend/ops/ops.h") add(declared, file.text, declaration);
    if (file.path.rfind("frontend/ops/functions/", 0) == 0) add(declared, file.text, line);
    if (file.path.rfind("tests/functions_", 0) == 0) add(listed, file.text, row);
    if (file.path == "tests/functions_names_test.cc") add(listed, file.text, alias);
  }
  EXPECT_GT(declared.size(), 50u);
  for (const std::string& name : declared) EXPECT_TRUE(listed.contains(name)) << name << " has no line";
}

}  // namespace
