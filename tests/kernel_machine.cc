// Values are bit patterns; scalar ops go through the interpreter's lanes, one lane at a time.
#include "tenon/tests/kernel_machine.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tenon/ir/base/error.h"
#include "tenon/ir/reference/lanes.h"

namespace tenon::testing {
namespace {

using namespace ir;

constexpr int64_t segment = 4096;  // of a contraction's chain

struct Memory {
  DType type = DType::f32;
  unsigned char* data = nullptr;
  std::vector<int64_t> extents;
  std::vector<unsigned char> own;     // of scratch
  std::vector<bool> written;          // of scratch, per element
};

// Scalar ops by the interpreter's own functions, on lanes of one element that are kept from op to op.
class Scalars {
 public:
  Scalars() {
    for (Lanes& x : operands_) x = Lanes(DType::i64, 1);
    out_ = Lanes(DType::i64, 1);
  }
  // The operands of the next op, one after the other.
  void operand(size_t n, uint64_t bits, DType type) {
    operands_[n].type = type;
    std::memcpy(operands_[n].data.get(), &bits, sizeof bits);
  }
  uint64_t apply(Op op, size_t count, DType to) {
    const std::span<const Lanes> operands(operands_, count);
    uint64_t result = 0;
    std::memcpy(out_.data.get(), &result, sizeof result);
    out_.type = to;
    if (op == Op::cast)
      lanes::convert(operands[0], out_);
    else if (op == Op::bitcast)
      std::memcpy(out_.data.get(), operands[0].data.get(), static_cast<size_t>(tenon::bytes(to)));
    else if (!lanes::arithmetic(op, operands, out_) && !lanes::logic(op, operands, out_))
      throw InternalError("a kernel's scalar op without a meaning: " + std::string(name(op)));
    std::memcpy(&result, out_.data.get(), sizeof result);
    return result;
  }
  uint64_t apply(Op op, uint64_t x, uint64_t y, DType t) {
    operand(0, x, t), operand(1, y, t);
    return apply(op, 2, t);
  }

 private:
  Lanes operands_[3], out_;
};

uint64_t identity(Op combine, DType t) {
  uint64_t bits = 0;
  const Lanes one(t, 1);
  const double infinity = std::numeric_limits<double>::infinity();
  if (is_floating(t)) {
    like(one, combine == Op::mul   ? 1
              : combine == Op::max ? -infinity
              : combine == Op::min ? infinity
                                   : -0.0)
        .copy_to(&bits);
    return bits;
  }
  const uint64_t all = t == DType::boolean    ? 1
                       : tenon::bits(t) == 64 ? ~uint64_t{0}
                                              : (uint64_t{1} << tenon::bits(t)) - 1;
  const uint64_t lowest = is_signed(t) ? uint64_t{1} << (tenon::bits(t) - 1) : 0;
  return combine == Op::mul       ? 1
         : combine == Op::max     ? lowest
         : combine == Op::min     ? all & ~lowest
         : combine == Op::bit_and ? all
                                  : 0;
}

class Machine {
 public:
  Machine(const Kernel& kernel, std::span<Array* const> buffers, const std::vector<int64_t>& symbols)
      : k_(kernel), symbols_(symbols), values_(kernel.scalars.size()), memory_(kernel.buffers.size()) {
    size_t next = 0;
    for (size_t b = 0; b < kernel.buffers.size(); ++b) {
      Memory& m = memory_[b];
      m.type = kernel.buffers[b].dtype;
      for (Dim d : kernel.buffers[b].shape) m.extents.push_back(Symbols::value(d, symbols_));
      if (kernel.buffers[b].space == Space::scratch) continue;
      Array& array = *buffers[next++];
      int64_t count = 1;
      for (int64_t n : m.extents) count *= n;
      ensure(array.type.dtype == m.type && array.numel() == count, "a buffer does not fit the kernel");
      m.data = array.data.data();
    }
    ensure(next == buffers.size(), "a wrong number of buffers");
  }
  void run() { block(BlockId{0}); }

 private:
  uint64_t& value(ScalarId v) { return values_[index(v)]; }
  int64_t integer(ScalarId v) { return static_cast<int64_t>(value(v)); }

  void block(BlockId id) {
    for (uint32_t number : k_.blocks[index(id)].instructions) instruction(k_.instructions[number]);
  }

  unsigned char* element(const Instruction& i, size_t& number) {
    Memory& m = memory_[index(i.buffer)];
    int64_t offset = 0;
    for (size_t d = 0; d < m.extents.size(); ++d) {
      const int64_t at = integer(i.operands[d]);
      if (at < 0 || at >= m.extents[d])
        throw InternalError("kernel @" + k_.name + ": index " + std::to_string(at) + " of %" +
                            k_.buffers[index(i.buffer)].name + " is not below " + std::to_string(m.extents[d]));
      offset = offset * m.extents[d] + at;
    }
    number = static_cast<size_t>(offset);
    ensure(m.data != nullptr, "a scratch buffer is used where it is not declared");
    return m.data + offset * tenon::bytes(m.type);
  }

  void instruction(const Instruction& i) {
    const auto result = [&](uint64_t bits) { value(i.first_result) = bits; };
    switch (i.kind) {
      case KernelOp::literal: return result(i.immediate);
      case KernelOp::extent: return result(static_cast<uint64_t>(Symbols::value(i.dim, symbols_)));
      case KernelOp::scalar: {
        for (size_t n = 0; n < i.operands.size(); ++n)
          scalars_.operand(n, value(i.operands[n]), k_.dtype(i.operands[n]));
        return result(scalars_.apply(i.op, i.operands.size(), i.dtype));
      }
      case KernelOp::load: {
        const size_t rank = memory_[index(i.buffer)].extents.size();
        if (i.operands.size() > rank && !value(i.operands[rank])) return result(value(i.operands[rank + 1]));
        size_t number = 0;
        const unsigned char* at = element(i, number);
        const Memory& m = memory_[index(i.buffer)];
        ensure(m.own.empty() || m.written[number], "scratch is read before it is written");
        uint64_t bits = 0;
        std::memcpy(&bits, at, static_cast<size_t>(tenon::bytes(m.type)));
        return result(bits);
      }
      case KernelOp::store: {
        Memory& m = memory_[index(i.buffer)];
        const size_t rank = m.extents.size();
        if (i.operands.size() > rank + 1 && !value(i.operands[rank + 1])) return;
        size_t number = 0;
        unsigned char* at = element(i, number);
        std::memcpy(at, &value(i.operands[rank]), static_cast<size_t>(tenon::bytes(m.type)));
        if (!m.own.empty()) m.written[number] = true;
        return;
      }
      case KernelOp::scratch: {
        Memory& m = memory_[index(i.buffer)];
        size_t count = 1;
        for (int64_t n : m.extents) count *= static_cast<size_t>(n);
        m.own.assign(std::max<size_t>(1, count * static_cast<size_t>(tenon::bytes(m.type))), 0xaa);
        m.written.assign(count, false);
        m.data = m.own.data();
        return;
      }
      case KernelOp::loop: return loop(i);
      case KernelOp::reduce: return reduce(i);
      case KernelOp::contract: return contract(i);
      case KernelOp::scaled: ensure(is_scaled(i), "a value is not x 2^n"); return result(value(i.operands[2]));
      case KernelOp::rare:
        result(value(i.operands[1]));
        if (value(i.operands[0])) {
          block(i.blocks[0]);
          result(value(k_.blocks[index(i.blocks[0])].yields[0]));
        }
        return;
    }
  }

  // Whether x 2^n is what the kernel spells otherwise.
  bool is_scaled(const Instruction& i) {
    const auto number = [&](ScalarId v) {
      double wide = 0;
      cast(Lanes::from(k_.dtype(v), &value(v), 1), f64).copy_to(&wide);
      return wide;
    };
    const double x = number(i.operands[0]), n = number(i.operands[1]), otherwise = number(i.operands[2]);
    if (x != x || n != n) return otherwise != otherwise;
    const int power = static_cast<int>(std::clamp(n, -9999.0, 9999.0));
    const double exact = i.dtype == f64 ? std::scalbn(x, power) : std::scalbn(static_cast<float>(x), power);
    return exact == otherwise && std::signbit(exact) == std::signbit(otherwise);
  }

  // Independent iterations run backwards, so that whoever relies on their order is found out.
  void loop(const Instruction& i) {
    const Block& b = k_.blocks[index(i.blocks[0])];
    std::vector<uint64_t> carried;
    for (size_t k = 1; k < i.operands.size(); ++k) carried.push_back(value(i.operands[k]));
    const int64_t extent = integer(i.operands[0]);
    for (int64_t n = 0; n < extent; ++n) {
      if (i.loop == LoopKind::repeat && !carried[0]) break;
      value(b.arguments[0]) = static_cast<uint64_t>(in_order(i.loop) ? n : extent - 1 - n);
      for (size_t k = 0; k < carried.size(); ++k) value(b.arguments[k + 1]) = carried[k];
      block(i.blocks[0]);
      for (size_t k = 0; k < carried.size(); ++k) carried[k] = value(b.yields[k]);
    }
    for (size_t k = 0; k < carried.size(); ++k)
      value(ScalarId{index(i.first_result) + static_cast<uint32_t>(k)}) = carried[k];
  }

  uint64_t pairwise(Op combine, DType t, std::vector<uint64_t> parts) {
    while (parts.size() > 1) {
      std::vector<uint64_t> joined;
      for (size_t n = 0; n + 1 < parts.size(); n += 2)
        joined.push_back(scalars_.apply(combine, parts[n], parts[n + 1], t));
      if (parts.size() % 2) joined.push_back(parts.back());
      parts = std::move(joined);
    }
    return parts[0];
  }

  void reduce(const Instruction& i) {
    const Block& b = k_.blocks[index(i.blocks[0])];
    const int64_t extent = integer(i.operands[0]);
    std::vector<std::vector<uint64_t>> elements(i.combines.size());
    for (int64_t n = 0; n < extent; ++n) {
      value(b.arguments[0]) = static_cast<uint64_t>(n);
      block(i.blocks[0]);
      for (size_t k = 0; k < elements.size(); ++k) elements[k].push_back(value(b.yields[k]));
    }
    for (size_t k = 0; k < elements.size(); ++k) {
      uint64_t& result = value(ScalarId{index(i.first_result) + static_cast<uint32_t>(k)});
      const DType t = k_.dtype(b.yields[k]);
      const Op combine = i.combines[k];
      const std::vector<uint64_t>& e = elements[k];
      if (combine == Op::argmax || combine == Op::argmin) {
        size_t best = 0;
        for (size_t n = 1; n < e.size(); ++n) {
          const bool held_nan = scalars_.apply(Op::ne, e[best], e[best], t),
                     nan = scalars_.apply(Op::ne, e[n], e[n], t);
          if (!held_nan && (nan || scalars_.apply(combine == Op::argmax ? Op::gt : Op::lt, e[n], e[best], t))) best = n;
        }
        result = best;
        continue;
      }
      std::vector<uint64_t> blocks;
      for (int64_t first = 0; first < extent; first += i.tree.block) {
        std::vector<uint64_t> lanes(static_cast<size_t>(i.tree.lanes), identity(combine, t));
        for (int64_t n = first; n < std::min<int64_t>(first + i.tree.block, extent); ++n) {
          uint64_t& lane = lanes[static_cast<size_t>(n - first) % lanes.size()];
          lane = scalars_.apply(combine, lane, e[n], t);
        }
        for (size_t half = lanes.size() / 2; half > 0; half /= 2)
          for (size_t l = 0; l < half; ++l) lanes[l] = scalars_.apply(combine, lanes[l], lanes[l + half], t);
        blocks.push_back(lanes[0]);
      }
      result =
          blocks.empty() ? (combine == Op::add ? 0 : identity(combine, t)) : pairwise(combine, t, std::move(blocks));
    }
  }

  void contract(const Instruction& i) {
    const DType t = i.dtype;
    const int64_t batch = integer(i.operands[0]), rows = integer(i.operands[1]), columns = integer(i.operands[2]),
                  depth = integer(i.operands[3]);
    const auto side = [&](BlockId id, int64_t x, int64_t y, int64_t z) {
      const Block& b = k_.blocks[index(id)];
      value(b.arguments[0]) = static_cast<uint64_t>(x);
      value(b.arguments[1]) = static_cast<uint64_t>(y);
      value(b.arguments[2]) = static_cast<uint64_t>(z);
    };
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t row = rows - 1; row >= 0; --row)
        for (int64_t column = columns - 1; column >= 0; --column) {
          std::vector<uint64_t> segments{0};
          for (int64_t k = 0; k < depth; ++k) {
            if (k > 0 && k % segment == 0) segments.push_back(0);
            side(i.blocks[0], b, row, k);
            block(i.blocks[0]);
            const uint64_t x = value(k_.blocks[index(i.blocks[0])].yields[0]);
            side(i.blocks[1], b, k, column);
            block(i.blocks[1]);
            const uint64_t y = value(k_.blocks[index(i.blocks[1])].yields[0]);
            if (is_floating(t)) {
              scalars_.operand(0, x, t), scalars_.operand(1, y, t), scalars_.operand(2, segments.back(), t);
              segments.back() = scalars_.apply(Op::fma, 3, t);
            } else {
              segments.back() = scalars_.apply(Op::add, scalars_.apply(Op::mul, x, y, t), segments.back(), t);
            }
          }
          side(i.blocks[2], b, row, column);
          value(k_.blocks[index(i.blocks[2])].arguments[3]) = pairwise(Op::add, t, std::move(segments));
          block(i.blocks[2]);
        }
  }

  const Kernel& k_;
  const std::vector<int64_t>& symbols_;
  std::vector<uint64_t> values_;
  std::vector<Memory> memory_;
  Scalars scalars_;
};

}  // namespace

void run_kernel(const Kernel& kernel, std::span<Array* const> buffers, const std::vector<int64_t>& symbols) {
  const std::vector<std::string> problems = verify(kernel);
  if (!problems.empty()) throw InternalError(problems[0] + "\n" + kernel.text());
  Machine(kernel, buffers, symbols).run();
}

}  // namespace tenon::testing
