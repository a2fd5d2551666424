// The entry point rendered through LLVM: misuse, bounds of extents, arena offsets, constants, loops with carries, branches,
// custom calls, parts, and the caller's floating-point environment.
#include <gtest/gtest.h>

#include <xmmintrin.h>
#include "tenon/runtime/tenon_ranks.h"

#include <cstddef>
#include <numeric>
#include <thread>

#include "tenon/ir/base/error.h"
#include "tenon/tests/compiled.h"

namespace tenon::testing {
namespace {

using ir::Home;
using ir::Program;
using ir::ProgramBuffer;
using ir::Step;
using ir::StepKind;

// The offsets that codegen/llvm/program.cc writes down.
static_assert(offsetof(tenon_call, inputs) == 8 && offsetof(tenon_call, outputs) == 16 &&
              offsetof(tenon_call, arena) == 24 && offsetof(tenon_call, dims) == 32 &&
              offsetof(tenon_call, env) == 40 && offsetof(tenon_call, error) == 48 && sizeof(tenon_call) == 56);
static_assert(offsetof(tenon_env, pool) == 8 && offsetof(tenon_env, parallel_for) == 16 &&
              offsetof(tenon_env, threads) == 32 && offsetof(tenon_env, call_custom) == 40 &&
              offsetof(tenon_env, custom_context) == 48 && offsetof(tenon_env, print_line) == 56 &&
              offsetof(tenon_env, ranks) == 64 && sizeof(tenon_env) == 72);
static_assert(offsetof(tenon_ranks, world) == 8 && offsetof(tenon_ranks, rank) == 16 &&
              offsetof(tenon_ranks, start) == 24 && offsetof(tenon_ranks, finish) == 32 &&
              offsetof(tenon_ranks, progress) == 40);
static_assert(offsetof(tenon_collective, kind) == 8 && offsetof(tenon_collective, combine) == 12 &&
              offsetof(tenon_collective, dtype) == 16 && offsetof(tenon_collective, size) == 20 &&
              offsetof(tenon_collective, stride) == 24 && offsetof(tenon_collective, root) == 28 &&
              offsetof(tenon_collective, to) == 32 && offsetof(tenon_collective, from) == 36 &&
              offsetof(tenon_collective, count) == 40 && offsetof(tenon_collective, pairs) == 48 &&
              offsetof(tenon_collective, pair_count) == 56 && offsetof(tenon_collective, digest) == 64 &&
              offsetof(tenon_collective, where) == 72 && offsetof(tenon_collective, moved_by) == 80);
static_assert(offsetof(tenon_printed, rank) == 4 && offsetof(tenon_printed, extents) == 8 &&
              offsetof(tenon_printed, data) == 16 && sizeof(tenon_printed) == 24);
static_assert(offsetof(tenon_error, node) == 4 && offsetof(tenon_error, values) == 8);
static_assert(TENON_BAD_CALL == -1 && TENON_BAD_EXTENT == -3);

uint32_t add_buffer(Program& p, DType t, const Shape& shape, Home home, uint32_t slot = 0, int64_t offset = -1) {
  ProgramBuffer b;
  b.dtype = t;
  b.shape = shape;
  b.home = home;
  b.slot = slot;
  b.offset = offset;
  if (home == Home::arena) b.arena_slot = slot;
  if (home == Home::input) p.inputs.push_back({t, shape});
  if (home == Home::output) p.outputs.push_back({t, shape});
  p.buffers.push_back(b);
  return static_cast<uint32_t>(p.buffers.size() - 1);
}

Step launch(uint32_t kernel, std::vector<uint32_t> buffers) {
  Step s;
  s.kernel = kernel;
  for (uint32_t b : buffers) s.operands.push_back({b, -1, false, 0});
  return s;
}

Step copy(uint32_t from, uint32_t to) {
  Step s = launch(0, {from, to});
  s.kind = StepKind::copy;
  return s;
}

// z = x + y over n elements.
ir::Kernel adder(std::shared_ptr<Symbols> symbols, Dim n) {
  ir::KernelBuilder b("add", std::move(symbols));
  const auto x = b.buffer("x", f32, Shape{n}, ir::Space::input), y = b.buffer("y", f32, Shape{n}, ir::Space::input);
  const auto z = b.buffer("z", f32, Shape{n}, ir::Space::output);
  const auto i = b.open_loop(ir::LoopKind::vector, b.extent(n))[0];
  const ir::ScalarId operands[] = {b.load(x, std::span(&i, 1)), b.load(y, std::span(&i, 1))};
  b.store(z, std::span(&i, 1), b.scalar(ir::Op::add, operands));
  b.close_loop();
  return b.finish();
}

TEST(LlvmProgram, SymbolicArenaAndMisuse) {
  Program p;
  const Dim n = p.symbols->add("n", 1, 1000);
  p.is_static = false;
  p.kernels.push_back(adder(p.symbols, n));
  const uint32_t x = add_buffer(p, f32, {n}, Home::input), y = add_buffer(p, f32, {n}, Home::output);
  const uint32_t a = add_buffer(p, f32, {n}, Home::arena, 0), b = add_buffer(p, f32, {n}, Home::arena, 1);
  p.steps = {launch(0, {x, x, a}), launch(0, {a, x, b}), launch(0, {a, b, y})};  // 2x, 3x, 5x
  Compiled code(p);
  for (int64_t size : {1, 15, 17, 100}) {
    EXPECT_EQ(code.linked().arena_bytes(&size), 2 * ((4 * size + 63) / 64 * 64));
    std::vector<float> in(size), out(size);
    std::iota(in.begin(), in.end(), 1.f);
    ASSERT_EQ(code.run({in.data()}, {out.data()}, {size}), 0);
    for (int64_t i = 0; i < size; ++i) ASSERT_EQ(out[i], 5 * in[i]);
  }
  float one = 1;
  EXPECT_EQ(code.run({&one}, {&one}, {0}), TENON_BAD_EXTENT);
  EXPECT_EQ(code.run({&one}, {&one}, {1001}), TENON_BAD_EXTENT);
  EXPECT_EQ(code.run({nullptr}, {&one}, {1}), TENON_BAD_CALL);
  EXPECT_EQ(code.run({&one}, {nullptr}, {1}), TENON_BAD_CALL);
  EXPECT_EQ(code.linked().entry(nullptr), TENON_BAD_CALL);
  tenon_call call{};
  EXPECT_EQ(code.linked().entry(&call), TENON_BAD_CALL);
  const void* inputs[] = {&one};
  void* outputs[] = {&one};
  int64_t dims[] = {1};
  tenon_error error{};
  tenon_env env{};
  env.struct_size = sizeof env;
  env.threads = 1;
  call = {sizeof call, inputs, outputs, nullptr, dims, &env, &error};
  EXPECT_EQ(code.linked().entry(&call), TENON_BAD_CALL) << "no arena";
  EXPECT_EQ(error.code, TENON_BAD_CALL);
  EXPECT_EQ(error.node, -1);
}

TEST(LlvmProgram, ConstantsAndParts) {
  Program p;
  for (int k = 0; k < 5; ++k) p.kernels.push_back(adder(p.symbols, 6));
  const uint32_t x = add_buffer(p, f32, {6}, Home::input), y = add_buffer(p, f32, {6}, Home::output);
  const uint32_t c = add_buffer(p, f32, {6}, Home::constant), a = add_buffer(p, f32, {6}, Home::arena, 0, 64);
  p.arena_bytes = 128;
  const float values[] = {1, 2, 3, 4, 5, 6};
  p.constants.emplace_back(reinterpret_cast<const char*>(values), sizeof values);
  p.steps = {launch(0, {x, c, a}), launch(1, {a, c, a}), launch(2, {a, c, a}), launch(3, {a, c, a}),
             launch(4, {a, c, y})};
  for (int parts : {1, 2, 9}) {
    Compiled code(p, codegen::host_target(), parts);
    EXPECT_EQ(code.objects().size(), static_cast<size_t>(std::min(parts, 5)));
    float in[6] = {10, 20, 30, 40, 50, 60}, out[6];
    ASSERT_EQ(code.run({in}, {out}), 0);
    for (int i = 0; i < 6; ++i) EXPECT_EQ(out[i], in[i] + 5 * values[i]);
  }
}

// rows[i] = carry; carry += x, forwards over one output and backwards over another.
TEST(LlvmProgram, CountedLoopAdvancesOperandsAndCarries) {
  for (int64_t size : {3, 200}) {
    Program p;
    p.kernels.push_back(adder(p.symbols, size));
    const uint32_t x = add_buffer(p, f32, {size}, Home::input);
    const uint32_t rows = add_buffer(p, f32, {7, size}, Home::output),
                   back = add_buffer(p, f32, {7, size}, Home::output, 1);
    const uint32_t last = add_buffer(p, f32, {size}, Home::output, 2);
    const uint32_t now = add_buffer(p, f32, {size}, Home::arena, 0, 0),
                   next = add_buffer(p, f32, {size}, Home::arena, 1, 1024);
    p.arena_bytes = 2048;
    Step loop;
    loop.kind = StepKind::loop;
    loop.trip_count = 7;
    Step forward = copy(now, rows), reversed = copy(now, back);
    forward.operands[1] = {rows, 0, false, size};
    reversed.operands[1] = {back, 0, true, size};
    // A copy moves the whole destination buffer: name one row of it.
    const uint32_t row = add_buffer(p, f32, {size}, Home::output, 0),
                   back_row = add_buffer(p, f32, {size}, Home::output, 1);
    p.outputs.resize(3);
    forward.operands[1].buffer = row;
    reversed.operands[1].buffer = back_row;
    loop.body = {forward, reversed, launch(0, {now, x, next})};
    loop.carries = {{now, next}};
    p.steps = {copy(x, now), loop, copy(now, last)};
    Compiled code(p);
    std::vector<float> in(size), out(7 * size), reverse(7 * size), end(size);
    std::iota(in.begin(), in.end(), 1.f);
    ASSERT_EQ(code.run({in.data()}, {out.data(), reverse.data(), end.data()}), 0);
    for (int64_t i = 0; i < 7; ++i)
      for (int64_t j = 0; j < size; ++j) {
        ASSERT_EQ(out[i * size + j], static_cast<float>(i + 1) * in[j]);
        ASSERT_EQ(reverse[(6 - i) * size + j], static_cast<float>(i + 1) * in[j]);
      }
    for (int64_t j = 0; j < size; ++j) ASSERT_EQ(end[j], 8 * in[j]);
  }
}

TEST(LlvmProgram, ConditionalLoopsAndBranches) {
  Program p;
  p.kernels.push_back(ir::parse_kernel(R"(kernel @less(%x: in f32[], %y: in f32[], %p: out bool[]) {
  %0 = load %x[]
  %1 = load %y[]
  %2 = lt %0, %1
  store %p[], %2
})"));
  p.kernels.push_back(ir::parse_kernel(R"(kernel @double(%x: in f32[], %y: out f32[]) {
  %0 = load %x[]
  %1 = add %0, %0
  store %y[], %1
})"));
  const uint32_t x = add_buffer(p, f32, {}, Home::input), limit = add_buffer(p, f32, {}, Home::input, 1);
  const uint32_t y = add_buffer(p, f32, {}, Home::output);
  const uint32_t go = add_buffer(p, boolean, {}, Home::arena, 0, 0), now = add_buffer(p, f32, {}, Home::arena, 1, 64);
  const uint32_t next = add_buffer(p, f32, {}, Home::arena, 2, 128);
  p.arena_bytes = 192;
  Step loop = launch(0, {go});
  loop.kind = StepKind::loop;
  loop.condition = {launch(0, {now, limit, go})};
  loop.body = {launch(1, {now, next})};
  loop.carries = {{now, next}};
  Step branch = launch(0, {go});
  branch.kind = StepKind::branch;
  branch.body = {loop, copy(now, y)};
  branch.otherwise = {copy(limit, y)};
  p.steps = {copy(x, now), launch(0, {x, limit, go}), branch};
  Compiled code(p);
  float start = 1, end = 100, out = 0;
  ASSERT_EQ(code.run({&start, &end}, {&out}), 0);
  EXPECT_EQ(out, 128);
  start = 500;
  ASSERT_EQ(code.run({&start, &end}, {&out}), 0);
  EXPECT_EQ(out, 100);
}

// The code generator is set up once per thread: what it compiled before must not show.
TEST(LlvmProgram, ObjectsDoNotDependOnWhatWasCompiledBefore) {
  const auto program = [](int64_t n) {
    Program p;
    p.kernels.push_back(adder(p.symbols, n));
    const uint32_t x = add_buffer(p, f32, {n}, Home::input), y = add_buffer(p, f32, {n}, Home::output);
    p.steps = {launch(0, {x, x, y})};
    return p;
  };
  codegen::Options apart{"same", 1};
  apart.entry_apart = true;
  const auto compile = [&](int64_t n) { return codegen::compile_objects(program(n), codegen::host_target(), apart); };
  std::vector<std::string> fresh;
  std::thread([&] { fresh = compile(21); }).join();
  static_cast<void>(compile(300));
  static_cast<void>(codegen::compile_objects(program(5), Target::portable(), {"other", 1}));
  EXPECT_EQ(compile(21), fresh);
  EXPECT_NE(compile(22), fresh);
}

TEST(LlvmProgram, ObjectsRefuseUnknownSymbols) {
  Program p;
  const uint32_t x = add_buffer(p, f32, {4}, Home::input), y = add_buffer(p, f32, {4}, Home::output);
  Step custom = launch(0, {x, y});
  custom.kind = StepKind::custom;
  custom.custom = "test_custom";
  custom.outputs = 1;
  p.steps = {custom};
  const auto objects = codegen::compile_objects(p, codegen::host_target(), {"named", 1});
  static void* resolved = nullptr;
  const auto allocate = [](uint64_t bytes, uint64_t) -> codegen::CodeSpan {
    void* memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    return {memory, memory, bytes, nullptr};
  };
  const auto release = [](const codegen::CodeSpan& span) { std::free(span.writable); };
  EXPECT_THROW(codegen::link_objects(objects, "named", {allocate, release, nullptr}), Error);
  resolved = &resolved;
  const auto linked =
      codegen::link_objects(objects, "named", {allocate, release, [](const char*) { return resolved; }});
  EXPECT_NE(linked.entry, nullptr);
  release(linked.code);
}

TEST(LlvmProgram, LeavesTheFloatingPointEnvironmentAlone) {
  Program p;
  p.kernels.push_back(adder(p.symbols, 20));
  const uint32_t x = add_buffer(p, f32, {20}, Home::input), y = add_buffer(p, f32, {20}, Home::output);
  p.steps = {launch(0, {x, x, y})};
  Compiled code(p);
  const uint32_t saved = _mm_getcsr();
  const uint32_t odd = 0x1f80 | 0x8040 | 0x6000;  // flush to zero, denormals are zero, round toward zero
  std::vector<float> in(20, 1e-40f), out(20);
  _mm_setcsr(odd);
  const int32_t code_result = code.run({in.data()}, {out.data()});
  const uint32_t after = _mm_getcsr();
  _mm_setcsr(saved);
  EXPECT_EQ(code_result, 0);
  EXPECT_EQ(after, odd);
  for (float v : out) EXPECT_EQ(v, in[0] + in[0]);
  EXPECT_GT(out[0], 0.f);
}

}  // namespace
}  // namespace tenon::testing
