// Reads the text form of kernels (ir/kernel_print.cc says what it looks like) into exactly the kernel that was printed:
// nothing is merged, folded or moved. Refuses malformed text with an Error that says line and column; what is well formed
// but unsound is the verifier's (ir/kernel_verify.cc). One file: every word is read by what the kernel holds so far (names,
// dtypes, open blocks), so that words and blocks have one state between them.
#include <bit>
#include <charconv>
#include <map>

#include "tenon/ir/error.h"
#include "tenon/ir/kernel.h"

namespace tenon::ir {
namespace {

constexpr int max_depth = 64;  // of blocks, so that hostile text cannot exhaust the stack

class Parser {
 public:
  Parser(std::string_view text, std::shared_ptr<Symbols> symbols) : text_(text) {
    if (symbols) kernel_.symbols = std::move(symbols);
  }

  Kernel run() {
    expect("kernel");
    expect("@");
    kernel_.name = identifier();
    expect("(");
    for (bool first = true; !accept(")"); first = false) {
      if (!first) expect(",");
      const std::string buffer = buffer_name();
      expect(":");
      const Space space = accept("inout") ? Space::inout : accept("out") ? Space::output : (expect("in"), Space::input);
      declare(buffer, space);
    }
    kernel_.blocks.emplace_back();
    block(BlockId{0}, 0);
    skip();
    if (at_ != text_.size()) fail("expected the end");
    return std::move(kernel_);
  }

 private:
  // ---- characters
  [[noreturn]] void fail(const std::string& message) const {
    size_t line = 1, column = 1;
    for (char c : text_.substr(0, at_)) c == '\n' ? (++line, column = 1) : ++column;
    throw Error("kernel text, line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + message);
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  }
  bool accept(std::string_view token) {
    skip();
    if (!text_.substr(at_).starts_with(token)) return false;
    const size_t end = at_ + token.size();
    if (is_word(token.back()) && end < text_.size() && is_word(text_[end])) return false;
    at_ = end;
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail("expected '" + std::string(token) + "'");
  }
  std::string_view peek_word() {
    skip();
    size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  std::string identifier() {
    const std::string_view found = peek_word();
    if (found.empty()) fail("expected a name");
    at_ += found.size();
    return std::string(found);
  }
  template <class Number>
  Number number(int base = 10) {
    skip();
    Number value{};
    const char *begin = text_.data() + at_, *end = text_.data() + text_.size();
    std::from_chars_result result;
    if constexpr (std::is_floating_point_v<Number>) {
      result = std::from_chars(begin, end, value);
    } else {
      result = std::from_chars(begin, end, value, base);
    }
    if (result.ec != std::errc()) fail("expected a number that fits");
    at_ = static_cast<size_t>(result.ptr - text_.data());
    return value;
  }
  bool at_number() {
    skip();
    return at_ < text_.size() && (text_[at_] == '-' || (text_[at_] >= '0' && text_[at_] <= '9'));
  }
  std::string buffer_name() {
    expect("%");
    return identifier();
  }
  DType dtype() {
    const std::optional<DType> found = dtype_from_name(peek_word());
    if (!found) fail("expected a dtype");
    at_ += name(*found).size();
    return *found;
  }

  // ---- dims and buffers
  Dim dim() {
    try {
      return dim(0);
    } catch (const Error& e) {  // extents that do not fit, or names that are none
      if (e.message().starts_with("kernel text")) throw;
      fail(e.message());
    }
  }
  Dim dim(int depth) {
    if (depth > static_cast<int>(deepest_extent)) fail("an extent nested too deeply");
    if (at_number()) {
      const int64_t value = number<int64_t>();
      if (value < 0) fail("an extent is not negative");
      return Dim(value);
    }
    Symbols& symbols = *kernel_.symbols;
    if (accept("max(")) {
      const Dim left = dim(depth + 1);
      expect(",");
      const Dim right = dim(depth + 1);
      expect(")");
      return symbols.maximum(left, right);
    }
    if (!accept("(")) return symbols.add(identifier());
    const Dim left = dim(depth + 1);
    skip();
    const char op = at_ < text_.size() ? text_[at_++] : ' ';
    const Dim right = dim(depth + 1);
    expect(")");
    if (op == '+') return symbols.sum(left, right);
    if (op == '-') return symbols.difference(left, right);
    if (op == '*') return symbols.product(left, right);
    if (op == '/') return symbols.quotient(left, right);
    fail("expected +, -, * or / in an extent");
  }
  BufferId declare(const std::string& name, Space space) {
    KernelBuffer buffer{name, dtype(), {}, space};
    expect("[");
    for (bool first = true; !accept("]"); first = false) {
      if (!first) expect(",");
      buffer.shape.push_back(dim());
    }
    try {
      check_size(buffer.shape, bytes(buffer.dtype));
    } catch (const Error& e) {
      fail(e.message());
    }
    const BufferId id{static_cast<uint32_t>(kernel_.buffers.size())};
    if (!buffers_.emplace(name, id).second) fail("a second buffer %" + name);
    kernel_.buffers.push_back(std::move(buffer));
    return id;
  }
  BufferId buffer() {
    const auto found = buffers_.find(buffer_name());
    if (found == buffers_.end()) fail("an unknown buffer");
    return found->second;
  }

  // ---- scalars
  ScalarId new_scalar(DType type, uint32_t instruction, BlockId block) {
    kernel_.scalars.push_back({type, instruction, block});
    return ScalarId{static_cast<uint32_t>(kernel_.scalars.size() - 1)};
  }
  void name_scalar(const std::string& name, ScalarId id) {
    if (!scalars_.emplace(name, id).second) fail("a second %" + name);
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
    skip();
    if (text_.substr(at_).starts_with("0x")) {
      at_ += 2;
      const uint64_t bits = number<uint64_t>(16);
      if (bits & ~mask) fail("a literal with more bits than its dtype");
      return bits;
    }
    if (type == DType::f64) return std::bit_cast<uint64_t>(number<double>());
    if (type == DType::f32) return std::bit_cast<uint32_t>(number<float>());
    if (is_unsigned(type)) {
      const uint64_t bits = number<uint64_t>();
      if (bits & ~mask) fail("a literal that does not fit its dtype");
      return bits;
    }
    if (!is_signed(type)) fail("a literal of this dtype is written in hexadecimal");
    const int64_t value = number<int64_t>(), limit = static_cast<int64_t>(mask >> 1);
    if (value > limit || value < -limit - 1) fail("a literal that does not fit its dtype");
    return static_cast<uint64_t>(value) & mask;
  }
  ScalarId operand() {
    if (accept("%")) {
      const auto found = scalars_.find(identifier());
      if (found == scalars_.end()) fail("an unknown scalar");
      return found->second;
    }
    if (at_number()) return literal(DType::i64, static_cast<uint64_t>(number<int64_t>()));
    if (accept("true")) return literal(DType::boolean, 1);
    if (accept("false")) return literal(DType::boolean, 0);
    if (dtype_from_name(peek_word())) {
      const DType type = dtype();
      return literal(type, literal_bits(type));
    }
    const Dim d = dim();
    return d.is_number() ? literal(DType::i64, static_cast<uint64_t>(d.number()))
                         : constant(KernelOp::extent, DType::i64, 0, d);
  }
  void operands(std::vector<ScalarId>& list, std::string_view end = {}) {
    if (!end.empty() && accept(end)) return;
    do list.push_back(operand());
    while (accept(","));
    if (!end.empty()) expect(end);
  }
  void arguments(BlockId block, std::initializer_list<DType> types) {
    for (DType type : types) {
      if (!kernel_.blocks[index(block)].arguments.empty()) expect(",");
      argument(block, type, buffer_name());
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
    if (depth > max_depth) fail("blocks nested too deeply");
    expect("{");
    while (!accept("}")) {
      if (accept("yield")) {
        std::vector<ScalarId> yields;
        operands(yields);
        kernel_.blocks[index(id)].yields = std::move(yields);
        expect("}");
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
    if (accept("%")) {
      names.push_back(identifier());
      while (accept(",")) names.push_back(buffer_name());
      expect("=");
    }
    Instruction i;
    // The number is taken only when the instruction is complete: constants it uses come first.
    std::vector<DType> results = parse(i, where, depth);
    if (accept("#")) i.origin = number<uint32_t>();
    if (results.size() != names.size())
      fail("this has " + std::to_string(results.size()) + " results, not " + std::to_string(names.size()));
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

  std::vector<DType> parse(Instruction& i, BlockId where, int depth);
  bool loop_kind(Instruction& i) {
    const std::pair<const char*, LoopKind> kinds[] = {{"serial", LoopKind::serial},
                                                      {"parallel", LoopKind::parallel},
                                                      {"vector", LoopKind::vector},
                                                      {"block", LoopKind::block},
                                                      {"thread", LoopKind::thread}};
    for (const auto& [word, kind] : kinds)
      if (accept(word)) return i.loop = kind, true;
    return false;
  }

  std::string_view text_;
  size_t at_ = 0;
  Kernel kernel_;
  std::map<std::string, BufferId> buffers_;
  std::map<std::string, ScalarId> scalars_;
  std::map<std::tuple<KernelOp, DType, uint64_t, int64_t>, ScalarId> constants_;
};

// What follows the results; returns their dtypes.
std::vector<DType> Parser::parse(Instruction& i, BlockId, int depth) {
  if (accept("load")) {
    i.kind = KernelOp::load;
    i.buffer = buffer();
    expect("[");
    operands(i.operands, "]");
    if (accept("if")) {
      i.operands.push_back(operand());
      expect("else");
      i.operands.push_back(operand());
    }
    return {kernel_.buffers[index(i.buffer)].dtype};
  }
  if (accept("store")) {
    i.kind = KernelOp::store;
    i.buffer = buffer();
    i.dtype = kernel_.buffers[index(i.buffer)].dtype;
    expect("[");
    operands(i.operands, "]");
    expect(",");
    i.operands.push_back(operand());
    if (accept("if")) i.operands.push_back(operand());
    i.nontemporal = accept("nontemporal");
    return {};
  }
  if (accept("scratch")) {
    i.kind = KernelOp::scratch;
    const std::string name = buffer_name();
    expect(":");
    i.buffer = declare(name, Space::scratch);
    i.dtype = kernel_.buffers[index(i.buffer)].dtype;
    return {};
  }
  if (loop_kind(i)) {
    i.kind = KernelOp::loop;
    const BlockId body = new_block(i);
    arguments(body, {DType::i64});
    expect("<");
    i.operands.push_back(operand());
    if (accept("grain")) i.grain = number<int64_t>();
    if (accept("carry")) {
      do {
        const std::string carried = buffer_name();
        expect("=");
        i.operands.push_back(operand());
        argument(body, kernel_.dtype(i.operands.back()), carried);
      } while (accept(","));
    }
    block(body, depth + 1);
    return yield_types(body);
  }
  if (accept("reduce")) {
    i.kind = KernelOp::reduce;
    expect("(");
    do {
      const OpDef* combine = find_op(peek_word());
      if (!combine) fail("an unknown op");
      at_ += peek_word().size();
      i.combines.push_back(combine->op);
    } while (accept(","));
    expect(")");
    expect("lanes");
    i.tree.lanes = number<int32_t>();
    expect("block");
    i.tree.block = number<int32_t>();
    const BlockId body = new_block(i);
    arguments(body, {DType::i64});
    expect("<");
    i.operands.push_back(operand());
    block(body, depth + 1);
    std::vector<DType> types = yield_types(body);
    for (size_t k = 0; k < types.size() && k < i.combines.size(); ++k)
      if (def(i.combines[k]).positional) types[k] = DType::i64;
    return types;
  }
  if (accept("contract")) {
    i.kind = KernelOp::contract;
    i.dtype = dtype();
    expect("[");
    operands(i.operands, "]");
    expect("{");
    for (const char* part : {"lhs", "rhs", "epilogue"}) {
      expect(part);
      const BlockId body = new_block(i);
      arguments(body, {DType::i64, DType::i64, DType::i64});
      if (part[0] == 'e') arguments(body, {i.dtype});
      block(body, depth + 1);
    }
    expect("}");
    return {};
  }
  if (accept("rare")) {
    i.kind = KernelOp::rare;
    operands(i.operands);
    block(new_block(i), depth + 1);
    return yield_types(i.blocks[0]);
  }
  const OpDef* row = find_op(peek_word());
  if (!row || row->family != Family::elementwise) fail("expected an instruction");
  at_ += peek_word().size();
  i.kind = KernelOp::scalar;
  i.op = row->op;
  DType to = DType::f32;
  if (i.op == Op::cast || i.op == Op::bitcast) to = dtype();
  operands(i.operands);
  if (i.operands.size() != static_cast<size_t>(row->arity)) fail("a wrong number of operands");
  std::vector<DType> types;
  for (ScalarId v : i.operands) types.push_back(kernel_.dtype(v));
  return {result_dtype(i.op, types, to)};
}

}  // namespace

Kernel parse_kernel(std::string_view text, std::shared_ptr<Symbols> symbols) {
  return Parser(text, std::move(symbols)).run();
}

}  // namespace tenon::ir
