// The kernel cache on disk under every kind of bad luck: damage, foreign owners, links, races, killed writers.
// Tests that need another user run as root only, and say so where they are skipped.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "tenon/runtime/cache/disk_cache.h"
#include "tenon/tests/files.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::runtime {
namespace {

namespace fs = std::filesystem;
constexpr uid_t nobody = 65534;

using testing::read_file, testing::sample, testing::write_file;

class DiskCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    base_ = testing::temporary_folder("cache");
    chmod(base_.c_str(), 0755);  // other users must reach what lies below
  }
  void TearDown() override { fs::remove_all(base_); }

  std::string directory() const { return (base_ / "deep" / "tenon").string(); }

  // Runs in a child whose standard error is returned; `code` gets its exit code.
  std::string in_child(const std::function<int()>& function, int* code) const {
    const fs::path log = base_ / "stderr";
    const pid_t child = fork();
    if (child == 0) {
      const int file = open(log.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
      dup2(file, 2);
      alarm(60);
      _exit(function());
    }
    int status = 0;
    waitpid(child, &status, 0);
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    return read_file(log);
  }

  // Every use of an unusable directory is a miss, and all of them together cost one line.
  void expect_one_warning(const std::string& path, const std::string& reason, uid_t user) const {
    int code = 0;
    const std::string log = in_child(
        [&] {
          if (user != geteuid() && seteuid(user) != 0) return 9;
          const DiskCache cache(path);
          for (int i = 0; i < 3; i++)
            if (cache.load("key") || cache.store("key", "value") || cache.load("key")) return 1;
          return 0;
        },
        &code);
    EXPECT_EQ(code, 0) << path;
    EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
    EXPECT_NE(log.find(reason), std::string::npos) << log;
    EXPECT_NE(log.find(path), std::string::npos) << log;
  }

  fs::path base_;
};

#define SKIP_UNLESS_ROOT \
  if (geteuid() != 0) GTEST_SKIP() << "only root can make files of another owner"

TEST_F(DiskCacheTest, KeepsWhatItIsGiven) {
  const DiskCache cache(directory());
  EXPECT_FALSE(cache.load("key"));
  for (size_t bytes : {0, 1, 55, 56, 57, 20000, 300000}) {
    const std::string key = sample(bytes / 2, 1), value = sample(bytes, 2);
    EXPECT_TRUE(cache.store(key, value));
    EXPECT_EQ(cache.load(key), value);
    EXPECT_TRUE(cache.store(key, value + "more"));  // replaces
    EXPECT_EQ(cache.load(key), value + "more");
    EXPECT_FALSE(cache.load(key + "x"));
  }
  EXPECT_EQ(DiskCache(directory() + "/").load(sample(10000, 1)), sample(20000, 2) + "more");
  struct stat info;
  ASSERT_EQ(stat(directory().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(cache.entry_path("").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(DiskCacheTest, TruncatedAtAnyLengthIsAMiss) {
  const DiskCache cache(directory());
  const std::string key = sample(40, 3), value = sample(500, 4);
  ASSERT_TRUE(cache.store(key, value));
  const std::string whole = read_file(cache.entry_path(key));
  ASSERT_EQ(whole.size(), 56 + 40 + 500u);
  for (size_t length = 0; length < whole.size(); length++) {
    write_file(cache.entry_path(key), whole.substr(0, length));
    ASSERT_FALSE(cache.load(key)) << length;
  }
  for (const std::string& tail : {std::string(1, '\0'), whole}) {
    write_file(cache.entry_path(key), whole + tail);
    EXPECT_FALSE(cache.load(key));
  }
  write_file(cache.entry_path(key), whole);
  EXPECT_EQ(cache.load(key), value) << "the test must damage what would be loaded otherwise";
}

TEST_F(DiskCacheTest, AnyFlippedBitIsAMiss) {
  const DiskCache cache(directory());
  const std::string key = sample(40, 5), value = sample(300, 6);
  ASSERT_TRUE(cache.store(key, value));
  const std::string whole = read_file(cache.entry_path(key));
  for (size_t at = 0; at < whole.size(); at++) {
    std::string damaged = whole;
    damaged[at] ^= static_cast<char>(1 << (at * 5 % 8));
    write_file(cache.entry_path(key), damaged);
    ASSERT_FALSE(cache.load(key)) << at;
  }
  write_file(cache.entry_path(key), std::string(whole.size(), '\0'));  // what a power cut leaves
  EXPECT_FALSE(cache.load(key));
  EXPECT_TRUE(cache.store(key, value)) << "a damaged entry is replaced";
  EXPECT_EQ(cache.load(key), value);
}

TEST_F(DiskCacheTest, AnEntryUnderAnotherKeysNameIsAMiss) {
  // As if two keys had one digest: the stored key decides.
  const DiskCache cache(directory());
  ASSERT_TRUE(cache.store("key-a", "value"));
  fs::copy_file(cache.entry_path("key-a"), cache.entry_path("key-b"));
  EXPECT_FALSE(cache.load("key-b"));
}

TEST_F(DiskCacheTest, OtherThingsUnderAnEntrysName) {
  const DiskCache cache(directory());
  ASSERT_TRUE(cache.store("key", "value"));
  const fs::path entry = cache.entry_path("key"), elsewhere = base_ / "elsewhere";
  fs::rename(entry, elsewhere);
  fs::create_symlink(elsewhere, entry);
  EXPECT_FALSE(cache.load("key")) << "a link is not followed";
  EXPECT_TRUE(cache.store("key", "new"));
  EXPECT_EQ(cache.load("key"), "new");
  EXPECT_EQ(read_file(elsewhere).substr(56), "keyvalue") << "nor written through";
  fs::remove(entry);
  ASSERT_EQ(mkfifo(entry.c_str(), 0600), 0);
  EXPECT_FALSE(cache.load("key"));  // must not wait for a writer
  fs::remove(entry);
  fs::create_directory(entry);
  EXPECT_FALSE(cache.load("key"));
  EXPECT_FALSE(cache.store("key", "value"));
  fs::remove(entry);
  fs::copy_file(elsewhere, entry);
  EXPECT_EQ(chmod(entry.c_str(), 0620), 0);
  EXPECT_FALSE(cache.load("key")) << "others could have written it";
}

TEST_F(DiskCacheTest, DirectoriesThatOthersCouldHaveMade) {
  fs::create_directories(base_ / "real");
  chmod((base_ / "real").c_str(), 0700);
  fs::create_symlink(base_ / "real", base_ / "link");
  expect_one_warning((base_ / "link").string(), "links are not followed", geteuid());
  int code = 0;
  in_child([&] { return DiskCache((base_ / "link").string() + "//./").store("k", "v") ? 1 : 0; }, &code);
  EXPECT_EQ(code, 0) << "a link with a slash behind it is a link";
  write_file(base_ / "file", "");
  expect_one_warning((base_ / "file").string(), "not a directory", geteuid());
  for (mode_t mode : {0770, 0720, 0702, 0777}) {
    chmod((base_ / "real").c_str(), mode);
    expect_one_warning((base_ / "real").string(), "writable for other users", geteuid());
  }
}

TEST_F(DiskCacheTest, ForeignOwnerOfDirectoryOrEntry) {
  SKIP_UNLESS_ROOT;
  const DiskCache cache(directory());
  ASSERT_TRUE(cache.store("key", "value"));
  ASSERT_EQ(chown(cache.entry_path("key").c_str(), nobody, nobody), 0);
  EXPECT_FALSE(cache.load("key"));
  ASSERT_EQ(chown(directory().c_str(), nobody, nobody), 0);
  expect_one_warning(directory(), "owned by", 0);
}

TEST_F(DiskCacheTest, ReadOnlyDirectoryCostsOneWarning) {
  // Root writes everywhere, so root becomes another user in the child.
  const uid_t user = geteuid() == 0 ? nobody : geteuid();
  fs::create_directory(base_ / "readonly");
  ASSERT_EQ(chown((base_ / "readonly").c_str(), user, getegid()), 0);
  ASSERT_EQ(chmod((base_ / "readonly").c_str(), 0500), 0);
  expect_one_warning((base_ / "readonly").string(), "denied", user);
  // Where even the directory cannot be made.
  expect_one_warning((base_ / "readonly" / "below").string(), "", user);
  chmod((base_ / "readonly").c_str(), 0700);
}

TEST_F(DiskCacheTest, ADirectoryThatVanishesIsMadeAgain) {
  const DiskCache cache(directory());
  ASSERT_TRUE(cache.store("key", "value"));
  fs::remove_all(base_ / "deep");
  EXPECT_FALSE(cache.load("key"));
  EXPECT_TRUE(cache.store("key", "value"));
  EXPECT_EQ(cache.load("key"), "value");
}

TEST_F(DiskCacheTest, ConcurrentProcessesSeeWholeEntriesOnly) {
  const auto value_of = [](int key, int version) {
    return sample(20000 + 1000 * key, static_cast<unsigned>(100 * key + version));
  };
  std::vector<pid_t> children;
  for (int worker = 0; worker < 8; worker++) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      const DiskCache cache(directory());
      int hits = 0;
      for (int round = 0; round < 60; round++) {
        const int key = (worker + round) % 4;
        if ((worker + round / 4) % 2) {
          cache.store("key" + std::to_string(key), value_of(key, round % 3));
        } else if (const auto got = cache.load("key" + std::to_string(key))) {
          hits++;
          if (*got != value_of(key, 0) && *got != value_of(key, 1) && *got != value_of(key, 2)) _exit(1);
        }
      }
      _exit(hits > 0 ? 0 : 2);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
}

TEST_F(DiskCacheTest, AWriterThatIsKilledLeavesNoHalfEntry) {
  const std::string first = sample(3 << 20, 1), second = sample(3 << 20, 2);
  const DiskCache cache(directory());
  ASSERT_TRUE(cache.store("key", first));
  const auto drafts = [&] {
    std::vector<fs::path> found;
    for (const auto& item : fs::directory_iterator(directory()))
      if (item.path().extension() == ".new") found.push_back(item.path());
    return found;
  };
  for (int round = 0; round < 12; round++) {
    const size_t before = drafts().size();
    do {
      const pid_t child = fork();
      if (child == 0)
        for (;;) cache.store("key", second);
      if (round % 2 == 0)
        usleep(2000 + 3000 * round);  // at any moment
      else
        while (drafts().size() == before) usleep(100);  // while it writes; it may be done all the same
      kill(child, SIGKILL);
      int status = 0;
      waitpid(child, &status, 0);
      ASSERT_EQ(WTERMSIG(status), SIGKILL);
    } while (round % 2 != 0 && drafts().size() == before);
    ASSERT_GE(drafts().size(), static_cast<size_t>(round + 1) / 2) << "the writer was not killed half-way";
    const auto got = cache.load("key");
    ASSERT_TRUE(got && (*got == first || *got == second));
  }
  for (const auto& draft : drafts())
    fs::last_write_time(draft, fs::file_time_type::clock::now() - std::chrono::hours(2));
  const DiskCache small(directory(), 32 << 20);  // for which the value is large, so that this store looks around
  ASSERT_TRUE(small.store("key", first));
  EXPECT_TRUE(drafts().empty());
}

TEST_F(DiskCacheTest, StaysWithinItsBytesAndDropsTheOldest) {
  const uint64_t limit = 200000;
  const DiskCache cache(directory(), limit);
  const auto age = [&](const std::string& key, int hours) {
    fs::last_write_time(cache.entry_path(key), fs::file_time_type::clock::now() - std::chrono::hours(hours));
  };
  ASSERT_TRUE(cache.store("old", sample(20000, 1)));
  ASSERT_TRUE(cache.store("used", sample(20000, 2)));
  age("old", 50);
  age("used", 60);
  ASSERT_TRUE(cache.load("used"));  // so it is not the oldest any more
  for (int i = 0; i < 9; i++) ASSERT_TRUE(cache.store("new" + std::to_string(i), sample(20000, 3)));
  EXPECT_FALSE(cache.load("old"));
  EXPECT_TRUE(cache.load("used") || cache.load("new8"));
  for (int i = 0; i < 40; i++) {
    ASSERT_TRUE(cache.store("more" + std::to_string(i), sample(20000, 4)));
    uint64_t total = 0;
    for (const auto& item : fs::directory_iterator(directory())) total += item.file_size();
    ASSERT_LE(total, limit);
    ASSERT_TRUE(cache.load("more" + std::to_string(i))) << "the newest is never dropped";
  }
  EXPECT_FALSE(cache.store("huge", sample(limit + 1, 5)));
}

TEST_F(DiskCacheTest, ManySmallStoresStayBoundedToo) {
  const uint64_t limit = 1 << 20;
  const DiskCache cache(directory(), limit);
  for (int i = 0; i < 600; i++) ASSERT_TRUE(cache.store("key" + std::to_string(i), sample(8000, 1)));
  uint64_t total = 0;
  for (const auto& item : fs::directory_iterator(directory())) total += item.file_size();
  EXPECT_LE(total, limit);
  EXPECT_GT(total, limit / 4);
}

TEST_F(DiskCacheTest, PlaceFromTheEnvironment) {
  const auto place = [&](std::vector<std::pair<std::string, std::string>> variables) {
    int code = 0;
    return in_child(
        [&] {
          for (const char* name : {"TENON_CACHE", "TENON_CACHE_DIR", "TENON_CACHE_BYTES", "XDG_CACHE_HOME", "HOME"})
            unsetenv(name);
          for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
          dprintf(2, "%s", disk_cache_from_environment().directory().c_str());
          return 0;
        },
        &code);
  };
  EXPECT_EQ(place({{"TENON_CACHE_DIR", "/a"}, {"XDG_CACHE_HOME", "/b"}, {"HOME", "/c"}}), "/a");
  EXPECT_EQ(place({{"XDG_CACHE_HOME", "/b"}, {"HOME", "/c"}}), "/b/tenon");
  EXPECT_EQ(place({{"XDG_CACHE_HOME", "relative"}, {"HOME", "/c"}}), "/c/.cache/tenon");
  EXPECT_EQ(place({{"TENON_CACHE", "0"}, {"TENON_CACHE_DIR", "/a"}}), "");
  EXPECT_EQ(place({{"TENON_CACHE", "1"}, {"TENON_CACHE_DIR", "/a/"}}), "/a");
  EXPECT_NE(place({}).find("not set"), std::string::npos);

  int code = 0;
  const std::string log = in_child(
      [&] {
        setenv("TENON_CACHE", "0", 1);
        setenv("TENON_CACHE_DIR", directory().c_str(), 1);
        return disk_cache().store("k", "v") || disk_cache().load("k") || fs::exists(directory()) ? 1 : 0;
      },
      &code);
  EXPECT_EQ(code, 0);
  EXPECT_EQ(log, "");
  in_child(
      [&] {
        setenv("TENON_CACHE_BYTES", "1000", 1);
        unsetenv("TENON_CACHE");
        setenv("TENON_CACHE_DIR", directory().c_str(), 1);
        return disk_cache().store("k", std::string(1000, 'v')) || !disk_cache().store("k", "v") ? 1 : 0;
      },
      &code);
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace tenon::runtime
