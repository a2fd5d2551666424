// Complex operands are split, the op runs twice, the results are joined. Refuses ops whose parts depend on one another: there are none.
#include "tenon/ir/reference/parts.h"

#include <algorithm>

#include "tenon/ir/rules/eval.h"

namespace tenon::ir {

bool runs_on_parts(const EvalArgs& args) {
  const OpDef& row = def(args.op);
  const bool computes =
      row.eval == nullptr || row.family == Family::reduction || row.family == Family::ranks || args.op == Op::scatter;
  const auto complex = [](const Type& t) { return is_complex(t.dtype); };
  return computes && (std::ranges::any_of(args.results, complex) ||
                      std::ranges::any_of(args.operands, [&](const Array* a) { return complex(a->type); }));
}

std::vector<Array> on_parts(const EvalArgs& args, std::vector<Array> (*real)(const EvalArgs&)) {
  std::vector<Type> types(args.results.begin(), args.results.end());
  for (Type& t : types) t.dtype = part_of(t.dtype);
  std::vector<Array> parts[2];
  for (int k = 0; k < 2; ++k) {
    std::vector<Array> split(args.operands.size());
    std::vector<const Array*> operands(args.operands.begin(), args.operands.end());
    for (size_t i = 0; i < operands.size(); ++i) {
      const Type& type = operands[i]->type;
      if (!is_complex(type.dtype)) continue;
      const Type part{part_of(type.dtype), type.shape};
      split[i] = std::move(rules::eval_part(
          {std::span(&operands[i], 1), {}, std::span(&part, 1), k == 0 ? Op::real : Op::imag, nullptr, {}})[0]);
      operands[i] = &split[i];
    }
    parts[k] = real({operands, args.attrs, types, args.op, args.symbols, args.symbol_values});
  }
  std::vector<Array> joined;
  for (size_t r = 0; r < args.results.size(); ++r) {
    const Array* both[] = {&parts[0][r], &parts[1][r]};
    joined.push_back(
        std::move(rules::eval_complex({both, {}, args.results.subspan(r, 1), Op::complex, nullptr, {}})[0]));
  }
  return joined;
}

}  // namespace tenon::ir
