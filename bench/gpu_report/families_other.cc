// Families: contractions, order, indices, random numbers, convolutions, control flow.
#include "tenon/bench/gpu_report/families.h"
#include "tenon/bench/gpu_report/transformer.h"

namespace tenon::gpu_report {
namespace {

Tensors product_formulas(const Tensors& in) {
  const Tensor &a = in[0], &b = in[1], &bias = in[2];  // [m, k], [k, n], [n]
  return {matmul(a, b), gelu(linear(a, b, bias)), matmul(a.transpose(), a), matmul(b, b.transpose())};
}
Tensors batched_products(const Tensors& in) { return {matmul(in[0], in[1]), einsum("bij,bkj->bik", {in[0], in[0]})}; }

void add_products(std::vector<Family>& all, bool quick) {
  struct Sizes {
    int64_t m, k, n;
  };
  const std::vector<Sizes> sizes =
      quick ? std::vector<Sizes>{{33, 20, 18}}
            : std::vector<Sizes>{{33, 20, 18}, {1, 512, 300}, {128, 784, 512}, {257, 5000, 65}, {512, 512, 512}};
  for (const auto& [m, k, n] : sizes)
    for (const DType t : quick ? std::vector<DType>{f32, bf16} : std::vector<DType>{f32, bf16, f16, f64, i32}) {
      if (m * n > 100000 && t != f32 && t != bf16) continue;
      const auto formula = is_floating(t) ? Formula(product_formulas) : Formula([](const Tensors& in) {
        return Tensors{matmul(in[0], in[1]), matmul(in[0].transpose(), in[0])};
      });
      all.push_back({"products, " + std::string(name_of(t)) + " " + shape_text({m, k, n}),
                     formula,
                     {some(11, {m, k}, t), some(12, {k, n}, t), some(13, {n}, t)},
                     t == bf16  ? 0x1p-6
                     : t == f16 ? 0x1p-9
                                : 0});
    }
  if (!quick)
    all.push_back(
        {"batched products, f32 12x64x48x64", batched_products, {some(14, {12, 64, 48}), some(15, {12, 48, 64})}});
}

void add_order(std::vector<Family>& all, bool quick) {
  const std::vector<std::vector<int64_t>> shapes =
      quick ? std::vector<std::vector<int64_t>>{{3, 200}}
            : std::vector<std::vector<int64_t>>{{3, 200}, {2, 5000}, {100, 333}, {1, 70000}};
  for (const auto& shape : shapes) {
    all.push_back({"cumulative sums, f32 " + shape_text(shape),
                   [](const Tensors& in) { return Tensors{cumsum(in[0]), cumsum(in[0], 0), cumsum(in[0], -1, true)}; },
                   {some(16, shape)}});
    all.push_back({"sort and argsort, f32 " + shape_text(shape),
                   [](const Tensors& in) { return Tensors{sort(round(in[0] * 8)), argsort(round(in[0] * 8))}; },
                   {some(17, shape)}});
    const int64_t rows = shape[0], columns = shape[1];
    all.push_back({"gather, f32 " + shape_text(shape),
                   [](const Tensors& in) { return Tensors{take(in[0], in[1], 1), take(in[0], in[1] - 5, 0)}; },
                   {some(18, shape), integers(19, {50}, columns + 3)}});
    all.push_back({"scatter_add with collisions, f32 " + shape_text(shape),
                   [](const Tensors& in) { return Tensors{scatter_add(in[0], in[1], in[2], 1)}; },
                   {some(20, shape), integers(21, {400}, std::min<int64_t>(columns, 60)), some(22, {rows, 400})}});
  }
}

void add_random(std::vector<Family>& all, bool quick) {
  const int64_t count = quick ? 500 : 1000003;
  all.push_back({"random numbers, " + std::to_string(count),
                 [count](const Tensors& in) {
                   const auto [a, b] = split(in[0]);
                   return Tensors{uniform(a, {count}), normal(b, {count}), random_bits(in[0], {count}),
                                  fold_in(in[0], 7), uniform(a, {count}, {.dtype = bf16})};
                 },
                 {key(23).to(cpu())}});
}

void add_control(std::vector<Family>& all, bool quick) {
  const int64_t n = quick ? 40 : 3000;
  all.push_back({"while, cond and scan, f32 " + std::to_string(n),
                 [](const Tensors& in) {
                   const Tensor& x = in[0];
                   const Tensor halved = while_loop([](const Tensor& t) { return max(abs(t)) > 0.125; },
                                                    [](const Tensor& t) { return t * 0.5; }, x);
                   const Tensor chosen = cond(
                       sum(x) > 0, [](const Tensor& t) { return t * 3; }, [](const Tensor& t) { return t - 1; }, x);
                   const auto step = [](const Tensor& c, const Tensor& row) {
                     const Tensor next = tanh(c + row);
                     return std::make_pair(next, sum(next));
                   };
                   const auto [last, totals] = scan(step, x, in[1]);
                   const Tensor powers =
                       fori_loop(0, 5, [](const Tensor& i, const Tensor& t) { return t * 0.5 + i.astype(f32); }, x);
                   return Tensors{halved, chosen, last, totals, powers};
                 },
                 {some(24, {n}), some(25, {6, n})}});
}

void add_convolutions(std::vector<Family>& all) {
  all.push_back({"convolutions, f32 4x19x17x8",
                 [](const Tensors& in) {
                   return Tensors{convolution(in[0], in[1]),
                                  convolution(in[0], in[1], {.strides = {2, 1}, .low = {1, 1}, .high = {1, 1}}),
                                  convolution(in[0], in[2], {.low = {1, 1}, .high = {1, 1}, .groups = 2})};
                 },
                 {some(26, {4, 19, 17, 8}), some(27, {3, 3, 8, 12}), some(28, {3, 3, 4, 12})}});
}

// Causal attention as a transformer has it, and its gradients.
void add_attention(std::vector<Family>& all, bool quick) {
  const int64_t width = quick ? 8 : 96, tokens = quick ? 7 : 130;
  for (const DType t : quick ? std::vector<DType>{f32} : std::vector<DType>{f32, bf16}) {
    const auto forward = [](const Tensor& x, const Tensor& qkv, const Tensor& out) {
      const int64_t w = x.shape()[2].number();
      transformer::Block b;
      b.qkv = qkv, b.qkv_bias = zeros({3 * w}, {.dtype = x.dtype()});
      b.out = out, b.out_bias = zeros({w}, {.dtype = x.dtype()});
      return transformer::attention(b, x, 2);
    };
    const auto loss = [forward](const Tensor& x, const Tensor& qkv, const Tensor& out) {
      const Tensor y = forward(x, qkv, out).astype(f32);
      return sum(y * y);
    };
    all.push_back({"causal attention, " + std::string(name_of(t)) + " " + shape_text({2, tokens, width}),
                   [=](const Tensors& in) {
                     Tensors results = {forward(in[0], in[1], in[2])};
                     if (quick) return results;
                     const auto [x, qkv, out] = grad<0, 1, 2>(loss)(in[0], in[1], in[2]);
                     results.insert(results.end(), {x, qkv, out});
                     return results;
                   },
                   {some(29, {2, tokens, width}, t), some(30, {width, 3 * width}, t), some(31, {width, width}, t)}});
  }
}

}  // namespace

std::vector<Family> other_families(bool quick) {
  std::vector<Family> all;
  add_products(all, quick);
  add_attention(all, quick);
  add_order(all, quick);
  add_random(all, quick);
  add_control(all, quick);
  if (!quick) add_convolutions(all);
  return all;
}

}  // namespace tenon::gpu_report
