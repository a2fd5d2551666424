// The importers of all ops, by family; templates stand with their family's other functions. operations.def lists them.
#pragma once

#include "tenon/frontend/onnx/import.h"

namespace tenon::onnx {

// ---- element by element
using Unary = Tensor (*)(Operand);
using Binary = Tensor (*)(Operand, Operand);
template <Unary f>
[[gnu::visibility("hidden")]]
Results unary(Call& c) {
  return one(f(c.tensor(0)));
}
// Two operands in their common shape; up to opset 6 the second stretches from an axis on.
std::pair<Tensor, Tensor> operands(Call& c);
template <Binary f>
[[gnu::visibility("hidden")]]
Results binary(Call& c) {
  const auto [x, y] = operands(c);
  return one(f(x, y));
}
// Any number of operands, one after the other.
template <Binary f>
[[gnu::visibility("hidden")]]
Results folded(Call& c) {
  Tensor r = c.tensor(0);
  for (size_t i = 1; i < c.in.size(); ++i) r = f(r, c.tensor(i));
  return one(r);
}
DType dtype_attribute(Call& c, std::string_view name, DType otherwise);
Results import_mean(Call& c);
Results import_pow(Call& c);
Results import_mod(Call& c);
Results import_clip(Call& c);
Results import_cast(Call& c);
Results import_cast_like(Call& c);
Results import_bit_cast(Call& c);
Results import_where(Call& c);
Results import_bit_shift(Call& c);
Results import_is_inf(Call& c);
Results import_identity(Call& c);

// ---- activations
Results import_leaky_relu(Call& c);
Results import_prelu(Call& c);
Results import_elu(Call& c);
Results import_celu(Call& c);
Results import_selu(Call& c);
Results import_gelu(Call& c);
Results import_hard_sigmoid(Call& c);
Results import_shrink(Call& c);
Results import_thresholded_relu(Call& c);
Results import_swish(Call& c);
Results import_softmax(Call& c);
Results import_log_softmax(Call& c);
Results import_hardmax(Call& c);

// ---- reductions and order
Results import_reduce_sum(Call& c);
Results import_reduce_mean(Call& c);
Results import_reduce_prod(Call& c);
Results import_reduce_max(Call& c);
Results import_reduce_min(Call& c);
Results import_reduce_l1(Call& c);
Results import_reduce_l2(Call& c);
Results import_reduce_log_sum(Call& c);
Results import_reduce_log_sum_exp(Call& c);
Results import_reduce_sum_square(Call& c);
Results import_arg_max(Call& c);
Results import_arg_min(Call& c);
Results import_cum_prod(Call& c);
Results import_cum_sum(Call& c);
Results import_top_k(Call& c);

// ---- products
Results import_mat_mul(Call& c);
Results import_gemm(Call& c);
Results import_einsum(Call& c);
Results import_det(Call& c);

// ---- attention
Results import_attention(Call& c);
Results import_rotary_embedding(Call& c);

// ---- windows
Tensor convolved(Call& c, const Tensor& x, const Tensor& weight, const Tensor& bias);
Results import_conv(Call& c);
Results import_conv_transpose(Call& c);
Results import_max_pool(Call& c);
Results import_average_pool(Call& c);
Results import_lp_pool(Call& c);
Results import_global_average_pool(Call& c);
Results import_global_max_pool(Call& c);
Results import_global_lp_pool(Call& c);
Results import_max_unpool(Call& c);
Results import_col2im(Call& c);

// ---- normalisation
Results import_batch_norm(Call& c);
Results import_layer_norm(Call& c);
Results import_instance_norm(Call& c);
Results import_group_norm(Call& c);
Results import_rms_norm(Call& c);
Results import_lp_norm(Call& c);
Results import_mean_variance_norm(Call& c);
Results import_lrn(Call& c);
Results import_dropout(Call& c);

// ---- movement
Extent product(const Shape& shape, int from, int to);
Tensor flattened(Call& c,
                 const Tensor& x);  // to two axes, parted in front of attribute "axis", which is 1 unless given
Results import_reshape(Call& c);
Results import_transpose(Call& c);
Results import_concat(Call& c);
Results import_split(Call& c);
Results import_slice(Call& c);
Results import_pad(Call& c);
Results import_expand(Call& c);
Results import_tile(Call& c);
Results import_squeeze(Call& c);
Results import_unsqueeze(Call& c);
Results import_flatten(Call& c);
Results import_depth_to_space(Call& c);
Results import_space_to_depth(Call& c);
Results import_trilu(Call& c);
Results import_center_crop_pad(Call& c);
Results import_reverse_sequence(Call& c);
Results import_resize(Call& c);
Results import_upsample(Call& c);
Results import_grid_sample(Call& c);
Results import_affine_grid(Call& c);

// ---- indexing
Tensor from_front(const Tensor& indices, Extent count);  // negative ones count from the end
Results import_gather(Call& c);
Results import_gather_elements(Call& c);
Results import_gather_nd(Call& c);
Results import_scatter_elements(Call& c);
Results import_scatter_nd(Call& c);
Results import_one_hot(Call& c);
Results import_non_zero(Call& c);
Results import_compress(Call& c);
Results import_unique(Call& c);
Results import_tensor_scatter(Call& c);

// ---- extents and numbers
Results import_shape(Call& c);
Results import_size(Call& c);
Results import_constant(Call& c);
Results import_constant_of_shape(Call& c);
Results import_range(Call& c);
Results import_eye_like(Call& c);

// ---- losses
Results import_nll_loss(Call& c);
Results import_cross_entropy(Call& c);

// ---- recurrence
Results import_lstm(Call& c);
Results import_gru(Call& c);
Results import_rnn(Call& c);

// ---- control flow
Results import_if(Call& c);
Results import_loop(Call& c);
Results import_scan(Call& c);

// ---- quantised numbers
Results import_quantize(Call& c);
Results import_dequantize(Call& c);
Results import_dynamic_quantize(Call& c);
Results import_mat_mul_integer(Call& c);
Results import_conv_integer(Call& c);
Results import_qlinear_mat_mul(Call& c);
Results import_qlinear_conv(Call& c);

// ---- random draws: the key is the node's seed, or its place in the program
Results import_random_normal(Call& c);
Results import_random_uniform(Call& c);
Results import_random_normal_like(Call& c);
Results import_random_uniform_like(Call& c);
Results import_bernoulli(Call& c);

// ---- signals
Results import_hann_window(Call& c);
Results import_hamming_window(Call& c);
Results import_blackman_window(Call& c);
Results import_mel_weight_matrix(Call& c);
Results import_dft(Call& c);
Results import_stft(Call& c);

}  // namespace tenon::onnx
