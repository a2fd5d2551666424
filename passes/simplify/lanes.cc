// Takes the lanes off checks and prints.
//   check(mask, x: bool[8])                 ->  check(reduce_and(x | ~mask))
//   print(mask, x: f32[8, 3]) {lanes = 1}   ->  scan over mask and x of: cond mask { print x: f32[3] }
// Refuses nothing: what the rows take has been checked by their type rules. Recursion follows the lane axes.
#include "tenon/passes/simplify/lanes.h"

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/graph/loops.h"

namespace tenon::passes {

using namespace ir;

namespace {

void check_lanes(GraphBuilder& b, const Check& check, std::span<const ValueId> operands) {
  Value holds{&b, operands.back()};
  for (Dim d : holds.shape())
    if (d == 0) return;
  if (check.masked) holds = bit_or(holds, bit_not(Value{&b, operands.front()}));
  std::vector<int64_t> axes;
  for (int d = 0; d < holds.shape().rank(); ++d) axes.push_back(d);
  if (!axes.empty()) holds = reduce(Op::reduce_and, holds, std::move(axes));
  b.add(Op::check, {holds.id}, CheckAttrs{.message = check.message, .place = check.place});
}

// A print of `lanes` axes of lanes in a graph, the mask first if there is one.
struct Lanes {
  const std::string& format;
  int64_t axes;
  bool masked;
};

void print_lanes(GraphBuilder& b, const Lanes& print, std::span<const ValueId> operands);

// The graph whose inputs are the operands, one lane axis less where `sliced`, and which prints them.
std::shared_ptr<const Graph> printing(const GraphBuilder& around, const Lanes& print, std::span<const ValueId> operands,
                                      bool sliced) {
  GraphBuilder body("print", around.graph().symbols);
  body.set_location(around.location());
  std::vector<ValueId> inputs;
  for (ValueId v : operands) {
    Type type = around.type(v);
    if (sliced) type.shape.erase(0);
    inputs.push_back(body.input(type));
  }
  print_lanes(body, print, inputs);
  return body.finish({});
}

void print_lanes(GraphBuilder& b, const Lanes& print, std::span<const ValueId> operands) {
  if (print.axes > 0) {
    const Dim length = b.type(operands[0]).shape[0];
    b.add(Op::scan, operands,
          ScanAttrs{.body = printing(b, {print.format, print.axes - 1, print.masked}, operands, true),
                    .length = length,
                    .counts = counts_of(Loop{})});
  } else if (print.masked) {
    const auto printed = operands.subspan(1);
    GraphBuilder silent("silent", b.graph().symbols);
    for (ValueId v : printed) silent.input(b.type(v));
    b.add(Op::cond, operands,
          CondAttrs{.then = printing(b, {print.format, 0, false}, printed, false), .otherwise = silent.finish({})});
  } else {
    b.add(Op::print, operands, PrintAttrs{.format = print.format});
  }
}

}  // namespace

void lane_by_lane(Rebuild& to, const Node& node) {
  const auto operands = to.operands(node);
  if (node.op == Op::check) return check_lanes(to.builder, Check(to.from, node), operands);
  const Print print(to.from, node);
  print_lanes(to.builder, {print.format, print.lanes, print.masked}, operands);
}

}  // namespace tenon::passes
