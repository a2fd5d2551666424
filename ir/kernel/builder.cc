// Builds structured kernels: blocks, loops, memory. Pure instructions are merged and put into the outermost block where
// their operands exist, so loop-invariant code stands outside its loop by construction; what is created inside a rare
// block stays there, for the point of that block is that it seldom runs. Refuses to know elementwise ops
// (ir/kernel/elementwise.cc) and to check a finished kernel (ir/kernel/verify.cc).
#include <algorithm>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/index_table.h"
#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir {
namespace {

constexpr uint32_t closed = UINT32_MAX;

uint64_t hash_of(const Instruction& i) {
  uint64_t hash =
      mix(static_cast<uint64_t>(i.kind) << 32 | static_cast<uint64_t>(i.op), static_cast<uint64_t>(i.dtype));
  hash = mix(mix(hash, i.immediate), static_cast<uint64_t>(i.dim.code()));
  hash = mix(hash, index(i.buffer));
  for (ScalarId v : i.operands) hash = mix(hash, index(v));
  return hash;
}

bool same(const Instruction& a, const Instruction& b) {
  return a.kind == b.kind && a.op == b.op && a.dtype == b.dtype && a.immediate == b.immediate && a.dim == b.dim &&
         a.buffer == b.buffer && a.operands == b.operands;
}

}  // namespace

KernelBuilder::KernelBuilder(std::string name, std::shared_ptr<Symbols> symbols) {
  kernel_.name = std::move(name);
  if (symbols) kernel_.symbols = std::move(symbols);
  kernel_.blocks.emplace_back();
  depth_.push_back(0);
  open_.push_back({BlockId{0}, UINT32_MAX, false});
}

// ---- numbers, placing, merging --------------------------------------------------------------------------------------

uint32_t KernelBuilder::reserve(Instruction instruction) {
  instruction.origin = origin;
  kernel_.instructions.push_back(std::move(instruction));
  return static_cast<uint32_t>(kernel_.instructions.size() - 1);
}

void KernelBuilder::append(uint32_t instruction, BlockId block) {
  kernel_.blocks[index(block)].instructions.push_back(instruction);
}

ScalarId KernelBuilder::add_result(uint32_t instruction, DType dtype, BlockId block) {
  const ScalarId id{static_cast<uint32_t>(kernel_.scalars.size())};
  kernel_.scalars.push_back({dtype, instruction, block});
  bound_.push_back(no_scalar);
  Instruction& i = kernel_.instructions[instruction];
  if (i.result_count++ == 0) i.first_result = id, i.dtype = dtype;
  return id;
}

ScalarId KernelBuilder::add_argument(BlockId block, DType dtype) {
  const ScalarId id{static_cast<uint32_t>(kernel_.scalars.size())};
  kernel_.scalars.push_back({dtype, UINT32_MAX, block});
  bound_.push_back(no_scalar);
  kernel_.blocks[index(block)].arguments.push_back(id);
  return id;
}

void KernelBuilder::require_visible(std::span<const ScalarId> operands) const {
  for (ScalarId v : operands)
    if (index(v) >= kernel_.scalars.size() || depth_[index(kernel_.scalars[index(v)].block)] == closed)
      throw InternalError("kernel @" + kernel_.name + ": an operand is used outside the block that defines it");
}

ScalarId KernelBuilder::pure(Instruction instruction, uint32_t floor) {
  require_visible(instruction.operands);
  if (merged_.size() < 2 * (merged_count_ + 1)) {
    std::vector<uint32_t> old(std::max<size_t>(64, 2 * merged_.size()), 0);
    old.swap(merged_);
    for (uint32_t entry : old) {
      if (entry == 0) continue;
      size_t at = hash_of(kernel_.instructions[entry - 1]) % merged_.size();
      while (merged_[at] != 0) at = (at + 1) % merged_.size();
      merged_[at] = entry;
    }
  }
  size_t at = hash_of(instruction) % merged_.size();
  for (; merged_[at] != 0; at = (at + 1) % merged_.size()) {
    const Instruction& known = kernel_.instructions[merged_[at] - 1];
    // A twin in a closed block is out of sight; the search goes on behind it.
    if (same(known, instruction) && depth_[index(kernel_.scalars[index(known.first_result)].block)] != closed)
      return known.first_result;
  }
  uint32_t depth = floor;
  for (ScalarId v : instruction.operands) depth = std::max(depth, depth_[index(kernel_.scalars[index(v)].block)]);
  const DType dtype = instruction.dtype;
  const BlockId block = open_[depth].block;
  const uint32_t number = reserve(std::move(instruction));
  append(number, block);
  merged_[at] = number + 1;
  ++merged_count_;
  return add_result(number, dtype, block);
}

const Instruction* KernelBuilder::literal_of(ScalarId v) const {
  const uint32_t number = kernel_.scalars[index(v)].instruction;
  if (number == UINT32_MAX || kernel_.instructions[number].kind != KernelOp::literal) return nullptr;
  return &kernel_.instructions[number];
}

ScalarId KernelBuilder::literal(DType dtype, uint64_t bits) {
  Instruction i;
  i.kind = KernelOp::literal;
  i.dtype = dtype;
  i.immediate = tenon::bytes(dtype) == 8 ? bits : bits & ((uint64_t{1} << (8 * tenon::bytes(dtype))) - 1);
  return pure(std::move(i), 0);
}

ScalarId KernelBuilder::extent(Dim dim) {
  if (dim.is_number()) return index_literal(dim.number());
  Instruction i;
  i.kind = KernelOp::extent;
  i.dtype = DType::i64;
  i.dim = dim;
  return pure(std::move(i), 0);
}

// ---- memory ---------------------------------------------------------------------------------------------------------

BufferId KernelBuilder::buffer(std::string name, DType dtype, const Shape& shape, Space space) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) name = "b" + name;  // numbers are scalars in the text form
  const auto taken = [&](const std::string& candidate) {
    return std::any_of(kernel_.buffers.begin(), kernel_.buffers.end(),
                       [&](const KernelBuffer& b) { return b.name == candidate; });
  };
  std::string unique = name;
  for (int suffix = 2; taken(unique); ++suffix) unique = name + "_" + std::to_string(suffix);
  kernel_.buffers.push_back({std::move(unique), dtype, shape, space});
  version_.push_back(0);
  return BufferId{static_cast<uint32_t>(kernel_.buffers.size() - 1)};
}

BufferId KernelBuilder::scratch(std::string name, DType dtype, const Shape& shape) {
  const BufferId id = buffer(std::move(name), dtype, shape, Space::scratch);
  Instruction i;
  i.kind = KernelOp::scratch;
  i.dtype = dtype;
  i.buffer = id;
  append(reserve(std::move(i)), open_.back().block);
  return id;
}

ScalarId KernelBuilder::load(BufferId buffer, std::span<const ScalarId> index_, ScalarId mask, ScalarId other) {
  const KernelBuffer& b = kernel_.buffers.at(index(buffer));
  Instruction i;
  i.kind = KernelOp::load;
  i.dtype = b.dtype;
  i.buffer = buffer;
  i.operands.assign(index_.begin(), index_.end());
  if (mask != no_scalar) {
    const Instruction* known = literal_of(mask);
    if (known && known->immediate == 0) return other;
    if (!known) i.operands.push_back(mask), i.operands.push_back(other);
  }
  uint32_t floor = 0;
  if (b.space == Space::input) {  // never changes while the kernel runs
    for (uint32_t d = 0; d < open_.size(); ++d)
      if (open_[d].rare || may_guard(d, b.shape)) floor = d;
  } else {
    floor = static_cast<uint32_t>(open_.size() - 1);
    i.immediate = std::max(version_[index(buffer)], epoch_);  // part of its identity: loads merge between changes only
  }
  return pure(std::move(i), floor);
}

void KernelBuilder::store(BufferId buffer, std::span<const ScalarId> index_, ScalarId value, ScalarId mask) {
  const KernelBuffer& b = kernel_.buffers.at(index(buffer));
  Instruction i;
  i.kind = KernelOp::store;
  i.dtype = b.dtype;
  i.buffer = buffer;
  i.operands.assign(index_.begin(), index_.end());
  i.operands.push_back(value);
  if (mask != no_scalar) {
    const Instruction* known = literal_of(mask);
    if (known && known->immediate == 0) return;
    if (!known) i.operands.push_back(mask);
  }
  require_visible(i.operands);
  append(reserve(std::move(i)), open_.back().block);
  version_[index(buffer)] = ++changes_;
}

// ---- structure ------------------------------------------------------------------------------------------------------
// A structured instruction joins its block when it closes, so whatever was hoisted out of it in between stands before it.

BlockId KernelBuilder::open(uint32_t instruction, bool rare) {
  const BlockId block{static_cast<uint32_t>(kernel_.blocks.size())};
  kernel_.blocks.emplace_back();
  depth_.push_back(static_cast<uint32_t>(open_.size()));
  open_.push_back({block, instruction, rare});
  kernel_.instructions[instruction].blocks.push_back(block);
  epoch_ = ++changes_;
  return block;
}

uint32_t KernelBuilder::close(KernelOp expected, std::span<const ScalarId> yields) {
  const Open last = open_.back();
  if (last.instruction == UINT32_MAX || kernel_.instructions[last.instruction].kind != expected)
    throw InternalError("kernel @" + kernel_.name + ": a block is closed that is not the innermost open one");
  require_visible(yields);
  kernel_.blocks[index(last.block)].yields.assign(yields.begin(), yields.end());
  depth_[index(last.block)] = closed;
  open_.pop_back();
  epoch_ = ++changes_;
  return last.instruction;
}

std::vector<ScalarId> KernelBuilder::open_loop(LoopKind kind, ScalarId extent, std::span<const ScalarId> carries,
                                               int64_t grain) {
  Instruction i;
  i.kind = KernelOp::loop;
  i.loop = kind;
  i.grain = grain;
  i.operands = {extent};
  i.operands.insert(i.operands.end(), carries.begin(), carries.end());
  require_visible(i.operands);
  const BlockId block = open(reserve(std::move(i)));
  std::vector<ScalarId> arguments{add_argument(block, DType::i64)};
  bound_[index(arguments[0])] = extent;
  for (ScalarId c : carries) arguments.push_back(add_argument(block, dtype(c)));
  return arguments;
}

std::vector<ScalarId> KernelBuilder::close_loop(std::span<const ScalarId> yields) {
  const uint32_t number = close(KernelOp::loop, yields);
  append(number, open_.back().block);
  std::vector<ScalarId> results;
  for (ScalarId y : yields) results.push_back(add_result(number, dtype(y), open_.back().block));
  return results;
}

ScalarId KernelBuilder::open_reduce(std::vector<Op> combines, Tree tree, ScalarId extent) {
  Instruction i;
  i.kind = KernelOp::reduce;
  i.combines = std::move(combines);
  i.tree = tree;
  i.operands = {extent};
  require_visible(i.operands);
  const BlockId block = open(reserve(std::move(i)));
  const ScalarId argument = add_argument(block, DType::i64);
  bound_[index(argument)] = extent;
  return argument;
}

std::vector<ScalarId> KernelBuilder::close_reduce(std::span<const ScalarId> yields) {
  const uint32_t number = close(KernelOp::reduce, yields);
  append(number, open_.back().block);
  const std::vector<Op> combines = kernel_.instructions[number].combines;
  if (combines.size() != yields.size()) throw InternalError("a reduce needs one value for each combine");
  std::vector<ScalarId> results;
  for (size_t k = 0; k < yields.size(); ++k) {
    const bool position = def(combines[k]).positional;
    results.push_back(add_result(number, position ? DType::i64 : dtype(yields[k]), open_.back().block));
  }
  return results;
}

void KernelBuilder::open_rare(ScalarId condition, ScalarId fast) {
  Instruction i;
  i.kind = KernelOp::rare;
  i.operands = {condition, fast};
  require_visible(i.operands);
  open(reserve(std::move(i)), true);
}

ScalarId KernelBuilder::close_rare(ScalarId slow) {
  const uint32_t number = close(KernelOp::rare, std::span(&slow, 1));
  append(number, open_.back().block);
  return add_result(number, dtype(slow), open_.back().block);
}

ScalarId KernelBuilder::scaled(ScalarId x, ScalarId n, ScalarId otherwise) {
  Instruction i;
  i.kind = KernelOp::scaled;
  i.dtype = dtype(otherwise);
  i.operands = {x, n, otherwise};
  uint32_t floor = 0;
  for (uint32_t d = 0; d < open_.size(); ++d)
    if (open_[d].rare) floor = d;
  return pure(std::move(i), floor);
}

std::vector<ScalarId> KernelBuilder::open_contract(DType accumulate, ScalarId batch, ScalarId m, ScalarId n,
                                                   ScalarId k) {
  Instruction i;
  i.kind = KernelOp::contract;
  i.dtype = accumulate;
  i.operands = {batch, m, n, k};
  require_visible(i.operands);
  const BlockId block = open(reserve(std::move(i)));
  std::vector<ScalarId> arguments;
  for (ScalarId extent : {batch, m, k}) {
    arguments.push_back(add_argument(block, DType::i64));
    bound_[index(arguments.back())] = extent;
  }
  return arguments;
}

std::vector<ScalarId> KernelBuilder::close_lhs(ScalarId yield) {
  const uint32_t number = close(KernelOp::contract, std::span(&yield, 1));
  const std::vector<ScalarId> extents = kernel_.instructions[number].operands;
  const BlockId block = open(number);
  std::vector<ScalarId> arguments;
  for (ScalarId extent : {extents[0], extents[3], extents[2]}) {
    arguments.push_back(add_argument(block, DType::i64));
    bound_[index(arguments.back())] = extent;
  }
  return arguments;
}

std::vector<ScalarId> KernelBuilder::close_rhs(ScalarId yield) {
  const uint32_t number = close(KernelOp::contract, std::span(&yield, 1));
  const std::vector<ScalarId> extents = kernel_.instructions[number].operands;
  const BlockId block = open(number);
  std::vector<ScalarId> arguments;
  for (ScalarId extent : {extents[0], extents[1], extents[2]}) {
    arguments.push_back(add_argument(block, DType::i64));
    bound_[index(arguments.back())] = extent;
  }
  arguments.push_back(add_argument(block, kernel_.instructions[number].dtype));
  return arguments;
}

void KernelBuilder::close_contract() {
  const uint32_t number = close(KernelOp::contract, {});  // before the block behind it is asked for
  append(number, open_.back().block);
}

Kernel KernelBuilder::finish() {
  if (open_.size() != 1) throw InternalError("kernel @" + kernel_.name + ": a block is still open at the end");
  return std::move(kernel_);
}

}  // namespace tenon::ir
