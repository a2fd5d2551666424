// Buffer plans: sharing, writing over an input that dies, donation; and the independent checker, which must see every plan
// that is broken on purpose.
#include <gtest/gtest.h>

#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {
namespace {

using namespace ir;

const Shape wide{64, 64};
constexpr int64_t wide_bytes = 64 * 64 * 4;

struct Chain {  // contractions: each result is a buffer of its own
  GraphBuilder b;
  Value x{&b, b.input({f32, wide})};
  Value times(Value v) { return dot_general(v, x, {}, {}, {1}, {0}); }
  Program program(std::vector<ValueId> outputs, std::vector<std::pair<uint32_t, uint32_t>> donations = {}) {
    Options options;
    options.donations = std::move(donations);
    return build_program(*b.finish(outputs), Target::portable(), options);
  }
};

uint32_t arena_buffer(const Program& p, int which) {
  for (uint32_t b = 0; b < p.buffers.size(); ++b)
    if (p.buffers[b].home == Home::arena && which-- == 0) return b;
  ADD_FAILURE() << "no such buffer";
  return 0;
}

TEST(Buffers, ChainsTakeTurnsInTwoPlaces) {
  Chain c;
  Value v = c.x;
  for (int i = 0; i < 9; ++i) v = c.times(v);
  const Program p = c.program({v.id});
  EXPECT_EQ(p.arena_bytes, 2 * wide_bytes) << p.text();
  EXPECT_TRUE(check_buffers(p).empty());
}

TEST(Buffers, AnElementwiseKernelWritesOverItsDyingInput) {
  Chain c;
  // exp(-> two readers) cannot join a contraction's epilogue of another size; a reduction in between makes a map of its own.
  const Value a = c.times(c.x);
  const Value s = broadcast(reduce(Op::reduce_sum, a, {0}), wide, {1});
  const Value m = a * s;  // a dies here
  const Program p = c.program({c.times(m).id});
  EXPECT_TRUE(check_buffers(p).empty());
  EXPECT_LE(p.arena_bytes, wide_bytes + 64 * 4 + 64) << p.text();
}

TEST(Buffers, ReshapesShareMemory) {
  Chain c;
  const Value a = c.times(c.x);
  const Value flat = reshape(a, Shape{64 * 64});
  const Program p = c.program({flat.id});
  EXPECT_EQ(p.arena_bytes, 0) << p.text();
  EXPECT_EQ(p.steps.size(), 1u);
  Chain d;  // an input's reshape as an output is a copy
  const Program q = d.program({reshape(d.x, Shape{64 * 64}).id});
  ASSERT_EQ(q.steps.size(), 1u);
  EXPECT_EQ(q.steps[0].kind, StepKind::copy);
}

TEST(Buffers, DonationIsFreeWhenNobodyReadsLater) {
  Chain c;
  const Value sum = c.x + like(c.x, 1);
  const Program p = c.program({sum.id}, {{0, 0}});
  EXPECT_EQ(p.arena_bytes, 0) << p.text();
  EXPECT_EQ(p.steps.size(), 1u);
  EXPECT_TRUE(check_buffers(p).empty());
  Chain d;  // a transposed read would meet what is written: through the arena
  const Program q = d.program({transpose(d.x, {1, 0}).id}, {{0, 0}});
  EXPECT_EQ(q.arena_bytes, wide_bytes) << q.text();
  EXPECT_TRUE(check_buffers(q).empty());
}

TEST(Buffers, WritersOfDonatedMemoryWaitForItsReaders) {
  // A training step in small: w is updated by a gradient, and read by a contraction that comes later in the graph.
  Chain c;
  const Value w{&c.b, c.b.input({f32, wide})};
  const Value updated = w - c.times(neg(c.x)), read = dot_general(c.times(c.times(c.x)), w, {}, {}, {1}, {1});
  const Program p = c.program({updated.id, read.id}, {{1, 0}});
  for (const Step& s : p.steps) EXPECT_EQ(s.kind, StepKind::launch) << p.text();
  EXPECT_TRUE(check_buffers(p).empty());
}

// Rows stored into a buffer, one after the other: the donated buffer is updated where it lies, another is copied once.
Program updates(int count, bool donated, bool read_after = false) {
  GraphBuilder b;
  const Value x{&b, b.input({f32, wide})}, at{&b, b.input({i64, {}})};
  std::vector<Value> rows;
  for (int k = 0; k < count; ++k) rows.push_back({&b, b.input({f32, {1, 64}})});
  Value v = x;
  for (int k = 0; k < count; ++k) {
    const Value starts[] = {at + like(at, k), like(at, 0)};
    v = dynamic_update_slice(v, rows[static_cast<size_t>(k)], starts);
  }
  std::vector<ValueId> outputs{v.id};
  if (read_after) outputs.push_back(reduce(Op::reduce_sum, x, {0}).id);
  Options options;
  if (donated) options.donations = {{0, 0}};
  return build_program(*b.finish(outputs), Target::portable(), options);
}
size_t copies(const Program& p) {
  return static_cast<size_t>(std::count_if(p.steps.begin(), p.steps.end(), [&](const Step& s) {
    return s.kind == StepKind::copy && !copies_onto_itself(p, s);
  }));
}

TEST(Buffers, RowsAreStoredWhereADonatedBufferLies) {
  for (const int count : {1, 2, 5}) {
    const Program p = updates(count, true);
    EXPECT_EQ(copies(p), 0u) << p.text();
    EXPECT_LT(p.arena_bytes, wide_bytes) << p.text();
    EXPECT_EQ(check_buffers(p), std::vector<std::string>{}) << p.text();
    for (const ProgramBuffer& b : p.buffers) EXPECT_FALSE(b.home == Home::arena && b.shape == wide) << p.text();
    for (const Kernel& k : p.kernels)
      for (const KernelBuffer& b : k.buffers) EXPECT_FALSE(b.space == Space::input && b.shape == wide) << p.text();
    const Program r = updates(count, true, true);  // who reads the old content goes first
    EXPECT_EQ(copies(r), 0u) << r.text();
    EXPECT_EQ(check_buffers(r), std::vector<std::string>{}) << r.text();
  }
}

TEST(Buffers, SymbolicProgramsShareSlots) {
  GraphBuilder b;
  const Dim n = b.symbols().add("n");
  const Value x{&b, b.input({f32, Shape{n, n}})};
  Value v = x;
  for (int i = 0; i < 6; ++i) v = dot_general(v, x, {}, {}, {1}, {0});
  const ValueId out[] = {v.id};
  const Program p = build_program(*b.finish(out), Target::portable());
  EXPECT_FALSE(p.is_static);
  uint32_t slots = 0;
  for (const ProgramBuffer& buffer : p.buffers)
    if (buffer.home == Home::arena) slots = std::max(slots, buffer.arena_slot + 1);
  EXPECT_EQ(slots, 2u) << p.text();
  EXPECT_TRUE(check_buffers(p).empty());
}

// ---- the checker against broken plans

Program sound() {
  Chain c;
  const Value a = c.times(c.x), b = c.times(a);
  return c.program({(c.times(b) + a).id});
}

TEST(CheckBuffers, SeesOverlap) {
  Program p = sound();
  ASSERT_TRUE(check_buffers(p).empty()) << p.text();
  p.buffers[arena_buffer(p, 1)].offset = p.buffers[arena_buffer(p, 0)].offset;
  EXPECT_FALSE(check_buffers(p).empty());
}

TEST(CheckBuffers, SeesPartialOverlap) {
  Program p = sound();
  p.buffers[arena_buffer(p, 1)].offset = p.buffers[arena_buffer(p, 0)].offset + wide_bytes - 4;
  p.arena_bytes = 3 * wide_bytes;
  EXPECT_FALSE(check_buffers(p).empty());
}

TEST(CheckBuffers, SeesWhatEndsBehindTheArena) {
  Program p = sound();
  p.arena_bytes -= 64;
  EXPECT_FALSE(check_buffers(p).empty());
}

TEST(CheckBuffers, SeesReadsBeforeWrites) {
  Program p = sound();
  std::swap(p.steps[0], p.steps[1]);
  EXPECT_FALSE(check_buffers(p).empty());
}

TEST(CheckBuffers, SeesDonationThatIsReadAgain) {
  Chain c;
  const Value y = c.x + like(c.x, 1);
  Program p = c.program({y.id, c.times(c.times(y)).id});
  p.aliases.emplace_back(0, 0);  // never settled by the planner: x is read after y was written
  EXPECT_FALSE(check_buffers(p).empty()) << p.text();
}

TEST(CheckBuffers, SeesWhatTheNextIterationMeets) {
  GraphBuilder b;
  const Value start{&b, b.input({f32, wide})};
  GraphBuilder body("body");
  const Value c{&body, body.input({f32, wide})};
  const Value next = dot_general(exp(c), c, {}, {}, {1}, {0});
  const ValueId out[] = {next.id};
  const Value operands[] = {start};
  const std::vector<Value> r = apply(b, Op::scan, operands,
                                     {Attr::of(body.finish(out)), Attr::of(std::vector<Dim>{5}),
                                      Attr::of(std::vector<int64_t>{0, 1}), Attr::of(std::vector<int64_t>{0})});
  const ValueId ids[] = {r[0].id};
  Program p = build_program(*b.finish(ids), Target::portable());
  ASSERT_TRUE(check_buffers(p).empty()) << p.text();
  // The buffer of the body's intermediate value moves onto the carry's: fine for one iteration's writes, not for its reads.
  for (ProgramBuffer& buffer : p.buffers)
    if (buffer.home == Home::arena) buffer.offset = 0;
  EXPECT_FALSE(check_buffers(p).empty()) << p.text();
}

}  // namespace
}  // namespace tenon::passes
