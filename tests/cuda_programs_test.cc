// Whole programs for three architectures: every kernel of the Fashion-MNIST step and of a transformer's loss and gradient compiles by
// NVRTC, is in its module by name, and keeps its values in registers. Needs no GPU; skips where NVRTC is not installed.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <set>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/cuda/cubin.h"
#include "tenon/examples/data/mlp.h"
#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/passes/pass.h"

namespace tenon {
namespace {

constexpr int64_t words = 500, width = 64, heads = 4, length = 48, batch = 4;

struct Block {
  Tensor scale1, shift1, query, key_, value, project, scale2, shift2, up, up_bias, down, down_bias;
};
struct Transformer {
  Tensor words, places;
  std::vector<Block> blocks;
  Tensor scale, shift;
};

Block block() {
  const auto s = [](std::vector<int64_t> shape) { return spec(Shape::from(shape), f32); };
  return {s({width}), s({width}), s({width, width}),     s({width, width}), s({width, width}),     s({width, width}),
          s({width}), s({width}), s({width, 4 * width}), s({4 * width}),    s({4 * width, width}), s({width})};
}

Tensor attention(const Block& b, const Tensor& x) {
  const auto split_heads = [](const Tensor& t) {
    return transpose(reshape(t, {batch, length, heads, width / heads}), {0, 2, 1, 3});
  };
  const Tensor q = split_heads(matmul(x, b.query)), k = split_heads(matmul(x, b.key_)),
               v = split_heads(matmul(x, b.value));
  const Tensor scores = matmul(q, transpose(k, {0, 1, 3, 2})) * (1 / std::sqrt(double{width} / heads));
  const Tensor row = reshape(arange(0, length, 1), {length, 1}), column = reshape(arange(0, length, 1), {1, length});
  const Tensor weights = softmax(where(row >= column, scores, -1e30));
  return matmul(reshape(transpose(matmul(weights, v), {0, 2, 1, 3}), {batch, length, width}), b.project);
}

Tensor loss(const Transformer& t, const Tensor& tokens, const Tensor& next) {
  Tensor x = take(t.words, tokens, 0) + t.places;
  for (const Block& b : t.blocks) {
    x = x + attention(b, layer_norm(x, b.scale1, b.shift1, 1e-5));
    const Tensor h = gelu(linear(layer_norm(x, b.scale2, b.shift2, 1e-5), b.up, b.up_bias));
    x = x + linear(h, b.down, b.down_bias);
  }
  x = layer_norm(x, t.scale, t.shift, 1e-5);
  const Tensor logits = matmul(reshape(x, {batch * length, width}), transpose(t.words, {1, 0}));
  return cross_entropy(logits, reshape(next, {batch * length}));
}

void expect_compiles(const Lowered& lowered, const char* name) {
  const detail::JitEntry& entry = *lowered.entry();
  passes::Options options;
  options.donations = entry.donations;
  for (const int sm : {80, 90, 100}) {
    SCOPED_TRACE(std::string(name) + " for sm_" + std::to_string(sm));
    const Target target = Target::cuda_sm(sm);
    const ir::Program program = passes::build_program(*entry.program.graph, target, options);
    std::vector<std::string> objects = codegen::compile_cuda_program(program, target);
    EXPECT_EQ(objects, codegen::compile_cuda_program(program, target)) << "the same program gives the same bytes";
    const std::string list = objects.back();
    objects.pop_back();
    std::set<std::string> found;
    for (const std::string& image : objects) {
      const auto codes = codegen::read_cubin(image);
      ASSERT_TRUE(codes);
      EXPECT_LE(codes->size(), 16u);
      for (const codegen::CubinCode& code : *codes) {
        found.insert(code.name);
        EXPECT_NE(list.find(code.name), std::string::npos) << code.name << " is launched by nobody";
        EXPECT_EQ(code.local_loads + code.local_stores, 0) << code.name << " leaves its registers";
      }
    }
    EXPECT_GT(found.size(), 8u);
    EXPECT_LE(found.size(), program.kernels.size());
  }
}

TEST(CudaPrograms, FashionMnistStep) {
  if (!codegen::nvrtc_info().works) GTEST_SKIP() << codegen::nvrtc_info().problem;
  const mlp::Params params = mlp::init(1);
  expect_compiles(jit(mlp::train_step, {.donate = {0, 1}})
                      .lower(params, optim::adamw_init(params), spec({128, 784}, u8), spec({128}, u8)),
                  "the Fashion-MNIST step");
}

TEST(CudaPrograms, TransformerStep) {
  if (!codegen::nvrtc_info().works) GTEST_SKIP() << codegen::nvrtc_info().problem;
  const Transformer model{spec({words, width}, f32),
                          spec({length, width}, f32),
                          {block(), block()},
                          spec({width}, f32),
                          spec({width}, f32)};
  expect_compiles(jit(value_and_grad(loss)).lower(model, spec({batch, length}, i32), spec({batch, length}, i32)),
                  "a transformer");
}

}  // namespace
}  // namespace tenon
