// Renders one kernel as CUDA C++ on top of the prelude (codegen/cuda_prelude.h). Three ways to use a grid, found from the
// kernel's shape:
//
//   elements   the body holds one loop, with no cooperation inside: iterations are dealt to all threads of the grid. A
//              parallel loop around nothing but a vector loop is one such loop over the product of both extents
//   rows       the body holds one parallel loop with reductions, vector loops or scratch inside: a block takes an iteration;
//              what stands between vector loops is computed by every thread alike and stored by the first
//   block      anything else: one block runs the whole body as it would run a row
//
// Refuses contractions; those get a renderer of their own.
#include <algorithm>
#include <map>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/cuda_prelude.h"
#include "tenon/codegen/cuda_text.h"
#include "tenon/ir/error.h"

namespace tenon::codegen {
namespace {

using namespace ir;

constexpr int64_t static_shared_limit = 40 << 10;  // bytes; below the 48 KiB that need no opt-in

bool is_lane_loop(const Instruction& i) {
  return i.kind == KernelOp::loop && (i.loop == LoopKind::vector || i.loop == LoopKind::thread);
}
bool is_grid_loop(const Instruction& i) {
  return i.kind == KernelOp::loop && (i.loop == LoopKind::parallel || i.loop == LoopKind::block);
}
bool is_pure(const Instruction& i) {
  return i.kind == KernelOp::literal || i.kind == KernelOp::extent || i.kind == KernelOp::scalar ||
         i.kind == KernelOp::load;
}

// Who runs a piece of code: all threads of a block alike, or one thread on its own.
enum class Team { block, thread };

class Renderer {
 public:
  explicit Renderer(const Kernel& kernel) : k_(kernel), numbers_(kernel.scalars.size(), 0) {}

  CudaSource run() {
    source_.entry = "tenon_" + cuda_name(k_.name);
    for (const Instruction& i : k_.instructions) {
      if (i.kind == KernelOp::contract) return refuse("a contraction");
      if (i.kind == KernelOp::load && k_.buffers[index(i.buffer)].space != Space::input)
        read_back_[index(i.buffer)] = true;
      if (i.kind == KernelOp::extent) use_symbol(i.dim);
    }
    for (const KernelBuffer& b : k_.buffers)
      for (Dim d : b.shape) use_symbol(d);
    std::sort(source_.symbols.begin(), source_.symbols.end());
    body();
    if (!source_.reason.empty()) return refuse(source_.reason);
    source_.text = head() + text_ + "}\n";
    return std::move(source_);
  }

 private:
  CudaSource refuse(const std::string& reason) {
    CudaSource refused;
    refused.reason = "kernel @" + k_.name + " holds " + reason;
    return refused;
  }

  // ---- names
  void use_symbol(Dim d) {
    if (d.is_symbol() && std::find(source_.symbols.begin(), source_.symbols.end(), d.index()) == source_.symbols.end())
      source_.symbols.push_back(d.index());
  }
  std::string dim(Dim d) const {
    if (d.is_number()) return std::to_string(d.number()) + "ll";
    const Symbol& s = (*k_.symbols)[d.index()];
    return "d" + std::to_string(d.index()) + (s.kind == SymbolKind::free ? "_" + cuda_name(s.name) : "");
  }
  static std::string type(DType t) { return std::string(name(t)); }
  std::string type(ScalarId v) const { return type(k_.dtype(v)); }
  std::string define(ScalarId v) {
    numbers_[index(v)] = next_++;
    return "v" + std::to_string(numbers_[index(v)]);
  }
  std::string use(ScalarId v) const {
    const uint32_t number = k_.scalars[index(v)].instruction;
    if (number != UINT32_MAX) {
      const Instruction& i = k_.instructions[number];
      if (i.kind == KernelOp::literal) return cuda_literal(i.dtype, i.immediate);
      if (i.kind == KernelOp::extent) return dim(i.dim);
    }
    return "v" + std::to_string(numbers_[index(v)]);
  }
  std::string buffer(BufferId b) const { return "b_" + cuda_name(k_.buffers[index(b)].name); }
  std::string element(const Instruction& i) const {
    const Shape& shape = k_.buffers[index(i.buffer)].shape;
    std::string offset = shape.empty() ? "0" : use(i.operands[0]);
    for (size_t d = 1; d < shape.size(); ++d)
      offset = (d > 1 ? "(" + offset + ")" : offset) + " * " + dim(shape[d]) + " + " + use(i.operands[d]);
    return buffer(i.buffer) + "[" + offset + "]";
  }

  // ---- lines
  void line(const std::string& text) { text_ += std::string(2 * static_cast<size_t>(depth_), ' ') + text + "\n"; }
  void open(const std::string& text) {
    line(text + " {");
    ++depth_;
  }
  void close(const std::string& end = "}") {
    --depth_;
    line(end);
  }
  void barrier() { line("__syncthreads();"); }
  // Barriers are needed only where one thread may read what another stores.
  bool shares_memory(BlockId b) const {
    return any(b, [&](const Instruction& i) {
      return (i.kind == KernelOp::load || i.kind == KernelOp::store) && is_read_back(i.buffer);
    });
  }
  bool is_read_back(BufferId b) const {
    const auto found = read_back_.find(index(b));
    return found != read_back_.end();
  }
  template <class Test>
  bool any(BlockId root, Test test) const {
    std::vector<BlockId> open{root};
    while (!open.empty()) {
      const Block& b = k_.blocks[index(open.back())];
      open.pop_back();
      for (uint32_t number : b.instructions) {
        const Instruction& i = k_.instructions[number];
        if (test(i)) return true;
        open.insert(open.end(), i.blocks.begin(), i.blocks.end());
      }
    }
    return false;
  }
  bool cooperates(BlockId b) const {
    return any(b, [](const Instruction& i) {
      return is_lane_loop(i) || i.kind == KernelOp::reduce || i.kind == KernelOp::scratch;
    });
  }

  // ---- kernel
  std::string head() const {
    std::string parameters;
    const auto add = [&](const std::string& p) { parameters += (parameters.empty() ? "" : ", ") + p; };
    for (size_t b = 0; b < k_.buffers.size(); ++b) {
      const KernelBuffer& held = k_.buffers[b];
      if (held.space == Space::scratch) continue;
      const std::string spelled = buffer(BufferId{static_cast<uint32_t>(b)});
      add(held.space == Space::input ? "const " + type(held.dtype) + "* __restrict__ " + spelled
                                     : type(held.dtype) + "* " + spelled);
    }
    for (uint32_t s : source_.symbols) add("const i64 " + dim(Dim::symbol(s)));
    return "extern \"C\" __global__ void __launch_bounds__(threads) " + source_.entry + "(" + parameters + ") {\n" +
           (source_.shared.empty() ? "" : "  extern __shared__ uint4 tenon_shared[];\n");
  }

  void body() {
    const Block& b = k_.body();
    const Instruction* loop = nullptr;
    bool simple = true;
    for (uint32_t number : b.instructions) {
      const Instruction& i = k_.instructions[number];
      if (is_pure(i)) continue;
      simple = simple && !loop && (is_grid_loop(i) || is_lane_loop(i));
      loop = &i;
    }
    if (!simple || !loop) {
      line("if (blockIdx.x != 0) return;");
      block(BlockId{0}, Team::block);
      return;
    }
    for (uint32_t number : b.instructions)
      if (is_pure(k_.instructions[number])) instruction(k_.instructions[number], Team::block);
    grid(*loop);
  }

  void grid(const Instruction& loop) {
    const BlockId inside = loop.blocks[0];
    const Block& b = k_.blocks[index(inside)];
    const std::string extent = use(loop.operands[0]);
    if (is_lane_loop(loop) || !cooperates(inside)) {
      elements(define(b.arguments[0]), extent);
      block(inside, Team::thread);
      close();
      return;
    }
    if (const Instruction* inner = only_lane_loop(inside)) {
      const std::string both = "v" + std::to_string(next_++), columns = use(inner->operands[0]);
      elements(both, extent + " * " + columns);
      line("const i64 " + define(b.arguments[0]) + " = " + both + " / " + columns + ";");
      line("const i64 " + define(k_.blocks[index(inner->blocks[0])].arguments[0]) + " = " + both + " % " + columns +
           ";");
      for (uint32_t number : b.instructions)
        if (is_pure(k_.instructions[number])) instruction(k_.instructions[number], Team::thread);
      block(inner->blocks[0], Team::thread);
      close();
      return;
    }
    const std::string v = define(b.arguments[0]);
    open("for (i64 " + v + " = blockIdx.x; " + v + " < " + extent + "; " + v + " += gridDim.x)");
    block(inside, Team::block);
    close();
  }
  void elements(const std::string& v, const std::string& extent) {
    open("for (i64 " + v + " = i64(blockIdx.x) * threads + threadIdx.x; " + v + " < " + extent + "; " + v +
         " += i64(gridDim.x) * threads)");
  }
  // The vector loop of a block that holds nothing else with an effect, if its extent is known outside.
  const Instruction* only_lane_loop(BlockId id) const {
    const Instruction* found = nullptr;
    for (uint32_t number : k_.blocks[index(id)].instructions) {
      const Instruction& i = k_.instructions[number];
      if (is_pure(i)) continue;
      if (found || !is_lane_loop(i) || k_.scalars[index(i.operands[0])].block == id) return nullptr;
      found = &i;
    }
    return found;
  }

  void block(BlockId id, Team team) {
    for (uint32_t number : k_.blocks[index(id)].instructions) instruction(k_.instructions[number], team);
  }

  void instruction(const Instruction& i, Team team) {
    switch (i.kind) {
      case KernelOp::literal:
      case KernelOp::extent: break;  // spelled where they are used
      case KernelOp::scalar: scalar(i); break;
      case KernelOp::load: {
        const KernelBuffer& b = k_.buffers[index(i.buffer)];
        const size_t rank = b.shape.size();
        std::string value = element(i);
        if (i.operands.size() > rank) value = use(i.operands[rank]) + " ? " + value + " : " + use(i.operands[rank + 1]);
        line("const " + type(b.dtype) + " " + define(i.first_result) + " = " + value + ";");
        break;
      }
      case KernelOp::store: store(i, team); break;
      case KernelOp::scratch: scratch(i, team); break;
      case KernelOp::loop: loop(i, team); break;
      case KernelOp::reduce: reduce(i, team); break;
      case KernelOp::rare: {
        const std::string v = define(i.first_result);
        line(type(i.first_result) + " " + v + " = " + use(i.operands[1]) + ";");
        open("if (" + use(i.operands[0]) + ")");
        block(i.blocks[0], team);
        line(v + " = " + use(k_.blocks[index(i.blocks[0])].yields[0]) + ";");
        close();
        break;
      }
      case KernelOp::contract: break;  // refused
    }
  }

  void scalar(const Instruction& i) {
    std::string call = std::string(name(i.op));
    if (i.op == Op::cast || i.op == Op::bitcast) call += "<" + type(i.dtype) + ">";
    call += "(";
    for (size_t k = 0; k < i.operands.size(); ++k) call += (k ? ", " : "") + use(i.operands[k]);
    line("const " + type(i.dtype) + " " + define(i.first_result) + " = " + call + ");");
  }

  void store(const Instruction& i, Team team) {
    const size_t rank = k_.buffers[index(i.buffer)].shape.size();
    const bool ordered = team == Team::block && is_read_back(i.buffer);
    std::string guard = i.operands.size() > rank + 1 ? use(i.operands[rank + 1]) : "";
    if (team == Team::block) guard = guard.empty() ? "threadIdx.x == 0" : "threadIdx.x == 0 && " + guard;
    if (ordered) barrier();
    line((guard.empty() ? "" : "if (" + guard + ") ") + element(i) + " = " + use(i.operands[rank]) + ";");
    if (ordered) barrier();
  }

  // A block's scratch lies in shared memory: statically where it is small and of known size, else in the launch's dynamic
  // shared memory, one piece after another, each rounded up to 16 bytes. A thread's own scratch is local.
  void scratch(const Instruction& i, Team team) {
    const KernelBuffer& b = k_.buffers[index(i.buffer)];
    const int64_t size = b.shape.is_static() ? b.shape.numel() * bytes(b.dtype) : -1;
    const std::string count = std::to_string(std::max<int64_t>(size, 1) / bytes(b.dtype) + 1);
    if (team == Team::thread) {
      if (size < 0) source_.reason = "scratch of run-time size inside a thread";
      line(type(b.dtype) + " " + buffer(i.buffer) + "[" + count + "];");
      return;
    }
    if (size >= 0 && shared_bytes_ + size <= static_shared_limit) {
      shared_bytes_ += size;
      line("__shared__ " + type(b.dtype) + " " + buffer(i.buffer) + "[" + count + "];");
      return;
    }
    std::string offset;
    for (BufferId before : source_.shared) {
      const KernelBuffer& other = k_.buffers[index(before)];
      offset += " + (" + product(other.shape) + " * " + std::to_string(bytes(other.dtype)) + " + 15) / 16";
    }
    source_.shared.push_back(i.buffer);
    line(type(b.dtype) + "* const " + buffer(i.buffer) + " = reinterpret_cast<" + type(b.dtype) + "*>(tenon_shared" +
         offset + ");");
  }
  std::string product(const Shape& shape) const {
    std::string text = "1ll";
    for (Dim d : shape) text += " * " + dim(d);
    return text;
  }

  void loop(const Instruction& i, Team team) {
    const Block& b = k_.blocks[index(i.blocks[0])];
    const bool dealt = team == Team::block && is_lane_loop(i);
    const std::string extent = use(i.operands[0]);
    std::vector<std::string> initial, carried;
    for (size_t k = 1; k < i.operands.size(); ++k) initial.push_back(use(i.operands[k]));
    for (uint32_t k = 0; k < i.result_count; ++k) {
      const ScalarId result{index(i.first_result) + k};
      carried.push_back(define(result));
      line(type(result) + " " + carried[k] + " = " + initial[k] + ";");
    }
    const bool shares = dealt && shares_memory(i.blocks[0]);
    if (shares) barrier();
    const std::string v = define(b.arguments[0]);
    open("for (i64 " + v + (dealt ? " = threadIdx.x; " : " = 0; ") + v + " < " + extent + "; " +
         (dealt ? v + " += threads" : "++" + v) + ")");
    // The arguments are copies, so that the next carries can be assigned one by one.
    for (size_t k = 0; k < carried.size(); ++k)
      line("const " + type(b.arguments[k + 1]) + " " + define(b.arguments[k + 1]) + " = " + carried[k] + ";");
    block(i.blocks[0], dealt ? Team::thread : team);
    for (size_t k = 0; k < carried.size(); ++k) line(carried[k] + " = " + use(b.yields[k]) + ";");
    close();
    if (shares) barrier();
  }

  void reduce(const Instruction& i, Team team) {
    const Block& b = k_.blocks[index(i.blocks[0])];
    const bool shares = team == Team::block && shares_memory(i.blocks[0]);
    if (shares) barrier();
    // Several reductions at once, and places of extremes, travel as one struct.
    const auto is_place = [&](size_t k) { return def(i.combines[k]).positional; };
    const auto part = [&](size_t k) {
      const std::string t = type(b.yields[k]);
      return is_place(k) ? "Place<" + t + ">" : t;
    };
    const std::string v = define(b.arguments[0]), parts = i.combines.size() == 1 ? part(0) : "Parts" + v;
    std::string members, identity, empty, join;
    for (size_t k = 0; k < i.combines.size(); ++k) {
      const std::string m = "m" + std::to_string(k), comma = k ? ", " : "";
      const DType t = k_.dtype(b.yields[k]);
      members += part(k) + " " + m + "; ";
      identity += comma + cuda_identity(i.combines[k], t);
      empty += comma + (is_place(k) ? part(k) + "{" + cuda_literal(t, 0) + ", 0}"
                                    : cuda_literal(t, nothing_bits(i.combines[k], t)));
      const std::string dot = i.combines.size() == 1 ? "" : "." + m;
      join += comma + std::string(name(i.combines[k])) + "(x" + dot + ", y" + dot + ")";
    }
    if (i.combines.size() > 1) {
      line("struct " + parts + " { " + members + "};");
      identity = parts + "{" + identity + "}";
      empty = parts + "{" + empty + "}";
      join = parts + "{" + join + "}";
    }
    const std::string total = "r" + v;
    open("const " + parts + " " + total + " = reduce_" + (team == Team::block ? "together<" : "alone<") +
         std::to_string(i.tree.lanes) + ", " + std::to_string(i.tree.block) + ">(" + use(i.operands[0]) + ", " +
         identity + ", " + empty + ", [&](i64 " + v + ") -> " + parts);
    block(i.blocks[0], Team::thread);
    std::string values;
    for (size_t k = 0; k < i.combines.size(); ++k) {
      const std::string value = use(b.yields[k]);
      values += (k ? ", " : "") + (is_place(k) ? part(k) + "{" + value + ", " + v + "}" : value);
    }
    line("return " + (i.combines.size() > 1 ? parts + "{" + values + "}" : values) + ";");
    close("}, [](" + parts + " x, " + parts + " y) -> " + parts + " { return " + join + "; });");
    for (size_t k = 0; k < i.combines.size(); ++k) {
      const ScalarId result{index(i.first_result) + static_cast<uint32_t>(k)};
      const std::string member = i.combines.size() == 1 ? total : total + ".m" + std::to_string(k);
      line("const " + type(result) + " " + define(result) + " = " + member + (is_place(k) ? ".index;" : ";"));
    }
    if (shares) barrier();
  }

  const Kernel& k_;
  CudaSource source_;
  std::string text_;
  int depth_ = 1;
  uint32_t next_ = 0;
  int64_t shared_bytes_ = 0;
  std::vector<uint32_t> numbers_;
  std::map<uint32_t, bool> read_back_;  // buffers that are loaded and may be stored to
};

}  // namespace

CudaSource render_cuda(const Kernel& kernel, const Target&) { return Renderer(kernel).run(); }

std::string cuda_module(std::span<const CudaSource> kernels) {
  std::string text = std::string(cuda_prelude_scalars) + cuda_prelude_reductions;
  text += "namespace tenon {\n";
  for (const CudaSource& k : kernels) text += "\n" + k.text;
  return text + "}  // namespace tenon\n";
}

}  // namespace tenon::codegen
