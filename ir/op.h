// The op table: an op is one row of ir/ops.def, and everything countable about it derives from that row: the enum, the
// builder function, the printer's and parser's names, the type rule, the meaning, the derivative, the lowering, the tests.
// This header says what a row holds. It refuses to list ops anywhere else.
//
// Semantics shared by all rows (the contract on numbers, docs/numbers.md):
//   integers wrap; x / 0 is 0 and x rem 0 is x; INT_MIN / -1 is INT_MIN; division truncates; shifts by the width or more
//   (or by a negative count) give 0, or the sign for an arithmetic right shift; float to int truncates, saturates, NaN is 0;
//   min and max propagate NaN and order -0 below +0; indices clamp on reading, drop on writing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/dtype.h"
#include "tenon/ir/base/symbols.h"

namespace tenon::ir {

class Graph;
class GraphBuilder;
struct Value;  // a value under construction in a GraphBuilder (ir/graph/build.h)
struct Scalar;  // a scalar under construction in a KernelBuilder (ir/kernel/scalar.h)
struct Lanes;  // an array of scalars of one dtype in the interpreter (ir/reference/lanes.h)
struct Array;  // a whole tensor in the interpreter (ir/reference/array.h)
struct Node;
struct Attr;
class Lowering;  // the context in which a row lowers itself (ir/kernel/lowering.h)

enum class Op : uint16_t {
#define TENON_OP(name, ...) name,
#include "tenon/ir/ops.def"
};
inline constexpr int op_count = 0
#define TENON_OP(name, ...) +1
#include "tenon/ir/ops.def"
    ;

enum class Family : uint8_t {
  elementwise,
  source,
  movement,
  reduction,
  contraction,
  indexing,
  random,
  control,
  transform,  // what transforms answer: an axis of lanes by its name, a rule that a caller gave
  ranks,  // what the ranks of a group do together
  effect,
  matrix  // decompositions and systems of the matrices in the last two axes
};

enum class AttrKind : uint8_t { none, integers, dims, dtype, literal, text, graph };

// One attribute value. Only the member that its kind names is used.
struct Attr {
  AttrKind kind = AttrKind::none;
  DType dtype = DType::f32;
  std::vector<int64_t> integers;  // axes, permutations, strides, flags
  std::vector<Dim> dims;  // shapes, sizes, offsets: may be symbolic
  std::string text;  // text, or the raw bytes of a literal
  std::shared_ptr<const Graph> graph;
  bool operator==(const Attr& other) const;  // graphs compare by structure
  static Attr of(std::vector<int64_t> values);
  static Attr of(std::vector<Dim> values);
  static Attr of(DType value);
  static Attr of(std::shared_ptr<const Graph> value);
  static Attr text_of(std::string value);
  static Attr literal_of(std::string raw_bytes);
};
using Attrs = std::vector<Attr>;  // in the order of the row's schema; read and made by name (ir/graph/attributes.h)

// How many entries a list has; a flag is one, 0 or 1. An option is one, 0 unless a node says another: text leaves a 0 out, and
// so may who builds a node.
enum class AttrCount : uint8_t { any, one, flag, option };

struct AttrSpec {
  const char* name = nullptr;
  AttrKind kind = AttrKind::none;
  AttrCount count = AttrCount::any;
};

// A tensor type: element type and extents.
struct Type {
  DType dtype = DType::f32;
  Shape shape;
  bool operator==(const Type&) const = default;
};
std::string to_string(const Type& type, const Symbols* symbols = nullptr);  // f32[64, n]

// ---- columns ------------------------------------------------------------------------------------------------------

struct InferArgs {
  std::span<const Type> operands;
  const Attrs& attrs;
  Symbols& symbols;
};
// Result types; throws Error with a message without a place (the builder adds op, operand types and place).
using InferFn = std::vector<Type> (*)(const InferArgs&);

// Reference meaning of an op that is not elementwise, over whole arrays (interpreter, folding).
struct EvalArgs {
  std::span<const Array* const> operands;
  const Attrs& attrs;
  std::span<const Type> results;  // static shapes
  Op op{};
  // For rows that run sub-graphs: the values of the symbols of the graph that the op stands in, by index.
  const Symbols* symbols = nullptr;
  std::span<const int64_t> symbol_values = {};
};
using EvalFn = std::vector<Array> (*)(const EvalArgs&);

// Meaning of an elementwise op as an expansion into exact scalar ops; the two instantiations of one template: for the
// interpreter and for kernels. Rows without one are exact: both sides spell them.
using ExpandLanes = Lanes (*)(std::span<const Lanes>);
using ExpandScalar = Scalar (*)(std::span<const Scalar>);
struct Expansion {
  ExpandLanes lanes = nullptr;
  ExpandScalar scalar = nullptr;
};

// The partial derivative of an elementwise op by one operand, built in the graph from operands and result.
struct PartialArgs {
  std::span<const Value> operands;
  Value& result;
};
using PartialFn = Value (*)(const PartialArgs&);

// How a rule differentiates the sub-graphs of its node; the drivers in passes/ supply both.
struct SubgraphJvp {
  std::shared_ptr<const Graph> graph;  // primals..., tangents of the active inputs... -> results..., their tangents...
  std::vector<bool> output_has_tangent;
};
// wanted[o]: whether the tangent of output o is; one that is not may be absent.
using SubgraphJvpFn = SubgraphJvp (*)(const Graph& graph, const std::vector<bool>& active,
                                      const std::vector<bool>& wanted);
// inputs that are not linear..., cotangents that arrive... -> cotangents of the linear inputs, zeros where none is.
using SubgraphTransposeFn = std::shared_ptr<const Graph> (*)(const Graph& graph, const std::vector<bool>& linear_inputs,
                                                             const std::vector<bool>& has_cotangent);

// Tangents of an op: absent tangents are structural (null ids), never zeros. Returns one tangent per result, absent ones
// too. A control-flow row computes results and tangents in one op: it gets no results, and returns them after the tangents.
struct JvpArgs {
  GraphBuilder& builder;
  Op op;
  const Attrs& attrs;
  std::span<const Value> primals;
  std::span<const Value> results;  // of the op itself, already built
  std::span<const Value> tangents;  // id none where absent
  SubgraphJvpFn subgraph = nullptr;
  // Of a control-flow row: the results whose tangents are wanted; of a loop also those that they need from iteration to
  // iteration. Tangents of operands that serve none of them are absent.
  const std::vector<bool>& wanted = {};
};
using JvpFn = std::vector<Value> (*)(const JvpArgs&);

// Cotangents of the linear operands of an op, from those of its results. `linear[i]` says which operands are linear here
// (at most one factor of a product is). Cotangents of the others are ignored and may be absent.
struct TransposeArgs {
  GraphBuilder& builder;
  Op op;
  const Attrs& attrs;
  std::span<const Value> operands;  // absent where linear
  std::span<const Type> operand_types;
  std::span<const bool> linear;
  std::span<const Value> cotangents;  // of the results, absent where none arrived
  SubgraphTransposeFn subgraph = nullptr;
};
using TransposeFn = std::vector<Value> (*)(const TransposeArgs&);

// What every rule of one batching knows: a function of one lane becomes one over `size` lanes.
struct Batching {
  Dim size;  // how many lanes
  std::string_view axis = {};  // what the function calls them in axis_sum and its kind; empty: nothing
  bool exact = false;  // a lane computes nothing on what a branch that it did not enter would see
};
// inputs (after the mask, where `masked`) -> outputs; those that are batched have the lanes in front.
struct SubgraphBatch {
  std::shared_ptr<const Graph> graph;
  std::vector<bool> output_is_batched;
};
// forced[o]: output o must be batched. masked: the graph's first input says which lanes take part, bool[size].
using SubgraphBatchFn = SubgraphBatch (*)(const Graph& graph, const Batching& batching,
                                          const std::vector<bool>& batched, const std::vector<bool>& forced,
                                          bool masked);

// An op over all lanes at once, from operands of which some have the lanes in front.
struct BatchArgs {
  GraphBuilder& builder;
  Op op;
  const Attrs& attrs;
  std::span<const Value> operands;
  const std::vector<bool>& batched;  // per operand
  const Batching& batching;
  const Value& mask;  // bool[size]: which lanes take part; a null id where all do
  SubgraphBatchFn subgraph = nullptr;
};
struct BatchResults {
  std::vector<Value> values;
  std::vector<bool> batched = {};  // empty: all of them
};
using BatchFn = BatchResults (*)(const BatchArgs&);

// Lowers one result element: the scalar at `index` (one i64 scalar per axis of the result), by asking the context for
// operand elements. Rows that need a loop nest of their own have .nest instead.
using LowerFn = Scalar (*)(Lowering&, const Node&, std::span<const Scalar> index);
// Builds the whole kernel body of one node alone: loops, loads, stores.
using NestFn = void (*)(Lowering&, const Node&);

// For a row with loops of its own and one result: how the axes of each operand, and of the result, would lie in memory, slowest first,
// if the transposition beside it were left out; empty where none stands there. The row empties those that its loops should not meet.
using OrdersFn = void (*)(const Graph&, const Node&, std::vector<std::vector<int64_t>>& orders);

// Where the elements of a movement's or a source's result come from.
enum class Reads : uint8_t {
  none,  // they are computed
  index,  // found by the index alone
  number,  // found by the element's number in row-major order
  operands,  // found where other operands say
};

// A read by the index, axis by axis; its tensors are read alike, its scalars have no axes.
struct AxisMap {
  std::vector<int> result_axis;  // per axis of an operand: the axis of the result whose index reads it
  std::vector<char> moved;  // per axis of the result: whether its index is shifted, stretched or turned on the way
};
using AxisMapFn = AxisMap (*)(const Graph&, const Node&);

// The indices that an op runs over, and which dimension of which operand and result each of them runs along: what decides whether
// ranks can share the op's work. An index that all ranks share out gives parts of results; one that no result has is reduced over,
// and the parts' results are joined. Dimensions without an index are taken and given whole.
struct Factor {
  int64_t extent = 0;  // parts must divide it; 0: it cannot be cut
  std::optional<Op> joins =
      {};  // the collective over what ranks have of the results; none: results run along the index
};
struct Factors {
  std::vector<Factor> all;
  std::vector<std::vector<int>> operands, results;  // for each dimension the index, -1: none
  bool apart = false;  // each operand becomes a result of its own; else an axis cuts one index of the op at most
};
using FactorsFn = Factors (*)(const Graph&, const Node&);
Factors factors_of(const Graph& graph, const Node& node);  // by its row

// What leaves the other operand of a combining op as it is. Zero is -0 where there is one.
enum class Identity : uint8_t { none, zero, one, lowest, highest, ones };

// What a row that finds elements, and is no view, asks of its operands: whether fusion may compute them where it reads them.
enum class Asks : uint8_t {
  none,  // it asks for nothing, or is a view: what reads a view reads through it
  more,  // an element may be asked for again and again
  result,  // one element of operand 0 for each of the result
  own,  // only the elements that operand 0 has, each once
};

// What a backward pass does with a value that it reads: keeps it, or computes it again because that is cheaper.
enum class Again : uint8_t {
  kept,
  always,
  widened,  // computed again from operands that take fewer bytes than the result
  repeated,  // computed again when what it moves repeats one element
};

enum class Domain : uint8_t {
  any,
  positive,
  unit,
  above_minus_one,
  at_least_one,
  nonzero,
  small_count,
  moderate,
  probability
};

struct OpDef {
  Op op{};
  const char* name = nullptr;
  Family family = Family::elementwise;
  int arity = 0;  // -1: any number
  DTypeSet dtypes = all_types;  // allowed for the first (data) operand
  std::span<const AttrSpec> attrs = {};  // a schema of ir/graph/attributes.h
  Reads reads = Reads::none;  // of a movement or a source
  bool whole = false;  // every element of the result is one of operand 0
  AxisMapFn axes = nullptr;  // of a read by the index; without it any element may be read for any other
  Asks asks = Asks::none;
  bool same = false;  // the results are the operands, element by element in row-major order: they can share buffers
  InferFn infer = nullptr;
  EvalFn eval = nullptr;
  Expansion expand = {};
  int cost = 1;  // scalar operations of one element, where no expansion counts them
  float ulp = -1;  // of an expansion in floats: the bound on its error, in units in the last place of each dtype
  PartialFn partials[3] = {};
  bool flat = false;  // the derivative is zero or does not exist: integer, boolean, piecewise constant
  uint8_t linear = 0;  // bit i: linear in operand i (alone, or jointly when several are tangents)
  TransposeFn transpose = nullptr;  // cotangents of the linear operands
  JvpFn jvp = nullptr;  // for ops that are neither elementwise nor linear
  bool widens = false;  // partials of halves are computed in f32 and rounded once, as those of every expansion are
  Again again = Again::kept;
  LowerFn lower = nullptr;
  NestFn nest = nullptr;
  OrdersFn orders = nullptr;  // of a nest; without it operands and result are row-major
  Op combine{};  // of a reduction, also of a running one (which has .nest): what combines two elements
  Identity identity = Identity::none;  // of an op that combines elements in a reduction
  bool positional = false;  // of a reduction: gives the place of an element
  bool commutes = false;  // x op y is y op x, to the bit for integers and bool
  bool inlined = false;  // what it computes is its first graph on its operands; the others say how it is transformed
  bool effect = false;
  bool fence = false;  // nothing merges with it or moves past it
  bool unnamed = false;  // says little about a kernel: left out of its name, as sources are
  Domain domain = Domain::any;  // where the generated tests draw floating inputs
  BatchFn batch = nullptr;
  FactorsFn factors = nullptr;  // follows from .axes and .combine; null: ranks take the operands whole
  float wide_ulp = 0;  // where it is more than .ulp: the bound in f64
};

const OpDef& def(Op op);
inline std::string_view name(Op op) { return def(op).name; }
const OpDef* find_op(std::string_view name);

// Bit patterns in a dtype: what a reduction's absent elements are, and what combining no elements gives (of a sum +0).
uint64_t identity_bits(Op combine, DType dtype);
uint64_t nothing_bits(Op combine, DType dtype);
std::span<const OpDef> op_table();

}  // namespace tenon::ir
