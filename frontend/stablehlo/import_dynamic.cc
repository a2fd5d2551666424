// Operations whose shapes are operands. When a program with free extents is imported, the extents of its arguments are known, and with
// them such operands are constants in the graph, or tensors joined from some: their elements are looked up. What depends on the value
// of an argument is noted, so that the program can be imported again with that value (frontend/stablehlo/free_extents.cc).
#include <algorithm>
#include <cstring>

#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {
namespace {

std::optional<int64_t> stored_number(const std::string& raw, DType dtype, int64_t i) {
  const auto width = static_cast<size_t>(bytes(dtype));
  if (!is_integer(dtype) || (static_cast<size_t>(i) + 1) * width > raw.size()) return std::nullopt;
  uint64_t bits = 0;
  std::memcpy(&bits, raw.data() + static_cast<size_t>(i) * width, width);
  const int unused = 64 - 8 * static_cast<int>(width);
  return is_signed(dtype) ? static_cast<int64_t>(bits << unused) >> unused : static_cast<int64_t>(bits);
}

class KnownElements {
 public:
  explicit KnownElements(Call& c) : c_(c), g_(c.b.graph()) {}

  std::optional<int64_t> element(ir::ValueId v, int64_t i, int depth = 0) {
    if (depth > 64) return std::nullopt;
    const ir::NodeId producer = g_.producer(v);
    if (producer == ir::no_node) {
      if (c_.scope.building.outer == nullptr) c_.scope.importer.asked.push_back(v);
      return std::nullopt;
    }
    const ir::Node& n = g_.node(producer);
    const auto x = g_.operands(n);
    switch (n.op) {
      case ir::Op::constant: return stored_number(ir::Constant(g_, n).value, g_.type(v).dtype, i);
      case ir::Op::reshape:
      case ir::Op::cast: return element(x[0], i, depth + 1);
      case ir::Op::broadcast: return g_.type(x[0]).shape.numel() == 1 ? element(x[0], 0, depth + 1) : std::nullopt;
      case ir::Op::slice: {
        const ir::Slice s(g_, n);
        if (s.starts.size() != 1) return std::nullopt;
        return element(x[0], s.starts[0].number() + i * s.strides[0], depth + 1);
      }
      case ir::Op::concat: return joined(x, i, depth);
      case ir::Op::add:
      case ir::Op::sub:
      case ir::Op::mul: return computed(n.op, element(x[0], i, depth + 1), element(x[1], i, depth + 1));
      default:
        // What it is made of may become known, and then folds.
        for (ir::ValueId operand : x)
          if (g_.type(operand).shape.rank() == 0) element(operand, 0, depth + 1);
        return std::nullopt;
    }
  }

 private:
  std::optional<int64_t> joined(std::span<const ir::ValueId> parts, int64_t i, int depth) {
    for (ir::ValueId part : parts) {
      if (g_.type(part).shape.rank() != 1) return parts.size() == 1 ? element(part, i, depth + 1) : std::nullopt;
      const int64_t size = g_.type(part).shape[0].number();
      if (i < size) return element(part, i, depth + 1);
      i -= size;
    }
    return std::nullopt;
  }

  static std::optional<int64_t> computed(ir::Op op, std::optional<int64_t> a, std::optional<int64_t> b) {
    int64_t r = 0;
    if (!a || !b) return std::nullopt;
    const bool overflow = op == ir::Op::add   ? __builtin_add_overflow(*a, *b, &r)
                          : op == ir::Op::sub ? __builtin_sub_overflow(*a, *b, &r)
                                              : __builtin_mul_overflow(*a, *b, &r);
    return overflow ? std::nullopt : std::optional(r);
  }

  Call& c_;
  const ir::Graph& g_;
};

// An element as something that is computed, and a number that is added to it: what start and limit of a slice may have in common.
struct Sum {
  ir::ValueId base = ir::no_value;  // none: the number alone
  int64_t number = 0;
};
std::optional<Sum> sum_of(const ir::Graph& g, ir::ValueId v, int64_t i, int depth = 0) {
  const ir::NodeId producer = g.producer(v);
  if (depth > 64) return std::nullopt;
  if (producer != ir::no_node) {
    const ir::Node& n = g.node(producer);
    const auto x = g.operands(n);
    if (n.op == ir::Op::constant) {
      const auto number = stored_number(ir::Constant(g, n).value, g.type(v).dtype, i);
      return number ? std::optional(Sum{ir::no_value, *number}) : std::nullopt;
    }
    if (n.op == ir::Op::reshape || (n.op == ir::Op::cast && is_integer(g.type(x[0]).dtype)))
      return sum_of(g, x[0], i, depth + 1);
    if (n.op == ir::Op::concat)
      for (ir::ValueId part : x) {
        if (g.type(part).shape.rank() != 1) return std::nullopt;
        const int64_t size = g.type(part).shape[0].number();
        if (i < size) return sum_of(g, part, i, depth + 1);
        i -= size;
      }
    if (n.op == ir::Op::add) {
      const auto a = sum_of(g, x[0], i, depth + 1), b = sum_of(g, x[1], i, depth + 1);
      Sum r{ir::no_value, 0};
      if (!a || !b || (a->base != ir::no_value && b->base != ir::no_value) ||
          __builtin_add_overflow(a->number, b->number, &r.number))
        return std::nullopt;
      r.base = a->base != ir::no_value ? a->base : b->base;
      return r;
    }
  }
  return g.type(v).shape.empty() ? std::optional(Sum{v, 0}) : std::nullopt;
}

std::optional<int64_t> known(Call& c, Value v, int64_t i) { return KnownElements(c).element(v.id, i); }

}  // namespace

Axes known_numbers(Call& c, Value v) {
  c.expects(is_integer(v.dtype()), "a shape is a vector of integers");
  const int64_t count = v.shape().numel();
  c.expects(count <= 128, "a shape has at most 64 extents");
  Axes all;
  bool complete = true;
  for (int64_t i = 0; i < count; ++i) {
    const auto n = known(c, v, i);
    complete &= n.has_value();
    all.push_back(n.value_or(0));
  }
  c.expects(complete, "its shape depends on what the program computes");
  return all;
}

namespace {

Shape shape_in(Call& c, Value v) {
  Shape shape;
  for (int64_t n : known_numbers(c, v)) shape.push_back(n);
  return shape;
}

}  // namespace

std::vector<Value> import_dynamic_iota(Call& c) {
  c.operands(1);
  const DType to = c.dtype();
  return one(ir::cast(ir::iota(c.b, part_of(to), shape_in(c, c.in[0]), c.integer({"dim", "iota_dimension"})), to));
}

std::vector<Value> import_dynamic_broadcast(Call& c) {
  c.operands(2);
  return one(broadcast_in_dim(c.in[0], shape_in(c, c.in[1]), c.integers({"dims", "broadcast_dimensions"})));
}

std::vector<Value> import_dynamic_reshape(Call& c) {
  c.operands(2);
  return one(ir::reshape(c.in[0], shape_in(c, c.in[1])));
}

std::vector<Value> import_dynamic_pad(Call& c) {
  c.operands(5);
  return one(
      padded(c, c.in[0], c.in[1], known_numbers(c, c.in[2]), known_numbers(c, c.in[3]), known_numbers(c, c.in[4])));
}

std::vector<Value> import_dynamic_convolution(Call& c) {
  c.operands(3);
  const Axes padding = known_numbers(c, c.in[2]);
  c.expects(static_cast<int64_t>(padding.size()) == 2 * (c.in[0].shape().rank() - 2),
            "its padding has two numbers for each spatial axis");
  return one(convolved(c, c.in[0], c.in[1], &padding));
}

// Starts may be computed where the size is known: the type of the result says it, or start and limit do.
std::vector<Value> import_real_dynamic_slice(Call& c) {
  c.operands(4);
  const Value x = c.in[0];
  const int rank = x.shape().rank();
  for (size_t i = 1; i < 4; ++i)
    c.expects(c.in[i].shape() == Shape{rank} && is_integer(c.in[i].dtype()), "it names three numbers for each axis");
  const Axes strides = known_numbers(c, c.in[3]);
  std::vector<Dim> sizes;
  std::vector<Value> starts;
  Axes steps;
  for (int64_t i = 0; i < rank; ++i) {
    const auto axis = static_cast<size_t>(i);
    const auto start = sum_of(c.b.graph(), c.in[1].id, i), limit = sum_of(c.b.graph(), c.in[2].id, i);
    const int64_t stride = strides[axis], declared = c.op.result_types.at(0).extents.at(axis);
    c.expects(stride >= 1, "strides are positive");
    if (start && limit && start->base == limit->base) {
      sizes.push_back(std::max<int64_t>(limit->number - start->number, 0));
    } else if (declared >= 0 && stride == 1) {
      sizes.push_back(declared);
    } else {
      const auto first = known(c, c.in[1], i), last = known(c, c.in[2], i);
      c.expects(first && last && *first <= *last, "its size depends on what the program computes");
      sizes.push_back(*last - *first);
    }
    c.expects(sizes.back().number() <= x.shape()[axis].number(), "a slice is as large as the operand at most");
    const Value at = ir::slice(c.in[1], {Dim(i)}, {Dim(1)}, {1});
    starts.push_back(ir::cast(ir::reshape(at, {}), i64));
    steps.push_back(stride);
  }
  const Value window = ir::dynamic_slice(x, starts, sizes);
  std::vector<Dim> none(sizes.size(), Dim(0)), taken;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t n = sizes[i].number();
    taken.push_back(n / steps[i] + (n % steps[i] != 0));
  }
  return one(ir::slice(window, none, taken, steps));
}

}  // namespace tenon::hlo
