// What matrix algorithms (ir/matrix/*.h) run on when they become kernels: loops, memory and scalars of a loop nest. One matrix of the
// batch is in hand; the batch is one parallel loop around. Beside it stands ir/matrix/direct_machine.h, which computes instead; an
// algorithm is one template over both. Refuses control flow that is no loop: what may be left out is a loop of no or one iteration.
#pragma once

#include <tuple>
#include <utility>
#include <vector>

#include "tenon/ir/rules/nest.h"

namespace tenon::ir::matrix {

class KernelMachine {
 public:
  using Real = Scalar;
  using Index = Scalar;
  using Flag = Scalar;
  struct Reals {
    enum class Where : uint8_t { operand, result, temporary } where;
    uint32_t number = 0;
    BufferId buffer{};
  };
  using Indices = Reals;

  KernelMachine(Lowering& context, const Node& of, DType real, std::span<const Dim> batch)
      : c_(context), b_(context.builder), node_(of), real_(real), batch_(batch.begin(), batch.end()) {}
  static Reals operand(uint32_t k) { return {Reals::Where::operand, k, {}}; }
  static Reals result(uint32_t r) { return {Reals::Where::result, r, {}}; }
  // Memory of every matrix of its own; asked for before open().
  Reals temporary(DType t, Shape shape) {
    Dim total = 1;
    for (Dim d : batch_) total = b_.symbols().product(total, d);
    shape.insert(0, total);
    return {Reals::Where::temporary, 0, c_.temporary(node_, t, shape)};
  }
  Reals temporary(Shape shape) { return temporary(real_, std::move(shape)); }
  void open() {
    at_ = rules::open_parallel(c_, batch_);
    linear_ = rules::linear_index(c_, batch_, at_);
  }
  void close() { b_.close_loop(); }

  // ---- scalars
  Index index(int64_t v) { return c_.index_literal(v); }
  Index extent(Dim d) { return c_.extent(d); }
  Real real(double v) { return c_.literal(real_, v); }
  static Real fma(Real x, Real y, Real z) { return ir::fma(x, y, z); }
  static Real sqrt(Real x) { return ir::sqrt(x); }
  static Real abs(Real x) { return ir::abs(x); }
  static Index min(Index x, Index y) { return ir::min(x, y); }
  static Index max(Index x, Index y) { return ir::max(x, y); }
  static Scalar select(Flag p, Scalar x, Scalar y) { return ir::select(p, x, y); }
  static Flag both(Flag x, Flag y) { return x & y; }
  static Flag either(Flag x, Flag y) { return x | y; }
  Real as_real(Index x) { return cast(x, real_); }
  Index below(Index x, int64_t by) { return x / index(by); }  // x / by, of what is not negative
  // The power of two at or below |x| for a normal x; 0 or infinity where there is none.
  Real power_below(Real x) {
    const bool wide = real_ == DType::f64;
    const DType bits = wide ? DType::i64 : DType::i32;
    const uint64_t mask = wide ? 0x7ff0000000000000u : 0x7f800000u;
    const Scalar exponent = bitcast(x, bits) & Scalar{&b_, b_.literal(bits, mask)};
    return bitcast(exponent, real_);
  }

  // ---- memory
  template <class... I>
  Scalar load(Reals from, I... i) {
    if (from.where == Reals::Where::temporary) {
      const ScalarId at[] = {linear_.id, i.id...};
      return {&b_, b_.load(from.buffer, at)};
    }
    std::vector<Scalar> at = at_;
    (at.push_back(i), ...);
    if (from.where == Reals::Where::operand) return c_.element(node_, from.number, at);
    return c_.reload(node_, from.number, at, {}, {});
  }
  Scalar load(Reals from, Index i, Index j) { return load<Index, Index>(from, i, j); }
  void store(Reals to, Index i, Index j, Scalar v) { put(to, v, i, j); }
  void store(Reals to, Index i, Scalar v) { put(to, v, i); }
  void store(Reals to, Scalar v) { put(to, v); }

  // ---- loops
  template <class Body>
  void loop(Index n, Body body) {
    run(LoopKind::serial, n, body);
  }
  template <class Body>
  void each(Index n, Body body) {  // independent of each other, side by side
    run(LoopKind::vector, n, body);
  }
  template <class Body>
  void when(Flag p, Body body) {
    b_.open_loop(LoopKind::serial, select(p, index(1), index(0)).id);
    body();
    b_.close_loop();
  }
  template <class... C, class Body>
  std::tuple<C...> fold(Index n, const std::tuple<C...>& start, Body body) {
    return carried(LoopKind::serial, n, start, body);
  }
  // While the first carry holds, at most n times.
  template <class... C, class Body>
  std::tuple<C...> repeat(Index n, const std::tuple<C...>& start, Body body) {
    return carried(LoopKind::repeat, n, start, body);
  }
  template <class Body>
  Real sum(Index n, Body body) {  // by the tree of rows
    return reduce(Op::add, n, body);
  }
  template <class Body>
  Real largest(Index n, Body body) {
    return reduce(Op::max, n, body);
  }
  template <class Body>
  Index argmax(Index n, Body body) {  // the first of the largest; a NaN is larger than all
    return max(min(reduce(Op::argmax, n, body), n - index(1)), index(0));  // where it lies, for who checks bounds
  }

 private:
  template <class... I>
  void put(Reals to, Scalar v, I... i) {
    if (to.where == Reals::Where::temporary) {
      const ScalarId at[] = {linear_.id, i.id...};
      b_.store(to.buffer, at, v.id);
      return;
    }
    std::vector<Scalar> at = at_;
    (at.push_back(i), ...);
    c_.store(node_, to.number, at, v, {});
  }
  template <class Body>
  void run(LoopKind kind, Index n, Body body) {
    body(Scalar{&b_, b_.open_loop(kind, n.id)[0]});
    b_.close_loop();
  }
  template <class Body>
  Scalar reduce(Op combine, Index n, Body body) {
    const Scalar i{&b_, b_.open_reduce({combine}, row_tree, n.id)};
    const ScalarId value = Scalar(body(i)).id;
    return {&b_, b_.close_reduce(std::span(&value, 1))[0]};
  }
  template <class... C, size_t... k>
  std::tuple<C...> as_tuple(const std::vector<ScalarId>& ids, size_t first, std::index_sequence<k...>) {
    return {Scalar{&b_, ids[first + k]}...};
  }
  template <class... C, class Body>
  std::tuple<C...> carried(LoopKind kind, Index n, const std::tuple<C...>& start, Body body) {
    constexpr auto numbers = std::index_sequence_for<C...>{};
    const auto ids = [](const auto&... s) { return std::vector<ScalarId>{s.id...}; };
    const std::vector<ScalarId> inside = b_.open_loop(kind, n.id, std::apply(ids, start));
    const std::tuple<C...> next = body(Scalar{&b_, inside[0]}, as_tuple<C...>(inside, 1, numbers));
    return as_tuple<C...>(b_.close_loop(std::apply(ids, next)), 0, numbers);
  }

  Lowering& c_;
  KernelBuilder& b_;
  const Node& node_;
  DType real_;
  std::vector<Dim> batch_;
  std::vector<Scalar> at_;
  Scalar linear_;
};

}  // namespace tenon::ir::matrix
