// Attention over many lanes: one more axis of the batch. A mask, a bias or a key that all lanes share stretches
// over them.
#include "tenon/ir/rules/attention.h"
#include "tenon/ir/rules/batch.h"

namespace tenon::ir::rules {

BatchResults batch_attention(const BatchArgs& args) {
  const AttentionOperands at(args.op, Attention(args.attrs));
  std::vector<Value> operands;
  for (uint32_t k = 0; k < args.operands.size(); ++k) {
    const bool stretches = (k == at.mask || k == at.bias || k == at.key) && !args.batched[k];
    operands.push_back(stretches ? reshape(args.operands[k], with_lanes(Dim(1), args.operands[k].shape()))
                                 : lifted(args, k));
  }
  return {apply(args.builder, args.op, operands, args.attrs)};
}

}  // namespace tenon::ir::rules
