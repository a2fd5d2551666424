// Reductions in CUDA C++: a call of the prelude's tree, which a team or a tile of columns walks together and a thread alone. Several results at
// once, and places of extremes, travel as one struct.
#include <bit>

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

// The call up to the function that gives an element.
std::string CudaKernel::reduce_call(const Instruction& i, Team team, int pack) const {
  const auto list = [](std::initializer_list<int64_t> numbers) {
    std::string text;
    for (int64_t n : numbers) text += (text.empty() ? "" : ", ") + std::to_string(n);
    return text;
  };
  const int64_t most = index_.interval(i.operands[0]).high;
  const int64_t blocks = most <= 0 ? 0 : (most - 1) / i.tree.block + 1;
  const auto ranks = [](int64_t totals) { return std::max<int64_t>(std::bit_width(static_cast<uint64_t>(totals)), 1); };
  if (team == Team::group) {
    const bool once = blocks <= plan_.team / (i.tree.lanes / pack);
    return "reduce_team<" + list({plan_.team, i.tree.lanes, i.tree.block, pack}) + (once ? ", true>" : ", false>");
  }
  if (plan_.way == CudaPlan::Way::columns) {
    const int64_t slabs = plan_.threads / plan_.columns;
    // A power of two of blocks for each slab, at least as many as there are.
    const auto each = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>((blocks + slabs - 1) / slabs)));
    return "reduce_columns<" + list({plan_.threads, plan_.columns, i.tree.lanes, i.tree.block, ranks(each)}) + ">";
  }
  return "reduce_alone<" + list({i.tree.lanes, i.tree.block, ranks(blocks)}) + ">";
}

// What the block yields, as one value.
std::string CudaKernel::yielded(const Instruction& i, const Parts& p) const {
  const ir::Block& b = kernel_.blocks[index(i.blocks[0])];
  std::string values;
  for (size_t k = 0; k < i.combines.size(); ++k) {
    const std::string value = use(b.yields[k]), place = part(i.combines[k], kernel_.dtype(b.yields[k]));
    values +=
        (k ? ", " : "") + (is_place(i.combines[k]) ? place + "{" + value + ", " + use(b.arguments[0]) + "}" : value);
  }
  return i.combines.size() == 1 ? values : p.type + "{" + values + "}";
}

void CudaKernel::emit_reduce(const Instruction& i, Team team) {
  const ir::Block& b = kernel_.blocks[index(i.blocks[0])];
  const bool shares = team == Team::group && shares_memory(i.blocks[0]), one = i.combines.size() == 1;
  const CudaPack pack = team == Team::group ? planner_.reduce_pack(i) : CudaPack{};
  if (shares) barrier();
  const std::string v = define(b.arguments[0]), total = "r" + v, index_type = type(b.arguments[0]);
  const Parts p = parts_of(i, v);
  if (!p.declaration.empty()) line(p.declaration);
  const std::string call = "const " + p.type + " " + total + " = " + reduce_call(i, team, pack.width) + "(" +
                           use(i.operands[0]) + ", " + p.identity + ", " + p.empty + ", [&](" + index_type + " " + v;
  if (team == Team::group) {
    open(call + ", " + p.type + "* next)");
    if (pack.width > 1) {
      emit_packed(i.blocks[0], pack, "", [&] { line("next[k] = " + yielded(i, p) + ";"); });
    } else {
      emit_block(i.blocks[0], Team::thread);
      line("next[0] = " + yielded(i, p) + ";");
    }
  } else {
    open(call + ") -> " + p.type);
    const std::string stores_if = std::exchange(stores_if_, "");
    const CudaPlan::Way way =
        std::exchange(plan_.way, plan_.way == CudaPlan::Way::columns ? CudaPlan::Way::elements : plan_.way);
    emit_block(i.blocks[0], Team::thread);
    plan_.way = way;
    stores_if_ = stores_if;
    line("return " + yielded(i, p) + ";");
  }
  close("}, [](" + p.type + " x, " + p.type + " y) -> " + p.type + " { return " + p.join + "; });");
  for (size_t k = 0; k < i.combines.size(); ++k) {
    const std::string member = one ? total : total + ".m" + std::to_string(k);
    line("const " + type(result(i, k)) + " " + define(result(i, k)) + " = " + member +
         (is_place(i.combines[k]) ? ".index;" : ";"));
  }
  if (shares) barrier();
}

}  // namespace tenon::codegen
