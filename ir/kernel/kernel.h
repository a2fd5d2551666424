// The loop-level IR: what one kernel does, in structured SSA with the same scalar ops as the graph. Both renderers (LLVM,
// CUDA C++) read this and nothing else. It says what is computed; lanes, shuffles, registers, packing and barriers are
// each renderer's own business. Refuses to know tensors: buffers are dense, row-major, indexed per dimension.
//
//   kernel @softmax(%x: in f32[d0, d1], %y: out f32[d0, d1]) {
//     parallel %i < d0 {
//       %m = reduce(max) lanes 16 block 512 %j < d1 { %v = load %x[%i, %j]  yield %v }
//       vector %j < d1 { ...  store %y[%i, %j], %e }
//     }
//   }
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/op.h"

namespace tenon::ir {

enum class ScalarId : uint32_t {};
enum class BlockId : uint32_t {};
enum class BufferId : uint32_t {};
inline constexpr ScalarId no_scalar{UINT32_MAX};
constexpr uint32_t index(ScalarId v) { return static_cast<uint32_t>(v); }
constexpr uint32_t index(BlockId v) { return static_cast<uint32_t>(v); }
constexpr uint32_t index(BufferId v) { return static_cast<uint32_t>(v); }

// serial: in order, may carry values. parallel: independent iterations, dealt to threads (outermost only; rendered as a
// function of [begin, end)). vector: independent iterations, rendered over lanes with a masked tail. block, thread: the
// CUDA schedule's names for the two levels of a grid; the LLVM renderer treats them as parallel and vector. repeat: serial, while
// its first carry, a bool, holds; the extent is a bound that it never reaches.
enum class LoopKind : uint8_t { serial, parallel, vector, block, thread, repeat };
inline constexpr bool in_order(LoopKind kind) { return kind == LoopKind::serial || kind == LoopKind::repeat; }

// The contract's order for reductions (docs/numbers.md, Reductions): blocks of `block` elements; inside a block `lanes`
// interleaved chains (element i goes to lane i mod lanes, starting from the identity), joined by halving; blocks joined
// by a pairwise tree over their order (neighbours first, an odd last one moves up).
struct Tree {
  int32_t lanes = 16, block = 512;
  bool operator==(const Tree&) const = default;
};
inline constexpr Tree row_tree{16, 512};
inline constexpr Tree column_tree{1, 64};
inline constexpr Tree pair_tree{1, 1};  // joins partial results of whole, aligned power-of-two runs of blocks

enum class KernelOp : uint8_t {
  literal,  // bits in `immediate`
  extent,  // i64 value of `dim`
  scalar,  // an exact elementwise `op` (or cast/bitcast, whose target is `dtype`) on operands
  load,  // operands: one i64 index per buffer dimension [, mask, other]: masked lanes read nothing and give `other`
  store,  // operands: indices, value [, mask]
  loop,  // operands: extent, initial carries; block arguments: index (i64), carries; yields: next carries; results: last
  reduce,  // operands: extent; argument: index; yields one value per `combines` entry; results: the reductions.
  //   combine is add, mul, min, max, bit_and, bit_or, or argmax / argmin (yields a value, gives its i64 index)
  contract,  // operands: extents of batch, i, j, k. blocks: lhs(b, i, k) yields; rhs(b, k, j) yields; epilogue(b, i, j,
  //   acc) stores. acc = fma chain ascending over k from +0, segments of 4096 joined by pairs; `dtype` is acc's
  rare,  // operands: condition, fast. block yields the slow value. result: select(condition, slow, fast)
  scaled,  // operands: x, n, otherwise. x 2^n rounded once (f32, f64; n whole, a float like x or an integer as wide). `otherwise`
  //   is that very value by the operations that every machine has: a renderer spells one of the two
  scratch,  // declares `buffer` (space scratch) for the enclosing iteration; contents undefined at first
};

enum class Space : uint8_t { input, output, inout, scratch };

struct KernelBuffer {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  Space space = Space::input;
};

struct Instruction {
  KernelOp kind{};
  Op op{};  // of scalar
  DType dtype = DType::f32;  // of the first result
  LoopKind loop = LoopKind::serial;
  bool nontemporal = false;  // of a store: the output will not be read soon (schedule decides)
  Tree tree{};
  int64_t grain = 1;  // of a parallel loop: iterations per chunk at least
  uint64_t immediate = 0;
  Dim dim;  // of extent
  BufferId buffer{};
  ScalarId first_result = no_scalar;
  uint32_t result_count = 0;
  uint32_t origin = 0;  // number of the graph node it came from, for explaining
  std::vector<ScalarId> operands;
  std::vector<Op> combines;
  std::vector<BlockId> blocks;
};

struct Block {
  std::vector<uint32_t> instructions;  // in order; numbers into Kernel::instructions
  std::vector<ScalarId> arguments;
  std::vector<ScalarId> yields;
};

struct ScalarInfo {
  DType dtype = DType::f32;
  uint32_t instruction = UINT32_MAX;  // defining instruction, or UINT32_MAX for a block argument
  BlockId block{};  // where it is defined
};

struct Kernel {
  std::string name;
  std::shared_ptr<Symbols> symbols = std::make_shared<Symbols>();
  std::vector<KernelBuffer> buffers;
  std::vector<Instruction> instructions;
  std::vector<Block> blocks;  // blocks[0] is the body
  std::vector<ScalarInfo> scalars;
  DType dtype(ScalarId v) const { return scalars[index(v)].dtype; }
  const Block& body() const { return blocks[0]; }
  std::string text() const;
};

Kernel parse_kernel(std::string_view text, std::shared_ptr<Symbols> symbols = nullptr);
std::vector<std::string> verify(const Kernel& kernel);

// The dtype of an elementwise row's result. to: target of cast and bitcast.
DType result_dtype(Op op, std::span<const DType> operands, DType to);
// The exact instruction set, all that a renderer must spell: every elementwise row without EXPAND on every dtype but the
// halves, which are only loaded, stored, carried, selected, negated, stripped of their sign (abs), cast and bitcast.
bool is_exact_instruction(Op op, std::span<const DType> operands, DType to);

// Builds a kernel. Pure scalar instructions are merged and placed in the outermost block where their operands exist, so
// loop-invariant code stands outside loops by construction. Folds integer index arithmetic (i * 1, i + 0, literals).
class KernelBuilder {
 public:
  KernelBuilder(std::string name, std::shared_ptr<Symbols> symbols);
  BufferId buffer(std::string name, DType dtype, const Shape& shape, Space space);
  BufferId scratch(std::string name, DType dtype, const Shape& shape);  // declared in the current block

  ScalarId literal(DType dtype, uint64_t bits);
  ScalarId index_literal(int64_t value) { return literal(DType::i64, static_cast<uint64_t>(value)); }
  ScalarId extent(Dim dim);  // a literal when the dim is a number
  // An elementwise row. Exact ops become one instruction; an expanded op becomes its expansion; f16/bf16 compute in f32
  // (expanded rows in f64) and round once. to: target of cast and bitcast.
  ScalarId scalar(Op op, std::span<const ScalarId> operands, DType to = DType::f32);
  ScalarId load(BufferId buffer, std::span<const ScalarId> index, ScalarId mask = no_scalar,
                ScalarId other = no_scalar);
  void store(BufferId buffer, std::span<const ScalarId> index, ScalarId value, ScalarId mask = no_scalar);

  // Loops: open_* returns the block arguments (index first); code built until close_* goes inside.
  std::vector<ScalarId> open_loop(LoopKind kind, ScalarId extent, std::span<const ScalarId> carries = {},
                                  int64_t grain = 1);
  std::vector<ScalarId> close_loop(std::span<const ScalarId> yields = {});
  ScalarId open_reduce(std::vector<Op> combines, Tree tree, ScalarId extent);
  std::vector<ScalarId> close_reduce(std::span<const ScalarId> yields);
  void open_rare(ScalarId condition, ScalarId fast);
  ScalarId close_rare(ScalarId slow);
  ScalarId scaled(ScalarId x, ScalarId n, ScalarId otherwise);
  // Contraction: open, then three sections in order, each closed by its own call.
  std::vector<ScalarId> open_contract(DType accumulate, ScalarId batch, ScalarId m, ScalarId n,
                                      ScalarId k);  // lhs: b, i, k
  std::vector<ScalarId> close_lhs(ScalarId yield);  // rhs: b, k, j
  std::vector<ScalarId> close_rhs(ScalarId yield);  // epilogue: b, i, j, acc
  void close_contract();

  DType dtype(ScalarId v) const { return kernel_.dtype(v); }
  Symbols& symbols() { return *kernel_.symbols; }
  uint32_t origin = 0;  // stamped on instructions built from now on
  Kernel finish();

 private:
  struct Open {
    BlockId block;
    uint32_t instruction;
    bool rare;
  };
  // Merged, and placed in the outermost block that sees its operands, though not outside open_[floor].
  ScalarId pure(Instruction instruction, uint32_t floor);
  ScalarId halves(Op op, std::span<const ScalarId> operands);
  ScalarId simplified(Op op, std::span<const ScalarId> operands);  // no_scalar: nothing to simplify
  ScalarId put_together(ScalarId rest, ScalarId multiple) const;
  const Instruction* exact(ScalarId v, Op op) const;
  uint32_t reserve(Instruction instruction);  // a number for an instruction that is not in a block yet
  void append(uint32_t instruction, BlockId block);
  ScalarId add_result(uint32_t instruction, DType dtype, BlockId block);
  ScalarId add_argument(BlockId block, DType dtype);
  BlockId open(uint32_t instruction, bool rare = false);
  uint32_t close(KernelOp expected, std::span<const ScalarId> yields);
  void require_visible(std::span<const ScalarId> operands) const;
  const Instruction* literal_of(ScalarId v) const;
  bool extents_of(ScalarId v, std::vector<Dim>& extents) const;
  bool may_guard(uint32_t depth, const Shape& shape) const;
  Kernel kernel_;
  std::vector<Open> open_;  // nest of blocks being built
  std::vector<uint32_t> depth_;  // per block: its place in open_, UINT32_MAX once closed
  std::vector<uint32_t> merged_;  // open-addressing table of pure instructions, number + 1
  uint32_t merged_count_ = 0;
  std::vector<uint64_t> version_;  // per buffer: counts what may have changed its contents
  uint64_t changes_ = 0, epoch_ = 0;
  std::vector<ScalarId> bound_;  // per scalar: the extent that a loop index stays below
};

}  // namespace tenon::ir
