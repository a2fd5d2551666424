// nn::attention over the row of its name: dtypes, heads and masks are brought into its form. Refuses what does not fit by the caller's
// names, before a formula is built.
#include "tenon/frontend/nn/attention.h"

#include <array>
#include <cmath>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/random/draw.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon::nn {
namespace {

constexpr const char* what = "nn::attention";

using ir::Value;

// With axes of extent 1 in front.
Value of_rank(Value x, int rank) {
  Shape shape = x.shape();
  while (shape.rank() < rank) shape.insert(0, Dim(1));
  return ir::reshape(x, shape);
}

// Inputs: q, k, v, mask?, bias?, key?
std::vector<Value> build_attention(ir::GraphBuilder& b, std::span<const Value> inputs, const ir::Attrs& attrs) {
  const made::Attended to(attrs);
  const int given = inputs[0].shape().rank(), rank = std::max(given, 3);
  std::vector<Value> operands;
  for (size_t k = 0; k < inputs.size(); ++k) {
    const bool is_mask = to.masked && k == 3, is_key = to.dropout != 0 && k + 1 == inputs.size();
    if (is_key)
      operands.push_back(inputs[k]);
    else
      operands.push_back(of_rank(is_mask ? inputs[k] : ir::cast(inputs[k], to.dtype), rank));
  }
  const Value out = ir::apply(
      b, ir::Op::attention, operands,
      ir::AttentionAttrs{
          .scale = to.scale, .causal = to.causal, .masked = to.masked, .biased = to.biased, .dropout = to.dropout})[0];
  if (given == rank) return {out};
  Shape shape = out.shape();
  shape.erase(0);
  return {ir::reshape(out, shape)};
}

std::string all_three(const Tensor& q, const Tensor& k, const Tensor& v) {
  return "q is " + describe(q) + ", k " + describe(k) + ", v " + describe(v);
}

void check_shapes(const Tensor& q, const Tensor& k, const Tensor& v, const Location& at) {
  const auto refuse = [&](const std::string& why) {
    throw Error(std::string(what) + ": " + why + ": " + all_three(q, k, v), at);
  };
  const int rank = q.ndim();
  if (rank < 2 || k.ndim() != rank || v.ndim() != rank)
    refuse(
        "q[.., heads, queries, depth], k[.., heads, keys, depth] and v[.., heads, keys, width] have equally many axes");
  const auto same = [&](const Tensor& x, int i, const Tensor& y, int j) {
    return x.shape()[static_cast<size_t>(rank + i)] == y.shape()[static_cast<size_t>(rank + j)];
  };
  if (!same(q, -1, k, -1)) refuse("the depths of q and k, their last axes, differ");
  if (!same(k, -2, v, -2)) refuse("there is one value for each key, and the lengths of k and v differ");
  for (int d = -rank; d < -3; ++d)
    if (!same(q, d, k, d) || !same(q, d, v, d))
      refuse("the axes in front of the heads differ; broadcast_to makes them equal");
  if (rank < 3) return;
  if (!same(k, -3, v, -3)) refuse("k and v have different numbers of heads");
  const Dim heads = q.shape()[static_cast<size_t>(rank - 3)], shared = k.shape()[static_cast<size_t>(rank - 3)];
  const bool multiple =
      heads.is_number() && shared.is_number() && shared.number() > 0 && heads.number() % shared.number() == 0;
  if (!(heads == shared) && !multiple)
    refuse("the heads of q are as many as those of k, or a multiple of them, and both are fixed");
}

void check_beside(const Tensor& x, const char* name, const Tensor& q, const Tensor& k, const Location& at) {
  const size_t rank = static_cast<size_t>(q.ndim());
  Shape scores = q.shape();
  scores[rank - 1] = k.shape()[rank - 2];
  if (!stretches(x.shape(), scores))
    throw Error(std::string(what) + ": " + name + " stretches to the scores, [.., heads, queries, keys] = " +
                    to_string(scores) + ", and " + describe(x) + " does not",
                at);
}

void check_dropout(const AttentionOptions& options, const Location& at) {
  if (!(options.dropout >= 0 && options.dropout < 1))
    throw Error(
        std::string(what) + ": .dropout is a probability below 1, and " + shortest(options.dropout) + " is none", at);
  if (options.dropout == 0) return;
  if (!options.key.defined())
    throw Error(std::string(what) + ": .dropout draws from a .key, made by tn::key, and none is given", at);
  check_key(options.key, at);
}

}  // namespace

Tensor attention(Operand q, Operand k, Operand v, const AttentionOptions& options) try {
  const Location at = place_of({&q, &k, &v});
  const Tensor queries = as_tensor(q, what), keys = as_tensor(k, what), values = as_tensor(v, what);
  for (const Tensor* t : {&queries, &keys, &values})
    if (!is_floating(t->dtype()))
      throw Error(std::string(what) + ": takes floating tensors, and one is " + describe(*t) + "; cast it with astype",
                  at);
  check_shapes(queries, keys, values, at);
  made::AttendedAttrs attrs{.dtype = common_dtype(std::array<const Operand*, 3>{&q, &k, &v}, what),
                            .causal = options.causal,
                            .masked = bool(options.mask),
                            .biased = bool(options.bias),
                            .dropout = options.dropout};
  check_dropout(options, at);
  const Dim depth = queries.shape()[static_cast<size_t>(queries.ndim()) - 1];
  if (!options.scale && !depth.is_number())
    throw Error(
        std::string(what) + ": the depth of " + describe(queries) + " is free; give .scale, which is 1 / sqrt(depth)",
        at);
  attrs.scale =
      options.scale ? *options.scale : 1 / std::sqrt(static_cast<double>(std::max<int64_t>(depth.number(), 1)));
  std::vector<Tensor> inputs{queries, keys, values};
  if (options.mask) {
    const Tensor mask = options.mask.tensor();
    if (mask.dtype() != boolean)
      throw Error(
          std::string(what) + ": .mask is a bool tensor, not " + describe(mask) + "; what is added to scores is .bias",
          at);
    check_beside(mask, ".mask", queries, keys, at);
    inputs.push_back(mask);
  }
  if (options.bias) {
    const Tensor bias = options.bias.tensor();
    if (!is_floating(bias.dtype()))
      throw Error(
          std::string(what) + ": .bias is floating, not " + describe(bias) + "; which keys take part says .mask", at);
    check_beside(bias, ".bias", queries, keys, at);
    inputs.push_back(bias);
  }
  if (options.dropout != 0) inputs.push_back(options.key);
  return apply({what, build_attention}, std::move(attrs), inputs, at)[0];
} catch (...) {
  leave_with_error(what, q.where());
}

}  // namespace tenon::nn
