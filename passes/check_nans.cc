// Puts a check behind every op that may make a NaN.
//   %1 = log %0      ->      %1 = log %0   %2 = ne %1, %1   %3 = reduce_or %2   (the same of %0)   check(~%3 | %4)
// What reaches no result is searched, too, as it is where every op runs at once. Refuses to blame literals and inputs, which hold
// what they held. Recursion follows nesting.
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

class Hunt {
 public:
  explicit Hunt(const Graph& graph) : to_(graph), has_nan_(graph.value_count()) {
    to_.builder.folding = to_.builder.merging = false;
  }

  GraphPtr run() {
    return to_.sweep([&](const Node& node) {
      if (def(node.op).family != Family::control) {
        to_.copy(node);
        return check(node);
      }
      Attrs attrs = to_.from.attrs(node);
      for (Attr& attr : attrs)
        if (attr.graph) attr.graph = check_nans(*attr.graph);
      to_.set_all(node, to_.builder.add(node.op, to_.operands(node), std::move(attrs)));
    });
  }

 private:
  bool is_asked(ValueId v) const {
    const Type& type = to_.from.type(v);
    bool empty = false;
    for (Dim d : type.shape) empty = empty || d == 0;
    return is_continuous(type.dtype) && !empty;
  }

  // Whether a value of the old graph has a NaN anywhere, as a bool of the new one.
  Value any(ValueId v) {
    Value& known = has_nan_[index(v)];
    if (known) return known;
    const Value x{&to_.builder, to_.values[index(v)]};
    const auto nan = [](Value part) { return ne(part, part); };
    known = is_complex(x.dtype()) ? bit_or(nan(real(x)), nan(imag(x))) : nan(x);
    std::vector<int64_t> axes;
    for (int d = 0; d < x.shape().rank(); ++d) axes.push_back(d);
    if (!axes.empty()) known = reduce(Op::reduce_or, known, std::move(axes));
    return known;
  }

  void check(const Node& node) {
    const OpDef& row = def(node.op);
    if (row.family == Family::source || row.same) return;
    Value made, had;
    const auto either = [](Value& sum, Value more) { sum = sum ? bit_or(sum, more) : more; };
    for (uint32_t r = 0; r < node.result_count; ++r)
      if (const ValueId v = to_.from.result(node, r); is_asked(v)) either(made, any(v));
    if (!made) return;
    for (ValueId v : to_.from.operands(node))
      if (is_asked(v)) either(had, any(v));
    Value holds = bit_not(made);
    if (had) holds = bit_or(holds, had);
    const Location& where = to_.from.location(node);
    to_.builder.add(
        Op::check, {holds.id},
        CheckAttrs{.message = std::string(row.name) + " made a NaN" + (had ? " of operands without one" : ""),
                   .place = where.known() ? to_string(where) : ""});
  }

  Rebuild to_;
  std::vector<Value> has_nan_;
};

}  // namespace

GraphPtr check_nans(const Graph& graph) { return Hunt(graph).run(); }

}  // namespace tenon::passes
