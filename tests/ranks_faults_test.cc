// What goes wrong among ranks: one that fails, ends, hangs, does something else or runs another program makes every other one's
// collective fail, soon, with a message that names it; afterwards the world stays failed, and nothing hangs or leaks.
#include <gmock/gmock-matchers.h>
#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <mutex>

#include "tenon/tests/ranks_inside.h"
#include "tenon/tests/ranks_world.h"

namespace tenon::testing {
namespace {

using ::testing::HasSubstr;

GroupRequest request(int kind, int size, int64_t count, int dtype = 11) {
  GroupRequest r;
  r.kind = kind, r.size = size, r.count = count, r.dtype = dtype;
  r.to.assign(static_cast<size_t>(size), -1);
  r.from = r.to;
  for (int k = 0; k < size; ++k) {
    r.pairs.insert(r.pairs.end(), {k, (k + 1) % size});
    r.to[static_cast<size_t>(k)] = (k + 1) % size;
    r.from[static_cast<size_t>((k + 1) % size)] = k;
  }
  return r;
}

int32_t run(const tenon_ranks* ranks, const GroupRequest& r, const char* where = "", uint64_t digest = 7) {
  std::vector<uint64_t> in(r.in_bytes() / 8 + 1), out(r.out_bytes() / 8 + 1);
  const tenon_collective what = r.of(number_in_group(r, ranks->rank), where, digest);
  return tenon_ranks_run(ranks, &what, in.data(), out.data());
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Outcome {
  std::vector<std::string> messages;  // by rank, empty where nothing failed
  double seconds;
};

// Each rank does what `f` says; a failure is followed by another collective, which fails with the same words.
Outcome outcome(int size, const std::function<int32_t(const tenon_ranks*)>& f, double timeout = 9) {
  const Deadline deadline(60);
  Outcome result;
  result.messages.resize(static_cast<size_t>(size));
  const auto begin = std::chrono::steady_clock::now();
  simulate(size, [&](const tenon_ranks* ranks) {
    ranks->set_timeout(ranks->world, timeout);
    if (f(ranks) == 0) return;
    std::string& message = result.messages[static_cast<size_t>(ranks->rank)];
    message = ranks->message(ranks->world);
    EXPECT_NE(message, "");
    EXPECT_EQ(run(ranks, request(TENON_BARRIER, 1, 0)), TENON_RANKS_FAILED);
    EXPECT_EQ(ranks->message(ranks->world), message);
  });
  result.seconds = seconds_since(begin);
  return result;
}

// Every kind, small and large.
std::vector<GroupRequest> kinds(int size) {
  std::vector<GroupRequest> all;
  for (int kind = 0; kind <= TENON_BARRIER; ++kind)
    for (int64_t count : {4, 200000}) all.push_back(request(kind, size, count));
  return all;
}

TEST(RanksFaults, ARankThatFailsIsNamedByAllOthers) {
  for (const GroupRequest& r : kinds(3)) {
    const Outcome o = outcome(3, [&](const tenon_ranks* ranks) {
      if (run(ranks, r) != 0) return TENON_RANKS_FAILED + 0;
      if (ranks->rank != 2) return run(ranks, r);
      ranks->fail(ranks->world, "no more disk");
      return run(ranks, r);
    });
    for (size_t k = 0; k < o.messages.size(); ++k) {
      if (r.kind == TENON_EXCHANGE && k != 2 && r.from[k] != 2) continue;  // it may have been done before
      EXPECT_EQ(o.messages[k], "rank 2 failed: no more disk") << r.name();
    }
    EXPECT_LT(o.seconds, 5);
  }
}

// In another group than the one that fails.
TEST(RanksFaults, AFailureReachesEveryGroup) {
  const Outcome o = outcome(6, [&](const tenon_ranks* ranks) {
    if (ranks->rank == 5) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      ranks->fail(ranks->world, "boom");
      return 1;
    }
    int32_t code = 0;  // ranks 0 and 1, 2 and 3 go on by themselves; 4 waits for 5
    while (code == 0) code = run(ranks, request(TENON_ALL_REDUCE, 2, 100));
    return code;
  });
  for (const std::string& m : o.messages) EXPECT_EQ(m, "rank 5 failed: boom");
  EXPECT_LT(o.seconds, 5);
}

TEST(RanksFaults, ARankThatEndsIsNamedByWhoeverWaitsForIt) {
  for (const GroupRequest& r : kinds(4)) {
    const Outcome o = outcome(4, [&](const tenon_ranks* ranks) {
      if (run(ranks, r) != 0) return TENON_RANKS_FAILED + 0;
      return ranks->rank == 3 ? 0 : run(ranks, r, "b.cc:7");
    });
    EXPECT_EQ(o.messages[3], "");
    for (int k = 0; k < 3; ++k) {
      if (r.kind == TENON_EXCHANGE && r.from[static_cast<size_t>(k)] != 3) continue;  // nobody else takes part
      EXPECT_THAT(o.messages[static_cast<size_t>(k)], HasSubstr("rank 3 has ended, awaited in "));
      EXPECT_THAT(o.messages[static_cast<size_t>(k)], HasSubstr(kind_names[r.kind]));
    }
    EXPECT_LT(o.seconds, 5);
  }
}

TEST(RanksFaults, ARankThatEndsDisturbsNobodyWhoDoesNotNeedIt) {
  const Outcome o = outcome(4, [&](const tenon_ranks* ranks) {
    for (int k = 0; ranks->rank < 2 && k < 200; ++k)
      if (run(ranks, request(TENON_ALL_REDUCE, 2, k % 2 ? 100 : 30000)) != 0) return 1;
    return 0;
  });
  for (const std::string& m : o.messages) EXPECT_EQ(m, "");
}

TEST(RanksFaults, ARankThatHangsIsNamedAfterTheTimeout) {
  for (int late = 0; late < 5; ++late) {
    std::atomic<int> failed{0};
    const Outcome o = outcome(
        5,
        [&](const tenon_ranks* ranks) {
          if (ranks->rank != late) {
            const int32_t code = run(ranks, request(TENON_ALL_REDUCE, 5, 10), "all_reduce at c.cc:9");
            ++failed;
            return code;
          }
          while (failed < 4) std::this_thread::sleep_for(std::chrono::milliseconds(1));
          return run(ranks, request(TENON_ALL_REDUCE, 5, 10));
        },
        0.4);
    for (const std::string& m : o.messages)
      EXPECT_EQ(m, "rank " + std::to_string(late) +
                       " did not answer within 0.4 s in all_reduce(sum) of 10 f32 over 5 ranks at c.cc:9");
    EXPECT_LT(o.seconds, 3);
  }
}

// One rank means another group than the others: each waits for one that waits for it. Found without the timeout, and said by all.
TEST(RanksFaults, RanksOfDifferentGroupsAreNamedBothAtOnce) {
  for (const int stride : {1, 2})
    for (int odd = 0; odd < 4; ++odd)
      for (const int64_t count : {16, 100000}) {
        const int partner = stride == 1 ? odd ^ 1 : odd ^ 2;
        const Outcome o = outcome(4, [&](const tenon_ranks* ranks) {
          GroupRequest r = request(TENON_ALL_REDUCE, 4, count);
          if (ranks->rank == odd) r.size = 2, r.stride = stride;
          for (int k = 0; k < 3; ++k)  // what went well before is not in the way
            if (run(ranks, request(TENON_ALL_REDUCE, 4, count)) != 0) return 1;
          return ranks->rank == odd ? run(ranks, r, "all_reduce at a.cc:3") : run(ranks, r, "all_reduce at b.cc:9");
        });
        const auto waits = [&](int a, int b, const std::string& in) {
          return "rank " + std::to_string(a) + " waits for rank " + std::to_string(b) + " in all_reduce(sum) of " +
                 std::to_string(count) + " f32 over " + in;
        };
        const std::string of_odd = waits(odd, partner, "2 ranks at a.cc:3"),
                          of_partner = waits(partner, odd, "4 ranks at b.cc:9");
        for (const std::string& m : o.messages) {
          EXPECT_EQ(m, "ranks wait for each other: " +
                           (odd < partner ? of_odd + ", " + of_partner : of_partner + ", " + of_odd) +
                           "; all ranks of a group call its collectives, in one order among those of other groups");
        }
        EXPECT_LT(o.seconds, 5);
      }
}

// The same groups in another order: along rows, then along columns, but for one rank.
TEST(RanksFaults, RanksThatUseGroupsInAnotherOrderAreNamed) {
  const Outcome o = outcome(4, [&](const tenon_ranks* ranks) {
    GroupRequest row = request(TENON_ALL_REDUCE, 2, 5), column = request(TENON_ALL_GATHER, 2, 5);
    column.stride = 2;
    const bool other = ranks->rank == 0 || ranks->rank == 3;
    return run(ranks, other ? row : column, "at a.cc:1") || run(ranks, other ? column : row, "at a.cc:2");
  });
  for (const std::string& m : o.messages)
    EXPECT_EQ(m,
              "ranks wait for each other: rank 0 waits for rank 1 in all_reduce(sum) of 5 f32 over 2 ranks at a.cc:1, "
              "rank 1 waits for rank 3 in all_gather of 5 f32 over 2 ranks at a.cc:1, "
              "rank 3 waits for rank 2 in all_reduce(sum) of 5 f32 over 2 ranks at a.cc:1, "
              "rank 2 waits for rank 0 in all_gather of 5 f32 over 2 ranks at a.cc:1"
              "; all ranks of a group call its collectives, in one order among those of other groups");
  EXPECT_LT(o.seconds, 5);
}

// Ranks that come late, each in its own time, with several begun at once: nobody is taken for one that never comes.
TEST(RanksFaults, WhoIsLateIsNoFault) {
  const Deadline deadline(120);
  for (uint64_t seed = 0; seed < 20; ++seed)
    simulate(8, [&](const tenon_ranks* ranks) {
      static_cast<tenon_engine*>(ranks->world)->patience = 200 * 1000;
      std::mt19937_64 shared(seed), own(seed * 8 + static_cast<uint64_t>(ranks->rank));
      for (int step = 0; step < 30; ++step) {
        std::vector<GroupRequest> some;
        std::vector<std::vector<uint64_t>> memory;
        for (uint64_t k = 1 + shared() % 3; k-- > 0;) {
          some.push_back(request(static_cast<int>(shared() % 8), 1 << (1 + shared() % 3), shared() % 4 ? 5 : 20000));
          GroupRequest& r = some.back();
          r.stride = 1 << shared() % static_cast<uint64_t>(4 - std::countr_zero(static_cast<unsigned>(r.size)));
          memory.emplace_back(r.in_bytes() / 8 + 1), memory.emplace_back(r.out_bytes() / 8 + 1);
        }
        std::vector<void*> pending(some.size());
        std::vector<size_t> order;
        for (size_t k = 0; k < some.size(); ++k) {
          if (own() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(own() % 3000));
          const tenon_collective what = some[k].of(number_in_group(some[k], ranks->rank));
          ASSERT_EQ(ranks->start(ranks->world, &what, memory[2 * k].data(), memory[2 * k + 1].data(), &pending[k]), 0)
              << ranks->message(ranks->world);
          order.push_back(k);
        }
        std::shuffle(order.begin(), order.end(), own);
        for (size_t k : order) ASSERT_EQ(ranks->finish(ranks->world, pending[k]), 0) << ranks->message(ranks->world);
      }
    });
}

TEST(RanksFaults, TheTimeoutStandsInTheEnvironment) {
  setenv("TENON_DIST_TIMEOUT", "0.3", 1);
  std::atomic<bool> failed{false};
  std::string message;
  simulate(2, [&](const tenon_ranks* ranks) {
    if (ranks->rank == 0) {
      EXPECT_EQ(run(ranks, request(TENON_BARRIER, 2, 0)), TENON_RANKS_FAILED);
      message = ranks->message(ranks->world);
      failed = true;
    }
    while (!failed) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  unsetenv("TENON_DIST_TIMEOUT");
  EXPECT_EQ(message, "rank 1 did not answer within 0.3 s in barrier over 2 ranks");
}

TEST(RanksFaults, WhoDoesSomethingElseIsNamedOnEveryRank) {
  const struct {
    GroupRequest mine, theirs;
    const char* says;
  } cases[] = {
      {request(TENON_ALL_REDUCE, 4, 16), request(TENON_ALL_GATHER, 4, 8, 12),
       "rank 2 all_gather of 8 f64 over 4 ranks at b.cc:9"},
      {request(TENON_ALL_REDUCE, 4, 16), request(TENON_ALL_REDUCE, 4, 17),
       "rank 2 all_reduce(sum) of 17 f32 over 4 ranks at b.cc:9"},
      {request(TENON_ALL_REDUCE, 4, 100000), request(TENON_ALL_REDUCE, 4, 3), "rank 2 all_reduce(sum) of 3 f32"},
      {request(TENON_ALL_REDUCE, 4, 3), request(TENON_ALL_REDUCE, 4, 100000), "rank 2 all_reduce(sum) of 100000 f32"},
      {request(TENON_ALL_TO_ALL, 4, 100000), request(TENON_REDUCE_SCATTER, 4, 100000),
       "rank 2 reduce_scatter(sum) of 100000"},
      {request(TENON_BROADCAST, 4, 9), request(TENON_BROADCAST, 4, 9, 3), "rank 2 broadcast of 9 i32 from rank 0"},
      {request(TENON_BARRIER, 4, 0), request(TENON_PERMUTE, 4, 9), "rank 2 permute of 9 f32"},
  };
  for (const auto& c : cases) {
    const Outcome o = outcome(4, [&](const tenon_ranks* ranks) {
      return ranks->rank == 2 ? run(ranks, c.theirs, "b.cc:9") : run(ranks, c.mine, "at a.cc:3");
    });
    for (const std::string& m : o.messages) EXPECT_EQ(m, o.messages[0]);
    EXPECT_THAT(o.messages[0], HasSubstr("the ranks do not do the same: rank "));
    EXPECT_THAT(o.messages[0], HasSubstr(std::string(kind_names[c.mine.kind])));
    EXPECT_THAT(o.messages[0], HasSubstr("at a.cc:3"));
    EXPECT_LT(o.seconds, 5);
  }
}

TEST(RanksFaults, AnotherProgramOtherPairsAnotherCombine) {
  const auto says = [](const std::function<void(GroupRequest&, uint64_t&)>& change) {
    const Outcome o = outcome(3, [&](const tenon_ranks* ranks) {
      GroupRequest r = request(TENON_PERMUTE, 3, 5);
      uint64_t digest = 1;
      if (ranks->rank == 1) change(r, digest);
      return run(ranks, r, "permute at x.cc:1", digest);
    });
    for (const std::string& m : o.messages) EXPECT_EQ(m, o.messages[0]);
    return o.messages[0];
  };
  EXPECT_THAT(says([](GroupRequest&, uint64_t& digest) { digest = 2; }),
              HasSubstr("the ranks run different programs: rank "));
  EXPECT_THAT(says([](GroupRequest& r, uint64_t&) { std::swap(r.pairs[1], r.pairs[3]); }),
              HasSubstr("permute by different pairs"));
  EXPECT_THAT(says([](GroupRequest& r, uint64_t&) { r.kind = TENON_ALL_REDUCE, r.combine = TENON_MAX; }),
              HasSubstr("all_reduce(max) of 5"));
}

// Nobody but the partners takes part: what they say differs, or what is awaited does not come.
TEST(RanksFaults, PartnersOfAnExchangeAgree) {
  for (int64_t count : {2, 100000}) {
    const Outcome o = outcome(3, [&](const tenon_ranks* ranks) {
      GroupRequest r = request(TENON_EXCHANGE, 3, count);
      if (ranks->rank == 2) r.dtype = 3;
      return run(ranks, r, "exchange at p.cc:4");
    });
    EXPECT_THAT(o.messages[2], HasSubstr("the ranks do not do the same"));
    for (const std::string& m : o.messages) {
      if (m.empty()) continue;  // who was done before does not hear of it here
      EXPECT_THAT(m, HasSubstr("p.cc:4"));
    }
  }
  const Outcome o = outcome(3, [&](const tenon_ranks* ranks) {
    ranks->set_timeout(ranks->world, 0.2);
    GroupRequest r = request(TENON_EXCHANGE, 3, 4);
    r.to[1] = -1;
    return run(ranks, r, "exchange at p.cc:4");
  });
  EXPECT_THAT(o.messages[2], HasSubstr("rank 1"));
}

TEST(RanksFaults, WhatCannotBeIsAFailureOfAll) {
  const std::vector<std::function<void(tenon_collective&)>> changes = {
      [](tenon_collective& c) { c.size = 3; },       [](tenon_collective& c) { c.stride = 2; },
      [](tenon_collective& c) { c.dtype = 13; },     [](tenon_collective& c) { c.count = -1; },
      [](tenon_collective& c) { c.kind = 8; },       [](tenon_collective& c) { c.combine = 4; },
      [](tenon_collective& c) { c.size = 0; },       [](tenon_collective& c) { c.count = INT64_MAX / 2; },
      [](tenon_collective& c) { c.struct_size = 8; }};
  for (size_t k = 0; k < changes.size(); ++k) {
    const Outcome o = outcome(2, [&](const tenon_ranks* ranks) {
      if (ranks->rank == 0) return run(ranks, request(TENON_ALL_REDUCE, 2, 4));
      uint64_t in[8] = {}, out[8];
      tenon_collective what = request(TENON_ALL_REDUCE, 2, 4).of(1, "wrong at w.cc:2");
      changes[k](what);
      return tenon_ranks_run(ranks, &what, in, out);
    });
    EXPECT_THAT(o.messages[0], HasSubstr("rank 1 asked for what cannot be: ")) << k;
    EXPECT_EQ(o.messages[0], o.messages[1]);
  }
}

// Ranks leave with collectives open, in the middle of large copies: whoever is left must touch nothing of theirs.
TEST(RanksFaults, NobodyTouchesTheMemoryOfWhoHasLeft) {
  for (int round = 0; round < 60; ++round) {
    const Outcome o = outcome(4, [&](const tenon_ranks* ranks) {
      std::mt19937_64 random(static_cast<uint64_t>(round * 4 + ranks->rank));
      int32_t code = 0;
      for (int step = 0; code == 0 && step < 6; ++step) {
        std::vector<GroupRequest> some = {request(TENON_ALL_REDUCE, 4, 100000), request(TENON_ALL_GATHER, 4, 60000),
                                          request(TENON_ALL_TO_ALL, 4, 30000)};
        std::vector<std::vector<uint64_t>> memory;
        std::vector<void*> pending(some.size());
        for (const GroupRequest& r : some)
          memory.emplace_back(r.in_bytes() / 8 + 1), memory.emplace_back(r.out_bytes() / 8 + 1);
        for (size_t k = 0; code == 0 && k < some.size(); ++k) {
          const tenon_collective what = some[k].of(ranks->rank);
          code = ranks->start(ranks->world, &what, memory[2 * k].data(), memory[2 * k + 1].data(), &pending[k]);
        }
        if (code == 0 && static_cast<int>(random() % 12) == step) {
          if (random() % 2) return ranks->fail(ranks->world, "left"), 1;
          return ranks->leave(ranks->world), 1 - 1;
        }
        for (size_t k = 0; code == 0 && k < some.size(); ++k) code = ranks->finish(ranks->world, pending[k]);
      }
      return code;
    });
    EXPECT_LT(o.seconds, 5);
  }
}

}  // namespace
}  // namespace tenon::testing
