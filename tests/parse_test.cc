// Text IR: exact round trips, numbers to the bit, errors with line and column, and garbage that must never crash the reader.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"

namespace tenon::ir {
namespace {

constexpr const char* sample = R"(symbol n in [1, 4096]
symbol batch in [0, inf]
graph @main(%0: f32[2, n], %1: f32[n], %2: bool[]) -> (%8, %5) {
  %3 = broadcast %1 {shape = [2, n], axes = [1]} : f32[2, n]
  %4 = mul %0, %3 : f32[2, n]
  %5, %6 = sort %4, %0 {axis = [1]} : f32[2, n], f32[2, n]
  %7 = pad %4, %9x {low = [0, 1], high = [0, n], interior = [0, 0]} : f32[2, ((n + 1) + n)]
}
)";

constexpr const char* control = R"(graph @main(%0: bool[], %1: f32[3]) -> (%2, %3) {
  %2 = cond %0, %1 {then = graph(%0: f32[3]) -> (%1) {
    %1 = sin %0 : f32[3]
  }, otherwise = graph(%0: f32[3]) -> (%0) {
  }} : f32[3]
  %3, %4 = scan %1, %2 {body = graph(%0: f32[3], %1: f32[]) -> (%2, %1) {
    %2 = neg %0 : f32[3]
  }, length = [3], counts = [0, 1], reverse = [1]} : f32[3], f32[3]
  custom_call %1 {name = "print \"x\"\x0a", version = [1], types = "", effect = [1]}
  %5 = custom_call %1 {name = "f", version = [1], types = "f32[2]", effect = [0]} : f32[2]
}
)";

std::string error_of(std::string_view text) {
  try {
    parse(text);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Parse, RoundTripsControlFlow) {
  const auto g = parse(control);
  EXPECT_EQ(g->text(), control);
  EXPECT_TRUE(verify(*g).empty());
  EXPECT_TRUE(same_structure(*g, *parse(g->text())));
}

TEST(Parse, RoundTripsSymbols) {
  GraphBuilder b;
  const Dim n = b.symbols().add("n", 1, 4096), m = b.symbols().add("m");
  const Value x{&b, b.input({f32, {2, n}})}, y{&b, b.input({f32, {2, m}})};
  const Value parts[] = {x, y, x};
  const Value z = pad(concat(parts, 1), splat(b, f32, 0, {}), {0, 3}, {n, 0}, {0, 1});
  const ValueId outputs[] = {z.id};
  const auto g = b.finish(outputs);
  const auto back = parse(g->text());
  EXPECT_EQ(back->text(), g->text());
  EXPECT_TRUE(same_structure(*g, *back));
  EXPECT_NE(g->text().find("symbol n in [1, 4096]\nsymbol m in [0, inf]\n"), std::string::npos);
}

TEST(Parse, AcceptsAnyValueNames) {
  const auto g = parse("graph @f(%x: f32[]) -> (%twice) { %twice = add %x, %x : f32[] }");
  EXPECT_EQ(g->text(), "graph @f(%0: f32[]) -> (%1) {\n  %1 = add %0, %0 : f32[]\n}\n");
}

TEST(Parse, LiteralsKeepEveryBit) {
  std::mt19937_64 random(7);
  for (int d = 0; d < dtype_count; ++d) {
    const DType t = static_cast<DType>(d), part = part_of(t);
    const int64_t count = std::min(8, 64 / bytes(t));
    for (int round = 0; round < 400; ++round) {
      std::string raw;
      for (int64_t i = 0; i < count * bytes(t) / bytes(part); ++i) {
        uint64_t bits = random();
        if (round % 4 == 0) bits |= 0x7ff07f807c00f800u << (round % 3);  // NaNs and infinities
        if (t == boolean) bits &= 1;
        raw.append(reinterpret_cast<const char*>(&bits), static_cast<size_t>(bytes(part)));
      }
      GraphBuilder b;
      const ValueId outputs[] = {constant(b, t, {count}, raw).id};
      const auto g = b.finish(outputs);
      const auto back = parse(g->text());
      ASSERT_EQ(Constant(*back, back->nodes()[0]).value, raw) << g->text();
    }
  }
}

TEST(Parse, ErrorsHaveLineAndColumn) {
  EXPECT_EQ(error_of(sample), "text IR, line 7, column 19: value %9x is not defined above");
  EXPECT_EQ(error_of("graph @f() -> () {\n  %0 = sine %0 : f32[]\n}"),
            "text IR, line 2, column 12: 'sine' is not an op");
  EXPECT_EQ(error_of("graph @f(%0: f32[k]) -> () {}"),
            "text IR, line 1, column 19: 'k' is neither a number nor a symbol that was declared");
  EXPECT_EQ(error_of("graph @f(%0: f32[2]) -> (%1) {\n  %1 = sin %0 : f32[3]\n}"),
            "text IR, line 2, column 23: the text says f32[3], but sin gives f32[2]");
  EXPECT_NE(error_of("graph @f(%0: f32[2], %1: f32[3]) -> () { %2 = add %0, %1 : f32[2] }")
                .find("the shapes differ at axis 0: 2 against 3"),
            std::string::npos);
  EXPECT_NE(error_of("graph @f() -> () {} x").find("text follows the graph"), std::string::npos);
  EXPECT_NE(error_of("graph @f(%0: f32[9223372036854775807, 9223372036854775807]) -> () { %1 = reshape %0 {shape = "
                     "[1]} : f32[1] }")
                .find("a tensor of shape [9223372036854775807, 9223372036854775807] is too "
                      "large"),
            std::string::npos);
}

TEST(Parse, NestsAtMost64Deep) {
  std::string text = "graph @f() -> () {";
  for (int i = 0; i < 100'000; ++i) text += " call {graph = graph() -> () {";
  EXPECT_NE(error_of(text).find("nested more than 64 deep"), std::string::npos);
  std::string extent = "graph @f(%0: f32[" + std::string(100'000, '(');
  EXPECT_NE(error_of(extent).find("nested too deeply"), std::string::npos);
}

// One bound, the same wherever a graph goes: what can be built prints, reads back and is sound.
TEST(Parse, NestsAsDeepAsGraphsAreBuilt) {
  const auto around = [](std::shared_ptr<const Graph> inner) {
    GraphBuilder b;
    const ValueId x = b.input({f32, {2}});
    const ValueId y = inner ? b.add(Op::call, {x}, CallAttrs{.graph = inner}) : b.add(Op::neg, {x});
    return b.finish(std::vector{y});
  };
  std::shared_ptr<const Graph> graph = around(nullptr);
  for (uint32_t i = 0; i < deepest_nesting; ++i) graph = around(graph);
  EXPECT_EQ(graph->nesting(), deepest_nesting);
  EXPECT_EQ(verify(*graph), std::vector<std::string>());
  EXPECT_EQ(parse(graph->text())->text(), graph->text());
  EXPECT_THROW(around(graph), Error);
}

// Mutated text either reads back to a sound graph or is refused with an Error: nothing else may happen.
TEST(Parse, GarbageIsRefused) {
  std::mt19937 random(3);
  const std::string seeds[] = {
      control, sample,
      "symbol n in [0, 9]\ngraph @g(%0: f32[n, 4], %1: i64[]) -> (%3) {\n"
      "  %2 = dynamic_slice %0, %1, %1 {sizes = [n, 2]} : f32[n, 2]\n"
      "  %3 = slice %2 {starts = [0, 1], sizes = [(n / 2), 1], strides = [2, 1]} : f32[(n / 2), 1]\n"
      "  %4 = constant {dtype = f16, shape = [3], value = [1.5, nan(0x7e01), -inf]} : f16[3]\n}\n"};
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seeds[random() % 3];
    for (uint32_t edits = 1 + random() % 4; edits-- > 0;) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = static_cast<char>(random()); break;
        case 1: text.erase(at, 1 + random() % 8); break;
        case 2: text.insert(at, text.substr(random() % text.size(), random() % 12)); break;
        default: text[at] = "0123456789[](){}%,:="[random() % 20];
      }
      if (text.empty()) text = " ";
    }
    try {
      const auto g = parse(text);
      ++accepted;
      ASSERT_TRUE(verify(*g).empty()) << text;
      ASSERT_EQ(parse(g->text())->text(), g->text()) << text;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(accepted, 20);
}

}  // namespace
}  // namespace tenon::ir
