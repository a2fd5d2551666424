// Reductions in CUDA C++: a call of the prelude's tree, which a block walks together and a thread alone. Several results at
// once, and places of extremes, travel as one struct.
#include "tenon/codegen/cuda/kernel.h"
#include "tenon/codegen/cuda/text.h"

namespace tenon::codegen {

using ir::Instruction;
using ir::Op;

namespace {

bool is_place(Op combine) { return def(combine).positional; }

std::string part(Op combine, DType t) {
  const std::string type(name(t));
  return is_place(combine) ? "Place<" + type + ">" : type;
}

}  // namespace

CudaKernel::Parts CudaKernel::parts_of(const Instruction& i, const std::string& index_name) const {
  const ir::Block& b = kernel_.blocks[index(i.blocks[0])];
  const bool one = i.combines.size() == 1;
  Parts p;
  std::string members;
  for (size_t k = 0; k < i.combines.size(); ++k) {
    const Op combine = i.combines[k];
    const DType t = kernel_.dtype(b.yields[k]);
    const std::string m = "m" + std::to_string(k), comma = k ? ", " : "", dot = one ? "" : "." + m;
    members += part(combine, t) + " " + m + "; ";
    p.identity += comma + cuda_identity(combine, t);
    p.empty += comma + (is_place(combine) ? part(combine, t) + "{" + cuda_literal(t, 0) + ", 0}"
                                          : cuda_literal(t, nothing_bits(combine, t)));
    p.join += comma + std::string(name(combine)) + "(x" + dot + ", y" + dot + ")";
  }
  p.type = one ? part(i.combines[0], kernel_.dtype(b.yields[0])) : "Parts" + index_name;
  if (one) return p;
  p.declaration = "struct " + p.type + " { " + members + "};";
  for (std::string* list : {&p.identity, &p.empty, &p.join}) *list = p.type + "{" + *list + "}";
  return p;
}

void CudaKernel::emit_reduce(const Instruction& i, Team team) {
  const ir::Block& b = kernel_.blocks[index(i.blocks[0])];
  const bool shares = team == Team::block && shares_memory(i.blocks[0]), one = i.combines.size() == 1;
  if (shares) barrier();
  const std::string v = define(b.arguments[0]), total = "r" + v;
  const Parts p = parts_of(i, v);
  if (!p.declaration.empty()) line(p.declaration);
  open("const " + p.type + " " + total + " = reduce_" + (team == Team::block ? "together<" : "alone<") +
       std::to_string(i.tree.lanes) + ", " + std::to_string(i.tree.block) + ">(" + use(i.operands[0]) + ", " +
       p.identity + ", " + p.empty + ", [&](" + type(b.arguments[0]) + " " + v + ") -> " + p.type);
  emit_block(i.blocks[0], Team::thread);
  std::string values;
  for (size_t k = 0; k < i.combines.size(); ++k) {
    const std::string value = use(b.yields[k]), place = part(i.combines[k], kernel_.dtype(b.yields[k]));
    values += (k ? ", " : "") + (is_place(i.combines[k]) ? place + "{" + value + ", " + v + "}" : value);
  }
  line("return " + (one ? values : p.type + "{" + values + "}") + ";");
  close("}, [](" + p.type + " x, " + p.type + " y) -> " + p.type + " { return " + p.join + "; });");
  for (size_t k = 0; k < i.combines.size(); ++k) {
    const std::string member = one ? total : total + ".m" + std::to_string(k);
    line("const " + type(result(i, k)) + " " + define(result(i, k)) + " = " + member +
         (is_place(i.combines[k]) ? ".index;" : ";"));
  }
  if (shares) barrier();
}

}  // namespace tenon::codegen
