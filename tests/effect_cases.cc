// Cases of checks that hold and of prints: what they say is tested where it can be seen (tests/effects_test.cc); here the values
// around them are compared. Lanes and masks included, and bodies of loops.
#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/case_builder.h"

namespace tenon::testing {

using namespace ir;

namespace {

using Values = std::vector<Value>;

// A bool that holds, computed from one that may not.
Value truth(Value x) { return bit_or(x, bit_not(x)); }

void check_cases(CaseBuilder& c, Random& random) {
  for (const auto& shape : std::vector<std::vector<int64_t>>{{}, {5}, {2, 3}, {0, 4}, {700}}) {
    const Type type = type_of(DType::boolean, shape);
    const Value x = c.input(random_array(type, random)), mask = c.input(random_array(type, random));
    apply(c.builder, Op::check, Values{truth(x)}, CheckAttrs{.message = "it holds", .place = "here.cc:1:2"});
    apply(c.builder, Op::check, Values{mask, bit_or(x, mask)},
          CheckAttrs{.message = "it holds where it is asked", .masked = true});
    c.output(bit_xor(x, mask));
  }
}

void print_cases(CaseBuilder& c, DType t, Random& random) {
  const Value x = c.input(random_array(type_of(t, {2, 3}), random));
  const Value y = c.input(random_array(type_of(t, {2}), random));
  const Value mask = c.input(random_array(type_of(DType::boolean, {2}), random));
  apply(c.builder, Op::print, Values{x, y}, PrintAttrs{.format = "{{{}}} and {}"});
  apply(c.builder, Op::print, Values{mask, x, y}, PrintAttrs{.format = "lane: {} {}", .lanes = 1, .masked = true});
  apply(c.builder, Op::print, Values{}, PrintAttrs{.format = "nothing"});
  c.outputs({transpose(x, {1, 0}), y});
}

// Runs over the rows of xs, printing each that is asked for.
void scan_case(CaseBuilder& c, DType t, Random& random) {
  const Type row = type_of(t, {2}), flag = type_of(DType::boolean, {});
  GraphBuilder body("body", c.builder.graph().symbols);
  const Value x{&body, body.input(row)}, asked{&body, body.input(flag)};
  apply(body, Op::check, Values{truth(asked)}, CheckAttrs{.message = "every row"});
  apply(body, Op::print, Values{asked, x}, PrintAttrs{.format = "row {}", .masked = true});
  const Attr graph = Attr::of(body.finish(std::vector<ValueId>{x.id}));
  const Value xs = c.input(random_array(type_of(t, {3, 2}), random));
  const Value mask = c.input(random_array(type_of(DType::boolean, {3}), random));
  c.outputs(apply(
      c.builder, Op::scan, Values{xs, mask},
      {graph, Attr::of(std::vector<Dim>{3}), Attr::of(std::vector<int64_t>{0, 0}), Attr::of(std::vector<int64_t>{0})}));
}

}  // namespace

void effect_cases(Op op, DType t, std::vector<Case>& cases) {
  Random random(static_cast<uint64_t>(op) * 64 + static_cast<uint64_t>(t));
  CaseBuilder c(std::string(def(op).name) + " " + std::string(name(t)));
  if (op == Op::check)
    check_cases(c, random);
  else
    print_cases(c, t, random);
  scan_case(c, t, random);
  cases.push_back(c.finish());
}

}  // namespace tenon::testing
