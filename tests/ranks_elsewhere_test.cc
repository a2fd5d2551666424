// What the engine of ranks does for who moves elements himself: ranks agree and nothing moves, somebody looks after them meanwhile, and
// what is kept for a rank goes with it.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <mutex>

#include "tenon/tests/ranks_world.h"

namespace tenon::testing {
namespace {

tenon_collective agreement(int kind, int number) {
  GroupRequest r;
  r.kind = kind, r.size = 2, r.count = 9;
  if (kind == TENON_PERMUTE) r.pairs = {0, 1};
  if (kind == TENON_EXCHANGE) r.to = {1, -1}, r.from = {-1, 0};
  static const int32_t pair[] = {0, 1};
  tenon_collective c = r.of(number);
  if (kind == TENON_PERMUTE) c.pairs = pair;
  c.moved_by = TENON_MOVED_BY_NCCL;
  return c;
}

TEST(RanksElsewhere, AgreeAndMoveNothing) {
  simulate(2, [](const tenon_ranks* ranks) {
    for (int kind = TENON_ALL_REDUCE; kind < TENON_BARRIER; ++kind) {
      const tenon_collective c = agreement(kind, ranks->rank);
      EXPECT_EQ(tenon_ranks_run(ranks, &c, nullptr, nullptr), TENON_OK) << kind << ": " << ranks->message(ranks->world);
    }
  });
}

TEST(RanksElsewhere, WhoMovesOtherwiseIsNamed) {
  std::mutex lock;
  int named = 0;
  simulate(2, [&](const tenon_ranks* ranks) {
    tenon_collective c = agreement(TENON_ALL_GATHER, ranks->rank);
    if (ranks->rank == 1) c.moved_by = 0;
    Bytes in(36), out(72);
    EXPECT_EQ(tenon_ranks_run(ranks, &c, in.data(), out.data()), TENON_RANKS_FAILED);
    const std::lock_guard hold(lock);
    named += std::string(ranks->message(ranks->world)).find("move elements by different ways") != std::string::npos;
  });
  EXPECT_EQ(named, 2);
}

TEST(RanksElsewhere, ADescriptionWithoutTheFieldMovesElementsAndAWrongOneIsRefused) {
  simulate(2, [&](const tenon_ranks* ranks) {
    tenon_collective c = agreement(TENON_ALL_GATHER, ranks->rank);
    c.struct_size = offsetof(tenon_collective, moved_by);
    Bytes in(36, static_cast<unsigned char>(ranks->rank + 1)), out(72);
    EXPECT_EQ(tenon_ranks_run(ranks, &c, in.data(), out.data()), TENON_OK);
    EXPECT_EQ(out[0], 1);
    EXPECT_EQ(out[71], 2);
  });
  simulate(2, [&](const tenon_ranks* ranks) {
    tenon_collective c = agreement(TENON_ALL_GATHER, ranks->rank);
    c.moved_by = 7;
    EXPECT_EQ(tenon_ranks_run(ranks, &c, nullptr, nullptr), TENON_RANKS_FAILED);
    EXPECT_NE(std::string(ranks->message(ranks->world)).find("no such way to move"), std::string::npos);
  });
}

TEST(RanksElsewhere, WatchingFindsTheTimeOver) {
  std::atomic<bool> agreed{false};
  simulate(2, [&](const tenon_ranks* ranks) {
    ranks->set_timeout(ranks->world, 3);
    const tenon_collective c = agreement(TENON_ALL_GATHER, ranks->rank);
    EXPECT_EQ(tenon_ranks_run(ranks, &c, nullptr, nullptr), TENON_OK);
    if (ranks->rank == 1) {  // is there, and fails with rank 0
      agreed = true;
      const tenon_collective after = agreement(TENON_ALL_GATHER, ranks->rank);
      EXPECT_EQ(tenon_ranks_run(ranks, &after, nullptr, nullptr), TENON_RANKS_FAILED);
      return;
    }
    do EXPECT_EQ(ranks->watch(ranks->world, &c, 0.5), TENON_OK);
    while (!agreed);
    EXPECT_EQ(ranks->watch(ranks->world, &c, 3.5), TENON_RANKS_FAILED);
    const std::string said = ranks->message(ranks->world);
    EXPECT_NE(said.find("all_gather of 9 f32 over 2 ranks"), std::string::npos) << said;
    EXPECT_NE(said.find("did not end within 3 s on rank 0"), std::string::npos) << said;
  });
}

struct Counted {
  tenon_kept kept;
  int* dropped;
};

void keep(const tenon_ranks* ranks, int* dropped) {
  auto* c = new Counted{{*ranks->kept(ranks->world), nullptr, nullptr}, dropped};
  c->kept.drop = [](tenon_kept* kept) {
    auto* counted = reinterpret_cast<Counted*>(kept);
    ++*counted->dropped;
    delete counted;
  };
  *ranks->kept(ranks->world) = &c->kept;
}

TEST(RanksElsewhere, WhatIsKeptGoesWhenTheRankLeavesOrTheWorldIsClosed) {
  int dropped = 0;
  tenon_simulated* world = tenon_simulated_open(2);
  for (int r = 0; r < 2; ++r)
    for (int k = 0; k < 3; ++k) keep(tenon_simulated_rank(world, r), &dropped);
  const tenon_ranks* first = tenon_simulated_rank(world, 0);
  first->leave(first->world);
  EXPECT_EQ(dropped, 3);
  tenon_simulated_close(world);
  EXPECT_EQ(dropped, 6);
}

}  // namespace
}  // namespace tenon::testing
