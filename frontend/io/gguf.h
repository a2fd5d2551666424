// GGUF files, as llama.cpp has them: tensors by name, blocks of few bits as floats, and metadata with the vocabulary of the tokenizer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/runtime/gguf_value.h"

namespace tenon {

struct GgufOptions {
  std::optional<DType> dtype =
      std::nullopt;  // of every floating tensor; none: blocks as f32, the others as they are stored
};

// The functions look a key of the metadata up: Error, with the key and what is there, where
// it is missing or of another kind. One with a default gives that where the key is missing.
struct Gguf {
  std::string path;
  int64_t version = 0;
  std::map<std::string, GgufValue> metadata;
  std::map<std::string, Tensor> tensors;  // shapes row-major: the file's dimensions backwards
  std::map<std::string, std::string> types;  // as stored: F32, Q4_K

  int64_t integer(const std::string& key, const At& at = At::current()) const;
  int64_t integer(const std::string& key, int64_t missing, const At& at = At::current()) const;
  double number(const std::string& key, const At& at = At::current()) const;  // of either kind
  double number(const std::string& key, double missing, const At& at = At::current()) const;
  const std::string& text(const std::string& key, const At& at = At::current()) const;
  const std::vector<std::string>& texts(const std::string& key, const At& at = At::current()) const;
  const std::vector<int64_t>& integers(const std::string& key, const At& at = At::current()) const;
  const std::vector<double>& numbers(const std::string& key, const At& at = At::current()) const;
  const Tensor& operator[](const std::string& tensor) const;  // Error where there is no such tensor
};

// Everything in a file of version 2 or 3, little-endian. Element types: F32, F16, BF16, F64 and I8 to I64, which borrow the file's memory
// (it is mapped, and stays so until no tensor needs it; see load_safetensors) where they lie aligned; Q8_0, Q4_0, Q4_1, Q5_0, Q5_1,
// Q4_K, Q5_K and Q6_K, which become f32, with the bits of ggml's reference functions, or .dtype. Error, with the file and the key or
// tensor, for whatever is damaged, stands twice, overlaps or has another type.
Gguf load_gguf(const std::string& path, const GgufOptions& o = {}, const At& at = At::current());

}  // namespace tenon
