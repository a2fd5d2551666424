// Numbers of a file as tensors: raw bytes, typed lists, and files beside the model. Refuses numbers that do not have the shape that is
// stated, element types that Tenon lacks, and files outside the model's folder.
#pragma once

#include "tenon/frontend/onnx/model.h"
#include "tenon/frontend/tensor/tensor.h"

namespace tenon::onnx {

DType dtype_of(const Bytes& file, int64_t element);  // Error for strings, and for floats of fewer than 16 bits
std::optional<DType> known_dtype(int64_t element);
Tensor tensor_of(const Bytes& file, const TensorText& text);
Tensor tensor_of(const Bytes& file, const SparseText& text);

}  // namespace tenon::onnx
