// What a node is asked for: operands as tensors, numbers or extents, and attributes by name.
#include <algorithm>
#include <set>

#include "tenon/frontend/onnx/import.h"
#include "tenon/frontend/tensor/cell.h"

namespace tenon::onnx {

void Call::fail(const std::string& message) const { throw Error(message); }

const Bytes& Call::file() const { return *scope.importer.model.file; }

// ---- operands

Tensor Call::tensor(size_t i) const {
  if (!has(i)) fail("it lacks input " + std::to_string(i));
  return scope.importer.traced(in[i]);
}

DType Call::dtype(size_t i) const {
  if (!has(i)) fail("it lacks input " + std::to_string(i));
  return in[i].counted() ? i64 : in[i].tensor.dtype();
}

Shape Call::shape(size_t i) const {
  if (!has(i)) fail("it lacks input " + std::to_string(i));
  if (in[i].kind == Item::Kind::number) return {};
  return in[i].counted() ? Shape{static_cast<int64_t>(in[i].extents.size())} : in[i].tensor.shape();
}

bool Call::known(size_t i) const { return has(i) && in[i].stored(); }

void Call::want(size_t i, const char* what) const {
  if (in[i].arguments != 0) throw Wanted{in[i].arguments};
  fail("input " + std::to_string(i) + " must be known for " + what + ", and the program computes it");
}

Axes Call::integers(size_t i) const {
  if (!has(i)) fail("it lacks input " + std::to_string(i));
  if (in[i].counted()) {
    std::string list;
    for (const Extent& e : in[i].extents) list += (list.empty() ? "" : ", ") + extent_text(e);
    fail("input " + std::to_string(i) + " is " + list +
         " where only numbers will do: give the extents that are free in it as numbers where the function is jitted or "
         "saved");
  }
  if (!in[i].stored()) want(i, "the shape of its result");
  if (!is_integer(in[i].tensor.dtype()) && in[i].tensor.dtype() != boolean)
    fail("input " + std::to_string(i) + " is a tensor of integers, not " + describe(in[i].tensor));
  return in[i].tensor.to_vector<int64_t>();
}

int64_t Call::integer(size_t i) const {
  const Axes all = integers(i);
  if (all.size() != 1) fail("input " + std::to_string(i) + " is one number");
  return all[0];
}

std::vector<double> Call::numbers(size_t i) const {
  if (!known(i)) {
    if (!has(i)) fail("it lacks input " + std::to_string(i));
    want(i, "its result");
  }
  return in[i].tensor.to_vector<double>();
}

std::vector<Extent> Call::extents(size_t i) const {
  if (has(i) && in[i].counted()) return in[i].extents;
  const Axes all = integers(i);
  return {all.begin(), all.end()};
}

int64_t Call::number_of(const Shape& shape, size_t axis, const char* what) const {
  if (shape[axis].is_symbol())
    fail(std::string(what) + " takes a number, and axis " + std::to_string(axis) + " of its input is " +
         extent_text(shape[axis]) + ", which is free: give it as a number where the function is jitted or saved");
  return shape[axis].number();
}

// ---- attributes

const Attribute* Call::find(std::string_view name) const {
  const Attribute* a = node.find(name);
  if (a == nullptr || a->refers_to.empty()) return a;
  if (scope.attributes == nullptr)
    fail("attribute '" + std::string(name) + "' refers to one of a function, and there is none");
  const auto found = scope.attributes->find(a->refers_to);
  return found == scope.attributes->end() ? nullptr : found->second;
}

namespace {

const Attribute* of_kind(const Call& c, std::string_view name, Attribute::Kind kind, const char* what) {
  const Attribute* a = c.find(name);
  if (a != nullptr && a->kind != kind) c.fail("attribute '" + std::string(name) + "' is " + what);
  return a;
}

}  // namespace

int64_t Call::integer(std::string_view name, int64_t otherwise) const {
  const Attribute* a = of_kind(*this, name, Attribute::Kind::integer, "a whole number");
  return a == nullptr ? otherwise : a->integer;
}

int64_t Call::required(std::string_view name) const {
  if (find(name) == nullptr) fail("it lacks attribute '" + std::string(name) + "'");
  return integer(name, 0);
}

double Call::number(std::string_view name, double otherwise) const {
  const Attribute* a = of_kind(*this, name, Attribute::Kind::number, "a number");
  return a == nullptr ? otherwise : static_cast<double>(a->number);
}

Axes Call::integers(std::string_view name, Axes otherwise) const {
  const Attribute* a = of_kind(*this, name, Attribute::Kind::integers, "a list of whole numbers");
  return a == nullptr ? std::move(otherwise) : a->integers;
}

std::vector<double> Call::numbers(std::string_view name) const {
  const Attribute* a = of_kind(*this, name, Attribute::Kind::numbers, "a list of numbers");
  return a == nullptr ? std::vector<double>() : std::vector<double>(a->numbers.begin(), a->numbers.end());
}

std::vector<std::string> Call::words(std::string_view name) const {
  const Attribute* a = of_kind(*this, name, Attribute::Kind::texts, "a list of words");
  return a == nullptr ? std::vector<std::string>() : std::vector<std::string>(a->texts.begin(), a->texts.end());
}

std::string Call::word(std::string_view name, std::string otherwise) const {
  const Attribute* a = of_kind(*this, name, Attribute::Kind::text, "a word");
  return a == nullptr ? std::move(otherwise) : std::string(a->text);
}

const GraphText& Call::graph(std::string_view name) const {
  const Attribute* a = find(name);
  if (a == nullptr || a->graph == nullptr) fail("it lacks graph '" + std::string(name) + "'");
  return *a->graph;
}

// ---- axes

int64_t Call::axis(int64_t number, int rank) const {
  if (number < -rank || number >= rank)
    fail("there is no axis " + std::to_string(number) + " among " + std::to_string(rank));
  return number < 0 ? number + rank : number;
}

Axes Call::axes(const Axes& numbers, int rank) const {
  std::set<int64_t> sorted;
  for (int64_t n : numbers)
    if (!sorted.insert(axis(n, rank)).second) fail("it names axis " + std::to_string(n) + " twice");
  return {sorted.begin(), sorted.end()};
}

std::optional<Axes> Call::list(std::string_view attribute, size_t operand, int64_t from) const {
  if (opset >= from) return has(operand) ? std::optional(integers(operand)) : std::nullopt;
  return find(attribute) != nullptr ? std::optional(integers(attribute)) : std::nullopt;
}

}  // namespace tenon::onnx
