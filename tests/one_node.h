// One row alone in a kernel of its own, run by the checking machine (tests/kernel_machine.h) and held against the interpreter bit for
// bit, with fixed extents and with extents known only at run time. Refuses graphs of more than one node.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/kernel/lowering.h"
#include "tenon/ir/reference/array.h"
#include "tenon/tests/kernel_machine.h"

namespace tenon::ir::one_node {

inline std::mt19937_64 random_bits_source(7);

inline Array random_array(DType t, const Shape& shape) {
  Array a({t, shape});
  for (int64_t i = 0; i < a.numel(); ++i) {
    const int64_t r = static_cast<int64_t>(random_bits_source() % 41) - 20;
    switch (t) {
      case DType::f32: a.as<float>()[i] = r == 20 ? std::nanf("") : static_cast<float>(r) / 4; break;
      case DType::f64: a.as<double>()[i] = static_cast<double>(r) / 3; break;
      case DType::boolean: a.as<uint8_t>()[i] = r & 1; break;
      case DType::i64: a.as<int64_t>()[i] = r; break;
      case DType::f16: a.as<uint16_t>()[i] = static_cast<uint16_t>(0x3c00 + 37 * r); break;
      default: std::memcpy(a.data.data() + i * bytes(t), &r, static_cast<size_t>(bytes(t)));
    }
  }
  return a;
}

// Lowers the only node of a graph with buffers all round.
struct OneNode {
  const Graph& graph;
  const Node& node;
  KernelBuilder builder;
  Lowering context;
  std::vector<BufferId> operands, results, temporaries;
  std::vector<Type> temporary_types;

  explicit OneNode(const Graph& g) : graph(g), node(g.nodes().back()), builder("one", g.symbols), context(g, builder) {
    for (uint32_t k = 0; k < node.operand_count; ++k) {
      const Type& t = context.operand_type(node, k);
      operands.push_back(builder.buffer("x" + std::to_string(k), t.dtype, t.shape, Space::input));
    }
    for (uint32_t r = 0; r < node.result_count; ++r) {
      const Type& t = context.result_type(node, r);
      results.push_back(builder.buffer("y" + std::to_string(r), t.dtype, t.shape, Space::output));
    }
    const auto ids = [](std::span<const Scalar> index) {
      std::vector<ScalarId> list;
      for (Scalar s : index) list.push_back(s.id);
      return list;
    };
    context.element = [=, this](const Node&, uint32_t k, std::span<const Scalar> index) {
      return Scalar{&builder, builder.load(operands[k], ids(index))};
    };
    context.masked_element = [=, this](const Node&, uint32_t k, std::span<const Scalar> index, Scalar mask,
                                       Scalar other) {
      return Scalar{&builder, builder.load(operands[k], ids(index), mask.id, other.id)};
    };
    context.store = [=, this](const Node&, uint32_t r, std::span<const Scalar> index, Scalar value, Scalar mask) {
      builder.store(results[r], ids(index), value.id, mask.id);
    };
    context.reload = [=, this](const Node&, uint32_t r, std::span<const Scalar> index, Scalar mask, Scalar other) {
      return Scalar{&builder, builder.load(results[r], ids(index), mask.id, other.id)};
    };
    context.temporary = [=, this](const Node&, DType t, const Shape& shape) {
      temporaries.push_back(builder.buffer("t", t, shape, Space::inout));
      temporary_types.push_back({t, shape});
      return temporaries.back();
    };
    if (def(node.op).nest && !def(node.op).lower) {
      def(node.op).nest(context, node);
      return;
    }
    std::vector<Scalar> index;
    for (Dim d : context.result_type(node).shape)
      index.push_back(
          {&builder, builder.open_loop(index.empty() ? LoopKind::parallel : LoopKind::serial, builder.extent(d))[0]});
    context.store(node, 0, index, def(node.op).lower(context, node, index), {});
    for (size_t i = 0; i < index.size(); ++i) builder.close_loop();
  }
};

// Both routes on one graph of one node whose inputs are the node's operands, in order.
inline void compare(const Graph& graph, std::vector<Array> inputs, const std::vector<int64_t>& free_symbols = {}) {
  OneNode lowered(graph);
  ASSERT_EQ(graph.input_count(), lowered.node.operand_count);
  const std::vector<Array> expected = interpret(graph, inputs);
  const std::vector<int64_t> symbols = graph.symbols->evaluate(free_symbols);
  std::vector<Array> found, temporaries;
  for (const Array& e : expected) {
    found.emplace_back(e.type);
    std::fill(found.back().data.begin(), found.back().data.end(), 0x55);
  }
  for (const Type& t : lowered.temporary_types) {
    std::vector<int64_t> extents;
    for (Dim d : t.shape) extents.push_back(Symbols::value(d, symbols));
    temporaries.emplace_back(Type{t.dtype, Shape::from(extents)});
  }
  std::vector<Array*> buffers;
  for (Array& a : inputs) buffers.push_back(&a);
  for (Array& a : found) buffers.push_back(&a);
  for (Array& a : temporaries) buffers.push_back(&a);
  const Kernel kernel = lowered.builder.finish();
  ASSERT_NO_THROW(testing::run_kernel(kernel, buffers, symbols)) << kernel.text();
  for (size_t r = 0; r < expected.size(); ++r)
    EXPECT_EQ(found[r].data, expected[r].data) << graph.text() << "result " << r << "\n" << kernel.text();
}

struct Case {
  GraphBuilder b;
  std::vector<Value> inputs;
  std::vector<Array> arrays;
  std::vector<int64_t> symbols;  // values of the free ones, in order
  Case() { b.folding = false; }
  Dim symbol(const char* name, int64_t value) {
    symbols.push_back(value);
    return b.symbols().add(name);
  }
  Value input(DType t, const Shape& shape) {
    Shape fixed;
    const std::vector<int64_t> all = b.symbols().evaluate(symbols);
    for (Dim d : shape) fixed.push_back(Symbols::value(d, all));
    arrays.push_back(random_array(t, fixed));
    inputs.push_back({&b, b.input({t, shape})});
    return inputs.back();
  }
  Value indices(const Shape& shape) {  // small, some of them outside
    const Value v = input(i64, shape);
    Array& a = arrays.back();
    for (int64_t i = 0; i < a.numel(); ++i) a.as<int64_t>()[i] = (i * 5 + 3) % 8 - 1;
    return v;
  }
  template <class T>
  Value input_of(DType t, const Shape& shape, std::vector<T> values) {
    const Value v = input(t, shape);
    std::copy(values.begin(), values.end(), arrays.back().as<T>());
    return v;
  }
  void run(std::span<const Value> results) {
    std::vector<ValueId> ids;
    for (Value v : results) ids.push_back(v.id);
    const auto graph = b.finish(ids);
    compare(*graph, std::move(arrays), symbols);
  }
  void run(Value v) { run(std::span(&v, 1)); }
};

}  // namespace tenon::ir::one_node
