// Checks what every kernel promises its renderers, and reports every violation. Refuses to change or to repair anything.
//
// Invariants:
//   structure  blocks form a tree with blocks[0] as the root; every instruction stands in one block; results and arguments
//              point back to where they are defined
//   scoping    an operand is a result or argument defined earlier in the same block or in one around it
//   dtypes     scalar instructions are of the exact set (KernelBuilder); indices and extents are i64, masks and conditions
//              bool; stored values, carries and yields have the dtype of where they go
//   loops      parallel and block stand in the body only; inside a vector or thread loop there is no parallel, block,
//              vector, thread or contract; only serial loops carry; grains are positive
//   memory     one index per buffer dimension; inputs are not stored to; scratch is declared once, around its uses;
//              nothing is stored inside rare, lhs or rhs blocks, which may run for any lane and any number of times
//   reductions combines and yields pair up, on dtypes that the op allows and never on halves
#include <string>

#include "tenon/ir/base/error.h"
#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir {
namespace {

constexpr int max_depth = 64;

struct Context {  // what encloses an instruction
  int depth = 0;
  bool lanes = false;  // inside a vector or thread loop
  bool storing = true;  // stores are allowed
};

class Verifier {
 public:
  explicit Verifier(const Kernel& kernel) : k_(kernel) {}

  std::vector<std::string> run() {
    if (k_.blocks.empty()) return {"a kernel has a body"};
    visible_.assign(k_.scalars.size(), false);
    declared_.assign(k_.buffers.size(), false);
    placed_.assign(k_.instructions.size(), false);
    entered_.assign(k_.blocks.size(), false);
    block(BlockId{0}, {}, {});
    yields("the body", BlockId{0}, {});
    for (size_t n = 0; n < placed_.size(); ++n)
      if (!placed_[n]) problem("instruction " + std::to_string(n) + " stands in no block");
    for (size_t n = 0; n < entered_.size(); ++n)
      if (!entered_[n]) problem("block " + std::to_string(n) + " belongs to no instruction");
    return std::move(problems_);
  }

 private:
  void problem(std::string text) { problems_.push_back("kernel @" + k_.name + ": " + std::move(text)); }
  std::string at(uint32_t number) const {
    static constexpr const char* words[] = {"literal", "extent", "scalar",   "load", "store",
                                            "loop",    "reduce", "contract", "rare", "scratch"};
    const Instruction& i = k_.instructions[number];
    std::string text = words[static_cast<int>(i.kind)];
    if (i.kind == KernelOp::scalar) text = def(i.op).name;
    return "instruction " + std::to_string(number) + " (" + text + ")";
  }
  bool require(bool condition, uint32_t number, const char* what) {
    if (!condition) problem(at(number) + ": " + what);
    return condition;
  }
  bool is(ScalarId v, DType t) const { return k_.dtype(v) == t; }

  // Arguments of a block, and their dtypes.
  void block(BlockId id, std::vector<DType> arguments, Context context) {
    if (index(id) >= k_.blocks.size()) return problem("a block number out of range");
    if (entered_[index(id)]) return problem("block " + std::to_string(index(id)) + " is used twice");
    entered_[index(id)] = true;
    if (context.depth > max_depth) return problem("blocks are nested too deeply");
    const Block& b = k_.blocks[index(id)];
    std::vector<ScalarId> opened;
    if (b.arguments.size() != arguments.size()) problem("a block has a wrong number of arguments");
    for (size_t n = 0; n < b.arguments.size(); ++n) {
      const ScalarId v = b.arguments[n];
      if (index(v) >= k_.scalars.size()) {
        problem("a block argument out of range");
        continue;
      }
      if (k_.scalars[index(v)].block != id || k_.scalars[index(v)].instruction != UINT32_MAX)
        problem("a block argument that does not say so");
      if (n < arguments.size() && !is(v, arguments[n])) problem("a block argument has a wrong dtype");
      visible_[index(v)] = true;
      opened.push_back(v);
    }
    std::vector<BufferId> scratch;
    for (uint32_t number : b.instructions) {
      if (number >= k_.instructions.size() || placed_[number]) {
        problem("an instruction number out of range, or placed twice");
        continue;
      }
      placed_[number] = true;
      const Instruction& i = k_.instructions[number];
      bool sound = true;
      for (ScalarId v : i.operands) sound &= require(sees(v), number, "an operand is not visible here");
      if (sound) instruction(number, context);
      if (i.kind == KernelOp::scratch && index(i.buffer) < k_.buffers.size()) scratch.push_back(i.buffer);
      for (uint32_t r = 0; r < i.result_count; ++r) {
        const ScalarId v{index(i.first_result) + r};
        if (index(v) >= k_.scalars.size() || k_.scalars[index(v)].instruction != number ||
            k_.scalars[index(v)].block != id) {
          problem(at(number) + ": a result that does not say so");
          continue;
        }
        visible_[index(v)] = true;
        opened.push_back(v);
      }
    }
    for (ScalarId v : b.yields)
      if (!sees(v)) problem("block " + std::to_string(index(id)) + ": a yield is not visible");
    for (ScalarId v : opened) visible_[index(v)] = false;
    for (BufferId buffer : scratch) declared_[index(buffer)] = false;
  }
  bool sees(ScalarId v) const { return index(v) < k_.scalars.size() && visible_[index(v)]; }

  void yields(const std::string& what, BlockId id, const std::vector<DType>& types) {
    if (index(id) >= k_.blocks.size()) return;
    const std::vector<ScalarId>& found = k_.blocks[index(id)].yields;
    bool right = found.size() == types.size();
    for (size_t n = 0; right && n < types.size(); ++n)
      right = index(found[n]) < k_.scalars.size() && is(found[n], types[n]);
    if (!right) problem(what + " yields a wrong number of values, or wrong dtypes");
  }

  void instruction(uint32_t number, Context context) {
    const Instruction& i = k_.instructions[number];
    const auto results = [&](uint32_t count) {
      return require(i.result_count == count, number, "a wrong number of results");
    };
    const auto blocks = [&](size_t count) {
      return require(i.blocks.size() == count, number, "a wrong number of blocks");
    };
    const auto gives = [&](DType type) {
      if (results(1)) require(is(i.first_result, type), number, "a result of a wrong dtype");
    };
    switch (i.kind) {
      case KernelOp::literal:
        gives(i.dtype);
        if (tenon::bytes(i.dtype) < 8)
          require(i.immediate >> (8 * tenon::bytes(i.dtype)) == 0, number, "a literal wider than its dtype");
        if (i.dtype == DType::boolean) require(i.immediate <= 1, number, "a bool is 0 or 1");
        break;
      case KernelOp::extent: gives(DType::i64); break;
      case KernelOp::scalar: {
        std::vector<DType> types;
        for (ScalarId v : i.operands) types.push_back(k_.dtype(v));
        if (require(is_exact_instruction(i.op, types, i.dtype), number, "not in the exact set, or of wrong dtypes"))
          gives(result_dtype(i.op, types, i.dtype));
        break;
      }
      case KernelOp::load:
      case KernelOp::store: memory(number, context); break;
      case KernelOp::scratch:
        if (require(index(i.buffer) < k_.buffers.size(), number, "no such buffer") &&
            require(k_.buffers[index(i.buffer)].space == Space::scratch, number, "not a scratch buffer")) {
          require(!declared_[index(i.buffer)], number, "declared twice");
          declared_[index(i.buffer)] = true;
        }
        break;
      case KernelOp::loop: loop(number, context); break;
      case KernelOp::reduce: reduce(number, context); break;
      case KernelOp::contract: {
        require(!context.lanes, number, "inside a vector or thread loop");
        require(i.operands.size() == 4, number, "extents are batch, i, j and k");
        for (ScalarId v : i.operands) require(is(v, DType::i64), number, "an extent is i64");
        require(!is_half(i.dtype) && i.dtype != DType::boolean, number, "cannot accumulate in this dtype");
        results(0);
        if (!blocks(3)) break;
        Context inner{context.depth + 1, true, false};
        for (int part = 0; part < 2; ++part) {
          block(i.blocks[part], std::vector<DType>(3, DType::i64), inner);
          yields(at(number), i.blocks[part], {i.dtype});
        }
        inner.storing = context.storing;
        block(i.blocks[2], {DType::i64, DType::i64, DType::i64, i.dtype}, inner);
        yields(at(number), i.blocks[2], {});
        break;
      }
      case KernelOp::scaled: {
        if (!require(i.operands.size() == 3, number, "operands are x, n and otherwise")) break;
        const DType type = k_.dtype(i.operands[0]), power = k_.dtype(i.operands[1]);
        require(type == DType::f32 || type == DType::f64, number, "x is f32 or f64");
        require(power == type || power == (type == DType::f32 ? DType::i32 : DType::i64), number, "n is as wide as x");
        require(is(i.operands[2], type), number, "the value otherwise is of x's dtype");
        gives(type);
        break;
      }
      case KernelOp::rare: {
        if (!require(i.operands.size() == 2, number, "operands are condition and fast") || !blocks(1)) break;
        require(is(i.operands[0], DType::boolean), number, "a condition is bool");
        gives(k_.dtype(i.operands[1]));
        block(i.blocks[0], {}, {context.depth + 1, context.lanes, false});
        yields(at(number), i.blocks[0], {k_.dtype(i.operands[1])});
        break;
      }
    }
  }

  void memory(uint32_t number, const Context& context) {
    const Instruction& i = k_.instructions[number];
    const bool store = i.kind == KernelOp::store;
    if (!require(index(i.buffer) < k_.buffers.size(), number, "no such buffer")) return;
    const KernelBuffer& b = k_.buffers[index(i.buffer)];
    if (b.space == Space::scratch) require(declared_[index(i.buffer)], number, "scratch is not declared here");
    const size_t rank = b.shape.size(), count = i.operands.size();
    const bool masked = count == rank + 2;
    if (!require(masked || count == rank + (store ? 1 : 0), number, "one index for each dimension of the buffer"))
      return;
    for (size_t n = 0; n < rank; ++n) require(is(i.operands[n], DType::i64), number, "an index is i64");
    if (store) {
      require(b.space != Space::input, number, "stores to an input");
      require(context.storing, number, "stores where code may run any number of times");
      require(is(i.operands[rank], b.dtype), number, "stores a value of a wrong dtype");
      require(!masked || is(i.operands[rank + 1], DType::boolean), number, "a mask is bool");
      require(i.result_count == 0, number, "a store has no result");
      return;
    }
    require(!masked || is(i.operands[rank], DType::boolean), number, "a mask is bool");
    require(!masked || is(i.operands[rank + 1], b.dtype), number, "the other value has a wrong dtype");
    require(i.result_count == 1 && is(i.first_result, b.dtype), number, "loads a value of a wrong dtype");
  }

  void loop(uint32_t number, Context context) {
    const Instruction& i = k_.instructions[number];
    if (!require(!i.operands.empty() && i.blocks.size() == 1, number, "an extent and a block")) return;
    require(is(i.operands[0], DType::i64), number, "an extent is i64");
    require(i.grain > 0, number, "a grain is positive");
    const bool lanes = i.loop == LoopKind::vector || i.loop == LoopKind::thread;
    const bool outermost = i.loop == LoopKind::parallel || i.loop == LoopKind::block;
    require(!outermost || context.depth == 0, number, "a parallel loop stands in the body only");
    require(!lanes || !context.lanes, number, "a vector loop inside another");
    require(in_order(i.loop) || i.operands.size() == 1, number, "only a serial loop carries values");
    if (i.loop == LoopKind::repeat)
      require(i.operands.size() > 1 && is(i.operands[1], DType::boolean), number, "a repeat carries a bool first");
    std::vector<DType> arguments{DType::i64}, carries;
    for (size_t n = 1; n < i.operands.size(); ++n) carries.push_back(k_.dtype(i.operands[n]));
    arguments.insert(arguments.end(), carries.begin(), carries.end());
    require(i.result_count == carries.size(), number, "a wrong number of results");
    for (uint32_t r = 0; r < i.result_count && r < carries.size(); ++r)
      require(is(ScalarId{index(i.first_result) + r}, carries[r]), number, "a result of a wrong dtype");
    block(i.blocks[0], arguments, {context.depth + 1, context.lanes || lanes, context.storing});
    yields(at(number), i.blocks[0], carries);
  }

  void reduce(uint32_t number, Context context) {
    const Instruction& i = k_.instructions[number];
    if (!require(i.operands.size() == 1 && i.blocks.size() == 1, number, "an extent and a block")) return;
    require(is(i.operands[0], DType::i64), number, "an extent is i64");
    require(i.tree.lanes > 0 && i.tree.block > 0 && i.tree.block % i.tree.lanes == 0, number,
            "lanes and block are positive, and lanes divide the block");
    block(i.blocks[0], {DType::i64}, {context.depth + 1, context.lanes, context.storing});
    const std::vector<ScalarId>& values = k_.blocks[index(i.blocks[0])].yields;
    if (!require(values.size() == i.combines.size() && i.result_count == values.size(), number,
                 "combines, yields and results pair up"))
      return;
    for (size_t n = 0; n < values.size(); ++n) {
      if (index(values[n]) >= k_.scalars.size()) continue;
      const DType type = k_.dtype(values[n]);
      const Op op = i.combines[n];
      const bool position = def(op).positional, known = def(op).identity != Identity::none;
      require(known && contains(def(op).dtypes, type) && !is_half(type), number, "cannot combine this dtype so");
      require(is(ScalarId{index(i.first_result) + static_cast<uint32_t>(n)}, position ? DType::i64 : type), number,
              "a result of a wrong dtype");
    }
  }

  const Kernel& k_;
  std::vector<bool> visible_, declared_, placed_, entered_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> verify(const Kernel& kernel) { return Verifier(kernel).run(); }

}  // namespace tenon::ir
