// Cases of ops over ranks in a world of one, on every route: what they do with several is in tests/dist_test.cc. Inside a loop too.
#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/case_builder.h"

namespace tenon::testing {

using namespace ir;

namespace {

using Values = std::vector<Value>;

Attrs alone(Op op, size_t rank) {
  if (op == Op::constrain) {
    std::vector<int64_t> axes(rank, -1);
    if (rank > 0) axes.back() = 1;
    return ConstrainAttrs{.sizes = {1, 1}, .axes = axes, .names = "data,model", .place = "here.cc:1:2"};
  }
  if (op == Op::in_turn) return InTurnAttrs{.turn = 3};
  if (op == Op::rank_index) return RankIndexAttrs{.size = 1, .stride = 1};
  std::vector<int64_t> numbers;
  if (op == Op::collective_broadcast) numbers = {0};
  if (op == Op::collective_permute) numbers = {0, 0};
  if (op == Op::exchange) numbers = {0, 0, 1};
  return CollectiveAttrs{.size = 1, .stride = 1, .place = "here.cc:1:2", .numbers = numbers};
}

// With an axis for the ranks in front where the op wants one.
Values asked(GraphBuilder& b, Op op, Value x) {
  const bool blocks = op == Op::reduce_scatter || op == Op::all_to_all || op == Op::rank_slice;
  if (def(op).arity == 0) return apply(b, op, {}, alone(op, 0));
  Shape shape = x.shape();
  if (blocks) shape.insert(0, Dim(1));
  const Value given = blocks ? reshape(x, shape) : x;
  return apply(b, op, {&given, 1}, alone(op, given.shape().size()));
}

}  // namespace

void ranks_cases(Op op, DType t, std::vector<Case>& cases) {
  if (def(op).arity == 0 && t != DType::f32) return;
  Random random(static_cast<uint64_t>(op) * 64 + static_cast<uint64_t>(t));
  CaseBuilder c(std::string(def(op).name) + " " + std::string(name(t)));
  for (const auto& shape : std::vector<std::vector<int64_t>>{{}, {5}, {2, 3}, {0, 4}, {700}}) {
    const Value x = c.input(random_array(type_of(t, shape), random));
    c.outputs(asked(c.builder, op, x));
    c.output(x);
  }
  const Type row = type_of(t, {2});
  GraphBuilder body("body", c.builder.graph().symbols);
  const Value x{&body, body.input(row)};
  Values made = asked(body, op, x);
  made.push_back(x);
  std::vector<ValueId> outputs;
  for (const Value& v : made) outputs.push_back(v.id);
  const Value xs = c.input(random_array(type_of(t, {3, 2}), random));
  c.outputs(apply(c.builder, Op::scan, Values{xs},
                  {Attr::of(body.finish(outputs)), Attr::of(std::vector<Dim>{3}), Attr::of(std::vector<int64_t>{0, 0}),
                   Attr::of(std::vector<int64_t>{0})}));
  cases.push_back(c.finish());
}

}  // namespace tenon::testing
