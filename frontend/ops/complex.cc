// What makes complex tensors and takes them apart. Refuses arithmetic, which has its own names (frontend/ops/complex_formula.cc).
#include "tenon/frontend/ops/complex.h"

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using formula::Value;
using Values = std::span<const Value>;

Value as_part(Value x, DType part) { return ir::cast(x, part); }

std::vector<Value> in_shape(Values x, DType part, const char* op) {
  std::vector<Value> same;
  for (const Value& v : x) same.push_back(as_part(v, part));
  return formula::broadcast_together(same, op);
}

std::vector<Value> build_complex(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const std::vector<Value> p = in_shape(x, ir::Convert(attrs).dtype, "complex");
  return {ir::complex(p[0], p[1])};
}
std::vector<Value> build_polar(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const std::vector<Value> p = in_shape(x, ir::Convert(attrs).dtype, "polar");
  return {ir::complex(p[0] * cos(p[1]), p[0] * sin(p[1]))};
}
std::vector<Value> build_real(ir::GraphBuilder&, Values x, const ir::Attrs&) { return {ir::real(x[0])}; }
std::vector<Value> build_imag(ir::GraphBuilder&, Values x, const ir::Attrs&) { return {formula::parts(x[0]).im}; }
std::vector<Value> build_conj(ir::GraphBuilder&, Values x, const ir::Attrs&) {
  const formula::Parts z = formula::parts(x[0]);
  return {ir::complex(z.re, -z.im)};
}
// Of a real number pi where it is negative, 0 where it is not, NaN where it is that.
std::vector<Value> build_angle(ir::GraphBuilder&, Values x, const ir::Attrs&) {
  if (is_complex(x[0].dtype())) return {atan2(ir::imag(x[0]), ir::real(x[0]))};
  return formula::rounded(x[0], [](Value t) {
    const Value known = select(lt(t, ir::like(t, 0)), ir::like(t, 3.14159265358979323846), ir::like(t, 0));
    return select(eq(t, t), known, t);
  });
}

std::vector<Value> build_pairs(ir::GraphBuilder&, Values x, const ir::Attrs&) {
  const formula::Parts z = formula::parts(x[0]);
  Shape one = z.re.shape();
  one.push_back(Dim(1));
  const Value both[] = {reshape(z.re, one), reshape(z.im, one)};
  return {concat(both, one.rank() - 1)};
}
std::vector<Value> build_from_pairs(ir::GraphBuilder&, Values x, const ir::Attrs&) {
  Shape shape = x[0].shape();
  std::vector<Dim> starts(shape.size(), 0), sizes = shape.dims();
  shape.erase(shape.size() - 1);
  sizes.back() = Dim(1);
  const auto part = [&](int64_t i) {
    starts.back() = i;
    return reshape(slice(x[0], starts, sizes, std::vector<int64_t>(starts.size(), 1)), shape);
  };
  return {ir::complex(part(0), part(1))};
}

// The real dtype in which two parts meet: f32 or f64.
DType parts_meet(const Operand& x, const Operand& y, const char* op) {
  const Operand* const operands[] = {&x, &y};
  const DType dtype = common_dtype(operands, op);
  if (is_complex(dtype))
    throw Error(std::string(op) + ": the parts of a complex number are real, not " + std::string(name(dtype)),
                place_of({&x, &y}));
  return dtype == f64 ? f64 : f32;
}

Tensor of_parts(const Emit& emit, const Operand& x, const Operand& y) try {
  const DType part = parts_meet(x, y, emit.name);
  return apply_one(emit, ir::ConvertAttrs{part}, {entered(x, part, emit.name), entered(y, part, emit.name)},
                   place_of({&x, &y}));
} catch (...) {
  leave_with_error(emit.name, place_of({&x, &y}));
}

Tensor of_one(const Emit& emit, const Operand& z) try {
  return apply_one(emit, {}, {as_tensor(z, emit.name)}, z.where());
} catch (...) {
  leave_with_error(emit.name, z.where());
}

}  // namespace

Tensor complex(Operand re, Operand im) { return of_parts({"complex", build_complex}, re, im); }
Tensor polar(Operand length, Operand angle) { return of_parts({"polar", build_polar}, length, angle); }

Tensor real(Operand z) try {
  const Tensor t = as_tensor(z, "real");
  return is_complex(t) ? apply_one({"real", build_real}, {}, {t}, z.where()) : t;
} catch (...) {
  leave_with_error("real", z.where());
}
Tensor imag(Operand z) { return of_one({"imag", build_imag}, z); }
Tensor conj(Operand z) try {
  const Tensor t = as_tensor(z, "conj");
  return is_complex(t) ? apply_one({"conj", build_conj}, {}, {t}, z.where()) : t;
} catch (...) {
  leave_with_error("conj", z.where());
}
Tensor angle(Operand z) { return of_one({"angle", build_angle}, z); }

Tensor view_as_real(Operand z) try {
  const Tensor t = as_tensor(z, "view_as_real");
  if (!is_complex(t)) throw Error("view_as_real: takes a complex tensor, and this is " + describe(t), z.where());
  return apply_one({"view_as_real", build_pairs}, {}, {t}, z.where());
} catch (...) {
  leave_with_error("view_as_real", z.where());
}
Tensor view_as_complex(Operand x) try {
  const Tensor t = as_tensor(x, "view_as_complex");
  if ((t.dtype() != f32 && t.dtype() != f64) || t.ndim() == 0 || !(t.shape()[t.ndim() - 1] == 2))
    throw Error("view_as_complex: takes f32 or f64 whose last axis holds the two parts, and this is " + describe(t),
                x.where());
  return apply_one({"view_as_complex", build_from_pairs}, {}, {t}, x.where());
} catch (...) {
  leave_with_error("view_as_complex", x.where());
}

}  // namespace tenon
