// The network that a simulated world may pretend to have: nothing arrives before it may, cards send and receive one message after the
// other, a host is nearer, and neither order nor results change. That nothing comes too late is no matter of a test on a busy machine:
// bench/dist/scaling.c compares with the model of cost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "tenon/tests/ranks_world.h"

namespace tenon::testing {
namespace {

tenon_network network(tenon_link between, tenon_link inside = {}, int host_ranks = 0) {
  return {sizeof(tenon_network), between, inside, host_ranks};
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// One message among many: of so many bytes, from one rank to another.
struct Message {
  int from, to;
  int64_t bytes;
};

// When each message was there, in seconds after all ranks had begun; each goes through a channel of its own, all at once.
std::vector<double> arrivals(int size, const tenon_network& net, const std::vector<Message>& messages) {
  std::vector<double> at(messages.size(), -1);
  std::atomic<int> ready{0};
  std::atomic<double> began{0};
  const auto rank = [&](const tenon_ranks* ranks) {
    std::vector<std::vector<unsigned char>> memory;
    std::vector<void*> pending(messages.size());
    if (++ready == size) began = now();
    while (began == 0) std::this_thread::yield();
    for (size_t k = 0; k < messages.size(); ++k) {
      GroupRequest r;
      r.kind = TENON_EXCHANGE, r.size = size, r.dtype = 5, r.root = static_cast<int>(k), r.count = messages[k].bytes;
      tenon_collective what = r.of(ranks->rank);
      if (ranks->rank == messages[k].from) what.to = messages[k].to;
      if (ranks->rank == messages[k].to) what.from = messages[k].from;
      if (what.to < 0 && what.from < 0) continue;
      memory.emplace_back(static_cast<size_t>(r.count), static_cast<unsigned char>(what.to < 0 ? 0 : k + 1));
      const void* in = memory.back().data();
      memory.emplace_back(static_cast<size_t>(r.count));
      ASSERT_EQ(ranks->start(ranks->world, &what, in, memory.back().data(), &pending[k]), 0);
    }
    for (size_t k = 0, slot = 0; k < messages.size(); ++k) {
      if (pending[k] == nullptr) continue;
      ASSERT_EQ(ranks->finish(ranks->world, pending[k]), 0) << ranks->message(ranks->world);
      slot += 2;
      if (ranks->rank != messages[k].to) continue;
      at[k] = now() - began;
      for (unsigned char byte : memory[slot - 1]) ASSERT_EQ(byte, k + 1);
    }
  };
  simulate(size, rank, &net);
  return at;
}

constexpr double header = 192;  // bytes in front of every exchange's

TEST(RanksNetwork, NothingArrivesBeforeItMay) {
  for (const int64_t bytes : {0, 1000, 30000, 200000}) {  // copied, and not; behind the header, and by itself
    const tenon_link link = {0.01, 0.001, 1e-7};
    const std::vector<double> at = arrivals(2, network(link), {{0, 1, bytes}});
    EXPECT_GE(at[0], 0.011 + 1e-7 * (header + static_cast<double>(bytes))) << bytes;
  }
}

TEST(RanksNetwork, ACardSendsAndReceivesOneAfterTheOther) {
  const tenon_network net = network({0.002, 0, 1e-6});
  const double each = 1e-6 * (10000 + header);
  std::vector<double> at = arrivals(4, net, {{0, 1, 10000}, {0, 2, 10000}, {0, 3, 10000}});
  for (int k = 0; k < 3; ++k) EXPECT_GE(at[static_cast<size_t>(k)], 0.002 + (k + 1) * each) << k;
  at = arrivals(4, net, {{1, 0, 10000}, {2, 0, 10000}, {3, 0, 10000}});
  EXPECT_GE(*std::max_element(at.begin(), at.end()), 0.002 + 3 * each);
  // Ranks 0 and 1 share a host: what goes there waits for nothing that goes out, nor for the network.
  at = arrivals(4, network({0.4, 0, 0}, {0.001, 0, 0}, 2), {{0, 1, 10}, {0, 2, 10}, {3, 2, 10}});
  EXPECT_GE(at[0], 0.001);
  EXPECT_LT(at[0], 0.4);
  EXPECT_GE(at[1], 0.4);
}

TEST(RanksNetwork, MessagesOfAPairKeepTheirOrder) {
  const tenon_network net = network({0.001, 0, 1e-8}, {0, 0, 1e-8}, 2);
  const auto rank = [](const tenon_ranks* ranks) {
    GroupRequest r;
    r.kind = TENON_EXCHANGE, r.size = 3, r.to = {1, 2, 0}, r.from = {2, 0, 1};
    for (int k = 0; k < 30; ++k) {  // of every way to travel by turns
      r.count = std::vector<int64_t>{1, 30000, 5000}[static_cast<size_t>(k % 3)];
      const std::vector<float> in(static_cast<size_t>(r.count), static_cast<float>(k * 3 + ranks->rank));
      std::vector<float> out(in.size());
      const tenon_collective what = r.of(ranks->rank);
      ASSERT_EQ(tenon_ranks_run(ranks, &what, in.data(), out.data()), 0) << ranks->message(ranks->world);
      for (float x : out) ASSERT_EQ(x, static_cast<float>(k * 3 + (ranks->rank + 2) % 3));
    }
  };
  simulate(3, rank, &net);
}

TEST(RanksNetwork, ResultsAreThoseWithoutOne) {
  std::mt19937_64 random(3);
  for (const int size : {2, 3, 5}) {
    std::vector<std::pair<GroupRequest, std::vector<Bytes>>> all;
    for (const int64_t count : {3, 30000})
      for (int kind = 0; kind <= TENON_BARRIER; ++kind) {
        GroupRequest r;
        r.kind = kind, r.size = size, r.count = count;
        draw_partners(r, random);
        std::vector<Bytes> in;
        for (int k = 0; k < size; ++k) in.push_back(random_elements(r.dtype, r.in_bytes(), random));
        all.emplace_back(r, in);
      }
    const tenon_network net = network({0.0005, 0.00002, 1e-9}, {0.0001, 0, 1e-9}, 2);
    std::vector<std::vector<Bytes>> got(all.size(), std::vector<Bytes>(static_cast<size_t>(size)));
    const auto rank = [&](const tenon_ranks* ranks) {
      const size_t own = static_cast<size_t>(ranks->rank);
      std::vector<Bytes> in;
      std::vector<void*> pending(all.size());
      for (size_t k = 0; k < all.size(); ++k) {  // all are pending at once
        const tenon_collective what = all[k].first.of(ranks->rank);
        got[k][own].resize(all[k].first.out_bytes());
        ASSERT_EQ(ranks->start(ranks->world, &what, all[k].second[own].data(), got[k][own].data(), &pending[k]), 0);
      }
      for (void* p : pending) ASSERT_EQ(p ? ranks->finish(ranks->world, p) : 0, 0) << ranks->message(ranks->world);
    };
    simulate(size, rank, &net);
    for (size_t k = 0; k < all.size(); ++k) {
      const std::vector<Bytes> right = expected(all[k].first, all[k].second);
      for (size_t r = 0; r < got[k].size(); ++r)
        EXPECT_TRUE(same_elements(all[k].first.dtype, got[k][r], right[r])) << all[k].first.name() << " on rank " << r;
    }
  }
}

// What a rank has sent before it ended arrives; what it has not is missed. A failure does not wait for the network.
TEST(RanksNetwork, RanksThatEndOrFail) {
  const tenon_network net = network({0.1, 0, 0});
  std::string missed;
  const auto rank = [&](const tenon_ranks* ranks) {
    GroupRequest r;
    r.kind = TENON_EXCHANGE, r.size = 2, r.count = 1, r.to = {1, -1}, r.from = {-1, 0};
    const tenon_collective what = r.of(ranks->rank);
    const float in = 4;
    float out = 0;
    ASSERT_EQ(tenon_ranks_run(ranks, &what, &in, &out), 0) << ranks->message(ranks->world);
    if (ranks->rank == 0) return;
    EXPECT_EQ(out, 4);
    EXPECT_NE(tenon_ranks_run(ranks, &what, &in, &out), 0);
    missed = ranks->message(ranks->world);
  };
  simulate(2, rank, &net);
  EXPECT_THAT(missed, ::testing::HasSubstr("rank 0 has ended, awaited in exchange"));
  const double before = now();
  const tenon_network slow = network({30, 0, 0});
  const auto fails = [&](const tenon_ranks* ranks) {
    GroupRequest r;
    r.size = 2, r.count = 50000;
    const std::vector<float> in(50000);
    std::vector<float> out(50000);
    if (ranks->rank == 0) return ranks->fail(ranks->world, "no more disk");
    const tenon_collective what = r.of(ranks->rank);
    EXPECT_NE(tenon_ranks_run(ranks, &what, in.data(), out.data()), 0);
    EXPECT_EQ(std::string(ranks->message(ranks->world)), "rank 0 failed: no more disk");
  };
  simulate(2, fails, &slow);
  EXPECT_LT(now() - before, 5);
}

TEST(RanksNetwork, RefusesWhatIsNone) {
  const std::unique_ptr<tenon_simulated, void (*)(tenon_simulated*)> world(tenon_simulated_open(2),
                                                                           tenon_simulated_close);
  tenon_network net = network({0, 0, 0});
  EXPECT_EQ(tenon_simulated_network(world.get(), &net), 0);
  net.struct_size = 8;
  EXPECT_EQ(tenon_simulated_network(world.get(), &net), TENON_RANKS_FAILED);
  for (const double wrong : {-1.0, 1e4, std::numeric_limits<double>::quiet_NaN()}) {
    net = network({0, 0, wrong});
    EXPECT_EQ(tenon_simulated_network(world.get(), &net), TENON_RANKS_FAILED);
    net = network({0, 0, 0}, {wrong, 0, 0});
    EXPECT_EQ(tenon_simulated_network(world.get(), &net), TENON_RANKS_FAILED);
  }
  net = network({0, 0, 0}, {}, -1);
  EXPECT_EQ(tenon_simulated_network(world.get(), &net), TENON_RANKS_FAILED);
}

}  // namespace
}  // namespace tenon::testing
