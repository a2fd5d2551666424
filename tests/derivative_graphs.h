// A program for every row with a derivative that is not elementwise, by the row's name.
#pragma once

#include <utility>

namespace tenon::testing {

inline const std::pair<const char*, const char*> graphs[] = {
    {"reshape", "graph @f(%0: f64[2, 6]) -> (%1) { %1 = reshape %0 {shape = [3, 4]} : f64[3, 4] }"},
    {"broadcast",
     "graph @f(%0: f64[3, 1]) -> (%1) { %1 = broadcast %0 {shape = [2, 3, 4], axes = [1, 2]} : f64[2, 3, 4] }"},
    {"transpose", "graph @f(%0: f64[2, 3, 4]) -> (%1) { %1 = transpose %0 {permutation = [2, 0, 1]} : f64[4, 2, 3] }"},
    {"slice",
     "graph @f(%0: f64[7, 5]) -> (%1) { %1 = slice %0 {starts = [1, 0], sizes = [3, 2], strides = [2, 3]} : f64[3, 2] "
     "}"},
    {"dynamic_slice", "graph @f(%0: f64[6], %1: i64[]) -> (%2) { %2 = dynamic_slice %0, %1 {sizes = [4]} : f64[4] }"},
    {"dynamic_update_slice",
     "graph @f(%0: f64[6], %1: f64[4], %2: i64[]) -> (%3) { %3 = dynamic_update_slice %0, %1, %2 : f64[6] }"},
    {"pad",
     "graph @f(%0: f64[3, 2], %1: f64[]) -> (%2) { %2 = pad %0, %1 {low = [1, 0], high = [2, 1], interior = [1, 0]} : "
     "f64[8, 3] }"},
    {"concat", "graph @f(%0: f64[2, 3], %1: f64[2, 1]) -> (%2) { %2 = concat %0, %1, %0 {axis = [1]} : f64[2, 7] }"},
    {"reverse", "graph @f(%0: f64[3, 4]) -> (%1) { %1 = reverse %0 {axes = [0, 1]} : f64[3, 4] }"},
    {"windows",
     "graph @f(%0: f64[2, 9, 8]) -> (%1) { %1 = windows %0 {axes = [1, 2], taps = [3, 2], sizes = [3, 4], starts = [1, "
     "0], "
     "strides = [2, 1], dilation = [1, 3], at = [1], tapped = [0]} : f64[2, 3, 2, 3, 4] }"},
    {"tapped_windows",
     "graph @f(%0: f64[3, 2, 9]) -> (%1) { %1 = windows %0 {axes = [1], taps = [3], sizes = [2], starts = [5], strides "
     "= [2], "
     "dilation = [-2], at = [0], tapped = [1]} : f64[3, 2, 2] }"},
    {"reduce_sum", "graph @f(%0: f64[3, 4, 2]) -> (%1) { %1 = reduce_sum %0 {axes = [0, 2]} : f64[4] }"},
    {"reduce_prod", "graph @f(%0: f64[3, 4, 2]) -> (%1) { %1 = reduce_prod %0 {axes = [0, 2]} : f64[4] }"},
    {"reduce_max", "graph @f(%0: f64[3, 4]) -> (%1) { %1 = reduce_max %0 {axes = [1]} : f64[3] }"},
    {"reduce_min", "graph @f(%0: f64[3, 4]) -> (%1) { %1 = reduce_min %0 {axes = [0]} : f64[4] }"},
    {"cumsum", "graph @f(%0: f64[3, 4]) -> (%1) { %1 = cumsum %0 {axis = [1], reverse = [1]} : f64[3, 4] }"},
    {"cumprod", "graph @f(%0: f64[3, 4]) -> (%1) { %1 = cumprod %0 {axis = [0], reverse = [0]} : f64[3, 4] }"},
    {"cummax", "graph @f(%0: f64[3, 4]) -> (%1) { %1 = cummax %0 {axis = [1], reverse = [0]} : f64[3, 4] }"},
    {"cummin", "graph @f(%0: f64[3, 4]) -> (%1) { %1 = cummin %0 {axis = [1], reverse = [1]} : f64[3, 4] }"},
    {"dot_general",
     "graph @f(%0: f64[4, 2, 3, 5], %1: f64[2, 5, 6, 3]) -> (%2) { %2 = dot_general %0, %1 {lhs_batch = [1], rhs_batch "
     "= [0], "
     "lhs_contract = [2, 3], rhs_contract = [3, 1]} : f64[2, 4, 6] }"},
    {"convolution",
     "graph @f(%0: f64[2, 7, 6, 2], %1: f64[3, 2, 2, 3]) -> (%2) { %2 = convolution %0, %1 {strides = [2, 1], low = "
     "[1, 0], "
     "high = [0, 2], lhs_dilation = [1, 2], rhs_dilation = [1, 3], groups = [1]} : f64[2, 3, 10, 3] }"},
    {"grouped_convolution",
     "graph @f(%0: f64[2, 8, 4], %1: f64[3, 2, 6]) -> (%2) { %2 = convolution %0, %1 {strides = [3], low = [0], "
     "high = [1], lhs_dilation = [1], rhs_dilation = [1], groups = [2]} : f64[2, 3, 6] }"},
    {"gather",
     "graph @f(%0: f64[4, 3], %1: i64[2, 2]) -> (%2) { %2 = gather %0, %1 {offset_dims = [2], collapsed_slice_dims = "
     "[0], "
     "operand_batching_dims = [], start_indices_batching_dims = [], start_index_map = [0], index_vector_dim = [2], "
     "slice_sizes = [1, 3]} : f64[2, 2, 3] }"},
    {"gather_windows",
     "graph @f(%0: f64[3, 5, 4], %1: i64[2, 3, 2]) -> (%2) { %2 = gather %0, %1 {offset_dims = [1, 2], "
     "collapsed_slice_dims = [], operand_batching_dims = [0], start_indices_batching_dims = [1], start_index_map = [2, "
     "1], "
     "index_vector_dim = [2], slice_sizes = [1, 2, 3]} : f64[2, 2, 3, 3] }"},
    {"scatter",
     "graph @f(%0: f64[2, 3], %1: i64[4], %2: f64[2, 4]) -> (%3) { %3 = scatter %0, %1, %2 {combine = \"add\", "
     "update_window_dims = [0], inserted_window_dims = [1], input_batching_dims = [], scatter_indices_batching_dims = "
     "[], "
     "scatter_dims_to_operand_dims = [1], index_vector_dim = [1]} : f64[2, 3] }"},
    {"scatter_set",
     "graph @f(%0: f64[2, 3], %1: i64[4], %2: f64[2, 4]) -> (%3) { %3 = scatter %0, %1, %2 {combine = \"set\", "
     "update_window_dims = [0], inserted_window_dims = [1], input_batching_dims = [], scatter_indices_batching_dims = "
     "[], "
     "scatter_dims_to_operand_dims = [1], index_vector_dim = [1]} : f64[2, 3] }"},
    {"scatter_mul",
     "graph @f(%0: f64[2, 3], %1: i64[4], %2: f64[2, 4]) -> (%3) { %3 = scatter %0, %1, %2 {combine = \"mul\", "
     "update_window_dims = [0], inserted_window_dims = [1], input_batching_dims = [], scatter_indices_batching_dims = "
     "[], "
     "scatter_dims_to_operand_dims = [1], index_vector_dim = [1]} : f64[2, 3] }"},
    {"scatter_max",
     "graph @f(%0: f64[2, 3], %1: i64[4], %2: f64[2, 4]) -> (%3) { %3 = scatter %0, %1, %2 {combine = \"max\", "
     "update_window_dims = [0], inserted_window_dims = [1], input_batching_dims = [], scatter_indices_batching_dims = "
     "[], "
     "scatter_dims_to_operand_dims = [1], index_vector_dim = [1]} : f64[2, 3] }"},
    {"scatter_min",
     "graph @f(%0: f64[2, 3], %1: i64[4], %2: f64[2, 4]) -> (%3) { %3 = scatter %0, %1, %2 {combine = \"min\", "
     "update_window_dims = [0], inserted_window_dims = [1], input_batching_dims = [], scatter_indices_batching_dims = "
     "[], "
     "scatter_dims_to_operand_dims = [1], index_vector_dim = [1]} : f64[2, 3] }"},
    {"scatter_windows",
     "graph @f(%0: f64[3, 5, 4], %1: i64[2, 3, 2], %2: f64[2, 2, 3, 3]) -> (%3) { %3 = scatter %0, %1, %2 {combine = "
     "\"set\", update_window_dims = [1, 2], inserted_window_dims = [], input_batching_dims = [0], "
     "scatter_indices_batching_dims = [1], scatter_dims_to_operand_dims = [2, 1], index_vector_dim = [2]} : f64[3, 5, "
     "4] }"},
    {"sort",
     "graph @f(%0: f64[3, 4], %1: f64[3, 4]) -> (%2, %3) { %2, %3 = sort %0, %1 {axis = [0]} : f64[3, 4], f64[3, 4] }"},
    {"cholesky",
     "graph @f(%0: f64[2, 3, 3]) -> (%3) { %1 = dot_general %0, %0 {lhs_batch = [0], rhs_batch = [0], lhs_contract = "
     "[2], "
     "rhs_contract = [2]} : f64[2, 3, 3] %2 = add %1, %1 : f64[2, 3, 3] %3 = cholesky %2 : f64[2, 3, 3] }"},
    {"triangular_solve",
     "graph @f(%0: f64[2, 3, 3], %1: f64[2, 3, 2]) -> (%2) { %2 = triangular_solve %0, %1 {upper = [1], unit = [0]} : "
     "f64[2, 3, 2] }"},
    {"lu", "graph @f(%0: f64[3, 3]) -> (%1) { %1, %2, %3 = lu %0 : f64[3, 3], i64[3], i64[] }"},
    {"qr", "graph @f(%0: f64[2, 4, 3]) -> (%1, %2) { %1, %2 = qr %0 {complete = [0]} : f64[2, 4, 3], f64[2, 3, 3] }"},
    {"eigh",
     "graph @f(%0: f64[3, 3]) -> (%3, %4) { %1 = transpose %0 {permutation = [1, 0]} : f64[3, 3] %2 = add %0, %1 : "
     "f64[3, 3] %3, %4 = eigh %2 {vectors = [1]} : f64[3], f64[3, 3] }"},
    {"svd",
     "graph @f(%0: f64[4, 3]) -> (%1, %2, %3) { %1, %2, %3 = svd %0 {vectors = [1]} : f64[3], f64[4, 3], f64[3, 3] "
     "}"},
    {"attention",
     "graph @f(%0: f64[4, 3, 2], %1: f64[2, 4, 2], %2: f64[2, 4, 3], %3: f64[4, 1, 4]) -> (%4, %5) { %4, %5 = "
     "attention "
     "%0, %1, %2, %3 {scale = [0.7], causal = [1], masked = [0], biased = [1], dropout = [0]} : f64[4, 3, 3], "
     "f64[4, 3] }"},
    {"attention_tangent",
     "graph @f(%0: f64[2, 3, 2], %1: f64[1, 4, 2], %2: f64[1, 4, 3], %3: f64[2, 3, 2], %4: f64[1, 4, 2], %5: f64[1, 4, "
     "3], %6: f64[2, 3]) -> (%7, %8) { %7, %8 = attention_tangent %0, %1, %2, %3, %4, %5, %6 {scale = [0.7], causal = "
     "[1], masked = [0], biased = [0], dropout = [0]} : f64[2, 3, 3], f64[2, 3] }"},
    {"attention_gradient",
     "graph @f(%0: f64[2, 3, 3], %1: f64[2, 3], %2: f64[2, 3, 2], %3: f64[1, 4, 2], %4: f64[1, 4, 3], %5: f64[2, 3]) "
     "-> (%6, %7, %8) { %6, %7, %8 = attention_gradient %0, %1, %2, %3, %4, %5 {scale = [0.7], causal = [0], masked = "
     "[0], biased = [0], dropout = [0]} : f64[2, 3, 2], f64[1, 4, 2], f64[1, 4, 3] }"},
    {"barrier", "graph @f(%0: f64[3], %1: f64[2]) -> (%2, %3) { %2, %3 = barrier %0, %1 : f64[3], f64[2] }"},
    {"call",
     "graph @f(%0: f64[3], %1: f64[3]) -> (%2) { %2 = call %0, %1 {graph = graph(%0: f64[3], %1: f64[3]) -> (%3) { %2 "
     "= sin %0 : "
     "f64[3] %3 = mul %2, %1 : f64[3] }} : f64[3] }"},
    {"cond",
     "graph @f(%0: bool[], %1: f64[3], %2: f64[3]) -> (%3, %4) { %3, %4 = cond %0, %1, %2 {then = graph(%0: f64[3], "
     "%1: f64[3]) -> "
     "(%3, %0) { %2 = exp %0 : f64[3] %3 = mul %2, %1 : f64[3] }, otherwise = graph(%0: f64[3], %1: f64[3]) -> (%1, "
     "%3) { %2 = sin %1 : "
     "f64[3] %3 = mul %2, %2 : f64[3] }} : f64[3], f64[3] }"},
    {"scan",  // a constant, a computed invariant (sin of it), a carry, an x, and a stacked y
     "graph @f(%0: f64[3], %1: f64[3], %2: f64[5, 3]) -> (%3, %4) { %3, %4 = scan %0, %1, %2 {body = graph(%0: f64[3], "
     "%1: f64[3], "
     "%2: f64[3]) -> (%6, %7) { %3 = sin %0 : f64[3] %4 = mul %3, %1 : f64[3] %5 = mul %1, %2 : f64[3] %6 = add %4, %5 "
     ": f64[3] "
     "%7 = sin %6 : f64[3] }, length = [5], counts = [1, 1], reverse = [0]} : f64[3], f64[5, 3] }"},
    {"scan_with_counter",  // an integer carry beside a floating one
     "graph @f(%0: i64[], %1: f64[]) -> (%3) { %2, %3 = scan %0, %1 {body = graph(%0: i64[], %1: f64[]) -> (%3, %6) { "
     "%2 = constant "
     "{dtype = i64, shape = [], value = [1]} : i64[] %3 = add %0, %2 : i64[] %4 = cast %3 {dtype = f64} : f64[] %5 = "
     "sin %1 : f64[] "
     "%6 = div %5, %4 : f64[] }, length = [4], counts = [0, 2], reverse = [1]} : i64[], f64[] }"},
    {"scan_in_scan",
     "graph @f(%0: f64[2]) -> (%1) { %1 = scan %0 {body = graph(%0: f64[2]) -> (%2) { %1 = scan %0 {body = graph(%0: "
     "f64[2]) -> (%1) { "
     "%1 = sin %0 : f64[2] }, length = [3], counts = [0, 1], reverse = [0]} : f64[2] %2 = mul %1, %0 : f64[2] }, "
     "length = [2], counts = "
     "[0, 1], reverse = [0]} : f64[2] }"},
    {"checkpoint",
     "graph @f(%0: f64[3], %1: f64[3]) -> (%2) { %2 = checkpoint %0, %1 {graph = graph(%0: f64[3], %1: f64[3]) -> (%5) "
     "{ "
     "%2 = sin %0 : f64[3] %3 = named %2 {name = \"s\", saved = [1]} : f64[3] %4 = mul %3, %1 : f64[3] %5 = exp %4 : "
     "f64[3] }} : f64[3] }"},
    {"all_reduce_sum",
     "graph @f(%0: f64[3]) -> (%2) { %1 = all_reduce_sum %0 {size = [1], stride = [1], place = \"here\", numbers = []} "
     ": f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"all_reduce_prod",
     "graph @f(%0: f64[3]) -> (%2) { %1 = all_reduce_prod %0 {size = [1], stride = [1], place = \"here\", numbers = "
     "[]} : f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"all_reduce_min",
     "graph @f(%0: f64[3]) -> (%2) { %1 = all_reduce_min %0 {size = [1], stride = [1], place = \"here\", numbers = []} "
     ": f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"all_reduce_max",
     "graph @f(%0: f64[3]) -> (%2) { %1 = all_reduce_max %0 {size = [1], stride = [1], place = \"here\", numbers = []} "
     ": f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"rank_vary",
     "graph @f(%0: f64[3]) -> (%2) { %1 = rank_vary %0 {size = [1], stride = [1], place = \"here\", numbers = []} : "
     "f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"all_gather",
     "graph @f(%0: f64[3]) -> (%2) { %1 = all_gather %0 {size = [1], stride = [1], place = \"here\", numbers = []} : "
     "f64[1, 3] "
     "%2 = sin %1 : f64[1, 3] }"},
    {"reduce_scatter",
     "graph @f(%0: f64[1, 3]) -> (%2) { %1 = reduce_scatter %0 {size = [1], stride = [1], place = \"here\", numbers = "
     "[]} : f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"rank_slice",
     "graph @f(%0: f64[1, 3]) -> (%2) { %1 = rank_slice %0 {size = [1], stride = [1], place = \"here\", numbers = []} "
     ": f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"all_to_all",
     "graph @f(%0: f64[1, 3]) -> (%2) { %1 = all_to_all %0 {size = [1], stride = [1], place = \"here\", numbers = []} "
     ": f64[1, 3] "
     "%2 = sin %1 : f64[1, 3] }"},
    {"collective_permute",
     "graph @f(%0: f64[3]) -> (%2) { %1 = collective_permute %0 {size = [1], stride = [1], place = \"here\", numbers = "
     "[0, 0]} : f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"collective_broadcast",
     "graph @f(%0: f64[3]) -> (%2) { %1 = collective_broadcast %0 {size = [1], stride = [1], place = \"here\", numbers "
     "= [0]} : f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"exchange",
     "graph @f(%0: f64[3]) -> (%2) { %1 = exchange %0 {size = [1], stride = [1], place = \"here\", numbers = [0, 0, "
     "1]} : f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"constrain",
     "graph @f(%0: f64[3]) -> (%2) { %1 = constrain %0 {sizes = [1], axes = [0], names = \"model\", place = \"here\"} "
     ": f64[3] "
     "%2 = sin %1 : f64[3] }"},
    {"in_turn", "graph @f(%0: f64[3]) -> (%2) { %1 = in_turn %0 {turn = [2]} : f64[3] %2 = sin %1 : f64[3] }"},
    {"named",
     "graph @f(%0: f64[3]) -> (%2) { %1 = named %0 {name = \"x\", saved = [0]} : f64[3] %2 = sin %1 : f64[3] }"},
    {"custom_jvp",
     "graph @f(%0: f64[3], %1: f64[3]) -> (%2) { %2 = custom_jvp %0, %1 {graph = graph(%0: f64[3], %1: f64[3]) -> (%2) "
     "{ "
     "%2 = mul %0, %1 : f64[3] }, rule = graph(%0: f64[3], %1: f64[3], %2: f64[3], %3: f64[3]) -> (%4, %7) { %4 = mul "
     "%0, %1 : f64[3] %5 = mul %2, %1 : f64[3] %6 = mul %0, %3 : f64[3] %7 = add %5, %6 : f64[3] }, counts = [2]} : "
     "f64[3] }"},
    {"custom_vjp",
     "graph @f(%0: f64[3], %1: f64[3]) -> (%2) { %2 = custom_vjp %0, %1 {graph = graph(%0: f64[3], %1: f64[3]) -> (%2) "
     "{ "
     "%2 = mul %0, %1 : f64[3] }, forward = graph(%0: f64[3], %1: f64[3]) -> (%2, %0, %1) { %2 = mul %0, %1 : f64[3] "
     "}, "
     "backward = graph(%0: f64[3], %1: f64[3], %2: f64[3]) -> (%3, %4) { %3 = mul %2, %1 : f64[3] %4 = mul %2, %0 : "
     "f64[3] }, counts = [2]} : f64[3] }"},
    {"custom_batch",
     "graph @f(%0: f64[3]) -> (%1) { %1 = custom_batch %0 {graph = graph(%0: f64[3]) -> (%1) { %1 = sin %0 : f64[3] }, "
     "rule = graph(%0: f64[2, 3]) -> (%1) { %1 = sin %0 : f64[2, 3] }} : f64[3] }"},
    {"linear_solve",  // x of k x = b
     "graph @f(%0: f64[3], %1: f64[3]) -> (%5) { %2 = mul %0, %0 : f64[3] %3 = exp %2 : f64[3] %4 = linear_solve %3, "
     "%1 "
     "{solve = graph(%0: f64[3], %1: f64[3]) -> (%2) { %2 = div %1, %0 : f64[3] }, matvec = graph(%0: f64[3], %1: "
     "f64[3]) "
     "-> (%2) { %2 = mul %0, %1 : f64[3] }, transposed = graph(%0: f64[3], %1: f64[3]) -> (%2) { %2 = div %1, %0 : "
     "f64[3] "
     "}, counts = [1]} : f64[3] %5 = sin %4 : f64[3] }"},
    {"shared_value",
     "graph @f(%0: f64[3]) -> (%3, %1) { %1 = sin %0 : f64[3] %2 = mul %1, %1 : f64[3] %3 = add %2, %0 : f64[3] }"},
};

}  // namespace tenon::testing
