// tn::onnx: programs in ONNX's files, from a file (tn::onnx::load) or bytes (tn::onnx::parse), as traced functions: they are called,
// jitted, differentiated and shipped like any other. Files are read without protocol buffers' library and without running anything; what
// arrives is not trusted. docs/onnx.md lists the ops.
#pragma once

#include <string>

#include "tenon/frontend/transform/traced.h"

namespace tenon::onnx {

// What a model asks for and Tenon has nothing for: an op that is not known, or not in this form. Thrown by load.
class Unsupported : public Error {
 public:
  Unsupported(const std::string& message, const Location& at, std::string op, std::string domain, int64_t opset,
              std::string node)
      : Error(message, at), op_(std::move(op)), domain_(std::move(domain)), node_(std::move(node)), opset_(opset) {}
  const std::string& op() const { return op_; }
  const std::string& domain() const { return domain_; }  // "ai.onnx" for ONNX's own
  int64_t opset() const { return opset_; }
  const std::string& node() const { return node_; }  // its name, or the name of its first result

 private:
  std::string op_, domain_, node_;
  int64_t opset_;
};

// The graph of a model, opsets 6 to 28. Arguments are the inputs that have no initial value, in their order, results the outputs. Weights
// are tensors that the traced function has captured; numbers of up to 64 bytes stand in its graph. External data is read from files
// below the model's folder.
//
// Extents that the model names or leaves open come with the arguments, numbers or free extents, and those of one name must agree. A free
// extent may stand where the model declares a number: then it is that number, which is checked at the call. Where a shape is computed from
// the values of an argument, these are read; inside a transform, where they cannot be, that is an Error: let the transformed function
// capture such an argument. A branch on what only such values decide is decided while importing. The programs of the last 16 combinations
// of extents and values are kept; threads may share a model.
//
// Unsupported: an op that is not known; strings, sequences and optional values. Error: a file that cannot be read, or is no such model,
// which says what it looks like; what is wrong with one, by the place in it, or by the node; arguments that are not as it declares its
// inputs, by the names of these.
Traced load(const std::string& path, const At& at = At::current());
Traced parse(const std::string& bytes, const At& at = At::current());

}  // namespace tenon::onnx
