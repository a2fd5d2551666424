// The lowering rules against the interpreter, bit for bit: every movement, indexing, source and nest row alone in a kernel
// of its own, run by the checking machine (tests/kernel_machine.h), with fixed extents and with extents known only at run
// time. Fusion and the renderers have tests of their own.
#include "tenon/tests/one_node.h"

namespace tenon::ir {
namespace {

using namespace one_node;

TEST(Lowering, Reshape) {
  const std::pair<Shape, Shape> pairs[] = {
      {{6, 4}, {24}},    {{24}, {6, 4}},   {{2, 3, 4}, {6, 4}}, {{6, 4}, {2, 3, 4}}, {{2, 3, 4}, {4, 3, 2}},
      {{}, {1, 1}},      {{1, 5, 1}, {5}}, {{5}, {1, 5, 1}},    {{0, 3}, {3, 0, 2}}, {{4, 1, 6}, {2, 2, 3, 1, 2}},
      {{12, 5}, {3, 20}}};
  for (const auto& [from, to] : pairs) {
    Case c;
    const Value x = c.input(f32, from);
    c.run(apply(c.b, Op::reshape, std::span(&x, 1), {Attr::of(to.dims())}));
  }
  {
    Case c;
    const Dim n = c.symbol("n", 5), m = c.symbol("m", 3);
    const Value x = c.input(f32, Shape{n, m, 4});
    c.run(reshape(x, Shape{c.b.symbols().product(n, m), 2, 2}));
  }
  {
    Case c;
    const Dim n = c.symbol("n", 5), m = c.symbol("m", 3);
    const Value x = c.input(f32, Shape{6, n, m, 2});
    c.run(reshape(x, Shape{3, c.b.symbols().product(n, 2), m, 2}));
  }
}

TEST(Lowering, ReshapeKeepsEqualAxes) {
  Case c;
  const Dim n = c.symbol("n", 5);
  const Value x = c.input(f32, Shape{n, 4, 6});
  const ValueId y = reshape(x, Shape{n, 24}).id;
  const auto graph = c.b.finish(std::span(&y, 1));
  OneNode lowered(*graph);
  EXPECT_EQ(lowered.builder.finish().text(), R"(kernel @one(%x0: in f32[n, 4, 6], %y0: out f32[n, 24]) {
  parallel %0 < n {
    serial %1 < 24 {
      %2 = rem %1, 6
      %3 = div %1, 6
      %4 = load %x0[%0, %3, %2]
      store %y0[%0, %1], %4
    }
  }
}
)");
}

TEST(Lowering, Movement) {
  for (const bool symbolic : {false, true})
    for (const int64_t extent : {5, 0, 1}) {
      const auto with = [&](auto build) {
        Case c;
        const Dim n = symbolic ? c.symbol("n", extent) : Dim(extent);
        c.run(build(c, n));
      };
      with([](Case& c, Dim n) { return broadcast(c.input(f32, {n, 1}), {2, n, 3}, {1, 2}); });
      with([](Case& c, Dim n) { return broadcast(c.input(boolean, {n}), {2, n, 2}, {1}); });
      with([](Case& c, Dim n) { return transpose(c.input(f16, {n, 2, 3}), {2, 0, 1}); });
      with([](Case& c, Dim n) { return reverse(c.input(f32, {n, 4}), {0, 1}); });
      with([](Case& c, Dim n) { return slice(c.input(f32, {8, n}), {1, 0}, {3, n}, {2, 1}); });
      with([](Case& c, Dim n) {
        const Value x = c.input(f32, {n, 3}), fill = c.input(f32, Shape{});
        return pad(x, fill, {0, 2}, {3, 0}, {2, 1});
      });
      with([](Case& c, Dim n) {
        const Value x = c.input(i32, {2, n}), fill = c.input(i32, Shape{});
        return pad(x, fill, {1, 0}, {0, 1}, {0, 0});
      });
      with([](Case& c, Dim n) {  // as many windows as fit
        Symbols& s = c.b.symbols();
        const Dim sizes = s.quotient(s.difference(s.maximum(s.sum(n, 2), 5), 5), 2);
        return windows(c.input(f32, {2, n}), {{1}, {3}, {sizes}, {0}, {2}, {2}, 0, false});
      });
      with([](Case& c, Dim n) {  // what overlaps, found tap by tap
        const Dim sizes = c.b.symbols().difference(c.b.symbols().maximum(n, 4), 4);
        return windows(c.input(f32, {3, n}), {{0}, {3}, {sizes}, {4}, {1}, {-2}, 0, true});
      });
      with([](Case& c, Dim n) {
        const Value parts[] = {c.input(f32, {2, n}), c.input(f32, {2, 3}), c.input(f32, {2, n})};
        return concat(parts, 1);
      });
    }
}

TEST(Lowering, DynamicSlices) {
  for (const int64_t start : {-3, 0, 2, 9}) {
    {
      Case c;
      const Dim n = c.symbol("n", 7);
      const Value x = c.input(f32, {n, 4});
      const Value starts[] = {c.input_of<int64_t>(i64, {}, {start}), c.input_of<int64_t>(i64, {}, {1})};
      c.run(dynamic_slice(x, starts, {3, 4}));
    }
    {
      Case c;
      const Dim n = c.symbol("n", 7);
      const Value x = c.input(f32, {n, 4}), update = c.input(f32, {2, 3});
      const Value starts[] = {c.input_of<int64_t>(i64, {}, {start}), c.input_of<int64_t>(i64, {}, {1})};
      c.run(dynamic_update_slice(x, update, starts));
    }
  }
}

TEST(Lowering, GatherClamps) {
  for (const int64_t axis : {0, 1, 2}) {
    Case c;
    const Dim n = c.symbol("n", 5);
    const Value operands[] = {c.input(f32, {3, n, 2}), c.input_of<int64_t>(i64, {2, 2}, {-1, 4, 9, 1})};
    c.run(take(operands[0], operands[1], static_cast<size_t>(axis)));
  }
  Case c;  // nothing to clamp to
  const Dim n = c.symbol("n", 0);
  const Value operands[] = {c.input(f32, {n}), c.input_of<int64_t>(i64, {2}, {0, 1})};
  c.run(take(operands[0], operands[1], 0));
}

TEST(Lowering, Sources) {
  for (DType t : {f32, f16, i8, u64}) {
    Case c;
    c.run(iota(c.b, t, {3, 4}, 1));
  }
  {
    Case c;
    const float values[] = {1, 2, 3, 4, 5, 6};
    c.run(constant(c.b, f32, {2, 3}, std::string(reinterpret_cast<const char*>(values), sizeof values)));
  }
  for (DType t : {u32, u64})
    for (const int64_t count : {1, 2, 7, 13}) {
      Case c;
      const Dim n = c.symbol("n", count);
      // A symbol is bound by an input's shape; the bits depend on key and counter alone.
      const Value operands[] = {c.input_of<uint32_t>(u32, {2}, {7, 9}),
                                c.input_of<uint32_t>(u32, {2}, {1, 0xffffffff})};
      if (count % 2)
        c.run(apply(c.b, Op::random_bits, operands, {Attr::of(t), Attr::of(std::vector<Dim>{3, count})}));
      else
        c.run(apply(c.b, Op::random_bits, operands, {Attr::of(t), Attr::of(std::vector<Dim>{count})}));
      (void)n;
    }
}

TEST(Nest, CumulativeSum) {
  for (DType t : {f32, f16, i32})
    for (const int64_t reversed : {0, 1})
      for (const bool symbolic : {false, true})
        for (const int64_t axis : {0, 1, 2}) {
          Case c;
          const Dim n = symbolic ? c.symbol("n", 5) : Dim(5);
          const Value x = c.input(t, {2, n, 3});
          c.run(apply(c.b, Op::cumsum, std::span(&x, 1),
                      {Attr::of(std::vector<int64_t>{axis}), Attr::of(std::vector<int64_t>{reversed})}));
        }
  for (const int64_t count : {4095, 4096, 4097, 12300}) {  // across the blocks of the contract
    Case c;
    const Dim n = count % 2 ? c.symbol("n", count) : Dim(count);
    const Value x = c.input(f64, Shape{n});
    c.run(apply(c.b, Op::cumsum, std::span(&x, 1),
                {Attr::of(std::vector<int64_t>{0}), Attr::of(std::vector<int64_t>{0})}));
  }
  for (DType t : {f32, f64, bf16}) {  // sums of -0 are -0
    Case c;
    const Value x = c.input(t, {4});
    for (size_t i = 0; i < c.arrays.back().data.size(); ++i)
      c.arrays.back().data[i] = (i + 1) % static_cast<size_t>(bytes(t)) == 0 ? 0x80 : 0;
    c.run(apply(c.b, Op::cumsum, std::span(&x, 1),
                {Attr::of(std::vector<int64_t>{0}), Attr::of(std::vector<int64_t>{0})}));
  }
}

TEST(Nest, Convolution) {
  struct Setting {
    int64_t stride, low, high, lhs_dilation, rhs_dilation, groups;
  };
  for (const Setting& s : {Setting{1, 0, 0, 1, 1, 1}, Setting{2, 1, 2, 1, 1, 1}, Setting{1, 2, 2, 1, 2, 1},
                           Setting{1, 1, 1, 2, 1, 1}, Setting{1, 1, 0, 1, 1, 2}, Setting{2, 3, 1, 3, 2, 2}})
    for (DType t : {f32, f16}) {
      Case c;
      const Dim n = c.symbol("n", 2);
      const Value operands[] = {c.input(t, {n, 5, 6, 4}), c.input(t, {3, 2, 4 / s.groups, 6})};
      const auto pair = [](int64_t v) { return Attr::of(std::vector<int64_t>{v, v}); };
      c.run(apply(c.b, Op::convolution, operands,
                  {pair(s.stride), pair(s.low), pair(s.high), pair(s.lhs_dilation), pair(s.rhs_dilation),
                   Attr::of(std::vector<int64_t>{s.groups})}));
    }
}

TEST(Nest, ScatterAddKeepsTheOrder) {
  for (DType t : {f32, f16, i32})
    for (const int64_t axis : {0, 1, 2}) {
      Case c;
      const Dim n = c.symbol("n", 5);
      Shape x{3, n, 2}, updates;
      for (int64_t i = 0; i < 3; ++i) {
        if (i == axis)
          updates.push_back(2), updates.push_back(3);
        else
          updates.push_back(x[i]);
      }
      const Value operands[] = {c.input(t, x), c.input_of<int64_t>(i64, {2, 3}, {0, 1, 1, -1, 7, 1}),
                                c.input(t, updates)};
      c.run(scatter(operands[0], operands[1], operands[2], static_cast<size_t>(axis)));
    }
}

TEST(Nest, SortIsStable) {
  for (DType t : {f32, f16, i32, boolean, u8})
    for (const int64_t count : {0, 1, 2, 3, 7, 8, 33})
      for (const int64_t axis : {0, 1}) {
        Case c;
        const Dim n = c.symbol("n", count);
        const Shape shape = axis ? Shape{2, n} : Shape{n, 3};
        const Value operands[] = {c.input(t, shape), c.input(i64, shape), c.input(f64, shape)};
        c.run(apply(c.b, Op::sort, operands, {Attr::of(std::vector<int64_t>{axis})}));
      }
}

}  // namespace
}  // namespace tenon::ir
