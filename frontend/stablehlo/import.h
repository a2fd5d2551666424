// From operations to graph algebra: one importer per operation, in families (import_*.cc), listed in operations.def. An importer
// sees its operands as values of the graph and gives its results; what is wrong with an operation becomes an Error that names it and its
// line. Functions that are called are imported where they stand; regions become graphs of their own, or, where a reducer meets whole
// tensors, operations on those.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "tenon/frontend/stablehlo/elements.h"
#include "tenon/frontend/tensor/tensor.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"

namespace tenon::hlo {

using ir::Value;
using Axes = std::vector<int64_t>;

// The most operations that a program may come to, functions counted as often as they are called.
inline constexpr int64_t most_operations = int64_t{1} << 20;

class Importer;

// A graph while it is built. What a region uses from outside becomes an input of its graph.
struct Building {
  explicit Building(Building& around);
  Building(std::string name, std::shared_ptr<Symbols> symbols) : builder(std::move(name), std::move(symbols)) {}
  Value captured(Value from_outside);
  ir::GraphBuilder builder;
  Building* outer = nullptr;
  std::vector<Value> outside, inside;  // of what is captured
};

// The values of a function or a region by their numbers.
struct Scope {
  Importer& importer;
  Building& building;
  Scope* outer = nullptr;  // of a region
  bool lifted =
      false;  // scalars of a region stand for whole tensors here: only what goes element by element makes sense
  std::unordered_map<uint32_t, Value> values = {};
  Value value(uint32_t number);
};

// One operation with its operands.
struct Call {
  Scope& scope;
  const Operation& op;
  std::vector<Value> in;
  ir::GraphBuilder& b;

  [[noreturn]] void fail(const std::string& message) const;
  void expects(bool condition, const char* message) const {
    if (!condition) fail(message);
  }
  void operands(size_t count) const;  // Error for any other number
  void regions(size_t count) const;
  // Attributes by the first of these names that is there.
  const Attribute* find(std::initializer_list<std::string_view> names) const;
  Axes integers(std::initializer_list<std::string_view> names) const;  // Error where there is none
  Axes integers_or(std::initializer_list<std::string_view> names, Axes otherwise) const;
  int64_t integer(std::initializer_list<std::string_view> names) const;
  int64_t integer_or(std::initializer_list<std::string_view> names, int64_t otherwise) const;
  bool flag(std::string_view name, bool otherwise) const;
  std::string_view word(std::initializer_list<std::string_view> names, std::string_view otherwise) const;
  std::vector<Dim> sizes(std::initializer_list<std::string_view> names) const;  // not negative
  size_t axis(int64_t number, int rank) const;
  // The results as they are declared.
  DType dtype(size_t i = 0) const;
  Shape shape(size_t i = 0) const;  // Error where an extent is free
  int rank(size_t i = 0) const;
};
using Import = std::vector<Value> (*)(Call&);

struct Known {
  std::string_view name;
  Import import;
  bool lifts;  // it goes element by element, so it makes sense in a lifted scope
};
const Known* known_operation(std::string_view name);  // null: nobody knows it

// A region as a graph of its own: inputs are what it takes, then what it captures.
struct Closed {
  std::shared_ptr<const ir::Graph> graph;
  std::vector<Value> captured;  // values around it
  // The same graph with its inputs as a loop or a branch has them: all of `captured`, then what it takes.
  std::shared_ptr<const ir::Graph> behind(std::span<const Value> all) const;
};

class Importer {
 public:
  Importer(Module& module, std::vector<Tensor>& constants) : module(module), constants_(constants) {}
  std::vector<Value> call(Building& building, const Function& f, std::span<const Value> arguments);
  // A region whose arguments are these values, in the graph around it. lifted: see Scope.
  std::vector<Value> inlined(Scope& around, const Region& region, std::span<const Value> arguments, bool lifted);
  Closed closed(Scope& around, const Region& region, std::span<const ir::Type> arguments);
  // Numbers of a text: small ones stand in the graph, the others are tensors that come in with every call.
  Value constant(Building& building, const Attribute& dense);
  Value tensor(Building& building, const Tensor& known);  // one that comes in with every call
  const Source& source() const { return *module.source; }
  Module& module;
  std::vector<ir::ValueId> asked = {};  // inputs of the outermost graph whose values shapes depend on

 private:
  std::vector<Value> run(Scope& scope, const Region& region);
  void step(Scope& scope, const Operation& op);
  Value carried_in(Building& building, Value outermost);
  Value input(Building& building, const Tensor& known);  // of the outermost graph
  std::vector<Tensor>& constants_;
  std::unordered_map<const char*, Value> inputs_;  // of the outermost graph, by where their numbers stand
  int64_t left_ = most_operations;
  int depth_ = 0;
};

// ---- what several families write with
Value spread_scalar(Value x, const Shape& shape);  // a scalar in a shape; anything else stays
void same_shapes(Call& c);  // operands of one shape: scalars beside tensors, where that may be, are spread
Value broadcast_in_dim(Value x, const Shape& shape, const Axes& axes);  // axes in any order
std::vector<Value> one(Value x);

}  // namespace tenon::hlo
