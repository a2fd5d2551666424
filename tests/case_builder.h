// Building a case: a graph and the arrays that are its inputs, side by side.
#pragma once

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/tests/op_cases.h"

namespace tenon::testing {

// A graph takes its inputs before its nodes, a case wants them where they are used: until finish() they are custom calls.
struct CaseBuilder {
  explicit CaseBuilder(std::string name, NaNs nans = NaNs::one_value)
      : builder("main"), name_(std::move(name)), nans_(nans) {}
  ir::Value input(ir::Array array) {
    const ir::Type type = array.type;
    return input(std::move(array), type);
  }
  ir::Value input(ir::Array array, const ir::Type& type) {  // whose type may be symbolic
    const ir::Value v = symbolic_input(type);
    inputs_.push_back(std::move(array));
    return v;
  }
  ir::Value symbolic_input(const ir::Type& type) {  // its arrays follow later
    const bool merging = builder.merging;
    builder.merging = false;  // each is a value of its own
    const ir::Value v =
        ir::apply(builder, ir::Op::unset, {}, ir::UnsetAttrs{.dtype = type.dtype, .shape = type.shape.dims()})[0];
    builder.merging = merging;
    stand_ins_.push_back(v.id);
    return v;
  }
  void output(ir::Value v) { outputs_.push_back(v.id); }
  void outputs(const std::vector<ir::Value>& values) {
    for (ir::Value v : values) output(v);
  }
  Case finish();

  ir::GraphBuilder builder;

 private:
  std::string name_;
  NaNs nans_;
  std::vector<ir::Array> inputs_;
  std::vector<ir::ValueId> outputs_, stand_ins_;  // what becomes an input in the end
};

// The entries of rows that are not elementwise: cases of one op over one dtype.
struct OtherCases {
  ir::Op op;
  void (*add)(ir::Op op, DType t, std::vector<Case>& cases);
};
std::vector<OtherCases> other_cases();

// By family, one file each.
void movement_cases(ir::Op op, DType t, std::vector<Case>& cases);
void reduction_cases(ir::Op op, DType t, std::vector<Case>& cases);
void contraction_cases(ir::Op op, DType t, std::vector<Case>& cases);
void channels_first_cases(ir::Op op, DType t, std::vector<Case>& cases);
void attention_cases(ir::Op op, DType t, std::vector<Case>& cases);
void matrix_cases(ir::Op op, DType t, std::vector<Case>& cases);
void control_cases(ir::Op op, DType t, std::vector<Case>& cases);
void effect_cases(ir::Op op, DType t, std::vector<Case>& cases);
void ranks_cases(ir::Op op, DType t, std::vector<Case>& cases);

}  // namespace tenon::testing
