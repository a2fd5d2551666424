// The caches in memory: maps from bytes to shared values that hold at most so many bytes. What was used longest ago goes first,
// and only the cache's reference to it: calls that run, tapes and other holders keep theirs.
//
// Keys are found by a hash and believed by all their bytes. Who is in a section (runtime/reading.h) looks up without a lock. Caches share a budget: the process's, or that of a jitted function
// with a bound of its own. A budget that overflows for the first time says so once. Refuses to know what it holds: whoever puts
// a value in says what it takes.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/cache/hash_table.h"
#include "tenon/runtime/cache/key_bytes.h"
#include "tenon/runtime/reading.h"

namespace tenon::runtime {

enum class CacheKind : uint8_t { programs, eager, jit, pullbacks, tables };
inline constexpr int cache_kinds = 5;
const char* name(CacheKind kind);

class MemoryCache;
struct CacheEntry {
  mutable std::atomic<uint64_t> last_use;  // what a look-up meets comes first
  std::shared_ptr<const void> value;
  KeyBytes key;
  MemoryCache* cache;  // which it may outlive, once taken out
  CacheKind kind;
  uint64_t hash, number, placed;  // number: unique; placed: its last use as far as the order below knows
  uint64_t bytes;
};

// What several caches may take together. Time is counted in entries that were put in.
struct CacheBudget {
  CacheBudget(uint64_t most, std::string whose, std::string remedy)
      : most_bytes(most), whose(std::move(whose)), remedy(std::move(remedy)) {}
  uint64_t most_bytes;
  // For the message: "the function jitted at a.cc:9:3". Without a name none is printed.
  const std::string whose, remedy;
  uint64_t bytes = 0;
  std::map<std::pair<uint64_t, uint64_t>, CacheEntry> order;  // by `placed` and `number`; addresses stay good
  std::atomic<uint64_t> now = 0;
  bool said = false;
};

struct CacheUse {
  uint64_t entries = 0, bytes = 0;  // now
  uint64_t hits = 0, misses = 0, evictions = 0;  // of look-ups, and of entries that had to make room, so far
  uint64_t comparisons = 0;  // of whole keys, in all look-ups
  CacheUse& operator+=(const CacheUse& other) {
    entries += other.entries, bytes += other.bytes, hits += other.hits, misses += other.misses;
    evictions += other.evictions, comparisons += other.comparisons;
    return *this;
  }
};

using CacheStripe = BriefMutex<LockFamily::signatures>;

class MemoryCache {
 public:
  using Value = std::shared_ptr<const void>;
  using Hash = uint64_t (*)(std::string_view);
  // Without a budget: the process's, or the small one of compiled programs.
  explicit MemoryCache(CacheKind kind, std::shared_ptr<CacheBudget> budget = nullptr, Hash hash = nullptr);
  ~MemoryCache();
  MemoryCache(const MemoryCache&) = delete;
  MemoryCache& operator=(const MemoryCache&) = delete;

  Value find(std::string_view key);  // null when it is not there
  // The same without a lock and without a share of the value, both good until the section ends; null when it is not there.
  const Value* find(std::string_view key, const Reading& section);
  // What this thread found here last, if nothing has left the caches since: whoever compares its key and finds it the same need not
  // make one. Then it counts as found.
  const CacheEntry* found_last(const Reading& section) const {
    const ThreadRecord::Found& last = section.thread().found_in(this);
    const bool good = last.cache == this && last.age == section.age() && section.is_current();
    return good ? static_cast<const CacheEntry*>(last.entry) : nullptr;
  }
  const Value& found_again(const CacheEntry& entry, const Reading& section) const {
    note_use(entry, section);
    return entry.value;
  }
  // Puts a value in, and gives what is there from now on: that of another thread which came first. One that is larger than
  // the whole budget goes at once.
  Value keep(std::string_view key, Value value, uint64_t bytes);
  void charge(std::string_view key, const void* value, uint64_t more);  // if it is still there
  // Of the entries that unused() names, the youngest stay as far as they fit in most_bytes; of a cache alone in its budget.
  // unused() is called while nobody can find the entry, and may take no lock.
  void trim(uint64_t most_bytes, bool (*unused)(const Value&));
  CacheUse use() const;
  CacheKind kind() const { return kind_; }

 private:
  friend struct CacheState;
  CacheEntry* at(std::string_view key, uint64_t hash);  // the stripe is locked
  // Threads that find one entry share its line as long as none of them writes to it.
  void note_use(const CacheEntry& entry, const Reading& section) const {
    ThreadRecord::count(section.thread().counts[static_cast<size_t>(kind_)].hits);
    const uint64_t now = budget_->now.load(std::memory_order_relaxed);
    if (entry.last_use.load(std::memory_order_relaxed) != now) entry.last_use.store(now, std::memory_order_relaxed);
  }
  const CacheKind kind_;
  const std::shared_ptr<CacheBudget> budget_;
  const Hash hash_;
  CacheStripe&
      stripe_;  // guards changes of the index and the counters of look-ups; the rest is guarded by the one lock of all caches
  HashTable<CacheEntry> index_;
  CacheUse use_;
};

// The same for values of one type.
template <class V>
class CacheOf {
 public:
  explicit CacheOf(CacheKind kind, std::shared_ptr<CacheBudget> budget = nullptr) : cache_(kind, std::move(budget)) {}
  std::shared_ptr<V> find(std::string_view key) { return typed(cache_.find(key)); }
  const MemoryCache::Value* find(std::string_view key, const Reading& section) { return cache_.find(key, section); }
  static V& in(const MemoryCache::Value& value) { return *static_cast<V*>(const_cast<void*>(value.get())); }
  static std::shared_ptr<V> share(const MemoryCache::Value& value) { return typed(value); }
  std::shared_ptr<V> keep(std::string_view key, std::shared_ptr<V> value, uint64_t bytes) {
    return typed(cache_.keep(key, std::move(value), bytes));
  }
  void charge(std::string_view key, const V* value, uint64_t more) { cache_.charge(key, value, more); }
  MemoryCache& untyped() { return cache_; }

 private:
  static std::shared_ptr<V> typed(MemoryCache::Value value) {
    return std::const_pointer_cast<V>(std::static_pointer_cast<const V>(std::move(value)));
  }
  MemoryCache cache_;
};

CacheUse cache_use(CacheKind kind);  // of all caches of the kind, those that are gone included
// The bound on all caches without a bound of their own, together. At first $TENON_MEMORY_CACHE_BYTES, or 1 GiB. A sixteenth of it
// is for compiled programs as such, which whoever calls them holds and counts as well.
uint64_t memory_cache_bytes();
void set_memory_cache_bytes(uint64_t bytes);
void clear_memory_caches();  // drops all entries of all caches
void after_dropping(
    void (*told)(uint64_t entries));  // told, without a lock, whenever entries other than programs have gone

}  // namespace tenon::runtime
