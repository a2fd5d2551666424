// What can be called: a compiled program with what a call of it does to its inputs. Jitted functions, eager ops and pullbacks
// all run here. Internal to the frontend. Refuses a donated tensor that is passed twice.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenon/frontend/tensor/few.h"
#include "tenon/frontend/tensor/tensor.h"
#include "tenon/runtime/compile.h"

namespace tenon {

struct TapedProgram;  // frontend/tensor/taped_program.h

struct Callable {
  std::string name;  // for errors, and for the tape
  std::shared_ptr<const runtime::Executable> program;  // takes all inputs; of a taped callable its forward
  std::shared_ptr<const TapedProgram> tape;  // null: a call is not recorded
  // Of a jitted function.
  std::vector<std::string> inputs;  // where each stands among the arguments, for errors: argument 1, layers[2].w
  std::vector<bool> donated;  // the inputs whose memory results may take, which nobody else may be given; empty: none
  std::shared_ptr<std::atomic<bool>> warned_donation;  // a copy of donated memory is mentioned once

  uint64_t memory_bytes() const;  // its program's included
};

using Tensors = Few<Tensor, 4>;

// One call. `dims` are the values of the program's free symbols. Results are made at `at`, and recorded if the callable is taped.
void call(const Callable& callable, std::span<const Tensor> inputs, std::span<const int64_t> dims, const Location& at,
          Tensors& results);
// A program by itself, over memory: its results have no history.
void run(const runtime::Executable& program, const void* const* inputs, std::span<const int64_t> dims,
         const Location& at, Tensors& results);

}  // namespace tenon
