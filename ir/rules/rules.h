// Declarations of every function that a row of ir/ops.def names, one list per column. The definitions stand in this folder,
// one file a family and column. The reference meanings (.eval) are declared in ir/rules/eval.h.
#pragma once

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/kernel/lowering.h"
#include "tenon/ir/op.h"

namespace tenon::ir::rules {

// Result types.
std::vector<Type> infer_all_gather(const InferArgs& args);
std::vector<Type> infer_all_reduce(const InferArgs& args);
std::vector<Type> infer_all_to_all(const InferArgs& args);
std::vector<Type> infer_attention(const InferArgs& args);
std::vector<Type> infer_attention_gradient(const InferArgs& args);
std::vector<Type> infer_attention_tangent(const InferArgs& args);
std::vector<Type> infer_arg_reduce(const InferArgs& args);
std::vector<Type> infer_axis_gather(const InferArgs& args);
std::vector<Type> infer_axis_index(const InferArgs& args);
std::vector<Type> infer_barrier(const InferArgs& args);
std::vector<Type> infer_bitcast(const InferArgs& args);
std::vector<Type> infer_broadcast(const InferArgs& args);
std::vector<Type> infer_call(const InferArgs& args);
std::vector<Type> infer_cast(const InferArgs& args);
std::vector<Type> infer_check(const InferArgs& args);
std::vector<Type> infer_collective_broadcast(const InferArgs& args);
std::vector<Type> infer_collective_permute(const InferArgs& args);
std::vector<Type> infer_complex(const InferArgs& args);
std::vector<Type> infer_concat(const InferArgs& args);
std::vector<Type> infer_cond(const InferArgs& args);
std::vector<Type> infer_constant(const InferArgs& args);
std::vector<Type> infer_constrain(const InferArgs& args);
std::vector<Type> infer_convolution(const InferArgs& args);
std::vector<Type> infer_cumulative(const InferArgs& args);
std::vector<Type> infer_custom_call(const InferArgs& args);
std::vector<Type> infer_dot(const InferArgs& args);
std::vector<Type> infer_dynamic_slice(const InferArgs& args);
std::vector<Type> infer_dynamic_update_slice(const InferArgs& args);
std::vector<Type> infer_exchange(const InferArgs& args);
std::vector<Type> infer_gather(const InferArgs& args);
std::vector<Type> infer_iota(const InferArgs& args);
std::vector<Type> infer_pad(const InferArgs& args);
std::vector<Type> infer_part(const InferArgs& args);
std::vector<Type> infer_predicate(const InferArgs& args);
std::vector<Type> infer_print(const InferArgs& args);
std::vector<Type> infer_random_bits(const InferArgs& args);
std::vector<Type> infer_rank_barrier(const InferArgs& args);
std::vector<Type> infer_rank_index(const InferArgs& args);
std::vector<Type> infer_rank_slice(const InferArgs& args);
std::vector<Type> infer_reduce(const InferArgs& args);
std::vector<Type> infer_reduce_scatter(const InferArgs& args);
std::vector<Type> infer_replay(const InferArgs& args);
std::vector<Type> infer_reshape(const InferArgs& args);
std::vector<Type> infer_reverse(const InferArgs& args);
std::vector<Type> infer_same(const InferArgs& args);
std::vector<Type> infer_scan(const InferArgs& args);
std::vector<Type> infer_scatter(const InferArgs& args);
std::vector<Type> infer_select(const InferArgs& args);
std::vector<Type> infer_slice(const InferArgs& args);
std::vector<Type> infer_sort(const InferArgs& args);
std::vector<Type> infer_cholesky(const InferArgs& args);
std::vector<Type> infer_triangular_solve(const InferArgs& args);
std::vector<Type> infer_lu(const InferArgs& args);
std::vector<Type> infer_qr(const InferArgs& args);
std::vector<Type> infer_eigh(const InferArgs& args);
std::vector<Type> infer_svd(const InferArgs& args);
std::vector<Type> infer_transpose(const InferArgs& args);
std::vector<Type> infer_unset(const InferArgs& args);
std::vector<Type> infer_while(const InferArgs& args);
std::vector<Type> infer_windows(const InferArgs& args);
std::vector<Type> infer_custom_jvp(const InferArgs& args);
std::vector<Type> infer_custom_tangent(const InferArgs& args);
std::vector<Type> infer_custom_vjp(const InferArgs& args);
std::vector<Type> infer_linear_solve(const InferArgs& args);

// Which axis of the result reads which axis of an operand.
AxisMap broadcast_axes(const Graph& g, const Node& n);
AxisMap concat_axes(const Graph& g, const Node& n);
AxisMap dynamic_slice_axes(const Graph& g, const Node& n);
AxisMap iota_axes(const Graph& g, const Node& n);
AxisMap pad_axes(const Graph& g, const Node& n);
AxisMap reverse_axes(const Graph& g, const Node& n);
AxisMap slice_axes(const Graph& g, const Node& n);
AxisMap transpose_axes(const Graph& g, const Node& n);
AxisMap windows_axes(const Graph& g, const Node& n);

// Tangents.
std::vector<Value> add_jvp(const JvpArgs& args);
std::vector<Value> all_reduce_extremum_jvp(const JvpArgs& args);
std::vector<Value> all_reduce_prod_jvp(const JvpArgs& args);
std::vector<Value> attention_jvp(const JvpArgs& args);
std::vector<Value> attention_gradient_jvp(const JvpArgs& args);
std::vector<Value> attention_tangent_jvp(const JvpArgs& args);
std::vector<Value> axis_max_jvp(const JvpArgs& args);
std::vector<Value> barrier_jvp(const JvpArgs& args);
std::vector<Value> call_jvp(const JvpArgs& args);
std::vector<Value> cast_jvp(const JvpArgs& args);
std::vector<Value> cond_jvp(const JvpArgs& args);
std::vector<Value> convolution_jvp(const JvpArgs& args);
std::vector<Value> div_jvp(const JvpArgs& args);
std::vector<Value> dot_jvp(const JvpArgs& args);
std::vector<Value> extremum_jvp(const JvpArgs& args);
std::vector<Value> reduce_extremum_jvp(const JvpArgs& args);
std::vector<Value> reduce_prod_jvp(const JvpArgs& args);
std::vector<Value> replay_jvp(const JvpArgs& args);
std::vector<Value> scan_jvp(const JvpArgs& args);
std::vector<Value> scatter_jvp(const JvpArgs& args);
std::vector<Value> select_jvp(const JvpArgs& args);
std::vector<Value> sort_jvp(const JvpArgs& args);
std::vector<Value> cholesky_jvp(const JvpArgs& args);
std::vector<Value> triangular_solve_jvp(const JvpArgs& args);
std::vector<Value> lu_jvp(const JvpArgs& args);
std::vector<Value> qr_jvp(const JvpArgs& args);
std::vector<Value> eigh_jvp(const JvpArgs& args);
std::vector<Value> svd_jvp(const JvpArgs& args);
std::vector<Value> sub_jvp(const JvpArgs& args);
std::vector<Value> while_jvp(const JvpArgs& args);
std::vector<Value> custom_batch_jvp(const JvpArgs& args);
std::vector<Value> custom_jvp_jvp(const JvpArgs& args);
std::vector<Value> custom_tangent_jvp(const JvpArgs& args);
std::vector<Value> custom_vjp_jvp(const JvpArgs& args);
std::vector<Value> linear_solve_jvp(const JvpArgs& args);
std::vector<Value> named_jvp(const JvpArgs& args);

// Cotangents of linear operands.
std::vector<Value> add_transpose(const TransposeArgs& args);
std::vector<Value> all_gather_transpose(const TransposeArgs& args);
std::vector<Value> all_reduce_sum_transpose(const TransposeArgs& args);
std::vector<Value> all_to_all_transpose(const TransposeArgs& args);
std::vector<Value> attention_gradient_transpose(const TransposeArgs& args);
std::vector<Value> attention_tangent_transpose(const TransposeArgs& args);
std::vector<Value> axis_gather_transpose(const TransposeArgs& args);
std::vector<Value> axis_sum_transpose(const TransposeArgs& args);
std::vector<Value> collective_broadcast_transpose(const TransposeArgs& args);
std::vector<Value> collective_permute_transpose(const TransposeArgs& args);
std::vector<Value> exchange_transpose(const TransposeArgs& args);
std::vector<Value> rank_slice_transpose(const TransposeArgs& args);
std::vector<Value> constrain_transpose(const TransposeArgs& args);
std::vector<Value> rank_vary_transpose(const TransposeArgs& args);
std::vector<Value> in_turn_transpose(const TransposeArgs& args);
std::vector<Value> reduce_scatter_transpose(const TransposeArgs& args);
std::vector<Value> barrier_transpose(const TransposeArgs& args);
std::vector<Value> broadcast_transpose(const TransposeArgs& args);
std::vector<Value> call_transpose(const TransposeArgs& args);
std::vector<Value> cast_transpose(const TransposeArgs& args);
std::vector<Value> complex_transpose(const TransposeArgs& args);
std::vector<Value> concat_transpose(const TransposeArgs& args);
std::vector<Value> cond_transpose(const TransposeArgs& args);
std::vector<Value> convolution_transpose(const TransposeArgs& args);
std::vector<Value> cumsum_transpose(const TransposeArgs& args);
std::vector<Value> cumprod_jvp(const JvpArgs& args);
std::vector<Value> cumulative_extremum_jvp(const JvpArgs& args);
std::vector<Value> div_transpose(const TransposeArgs& args);
std::vector<Value> dot_transpose(const TransposeArgs& args);
std::vector<Value> dynamic_slice_transpose(const TransposeArgs& args);
std::vector<Value> dynamic_update_slice_transpose(const TransposeArgs& args);
std::vector<Value> gather_transpose(const TransposeArgs& args);
std::vector<Value> mul_transpose(const TransposeArgs& args);
std::vector<Value> neg_transpose(const TransposeArgs& args);
std::vector<Value> pad_transpose(const TransposeArgs& args);
std::vector<Value> reduce_sum_transpose(const TransposeArgs& args);
std::vector<Value> replay_transpose(const TransposeArgs& args);
std::vector<Value> reshape_transpose(const TransposeArgs& args);
std::vector<Value> reverse_transpose(const TransposeArgs& args);
std::vector<Value> scale_transpose(const TransposeArgs& args);
std::vector<Value> scan_transpose(const TransposeArgs& args);
std::vector<Value> scatter_transpose(const TransposeArgs& args);
std::vector<Value> triangular_solve_transpose(const TransposeArgs& args);
std::vector<Value> select_transpose(const TransposeArgs& args);
std::vector<Value> slice_transpose(const TransposeArgs& args);
std::vector<Value> sub_transpose(const TransposeArgs& args);
std::vector<Value> transpose_transpose(const TransposeArgs& args);
std::vector<Value> windows_transpose(const TransposeArgs& args);
std::vector<Value> custom_tangent_transpose(const TransposeArgs& args);
std::vector<Value> imag_transpose(const TransposeArgs& args);
std::vector<Value> real_transpose(const TransposeArgs& args);
std::vector<Value> linear_solve_transpose(const TransposeArgs& args);
std::vector<Value> named_transpose(const TransposeArgs& args);

// The op over many lanes.
BatchResults batch_all_gather(const BatchArgs& args);
BatchResults batch_all_to_all(const BatchArgs& args);
BatchResults batch_attention(const BatchArgs& args);
BatchResults batch_axis_gather(const BatchArgs& args);
BatchResults batch_axis_index(const BatchArgs& args);
BatchResults batch_axis_max(const BatchArgs& args);
BatchResults batch_axis_sum(const BatchArgs& args);
BatchResults batch_barrier(const BatchArgs& args);
BatchResults batch_broadcast(const BatchArgs& args);
BatchResults batch_call(const BatchArgs& args);
BatchResults batch_check(const BatchArgs& args);
BatchResults batch_constrain(const BatchArgs& args);
BatchResults batch_collective(const BatchArgs& args);
BatchResults batch_rank_barrier(const BatchArgs& args);
BatchResults batch_rank_index(const BatchArgs& args);
BatchResults batch_reduce_scatter(const BatchArgs& args);
BatchResults batch_concat(const BatchArgs& args);
BatchResults batch_cond(const BatchArgs& args);
BatchResults batch_convolution(const BatchArgs& args);
BatchResults batch_cumulative(const BatchArgs& args);
BatchResults batch_dot(const BatchArgs& args);
BatchResults batch_dynamic_slice(const BatchArgs& args);
BatchResults batch_dynamic_update_slice(const BatchArgs& args);
BatchResults batch_elementwise(const BatchArgs& args);
BatchResults batch_gather(const BatchArgs& args);
BatchResults batch_lane_by_lane(const BatchArgs& args);
BatchResults batch_pad(const BatchArgs& args);
BatchResults batch_print(const BatchArgs& args);
BatchResults batch_random_bits(const BatchArgs& args);
BatchResults batch_reduce(const BatchArgs& args);
BatchResults batch_replay(const BatchArgs& args);
BatchResults batch_reshape(const BatchArgs& args);
BatchResults batch_reverse(const BatchArgs& args);
BatchResults batch_scan(const BatchArgs& args);
BatchResults batch_scatter(const BatchArgs& args);
BatchResults batch_slice(const BatchArgs& args);
BatchResults batch_sort(const BatchArgs& args);
BatchResults batch_matrix(const BatchArgs& args);
BatchResults batch_triangular_solve(const BatchArgs& args);
BatchResults batch_source(const BatchArgs& args);
BatchResults batch_transpose(const BatchArgs& args);
BatchResults batch_while(const BatchArgs& args);
BatchResults batch_windows(const BatchArgs& args);
BatchResults batch_custom_batch(const BatchArgs& args);
BatchResults batch_custom_jvp(const BatchArgs& args);
BatchResults batch_custom_tangent(const BatchArgs& args);
BatchResults batch_custom_vjp(const BatchArgs& args);
BatchResults batch_linear_solve(const BatchArgs& args);

// Partial derivatives that are longer than a row.
Value asinh_slope(Value x);
Value atan2_by_first(Value x, Value y);
Value atan2_by_second(Value x, Value y);
Value atan_slope(Value x);
Value copysign_slope(Value x, Value y);
Value erf_slope(Value x);
Value erfcx_slope(Value x, Value r);
Value i1_slope(Value x, Value r);
Value i1e_slope(Value x, Value r);
Value log_ndtr_slope(Value x);
Value polygamma(int64_t n, Value x);  // the n-th derivative of digamma, 0 < n <= 100
Value pow_by_base(Value x, Value y);
Value pow_by_exponent(Value x, Value y, Value power);
Value silu_slope(Value x);
Value tanh_slope(Value x);

// One result element.
Scalar lower_broadcast(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_concat(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_constant(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_dynamic_slice(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_dynamic_update_slice(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_gather(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_iota(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_pad(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_random_bits(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_reshape(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_reverse(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_slice(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_transpose(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_unset(Lowering& context, const Node& node, std::span<const Scalar> index);
Scalar lower_windows(Lowering& context, const Node& node, std::span<const Scalar> index);

// A loop nest of its own.
void nest_attention(Lowering& context, const Node& node);
void nest_attention_gradient(Lowering& context, const Node& node);
void nest_attention_tangent(Lowering& context, const Node& node);
void nest_convolution(Lowering& context, const Node& node);
void orders_convolution(const Graph& graph, const Node& node, std::vector<std::vector<int64_t>>& orders);
void nest_cumulative(Lowering& context, const Node& node);
void nest_dynamic_update_slice(Lowering& context, const Node& node);
void nest_scatter(Lowering& context, const Node& node);
void nest_sort(Lowering& context, const Node& node);
void nest_cholesky(Lowering& context, const Node& node);
void nest_triangular_solve(Lowering& context, const Node& node);
void nest_lu(Lowering& context, const Node& node);
void nest_qr(Lowering& context, const Node& node);
void nest_eigh(Lowering& context, const Node& node);
void nest_svd(Lowering& context, const Node& node);

// The indices that ranks may share out.
Factors factors_alike(const Graph& graph, const Node& node);
Factors factors_all_gather(const Graph& graph, const Node& node);
Factors factors_all_to_all(const Graph& graph, const Node& node);
Factors factors_apart(const Graph& graph, const Node& node);
Factors factors_attention(const Graph& graph, const Node& node);
Factors factors_convolution(const Graph& graph, const Node& node);
Factors factors_cumulative(const Graph& graph, const Node& node);
Factors factors_dot(const Graph& graph, const Node& node);
Factors factors_dynamic_update_slice(const Graph& graph, const Node& node);
Factors factors_gather(const Graph& graph, const Node& node);
Factors factors_iota(const Graph& graph, const Node& node);
Factors factors_matrix(const Graph& graph, const Node& node);
Factors factors_of_axes(const Graph& graph, const Node& node);
Factors factors_reduce(const Graph& graph, const Node& node);
Factors factors_reduce_scatter(const Graph& graph, const Node& node);
Factors factors_reshape(const Graph& graph, const Node& node);
Factors factors_scatter(const Graph& graph, const Node& node);
Factors factors_sort(const Graph& graph, const Node& node);

}  // namespace tenon::ir::rules
