// Derivatives on their way: each definition here is replaced by the rule itself.
#include "tenon/ir/rules/rules.h"

namespace tenon::ir::rules {

std::vector<Value> add_jvp(const JvpArgs&) { throw InternalError("add_jvp is missing"); }
std::vector<Value> barrier_jvp(const JvpArgs&) { throw InternalError("barrier_jvp is missing"); }
std::vector<Value> call_jvp(const JvpArgs&) { throw InternalError("call_jvp is missing"); }
std::vector<Value> cast_jvp(const JvpArgs&) { throw InternalError("cast_jvp is missing"); }
std::vector<Value> cond_jvp(const JvpArgs&) { throw InternalError("cond_jvp is missing"); }
std::vector<Value> convolution_jvp(const JvpArgs&) { throw InternalError("convolution_jvp is missing"); }
std::vector<Value> div_jvp(const JvpArgs&) { throw InternalError("div_jvp is missing"); }
std::vector<Value> dot_jvp(const JvpArgs&) { throw InternalError("dot_jvp is missing"); }
std::vector<Value> reduce_extremum_jvp(const JvpArgs&) { throw InternalError("reduce_extremum_jvp is missing"); }
std::vector<Value> reduce_prod_jvp(const JvpArgs&) { throw InternalError("reduce_prod_jvp is missing"); }
std::vector<Value> scale_jvp(const JvpArgs&) { throw InternalError("scale_jvp is missing"); }
std::vector<Value> scan_jvp(const JvpArgs&) { throw InternalError("scan_jvp is missing"); }
std::vector<Value> select_jvp(const JvpArgs&) { throw InternalError("select_jvp is missing"); }
std::vector<Value> sort_jvp(const JvpArgs&) { throw InternalError("sort_jvp is missing"); }
std::vector<Value> sub_jvp(const JvpArgs&) { throw InternalError("sub_jvp is missing"); }
std::vector<Value> while_jvp(const JvpArgs&) { throw InternalError("while_jvp is missing"); }
std::vector<Value> add_transpose(const TransposeArgs&) { throw InternalError("add_transpose is missing"); }
std::vector<Value> barrier_transpose(const TransposeArgs&) { throw InternalError("barrier_transpose is missing"); }
std::vector<Value> broadcast_transpose(const TransposeArgs&) { throw InternalError("broadcast_transpose is missing"); }
std::vector<Value> call_transpose(const TransposeArgs&) { throw InternalError("call_transpose is missing"); }
std::vector<Value> cast_transpose(const TransposeArgs&) { throw InternalError("cast_transpose is missing"); }
std::vector<Value> concat_transpose(const TransposeArgs&) { throw InternalError("concat_transpose is missing"); }
std::vector<Value> cond_transpose(const TransposeArgs&) { throw InternalError("cond_transpose is missing"); }
std::vector<Value> convolution_transpose(const TransposeArgs&) { throw InternalError("convolution_transpose is missing"); }
std::vector<Value> cumsum_transpose(const TransposeArgs&) { throw InternalError("cumsum_transpose is missing"); }
std::vector<Value> div_transpose(const TransposeArgs&) { throw InternalError("div_transpose is missing"); }
std::vector<Value> dot_transpose(const TransposeArgs&) { throw InternalError("dot_transpose is missing"); }
std::vector<Value> dynamic_slice_transpose(const TransposeArgs&) { throw InternalError("dynamic_slice_transpose is missing"); }
std::vector<Value> dynamic_update_slice_transpose(const TransposeArgs&) { throw InternalError("dynamic_update_slice_transpose is missing"); }
std::vector<Value> gather_transpose(const TransposeArgs&) { throw InternalError("gather_transpose is missing"); }
std::vector<Value> mul_transpose(const TransposeArgs&) { throw InternalError("mul_transpose is missing"); }
std::vector<Value> neg_transpose(const TransposeArgs&) { throw InternalError("neg_transpose is missing"); }
std::vector<Value> pad_transpose(const TransposeArgs&) { throw InternalError("pad_transpose is missing"); }
std::vector<Value> reduce_sum_transpose(const TransposeArgs&) { throw InternalError("reduce_sum_transpose is missing"); }
std::vector<Value> reshape_transpose(const TransposeArgs&) { throw InternalError("reshape_transpose is missing"); }
std::vector<Value> reverse_transpose(const TransposeArgs&) { throw InternalError("reverse_transpose is missing"); }
std::vector<Value> scale_transpose(const TransposeArgs&) { throw InternalError("scale_transpose is missing"); }
std::vector<Value> scan_transpose(const TransposeArgs&) { throw InternalError("scan_transpose is missing"); }
std::vector<Value> scatter_add_transpose(const TransposeArgs&) { throw InternalError("scatter_add_transpose is missing"); }
std::vector<Value> select_transpose(const TransposeArgs&) { throw InternalError("select_transpose is missing"); }
std::vector<Value> slice_transpose(const TransposeArgs&) { throw InternalError("slice_transpose is missing"); }
std::vector<Value> sub_transpose(const TransposeArgs&) { throw InternalError("sub_transpose is missing"); }
std::vector<Value> transpose_transpose(const TransposeArgs&) { throw InternalError("transpose_transpose is missing"); }
Value tie_mask(Value, Value, Value) { throw InternalError("tie_mask is missing"); }
Value pow_by_base(Value, Value) { throw InternalError("pow_by_base is missing"); }
Value pow_by_exponent(Value, Value, Value) { throw InternalError("pow_by_exponent is missing"); }

}  // namespace tenon::ir::rules
