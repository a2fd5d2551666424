// The graph builder and verifier: types, merging, folding, error texts, and a million nodes on a small stack.
#include "tenon/ir/graph/graph.h"
#include "tenon/ir/graph/attributes.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <chrono>
#include <cstring>

#include "tenon/ir/graph/build.h"
#include "tenon/tests/small_stack.h"

namespace tenon::ir {
namespace {

Type f32_type(std::vector<int64_t> extents) { return {f32, Shape::from(extents)}; }

std::string error_of(auto&& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Table, RowsAreFoundByName) {
  for (const OpDef& row : op_table()) EXPECT_EQ(find_op(row.name), &row) << row.name;
  EXPECT_EQ(find_op("no such op"), nullptr);
  EXPECT_GE(op_count, 70);
}

TEST(Shape, DefinitionsFold) {
  Symbols s;
  const Dim n = s.add("n", 1, 64), m = s.add("m");
  EXPECT_EQ(s.sum(s.sum(n, 2), 3), s.sum(5, n));
  EXPECT_EQ(s.sum(n, m), s.sum(m, n));
  EXPECT_EQ(s.difference(s.sum(n, m), n), m);
  EXPECT_EQ(s.difference(n, n), Dim(0));
  EXPECT_EQ(s.quotient(s.product(n, 6), 3), s.product(n, 2));
  EXPECT_EQ(s.maximum(n, 1), n);
  EXPECT_EQ(s.numel({2, n, 3}), s.numel({n, 6}));
  EXPECT_EQ(to_string(s.product(s.sum(n, 1), m), &s), "((n + 1) * m)");
  const auto values = s.evaluate({5, 7});
  EXPECT_EQ(Symbols::value(s.product(s.sum(n, 1), m), values), 42);
  EXPECT_THROW(s.evaluate({65, 7}), Error);
  EXPECT_THROW(s.difference(2, 3), Error);
  EXPECT_THROW(s.add("n", 1, 65), Error);
  EXPECT_THROW(s.add("max"), Error);
}

TEST(Builder, MergesEqualNodesButNotAcrossBarriers) {
  GraphBuilder b;
  const ValueId x = b.input(f32_type({4}));
  EXPECT_EQ(b.add(Op::sin, {x}), b.add(Op::sin, {x}));
  const ValueId p = b.add(Op::barrier, {x}), q = b.add(Op::barrier, {x});
  EXPECT_NE(p, q);
  EXPECT_NE(b.add(Op::sin, {x}), b.add(Op::sin, {p}));
  const auto call = [&](int64_t effect) {
    return b.add(Op::custom_call, {x},
                 {Attr::text_of("f"), Attr::of(std::vector<int64_t>{1}), Attr::text_of("f32[4]"),
                  Attr::of(std::vector<int64_t>{effect})});
  };
  EXPECT_EQ(call(0), call(0));
  EXPECT_NE(call(1), call(1));
  EXPECT_TRUE(verify(b.graph()).empty());
}

TEST(Builder, FoldsSmallConstants) {
  GraphBuilder b;
  const Value x = splat(b, f32, 3, {}), y = splat(b, f32, 4, {});
  const Value sum = x * x + y;
  const Node& n = b.graph().node(b.graph().producer(sum.id));
  ASSERT_EQ(n.op, Op::constant);
  float value = 0;
  std::memcpy(&value, Constant(b.graph(), n).value.data(), sizeof value);
  EXPECT_EQ(value, 13);
  // A repeated value stays a broadcast of a scalar, whatever moves it.
  const Value wide = splat(b, f32, 2, {64, 64});
  const Value moved = reshape(transpose(wide * wide, {1, 0}), {4096});
  const Node& m = b.graph().node(b.graph().producer(moved.id));
  ASSERT_EQ(m.op, Op::broadcast);
  EXPECT_EQ(moved.id, splat(b, f32, 4, {4096}).id);
  // What is padded does not repeat one value, but where the fill is that value too.
  const Value padded = pad(splat(b, f32, 2, {4096}), splat(b, f32, 5, {}), {1}, {1}, {0});
  EXPECT_EQ(b.graph().node(b.graph().producer(padded.id)).op, Op::pad);
  EXPECT_TRUE(verify(b.graph()).empty());
}

TEST(Builder, FoldingCanBeOff) {
  GraphBuilder b;
  b.folding = b.merging = false;
  const Value x = splat(b, f32, 3, {});
  EXPECT_EQ(b.graph().node(b.graph().producer((x + x).id)).op, Op::add);
  EXPECT_NE(splat(b, f32, 3, {}).id, x.id);
}

TEST(Builder, ErrorsNameOpOperandsPlacesAndRemedy) {
  GraphBuilder b;
  const ValueId w = b.input(f32_type({768, 128}), "params.w"), x = b.input(f32_type({64, 784}));
  b.set_location({"model.cc", "f", 7, 3});
  const ValueId y = b.add(Op::sin, {x});
  b.set_location({"model.cc", "f", 9, 12});
  const auto axes = [](int64_t a) { return Attr::of(std::vector<int64_t>{a}); };
  const std::string text = error_of([&] {
    b.add(Op::dot_general, {y, w},
          {Attr::of(std::vector<int64_t>{}), Attr::of(std::vector<int64_t>{}), axes(1), axes(0)});
  });
  EXPECT_EQ(
      text,
      "model.cc:9:12: dot_general: contracted extents differ: axis 1 of lhs is 784, axis 0 of rhs is 768; transpose or "
      "slice one of them\n"
      "  operand 0: f32[64, 784], from sin at model.cc:7:3\n"
      "  operand 1: f32[768, 128], input 0 (params.w)");
  EXPECT_EQ(error_of([&] { b.add(Op::add, {w, x}); }).substr(0, 113),
            "model.cc:9:12: add: the shapes differ at axis 0: 768 against 64; broadcast, slice or reshape one of "
            "them\n  operan");
  EXPECT_NE(error_of([&] {
              b.add(Op::reduce_sum, {x}, {axes(2)});
            }).find("axis 2 is out of range for a tensor of 2 axes: use 0 to 1"),
            std::string::npos);
  EXPECT_NE(error_of([&] { b.add(Op::shl, {x, x}); }).find("shl: does not take f32; cast to one of i8, i16, i32"),
            std::string::npos);
  EXPECT_NE(error_of([&] { b.add(Op::sin, {x, x}); }).find("takes 1 operand, not 2"), std::string::npos);
  EXPECT_TRUE(verify(b.graph()).empty());
}

TEST(Builder, SymbolsEqualOnlyThemselves) {
  GraphBuilder b;
  const Dim n = b.symbols().add("n"), m = b.symbols().add("m");
  const ValueId x = b.input({f32, {n}}), y = b.input({f32, {m}}), z = b.input({f32, {n}});
  EXPECT_EQ(to_string(b.type(b.add(Op::add, {x, z})), &b.symbols()), "f32[n]");
  EXPECT_NE(error_of([&] { b.add(Op::add, {x, y}); }).find("n against m; a named extent equals only itself"),
            std::string::npos);
  const Value parts[] = {{&b, x}, {&b, y}};
  EXPECT_EQ(to_string(concat(parts, 0).type(), &b.symbols()), "f32[(n + m)]");
  EXPECT_TRUE(verify(b.graph()).empty());
}

TEST(Builder, AddsInConstantTimeOnASmallStack) {
  on_small_stack([] {
    constexpr int count = 1'000'000;
    GraphBuilder b;
    const ValueId x = b.input(f32_type({64}));
    ValueId y = x;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < count / 2; ++i) y = b.add(Op::mul, {b.add(Op::sin, {y}), x});
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    RecordProperty("ns_per_op", static_cast<int>(seconds * 1e9 / count));
    const ValueId outputs[] = {y};
    auto g = b.finish(outputs);
    EXPECT_EQ(g->node_count(), count);
    EXPECT_TRUE(verify(*g).empty());
    const std::string text = g->text();
    const auto read = parse(text);
    EXPECT_EQ(read->text(), text);
    EXPECT_TRUE(same_structure(*read, *g));
  });
}

}  // namespace
}  // namespace tenon::ir
