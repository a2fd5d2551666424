// Nodes whose operands are all known, computed while importing by the reference interpreter: what shapes are made of, and constants.
// Few bytes of a file can ask for much, so what a node comes to is reckoned before it is computed, and what is too much is left to the
// program.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tenon/frontend/onnx/import.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/frontend/transform/record.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/reference/array.h"

namespace tenon::onnx {
namespace {

constexpr double most_work = 1 << 20;  // of one node
constexpr double least_work = 256;  // what is computed however much was before: shapes are made of it

ir::Array array_of(const Tensor& t) {
  ir::Array a(ir::Type{t.dtype(), t.shape()});
  if (!a.data.empty()) std::memcpy(a.data.data(), t.raw(), a.data.size());
  return a;
}

double count(const Shape& shape) {
  double n = 1;
  for (const Dim& d : shape) n *= d.is_number() ? static_cast<double>(d.number()) : INFINITY;
  return std::isnan(n) ? INFINITY : n;
}

// Elements that the interpreter reads and writes, from above. Inner graphs nest as deep as a builder lets them.
double work_of(const ir::Graph& g);
double work_of(const ir::Graph& g, const ir::Node& n) {
  const auto operands = g.operands(n);
  const auto size = [&](size_t i) { return count(g.type(operands[i]).shape); };
  double total = 0, result = 0;
  for (size_t i = 0; i < operands.size(); ++i) total += size(i);
  for (uint32_t r = 0; r < n.result_count; ++r) result += count(g.type(g.result(n, r)).shape);
  total += result;
  for (const ir::Attr& a : g.attrs(n)) {
    if (a.graph == nullptr) continue;
    if (n.op == ir::Op::scan) return total + count({ir::Scan(g, n).length}) * work_of(*a.graph);
    return ir::def(n.op).inlined ? total + work_of(*a.graph) : INFINITY;  // the first graph is what it computes
  }
  if (n.op == ir::Op::dot_general) {
    double depth = 1;
    for (int64_t axis : ir::DotGeneral(g, n).lhs_contract)
      depth *= count({g.type(operands[0]).shape[static_cast<size_t>(axis)]});
    return total + result * depth;
  }
  if (n.op == ir::Op::convolution || n.op == ir::Op::attention) return total + std::max(result, size(0)) * size(1);
  if (n.op == ir::Op::sort) return total * 16;
  if (ir::def(n.op).family == ir::Family::matrix) return total * std::sqrt(total) * 16;  // sweeps of the iterative ones
  return total;
}
double work_of(const ir::Graph& g) {
  double total = 0;
  for (const ir::Node& n : g.nodes()) total += work_of(g, n);
  return std::isnan(total) ? INFINITY : total;
}

bool affordable(double work, const Budget& budget) {
  return work <= least_work || (work <= most_work && work <= static_cast<double>(budget.work));
}

}  // namespace

bool is_small(const Shape& shape) { return count(shape) <= most_folded; }

void Call::makes(double bytes) const {
  int64_t& left = scope.importer.budget.bytes;
  if (bytes > static_cast<double>(left)) fail("the numbers that are made while the model is imported are too many");
  left -= static_cast<int64_t>(bytes);
}

std::optional<Results> Importer::folded(Call& c, const Known& known) {
  if (c.in.empty()) return std::nullopt;
  double operands = 0;
  for (const Item& i : c.in) {
    if (i.counted() || (i.tensor.defined() && (!i.stored() || !is_small(i.tensor.shape())))) return std::nullopt;
    if (i.tensor.defined()) operands += count(i.tensor.shape());
  }
  if (!affordable(operands, budget)) return std::nullopt;
  struct Context {
    Call& c;
    const Known& known;
    Results results;
  } context{c, known, {}};
  const tenon::detail::Body body = [](void* pointer, std::vector<Tensor>&, std::vector<Tensor>& outputs) {
    auto& [c, known, results] = *static_cast<Context*>(pointer);
    results = known.import(c);
    for (const Item& item : results)
      if (item.given()) outputs.push_back(c.scope.importer.traced(item));
  };
  const auto program = tenon::detail::close("onnx", {}, body, &context, at);
  const ir::Graph& g = *program->graph;
  for (ir::ValueId v : g.outputs())
    if (!is_small(g.type(v).shape)) return std::nullopt;
  const double work = work_of(g);
  if (!affordable(work, budget)) return std::nullopt;
  if (work > least_work) budget.work -= static_cast<int64_t>(work);
  std::vector<ir::Array> captured;
  for (const Tensor& t : program->captured) captured.push_back(array_of(t));
  size_t next = 0;
  const std::vector<ir::Array> arrays = ir::interpret(g, captured);
  for (Item& item : context.results) {
    if (!item.given()) continue;
    const ir::Array& a = arrays[next++];
    item = Item(copy_from(a.data.data(), Extents(a.type.shape), a.type.dtype));
  }
  return std::move(context.results);
}

}  // namespace tenon::onnx
