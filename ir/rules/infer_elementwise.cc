// Type rules of elementwise rows: operands of one dtype and shape. Refuses to promote or broadcast: the frontend writes both
// into the graph.
#include "tenon/ir/rules/infer.h"

namespace tenon::ir::rules {

void check_axis(int64_t axis, int rank, const char* name) {
  if (axis >= 0 && axis < rank) return;
  if (rank == 0)
    refuse(std::string(name) + " " + number(axis) + " is out of range: the operand is a scalar and has no axes");
  refuse(std::string(name) + " " + number(axis) + " is out of range for a tensor of " + number(rank) +
         " axes: use 0 to " + number(rank - 1));
}

void check_axes(const std::vector<int64_t>& axes, int rank, const char* name) {
  for (size_t i = 0; i < axes.size(); ++i) {
    check_axis(axes[i], rank, name);
    for (size_t j = 0; j < i; ++j)
      TENON_REQUIRE(axes[i] != axes[j], std::string(name) + " " + number(axes[i]) + " is named twice");
  }
}

void check_symbols(const InferArgs& args, const std::vector<Dim>& dims) {
  for (Dim d : dims)
    TENON_REQUIRE(d.is_number() || d.index() < args.symbols.size(), "an extent refers to a symbol of another program");
}

void check_same_type(const InferArgs& args, size_t first, size_t end) {
  const Type& a = args.operands[first];
  for (size_t k = first + 1; k < end; ++k) {
    const Type& b = args.operands[k];
    TENON_REQUIRE(a.dtype == b.dtype, "the dtypes differ: " + operand_name(first) + " is " +
                                          std::string(name(a.dtype)) + ", " + operand_name(k) + " is " +
                                          std::string(name(b.dtype)) + "; cast one of them");
    if (a.shape == b.shape) continue;
    TENON_REQUIRE(a.shape.rank() == b.shape.rank(), "the shapes differ: " + to_string(a.shape, &args.symbols) +
                                                        " has " + number(a.shape.rank()) + " axes, " +
                                                        to_string(b.shape, &args.symbols) + " has " +
                                                        number(b.shape.rank()) + "; broadcast or reshape one of them");
    size_t axis = 0;
    while (a.shape[axis] == b.shape[axis]) ++axis;
    const Dim da = a.shape[axis], db = b.shape[axis];
    refuse("the shapes differ at axis " + number(static_cast<int64_t>(axis)) + ": " + to_string(da, &args.symbols) +
           " against " + to_string(db, &args.symbols) +
           (da.is_symbol() || db.is_symbol() ? "; a named extent equals only itself"
                                             : "; broadcast, slice or reshape one of them"));
  }
}

void check_scalar(const InferArgs& args, size_t operand, DType dtype, const char* role) {
  const Type& t = args.operands[operand];
  TENON_REQUIRE(t.dtype == dtype && t.shape.rank() == 0, std::string(role) + " (" + operand_name(operand) +
                                                             ") must be " + std::string(name(dtype)) + "[], not " +
                                                             to_string(t, &args.symbols));
}

std::vector<Type> infer_same(const InferArgs& args) {
  check_same_type(args, 0, args.operands.size());
  return {args.operands[0]};
}

std::vector<Type> infer_predicate(const InferArgs& args) {
  check_same_type(args, 0, args.operands.size());
  return {Type{DType::boolean, args.operands[0].shape}};
}

std::vector<Type> infer_select(const InferArgs& args) {
  const Type& p = args.operands[0];
  TENON_REQUIRE(p.dtype == DType::boolean,
                "the predicate (operand 0) must be bool, not " + std::string(name(p.dtype)) + "; compare it with 0");
  check_same_type(args, 1, 3);
  TENON_REQUIRE(p.shape == args.operands[1].shape,
                "the predicate has shape " + to_string(p.shape, &args.symbols) + ", the choices " +
                    to_string(args.operands[1].shape, &args.symbols) + "; broadcast the predicate");
  return {args.operands[1]};
}

std::vector<Type> infer_cast(const InferArgs& args) {
  TENON_REQUIRE(!is_complex(Convert(args.attrs).dtype), "makes no complex numbers; complex(re, im) does");
  return {Type{Convert(args.attrs).dtype, args.operands[0].shape}};
}

std::vector<Type> infer_bitcast(const InferArgs& args) {
  const DType from = args.operands[0].dtype, to = Convert(args.attrs).dtype;
  TENON_REQUIRE(!is_complex(to), "makes no complex numbers; complex(re, im) does");
  TENON_REQUIRE(bits(from) == bits(to), "a bitcast keeps the width: " + std::string(name(from)) + " has " +
                                            number(bits(from)) + " bits, " + std::string(name(to)) + " has " +
                                            number(bits(to)));
  return {Type{to, args.operands[0].shape}};
}

}  // namespace tenon::ir::rules
