// Reads the text form of kernels (ir/kernel/print.cc says what it looks like) into exactly the kernel that was printed:
// nothing is merged, folded or moved. Refuses malformed text with an Error that says line and column; what is well formed
// but unsound is the verifier's (ir/kernel/verify.cc). One file: every word is read by what the kernel holds so far (names,
// dtypes, open blocks), so that words and blocks have one state between them.
#include <bit>
#include <map>

#include "tenon/ir/base/error.h"
#include "tenon/ir/kernel/kernel.h"
#include "tenon/ir/kernel/words.h"

namespace tenon::ir {
namespace {

constexpr int max_depth = 64;  // of blocks, so that hostile text cannot exhaust the stack

class Parser {
 public:
  Parser(std::string_view text, std::shared_ptr<Symbols> symbols) : in_(text) {
    if (symbols) kernel_.symbols = std::move(symbols);
  }

  Kernel run() {
    in_.expect("kernel");
    in_.expect("@");
    kernel_.name = in_.identifier();
    in_.expect("(");
    for (bool first = true; !in_.accept(")"); first = false) {
      if (!first) in_.expect(",");
      const std::string buffer = in_.variable();
      in_.expect(":");
      const Space space = in_.accept("inout") ? Space::inout
                          : in_.accept("out") ? Space::output
                                              : (in_.expect("in"), Space::input);
      declare(buffer, space);
    }
    kernel_.blocks.emplace_back();
    block(BlockId{0}, 0);
    if (!in_.at_end()) in_.fail("expected the end");
    return std::move(kernel_);
  }

 private:
  // ---- dims and buffers
  Dim dim() {
    try {
      return dim(0);
    } catch (const Error& e) {  // extents that do not fit, or names that are none
      if (e.message().starts_with("kernel text")) throw;
      in_.fail(e.message());
    }
  }
  Dim dim(int depth) {
    if (depth > static_cast<int>(deepest_extent)) in_.fail("an extent nested too deeply");
    if (in_.at_number()) {
      const int64_t value = in_.number<int64_t>();
      if (value < 0) in_.fail("an extent is not negative");
      return Dim(value);
    }
    Symbols& symbols = *kernel_.symbols;
    if (in_.accept("max(")) {
      const Dim left = dim(depth + 1);
      in_.expect(",");
      const Dim right = dim(depth + 1);
      in_.expect(")");
      return symbols.maximum(left, right);
    }
    if (!in_.accept("(")) return symbols.add(in_.identifier());
    const Dim left = dim(depth + 1);
    const char op = in_.next();
    const Dim right = dim(depth + 1);
    in_.expect(")");
    if (op == '+') return symbols.sum(left, right);
    if (op == '-') return symbols.difference(left, right);
    if (op == '*') return symbols.product(left, right);
    if (op == '/') return symbols.quotient(left, right);
    in_.fail("expected +, -, * or / in an extent");
  }
  BufferId declare(const std::string& name, Space space) {
    KernelBuffer buffer{name, in_.dtype(), {}, space};
    in_.expect("[");
    for (bool first = true; !in_.accept("]"); first = false) {
      if (!first) in_.expect(",");
      buffer.shape.push_back(dim());
    }
    try {
      check_size(buffer.shape, bytes(buffer.dtype));
    } catch (const Error& e) {
      in_.fail(e.message());
    }
    const BufferId id{static_cast<uint32_t>(kernel_.buffers.size())};
    if (!buffers_.emplace(name, id).second) in_.fail("a second buffer %" + name);
    kernel_.buffers.push_back(std::move(buffer));
    return id;
  }
  BufferId buffer() {
    const auto found = buffers_.find(in_.variable());
    if (found == buffers_.end()) in_.fail("an unknown buffer");
    return found->second;
  }

  // ---- scalars
  ScalarId new_scalar(DType type, uint32_t instruction, BlockId block) {
    kernel_.scalars.push_back({type, instruction, block});
    return ScalarId{static_cast<uint32_t>(kernel_.scalars.size() - 1)};
  }
  void name_scalar(const std::string& name, ScalarId id) {
    if (!scalars_.emplace(name, id).second) in_.fail("a second %" + name);
  }
  // Literals and extents stand in the body, once each.
  ScalarId constant(KernelOp kind, DType type, uint64_t bits, Dim d) {
    const auto [entry, is_new] = constants_.emplace(std::tuple(kind, type, bits, d.code()), ScalarId{});
    if (is_new) {
      Instruction i;
      i.kind = kind;
      i.dtype = type;
      i.immediate = bits;
      i.dim = d;
      const uint32_t number = static_cast<uint32_t>(kernel_.instructions.size());
      i.first_result = entry->second = new_scalar(type, number, BlockId{0});
      i.result_count = 1;
      kernel_.instructions.push_back(std::move(i));
      kernel_.blocks[0].instructions.push_back(number);
    }
    return entry->second;
  }
  ScalarId literal(DType type, uint64_t bits) { return constant(KernelOp::literal, type, bits, 0); }
  uint64_t literal_bits(DType type) {
    const uint64_t mask = bytes(type) == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * bytes(type))) - 1;
    if (in_.accept_start("0x")) {
      const uint64_t bits = in_.number<uint64_t>(16);
      if (bits & ~mask) in_.fail("a literal with more bits than its dtype");
      return bits;
    }
    if (type == DType::f64) return std::bit_cast<uint64_t>(in_.number<double>());
    if (type == DType::f32) return std::bit_cast<uint32_t>(in_.number<float>());
    if (is_unsigned(type)) {
      const uint64_t bits = in_.number<uint64_t>();
      if (bits & ~mask) in_.fail("a literal that does not fit its dtype");
      return bits;
    }
    if (!is_signed(type)) in_.fail("a literal of this dtype is written in hexadecimal");
    const int64_t value = in_.number<int64_t>(), limit = static_cast<int64_t>(mask >> 1);
    if (value > limit || value < -limit - 1) in_.fail("a literal that does not fit its dtype");
    return static_cast<uint64_t>(value) & mask;
  }
  ScalarId operand() {
    if (in_.accept("%")) {
      const auto found = scalars_.find(in_.identifier());
      if (found == scalars_.end()) in_.fail("an unknown scalar");
      return found->second;
    }
    if (in_.at_number()) return literal(DType::i64, static_cast<uint64_t>(in_.number<int64_t>()));
    if (in_.accept("true")) return literal(DType::boolean, 1);
    if (in_.accept("false")) return literal(DType::boolean, 0);
    if (dtype_from_name(in_.peek_word())) {
      const DType type = in_.dtype();
      return literal(type, literal_bits(type));
    }
    const Dim d = dim();
    return d.is_number() ? literal(DType::i64, static_cast<uint64_t>(d.number()))
                         : constant(KernelOp::extent, DType::i64, 0, d);
  }
  void operands(std::vector<ScalarId>& list, std::string_view end = {}) {
    if (!end.empty() && in_.accept(end)) return;
    do list.push_back(operand());
    while (in_.accept(","));
    if (!end.empty()) in_.expect(end);
  }
  void arguments(BlockId block, std::initializer_list<DType> types) {
    for (DType type : types) {
      if (!kernel_.blocks[index(block)].arguments.empty()) in_.expect(",");
      argument(block, type, in_.variable());
    }
  }
  void argument(BlockId block, DType type, const std::string& name) {
    const ScalarId id = new_scalar(type, UINT32_MAX, block);
    name_scalar(name, id);
    kernel_.blocks[index(block)].arguments.push_back(id);
  }

  // ---- blocks and instructions
  BlockId new_block(Instruction& i) {
    i.blocks.push_back(BlockId{static_cast<uint32_t>(kernel_.blocks.size())});
    kernel_.blocks.emplace_back();
    return i.blocks.back();
  }
  void block(BlockId id, int depth) {
    if (depth > max_depth) in_.fail("blocks nested too deeply");
    in_.expect("{");
    while (!in_.accept("}")) {
      if (in_.accept("yield")) {
        std::vector<ScalarId> yields;
        operands(yields);
        kernel_.blocks[index(id)].yields = std::move(yields);
        in_.expect("}");
        return;
      }
      instruction(id, depth);
    }
  }
  std::vector<DType> yield_types(BlockId block) const {
    std::vector<DType> types;
    for (ScalarId v : kernel_.blocks[index(block)].yields) types.push_back(kernel_.dtype(v));
    return types;
  }

  void instruction(BlockId where, int depth) {
    std::vector<std::string> names;
    if (in_.accept("%")) {
      names.push_back(in_.identifier());
      while (in_.accept(",")) names.push_back(in_.variable());
      in_.expect("=");
    }
    Instruction i;
    // The number is taken only when the instruction is complete: constants it uses come first.
    std::vector<DType> results = parse(i, depth);
    if (in_.accept("#")) i.origin = in_.number<uint32_t>();
    if (results.size() != names.size())
      in_.fail("this has " + std::to_string(results.size()) + " results, not " + std::to_string(names.size()));
    const uint32_t number = static_cast<uint32_t>(kernel_.instructions.size());
    for (size_t k = 0; k < names.size(); ++k) {
      const ScalarId id = new_scalar(results[k], number, where);
      name_scalar(names[k], id);
      if (k == 0) i.first_result = id, i.dtype = results[0];
    }
    i.result_count = static_cast<uint32_t>(names.size());
    kernel_.instructions.push_back(std::move(i));
    kernel_.blocks[index(where)].instructions.push_back(number);
  }

  std::vector<DType> parse(Instruction& i, int depth);
  std::vector<DType> parse_load(Instruction& i);
  std::vector<DType> parse_store(Instruction& i);
  std::vector<DType> parse_scratch(Instruction& i);
  std::vector<DType> parse_loop(Instruction& i, int depth);
  std::vector<DType> parse_reduce(Instruction& i, int depth);
  std::vector<DType> parse_contract(Instruction& i, int depth);
  std::vector<DType> parse_rare(Instruction& i, int depth);
  std::vector<DType> parse_elementwise(Instruction& i);
  bool loop_kind(Instruction& i) {
    const std::pair<const char*, LoopKind> kinds[] = {{"serial", LoopKind::serial}, {"parallel", LoopKind::parallel},
                                                      {"vector", LoopKind::vector}, {"block", LoopKind::block},
                                                      {"thread", LoopKind::thread}, {"repeat", LoopKind::repeat}};
    for (const auto& [word, kind] : kinds)
      if (in_.accept(word)) return i.loop = kind, true;
    return false;
  }

  KernelWords in_;
  Kernel kernel_;
  std::map<std::string, BufferId> buffers_;
  std::map<std::string, ScalarId> scalars_;
  std::map<std::tuple<KernelOp, DType, uint64_t, int64_t>, ScalarId> constants_;
};

// ---- instructions: what follows the results; each returns the dtypes of those --------------------------------------------

std::vector<DType> Parser::parse(Instruction& i, int depth) {
  if (in_.accept("load")) return parse_load(i);
  if (in_.accept("store")) return parse_store(i);
  if (in_.accept("scratch")) return parse_scratch(i);
  if (loop_kind(i)) return parse_loop(i, depth);
  if (in_.accept("reduce")) return parse_reduce(i, depth);
  if (in_.accept("contract")) return parse_contract(i, depth);
  if (in_.accept("rare")) return parse_rare(i, depth);
  if (in_.accept("scaled")) {
    i.kind = KernelOp::scaled;
    operands(i.operands);
    return {kernel_.dtype(i.operands.back())};
  }
  return parse_elementwise(i);
}

std::vector<DType> Parser::parse_load(Instruction& i) {
  i.kind = KernelOp::load;
  i.buffer = buffer();
  in_.expect("[");
  operands(i.operands, "]");
  if (in_.accept("if")) {
    i.operands.push_back(operand());
    in_.expect("else");
    i.operands.push_back(operand());
  }
  return {kernel_.buffers[index(i.buffer)].dtype};
}

std::vector<DType> Parser::parse_store(Instruction& i) {
  i.kind = KernelOp::store;
  i.buffer = buffer();
  i.dtype = kernel_.buffers[index(i.buffer)].dtype;
  in_.expect("[");
  operands(i.operands, "]");
  in_.expect(",");
  i.operands.push_back(operand());
  if (in_.accept("if")) i.operands.push_back(operand());
  i.nontemporal = in_.accept("nontemporal");
  return {};
}

std::vector<DType> Parser::parse_scratch(Instruction& i) {
  i.kind = KernelOp::scratch;
  const std::string name = in_.variable();
  in_.expect(":");
  i.buffer = declare(name, Space::scratch);
  i.dtype = kernel_.buffers[index(i.buffer)].dtype;
  return {};
}

std::vector<DType> Parser::parse_loop(Instruction& i, int depth) {
  i.kind = KernelOp::loop;
  const BlockId body = new_block(i);
  arguments(body, {DType::i64});
  in_.expect("<");
  i.operands.push_back(operand());
  if (in_.accept("grain")) i.grain = in_.number<int64_t>();
  if (in_.accept("carry")) {
    do {
      const std::string carried = in_.variable();
      in_.expect("=");
      i.operands.push_back(operand());
      argument(body, kernel_.dtype(i.operands.back()), carried);
    } while (in_.accept(","));
  }
  block(body, depth + 1);
  return yield_types(body);
}

std::vector<DType> Parser::parse_reduce(Instruction& i, int depth) {
  i.kind = KernelOp::reduce;
  in_.expect("(");
  do {
    const OpDef* combine = find_op(in_.peek_word());
    if (!combine) in_.fail("an unknown op");
    i.combines.push_back(combine->op);
    in_.identifier();
  } while (in_.accept(","));
  in_.expect(")");
  in_.expect("lanes");
  i.tree.lanes = in_.number<int32_t>();
  in_.expect("block");
  i.tree.block = in_.number<int32_t>();
  const BlockId body = new_block(i);
  arguments(body, {DType::i64});
  in_.expect("<");
  i.operands.push_back(operand());
  block(body, depth + 1);
  std::vector<DType> types = yield_types(body);
  for (size_t k = 0; k < types.size() && k < i.combines.size(); ++k)
    if (def(i.combines[k]).positional) types[k] = DType::i64;
  return types;
}

std::vector<DType> Parser::parse_contract(Instruction& i, int depth) {
  i.kind = KernelOp::contract;
  i.dtype = in_.dtype();
  in_.expect("[");
  operands(i.operands, "]");
  in_.expect("{");
  for (const char* part : {"lhs", "rhs", "epilogue"}) {
    in_.expect(part);
    const BlockId body = new_block(i);
    arguments(body, {DType::i64, DType::i64, DType::i64});
    if (part[0] == 'e') arguments(body, {i.dtype});
    block(body, depth + 1);
  }
  in_.expect("}");
  return {};
}

std::vector<DType> Parser::parse_rare(Instruction& i, int depth) {
  i.kind = KernelOp::rare;
  operands(i.operands);
  block(new_block(i), depth + 1);
  return yield_types(i.blocks[0]);
}

std::vector<DType> Parser::parse_elementwise(Instruction& i) {
  const OpDef* row = find_op(in_.peek_word());
  if (!row || row->family != Family::elementwise) in_.fail("expected an instruction");
  in_.identifier();
  i.kind = KernelOp::scalar;
  i.op = row->op;
  DType to = DType::f32;
  if (i.op == Op::cast || i.op == Op::bitcast) to = in_.dtype();
  operands(i.operands);
  if (i.operands.size() != static_cast<size_t>(row->arity)) in_.fail("a wrong number of operands");
  std::vector<DType> types;
  for (ScalarId v : i.operands) types.push_back(kernel_.dtype(v));
  return {result_dtype(i.op, types, to)};
}

}  // namespace

Kernel parse_kernel(std::string_view text, std::shared_ptr<Symbols> symbols) {
  return Parser(text, std::move(symbols)).run();
}

}  // namespace tenon::ir
