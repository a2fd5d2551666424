// Looking up, putting in, making room. A look-up only notes the time in its entry; the order of entries learns of it when one
// comes up for eviction and turns out to have been used since. So a hit moves nothing and takes the lock of no other cache.
// Refuses to destroy a value under a lock, since destructors come back here.
#include "tenon/runtime/cache/memory_cache.h"

#include <cstdio>
#include <cstring>
#include <new>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "tenon/ir/base/heap_bytes.h"
#include "tenon/runtime/cache/size_variable.h"
#include "tenon/runtime/fork.h"
#include "tenon/runtime/write.h"

namespace tenon::runtime {
namespace {

constexpr uint64_t default_bytes = uint64_t{1} << 30;
constexpr uint64_t share_of_programs = 16;  // a sixteenth
constexpr int stripes = 16;
// A node of the order, up to six slots of the index, and the value's control block.
constexpr uint64_t entry_bytes = sizeof(CacheEntry) + 48 + 6 * 16 + 16 + 3 * block_bytes;

// The halves of the product of two words, whose every bit depends on every bit of both, one on the other.
uint64_t fold(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t word_at(const char* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Keys are mostly whole words, written just before: read as such they come from the processor's store buffer.
uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t some = 0x9e3779b97f4a7c15u, other = 0xd1b54a32d192ed03u;
  uint64_t hash = bytes.size() * other;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 16; left -= 16, at += 16) hash = fold(word_at(at) ^ some, word_at(at + 8) ^ hash);
  uint64_t word = 0, rest = 0;
  if (left >= 8) word = word_at(at), left -= 8, at += 8;
  for (size_t i = 0; i < left; ++i) rest |= uint64_t{static_cast<unsigned char>(at[i])} << 8 * i;
  return fold(fold(word ^ some, rest ^ hash) ^ other, some);
}

using Order = decltype(CacheBudget::order);

// What leaves the caches by one change, until nobody reads it any more.
struct Leaving {
  Order entries;
  uint64_t others = 0;  // than programs
  std::unique_ptr<const HashTable<CacheEntry>::Slots> layout;
  Retired retired{this, &Leaving::destroy};
  static void destroy(void* self);
};

}  // namespace

// Whatever changes a cache takes `order` first and then the stripe of that cache; a look-up takes the stripe alone.
struct CacheState {
  Mutex order;
  struct alignas(64) Stripe {  // apart, since a brief lock goes by its address
    CacheStripe mutex;
  } stripe[stripes];
  std::atomic<uint32_t> next_stripe{0};
  uint64_t numbers = 0;  // of entries
  std::unordered_set<MemoryCache*> caches;
  CacheUse past[cache_kinds];  // of caches that are gone
  const std::shared_ptr<CacheBudget> process =
      std::make_shared<CacheBudget>(0, "what was compiled", "raise TENON_MEMORY_CACHE_BYTES");
  const std::shared_ptr<CacheBudget> programs = std::make_shared<CacheBudget>(0, "", "");
  std::atomic<void (*)(uint64_t)> told{nullptr};
  Order late;  // what left when there was no memory for a Leaving: it goes with the next

  void divide(uint64_t bytes) {
    programs->most_bytes = bytes / share_of_programs;
    process->most_bytes = bytes - programs->most_bytes;
  }
  // ---- `order` is locked ----
  void take(CacheEntry& entry, Order& leaving);
  void evict(CacheEntry& entry, Order& leaving);
  void take_all(MemoryCache& cache, Order& leaving);
  static CacheUse use_of(const MemoryCache& cache);
};

namespace {

CacheState& state() {
  static constinit Forever<CacheState> only;
  return only.get([] {
    (void)fork_counts();  // forks wait for the locks here also where a program links nothing else that asks
    auto* const made = new CacheState;
    made->divide(size_variable(Variable::memory_cache_bytes, default_bytes));
    return made;
  });
}

void say(const CacheBudget& full) {
  char mebibytes[32];
  std::snprintf(mebibytes, sizeof mebibytes, "%.4g", static_cast<double>(full.most_bytes) / (1 << 20));
  warn("tenon: " + full.whose + " fills its " + mebibytes +
       " MiB of memory. What was used longest ago is dropped, and compiled again when it is called again: " +
       full.remedy +
       "; or, if a shape or a value among the arguments is new in every call, pad the shape, or pass the value as a "
       "tensor.");
}

void Leaving::destroy(void* self) {
  const std::unique_ptr<Leaving> all(static_cast<Leaving*>(self));
  all->entries.clear();
  const auto told = state().told.load();
  if (all->others != 0 && told != nullptr) told(all->others);
}

// Locks what changes; what leaves the caches meanwhile is destroyed once the lock has been given back.
class Change {
 public:
  Change() : leaving_(new(std::nothrow) Leaving), hold_(state().order) {
    if (leaving_ != nullptr) leaving_->entries.swap(state().late);
  }
  ~Change() {
    if (leaving_ != nullptr)
      for (const auto& [place, entry] : leaving_->entries) leaving_->others += entry.kind != CacheKind::programs;
    hold_.unlock();
    try {
      if (full_) say(*full_);
    } catch (const std::bad_alloc&) {  // there is no memory for a word about memory
    }
    if (leaving_ != nullptr && (!leaving_->entries.empty() || leaving_->layout != nullptr))
      retire(leaving_.release()->retired);
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  Order& leaving() { return leaving_ != nullptr ? leaving_->entries : state().late; }
  void make_room_in(HashTable<CacheEntry>& index) {
    if (leaving_ == nullptr) throw std::bad_alloc();
    leaving_->layout = index.make_room();
  }
  // An entry that has grown beyond the whole budget goes, and not all the others for its sake.
  void make_room(const std::shared_ptr<CacheBudget>& budget, CacheEntry* grown = nullptr) {
    if (budget->bytes <= budget->most_bytes) return;
    if (grown != nullptr && grown->bytes > budget->most_bytes) state().evict(*grown, leaving());
    Order& order = budget->order;
    while (budget->bytes > budget->most_bytes && !order.empty()) {
      CacheEntry& oldest = order.begin()->second;
      const uint64_t last_use = oldest.last_use.load(std::memory_order_relaxed);
      if (last_use == oldest.placed) {
        state().evict(oldest, leaving());
        continue;
      }
      auto node = order.extract(order.begin());
      node.key().first = oldest.placed = last_use;
      order.insert(std::move(node));
    }
    // Who asked for no memory knows.
    if (!budget->whose.empty() && budget->most_bytes != 0 && !std::exchange(budget->said, true)) full_ = budget;
  }

 private:
  std::unique_ptr<Leaving> leaving_;
  std::unique_lock<Mutex> hold_;
  std::shared_ptr<CacheBudget> full_;  // for the first time
};

}  // namespace

void CacheState::take(CacheEntry& entry, Order& leaving) {
  MemoryCache& cache = *entry.cache;
  {
    const std::lock_guard hold(cache.stripe_);
    cache.index_.erase(entry.hash, &entry);
  }
  cache.use_.bytes -= entry.bytes;
  cache.budget_->bytes -= entry.bytes;
  leaving.insert(cache.budget_->order.extract({entry.placed, entry.number}));
}

void CacheState::evict(CacheEntry& entry, Order& leaving) {
  ++entry.cache->use_.evictions;
  take(entry, leaving);
}

void CacheState::take_all(MemoryCache& cache, Order& leaving) {
  size_t from = 0;
  while (CacheEntry* const entry = cache.index_.next(from)) take(*entry, leaving);
}

CacheUse CacheState::use_of(const MemoryCache& cache) {
  const std::lock_guard hold(cache.stripe_);
  CacheUse use = cache.use_;
  use.entries = cache.index_.size();
  return use;
}

static_assert(cache_kinds <= ThreadRecord::most_kinds);
const char* name(CacheKind kind) {
  constexpr const char* names[] = {"programs", "eager", "jit", "pullbacks", "tables"};
  return names[static_cast<int>(kind)];
}

MemoryCache::MemoryCache(CacheKind kind, std::shared_ptr<CacheBudget> budget, Hash hash)
    : kind_(kind),
      budget_(budget                        ? std::move(budget)
              : kind == CacheKind::programs ? state().programs
                                            : state().process),
      hash_(hash != nullptr ? hash : &hash_bytes),
      stripe_(state().stripe[state().next_stripe.fetch_add(1, std::memory_order_relaxed) % stripes].mutex) {
  const Change change;
  state().caches.insert(this);
}

MemoryCache::~MemoryCache() {
  Change change;
  state().take_all(*this, change.leaving());
  state().caches.erase(this);
  state().past[static_cast<int>(kind_)] += use_;
}

namespace {

// Among thousands of entries none is in the processor's caches: all its lines are asked for at once, and the first of the value
// while the keys are compared.
template <class Count>
CacheEntry* look_up(const HashTable<CacheEntry>& index, std::string_view key, uint64_t hash, Count count) {
  const auto fetch = [](const void* from, int lines) {
    for (int line = 0; line < lines; ++line) __builtin_prefetch(static_cast<const char*>(from) + 64 * line);
  };
  return index.find(hash, [&](const CacheEntry& entry) {
    fetch(&entry, 3);
    fetch(static_cast<const char*>(entry.value.get()) - 64, 6);
    count();
    return entry.key.view() == key;
  });
}

}  // namespace

CacheEntry* MemoryCache::at(std::string_view key, uint64_t hash) {
  return look_up(index_, key, hash, [this] { ++use_.comparisons; });
}

MemoryCache::Value MemoryCache::find(std::string_view key) {
  const uint64_t hash = hash_(key), now = budget_->now.load(std::memory_order_relaxed);
  const std::lock_guard hold(stripe_);
  CacheEntry* const entry = at(key, hash);
  if (entry == nullptr) {
    ++use_.misses;
    return nullptr;
  }
  ++use_.hits;
  entry->last_use.store(now, std::memory_order_relaxed);
  return entry->value;
}

const MemoryCache::Value* MemoryCache::find(std::string_view key, const Reading& section) {
  ThreadRecord::Counts& counts = section.thread().counts[static_cast<size_t>(kind_)];
  const CacheEntry* const entry = look_up(index_, key, hash_(key), [&] { ThreadRecord::count(counts.comparisons); });
  if (entry == nullptr) {
    ThreadRecord::count(counts.misses);
    return nullptr;
  }
  note_use(*entry, section);
  section.thread().found_in(this) = {this, section.age(), entry};
  return &entry->value;
}

MemoryCache::Value MemoryCache::keep(std::string_view key, Value value, uint64_t bytes) {
  const uint64_t hash = hash_(key);
  bytes += key.size() + entry_bytes;
  Order fresh;
  Change change;
  const uint64_t now = ++budget_->now, number = ++state().numbers;
  CacheEntry* entry = nullptr;
  {
    const std::lock_guard hold(stripe_);
    if (const CacheEntry* there = at(key, hash)) return there->value;
    change.make_room_in(index_);
    entry = &fresh
                 .emplace(std::piecewise_construct, std::forward_as_tuple(now, number),
                          std::forward_as_tuple(now, value, KeyBytes(key), this, kind_, hash, number, now, bytes))
                 .first->second;
    index_.insert(hash, entry);
  }
  budget_->order.merge(fresh);
  use_.bytes += bytes;
  budget_->bytes += bytes;
  change.make_room(budget_, entry);
  return value;
}

void MemoryCache::charge(std::string_view key, const void* value, uint64_t more) {
  const uint64_t hash = hash_(key);
  Change change;
  CacheEntry* entry = nullptr;
  {
    const std::lock_guard hold(stripe_);
    entry = at(key, hash);
    if (entry == nullptr || entry->value.get() != value) return;
  }
  entry->bytes += more;
  use_.bytes += more;
  budget_->bytes += more;
  change.make_room(budget_, entry);
}

void MemoryCache::trim(uint64_t most_bytes, bool (*unused)(const Value&)) {
  Change change;
  Order& order = budget_->order;
  uint64_t bytes = 0;
  for (auto next = order.end(); next != order.begin();) {
    const auto at = std::prev(next);
    bool stays = true;
    {
      const std::lock_guard hold(stripe_);  // nobody finds it while it is asked about
      stays = !unused(at->second.value) || (bytes += at->second.bytes) <= most_bytes;
    }
    if (stays)
      next = at;
    else
      state().take(at->second, change.leaving());
  }
}

CacheUse MemoryCache::use() const {
  const Change change;
  return CacheState::use_of(*this);
}

CacheUse cache_use(CacheKind kind) {
  const Change change;
  CacheUse sum = state().past[static_cast<int>(kind)];
  for (const MemoryCache* cache : state().caches) {
    if (cache->kind() != kind) continue;
    sum += CacheState::use_of(*cache);
  }
  for (const ThreadRecord* r = first_record(); r != nullptr; r = r->next) {
    const ThreadRecord::Counts& counts = r->counts[static_cast<size_t>(kind)];
    sum.hits += counts.hits.load(std::memory_order_relaxed);
    sum.misses += counts.misses.load(std::memory_order_relaxed);
    sum.comparisons += counts.comparisons.load(std::memory_order_relaxed);
  }
  return sum;
}

uint64_t memory_cache_bytes() {
  const Change change;
  return state().process->most_bytes + state().programs->most_bytes;
}

void set_memory_cache_bytes(uint64_t bytes) {
  Change change;
  state().divide(bytes);
  change.make_room(state().process);
  change.make_room(state().programs);
}

void clear_memory_caches() {
  Change change;
  for (MemoryCache* cache : state().caches) state().take_all(*cache, change.leaving());
}

void after_dropping(void (*told)(uint64_t entries)) {
  const Change change;
  state().told = told;
}

}  // namespace tenon::runtime
