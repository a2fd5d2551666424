// Programs that the tape can take backwards: a compiled forward that gives residuals, and pullbacks compiled when first asked
// for. Internal to the frontend. Refuses, by output, a cotangent that cannot be taken (a while loop's).
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tenon/ir/base/error.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/runtime/cache/memory_cache.h"
#include "tenon/runtime/compile.h"

namespace tenon {

// How an input of a recorded call takes part: not at all, by its tangent, or only by its history (its derivative is zero).
enum class Part : char { none = '-', active = 'g', flat = 'h' };

// A compiled forward and its pullbacks.
struct TapedProgram {
  std::shared_ptr<const runtime::Executable> forward;
  uint32_t outputs = 0;  // of the function itself
  std::vector<bool> output_is_active;  // its cotangent is taken
  std::vector<bool> output_has_history;  // computed from an input that has one; not through stop_gradient
  std::vector<uint32_t> same_output;  // the first output that is the same value
  std::vector<int64_t> same_input;  // the input that the output is, or -1
  std::vector<std::shared_ptr<const Error>> refused;  // per output: why its cotangent cannot be taken; null when it can
  std::vector<uint32_t>
      inputs;  // of the call, ascending, in the order of forward's: one that is passed twice is one value
  std::vector<uint32_t> active_inputs;  // numbers of inputs that get a cotangent
  std::vector<uint32_t> flat_inputs;  // those that only have a history
  // Where each residual comes from: input i of the call, output j, or an extra output of forward.
  struct Residual {
    enum class From : uint8_t { input, output, extra } from;
    uint32_t number;
  };
  std::vector<Residual> residuals;

  // The pullback for the outputs whose cotangents arrived and the active inputs that have a sum already. Inputs: residuals,
  // the cotangents that arrived, the sums. Outputs: the new sums of the inputs reached. Compiled when first asked for.
  struct Pullback {
    std::shared_ptr<const runtime::Executable> program;  // null when nothing is reached
    std::vector<bool> reached;  // per active input
  };
  std::shared_ptr<const Pullback> pullback(const std::vector<bool>& arrived, const std::vector<bool>& summed) const;
  uint64_t memory_bytes() const;  // without the pullbacks

  explicit TapedProgram(std::shared_ptr<runtime::CacheBudget> budget)
      : pullbacks(runtime::CacheKind::pullbacks, std::move(budget)) {}
  std::shared_ptr<const ir::Graph> linear;
  runtime::CompileOptions options;
  mutable runtime::CacheOf<const Pullback> pullbacks;
};
// same[i]: the first input that is the same value as input i. Cotangents of one value add up in reverse program order,
// operand by operand, so such inputs are one input of the program. The pullbacks live by the budget, or by the process's.
std::shared_ptr<const TapedProgram> make_taped(const ir::Graph& graph, const std::vector<Part>& parts,
                                               const std::vector<uint32_t>& same,
                                               const runtime::CompileOptions& options,
                                               std::shared_ptr<runtime::CacheBudget> budget = nullptr);

}  // namespace tenon
