// Collectives in a simulated world of threads: every kind, dtype and way of combining gives the bits of a plain loop over the tree, for
// small elements and large ones, in groups along the axes of a mesh, with several pending at once.
#include <gtest/gtest.h>

#include <atomic>

#include "tenon/tests/ranks_world.h"

namespace tenon::testing {
namespace {

// A request in every group of a world, with the elements of every rank.
struct Round {
  GroupRequest request;
  std::vector<Bytes> in, out;  // by rank of the world
  void draw(int world, std::mt19937_64& random) {
    in.assign(static_cast<size_t>(world), {});
    out.assign(static_cast<size_t>(world), {});
    for (Bytes& one : in) one = random_elements(request.dtype, request.in_bytes(), random);
    for (int base = 0; base < world; ++base) {
      if (number_in_group(request, base) != 0) continue;
      std::vector<Bytes> group;
      for (int k = 0; k < request.size; ++k) group.push_back(in[static_cast<size_t>(base + k * request.stride)]);
      std::vector<Bytes> results = expected(request, group);
      for (int k = 0; k < request.size; ++k)
        out[static_cast<size_t>(base + k * request.stride)] = results[static_cast<size_t>(k)];
    }
  }
};

// Where elements lie that a collective reads or writes: aligned, and never null.
struct Elements {
  explicit Elements(size_t bytes) : words((bytes + 15) / 8, 0x5555555555555555) {}
  std::vector<uint64_t> words;
  void* data() { return words.data(); }
  Bytes bytes(size_t count) const {
    Bytes out(count);
    if (count) std::memcpy(out.data(), words.data(), count);
    return out;
  }
};

struct Begun {
  const Round* round;
  Elements in, out;
  void* pending = nullptr;
  explicit Begun(const Round& r, int rank) : round(&r), in(r.request.in_bytes()), out(r.request.out_bytes()) {
    const Bytes& mine = r.in[static_cast<size_t>(rank)];
    if (!mine.empty()) std::memcpy(in.data(), mine.data(), mine.size());
  }
  int32_t start(const tenon_ranks* ranks) {
    const tenon_collective what = round->request.of(number_in_group(round->request, ranks->rank));
    return ranks->start(ranks->world, &what, in.data(), out.data(), &pending);
  }
  int32_t finish(const tenon_ranks* ranks) { return pending ? ranks->finish(ranks->world, pending) : 0; }
  void check(int rank) const {
    EXPECT_TRUE(same_elements(round->request.dtype, out.bytes(round->request.out_bytes()),
                              round->out[static_cast<size_t>(rank)]))
        << round->request.name() << " on rank " << rank;
  }
};

void run_rounds(int world, const std::vector<Round>& rounds) {
  simulate(world, [&](const tenon_ranks* ranks) {
    for (const Round& round : rounds) {
      Begun one(round, ranks->rank);
      ASSERT_EQ(one.start(ranks), 0) << ranks->message(ranks->world);
      ASSERT_EQ(one.finish(ranks), 0) << ranks->message(ranks->world);
      one.check(ranks->rank);
    }
  });
}

std::vector<GroupRequest> every_kind(int dtype, int64_t count) {
  std::vector<GroupRequest> all;
  GroupRequest r;
  r.dtype = dtype, r.count = count;
  for (r.kind = 0; r.kind <= TENON_BARRIER; ++r.kind)
    for (r.combine = 0; r.combine < (r.kind == TENON_ALL_REDUCE || r.kind == TENON_REDUCE_SCATTER ? 4 : 1); ++r.combine)
      all.push_back(r);
  return all;
}

class Sizes : public ::testing::TestWithParam<int> {};

TEST_P(Sizes, EveryKindDtypeAndCombineGivesTheBitsOfTheTree) {
  const Deadline deadline(300);
  const int world = GetParam();
  std::mt19937_64 random(static_cast<uint64_t>(world));
  std::vector<Round> rounds;
  for (int dtype = 0; dtype < dtype_count; ++dtype)
    for (int64_t count : {int64_t{5}, static_cast<int64_t>(40000 / dtype_bytes[dtype])})
      for (GroupRequest& r : every_kind(dtype, count)) {
        r.size = world;
        draw_partners(r, random);
        rounds.emplace_back().request = r;
        rounds.back().draw(world, random);
      }
  run_rounds(world, rounds);
}

TEST_P(Sizes, EmptySingleAndLong) {
  const Deadline deadline(300);
  const int world = GetParam();
  std::mt19937_64 random(static_cast<uint64_t>(world) + 100);
  std::vector<Round> rounds;
  for (int64_t count : {0, 1, 1023, 300001})
    for (GroupRequest& r : every_kind(11, count)) {
      if (count > 2000 && r.combine != TENON_SUM) continue;
      if (count > 2000 && (r.several_in() || r.several_out())) r.count = 70001;
      r.size = world;
      draw_partners(r, random);
      rounds.emplace_back().request = r;
      rounds.back().draw(world, random);
    }
  run_rounds(world, rounds);
}

INSTANTIATE_TEST_SUITE_P(Worlds, Sizes, ::testing::Values(1, 2, 3, 4, 5, 8));

// Starts some, finishes them in another order on every rank.
void run_pending(int world, const std::vector<Round>& rounds, uint64_t seed) {
  simulate(world, [&](const tenon_ranks* ranks) {
    std::mt19937_64 random(seed + static_cast<uint64_t>(ranks->rank));
    std::vector<std::unique_ptr<Begun>> begun;
    for (const Round& round : rounds) {
      begun.push_back(std::make_unique<Begun>(round, ranks->rank));
      ASSERT_EQ(begun.back()->start(ranks), 0) << ranks->message(ranks->world);
      if (random() % 3 == 0) ranks->progress(ranks->world);
    }
    std::shuffle(begun.begin(), begun.end(), random);
    for (const auto& one : begun) {
      ASSERT_EQ(one->finish(ranks), 0) << ranks->message(ranks->world);
      one->check(ranks->rank);
    }
  });
}

GroupRequest random_request(const std::vector<int>& mesh, std::mt19937_64& random) {
  GroupRequest r;
  r.kind = static_cast<int>(random() % 8);
  r.combine = static_cast<int>(random() % 4);
  r.dtype = static_cast<int>(random() % dtype_count);
  r.count = std::vector<int64_t>{0, 1, 7, 200, 5000, 30000}[random() % 6];
  // Neighbouring axes of the mesh, the whole of it among them.
  const size_t first = random() % mesh.size(), last = first + random() % (mesh.size() - first);
  for (size_t axis = first; axis <= last; ++axis) r.size *= mesh[axis];
  for (size_t axis = last + 1; axis < mesh.size(); ++axis) r.stride *= mesh[axis];
  draw_partners(r, random);
  return r;
}

TEST(Ranks, RandomSequencesOverRandomMeshes) {
  const Deadline deadline(300);
  const std::vector<std::vector<int>> meshes = {{1},    {2},       {3},    {2, 2},    {2, 3},
                                                {3, 2}, {2, 2, 2}, {4, 2}, {2, 1, 3}, {7}};
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    const std::vector<int>& mesh = meshes[random() % meshes.size()];
    int world = 1;
    for (int extent : mesh) world *= extent;
    std::vector<Round> rounds(1 + random() % 7);
    for (Round& round : rounds) {
      round.request = random_request(mesh, random);
      round.draw(world, random);
    }
    run_pending(world, rounds, seed);
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

// Ranks of one row do one thing while those of another do something else, in different orders.
TEST(Ranks, GroupsOfAMeshGoOnAtOnce) {
  const Deadline deadline(60);
  for (const auto& [rows, columns] : {std::pair{2, 2}, std::pair{2, 3}}) {
    std::mt19937_64 random(5);
    std::vector<Round> rounds;
    for (int64_t count : {3, 20000})
      for (GroupRequest& r : every_kind(11, count)) {
        for (const bool by_row : {false, true}) {
          r.size = by_row ? columns : rows;
          r.stride = by_row ? 1 : columns;
          draw_partners(r, random);
          rounds.emplace_back().request = r;
          rounds.back().draw(rows * columns, random);
        }
      }
    run_pending(rows * columns, rounds, 1);
  }
}

// Groups of one class that share no rank need not keep pace.
TEST(Ranks, OneGroupRunsAhead) {
  const Deadline deadline(60);
  std::atomic<int> ended{0};
  simulate(4, [&](const tenon_ranks* ranks) {
    GroupRequest r;
    r.size = 2, r.count = 1;
    const bool late = ranks->rank >= 2;
    while (late && ended != 2) std::this_thread::yield();
    for (int k = 0; k < 100; ++k) {
      const float one = 1;
      float sum = 0;
      const tenon_collective what = r.of(number_in_group(r, ranks->rank));
      ASSERT_EQ(tenon_ranks_run(ranks, &what, &one, &sum), 0);
      ASSERT_EQ(sum, 2);
    }
    if (!late) ++ended;
  });
}

TEST(Ranks, AWorldOfOneCopies) {
  const tenon_ranks* alone = tenon_ranks_alone();
  EXPECT_EQ(alone->rank, 0);
  EXPECT_EQ(alone->size, 1);
  std::mt19937_64 random(1);
  for (GroupRequest& r : every_kind(12, 9)) {
    draw_partners(r, random);
    Round round{r, {}, {}};
    round.draw(1, random);
    Begun one(round, 0);
    ASSERT_EQ(one.start(alone), 0) << alone->message(alone->world);
    ASSERT_EQ(one.finish(alone), 0);
    one.check(0);
  }
  GroupRequest two;
  two.size = 2;
  const tenon_collective what = two.of(0);
  EXPECT_EQ(tenon_ranks_run(alone, &what, nullptr, nullptr), TENON_RANKS_FAILED);
  EXPECT_NE(std::string(alone->message(alone->world)), "");
}

// Rounded once, at the end: 1 + 2^-9 + 2^-9 in bf16 would be 1 if each sum were rounded.
TEST(Ranks, HalvesAreRoundedOnce) {
  simulate(3, [&](const tenon_ranks* ranks) {
    GroupRequest r;
    r.size = 3, r.count = 1, r.dtype = 10;
    const uint16_t values[] = {0x3b80, 0x3b80, 0x3f80};  // 2^-8, 2^-8, 1
    uint16_t sum = 0;
    const tenon_collective what = r.of(ranks->rank);
    ASSERT_EQ(tenon_ranks_run(ranks, &what, &values[ranks->rank], &sum), 0);
    EXPECT_EQ(sum, 0x3f81);
  });
}

TEST(Ranks, AllHalvesConvertAsTheProjectHasThem) {
  simulate(2, [&](const tenon_ranks* ranks) {
    for (int dtype : {9, 10}) {
      Round round;
      round.request.dtype = dtype, round.request.size = 2, round.request.count = 65536;
      for (const int combine : {TENON_MAX, TENON_PROD}) {
        round.request.combine = combine;
        round.in.assign(2, Bytes(2 * 65536));
        for (int k = 0; k < 65536; ++k) {
          const uint16_t all = static_cast<uint16_t>(k), other = static_cast<uint16_t>(k * 40503);
          std::memcpy(&round.in[0][2 * static_cast<size_t>(k)], &all, 2);
          std::memcpy(&round.in[1][2 * static_cast<size_t>(k)], combine == TENON_MAX ? &all : &other, 2);
        }
        round.out = expected(round.request, round.in);
        Begun one(round, ranks->rank);
        ASSERT_EQ(one.start(ranks), 0);
        ASSERT_EQ(one.finish(ranks), 0);
        one.check(ranks->rank);
      }
    }
  });
}

TEST(Ranks, ManyRanks) {
  const Deadline deadline(60);
  std::mt19937_64 random(9);
  std::vector<Round> rounds;
  for (int64_t count : {2, 700})
    for (GroupRequest& r : every_kind(11, count)) {
      r.size = 33;
      draw_partners(r, random);
      rounds.emplace_back().request = r;
      rounds.back().draw(33, random);
    }
  run_rounds(33, rounds);
  EXPECT_EQ(tenon_simulated_open(0), nullptr);
  EXPECT_EQ(tenon_simulated_open(4097), nullptr);
}

// 64 ranks reduce by halves: rows that they do not divide, shorter than the ranks and longer than a message, in groups of a mesh too.
TEST(Ranks, ManyRanksReduceByHalves) {
  const Deadline deadline(60);
  std::mt19937_64 random(10);
  const auto rounds = [&](int world, int stride, const std::vector<std::pair<int, int64_t>>& rows) {
    std::vector<Round> all;
    for (const auto& [dtype, count] : rows) {
      all.emplace_back();
      GroupRequest& r = all.back().request;
      r.size = 64, r.stride = stride, r.dtype = dtype, r.count = count;
      r.combine = static_cast<int>(all.size()) % 4;
      all.back().draw(world, random);
    }
    return all;
  };
  const int bf16 = 10, f32 = 11, f64 = 12, u8 = 5;
  run_rounds(64, rounds(64, 1, {{f32, 300}, {f32, 4099}, {f64, 70001}, {u8, 1025}, {bf16, 4099}, {f32, 16384}}));
  run_pending(128, rounds(128, 2, {{f32, 301}, {f64, 999}, {f32, 5000}}), 3);
}

// Large ones on one channel, all begun before any is ended: each brings what was sent in its turn.
TEST(Ranks, ExchangesThatAreOpenAtOnceKeepTheirOrder) {
  constexpr int open = 8;
  constexpr size_t count = 40000;
  GroupRequest r;
  r.kind = TENON_EXCHANGE, r.size = 2, r.count = count, r.to = {1, -1}, r.from = {-1, 0};
  for (int round = 0; round < 20; ++round)
    simulate(2, [&](const tenon_ranks* ranks) {
      std::vector<std::vector<float>> in(open), out(open, std::vector<float>(count));
      void* pending[open] = {};
      const tenon_collective c = r.of(ranks->rank);
      for (int k = 0; k < open; ++k) {
        in[static_cast<size_t>(k)].assign(count, static_cast<float>(k));
        EXPECT_EQ(ranks->start(ranks->world, &c, in[static_cast<size_t>(k)].data(), out[static_cast<size_t>(k)].data(),
                               &pending[k]),
                  TENON_OK);
      }
      for (int k = 0; k < open; ++k) {
        EXPECT_EQ(ranks->finish(ranks->world, pending[k]), TENON_OK);
        if (ranks->rank == 0) continue;
        EXPECT_TRUE(out[static_cast<size_t>(k)] == in[static_cast<size_t>(k)]) << k << " of round " << round;
      }
    });
}

}  // namespace
}  // namespace tenon::testing
