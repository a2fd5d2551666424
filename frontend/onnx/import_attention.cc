// Attention and rotary embeddings, heads being an axis of their own or parts of the last.
#include <cmath>

#include "tenon/frontend/nn/attention.h"
#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {
namespace {

// [batch, length, heads * width] -> [batch, heads, length, width]
Tensor by_heads(Call& c, const Tensor& x, const char* heads) {
  if (x.ndim() == 4) return x;
  c.expects(x.ndim() == 3, "its operands have three or four axes");
  const int64_t n = c.required(heads);
  c.expects(n >= 1, "it has a head or more");
  return swapaxes(x.reshape({x.size(0), x.size(1), n, x.size(2) / n}), 1, 2);
}

struct Attended {
  Tensor q, k, v;  // [batch, heads, length, width]
  Tensor allowed, bias;  // where they are given: what takes part, and what is added
  double scale;
};

// Keys by what stands before, behind and beyond the ones that there are.
void restrict_keys(Call& c, Attended& a, const Tensor& past) {
  const Extent queries = a.q.size(2), keys = a.k.size(2);
  const auto restrict_to = [&](const Tensor& also) {
    a.allowed = a.allowed.defined() ? logical_and(a.allowed, also) : also;
  };
  const Tensor key_place = arange(0, keys), query_place = arange(0, queries).reshape({queries, 1});
  Tensor offset = full({}, past.defined() ? Operand(past.size(2)) : Operand(0), {.dtype = i64});
  if (c.has(6)) {
    const Tensor lengths = c.tensor(6).astype(i64).reshape({a.q.size(0), 1, 1, 1});
    restrict_to(key_place < lengths);
    if (!past.defined()) offset = lengths - Operand(queries);
  }
  const Tensor place = query_place + offset;
  const int64_t left = c.integer("left_window_size", -1), right = c.integer("right_window_size", -1);
  if (c.integer("is_causal", 0) != 0) restrict_to(key_place <= place);
  if (left >= 0) restrict_to(key_place >= place - left);
  if (right >= 0) restrict_to(key_place <= place + right);
}

void read_mask(Call& c, Attended& a) {
  if (!c.has(3)) return;
  Tensor mask = c.tensor(3);
  const Extent missing = a.k.size(2) - mask.size(-1);
  if (!(missing == Extent(0)) && !(mask.size(-1) == Extent(1))) {  // keys that it does not reach take no part
    Widths widths(static_cast<size_t>(mask.ndim()), {0, 0});
    widths.back() = {0, missing};
    mask = mask.dtype() == boolean ? pad(mask, widths) : pad(mask, widths, -INFINITY);
  }
  (mask.dtype() == boolean ? a.allowed : a.bias) = mask;
}

// With the matrix of scores, where it is asked for or changed on the way.
Results composed(Call& c, const Attended& a) {
  const Extent groups = a.q.size(1) / a.k.size(1);
  const auto spread = [&](const Tensor& x) { return repeat_interleave(x, groups, 1); };
  const double root = std::sqrt(a.scale), cap = c.number("softcap", 0);
  const DType dtype = a.q.dtype();
  const Tensor product = matmul(a.q * root, swapaxes(spread(a.k) * root, 2, 3));
  const Tensor capped = cap > 0 ? tanh(product / cap) * cap : product;
  Tensor biased = a.bias.defined() ? capped + a.bias : capped;
  if (a.allowed.defined()) biased = where(a.allowed, biased, full({}, -INFINITY, {.dtype = dtype}));
  const Tensor entered = biased.astype(dtype_attribute(c, "softmax_precision", is_half(dtype) ? f32 : dtype));
  const Tensor none = max(entered, {.axes = {3}, .keepdims = true}) == -INFINITY;  // a row that no key takes part for
  const Tensor weights = where(none, zeros_like(entered), softmax(entered, -1)).astype(dtype);
  const Tensor stages[] = {product, capped, biased, weights};
  const int64_t mode = c.integer("qk_matmul_output_mode", 0);
  c.expects(mode >= 0 && mode < 4, "its qk_matmul_output_mode is 0 to 3");
  return {matmul(weights, spread(a.v)), Tensor(), Tensor(), stages[mode]};
}

}  // namespace

Results import_attention(Call& c) {
  Attended a{by_heads(c, c.tensor(0), "q_num_heads"),
             by_heads(c, c.tensor(1), "kv_num_heads"),
             by_heads(c, c.tensor(2), "kv_num_heads"),
             {},
             {},
             0};
  const Tensor past = c.tensor_or(4, {});
  if (past.defined()) a.k = concat({past, a.k}, 2), a.v = concat({c.tensor(5), a.v}, 2);
  const Extent width = a.q.size(3);
  c.expects(width.is_number() || c.find("scale") != nullptr, "without a scale the width of its heads is a number");
  a.scale = c.number("scale", width.is_number() ? 1 / std::sqrt(static_cast<double>(width.number())) : 1);
  read_mask(c, a);
  restrict_keys(c, a, past);
  const bool plain = c.number("softcap", 0) == 0 && !c.wants(3) && c.find("softmax_precision") == nullptr;
  Results results;
  if (plain) {
    nn::AttentionOptions options{.scale = a.scale};
    if (a.allowed.defined()) options.mask = a.allowed;
    if (a.bias.defined()) options.bias = a.bias;
    results = {nn::attention(a.q, a.k, a.v, options), Tensor(), Tensor(), Tensor()};
  } else {
    results = composed(c, a);
  }
  if (c.rank(0) == 3) {
    const Tensor y = swapaxes(results[0].tensor, 1, 2);
    results[0] = y.reshape({y.size(0), y.size(1), y.size(2) * y.size(3)});
  }
  results[1] = a.k, results[2] = a.v;
  return results;
}

// Pairs of elements turned by an angle of their place (Su et al., "RoFormer", 2021): halves of a head, or neighbours.
Results import_rotary_embedding(Call& c) {
  const Tensor given = c.tensor(0), x = by_heads(c, given, "num_heads");
  int64_t width = c.integer("rotary_embedding_dim", 0);
  if (width == 0) {
    c.expects(x.size(3).is_number(), "the width of its heads is a number");
    width = x.size(3).number();
  }
  c.expects(width > 0 && width % 2 == 0, "its width is even");
  const auto table = [&](size_t i) {
    Tensor t = c.tensor(i);
    if (c.has(3)) t = take(t, c.tensor(3), 0);
    return unsqueeze(t, 1);  // [batch, 1, length, width / 2]
  };
  const Tensor cosine = table(1), sine = table(2);
  const bool neighbours = c.integer("interleaved", 0) != 0;
  const Tensor turned = narrow(x, 3, 0, width);
  const Tensor first = neighbours ? turned[{all, all, all, slice(0, width, 2)}] : narrow(turned, 3, 0, width / 2);
  const Tensor second =
      neighbours ? turned[{all, all, all, slice(1, width, 2)}] : narrow(turned, 3, width / 2, width / 2);
  const Tensor re = cosine * first - sine * second, im = sine * first + cosine * second;
  Tensor y = neighbours ? stack({re, im}, -1).reshape(turned.shape()) : concat({re, im}, 3);
  if (!(x.size(3) == Extent(width))) y = concat({y, narrow(x, 3, width, x.size(3) - width)}, 3);
  return one(given.ndim() == 4 ? y : swapaxes(y, 1, 2).reshape(given.shape()));
}

}  // namespace tenon::onnx
