// A ring between two threads without a lock: one counts what it has made, the other what it has taken, and each sleeps on the
// other's count. So no fork finds anything held, and no end of the process waits for it.
#include "tenon/frontend/data/stream.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/fork.h"

namespace tenon::data::detail {
namespace {

uint64_t generation() {
  const Undisturbed still;
  return runtime::fork_counts().generation;
}

struct Item {
  std::shared_ptr<void> value;
  std::exception_ptr fault;
};

}  // namespace

struct Stream::State {
  State(Maker m, int64_t n, int64_t ahead) : maker(std::move(m)), count(n), ring(static_cast<size_t>(ahead)) {}

  // Counts run modulo 2^32, and differ by the size of the ring at most.
  void run() {
    for (int64_t i = 0; i < count; ++i) {
      for (uint32_t seen = taken.load(); made.load() - seen >= ring.size(); seen = taken.load()) {
        if (stopped.load()) return;
        taken.wait(seen);
      }
      if (stopped.load()) return;
      Item& item = ring[static_cast<size_t>(i) % ring.size()];
      try {
        item.value = maker(i);
      } catch (...) {
        item.fault = std::current_exception();
      }
      const bool last = item.fault != nullptr;
      made.fetch_add(1);
      made.notify_one();
      if (last) return;
    }
  }

  void start() {  // where there is no thread to be had, items are made by who wants them
    if (ring.empty() || count == 0) return;
    sigset_t all, before;
    sigfillset(&all);  // the program's handlers run on the program's threads
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return;
    try {
      thread = std::thread([this] { run(); });
      pthread_setname_np(thread.native_handle(), "tenon-data");
    } catch (const std::system_error&) {
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    born = generation();
  }

  bool has_thread() const { return thread.joinable() && born == generation(); }

  std::shared_ptr<void> next() {
    if (at == count) return nullptr;
    const auto number = static_cast<uint32_t>(at);
    const auto ready = [&] { return static_cast<int32_t>(made.load() - number) > 0; };
    if (has_thread())
      for (uint32_t seen = made.load(); !ready(); seen = made.load()) made.wait(seen);
    if (!ready()) {
      const int64_t item = at;
      at = count;  // unless it can be made
      std::shared_ptr<void> value = maker(item);
      at = item + 1;
      return value;
    }
    Item item = std::exchange(ring[static_cast<size_t>(at) % ring.size()], {});
    taken.fetch_add(1);
    taken.notify_one();
    at = item.fault == nullptr ? at + 1 : count;
    if (item.fault != nullptr) std::rethrow_exception(item.fault);
    return std::move(item.value);
  }

  const Maker maker;
  const int64_t count;
  int64_t at = 0;  // the consumer's
  std::vector<Item> ring;
  std::atomic<uint32_t> made{0}, taken{0};
  std::atomic<bool> stopped{false};
  std::thread thread;
  uint64_t born = 0;  // in which generation of processes the thread is
};

Stream::Stream(Maker maker, int64_t count, int64_t ahead)
    : state_(new State(std::move(maker), count, std::min(ahead, count))) {
  state_->start();
}

std::shared_ptr<void> Stream::next() { return state_ == nullptr ? nullptr : state_->next(); }

Stream::~Stream() {
  if (state_ == nullptr) return;
  if (state_->thread.joinable()) {
    if (!state_->has_thread())
      return;  // a forked child: the item that the thread was at is in no known state, and stays
    state_->stopped.store(true);
    state_->taken.fetch_add(1);
    state_->taken.notify_one();
    state_->thread.join();
  }
  delete state_;
}

}  // namespace tenon::data::detail
