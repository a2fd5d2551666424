// One model of ONNX's test data as a case: model.onnx beside folders of inputs and the answers. Refuses to know how programs run.
#pragma once

#include <string>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/frontend/transform/program.h"

namespace tenon::testing {

struct OnnxData {
  std::vector<Tensor> inputs, expected;
};

// The data sets beside a model. Error for sequences, strings and optional values.
std::vector<OnnxData> read_onnx_data(const std::string& folder);
// Files of data hold a bf16 as a u16.
Tensor with_dtype(const Tensor& t, DType wanted);
// In words where two tensors differ by more than ONNX's own test runner allows (numpy.allclose; integers and bools exactly), or nothing.
std::string onnx_distance(const Tensor& expected, const Tensor& actual, double relative = 1e-3, double absolute = 1e-5);
// What the interpreter makes of a program.
std::vector<Tensor> interpreted(const detail::Program& program, const std::vector<Tensor>& inputs);
// Whether the model draws random numbers, so that its answers are one draw of many.
bool draws(const std::string& path);

}  // namespace tenon::testing
