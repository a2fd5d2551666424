// The kernel cache on disk: one file per entry, found by the digest of its key, believed only when the whole entry's
// digest and every byte of its key agree.
//
// A cache may be slow, full, damaged or gone; a program that uses it may not notice. So nothing here throws, every
// failure is a miss, and a directory that cannot be used costs one warning per process. Entries are written to a
// temporary and renamed, without waiting for the disk: what a power cut tears, the digest finds. This file refuses to
// read what another user could have written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::runtime {

class DiskCache {
 public:
  // Keeps entries in `directory`, which is made on the first store (mode 0700, with its parents) if it is not there.
  // An empty directory makes a cache that holds nothing and says nothing.
  explicit DiskCache(std::string directory, uint64_t most_bytes = default_bytes);

  // The value stored under exactly this key, if it is there whole.
  std::optional<std::string> load(std::string_view key) const noexcept;

  // Keeps the value for later processes; false when that did not succeed. However many processes store at once, the entries
  // take at most most_bytes in all: where another would not fit, those that were used longest ago go first.
  bool store(std::string_view key, std::string_view value) const noexcept;

  const std::string& directory() const { return directory_; }
  std::string entry_path(std::string_view key) const;

  static constexpr uint64_t default_bytes = uint64_t{1} << 30;

 private:
  std::string directory_;
  uint64_t most_bytes_;
};

// The cache that the environment asks for: in $TENON_CACHE_DIR, else $XDG_CACHE_HOME/tenon, else $HOME/.cache/tenon,
// of at most $TENON_CACHE_BYTES; none if TENON_CACHE is 0. Reads the environment anew at every call.
DiskCache disk_cache_from_environment();

// That cache as it was at the first use in this process.
const DiskCache& disk_cache();

}  // namespace tenon::runtime
