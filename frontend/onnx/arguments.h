// What a model declares of its inputs, by the names that it has for them: what may be given for each, and which of the extents that come
// with arguments are one. Keeps nothing of the file, so that a program that is imported once may outlive it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tenon/frontend/onnx/model.h"
#include "tenon/frontend/tensor/tensor.h"

namespace tenon::onnx {

struct Argument {
  struct Extent {
    int64_t number = -1;  // negative: it comes with the argument
    std::string name;
  };
  std::string name;
  DType dtype = f32;
  bool has_shape = false;
  std::vector<Extent> extents = {};
};

class Arguments {
 public:
  Arguments(std::string file, const std::vector<const ValueText*>& inputs);
  size_t size() const { return all_.size(); }
  const Argument& operator[](size_t i) const { return all_[i]; }
  // Error, in one line that names the input, for another number of arguments, and for one of another dtype, of another rank, or of
  // extents that are not those that are declared, or not one where one name says so. Free extents may be any that their bounds allow.
  void check(const std::vector<Tensor>& given) const;
  // In a trace: the arguments with numbers where the model declares some, and one extent for each name. That free extents are these is
  // checked at the call.
  std::vector<Tensor> settled(std::vector<Tensor> given, const Location& at) const;

 private:
  [[noreturn]] void refuse(size_t i, const Tensor& t, const std::string& why) const;
  const std::string file_;
  std::vector<Argument> all_;
};

}  // namespace tenon::onnx
