// Type rules of attention and of what its derivatives are made of.
#include <algorithm>

#include "tenon/ir/rules/attention.h"
#include "tenon/ir/rules/infer.h"

namespace tenon::ir::rules {
namespace {

struct Rule {
  const InferArgs& args;
  const Op op;
  const Attention attrs{args.attrs};
  const AttentionOperands at{op, attrs};

  std::string text(uint32_t k) const { return to_string(args.operands[k], &args.symbols); }
  std::string text(Dim d) const { return to_string(d, &args.symbols); }
  const Shape& shape(uint32_t k) const { return args.operands[k].shape; }

  AttentionExtents check() const {
    TENON_REQUIRE(args.operands.size() == at.count, "takes " + number(at.count) + " operands by its attributes, not " +
                                                        number(static_cast<int64_t>(args.operands.size())));
    const auto is_odd = [](const Attr& a) { return a.kind == AttrKind::literal && a.text.size() != sizeof(double); };
    TENON_REQUIRE(std::none_of(args.attrs.begin(), args.attrs.end(), is_odd),
                  "attributes 'scale' and 'dropout' take one number");
    const DType type = args.operands[at.q].dtype;
    const int rank = shape(at.q).rank();
    TENON_REQUIRE(is_floating(type), "q is " + text(at.q) + "; cast it to a floating dtype");
    for (uint32_t k : {at.k, at.v}) {
      TENON_REQUIRE(args.operands[k].dtype == type, "the dtypes differ: q is " + text(at.q) + ", " +
                                                        (k == at.k ? "k" : "v") + " is " + text(k) +
                                                        "; cast one of them");
      TENON_REQUIRE(
          rank >= 3 && shape(k).rank() == rank,
          "takes q[.., heads, queries, depth], k[.., heads, keys, depth] and v[.., heads, keys, width] of equal "
          "rank, not " +
              text(at.q) + ", " + text(at.k) + " and " + text(at.v));
    }
    const AttentionExtents e(shape(at.q), shape(at.k), shape(at.v));
    const size_t heads = static_cast<size_t>(rank) - 3;
    for (size_t d = 0; d < heads; ++d)
      TENON_REQUIRE(shape(at.k)[d] == e.batch[d] && shape(at.v)[d] == e.batch[d],
                    "axis " + number(static_cast<int64_t>(d)) + " of q, k and v differs: " + text(e.batch[d]) + ", " +
                        text(shape(at.k)[d]) + " and " + text(shape(at.v)[d]) + "; broadcast them");
    TENON_REQUIRE(shape(at.v)[heads] == e.key_heads,
                  "k has " + text(e.key_heads) + " heads, v " + text(shape(at.v)[heads]) + "; they are the same heads");
    TENON_REQUIRE(shape(at.v)[heads + 1] == e.keys,
                  "k has " + text(e.keys) + " keys, v " + text(shape(at.v)[heads + 1]) + " values; one for each key");
    TENON_REQUIRE(shape(at.k)[heads + 2] == e.depth,
                  "q has depth " + text(e.depth) + ", k " + text(shape(at.k)[heads + 2]) + "; scores sum over both");
    const bool shared = e.heads.is_number() && e.key_heads.is_number() && e.key_heads.number() > 0 &&
                        e.heads.number() % e.key_heads.number() == 0;
    TENON_REQUIRE(e.heads == e.key_heads || shared, "q has " + text(e.heads) + " heads, k " + text(e.key_heads) +
                                                        "; the heads of q are as many, or a multiple of them");
    if (at.mask != AttentionOperands::none) beside(e, at.mask, DType::boolean, "the mask");
    if (at.bias != AttentionOperands::none) beside(e, at.bias, type, "the bias");
    TENON_REQUIRE(attrs.dropout >= 0 && attrs.dropout < 1, "attribute 'dropout' is a probability below 1");
    if (at.key != AttentionOperands::none) lanes_of_key(e);
    if (at.logarithms != AttentionOperands::none)
      exactly(at.logarithms, {attention_sums(type), e.of({e.heads, e.queries})}, "the logarithms");
    return e;
  }
  void exactly(uint32_t k, const Type& type, const char* role) const {
    TENON_REQUIRE(args.operands[k] == type,
                  std::string(role) + " must be " + to_string(type, &args.symbols) + ", not " + text(k));
  }
  // Axes before its last are lanes, whose weights are counted from 0: the first ones of the batch.
  void lanes_of_key(const AttentionExtents& e) const {
    const Shape& key = shape(at.key);
    bool fits = args.operands[at.key].dtype == DType::u32 && !key.empty() && key.size() <= e.batch.size() + 1 &&
                key[key.size() - 1] == 2;
    for (size_t d = 0; fits && d + 1 < key.size(); ++d) fits = key[d] == 1 || key[d] == e.batch[d];
    TENON_REQUIRE(fits, "the key is " + text(at.key) + ", not u32[2] or one for each of the first axes of q");
  }
  // Its extents are those of the scores, or 1.
  void beside(const AttentionExtents& e, uint32_t k, DType type, const char* role) const {
    const Shape scores = e.of({e.heads, e.queries, e.keys});
    bool fits = args.operands[k].dtype == type && shape(k).size() == scores.size();
    for (size_t d = 0; fits && d < scores.size(); ++d) fits = shape(k)[d] == 1 || shape(k)[d] == scores[d];
    TENON_REQUIRE(fits, std::string(role) + " is " + text(k) + ", and does not stretch to the scores, " +
                            to_string(Type{type, scores}, &args.symbols));
  }
};

}  // namespace

std::vector<Type> infer_attention(const InferArgs& args) {
  const Rule rule{args, Op::attention};
  const AttentionExtents e = rule.check();
  const DType type = args.operands[0].dtype;
  return {{type, e.of({e.heads, e.queries, e.width})}, {attention_sums(type), e.of({e.heads, e.queries})}};
}

std::vector<Type> infer_attention_tangent(const InferArgs& args) {
  const Rule rule{args, Op::attention_tangent};
  const AttentionExtents e = rule.check();
  static constexpr const char* roles[] = {"the tangent of q", "the tangent of k", "the tangent of v"};
  for (uint32_t k = 0; k < 3; ++k) rule.exactly(k, args.operands[rule.at.q + k], roles[k]);
  const DType sums = attention_sums(args.operands[rule.at.q].dtype);
  return {{sums, e.of({e.heads, e.queries, e.width})}, {sums, e.of({e.heads, e.queries})}};
}

std::vector<Type> infer_attention_gradient(const InferArgs& args) {
  const Rule rule{args, Op::attention_gradient};
  const AttentionExtents e = rule.check();
  const DType sums = attention_sums(args.operands[rule.at.q].dtype);
  rule.exactly(0, {sums, e.of({e.heads, e.queries, e.width})}, "the cotangent");
  rule.exactly(1, {sums, e.of({e.heads, e.queries})}, "what is taken off each row");
  return {args.operands[rule.at.q], args.operands[rule.at.k], args.operands[rule.at.v]};
}

}  // namespace tenon::ir::rules
