// What a Tensor points to, the traces it may belong to, and the tape entries that remember how it came about.
// Internal to the frontend: public headers know Cell by name only.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "tenon/frontend/tensor.h"
#include "tenon/ir/build.h"
#include "tenon/ir/graph.h"
#include "tenon/runtime/buffer.h"
#include "tenon/runtime/compile.h"

namespace tenon {

struct TapeEntry;

// The replaceable content of a concrete tensor. data() shares the slot, so an assignment through it is seen by the tensor.
struct Slot {
  std::shared_ptr<runtime::Buffer> buffer;  // null after donation
  Location donated;  // where, if it was
};

struct Cell {
  ir::Type type;
  std::shared_ptr<Slot> slot;  // of a concrete tensor
  uint64_t trace = 0;  // of a traced tensor: the trace's number
  ir::ValueId value = ir::no_value;
  bool is_spec = false;
  Location made;  // the call that made it, for errors
  // autograd
  bool requires_grad = false;
  bool flat = false;  // made from what requires grad, but its derivative is zero: floor, a comparison, an index
  std::shared_ptr<TapeEntry> entry;  // what produced it on the tape; null for a leaf
  uint32_t output = 0;  // which of the entry's outputs
  std::shared_ptr<Cell> leaf;  // the leaf that a call gave back unchanged
  std::shared_ptr<Cell> grad;
  Location backward;  // of what backward() computed, and of what was computed from it: the backward

  bool has_history() const { return requires_grad || entry != nullptr; }
  bool active() const { return requires_grad && !flat; }  // a cotangent may arrive
  bool concrete() const { return slot != nullptr; }
  bool traced() const { return trace != 0; }
};

Tensor make_concrete(ir::Type type, std::shared_ptr<runtime::Buffer> buffer, const Location& made);
Tensor make_traced(ir::Type type, uint64_t trace, ir::ValueId value, const Location& made);
// The buffer of a concrete tensor; Error for a spec, a donated or a leaked tensor.
const std::shared_ptr<runtime::Buffer>& buffer_of(const Tensor& t, const char* use, const Location& at);
// Element type and shape as error messages show them: f32[64, 784] from main.cc:12:9.
std::string describe(const Tensor& t);
std::string type_text(const ir::Type& type);

// ---- traces ----------------------------------------------------------------------------------------------------------

// One function being traced to a closed graph. What it uses from outside is captured: it becomes an extra input.
class Trace {
 public:
  Trace(const char* what, const Location& where, std::shared_ptr<Symbols> symbols);
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  const uint64_t number;
  const char* const what;  // "jit", "grad", "scan" ...
  const Location where;
  ir::GraphBuilder builder;
  std::vector<Tensor> captured;  // handles that share the outside cells

  Tensor input(const ir::Type& type, const std::string& note, const Location& made);
  // The value of any tensor in this trace, capturing it when it comes from outside.
  ir::Value value(const Tensor& t, const Location& at);
  static Trace* current();  // innermost of this thread, or null
  static bool active(uint64_t number);

 private:
  Trace* const outer_;
  std::vector<ir::ValueId> captured_values_;
};

// ---- applying ops ----------------------------------------------------------------------------------------------------

// A frontend function as graph algebra: promotion, broadcasting and the primitives it is made of. Called in a trace with
// the trace's builder; eagerly it becomes a small program with symbolic extents, compiled once per pattern.
using BuildFn = std::vector<ir::Value> (*)(ir::GraphBuilder&, std::span<const ir::Value>, const ir::Attrs&);
struct Emit {
  const char* name;
  BuildFn build;
};
std::vector<Tensor> apply(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at);
Tensor apply_one(const Emit& emit, const ir::Attrs& attrs, std::initializer_list<Tensor> inputs, const Location& at);
// A primitive by number; its graph attributes and shapes are used as they stand.
std::vector<Tensor> apply_primitive(ir::Op op, const ir::Attrs& attrs, std::span<const Tensor> inputs,
                                    const Location& at);
// A closed graph: spliced into the current trace, or run op by op.
std::vector<Tensor> apply_graph(const ir::Graph& graph, std::span<const Tensor> inputs, const Location& at);

// ---- the tape --------------------------------------------------------------------------------------------------------

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
  std::vector<uint32_t> inputs;  // of the call, in the order of forward's: one that is passed twice is one value
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
  const Pullback& pullback(const std::vector<bool>& arrived, const std::vector<bool>& summed) const;

  std::shared_ptr<const ir::Graph> linear;
  runtime::CompileOptions options;
  mutable std::mutex mutex;
  mutable std::map<std::pair<std::vector<bool>, std::vector<bool>>, Pullback> pullbacks;
};
// same[i]: the first input that is the same value as input i. Cotangents of one value add up in reverse program order,
// operand by operand, so such inputs are one input of the program.
std::shared_ptr<const TapedProgram> make_taped(const ir::Graph& graph, const std::vector<Part>& parts,
                                               const std::vector<uint32_t>& same,
                                               const runtime::CompileOptions& options);
std::vector<Part> parts_of(std::span<const Tensor> inputs);
std::vector<uint32_t> same_values(std::span<const Tensor> inputs);

// Where a cotangent goes, as it was when recorded: an output of an entry, or a leaf.
struct TapeSource {
  std::shared_ptr<TapeEntry> entry;
  uint32_t output = 0;
  std::shared_ptr<Cell> leaf;
};

struct TapeEntry {
  uint64_t sequence = 0;  // program order
  std::string name;  // for grad_fn()
  Location where;
  std::shared_ptr<const TapedProgram> program;
  std::vector<int64_t> dims;
  std::vector<std::shared_ptr<runtime::Buffer>> residuals;
  std::vector<TapeSource> inputs;  // one per active input, then one per flat input
  std::vector<ir::Type> output_types;  // concrete
  Location used_gradient;  // the backward whose result it used as a constant
  bool freed = false;
  Location freed_at;  // the backward that used it up
  ~TapeEntry();  // releases a long chain by a loop
};

TapeSource source_of(const std::shared_ptr<Cell>& cell);

// One call of a program: its results' concrete types and buffers.
struct Run {
  std::vector<ir::Type> types;
  std::vector<std::shared_ptr<runtime::Buffer>> buffers;
};
Run execute(const runtime::Executable& program, std::span<const void* const> inputs, const std::vector<int64_t>& dims);

// Runs a program on concrete tensors and records it when something requires grad.
std::vector<Tensor> run_taped(const char* name, const std::shared_ptr<const TapedProgram>& program,
                              std::span<const Tensor> inputs, const std::vector<int64_t>& dims, const Location& at);
std::vector<Tensor> run_plain(const runtime::Executable& program, std::span<const Tensor> inputs,
                              const std::vector<int64_t>& dims, const Location& at);
void backward_from(const Tensor& root, const Tensor* cotangent, bool retain_graph, const Location& at);
bool records(std::span<const Tensor> inputs);  // grad mode is on and an input has a history
// Marks results of ops that are not recorded and use what a backward computed, so that a backward through them is refused.
void pass_gradients_on(std::span<const Tensor> inputs, std::span<const Tensor> results);
bool set_grad_enabled(bool on);  // returns what it was

}  // namespace tenon
