// Cases of attention and of what its derivatives are made of: lengths around tiles, runs and blocks, few queries, heads that share keys, masks and
// biases that stretch, rows that no key takes part in, what is not finite, and dropout by keys of several lanes.
#include "tenon/tests/case_builder.h"

namespace tenon::testing {

using namespace ir;

namespace {

using Sizes = std::vector<int64_t>;

struct Sides {
  Sizes batch;
  int64_t heads, key_heads, queries, keys, depth, width;
  Sizes mask = {}, bias = {};  // extents, in front of which `batch` and heads are 1 where they are missing
  bool causal = false, special = false;
  double dropout = 0;
  Sizes key = {};  // its lanes
};
const Sides sides[] = {
    {{}, 1, 1, 1, 1, 1, 1},
    {{}, 1, 1, 5, 7, 3, 2},
    {{2}, 2, 2, 17, 33, 16, 16, {}, {}, true},
    {{2}, 4, 2, 18, 20, 19, 17},
    {{}, 2, 1, 70, 150, 3, 2},
    {{}, 1, 1, 129, 131, 2, 3, {}, {}, true},
    {{}, 1, 1, 200, 64, 2, 2, {}, {}, true},
    {{}, 1, 1, 64, 256, 2, 3},
    {{2}, 4, 2, 1, 150, 33, 20},
    {{}, 2, 1, 3, 135, 40, 5, {3, 135}, {1, 135}, true},
    {{}, 8, 1, 1, 20, 32, 3, {}, {}, false, true, 0.4},
    {{}, 3, 1, 20, 40, 5, 6, {20, 40}, {1, 40}},
    {{2}, 2, 2, 66, 20, 5, 6, {1, 20}, {66, 20}, true},
    {{0}, 1, 1, 3, 3, 2, 2},
    {{}, 1, 1, 0, 3, 2, 2},
    {{}, 1, 1, 3, 0, 2, 2},
    {{}, 1, 1, 3, 4, 0, 2},
    {{}, 1, 1, 3, 4, 2, 0},
    {{}, 2, 2, 9, 18, 3, 3, {9, 18}, {}, false, true},
    {{}, 1, 1, 6, 5, 3, 3, {}, {6, 5}, true, true},
    {{2}, 4, 2, 17, 12, 3, 4, {}, {}, true, false, 0.3},
    {{2, 3}, 1, 1, 5, 131, 3, 2, {}, {}, false, false, 0.5, {2}},
    {{2, 2}, 2, 1, 66, 7, 2, 3, {66, 7}, {1, 7}, false, false, 0.9, {1, 2}},
};

struct Inputs {
  CaseBuilder& c;
  const Sides& s;
  DType t;
  Random& random;

  Value drawn(DType type, Sizes behind, bool special = false) {
    Sizes shape = s.batch;
    shape.insert(shape.end(), behind.begin(), behind.end());
    const Type full = type_of(type, std::move(shape));
    return c.input(special ? special_array(full, random, Domain::unit, 1) : random_array(full, random, Domain::unit));
  }
  Value stretching(DType type, Sizes behind) {
    Sizes shape(s.batch.size() + 1, 1);
    shape.insert(shape.end(), behind.begin(), behind.end());
    return c.input(random_array(type_of(type, std::move(shape)), random, Domain::unit));
  }

  void give(Op op) {
    const DType sum = is_half(t) ? DType::f32 : t;
    const Sizes q{s.heads, s.queries, s.depth}, k{s.key_heads, s.keys, s.depth}, v{s.key_heads, s.keys, s.width};
    std::vector<Value> operands;
    if (op == Op::attention_tangent) operands = {drawn(t, q), drawn(t, k), drawn(t, v)};
    if (op == Op::attention_gradient)
      operands = {drawn(sum, {s.heads, s.queries, s.width}), drawn(sum, {s.heads, s.queries})};
    operands.push_back(drawn(t, q, s.special)), operands.push_back(drawn(t, k, s.special));
    operands.push_back(drawn(t, v));
    if (op != Op::attention) operands.push_back(drawn(sum, {s.heads, s.queries}, s.special));
    if (!s.mask.empty()) operands.push_back(stretching(DType::boolean, s.mask));
    if (!s.bias.empty()) operands.push_back(stretching(t, s.bias));
    if (s.dropout != 0) {
      Sizes key = s.key;
      key.push_back(2);
      operands.push_back(c.input(random_array(type_of(DType::u32, std::move(key)), random, Domain::unit)));
    }
    c.outputs(apply(c.builder, op, operands,
                    AttentionAttrs{.scale = 0.3,
                                   .causal = s.causal,
                                   .masked = !s.mask.empty(),
                                   .biased = !s.bias.empty(),
                                   .dropout = s.dropout}));
  }
};

}  // namespace

void attention_cases(Op op, DType t, std::vector<Case>& cases) {
  Random random(static_cast<uint64_t>(op) * 64 + static_cast<uint64_t>(t));
  for (const Sides& s : sides) {
    CaseBuilder c(std::string(def(op).name) + " " + std::string(name(t)) + " " + std::to_string(s.queries) + " x " +
                  std::to_string(s.keys));
    Inputs{c, s, t, random}.give(op);
    cases.push_back(c.finish());
  }
}

}  // namespace tenon::testing
