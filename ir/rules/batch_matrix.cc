// Rows over matrices over many lanes: one more axis of the batch.
#include "tenon/ir/rules/batch.h"

namespace tenon::ir::rules {

BatchResults batch_matrix(const BatchArgs& args) {
  return {apply(args.builder, args.op, all_lifted(args), args.attrs)};
}

// A matrix that all lanes share is taken once: what the lanes solve for stands side by side.
BatchResults batch_triangular_solve(const BatchArgs& args) {
  if (args.batched[0]) return batch_matrix(args);
  const Value b = args.operands[1];
  const size_t rank = b.shape().size();
  const Value beside = move_axis(b, 0, rank - 2);  // batch, rows, lanes, columns
  Shape joined = beside.shape();
  joined[rank - 2] = args.builder.symbols().product(joined[rank - 2], joined[rank - 1]);
  joined.erase(rank - 1);
  const Value solved = same_op(args, {args.operands[0], reshape(beside, joined)}, args.attrs);
  return {{move_axis(reshape(solved, beside.shape()), rank - 2, 0)}};
}

}  // namespace tenon::ir::rules
