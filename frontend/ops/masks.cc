// What masks choose. How many elements that is, a program cannot know: it is given a size, and fills what is missing. Refuses to guess
// one inside a program.
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using ir::Value;
using Values = std::span<const Value>;

Value flat(Value x) { return ir::reshape(x, Shape({x.builder->symbols().numel(x.shape())})); }

// How many elements the mask has chosen up to each, itself counted.
Value counted(Value mask) {
  const Value ones = ir::cast(mask, i64);
  return ir::apply(*mask.builder, ir::Op::cumsum, std::span(&ones, 1),
                   ir::CumulativeAttrs{.axis = 0, .reverse = false})[0];
}

// The numbers of the first `size` elements that a flat mask chooses; and which of them there are.
struct Chosen {
  Value number, there;
  Chosen(Value mask, Dim size) {
    ir::GraphBuilder& b = *mask.builder;
    const Shape to({size});
    const Value count = counted(mask), minus_one = ir::literal(count, -1);
    const Value place = select(mask, count + minus_one, minus_one);
    number = ir::scatter(ir::splat_integer(b, i64, 0, to), place, ir::iota(b, i64, mask.shape(), 0), 0, "set");
    const Value total = ir::reduce(ir::Op::reduce_sum, ir::cast(mask, i64), {0});
    there = lt(ir::iota(b, i64, to, 0), ir::broadcast(total, to, {}));
  }
};

std::vector<Value> build_masked_fill(ir::GraphBuilder&, Values x, const ir::Attrs&) {
  const Value all[] = {x[1], ir::cast(x[2], x[0].dtype()), x[0]};
  const std::vector<Value> v = formula::broadcast_together(all, "masked_fill");
  return {select(v[0], v[1], v[2])};
}

std::vector<Value> build_masked_select(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const std::vector<Value> v = formula::broadcast_together(x, "masked_select");
  const Chosen chosen(flat(v[1]), made::MaskedSelect(a).size);
  const Value read = ir::take(flat(v[0]), chosen.number, 0);
  return {select(chosen.there, read, ir::zeros_like(read))};
}

std::vector<Value> build_masked_scatter(ir::GraphBuilder&, Values x, const ir::Attrs&) {
  const std::vector<Value> v = formula::broadcast_together(x.first(2), "masked_scatter");
  const Value count = counted(flat(v[1]));
  const Value read = ir::take(flat(ir::cast(x[2], x[0].dtype())), count - ir::literal(count, 1), 0);
  return {select(v[1], ir::reshape(read, v[0].shape()), v[0])};
}

std::vector<Value> build_nonzero(ir::GraphBuilder& b, Values x, const ir::Attrs& a) {
  const made::NonZero n(a);
  const Shape shape = x[0].shape(), column({n.size, Dim(1)});
  if (shape.empty()) return {ir::splat_integer(b, i64, 0, Shape({n.size, Dim(0)}))};
  const Chosen chosen(flat(formula::truth(x[0])), n.size);
  std::vector<Value> columns;
  Value rest = chosen.number;
  for (size_t d = shape.size(); d-- > 0;) {
    const Value extent = ir::broadcast(ir::extent_value(b, shape[d]), rest.shape(), {});
    const Value at = d == 0 ? rest : rem(rest, extent);
    columns.insert(columns.begin(), ir::reshape(select(chosen.there, at, ir::literal(at, n.fill)), column));
    rest = rest / extent;
  }
  return {ir::concat(columns, 1)};
}

Tensor mask_of(const Operand& mask, const char* op) {
  const Tensor m = as_tensor(mask, op);
  if (m.dtype() != boolean)
    throw Error(std::string(op) + ": a mask holds bools, and this is " + describe(m) + "; compare it with 0",
                mask.where());
  return m;
}

// How many elements are not 0.
int64_t count_of(const Tensor& x, const char* op, const Location& at) {
  if (Trace::current())
    throw Error(std::string(op) + ": how many elements of " + describe(x) +
                    " count is not known inside a program; give a size, or use tn::where",
                at);
  return sum(Operand(x.astype(boolean), at)).item<int64_t>();
}

Dim size_of(Extent size, const char* op, const Location& at) {
  if (size.is_number() && size.number() < 0)
    throw Error(std::string(op) + ": the size is not negative, and this is " + std::to_string(size.number()), at);
  return extent_here(size);
}

}  // namespace

Tensor masked_fill(Operand operand, Operand mask, Operand value) try {
  const Tensor x = as_tensor(operand, "masked_fill"), m = mask_of(mask, "masked_fill");
  return apply_one({"masked_fill", build_masked_fill}, {}, {x, m, entered(value, x.dtype(), "masked_fill")},
                   operand.where());
} catch (...) {
  leave_with_error("masked_fill", operand.where());
}

Tensor masked_select(Operand operand, Operand mask, Extent size) try {
  const Tensor x = as_tensor(operand, "masked_select"), m = mask_of(mask, "masked_select");
  const Dim n = size_of(size, "masked_select", operand.where());
  return apply_one({"masked_select", build_masked_select}, made::MaskedSelectAttrs{n}, {x, m}, operand.where());
} catch (...) {
  leave_with_error("masked_select", operand.where());
}
Tensor masked_select(Operand operand, Operand mask) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "masked_select"), m = mask_of(mask, "masked_select");
  const Shape shapes[] = {x.shape(), m.shape()};
  const auto refuse = [&](int, Dim, Dim) {
    throw Error("masked_select: " + describe(x) + " and the mask " + describe(m) + " do not broadcast", at);
  };
  const Shape shape = formula::common_shape(shapes, [](const Shape& s) -> const Shape& { return s; }, refuse);
  const int64_t count = count_of(broadcast_to(Operand(m, at), shape), "masked_select", at);
  return masked_select(std::move(operand), std::move(mask), count);
} catch (...) {
  leave_with_error("masked_select", operand.where());
}

Tensor masked_scatter(Operand operand, Operand mask, Operand source) try {
  const Tensor x = as_tensor(operand, "masked_scatter"), m = mask_of(mask, "masked_scatter");
  return apply_one({"masked_scatter", build_masked_scatter}, {}, {x, m, entered(source, x.dtype(), "masked_scatter")},
                   operand.where());
} catch (...) {
  leave_with_error("masked_scatter", operand.where());
}

Tensor nonzero(Operand operand, Extent size, int64_t fill) try {
  const Tensor x = as_tensor(operand, "nonzero");
  const Dim n = size_of(size, "nonzero", operand.where());
  return apply_one({"nonzero", build_nonzero}, made::NonZeroAttrs{n, fill}, {x}, operand.where());
} catch (...) {
  leave_with_error("nonzero", operand.where());
}
Tensor nonzero(Operand x, NonZero n) { return nonzero(std::move(x), n.size, n.fill); }
Tensor nonzero(Operand operand) try {
  const Tensor x = as_tensor(operand, "nonzero");
  return nonzero(operand, count_of(x, "nonzero", operand.where()));
} catch (...) {
  leave_with_error("nonzero", operand.where());
}

}  // namespace tenon
