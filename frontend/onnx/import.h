// From nodes to traced functions of tensors: one importer per op, in families (import_*.cc), listed in operations.def. An importer sees
// its operands as items, tensors being traced, numbers that are known, or extents, and gives its results; what is wrong with a node
// becomes an Error that names it, its op and the file. Functions of the model and bodies of branches are imported where they stand.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "tenon/frontend/onnx/model.h"
#include "tenon/frontend/ops/ops.h"
#include "tenon/ir/graph/asked.h"

namespace tenon::onnx {

using Axes = std::vector<int64_t>;

// The most nodes that a program may come to, functions and bodies counted as often as they are imported, and the operations that these
// become; how many elements may be computed of one node while a model is imported.
inline constexpr int64_t most_steps = int64_t{1} << 17, most_ops = int64_t{1} << 19;
inline constexpr int64_t most_folded = 4096;

// What importing a program may still take, however few bytes of a file ask for it.
struct Budget {
  int64_t steps = most_steps;
  // Elements that are computed while importing; when they are used up, what is not small is left to the program.
  int64_t work = int64_t{1} << 22;
  int64_t bytes = int64_t{1} << 28;  // of numbers that importers make
};

// What a name stands for: a tensor, whose numbers are known where it is concrete; a number or a list of extents, i64, of which some
// are free; or nothing, where an operand was left out. `arguments`: a bit for each argument that it was computed from, the last for all
// from there on.
struct Item {
  Item() = default;
  Item(Tensor t) : tensor(std::move(t)) {}  // NOLINT
  Tensor tensor;
  std::vector<Extent> extents;
  enum class Kind : uint8_t { tensor, number, list } kind = Kind::tensor;
  uint64_t arguments = 0;

  bool given() const { return kind != Kind::tensor || tensor.defined(); }
  bool counted() const { return kind != Kind::tensor; }
  bool stored() const;  // a concrete tensor
};
Item number_item(Extent n);
Item list_item(std::vector<Extent> list);

// Thrown where a shape depends on arguments whose values are not known: the program is imported again with them.
struct Wanted {
  uint64_t arguments;
};

// Tensors of a file, each read once, by where they stand.
using Stored = std::unordered_map<const void*, Tensor>;

class Importer;

// The names of a graph, or of a function.
struct Scope {
  Importer& importer;
  const Opsets& opsets;
  const Scope* outer = nullptr;  // of a body
  const std::unordered_map<std::string_view, const Attribute*>* attributes = nullptr;  // of the call of a function
  std::unordered_map<std::string_view, Item> items = {};
  const Item* find(std::string_view name) const;
};

// One node with its operands.
struct Call {
  Scope& scope;
  const NodeText& node;
  int64_t opset;
  std::vector<Item> in;

  [[noreturn]] void fail(const std::string& message) const;
  void expects(bool condition, const char* message) const {
    if (!condition) fail(message);
  }
  const Bytes& file() const;
  void makes(double bytes) const;  // of numbers, before they are made; Error where the program makes too many
  // ---- operands
  bool has(size_t i) const { return i < in.size() && in[i].given(); }
  Tensor tensor(size_t i) const;  // Error where it is left out
  Tensor tensor_or(size_t i, const Tensor& otherwise) const { return has(i) ? tensor(i) : otherwise; }
  DType dtype(size_t i) const;
  Shape shape(size_t i) const;
  int rank(size_t i) const { return shape(i).rank(); }
  bool known(size_t i) const;  // whether its numbers are
  // The numbers of an operand. Wanted where arguments decide them, Error where the program computes them.
  Axes integers(size_t i) const;
  int64_t integer(size_t i) const;
  std::vector<double> numbers(size_t i) const;
  std::vector<Extent> extents(size_t i) const;
  // An extent of its first input that has to be a number for `what`. Error where it is free, by the axis.
  int64_t number_of(const Shape& shape, size_t axis, const char* what) const;
  [[noreturn]] void want(size_t i, const char* what) const;
  // ---- attributes
  const Attribute* find(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t otherwise) const;
  int64_t required(std::string_view name) const;
  double number(std::string_view name, double otherwise) const;
  Axes integers(std::string_view name, Axes otherwise = {}) const;
  std::vector<double> numbers(std::string_view name) const;
  std::vector<std::string> words(std::string_view name) const;
  std::string word(std::string_view name, std::string otherwise) const;
  const GraphText& graph(std::string_view name) const;
  bool wants(size_t i) const {
    return i < node.outputs.size() && !node.outputs[i].empty();
  }  // an output that has a name
  // ---- axes
  int64_t axis(int64_t number, int rank) const;  // from 0 on
  Axes axes(const Axes& numbers, int rank) const;  // ascending, each once
  // What the attribute says up to an opset, and an operand says from then on; none where both are left out.
  std::optional<Axes> list(std::string_view attribute, size_t operand, int64_t from) const;
};
using Results = std::vector<Item>;
using Import = Results (*)(Call&);

struct Known {
  std::string_view name;
  int64_t first;  // the opset that brought it, in the form that is understood
  int64_t last;  // the last opset that has it
  Import import;
  bool folds;  // of known operands the result is computed while importing
};
const Known* known_op(std::string_view name, std::string_view domain);  // null: nobody knows it
std::span<const Known> known_ops();

class Importer {
 public:
  Importer(const Model& model, const Stored& stored, const Location& at) : model(model), at(at), stored_(stored) {}
  Results run(Scope& scope, const GraphText& graph, std::span<const Item> arguments);
  // A body of a branch or a loop, in the trace of this moment.
  Results body(const Scope& around, const GraphText& graph, std::span<const Item> arguments);
  Tensor stored(const void* text) const;
  Tensor traced(const Item& item) const;  // in the trace of this moment; small numbers as literals
  const Model& model;
  const Location at;
  Budget budget;
  uint64_t readable = 0;  // arguments whose values may decide branches: whole numbers that are at hand

 private:
  void nodes(Scope& scope, const std::vector<NodeText>& list);
  void step(Scope& scope, const NodeText& node, size_t number);
  void charge(size_t items, size_t bytes_of_names);
  Results imported(Call& c, const Known& known);
  std::optional<Results> folded(Call& c, const Known& known);  // nothing where that is not known, or too much
  Results function(Call& c, const FunctionText& f);
  const Stored& stored_;
  const uint64_t asked_before_ = ir::ops_asked();
  int depth_ = 0;
};

// Error, by op, where a node of a graph, of its bodies, or of the functions that they call is one that nobody knows.
void check_ops(const Model& model, const Location& at);
std::string node_text(const NodeText& node, size_t number, const Opsets& opsets);
[[noreturn]] void refuse_op(const Model& model, const Opsets& opsets, const NodeText& node, const std::string& reason,
                            const Location& at);

// ---- shared by several families
Results one(Item x);
bool is_small(const Shape& shape);  // numbers, and at most most_folded elements
std::optional<Item> counted_result(Call& c);  // of an op on extents, where it is one

}  // namespace tenon::onnx
