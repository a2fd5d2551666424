// What matrix algorithms (ir/matrix/*.h) run on when they become kernels: loops, memory and scalars of a loop nest. One matrix of the
// batch is in hand; the batch is one parallel loop around. Many small matrices are lanes of a vector loop (each_matrix), the algorithm
// being the same: what is one number of one matrix is a vector of as many matrices, and what was a vector loop is a loop. Beside it
// stands ir/matrix/direct_machine.h, which computes instead; an algorithm is one template over both. Refuses control flow that is no
// loop: what may be left out is a loop of no or one iteration.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
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
    enum class Where : uint8_t { operand, result, memory } where;
    uint32_t number = 0;
  };
  using Indices = Reals;

  KernelMachine(Lowering& context, const Node& of, DType real, std::span<const Dim> batch)
      : c_(context), b_(context.builder), node_(of), real_(real), batch_(batch.begin(), batch.end()) {}
  static Reals operand(uint32_t k) { return {Reals::Where::operand, k}; }
  static Reals result(uint32_t r) { return {Reals::Where::result, r}; }
  // Memory of every matrix of its own; asked for before open() or each_matrix().
  Reals temporary(const Shape& shape) {
    Shape all = shape;
    all.insert(0, total());
    return keep({.type = real_, .shape = shape, .buffer = c_.temporary(node_, real_, all)});
  }
  // A result that is read, too, while it is made.
  Reals kept(uint32_t r) {
    const Type& t = c_.result_type(node_, r);
    const auto& dims = t.shape.dims();
    const Shape one(std::vector<Dim>(dims.begin() + static_cast<std::ptrdiff_t>(batch_.size()), dims.end()));
    return keep({.type = t.dtype, .shape = one, .result = static_cast<int>(r)});
  }
  void open() { go_to({&b_, b_.open_loop(LoopKind::parallel, c_.extent(total()).id)[0]}); }
  void close() { b_.close_loop(); }

  bool side_by_side() const { return side_by_side_; }
  // body() for each matrix; small ones, none of whose `sizes` is above `largest_lane`, as many at once as a vector has lanes. Those that
  // fill no vector are taken one by one.
  //
  //   parallel group { serial (a whole one: 1, else 0) { vector lane < 16 { ... } }  serial (of the others) { ... } }
  template <class Body>
  void each_matrix(std::initializer_list<Dim> sizes, Body body) {
    const Dim count = total();
    if (never_small(sizes, count)) {
      open();
      body();
      return close();
    }
    const Scalar lanes = index(this->lanes()), matrices = c_.extent(count), one = index(1);
    Scalar size = lanes;
    for (Dim d : sizes)
      if (!d.is_number()) size = select(c_.extent(d) <= index(largest_lane), size, one);
    const Scalar group{&b_, b_.open_loop(LoopKind::parallel, ((matrices + size - one) / size).id)[0]};
    const Scalar first = group * size, whole = select(first + lanes <= matrices, size / lanes, index(0));
    loop(whole, [&](Index) {
      side_by_side_ = true;
      for (Memory& m : memory_) m.lanes = scratch(m);
      run(LoopKind::vector, lanes, [&](Index lane) {
        lane_ = lane;
        go_to(first + lane);
        body();
        for (uint32_t k = 0; k < memory_.size(); ++k) write_back(k);
      });
      side_by_side_ = false;
    });
    loop(select(whole == one, index(0), min(size, matrices - first)), [&](Index rest) {
      go_to(first + rest);
      body();
    });
    b_.close_loop();
  }

  // ---- scalars
  Index index(int64_t v) { return c_.index_literal(v); }
  Index extent(Dim d) { return c_.extent(side_by_side_ ? b_.symbols().minimum(d, largest_lane) : d); }
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
    if (const auto place = in_memory(from, i...)) return {&b_, b_.load(place->first, place->second)};
    std::vector<Scalar> at = at_;
    (at.push_back(i), ...);
    if (from.where == Reals::Where::operand) return c_.element(node_, from.number, at);
    return c_.reload(node_, result_of(from), at, {}, {});
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
    run(side_by_side_ ? LoopKind::serial : LoopKind::vector, n, body);
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
  Real sum(Index n, Body body) {  // by the tree of rows; of lanes, chains of each lane
    return reduce(Op::add, n, body);
  }
  template <class Body>
  Real largest(Index n, Body body) {
    if (side_by_side_) return std::get<0>(largest_in_order(n, body));
    return reduce(Op::max, n, body);
  }
  template <class Body>
  Index argmax(Index n, Body body) {  // the first of the largest; a NaN is larger than all
    const Scalar at = side_by_side_ ? std::get<1>(largest_in_order(n, body)) : reduce(Op::argmax, n, body);
    return max(min(at, n - index(1)), index(0));  // where it lies, for who checks bounds
  }

 private:
  static constexpr int64_t largest_lane = 32;
  // Of 64 bytes: 32 rows of as many elements of f64 are 64 KiB, of which most algorithms are busy with half.
  int64_t lanes() const { return std::min<int64_t>(c_.lanes, 64 / bytes(real_)); }
  struct Memory {
    DType type;
    Shape shape;  // of one matrix
    BufferId buffer{};  // of all matrices, where it is no result
    int result = -1;
    BufferId lanes{};
  };
  Reals keep(Memory memory) {
    memory_.push_back(std::move(memory));
    return {Reals::Where::memory, static_cast<uint32_t>(memory_.size() - 1)};
  }
  Dim total() {
    Dim all = 1;
    for (Dim d : batch_) all = b_.symbols().product(all, d);
    return all;
  }
  bool never_small(std::initializer_list<Dim> sizes, Dim count) const {
    bool never = c_.lanes == 1 || (count.is_number() && count.number() < lanes());
    for (Dim d : sizes) never |= d.is_number() && d.number() > largest_lane;
    return never;
  }
  // Lanes lie side by side, so that a number of all of them is one load.
  BufferId scratch(const Memory& m) {
    Shape shape;
    for (Dim d : m.shape) shape.push_back(b_.symbols().minimum(d, largest_lane));
    shape.push_back(lanes());
    return b_.scratch("s" + std::to_string(&m - memory_.data()), m.type, shape);
  }
  void go_to(Scalar number) {
    linear_ = number;
    at_.assign(batch_.size(), number);
    for (size_t i = batch_.size(); i-- > 0; number = number / c_.extent(batch_[i]))
      at_[i] = i == 0 ? number : rem(number, c_.extent(batch_[i]));
  }
  void write_back(uint32_t k) {
    if (memory_[k].result < 0) return;
    const Shape shape = memory_[k].shape;
    const Reals from{Reals::Where::memory, k}, to = result(static_cast<uint32_t>(memory_[k].result));
    if (shape.size() == 0) return put(to, load(from));
    loop(extent(shape[0]), [&](Index i) {
      if (shape.size() == 1) return put(to, load(from, i), i);
      loop(extent(shape[1]), [&](Index j) { put(to, load(from, i, j), i, j); });
    });
  }
  uint32_t result_of(Reals x) const {
    return x.where == Reals::Where::memory ? static_cast<uint32_t>(memory_[x.number].result) : x.number;
  }
  // The place in a buffer that is the algorithm's own.
  template <class... I>
  std::optional<std::pair<BufferId, std::vector<ScalarId>>> in_memory(Reals x, I... i) const {
    if (x.where != Reals::Where::memory) return std::nullopt;
    const Memory& m = memory_[x.number];
    if (side_by_side_) return std::pair(m.lanes, std::vector<ScalarId>{i.id..., lane_.id});
    if (m.result >= 0) return std::nullopt;
    return std::pair(m.buffer, std::vector<ScalarId>{linear_.id, i.id...});
  }
  template <class... I>
  void put(Reals to, Scalar v, I... i) {
    if (const auto place = in_memory(to, i...)) return b_.store(place->first, place->second, v.id);
    std::vector<Scalar> at = at_;
    (at.push_back(i), ...);
    c_.store(node_, result_of(to), at, v, {});
  }
  // The largest and its place, one after the other: what `reduce` would give, since no order gives another.
  template <class Body>
  std::tuple<Real, Index> largest_in_order(Index n, Body body) {
    const std::tuple<Real, Index> start(real(-std::numeric_limits<double>::infinity()), index(0));
    return fold(n, start, [&](Index i, const std::tuple<Real, Index>& so_far) {
      const auto& [best, at] = so_far;
      const Real x = body(i);
      const Flag better = (x > best) | ((x != x) & (best == best));
      return std::tuple<Real, Index>(select(better, x, best), select(better, i, at));
    });
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
  std::vector<Memory> memory_;
  std::vector<Scalar> at_;
  Scalar linear_, lane_;
  bool side_by_side_ = false;
};

}  // namespace tenon::ir::matrix
