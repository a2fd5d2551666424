// Entries of the kernel cache: how a directory is opened, how entries are read, written and dropped.
// Refuses to follow a link at the directory or below it, and to believe anything that it has not checked.
#include "tenon/runtime/cache/disk_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <ctime>
#include <utility>
#include <vector>

#include "tenon/ir/base/environment.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/cache/digest.h"
#include "tenon/runtime/cache/size_variable.h"
#include "tenon/runtime/write.h"

namespace tenon::runtime {
namespace {

// What an entry opens with; key and value follow. The digest covers all the rest: magic, lengths, key, value.
struct Header {
  char magic[8];
  uint64_t key_bytes;
  uint64_t value_bytes;
  DigestBytes digest;
};
static_assert(sizeof(Header) == 56);

constexpr char magic[8] = {'T', 'E', 'N', 'O', 'N', 'K', 'C', '1'};
constexpr std::string_view suffix = ".kernel";
constexpr std::string_view temporary = ".new";
constexpr time_t abandoned_after = 3600;  // seconds after which a temporary has no writer any more
constexpr time_t touch_after = 3600;      // how coarse the record of an entry's last use is

struct File {  // closes what it holds
  explicit File(int descriptor) : descriptor(descriptor) {}
  ~File() {
    if (descriptor >= 0) close(descriptor);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  bool is_open() const { return descriptor >= 0; }
  int descriptor;
};

void warn_once(const std::string& directory, const char* reason) {
  static std::atomic<bool> warned = false;
  if (warned.exchange(true)) return;
  warn("tenon: the kernel cache is off: " + directory + ": " + reason +
       "; set TENON_CACHE_DIR to a directory of your own");
}

// Whether only this user could have put it there.
bool is_ours(const struct stat& info) { return info.st_uid == geteuid() && (info.st_mode & 022) == 0; }

void make_directories(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    mkdir(path.substr(0, slash).c_str(), 0700);
  mkdir(path.c_str(), 0700);  // the caller sees what is wrong when it opens the directory
}

// The directory's descriptor, or -1. Opened for each operation, so that a directory that is removed and made again
// under a running program does no harm.
int open_directory(const std::string& path, bool make) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int descriptor = open(path.c_str(), flags);
  if (descriptor < 0 && errno == ENOENT) {
    if (!make) return -1;  // nothing is stored yet: an ordinary miss
    make_directories(path);
    descriptor = open(path.c_str(), flags);
  }
  if (descriptor < 0) {
    warn_once(path, errno == ELOOP || errno == ENOTDIR ? "not a directory (links are not followed)" : strerror(errno));
    return -1;
  }
  struct stat info;
  if (fstat(descriptor, &info) != 0 || !is_ours(info)) {
    warn_once(path, "owned by or writable for other users");
    close(descriptor);
    return -1;
  }
  return descriptor;
}

bool read_all(int descriptor, char* to, size_t count) {
  while (count > 0) {
    const ssize_t got = read(descriptor, to, count);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    count -= static_cast<size_t>(got);
  }
  return true;
}

DigestBytes digest_of(const Header& header, std::string_view key, std::string_view value) {
  const std::string_view lengths(reinterpret_cast<const char*>(&header), offsetof(Header, digest));
  return Digest().update(lengths).update(key).update(value).finish();
}

std::string file_name(std::string_view key) { return hex(digest(key)) + std::string(suffix); }

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool was_long_ago(time_t then) {  // or lies as far in the future, by a clock that has been set back
  const time_t now = time(nullptr);
  return (now > then ? now - then : then - now) > abandoned_after;
}

// Removes abandoned temporaries; and, where `needed` more bytes would be beyond the limit, the entries used longest ago until
// three quarters of it remain. Gives the bytes that are left.
uint64_t evict(int directory, uint64_t most_bytes, uint64_t needed) {
  DIR* listing = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (listing == nullptr) return most_bytes;  // nobody knows: too many
  struct Entry {
    int64_t used;
    uint64_t bytes;
    std::string name;
  };
  std::vector<Entry> entries;
  uint64_t total = sizeof(uint64_t);  // the count itself
  while (const dirent* item = readdir(listing)) {
    const std::string name = item->d_name;
    struct stat info;
    const bool entry = ends_with(name, suffix);
    if (!entry && !ends_with(name, temporary)) continue;
    if (fstatat(directory, item->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!entry && was_long_ago(info.st_mtime) && unlinkat(directory, item->d_name, 0) == 0) continue;
    total += uint64_t(info.st_size);
    if (entry)
      entries.push_back({info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec, uint64_t(info.st_size), name});
  }
  closedir(listing);
  if (total + needed <= most_bytes) return total;
  const uint64_t room = std::min(most_bytes - most_bytes / 4, most_bytes - needed);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (total <= room) break;
    if (unlinkat(directory, entry.name.c_str(), 0) == 0) total -= entry.bytes;
  }
  return total;
}

std::optional<std::string> read_entry(int directory, std::string_view key) {
  // O_NONBLOCK: a pipe under an entry's name must not make us wait for a writer.
  const File file(openat(directory, file_name(key).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (!file.is_open() || fstat(file.descriptor, &info) != 0 || !S_ISREG(info.st_mode) || !is_ours(info)) return {};
  Header header;
  if (!read_all(file.descriptor, reinterpret_cast<char*>(&header), sizeof header)) return {};
  // The file's size bounds every length before anything is allocated.
  const uint64_t rest = uint64_t(info.st_size) - sizeof header;
  if (std::memcmp(header.magic, magic, sizeof magic) != 0 || header.key_bytes != key.size() || rest < key.size() ||
      header.value_bytes != rest - key.size())
    return {};
  std::string stored_key(key.size(), '\0');
  std::string value(header.value_bytes, '\0');
  if (!read_all(file.descriptor, stored_key.data(), stored_key.size()) || stored_key != key) return {};
  if (!read_all(file.descriptor, value.data(), value.size())) return {};
  if (digest_of(header, stored_key, value) != header.digest) return {};
  if (time(nullptr) - info.st_mtime > touch_after) futimens(file.descriptor, nullptr);
  return value;
}

// Writers take turns, and each counts what it adds before it does: so the count is too large where a writer was killed or
// replaced an entry, and the limit holds all the same. A writer that does not get its turn, since another was stopped in its
// own, stores nothing.
class Turn {
 public:
  Turn(int directory, const std::string& path)
      : file_(openat(directory, "total", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600)) {
    if (!file_.is_open()) warn_once(path, strerror(errno));
    for (int tries = 0; file_.is_open() && tries < 250 && !ours_; ++tries) {
      if (tries > 0) usleep(1000);
      // A file system without locks has no writers that could be told apart either.
      ours_ = flock(file_.descriptor, LOCK_EX | LOCK_NB) == 0 || (errno != EWOULDBLOCK && errno != EINTR);
    }
  }
  ~Turn() {
    if (ours_) flock(file_.descriptor, LOCK_UN);  // a child that was forked meanwhile holds the file open
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  bool is_ours() const { return ours_; }
  uint64_t total() const {  // the largest number where nobody has counted
    uint64_t bytes = 0;
    return pread(file_.descriptor, &bytes, sizeof bytes, 0) == sizeof bytes ? bytes : UINT64_MAX;
  }
  void set_total(uint64_t bytes) const {
    // A full disk holds no count: the next store looks.
    const SignalsHeld held;  // there may be a limit on the size of files
    if (pwrite(file_.descriptor, &bytes, sizeof bytes, 0) != sizeof bytes) (void)!ftruncate(file_.descriptor, 0);
  }

 private:
  File file_;
  bool ours_ = false;
};

bool write_entry(int directory, const std::string& path, std::string_view key, std::string_view value) {
  Header header = {};
  std::memcpy(header.magic, magic, sizeof magic);
  header.key_bytes = key.size();
  header.value_bytes = value.size();
  header.digest = digest_of(header, key, value);

  const std::string name = file_name(key);
  // Random, because processes of two containers may share both the directory and a process id.
  uint64_t nonce = 0;
  if (getrandom(&nonce, sizeof nonce, GRND_NONBLOCK) != sizeof nonce) nonce = uint64_t(getpid());
  static std::atomic<uint64_t> counter = 0;
  const std::string draft =
      name.substr(0, 16) + "." + std::to_string(nonce) + "." + std::to_string(counter++) + std::string(temporary);
  const File file(openat(directory, draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.is_open()) {
    warn_once(path, strerror(errno));
    return false;
  }
  const std::string_view head(reinterpret_cast<const char*>(&header), sizeof header);
  if (write_all(file.descriptor, head) && write_all(file.descriptor, key) && write_all(file.descriptor, value) &&
      renameat(directory, draft.c_str(), directory, name.c_str()) == 0)
    return true;
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) warn_once(path, strerror(errno));
  unlinkat(directory, draft.c_str(), 0);
  return false;
}

}  // namespace

DiskCache::DiskCache(std::string directory, uint64_t most_bytes)
    : directory_(std::move(directory)), most_bytes_(most_bytes) {
  // "link/" and "link/." would be followed in spite of O_NOFOLLOW.
  while (directory_.size() > 1 && (ends_with(directory_, "/") || ends_with(directory_, "/."))) directory_.pop_back();
}

std::string DiskCache::entry_path(std::string_view key) const { return directory_ + "/" + file_name(key); }

std::optional<std::string> DiskCache::load(std::string_view key) const noexcept {
  if (directory_.empty()) return {};
  try {
    const File directory(open_directory(directory_, false));
    if (!directory.is_open()) return {};
    return read_entry(directory.descriptor, key);
  } catch (...) {  // out of memory
    return {};
  }
}

bool DiskCache::store(std::string_view key, std::string_view value) const noexcept {
  const uint64_t needed = sizeof(Header) + key.size() + value.size();
  if (directory_.empty() || needed > most_bytes_) return false;
  try {
    const File directory(open_directory(directory_, true));
    if (!directory.is_open()) return false;
    const Turn turn(directory.descriptor, directory_);
    if (!turn.is_ours()) return false;
    // Listing a full directory takes milliseconds: the count says when. It may be too small where files came from elsewhere,
    // and nobody counts what killed writers left, so one store in 32 looks anyway, and each that is large for the limit.
    uint64_t total = turn.total();
    if (total > most_bytes_ - needed || needed > most_bytes_ / 32 || digest(key)[0] % 32 == 0)
      total = evict(directory.descriptor, most_bytes_, needed);
    if (total > most_bytes_ - needed) return false;  // others' files, which cannot be removed
    turn.set_total(total + needed);
    return write_entry(directory.descriptor, directory_, key, value);
  } catch (...) {
    return false;
  }
}

DiskCache disk_cache_from_environment() {
  const uint64_t most_bytes = size_variable(Variable::cache_bytes, DiskCache::default_bytes);
  if (environment(Variable::cache) == "0") return DiskCache("");
  if (const std::string own = environment(Variable::cache_dir); !own.empty()) return DiskCache(own, most_bytes);
  // The XDG specification: a path that is not absolute is to be ignored.
  if (const std::string xdg = environment(Variable::xdg_cache); xdg.starts_with("/"))
    return DiskCache(xdg + "/tenon", most_bytes);
  if (const std::string user = environment(Variable::home); user.starts_with("/"))
    return DiskCache(user + "/.cache/tenon", most_bytes);
  warn_once("$HOME", "not set");
  return DiskCache("");
}

const DiskCache& disk_cache() {
  static constinit Forever<const DiskCache> cache;
  return cache.get([] { return new DiskCache(disk_cache_from_environment()); });
}

}  // namespace tenon::runtime
