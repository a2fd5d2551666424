// Jacobians: the linear part of a program, or its transpose, batched over the unit tangents of each input or the unit cotangents of
// each result.
#include "tenon/frontend/transform/jacobian.h"

#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/named_axis.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"

namespace tenon::detail {
namespace {

using ir::Value;

void check_floating(const Program& p, const std::vector<Tensor>& inputs, const std::vector<bool>& chosen,
                    const char* what, const Location& at) {
  for (size_t i = 0; i < inputs.size(); ++i)
    if (chosen[i] && !is_floating(inputs[i].dtype()))
      throw Error(std::string(what) + ": an argument is " + describe(inputs[i]) +
                      ", and only floating-point values have derivatives; " +
                      (is_complex(inputs[i].dtype()) ? "pass tn::view_as_real of it" : "cast it") +
                      ", or name other arguments",
                  at);
  for (ir::ValueId v : p.graph->outputs())
    if (!is_floating(p.graph->type(v).dtype))
      throw Error(std::string(what) + ": the function gives " + type_text(p.graph->type(v)) + ", which has no " +
                      (is_complex(p.graph->type(v).dtype) ? "Jacobian; give tn::view_as_real of it"
                                                          : "derivative; return it elsewhere, or cast it"),
                  at);
}

// One unit tensor for each element of a type: [elements, shape...].
Value units(ir::GraphBuilder& b, const ir::Type& type) {
  const Dim n = b.symbols().numel(type.shape);
  const Shape square({n, n});
  const Value one = ir::eq(ir::iota(b, i64, square, 0), ir::iota(b, i64, square, 1));
  Shape shape = type.shape;
  shape.insert(0, n);
  return ir::reshape(ir::cast(one, type.dtype), shape);
}

// [elements of a, b...] -> [b..., a...]
Value lanes_last(Value x, const Shape& a) {
  Shape to = x.shape();
  to.erase(0);
  for (Dim d : a) to.push_back(d);
  return ir::reshape(ir::move_axis(x, 0, x.shape().size() - 1), to);
}

Shape joined(Shape a, const Shape& b) {
  for (Dim d : b) a.push_back(d);
  return a;
}

// What a Jacobian is built in, and of what.
struct Blocks {
  ir::GraphBuilder b;
  const ir::Graph& graph;  // of the function
  std::vector<ir::Type> by;  // of the chosen inputs
  std::vector<Value> residuals;
  std::vector<Value> made;

  explicit Blocks(const ir::Graph& g) : b("jacobian", g.symbols), graph(g) { b.merging = false; }

  ir::Type result(size_t o) const { return graph.type(graph.outputs()[o]); }
  Value zeros(const ir::Type& type) { return ir::splat_integer(b, type.dtype, 0, type.shape); }

  // A graph over residuals and one unit batch in the place of one of the others, zeros in all other places.
  std::vector<Value> run(const ir::Graph& linear, const std::vector<ir::Type>& others, size_t which) {
    std::vector<bool> lanes(linear.input_count(), false);
    lanes[residuals.size() + which] = true;
    const ir::SubgraphBatch over =
        passes::batch(linear, {.size = b.symbols().numel(others[which].shape), .exact = exact_lanes()}, lanes,
                      std::vector<bool>(linear.outputs().size(), true));
    std::vector<Value> operands = residuals;
    for (size_t k = 0; k < others.size(); ++k) operands.push_back(k == which ? units(b, others[k]) : zeros(others[k]));
    return ir::splice(b, *over.graph, operands);
  }
};

// By unit tangents, one batch for each chosen input.
void forward(Blocks& blocks, const passes::Linearized& l) {
  const passes::GraphPtr linear = passes::expand_tangents(l.linear);
  const size_t results = l.output_has_tangent.size(), width = blocks.by.size();
  blocks.made.resize(results * width);
  for (size_t k = 0; k < width; ++k) {
    const std::vector<Value> pushed = blocks.run(*linear, blocks.by, k);
    size_t next = 0;
    for (size_t o = 0; o < results; ++o) {
      const ir::Type type = blocks.result(o);
      blocks.made[o * width + k] = l.output_has_tangent[o]
                                       ? lanes_last(pushed[next++], blocks.by[k].shape)
                                       : blocks.zeros({type.dtype, joined(type.shape, blocks.by[k].shape)});
    }
  }
}

// By unit cotangents, one batch for each result.
void reverse(Blocks& blocks, const passes::Linearized& l) {
  const size_t results = l.output_has_tangent.size(), width = blocks.by.size();
  blocks.made.resize(results * width);
  const passes::GraphPtr backward = passes::transpose(*l.linear, l.residual_count);
  std::vector<ir::Type> active;
  for (size_t o = 0; o < results; ++o)
    if (l.output_has_tangent[o]) active.push_back(blocks.result(o));
  size_t which = 0;
  for (size_t o = 0; o < results; ++o) {
    const ir::Type type = blocks.result(o);
    std::vector<Value> pulled;
    if (l.output_has_tangent[o]) pulled = blocks.run(*backward, active, which++);
    for (size_t k = 0; k < width; ++k) {
      const Shape shape = joined(type.shape, blocks.by[k].shape);
      blocks.made[o * width + k] =
          pulled.empty() ? blocks.zeros({blocks.by[k].dtype, shape}) : ir::reshape(pulled[k], shape);
    }
  }
}

}  // namespace

std::vector<Tensor> run_jacobian(Direction direction, const Program& p, const std::vector<Tensor>& inputs,
                                 const std::vector<bool>& chosen, const Location& at) {
  const FloatEnvironment standard;
  check_floating(p, inputs, chosen, direction == Direction::forward ? "jacfwd" : "jacrev", at);
  const std::vector<Tensor> all = p.inputs(inputs);
  std::vector<bool> mask = chosen;
  mask.resize(all.size(), false);
  const passes::Linearized l = passes::linearize(*p.graph, mask);
  Blocks blocks(*p.graph);
  blocks.b.set_location(at);
  std::vector<ir::ValueId> given, results;
  for (size_t i = 0; i < all.size(); ++i) {
    const ir::Type& type = p.graph->type(ir::ValueId{static_cast<uint32_t>(i)});
    given.push_back(blocks.b.input(type));
    if (mask[i]) blocks.by.push_back(type);
  }
  const std::vector<ir::ValueId> primal = blocks.b.splice(*l.forward, given);
  for (size_t i = p.graph->outputs().size(); i < primal.size(); ++i) blocks.residuals.push_back({&blocks.b, primal[i]});
  direction == Direction::forward ? forward(blocks, l) : reverse(blocks, l);
  for (const Value& v : blocks.made) results.push_back(v.id);
  return apply_graph(*passes::dce(*blocks.b.finish(results)), all, at);
}

}  // namespace tenon::detail
