// The reference meaning of every row that is not elementwise: the functions named in the .eval columns of ir/ops.def, one
// file a family (ir/rules/eval_*.cc). They are written for reading: whole arrays, one element at a time, no tiling, no
// vectors. Refuses to share code with code generation; what both must agree on stands in ir/rules/reduction.h and docs/numbers.md.
#pragma once

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/reference/array.h"

namespace tenon::ir::rules {

#define TENON_EVAL(name) std::vector<Array> name(const EvalArgs& args)
TENON_EVAL(eval_constant);
TENON_EVAL(eval_iota);
TENON_EVAL(eval_unset);
TENON_EVAL(eval_reshape);
TENON_EVAL(eval_broadcast);
TENON_EVAL(eval_transpose);
TENON_EVAL(eval_slice);
TENON_EVAL(eval_dynamic_slice);
TENON_EVAL(eval_dynamic_update_slice);
TENON_EVAL(eval_pad);
TENON_EVAL(eval_concat);
TENON_EVAL(eval_reverse);
TENON_EVAL(eval_windows);
TENON_EVAL(eval_reduce);
TENON_EVAL(eval_arg_reduce);
TENON_EVAL(eval_cumulative);
TENON_EVAL(eval_dot);
TENON_EVAL(eval_convolution);
TENON_EVAL(eval_attention);
TENON_EVAL(eval_attention_gradient);
TENON_EVAL(eval_attention_tangent);
TENON_EVAL(eval_gather);
TENON_EVAL(eval_scatter);
TENON_EVAL(eval_sort);
TENON_EVAL(eval_cholesky);
TENON_EVAL(eval_triangular_solve);
TENON_EVAL(eval_lu);
TENON_EVAL(eval_qr);
TENON_EVAL(eval_eigh);
TENON_EVAL(eval_svd);
TENON_EVAL(eval_random_bits);
TENON_EVAL(eval_unbatched_axis);
TENON_EVAL(eval_rank_index);
TENON_EVAL(eval_rank_slice);
TENON_EVAL(eval_rank_vary);
TENON_EVAL(eval_collective);
TENON_EVAL(eval_custom_tangent);
TENON_EVAL(eval_complex);
TENON_EVAL(eval_part);
TENON_EVAL(eval_cond);
TENON_EVAL(eval_while);
TENON_EVAL(eval_scan);
TENON_EVAL(eval_replay);
TENON_EVAL(eval_call);
TENON_EVAL(eval_barrier);
TENON_EVAL(eval_custom_call);
TENON_EVAL(eval_check);
TENON_EVAL(eval_print);
#undef TENON_EVAL

// Runs a sub-graph whose symbols are those of the graph around it; binds them from the inputs where the tables differ.
std::vector<Array> interpret_within(const Graph& graph, std::span<const Array> inputs, const Symbols* symbols,
                                    std::span<const int64_t> symbol_values);

}  // namespace tenon::ir::rules
