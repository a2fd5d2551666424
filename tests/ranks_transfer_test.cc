// Exchanges of large elements: cut into messages of a bounded size, a bounded number of them at once, those of one channel in the order
// in which they were asked for. Over a transport that looks at no elements, so that 5 GiB need no memory; and in a simulated world.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <deque>
#include <map>
#include <tuple>

#include "tenon/tests/ranks_inside.h"
#include "tenon/tests/ranks_world.h"

namespace tenon::testing {
namespace {

constexpr uint64_t chunk = TENON_MOVE_CHUNK;

// Two ranks in one thread. Headers are handed over; of elements it is noted which bytes would go where.
struct Wire {
  struct Message {
    char* bytes;
    uint64_t size;
    tenon_request* request;
  };
  struct End {
    Wire* wire;
    tenon_engine engine;
  };
  End ends[2];
  std::map<std::tuple<int, int, int>, std::deque<Message>> sent, awaited;  // by receiver, channel and stream
  std::map<std::pair<int, int>, std::vector<std::tuple<char*, char*, uint64_t>>> moved;  // by receiver and channel
  int64_t open = 0, most_open = 0;  // large messages on their way to rank 1
  uint64_t longest = 0;
  std::string failure;

  static Wire& of(void* self) { return *static_cast<End*>(self)->wire; }
  static int number(void* self) { return static_cast<End*>(self) == &of(self).ends[1]; }

  Wire() {
    for (int r = 0; r < 2; ++r) {
      tenon_transport t = {};
      t.self = &ends[r];
      t.rank = r, t.size = 2;
      t.send = [](void* self, tenon_request* request, int32_t to, const tenon_tag* tag, const void* bytes,
                  uint64_t size) {
        Wire& w = of(self);
        w.longest = std::max(w.longest, size);
        if (tag->stream == TENON_STREAM_MOVE && to == 1) w.most_open = std::max(w.most_open, ++w.open);
        w.sent[{to, static_cast<int>(tag->sequence), tag->stream}].push_back(
            {static_cast<char*>(const_cast<void*>(bytes)), size, request});
      };
      t.receive = [](void* self, tenon_request* request, int32_t, const tenon_tag* tag, void* bytes, uint64_t size) {
        of(self).awaited[{number(self), static_cast<int>(tag->sequence), tag->stream}].push_back(
            {static_cast<char*>(bytes), size, request});
      };
      t.test = [](void*, tenon_request* requests, int32_t count) {
        int32_t left = 0;
        for (int32_t k = 0; k < count; ++k) left += requests[k].state != 0;
        return left;
      };
      t.cancel = [](void*, tenon_request* request) { request->state = 0; };
      t.look = [](void*) {};
      t.heard = [](void* self) { return of(self).failure.empty() ? nullptr : of(self).failure.c_str(); };
      t.tell = [](void* self, const char* text) { of(self).failure = text; };
      t.gone = [](void*, int32_t) { return static_cast<const char*>(nullptr); };
      t.leave = [](void*) {};
      t.pause = [](void*, int64_t) {};
      t.say = [](void*, int32_t, const void*, uint64_t) {};
      t.hear = [](void*, void*, uint64_t) { return 0; };
      ends[r].wire = this;
      tenon_engine_open(&ends[r].engine, &t);
    }
  }
  ~Wire() {
    for (End& e : ends) tenon_engine_close(&e.engine);
  }

  // The first message for which there is a receiver; whether there was one.
  bool deliver() {
    for (auto& [key, messages] : sent) {
      auto& receivers = awaited[key];
      if (messages.empty() || receivers.empty()) continue;
      const Message from = messages.front(), to = receivers.front();
      messages.pop_front();
      receivers.pop_front();
      const auto [receiver, channel, stream] = key;
      if (stream == TENON_STREAM_MOVE) {
        EXPECT_EQ(from.size, to.size);
        moved[{receiver, channel}].emplace_back(from.bytes, to.bytes, from.size);
        if (receiver == 1) --open;
      } else {
        std::memcpy(to.bytes, from.bytes, std::min(from.size, to.size));
      }
      from.request->state = to.request->state = 0;
      return true;
    }
    return false;
  }

  // Ranks look after each message, or when nothing more can arrive.
  void run(bool much_at_once = false) {
    for (int idle = 0; idle < 3; ++idle) {
      while (deliver()) {
        idle = 0;
        if (!much_at_once) break;
      }
      for (End& e : ends) e.engine.table.progress(e.engine.table.world);
    }
  }
};

// Memory that may not be touched.
struct Nothing {
  explicit Nothing(uint64_t bytes)
      : size(bytes),
        at(static_cast<char*>(mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  ~Nothing() { munmap(at, size); }
  uint64_t size;
  char* at;
};

tenon_collective exchange(int64_t bytes, int other, int channel = 0) {
  tenon_collective c = {};
  c.struct_size = sizeof c;
  c.kind = TENON_EXCHANGE, c.dtype = 5, c.size = 2, c.stride = 1;
  c.to = c.from = other, c.root = channel, c.count = bytes;
  c.where = "exchange at t.cc:1";
  return c;
}

TEST(RanksTransfer, WhatIsLongerThanAMessageIsCut) {
  for (const uint64_t bytes : {uint64_t{5} << 30, (uint64_t{2} << 30) + 1, chunk + 1, chunk, uint64_t{100000}}) {
    Wire w;
    const Nothing in0(bytes), in1(bytes), out0(bytes), out1(bytes);
    const Nothing* const in[] = {&in0, &in1};
    const Nothing* const out[] = {&out0, &out1};
    void* pending[2];
    for (int r = 0; r < 2; ++r) {
      const tenon_ranks& t = w.ends[r].engine.table;
      const tenon_collective what = exchange(static_cast<int64_t>(bytes), 1 - r);
      ASSERT_EQ(t.start(t.world, &what, in[r]->at, out[r]->at, &pending[r]), 0);
    }
    w.run();
    for (int r = 0; r < 2; ++r) {
      const tenon_ranks& t = w.ends[r].engine.table;
      EXPECT_EQ(t.finish(t.world, pending[r]), 0) << t.message(t.world);
      uint64_t from = 0;
      for (const auto& [sent, received, size] : w.moved[{r, 0}]) {
        EXPECT_EQ(sent, in[1 - r]->at + from);
        EXPECT_EQ(received, out[r]->at + from);
        from += size;
      }
      EXPECT_EQ(from, bytes);
    }
    EXPECT_LE(w.longest, chunk);
    EXPECT_LE(w.most_open, TENON_MOVE_WINDOW);
    EXPECT_EQ(w.most_open, std::min<int64_t>(TENON_MOVE_WINDOW, static_cast<int64_t>((bytes + chunk - 1) / chunk)));
  }
}

// Several on one channel at once, a longer one before a shorter: each gets its own bytes, whichever a rank looks at first.
TEST(RanksTransfer, ThoseOfOneChannelKeepTheirOrder) {
  const std::vector<uint64_t> lengths = {11 * chunk + 5, 100000, 3 * chunk, 200000, 20 * chunk};
  for (const bool much_at_once : {false, true}) {
    Wire w;
    const Nothing in(lengths.back()), out(lengths.back());
    std::vector<void*> pending[2];
    for (int r = 0; r < 2; ++r) {
      const tenon_ranks& t = w.ends[r].engine.table;
      for (const uint64_t bytes : lengths)
        for (int channel : {0, 1}) {
          const tenon_collective what = exchange(static_cast<int64_t>(bytes), 1 - r, channel);
          pending[r].push_back(nullptr);
          ASSERT_EQ(t.start(t.world, &what, in.at, out.at, &pending[r].back()), 0);
        }
    }
    w.run(much_at_once);
    for (int r = 0; r < 2; ++r) {
      const tenon_ranks& t = w.ends[r].engine.table;
      for (size_t k = pending[r].size(); k-- > 0;) ASSERT_EQ(t.finish(t.world, pending[r][k]), 0) << t.message(t.world);
      for (int channel : {0, 1}) {
        size_t next = 0;
        const auto& moved = w.moved[{r, channel}];
        for (const uint64_t bytes : lengths)
          for (uint64_t from = 0; from < bytes; from += chunk) {
            ASSERT_LT(next, moved.size());
            EXPECT_EQ(moved[next++], std::tuple(in.at + from, out.at + from, std::min(chunk, bytes - from)));
          }
        EXPECT_EQ(next, moved.size());
      }
    }
  }
}

// The same with elements, in threads: what has come before the receivers ask is taken in order too.
TEST(RanksTransfer, OfOneChannelInASimulatedWorld) {
  const Deadline deadline(60);
  const std::vector<int64_t> lengths = {5'000'000, 20'000, 9'000'001, 30'000};  // of i32
  std::atomic<int> asked{0};
  simulate(2, [&](const tenon_ranks* ranks) {
    std::vector<std::vector<int32_t>> in, out;
    std::vector<void*> pending(lengths.size());
    for (size_t k = 0; k < lengths.size(); ++k) {
      in.emplace_back(static_cast<size_t>(lengths[k]));
      out.emplace_back(static_cast<size_t>(lengths[k]));
      for (size_t e = 0; e < in[k].size(); ++e)
        in[k][e] = static_cast<int32_t>(e * 7 + k * 1000 + (ranks->rank ? 1 : 0));
    }
    while (ranks->rank == 1 && asked == 0) std::this_thread::yield();
    for (size_t k = 0; k < lengths.size(); ++k) {
      tenon_collective what = exchange(lengths[k], 1 - ranks->rank);
      what.dtype = 3;
      ASSERT_EQ(ranks->start(ranks->world, &what, in[k].data(), out[k].data(), &pending[k]), 0);
    }
    ++asked;
    for (size_t k = lengths.size(); k-- > 0;)
      ASSERT_EQ(ranks->finish(ranks->world, pending[k]), 0) << ranks->message(ranks->world);
    for (size_t k = 0; k < lengths.size(); ++k) {
      size_t wrong = 0;
      for (size_t e = 0; e < out[k].size(); ++e)
        wrong += out[k][e] != static_cast<int32_t>(e * 7 + k * 1000 + (ranks->rank ? 0 : 1));
      EXPECT_EQ(wrong, 0u) << "exchange " << k << " of rank " << ranks->rank;
    }
  });
}

// Who sends goes on while the one that it receives from is late: a chain in which each sends to the next while it waits for the one before.
TEST(RanksTransfer, SendingWaitsForNobodyElse) {
  const Deadline deadline(60);
  simulate(3, [&](const tenon_ranks* ranks) {
    std::vector<int32_t> in(5'000'000, ranks->rank), out(in.size());
    const auto run = [&](int to, int from) {
      tenon_collective what = exchange(static_cast<int64_t>(in.size()), 0);
      what.dtype = 3, what.size = 3, what.to = to, what.from = from;
      ASSERT_EQ(tenon_ranks_run(ranks, &what, in.data(), out.data()), 0) << ranks->message(ranks->world);
      EXPECT_EQ(out, std::vector<int32_t>(in.size(), from >= 0 ? from : 0));
    };
    if (ranks->rank == 0) return run(1, 2);  // 2 sends after it has received what 1 sends after it has received this
    run(-1, ranks->rank - 1);
    run((ranks->rank + 1) % 3, -1);
  });
}

}  // namespace
}  // namespace tenon::testing
