// Checks and prints over lanes: a check fails where a lane that takes part does not hold, a print writes a line for each lane that takes
// part, ascending.
#include "tenon/ir/rules/batch.h"

namespace tenon::ir::rules {
namespace {

// The mask in front of the operands, over all lanes: what the op has, within what takes part here; null where there is neither.
Value mask_over_lanes(const BatchArgs& args, bool masked, const Shape& lanes) {
  Value mask = masked ? lifted(args, 0) : Value{};
  if (!args.mask) return mask;
  const Value here = over(args.mask, lanes);
  return mask ? bit_and(here, mask) : here;
}

}  // namespace

BatchResults batch_check(const BatchArgs& args) {
  const Check c(args.attrs);
  const size_t last = args.operands.size() - 1;
  const bool any = args.batched[last] || (c.masked && args.batched[0]);
  if (!any && !args.mask) {
    apply(args.builder, args.op, args.operands, args.attrs);
    return {};
  }
  const Value holds = lifted(args, last), mask = mask_over_lanes(args, c.masked, holds.shape());
  const std::vector<Value> operands = mask ? std::vector<Value>{mask, holds} : std::vector<Value>{holds};
  apply(args.builder, args.op, operands, CheckAttrs{.message = c.message, .place = c.place, .masked = bool(mask)});
  return {};
}

BatchResults batch_print(const BatchArgs& args) {
  const Print p(args.attrs);
  std::vector<Value> operands;
  Shape lanes({args.batching.size});
  if (args.operands.empty()) {  // a line for each lane all the same: the lanes stand in a mask
    const Value all = splat_integer(args.builder, DType::boolean, 1, lanes);
    operands.push_back(args.mask ? args.mask : all);
  } else {
    const Shape lane = lane_shape(args, 0);
    for (int64_t d = 0; d < p.lanes; ++d) lanes.push_back(lane[d]);
    if (const Value mask = mask_over_lanes(args, p.masked, lanes)) operands.push_back(mask);
    for (size_t i = p.masked ? 1 : 0; i < args.operands.size(); ++i) operands.push_back(lifted(args, i));
  }
  const bool masked = args.operands.empty() || p.masked || args.mask;
  apply(args.builder, args.op, operands, PrintAttrs{.format = p.format, .lanes = p.lanes + 1, .masked = masked});
  return {};
}

}  // namespace tenon::ir::rules
