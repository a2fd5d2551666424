// What the files of tn::linalg share: their programs' attributes, doors for matrices, formulas that others are made of. Internal to
// tn::linalg.
#pragma once

#include "tenon/frontend/linalg/linalg.h"
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rule_formula.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/matrices.h"

namespace tenon::linalg {

namespace made {
#define TENON_ATTRS TENON_ATTRS_VIEW
#define FIELD TENON_FIELD_VIEW
#include "tenon/frontend/linalg/attributes.def"

#define TENON_ATTRS TENON_ATTRS_VALUES
#define FIELD TENON_FIELD_VALUES
#include "tenon/frontend/linalg/attributes.def"
}  // namespace made

namespace matrices = ir::matrices;
using formula::graph_of, formula::with_rule;
using ir::Value;
using Values = std::vector<Value>;
using Axes = std::vector<int64_t>;

// ---- doors: x as a tensor whose last two axes are matrices
Tensor matrices_of(const Operand& x, const char* name, bool complex = false);
void refuse_complex(DType dtype, const char* name, const Location& at);
Tensor square_of(const Operand& x, const char* name);
std::string named(const char* name);  // linalg::name, as errors say it

// ---- formulas
Value computed(Value x);  // in f32 or f64
Values as_given(Values results, Value x);  // floating results in the dtype that x enters with
// Batches of matrices that broadcast, made alike.
void broadcast_batches(Value& a, Value& b);
Value solved(Value a, Value b);  // by lu; derivatives by the equation
Value inverse(Value a);
Value inverse_by(Value a, Value lu, Value rows);  // with factors that stand for those of a
Value vector_norm_of(Value x, double p, const Axes& axes);
Values decomposed(ir::Op op, Value a, ir::Attrs attrs = {});

}  // namespace tenon::linalg
