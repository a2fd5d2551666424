// Constants and movement: all of it has an operation of StableHLO.
#include "tenon/frontend/stablehlo/print.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::hlo {
namespace {

using ir::Op;

std::string number_text(const char* name, size_t value) {
  return std::string(name) + " = " + std::to_string(value) + " : i64";
}

std::string slice_text(const ir::Slice& s) {
  std::vector<int64_t> starts = numbers_of(s.starts), limits = numbers_of(s.sizes);
  for (size_t i = 0; i < limits.size(); ++i)
    limits[i] = limits[i] == 0 ? starts[i] : starts[i] + (limits[i] - 1) * s.strides[i] + 1;
  return "start_indices = " + array_text(starts) + ", limit_indices = " + array_text(limits) +
         ", strides = " + array_text(s.strides);
}

}  // namespace

std::string padding_text(const std::vector<int64_t>& low, const std::vector<int64_t>& high,
                         const std::vector<int64_t>& interior) {
  return "edge_padding_low = " + array_text(low) + ", edge_padding_high = " + array_text(high) +
         ", interior_padding = " + array_text(interior);
}

bool print_movement(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r) {
  if (n.result_count == 0) return false;
  const ir::Type& type = g.type(n.first_result);
  switch (n.op) {
    case Op::constant: r = {p.constant(type, ir::Constant(g, n).value.data())}; return true;
    case Op::unset: r = {type.dtype == boolean ? p.repeated(type, "false") : p.number(type, 0)}; return true;
    case Op::iota:
      r = {p.one("stablehlo.iota", {}, type, number_text("iota_dimension", ir::Iota(g, n).axis))};
      return true;
    case Op::reshape: r = {p.reshaped(x[0], type.shape)}; return true;
    case Op::broadcast:
      r = {p.one("stablehlo.broadcast_in_dim", x, type,
                 "broadcast_dimensions = " + array_text(ir::Broadcast(g, n).axes))};
      return true;
    case Op::transpose:
      r = {p.one("stablehlo.transpose", x, type, "permutation = " + array_text(ir::Transpose(g, n).permutation))};
      return true;
    case Op::slice: r = {p.one("stablehlo.slice", x, type, slice_text(ir::Slice(g, n)))}; return true;
    case Op::dynamic_slice:
      r = {p.one("stablehlo.dynamic_slice", x, type,
                 "slice_sizes = " + array_text(numbers_of(ir::DynamicSlice(g, n).sizes)))};
      return true;
    case Op::dynamic_update_slice: r = {p.one("stablehlo.dynamic_update_slice", x, type)}; return true;
    case Op::pad: {
      const ir::Pad pad(g, n);
      r = {p.one("stablehlo.pad", x, type, padding_text(numbers_of(pad.low), numbers_of(pad.high), pad.interior))};
      return true;
    }
    case Op::concat:
      r = {p.one("stablehlo.concatenate", x, type, number_text("dimension", ir::Concat(g, n).axis))};
      return true;
    case Op::reverse:
      r = {p.one("stablehlo.reverse", x, type, "dimensions = " + array_text(ir::Reverse(g, n).axes))};
      return true;
    default: return false;
  }
}

}  // namespace tenon::hlo
