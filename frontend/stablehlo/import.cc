// The walk over operations, scopes, and attributes by name.
#include "tenon/frontend/stablehlo/import.h"

#include <algorithm>

namespace tenon::hlo {
namespace {

bool is_return(std::string_view name) {
  return name == "stablehlo.return" || name == "func.return" || name == "return";
}

std::string type_text(const TensorType& t) {
  std::string text = "tensor<";
  for (int64_t n : t.extents) text += (n < 0 ? "?" : std::to_string(n)) + "x";
  return text + std::string(t.element) + ">";
}

// Whether a value is what the text says it is.
bool fits(const ir::Type& type, const TensorType& declared) {
  if (!declared.ranked || declared.dtype != type.dtype || declared.extents.size() != type.shape.size()) return false;
  for (size_t i = 0; i < declared.extents.size(); ++i)
    if (declared.extents[i] >= 0 && type.shape[i].is_number() && !(type.shape[i] == declared.extents[i])) return false;
  return true;
}

}  // namespace

Building::Building(Building& around) : builder("region", around.builder.graph().symbols), outer(&around) {
  builder.set_location(around.builder.location());
}

Value Building::captured(Value from_outside) {
  for (size_t i = 0; i < outside.size(); ++i)
    if (outside[i].id == from_outside.id) return inside[i];
  outside.push_back(from_outside);
  inside.push_back({&builder, builder.input(from_outside.type())});
  return inside.back();
}

Value Scope::value(uint32_t number) {
  if (const auto found = values.find(number); found != values.end()) return found->second;
  ensure(outer != nullptr, "a value of a text is used before it is there");
  const Value v = outer->value(number);
  return &outer->building == &building ? v : values[number] = building.captured(v);
}

std::vector<Value> Importer::call(Building& building, const Function& f, std::span<const Value> arguments) {
  const Function& known = module.body_of(f);
  Scope scope{*this, building};
  if (arguments.size() != known.argument_types.size())
    source().fail(known.at, "function @" + std::string(known.name) + " takes " +
                                std::to_string(known.argument_types.size()) + " arguments, not " +
                                std::to_string(arguments.size()));
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!fits(arguments[i].type(), known.argument_types[i]))
      source().fail(known.at, "function @" + std::string(known.name) + " takes " + type_text(known.argument_types[i]) +
                                  " as argument " + std::to_string(i) + ", not " + to_string(arguments[i].type()));
    scope.values[known.body->arguments[i]] = arguments[i];
  }
  return run(scope, *known.body);
}

std::vector<Value> Importer::inlined(Scope& around, const Region& region, std::span<const Value> arguments,
                                     bool lifted) {
  Scope scope{*this, around.building, &around, lifted || around.lifted};
  if (arguments.size() != region.arguments.size())
    throw Error("a region takes " + std::to_string(region.arguments.size()) + " arguments, not " +
                std::to_string(arguments.size()));
  for (size_t i = 0; i < arguments.size(); ++i) scope.values[region.arguments[i]] = arguments[i];
  return run(scope, region);
}

Closed Importer::closed(Scope& around, const Region& region, std::span<const ir::Type> arguments) {
  if (around.lifted) throw Error("a reducer on tensors holds no loops and no branches");
  Building inner(around.building);
  Scope scope{*this, inner, &around};
  if (arguments.size() != region.arguments.size())
    throw Error("a region takes " + std::to_string(region.arguments.size()) + " arguments, not " +
                std::to_string(arguments.size()));
  for (size_t i = 0; i < arguments.size(); ++i)
    scope.values[region.arguments[i]] = {&inner.builder, inner.builder.input(arguments[i])};
  std::vector<ir::ValueId> outputs;
  for (const Value& v : run(scope, region)) outputs.push_back(v.id);
  return {inner.builder.finish(outputs), std::move(inner.outside)};
}

std::shared_ptr<const ir::Graph> Closed::behind(std::span<const Value> all) const {
  ir::GraphBuilder b(graph->name, graph->symbols);
  std::vector<ir::ValueId> shared, operands;
  for (const Value& v : all) shared.push_back(b.input(v.type()));
  const size_t taken = graph->input_count() - captured.size();
  for (uint32_t i = 0; i < taken; ++i) operands.push_back(b.input(graph->type(ir::ValueId{i})));
  for (const Value& v : captured) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Value& o) { return o.id == v.id; });
    operands.push_back(shared[static_cast<size_t>(found - all.begin())]);
  }
  return b.finish(b.splice(*graph, operands));
}

std::vector<Value> Importer::run(Scope& scope, const Region& region) {
  if (++depth_ > deepest_text) throw Error("calls and regions nest deeper than " + std::to_string(deepest_text));
  for (const Operation& op : region.operations) {
    if (is_return(op.name)) {
      if (&op != &region.operations.back()) source().fail(op.at, "a return is the last operation of its block");
      std::vector<Value> results;
      for (uint32_t v : op.operands) results.push_back(scope.value(v));
      --depth_;
      return results;
    }
    step(scope, op);
  }
  --depth_;
  return {};
}

void Importer::step(Scope& scope, const Operation& op) {
  try {
    const uint32_t nodes = scope.building.builder.graph().node_count();
    const int64_t left = --left_;
    Call c{scope, op, {}, scope.building.builder};
    for (uint32_t v : op.operands) c.in.push_back(scope.value(v));
    const Known* known = known_operation(op.name);
    if (scope.lifted && !known->lifts)
      throw Error("it does not go element by element, so it has no place in a reducer");
    const std::vector<Value> results = known->import(c);
    // What it came to, beyond what the operations inside it did.
    left_ -= std::max<int64_t>(scope.building.builder.graph().node_count() - nodes - (left - left_), 0);
    if (left_ < 0) throw Error("the program comes to more than " + std::to_string(most_operations) + " operations");
    if (results.size() < op.result_count)
      c.fail("it gives " + std::to_string(results.size()) + " results, not " + std::to_string(op.result_count));
    for (uint32_t i = 0; i < op.result_count; ++i) {
      if (scope.lifted ? op.result_types[i].dtype != results[i].dtype() : !fits(results[i].type(), op.result_types[i]))
        c.fail("result " + std::to_string(i) + " is declared as " + type_text(op.result_types[i]) + ", but it is " +
               to_string(results[i].type()));
      scope.values[op.first_result + i] = results[i];
    }
  } catch (const TextError&) {
    throw;
  } catch (const Error& e) {
    source().fail(op.at, std::string(op.name) + ": " + e.message());
  }
}

// A value of the outermost graph, in one that is built inside it.
Value Importer::carried_in(Building& building, Value outermost) {
  return building.outer == nullptr ? outermost : building.captured(carried_in(*building.outer, outermost));
}

Value Importer::constant(Building& building, const Attribute& dense) {
  if (const auto found = inputs_.find(dense.text.data()); found != inputs_.end())
    return carried_in(building, found->second);
  const Elements e = elements_of(source(), dense);
  if (e.splat) return spread_scalar(ir::constant(building.builder, e.dtype, {}, e.bytes), e.shape);
  if (e.bytes.size() <= 64) return ir::constant(building.builder, e.dtype, e.shape, e.bytes);
  const Value v = input(building, copy_from(e.bytes.data(), Extents(e.shape.dims()), e.dtype));
  inputs_.emplace(dense.text.data(), v);
  return carried_in(building, v);
}

Value Importer::tensor(Building& building, const Tensor& known) { return carried_in(building, input(building, known)); }

Value Importer::input(Building& building, const Tensor& known) {
  Building* root = &building;
  while (root->outer != nullptr) root = root->outer;
  constants_.push_back(known);
  return {&root->builder, root->builder.input(ir::Type{known.dtype(), known.shape()})};
}

// ---- one operation

void Call::fail(const std::string& message) const {
  scope.importer.source().fail(op.at, std::string(op.name) + ": " + message);
}

void Call::operands(size_t count) const {
  if (in.size() != count) fail("it takes " + std::to_string(count) + " operands, not " + std::to_string(in.size()));
}

void Call::regions(size_t count) const {
  if (op.regions.size() != count)
    fail("it has " + std::to_string(count) + " regions, not " + std::to_string(op.regions.size()));
}

const Attribute* Call::find(std::initializer_list<std::string_view> names) const {
  for (std::string_view name : names)
    if (const Attribute* a = op.attributes.find(name)) return a;
  return nullptr;
}

Axes Call::integers_or(std::initializer_list<std::string_view> names, Axes otherwise) const {
  const Attribute* a = find(names);
  return a == nullptr ? std::move(otherwise) : integers_of(scope.importer.source(), *a);
}

Axes Call::integers(std::initializer_list<std::string_view> names) const {
  if (find(names) == nullptr) fail("it lacks '" + std::string(*names.begin()) + "'");
  return integers_or(names, {});
}

int64_t Call::integer_or(std::initializer_list<std::string_view> names, int64_t otherwise) const {
  const Attribute* a = find(names);
  if (a == nullptr) return otherwise;
  if (a->kind != Attribute::Kind::integer) fail("'" + std::string(*names.begin()) + "' is a whole number");
  return a->integer;
}

int64_t Call::integer(std::initializer_list<std::string_view> names) const {
  if (find(names) == nullptr) fail("it lacks '" + std::string(*names.begin()) + "'");
  return integer_or(names, 0);
}

bool Call::flag(std::string_view name, bool otherwise) const {
  const Attribute* a = find({name});
  if (a == nullptr) return otherwise;
  if (a->kind != Attribute::Kind::boolean) fail("'" + std::string(name) + "' is true or false");
  return a->integer != 0;
}

std::string_view Call::word(std::initializer_list<std::string_view> names, std::string_view otherwise) const {
  const Attribute* a = find(names);
  return a == nullptr ? otherwise : a->text;
}

std::vector<Dim> Call::sizes(std::initializer_list<std::string_view> names) const {
  std::vector<Dim> dims;
  for (int64_t n : integers(names)) dims.push_back(n);
  return dims;
}

size_t Call::axis(int64_t number, int rank) const {
  if (number < 0 || number >= rank)
    fail("there is no axis " + std::to_string(number) + " among " + std::to_string(rank));
  return static_cast<size_t>(number);
}

DType Call::dtype(size_t i) const {
  if (i >= op.result_types.size()) fail("it lacks a result");
  const TensorType& t = op.result_types[i];
  if (!t.dtype) fail("its result " + type_text(t) + " is no tensor of numbers that Tenon has");
  return *t.dtype;
}

Shape Call::shape(size_t i) const {
  if (i >= op.result_types.size()) fail("it lacks a result");
  Shape shape;
  for (int64_t n : op.result_types[i].extents) {
    if (n < 0) fail("the shape of " + type_text(op.result_types[i]) + " is not known");
    shape.push_back(n);
  }
  return shape;
}

int Call::rank(size_t i) const {
  if (i >= op.result_types.size()) fail("it lacks a result");
  return static_cast<int>(op.result_types[i].extents.size());
}

// ---- shared

Value spread_scalar(Value x, const Shape& shape) {
  return x.shape().empty() && !shape.empty() ? ir::broadcast(x, shape, {}) : x;
}

void same_shapes(Call& c) {
  if (!c.scope.lifted) return;
  Shape shape;
  for (const Value& v : c.in)
    if (!v.shape().empty()) shape = v.shape();
  for (Value& v : c.in) v = spread_scalar(v, shape);
}

Value broadcast_in_dim(Value x, const Shape& shape, const Axes& axes) {
  if (axes.size() != x.shape().size())
    throw Error("it names " + std::to_string(axes.size()) + " axes for an operand of rank " +
                std::to_string(x.shape().size()));
  Axes order(axes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return axes[static_cast<size_t>(a)] < axes[static_cast<size_t>(b)]; });
  Axes ascending;
  for (int64_t i : order) ascending.push_back(axes[static_cast<size_t>(i)]);
  if (!std::is_sorted(axes.begin(), axes.end())) x = ir::transpose(x, order);
  return ir::broadcast(x, shape, ascending);
}

std::vector<Value> one(Value x) { return {x}; }

}  // namespace tenon::hlo
