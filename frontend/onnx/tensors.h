// Numbers of a file as tensors: raw bytes, typed lists, and files beside the model. Refuses numbers that do not have the shape that is
// stated, element types that Tenon lacks, and files outside the model's folder.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tenon/frontend/onnx/model.h"
#include "tenon/frontend/tensor/tensor.h"

namespace tenon::onnx {

DType dtype_of(const Bytes& file, int64_t element);  // Error for strings, and for floats of fewer than 16 bits
std::optional<DType> known_dtype(int64_t element);

// What the tensors of one model have taken of what does not stand in its own bytes, so that few of them do not stand for very much.
struct Taken {
  std::map<std::string, uint64_t> external;  // bytes by file: of tensors that lie on one another, each counts
  int64_t dense = 0;  // bytes of sparse tensors, written out
};
Tensor tensor_of(const Bytes& file, const TensorText& text, Taken& taken);
Tensor tensor_of(const Bytes& file, const SparseText& text, Taken& taken);

}  // namespace tenon::onnx
