// Compiles kernels and programs straight through code generation and calls them, for tests that stand below the runtime.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/kernel/kernel.h"
#include "tenon/ir/kernel/program.h"
#include "tenon/runtime/tenon_runtime.h"

namespace tenon::testing {

// A program of one launch: the kernel's inputs and outputs are the program's, in order (inout counts as an output).
ir::Program program_of(ir::Kernel kernel);

// An environment that splits parallel loops as a pool might: pieces of one to three grains, the last piece first.
tenon_env splitting_env();

// Linked code that lives as long as this object.
class Compiled {
 public:
  explicit Compiled(const ir::Program& program, const Target& target = codegen::host_target(), int parts = 1);
  ~Compiled();
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  // Runs with an own arena. pieces > 1: parallel loops arrive in pieces of one to three grains, in a shuffled order.
  int32_t run(std::vector<const void*> inputs, std::vector<void*> outputs, std::vector<int64_t> dims = {},
              bool pieces = false);
  const codegen::Linked& linked() const { return linked_; }
  double compile_ms() const { return compile_ms_; }
  double link_ms() const { return link_ms_; }
  const std::vector<std::string>& objects() const { return objects_; }

 private:
  std::vector<std::string> objects_;
  codegen::Linked linked_;
  double compile_ms_ = 0, link_ms_ = 0;
};

}  // namespace tenon::testing
