// The bytes of the kernel cache on disk: bounded at every moment, however many processes store, whatever they leave behind.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tenon/runtime/cache/disk_cache.h"
#include "tenon/tests/files.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::runtime {
namespace {

namespace fs = std::filesystem;

using testing::sample, testing::write_file;

class DiskCacheBound : public ::testing::Test {
 protected:
  void SetUp() override { base_ = testing::temporary_folder("cache-bound"); }
  void TearDown() override { fs::remove_all(base_); }
  std::string directory() const { return (base_ / "tenon").string(); }

 private:
  fs::path base_;
};

TEST_F(DiskCacheBound, ManyWritersStayBoundedAtEveryMoment) {
  const uint64_t limit = 200000;
  std::vector<pid_t> writers;
  for (unsigned writer = 0; writer < 4; ++writer) {
    const pid_t child = fork();
    if (child == 0) {
      const DiskCache cache(directory(), limit);
      for (unsigned i = 0; i < 150; ++i)
        cache.store(std::to_string(writer) + " " + std::to_string(i), sample(1000 + 397 * i % 9000, i));
      _exit(0);
    }
    writers.push_back(child);
  }
  uint64_t most = 0;
  for (size_t running = writers.size(); running > 0;) {
    uint64_t total = 0;
    std::error_code gone;
    for (fs::directory_iterator item(directory(), gone), end; !gone && item != end; item.increment(gone)) {
      std::error_code gone_too;
      const uint64_t size = item->file_size(gone_too);
      if (!gone_too) total += size;
    }
    most = std::max(most, total);
    if (waitpid(-1, nullptr, WNOHANG) > 0) --running;
  }
  EXPECT_LE(most, limit + 10000) << "a listing that is not one moment may see an entry that has gone and its successor";
  EXPECT_GT(most, limit / 2);
  uint64_t left = 0;
  for (const auto& item : fs::directory_iterator(directory())) left += item.file_size();
  EXPECT_LE(left, limit);
}

TEST_F(DiskCacheBound, AWrongOrMissingCountIsMended) {
  const uint64_t limit = 100000;
  const DiskCache cache(directory(), limit);
  for (const std::string& count : {std::string(), std::string("abc"), std::string(8, '\xff'), std::string(8, '\0')}) {
    for (int i = 0; i < 10; ++i) cache.store("some" + std::to_string(i), sample(9000, 2));
    write_file(fs::path(directory()) / "total", count);
    for (int i = 0; i < 40; ++i) cache.store(count + "more" + std::to_string(i), sample(9000, 3));
    uint64_t total = 0;
    for (const auto& item : fs::directory_iterator(directory())) total += item.file_size();
    EXPECT_LE(total, limit);
    EXPECT_TRUE(cache.load(count + "more39"));
  }
}

TEST_F(DiskCacheBound, AWriterThatIsStoppedHoldsNobodyUp) {
  const DiskCache cache(directory());
  ASSERT_TRUE(cache.store("before", "x"));
  const int count = open((directory() + "/total").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(count, LOCK_EX), 0);
  EXPECT_FALSE(cache.store("during", "x"));
  EXPECT_TRUE(cache.load("before"));
  close(count);
  EXPECT_TRUE(cache.store("after", "x"));
}

TEST_F(DiskCacheBound, ATemporaryFromTheFutureIsSweptToo) {
  const DiskCache cache(directory());
  ASSERT_TRUE(cache.store("before", "x"));
  const auto draft = [&](const char* name, int hours) {
    const fs::path path = fs::path(directory()) / name;
    write_file(path, "left by a writer that was killed");
    fs::last_write_time(path, fs::file_time_type::clock::now() + std::chrono::hours(hours));
    return path;
  };
  const fs::path future = draft("a.1.new", 24), past = draft("b.1.new", -24), now = draft("c.1.new", 0);
  const DiskCache small(directory(), 1 << 16);
  ASSERT_TRUE(small.store("large for the limit", sample(4000, 1)));
  EXPECT_FALSE(fs::exists(future));
  EXPECT_FALSE(fs::exists(past));
  EXPECT_TRUE(fs::exists(now)) << "its writer may be at work";
}

}  // namespace
}  // namespace tenon::runtime
