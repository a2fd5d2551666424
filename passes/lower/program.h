// The program while it is lowered: buffers, kernels and steps, one frame a graph level. Sub-graphs of control flow are
// fused and lowered into nested steps of the same program; recursion follows nesting only. Refuses to place buffers in
// memory (passes/memory/buffers.cc).
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "tenon/ir/graph/levels.h"
#include "tenon/ir/graph/loops.h"
#include "tenon/passes/lower/group.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

inline constexpr uint32_t no_buffer = UINT32_MAX;

// One graph level: where each of its values lives.
struct Frame {
  const ir::Graph& graph;
  const Axes& axes;                    // of the graph
  int depth = 0;                       // loops around it
  uint32_t origin = UINT32_MAX;        // number of the node whose body it is; none for the outermost
  uint32_t first = 0;                  // number of its first node (ir/graph/levels.h), for explaining
  std::vector<ir::Operand> places;     // per value; buffer is no_buffer where unknown
};

class ProgramLowering {
 public:
  ProgramLowering(const ir::Graph& graph, const Target& target);
  ir::Program run(const FusionPlan& plan, const std::vector<std::pair<uint32_t, uint32_t>>& donations);

 private:
  // Lowers a level: its inputs stand in the frame already; output i is written to targets[i].
  void level(Frame& frame, const FusionPlan& plan, const std::vector<ir::Operand>& targets,
             std::vector<ir::Step>& steps);
  void body(const ir::Graph& graph, int depth, uint32_t origin, const std::vector<ir::Operand>& inputs,
            const std::vector<ir::Operand>& targets, std::vector<ir::Step>& steps);
  // The same by a plan, some values of the graph having a place.
  using Places = std::vector<std::pair<ir::ValueId, ir::Operand>>;
  void planned_body(const ir::Graph& graph, const FusionPlan& plan, int depth, uint32_t origin,
                    const std::vector<ir::Operand>& inputs, const std::vector<ir::Operand>& targets,
                    const Places& places, std::vector<ir::Step>& steps);
  // Where a carry's next value goes: a buffer of its own, the carry's where it never changes (none) or is updated in place.
  ir::Operand next_place(const ir::Graph& body, const FusionPlan& plan, ir::ValueId input, size_t output,
                         const ir::Operand& current, ir::Step& step, Places& places);
  static void require_own_space(const Frame& frame, const Group& group);
  void launch(Frame& frame, const Group& group, std::vector<ir::Step>& steps);
  void control(Frame& frame, const Group& group, std::vector<ir::Step>& steps);  // lower/control.cc
  void cond(Frame& frame, ir::NodeId n, std::vector<ir::Step>& steps);
  void while_loop(Frame& frame, ir::NodeId n, std::vector<ir::Step>& steps);
  void scan(Frame& frame, ir::NodeId n, std::vector<ir::Step>& steps);
  void custom(Frame& frame, ir::NodeId n, std::vector<ir::Step>& steps);
  bool loop_in_registers(Frame& frame, ir::NodeId n, std::vector<ir::Step>& steps);  // lower/registers.cc

  uint32_t new_buffer(const ir::Type& type, ir::Home home, uint32_t producer, uint32_t slot = 0);
  ir::Operand place(Frame& frame, ir::ValueId v);  // of a value that is stored
  ir::Operand result(Frame& frame, ir::ValueId v);  // of a value about to be stored: its target, or a new buffer
  ir::ValueId storage(const ir::Graph& graph,
                      ir::ValueId v) const;  // through reshapes and barriers that share a buffer
  bool is_alias(const ir::Graph& graph, ir::ValueId v) const;
  void copy(const ir::Operand& from, const ir::Operand& to, const ir::Type& type, uint32_t origin,
            std::vector<ir::Step>& steps);
  ir::Operand whole(Frame& frame, ir::ValueId v,
                    std::vector<ir::Step>& steps);  // copied when it is a part of another buffer
  uint32_t constant(const Frame& frame, ir::NodeId n);
  void place_parts(Frame& frame, const FusionPlan& plan);  // lower/copies.cc
  void copies(Frame& frame, ir::NodeId n, std::vector<ir::Step>& steps);
  void copy_rows(Frame& frame, ir::NodeId n, std::vector<ir::Step>& steps);
  void copy_run(const ir::Operand& from, const ir::Operand& to, Dim count, uint32_t origin,
                std::vector<ir::Step>& steps);
  ir::Operand part(ir::Operand whole, Dim start);
  uint32_t add_kernel(ir::Kernel kernel, ir::KernelNote note);
  ir::KernelNote note_of_loop(const Frame& frame, ir::NodeId n, const ir::Loop& loop);
  ir::KernelNote note_of(const Frame& frame, const Group& group, const ir::Kernel& kernel);
  Dim flops_of(const Frame& frame, ir::NodeId n);
  Dim bytes_of(const ir::Type& type);
  uint32_t origin_of(const Frame& frame, ir::NodeId n) const { return frame.first + index(n); }

  const ir::Graph& graph_;
  const ir::Levels levels_;
  const Target& target_;
  bool fuse_ = true;  // in bodies, as the plan of the outermost level was made
  OpCosts costs_;
  ir::Program program_;
  std::vector<std::vector<char>> alias_;  // per open level: nodes that are aliases
  std::unordered_map<std::string, uint32_t> constants_;  // by their bytes
  std::unordered_map<std::string, uint32_t> kernels_;  // by text without names: equal kernels are one
};

// What goes into a body may be written over: the loop or branch around it sees to that.
inline std::vector<char> all_inputs(const ir::Graph& body) { return std::vector<char>(body.input_count(), 1); }

// The values that a body makes one of another, from the carry that comes in (left out) to output number `output`, when each can
// be stored over the one before because nobody reads that one later; empty when not (lower/in_place.cc).
std::vector<ir::ValueId> stored_in_place(const ir::Graph& body, const FusionPlan& plan, ir::ValueId input,
                                         size_t output);
void join_copies(ir::Program& program);  // lower/join_copies.cc
void order_for_donations(ir::Program& program);  // lower/order.cc

}  // namespace tenon::passes
