// The op table as data: every row of ir/ops.def with its columns filled in, and the checks that no row is incomplete, made
// by the compiler. A row that lacks a column does not build; the error names the row (Complete<Op::name>) and the column.
#include <array>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/math/math.h"
#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/rules.h"

namespace tenon::ir {

namespace {

// Which columns a row has. Kept beside the row, since a compiler need not know whether a function's address is null (GCC does
// not under sanitizers).
struct Given {
  bool given = false;
  constexpr Given() = default;
  template <class Function>
  constexpr Given(Function&&) : given(true) {}  // NOLINT: any function will do
};
struct Columns {
  Op op{};
  Family family = Family::elementwise;
  int arity = 0;
  DTypeSet dtypes = all_types;
  std::span<const AttrSpec> attrs = {};
  Reads reads = Reads::none;
  bool whole = false;
  Given axes = {};
  Asks asks = Asks::none;
  bool same = false;
  Given infer = {}, eval = {};
  bool expand = false;
  int cost = 1;
  float ulp = -1;
  int partials = 0;
  bool flat = false;
  uint8_t linear = 0;
  Given transpose = {}, jvp = {};
  bool widens = false;
  Again again = Again::kept;
  Given lower = {}, nest = {}, orders = {};
  Op combine{};
  Identity identity = Identity::none;
  bool positional = false;
  bool commutes = false;
  bool inlined = false;
  bool effect = false;
  bool fence = false;
  bool unnamed = false;
  Domain domain = Domain::any;
  Given batch = {}, factors = {};
  float wide_ulp = 0;
};

#define TENON_NUMBER_OF(a, b, c, number, ...) number
#define EXPAND(...) .expand = true
#define PARTIALS(...) .partials = TENON_NUMBER_OF(__VA_ARGS__, 3, 2, 1, 0)
constexpr std::array<Columns, op_count> columns = {{
#define TENON_OP(op_name, op_family, op_arity, ...) \
  Columns{.op = Op::op_name, .family = Family::op_family, .arity = op_arity, __VA_ARGS__},
#include "tenon/ir/ops.def"
}};
#undef EXPAND
#undef PARTIALS

// ---- completeness ------------------------------------------------------------------------------------------------

// Rows up to bitcast are exact: the interpreter and the renderers spell them. Every later elementwise row is an expansion.
constexpr bool is_exact(const Columns& row) { return row.op <= Op::bitcast; }

constexpr bool has_derivative(const Columns& row) {
  return row.flat || row.jvp.given || row.partials > 0 || (row.linear != 0 && row.transpose.given);
}

constexpr bool has_lowering(const Columns& row) {
  // Elementwise rows are scalar instructions; reductions, dot products and control flow have drivers in passes/lower.
  return row.family == Family::elementwise || row.family == Family::control || row.family == Family::effect ||
         row.family == Family::ranks || row.family == Family::transform || row.op == Op::dot_general ||
         row.combine != Op{} || row.lower.given || row.nest.given;
}

// Rows that find elements and are no views.
constexpr bool asks_for_elements(const Columns& row) {
  return row.lower.given && row.arity != 0 && !(row.whole && row.reads != Reads::operands);
}

template <Op op>
struct Complete {
  static constexpr const Columns& row = columns[static_cast<size_t>(op)];
  static constexpr bool elementwise = row.family == Family::elementwise;
  static_assert(row.op == op, "op table: rows out of order");
  static_assert(elementwise || row.infer.given, "op row without column infer: give .infer, the type rule");
  static_assert(!elementwise || is_exact(row) || row.expand,
                "op row without column expand: give EXPAND, the meaning in exact scalar ops");
  static_assert(!row.expand || row.ulp >= 0,
                "op row without column ulp: give .ulp, the bound on the error of its expansion");
  static_assert(elementwise || row.eval.given,
                "op row without column eval: give .eval, the reference meaning over whole arrays");
  static_assert(has_derivative(row),
                "op row without a derivative: give .flat, PARTIALS, .jvp or .linear and .transpose");
  static_assert(row.partials == 0 || row.partials == row.arity,
                "op row without a derivative: PARTIALS takes one expression per operand");
  static_assert(row.linear == 0 || row.transpose.given,
                "op row without column transpose: a row with .linear needs .transpose");
  static_assert((row.family != Family::movement && row.family != Family::source) || row.reads != Reads::none,
                "op row without column reads: say where a moved element is found");
  static_assert(row.reads != Reads::index || row.axes.given,
                "op row without column axes: a read by the index needs .axes, which axis reads which");
  static_assert(!asks_for_elements(row) || row.asks != Asks::none,
                "op row without column asks: say how often an element of an operand is asked for");
  static_assert(row.family != Family::random || row.cost > 1,
                "op row without column cost: no expansion counts the operations of random bits");
  static_assert(!row.fence || row.same, "op row without column same: a fence gives its operands on");
  static_assert(elementwise || row.batch.given, "op row without column batch: give .batch, the op over many lanes");
  static_assert((row.family != Family::movement && row.family != Family::reduction &&
                 row.family != Family::contraction && row.family != Family::indexing && row.family != Family::matrix) ||
                    row.factors.given || row.axes.given || row.combine != Op{},
                "op row without column factors: say which dimensions ranks may share out");
  static_assert(has_lowering(row), "op row without a lowering: give .lower or .nest");
  static_assert(!row.orders.given || row.nest.given, "op row without column nest: a row with .orders needs .nest");
  static_assert(row.combine == Op{} || columns[static_cast<size_t>(row.combine)].identity != Identity::none,
                "op row without column identity: the op that a reduction combines with needs .identity");
};

#define TENON_OP(name, ...) template struct Complete<Op::name>;
#include "tenon/ir/ops.def"

// ---- the table ---------------------------------------------------------------------------------------------------

// Operand i, or the last one: a lambda may name operands that its row does not have.
template <class T>
const T& operand(std::span<const T> operands, size_t i) {
  return operands[i < operands.size() ? i : operands.size() - 1];
}

#define TENON_OPERANDS(operands)                         \
  [[maybe_unused]] const auto& x = operand(operands, 0); \
  [[maybe_unused]] const auto& y = operand(operands, 1); \
  [[maybe_unused]] const auto& z = operand(operands, 2);

// The expansion of an elementwise op, once over the interpreter's lanes and once over a kernel's scalars.
#define EXPAND(...)                                    \
  .expand = {[](std::span<const Lanes> o) -> Lanes {   \
               TENON_OPERANDS(o)                       \
               return __VA_ARGS__;                     \
             },                                        \
             [](std::span<const Scalar> o) -> Scalar { \
               TENON_OPERANDS(o)                       \
               return __VA_ARGS__;                     \
             }}

// Partial derivatives, one per operand, as functions of the operands and the result r.
#define TENON_PARTIAL(expression)                  \
  [](const PartialArgs& args) -> Value {           \
    TENON_OPERANDS(args.operands)                  \
    [[maybe_unused]] const Value& r = args.result; \
    return expression;                             \
  }
#define TENON_PARTIALS_1(a) TENON_PARTIAL(a)
#define TENON_PARTIALS_2(a, b) TENON_PARTIAL(a), TENON_PARTIAL(b)
#define TENON_PARTIALS_3(a, b, c) TENON_PARTIAL(a), TENON_PARTIAL(b), TENON_PARTIAL(c)
#define TENON_PARTIALS_OF(a, b, c, name, ...) name
#define PARTIALS(...) \
  .partials = {       \
      TENON_PARTIALS_OF(__VA_ARGS__, TENON_PARTIALS_3, TENON_PARTIALS_2, TENON_PARTIALS_1, unused)(__VA_ARGS__)}

// Elementwise rows say nothing about types when operands and result agree, nor about lanes, which are elements. Which indices ranks may
// share out follows from other columns where it can.
constexpr OpDef completed(OpDef row) {
  if (row.family == Family::elementwise) row.batch = rules::batch_elementwise;
  if (row.family == Family::elementwise && !columns[static_cast<size_t>(row.op)].infer.given)
    row.infer = rules::infer_same;
  if (columns[static_cast<size_t>(row.op)].factors.given) return row;
  if (row.family == Family::elementwise) row.factors = rules::factors_alike;
  if (columns[static_cast<size_t>(row.op)].axes.given) row.factors = rules::factors_of_axes;
  if (row.combine != Op{}) row.factors = rules::factors_reduce;
  return row;
}

constexpr std::array<OpDef, op_count> table = {{
#define TENON_OP(op_name, op_family, op_arity, ...) \
  completed(OpDef{.op = Op::op_name, .name = #op_name, .family = Family::op_family, .arity = op_arity, __VA_ARGS__}),
#include "tenon/ir/ops.def"
}};

}  // namespace

const OpDef& def(Op op) { return table[static_cast<size_t>(op)]; }

const OpDef* find_op(std::string_view name) {
  for (const OpDef& row : table)
    if (name == row.name) return &row;
  return nullptr;
}

std::span<const OpDef> op_table() { return table; }

}  // namespace tenon::ir
