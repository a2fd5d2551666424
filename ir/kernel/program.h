// A compiled program before code generation: kernels, buffers, and the steps that run them. passes build it (lower),
// refine it (schedule, buffers); codegen renders it as one artifact with one entry point. Loops and conditions of the
// program are steps with nested steps, so they run as native code.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tenon/ir/graph/graph.h"
#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir {

enum class Home : uint8_t { input, output, arena, constant };

struct ProgramBuffer {
  DType dtype = DType::f32;
  Shape shape;
  Home home = Home::arena;
  uint32_t slot = 0;          // number of the input, output or constant
  // Place in the arena, decided by the buffer planner. The offset in bytes is `offset` when the program is static;
  // otherwise the planner lays arena slots out in order and the entry point computes offsets from the extents.
  int64_t offset = -1;
  uint32_t arena_slot = UINT32_MAX;  // buffers that share memory share a slot (symbolic programs)
  uint32_t producer = UINT32_MAX;    // graph node, for explaining
};

// A buffer as a step sees it; inside a loop step it may advance: element offset = index of that loop * stride.
struct Operand {
  uint32_t buffer = 0;
  int32_t loop = -1;          // number of an enclosing loop step (0 is the outermost), or -1
  bool reversed = false;      // uses trip count - 1 - index
  Dim stride = 0;             // elements per iteration
  bool part = false;          // the step touches some of the buffer's elements, from number `start` on
  Dim start = 0;
  bool is_whole() const { return loop < 0 && !part; }
};

struct Step;
enum class StepKind : uint8_t { launch, copy, loop, branch, custom };
// What a custom step asks of the host: the caller's function; or that the call fails unless a bool holds; a line; the other ranks.
enum class Host : uint8_t { function, check, print, ranks };

// What a step asks of the other ranks (ops over ranks: ir/ops.def).
struct RanksStep {
  enum class Phase : uint8_t { whole, start, finish };  // a start and its finish have the same `pending` and operands
  Op op{};
  int64_t size = 1, stride = 1;
  std::vector<int64_t> numbers = {};
  Type block = {};  // of the operand, or of what one rank has of it
  Phase phase = Phase::whole;
  uint32_t pending = 0;
};

struct Step {
  StepKind kind = StepKind::launch;
  uint32_t kernel = 0;  // launch
  std::vector<Operand> operands;  // launch: one per non-scratch kernel buffer, in order. copy: source, destination.
      // custom: inputs then outputs. branch: the i1 predicate (one bool element).
      // loop: the condition's bool buffer, absent for a counted loop
  Dim trip_count = 0;  // counted loop
  std::optional<Dim> count;  // copy: elements; none: all of both buffers
  std::vector<Step> condition;  // steps that compute the loop condition, run before each iteration
  std::vector<Step> body, otherwise;  // loop body; branch taken, branch not taken
  // Loop carries: after each iteration the content of `next` becomes that of `current` (by copy or by swapping pointers;
  // both are buffers of one type).
  struct Carry {
    uint32_t current = 0, next = 0;
  };
  std::vector<Carry> carries;
  Host host = Host::function;  // custom
  std::string custom;  // the name of the function, what a check says, or the format of a print
  std::string place;  // of a check, or of what asks the other ranks
  std::vector<Type> types;  // of a print's operands
  RanksStep ranks;
  uint32_t outputs = 0;  // custom: how many operands at the end are outputs
  uint32_t origin = 0;  // graph node, for explaining
};

// Why an edge of the graph was not fused.
struct FusionNote {
  uint32_t producer = 0, consumer = 0;  // graph nodes
  std::string reason;
};

struct KernelNote {
  std::vector<uint32_t> nodes;  // graph nodes it computes
  std::string kind;  // map, row, column, contract, nest
  Dim bytes_read = 0, bytes_written = 0, flops = 0;  // per launch
};

struct Program {
  std::string name = "main";
  std::shared_ptr<Symbols> symbols = std::make_shared<Symbols>();
  std::vector<Type> inputs, outputs;
  std::vector<Kernel> kernels;
  std::vector<KernelNote> notes;  // one per kernel
  std::vector<FusionNote> not_fused;
  std::vector<ProgramBuffer> buffers;
  std::vector<Step> steps;
  std::vector<std::string> constants;  // raw bytes of constant buffers, by slot
  std::vector<std::pair<uint32_t, uint32_t>> aliases;  // input i and output j share memory (donation)
  int64_t arena_bytes = 0;  // static programs
  bool is_static = true;
  std::string text() const;  // kernels and steps, for dumps and golden files
};

// The steps of a program that may fail, custom calls and checks, in order, nested ones too. An entry that gives k says that
// number k of them failed, from 1 on.
std::vector<const Step*> failing_steps(const Program& program);
// Whether a copy is none: an input's, to the output that takes its memory.
bool copies_onto_itself(const Program& program, const Step& copy);
// How many ranks a world has at least in which the program's groups fit; 0 where it asks no other ranks.
int64_t fewest_ranks(const Program& program);
// What it asks of them, in order, and what runs meanwhile.
struct RanksNote {
  Op op{};
  std::string place;
  int64_t size = 1;  // of the group
  int64_t bytes = 0;  // of what a rank has; -1 where an extent is free
  uint32_t hidden = 0;  // kernels that are launched between its start and its finish
  int64_t hidden_flops = 0;  // of those whose extents are known
};
std::vector<RanksNote> ranks_notes(const Program& program);

}  // namespace tenon::ir
