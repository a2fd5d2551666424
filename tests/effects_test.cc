// Checks and prints by every route: eagerly, jitted, in bodies of loops and branches, under derivatives, from the disk cache, over
// lanes, saved. What is said is compared as text; what fails names its line, and the first that fails counts.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <sstream>
#include <thread>

#include "tenon/ir/graph/graph.h"
#include "tenon/ir/reference/array.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/shipped.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

// What f writes to the standard output, also where it fails.
template <class F>
std::string said(F f) {
  ::testing::internal::CaptureStdout();
  try {
    f();
  } catch (const Error&) {
  }
  return ::testing::internal::GetCapturedStdout();
}

std::string here(int line) { return "effects_test.cc:" + std::to_string(line) + ":"; }

Tensor positive(const Tensor& x, const char* message) {
  check(all_of(x > 0), message);
  return sqrt(x);
}
constexpr int line_of_positive = __LINE__ - 3;

void expect_fails(const std::function<void()>& f, const std::string& message, int line = line_of_positive) {
  try {
    f();
    ADD_FAILURE() << "nothing failed, not even " << message;
  } catch (const Error& e) {
    EXPECT_HAS(std::string(e.what()), message);
    EXPECT_HAS(std::string(e.what()), here(line));
    EXPECT_EQ(e.where().line, static_cast<uint32_t>(line));
    EXPECT_HAS(std::string(e.where().file), "effects_test.cc");
  }
}

TEST(Check, FailsByMessageAndPlaceAndWorksAgain) {
  const Tensor good = ones({3}), bad = tensor({1.f, -1.f, 1.f});
  const auto f = jit([](const Tensor& x) { return positive(x, "x {is} positive"); });
  for (int round = 0; round < 2; ++round) {
    expect_fails([&] { positive(bad, "x {is} positive"); }, "check failed: x {is} positive");
    expect_fails([&] { f(bad); }, "check failed: x {is} positive");
    EXPECT_EQ(f(good).to_vector<float>(), std::vector<float>(3, 1.f));
    EXPECT_EQ(positive(good, "").to_vector<float>(), std::vector<float>(3, 1.f));
  }
}

TEST(Check, TakesABoolScalar) {
  EXPECT_HAS(message_of([] { check(ones({2}) > 0, "many"); }), "bool scalar");
  EXPECT_HAS(message_of([] { check(ones({2}) > 0, "many"); }), "effects_test.cc:");
  EXPECT_HAS(message_of([] { check(tensor(1.f), "a number"); }), "bool scalar");
  EXPECT_HAS(message_of([] { check(Tensor(), "nothing"); }), "bool scalar");
  EXPECT_HAS(message_of([] { jit([](const Tensor& x) { return check(x, "traced"), x; })(ones({})); }), "bool scalar");
  check(true, "holds");
  expect_fails([] { check(false, "a bool of C++"); }, "check failed: a bool of C++", __LINE__);
}

TEST(Check, TheFirstInProgramOrderCounts) {
  const auto two = [](const Tensor& x, const Tensor& y) {
    const Tensor late = sum(exp(x * 2)) + sum(y);  // ready last
    check(late > 0, "first");
    check(all_of(y > 0), "second");
    return x + y;
  };
  const auto f = jit(two);
  const Tensor good = ones({4}), bad = full({4}, -1000.f);
  for (int round = 0; round < 2; ++round) {
    EXPECT_HAS(message_of([&] { f(good, bad); }), "check failed: first");
    EXPECT_HAS(message_of([&] { two(good, bad); }), "check failed: first");
    EXPECT_HAS(message_of([&] { f(full({4}, 10.f), full({4}, -1.f)); }), "check failed: second");
  }
  // One that stands in a loop comes before one behind the loop, though that is ready earlier.
  const auto after_loop = jit([](const Tensor& x) {
    const Tensor y = fori_loop(
        0, 3,
        [](const Tensor& i, const Tensor& c) {
          check(i < 2, "in the loop");
          return c + 1;
        },
        x);
    check(all_of(x > 5), "behind the loop");
    return y;
  });
  EXPECT_HAS(message_of([&] { after_loop(ones({2})); }), "in the loop");
}

TEST(Check, StandsInLoopsAndBranches) {
  const Tensor steps = tensor({3.f, 2.f, -1.f, -2.f});
  const auto scanned = [](const Tensor& xs) {
    return scan([](const Tensor& c, const Tensor& x) { return std::make_pair(c + positive(x, "scanned"), x); },
                zeros({}), xs)
        .first;
  };
  const auto branched = [](const Tensor& x) {
    return cond(
        x > 1, [](const Tensor& v) { return positive(v - 5, "taken"); },
        [](const Tensor& v) { return positive(v, "not taken"); }, x);
  };
  const auto counted = [](const Tensor& x) {
    return while_loop([](const Tensor& v) { return check(v < 3, "tested"), v < 10; },
                      [](const Tensor& v) { return v + 1; }, x);
  };
  expect_fails([&] { scanned(steps); }, "scanned");
  expect_fails([&] { jit(scanned)(steps); }, "scanned");
  EXPECT_FLOAT_EQ(jit(scanned)(full({4}, 4.f)).item(), 8);
  expect_fails([&] { jit(branched)(tensor(2.f)); }, "taken");
  expect_fails([&] { branched(tensor(-2.f)); }, "not taken");
  EXPECT_FLOAT_EQ(jit(branched)(tensor(9.f)).item(), 2);
  EXPECT_HAS(message_of([&] { jit(counted)(tensor(0.f)); }), "tested");
  EXPECT_HAS(message_of([&] { counted(tensor(0.f)); }), "tested");
}

TEST(Check, HoldsUnderDerivatives) {
  const auto loss = [](const Tensor& x) { return sum(positive(x, "differentiated")); };
  const Tensor good = full({2}, 4.f), bad = tensor({1.f, -1.f});
  expect_fails([&] { grad(loss)(bad); }, "differentiated");
  expect_fails([&] { jit(grad(loss))(bad); }, "differentiated");
  expect_fails([&] { grad(jit(loss))(bad); }, "differentiated");
  expect_fails([&] { jvp(loss, bad, good); }, "differentiated");
  EXPECT_EQ(jit(grad(loss))(good).to_vector<float>(), (std::vector<float>{0.25f, 0.25f}));
  const Tensor leaf = full({2}, 4.f).detach();
  Tensor x = leaf;
  x.set_requires_grad(true);
  jit(loss)(x).backward();
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0.25f, 0.25f}));
  Tensor y = bad.detach();
  y.set_requires_grad(true);
  expect_fails([&] { loss(y); }, "differentiated");
  expect_fails([&] { jit(loss)(y); }, "differentiated");
}

TEST(Check, TheDiskCacheKeepsWhatItSays) {
  const auto graph = ir::parse(
      "graph @main(%0: bool[]) -> (%0) {\n  check %0 {message = \"check failed: \\\"kept\\\"\", place = "
      "\"/some/file.cc:12:3\", masked = [0]}\n}\n");
  for (int round = 0; round < 2; ++round) {
    const auto program = runtime::compile(*graph, {.memory_cache = false});
    std::vector<ir::Array> inputs{ir::Array(ir::Type{boolean, {}})};
    EXPECT_EQ(message_of([&] { program->run(inputs); }), "/some/file.cc:12:3: check failed: \"kept\"");
    EXPECT_EQ(message_of([&] { ir::interpret(*graph, inputs); }), "/some/file.cc:12:3: check failed: \"kept\"");
    EXPECT_TRUE(round == 0 || program->from_disk());
  }
}

TEST(Check, DonatedMemoryIsGoneAndTheFunctionIsNot) {
  const auto f = jit([](const Tensor& x) { return check(all_of(x > 0), "donated"), x + 1; }, {.donate = {0}});
  EXPECT_HAS(message_of([&] { f(full({8}, -1.f)); }), "check failed: donated");
  EXPECT_EQ(f(ones({2})).to_vector<float>(), (std::vector<float>{2, 2}));
}

// ---- print

TEST(DebugPrint, ReadsAsTensorsDo) {
  const Tensor x = tensor({{1.f, 2.5f}, {-3.f, 4.f}}), i = arange(3), half = full({2}, 0.1).astype(bf16);
  const Tensor large = reshape(arange(2000), {2, 1000});
  const auto f = [&](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d, const Tensor& e) {
    debug::print("a = {}, b: {} {{}}", a, b);
    debug::print("{}", c);
    debug::print("{}|{}", d, e);
    return a + 1;
  };
  const std::string expected = "a = " + print(x) + ", b: " + print(i) + " {}\n" + print(half) + "\n" + print(large) +
                               "|" + print(zeros({0, 2})) + "\n";
  EXPECT_EQ(said([&] { f(x, i, half, large, zeros({0, 2})); }), expected);
  const auto compiled = jit(f);
  for (int round = 0; round < 2; ++round)
    EXPECT_EQ(said([&] { compiled(x, i, half, large, zeros({0, 2})); }), expected);
}

TEST(DebugPrint, TakesNumbersAndText) {
  const auto f = [](const Tensor& x) {
    debug::print("{} {} {} {} {} {}", 3, 0.1f, true, "te{x}t", std::string("s"), uint64_t{1} << 63);
    debug::print(std::string("{}, {}"), x[0], 'c');
    debug::print("plain");
    return x;
  };
  const std::string expected = "3 0.1 true te{x}t s 9223372036854775808\ntensor(7.), c\nplain\n";
  EXPECT_EQ(said([&] { f(full({2}, 7.f)); }), expected);
  EXPECT_EQ(said([&] { jit(f)(full({2}, 7.f)); }), expected);
}

TEST(DebugPrint, RefusesFormatsThatDoNotFit) {
  const Tensor x = ones({});
  const auto refusal = [&](const std::string& format) { return message_of([&] { debug::print(format, x); }); };
  EXPECT_HAS(refusal("none"), "0 places for 1 value");
  EXPECT_HAS(refusal("{} {}"), "2 places for 1 value");
  EXPECT_HAS(refusal("{} {}"), "effects_test.cc:");
  EXPECT_HAS(refusal("{:3}"), "character 0");
  EXPECT_HAS(refusal("{} }"), "character 3");
  EXPECT_HAS(refusal("{"), "character 0");
  EXPECT_HAS(message_of([] { debug::print("{}", Tensor()); }), "undefined");
  EXPECT_HAS(message_of([&] { jit([](const Tensor& v) { return debug::print("{} {}", v), v; })(x); }),
             "2 places for 1");
}

TEST(DebugPrint, IsOrderedAndNeverMergedOrDropped) {
  const auto f = jit([](const Tensor& x) {
    const Tensor late = sum(exp(x));
    debug::print("late {}", late);
    debug::print("same");
    debug::print("same");
    const Tensor y = fori_loop(
        0, 2,
        [](const Tensor& i, const Tensor& c) {
          debug::print("i {}", i);
          return c;
        },
        x);
    debug::print("unused {}", x[0] + 1);
    check(x[0] > 5, "stop");
    return y;
  });
  const std::string expected = "late tensor(2.)\nsame\nsame\ni tensor(0)\ni tensor(1)\nunused tensor(1.)\n";
  EXPECT_EQ(said([&] { f(zeros({2})); }), expected);
  EXPECT_EQ(said([&] { f(zeros({2})); }), expected);
}

TEST(DebugPrint, SpeaksOnceUnderDerivatives) {
  const auto loss = [](const Tensor& x) {
    const Tensor y = scan(
                         [](const Tensor& c, const Tensor& row) {
                           debug::print("row {}", row);
                           return std::make_pair(c * exp(row), row);
                         },
                         ones({}), x)
                         .first;
    debug::print("y {}", y);
    return y * y;
  };
  const std::string once = "row tensor(0.)\nrow tensor(0.)\ny tensor(1.)\n";
  EXPECT_EQ(said([&] { grad(loss)(zeros({2})); }), once);
  EXPECT_EQ(said([&] { jit(value_and_grad(loss))(zeros({2})); }), once);
  EXPECT_EQ(said([&] { grad(grad([&](const Tensor& x) { return loss(reshape(x, {1})); }))(zeros({})); }),
            "row tensor(0.)\ny tensor(1.)\n");
  EXPECT_EQ(said([&] { jvp(loss, zeros({2}), ones({2})); }), once);
  EXPECT_EQ(said([&] {
              Tensor x = zeros({2});
              x.set_requires_grad(true);
              jit(loss)(x).backward();
            }),
            once);
}

TEST(DebugPrint, TheInterpreterSaysTheSameOfLanes) {
  const std::string head = "graph @main(%0: bool[2, 2], %1: f32[2, 2, 2], %2: i64[2, 2]) -> (%2) {\n";
  const auto graph = ir::parse(head +
                               "  print %0, %1, %2 {format = \"{} of {}\", lanes = [2], masked = [1]}\n"
                               "  print %1 {format = \"{}\", lanes = [1], masked = [0]}\n"
                               "  check %0, %0 {message = \"a mask holds\", place = \"\", masked = [1]}\n}\n");
  std::vector<ir::Array> inputs{ir::Array(ir::Type{boolean, {2, 2}}), ir::Array(ir::Type{f32, {2, 2, 2}}),
                                ir::Array(ir::Type{i64, {2, 2}})};
  inputs[0].data = {1, 0, 1, 1};
  for (int k = 0; k < 8; ++k) inputs[1].as<float>()[k] = static_cast<float>(k);
  for (int k = 0; k < 4; ++k) inputs[2].as<int64_t>()[k] = 10 * k;
  const std::string expected =
      "tensor([0., 1.]) of tensor(0)\ntensor([4., 5.]) of tensor(20)\ntensor([6., 7.]) of tensor(30)\n"
      "tensor([[0., 1.],\n        [2., 3.]])\ntensor([[4., 5.],\n        [6., 7.]])\n";
  EXPECT_EQ(said([&] { ir::interpret(*graph, inputs); }), expected);
  EXPECT_EQ(said([&] { runtime::compile(*graph)->run(inputs); }), expected);
  const auto failing = ir::parse(head + "  check %0 {message = \"every lane\", place = \"\", masked = [0]}\n}\n");
  EXPECT_EQ(message_of([&] { runtime::compile(*failing)->run(inputs); }), "every lane");
  EXPECT_EQ(message_of([&] { ir::interpret(*failing, inputs); }), "every lane");
  const auto silent = passes::without_effects(*graph);
  EXPECT_EQ(silent->node_count(), 0u);
}

TEST(Effects, SavedProgramsCheckAndPrint) {
  const std::string folder = temporary_folder("effects");
  constexpr int line = __LINE__ + 3;
  const auto f = jit([](const Tensor& x) {
    debug::print("x = {} {{{}}}", x, 1);
    check(all_of(x > 0), "x is \"positive\"");
    debug::print("after");
    return x + 1;
  });
  aot::save(f, {.name = "speaks", .out = folder, .arguments = {"x"}}, spec({2}, f32));
  const Ran ran = run_shipped(folder, {.text = R"(#include <stdio.h>
#include "speaks.h"
static void captured(const char* text, uint64_t length) { printf("<%.*s>", (int)length, text); }
int main(void) {
  float x[2] = {1, 2}, y[2] = {0, 0};
  const void* in[1] = {x};
  void* out[1] = {y};
  tenon_env env = *tenon_runtime_env();
  int32_t code = speaks_typed(x, y);
  printf("%d %g %g\n", code, y[0], y[1]);
  x[1] = -1;
  code = speaks_typed(x, y);
  printf("%d %s\n", code, speaks_message(code));
  env.print = captured;
  code = speaks_run(in, out, NULL, &env);
  env.struct_size = 56;
  printf(" %d %d\n", code, speaks_run(in, out, NULL, &env));
  return 0;
})",
                                       .objects = {"speaks.o"}});
  std::filesystem::remove_all(folder);
  EXPECT_EQ(ran.status, 0);
  EXPECT_HAS(ran.output, "x = tensor([1., 2.]) {1}\nafter\n0 2 3\nx = tensor([ 1., -1.]) {1}\n1 check failed: ");
  EXPECT_HAS(ran.output, "1 check failed: x is \"positive\" (" + here(line));
  EXPECT_HAS(ran.output, ")\n<x = tensor([ 1., -1.]) {1}\n> 1 -1\n");
}

TEST(Effects, ThreadsDoNotMixTheirLinesOrFailures) {
  const auto f = jit([](const Tensor& x) {
    debug::print("from {}", x);
    check(x[0] < 2, "below two");
    return x + 1;
  });
  std::atomic<int> failed = 0;
  const std::string text = said([&] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        const Tensor x = full({2}, static_cast<float>(t));
        for (int round = 0; round < 50; ++round) failed += message_of([&] { f(x); }) != "no error";
      });
    for (std::thread& t : threads) t.join();
  });
  EXPECT_EQ(failed, 100);
  std::istringstream lines(text);
  std::map<std::string, int> count;
  for (std::string line; std::getline(lines, line);) ++count[line];
  ASSERT_EQ(count.size(), 4u) << text;
  for (const auto& [line, times] : count) EXPECT_EQ(times, 50) << line;
}

TEST(Tape, ASecondDerivativeIsRefusedAndNamesGrad) {
  Tensor x = full({}, 3.f);
  x.set_requires_grad(true);
  (x * x * x).backward();
  EXPECT_HAS(message_of([&] { (x.grad() * x).backward(); }), "tn::grad");
  EXPECT_HAS(message_of([&] { x.grad().backward(); }), "tn::grad");
}

}  // namespace
}  // namespace tenon::testing
