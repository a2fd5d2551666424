// Code memory: runs what is written, never writable and executable at once, few mappings, safe across fork.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/cpu/code_memory.h"

namespace tenon::runtime {
namespace {

#if !defined(__x86_64__)
#error "the machine code in this test is x86-64"
#endif

// int f() { return value; }
void write_return(const codegen::CodeSpan& span, uint32_t value) {
  unsigned char code[6] = {0xb8, 0, 0, 0, 0, 0xc3};  // mov eax, value; ret
  memcpy(code + 1, &value, 4);
  memcpy(span.writable, code, sizeof code);
}

uint32_t run(const codegen::CodeSpan& span) { return reinterpret_cast<uint32_t (*)()>(span.executable)(); }

struct Mappings {
  int code = 0, writable_executable = 0;
};

Mappings mappings() {
  Mappings result;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    result.code += line.find("tenon-code") != std::string::npos;
    const std::string rights = line.substr(line.find(' ') + 1, 4);
    result.writable_executable += rights[1] == 'w' && rights[2] == 'x';
  }
  return result;
}

std::string rights_of(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const uint64_t begin = std::stoull(line, nullptr, 16);
    const uint64_t end = std::stoull(line.substr(line.find('-') + 1), nullptr, 16);
    const auto at = reinterpret_cast<uint64_t>(address);
    if (begin <= at && at < end) return line.substr(line.find(' ') + 1, 4);
  }
  return "none";
}

int in_child(const std::function<int()>& function) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(function());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(CodeMemory, RunsWhatIsWritten) {
  const codegen::CodeSpan span = allocate_code(100, 16);
  EXPECT_GE(span.size, 100u);
  EXPECT_NE(span.writable, span.executable);
  EXPECT_EQ(rights_of(span.writable), "rw-s");
  EXPECT_EQ(rights_of(span.executable), "r-xs");
  write_return(span, 42);
  EXPECT_EQ(run(span), 42u);
  write_return(span, 43);
  EXPECT_EQ(run(span), 43u);
  EXPECT_EQ(memcmp(span.writable, span.executable, span.size), 0);
  EXPECT_EQ(mappings().writable_executable, 0);
  release_code(span);
}

TEST(CodeMemory, SpansAreAlignedAndApart) {
  std::mt19937 random(3);
  std::map<char*, codegen::CodeSpan> live;
  const auto before = code_memory_stats();
  for (int step = 0; step < 20000; step++) {
    if (live.size() < 300 && random() % 5 < 3) {
      const uint64_t alignment = uint64_t{1} << random() % 13;
      const uint64_t bytes = random() % (step % 100 == 0 ? 6000000 : 9000);
      const codegen::CodeSpan span = allocate_code(bytes, alignment);
      ASSERT_GE(span.size, bytes);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(span.executable) % alignment, 0u);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(span.writable) % alignment, 0u);
      const auto next = live.lower_bound(static_cast<char*>(span.executable));
      if (next != live.end()) {
        ASSERT_LE(static_cast<char*>(span.executable) + span.size, next->first);
      }
      if (next != live.begin()) {
        const auto previous = std::prev(next);
        ASSERT_LE(previous->first + previous->second.size, static_cast<char*>(span.executable));
      }
      write_return(span, static_cast<uint32_t>(span.size));
      live.emplace(static_cast<char*>(span.executable), span);
    } else if (!live.empty()) {
      const auto chosen = std::next(live.begin(), random() % live.size());
      ASSERT_EQ(run(chosen->second), chosen->second.size);
      release_code(chosen->second);
      live.erase(chosen);
    }
  }
  for (const auto& [address, span] : live) release_code(span);
  EXPECT_EQ(code_memory_stats().live, before.live);
  EXPECT_EQ(code_memory_stats().live_bytes, before.live_bytes);
  EXPECT_LE(code_memory_stats().slabs, 1u) << "empty slabs go back to the system";
}

TEST(CodeMemory, AHundredThousandProgramsCostFewMappings) {
  std::mt19937 random(5);
  std::vector<codegen::CodeSpan> live;
  for (int i = 0; i < 100000; i++) {
    live.push_back(allocate_code(64 + random() % 5000, 64));
    write_return(live.back(), i);
  }
  EXPECT_LT(mappings().code, 300);  // the promise is 2,000
  EXPECT_EQ(mappings().code, static_cast<int>(2 * code_memory_stats().slabs));
  for (int i = 0; i < 100000; i += 997) EXPECT_EQ(run(live[i]), static_cast<uint32_t>(i));

  // Half of them go and as many come: the space does not grow.
  const auto full = code_memory_stats();
  for (int round = 0; round < 2; round++) {
    for (size_t i = round; i < live.size(); i += 2) release_code(live[i]);
    for (size_t i = round; i < live.size(); i += 2) live[i] = allocate_code(64 + random() % 5000, 64);
  }
  EXPECT_LE(code_memory_stats().slab_bytes, full.slab_bytes + full.slab_bytes / 10);
  for (const auto& span : live) release_code(span);
  EXPECT_LE(mappings().code, 2);
}

TEST(CodeMemory, ReleasedCodeTraps) {
  const codegen::CodeSpan keep = allocate_code(64, 64), span = allocate_code(64, 64);
  write_return(span, 1);
  release_code(span);
  EXPECT_EQ(in_child([&] { return static_cast<int>(run(span)); }), 1000 + SIGTRAP);
  release_code(keep);
}

TEST(CodeMemory, AChildKeepsItsCodeWhateverTheParentDoes) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const codegen::CodeSpan old = allocate_code(64, 64), other = allocate_code(64, 64);
  write_return(old, 7);
  write_return(other, 8);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    char byte;
    if (read(ready[0], &byte, 1) != 1) _exit(1);  // until the parent has released and compiled anew
    if (run(old) != 7 || run(other) != 8) _exit(2);
    const codegen::CodeSpan mine = allocate_code(64, 64);
    write_return(mine, 9);
    if (run(mine) != 9) _exit(3);
    release_code(old);  // must not disturb the parent either
    release_code(other);
    release_code(mine);
    _exit(0);
  }
  release_code(old);
  std::vector<codegen::CodeSpan> fresh;
  for (int i = 0; i < 1000; i++) {
    fresh.push_back(allocate_code(64, 64));
    write_return(fresh.back(), 1000 + i);
  }
  ASSERT_EQ(write(ready[1], "x", 1), 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  for (int i = 0; i < 1000; i++) EXPECT_EQ(run(fresh[i]), 1000u + i);
  EXPECT_EQ(run(other), 8u);
  for (const auto& span : fresh) release_code(span);
  release_code(other);
  close(ready[0]);
  close(ready[1]);
}

TEST(CodeMemory, AChildCannotWriteItsParentsCode) {
  const codegen::CodeSpan span = allocate_code(64, 64);
  write_return(span, 5);
  const auto write_in_child = [&] {
    signal(SIGSEGV, SIG_DFL);  // sanitizers handle it otherwise
    write_return(span, 6);
    return 0;
  };
  EXPECT_EQ(in_child(write_in_child), 1000 + SIGSEGV);
  EXPECT_EQ(run(span), 5u);
  release_code(span);
}

TEST(CodeMemory, ForksDoNotLeakForEver) {
  for (int round = 0; round < 200; round++) {
    const codegen::CodeSpan span = allocate_code(1 << 20, 64);
    ASSERT_EQ(in_child([] { return 0; }), 0);
    release_code(span);
  }
  EXPECT_LE(code_memory_stats().slabs, 1u);
}

// A slab that something live holds on to: what is released in it comes back when no child can run it any more, whatever a child
// does to its files and whoever of its children is left.
TEST(CodeMemory, WhatChildrenMayRunComesBackWhenTheyAreGone) {
  const codegen::CodeSpan holds = allocate_code(64, 64);
  codegen::CodeSpan old = allocate_code(1 << 20, 64);
  write_return(old, 7);
  int ready[2], gone[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(gone), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (fork() != 0) _exit(0);  // the child's child goes on
    alarm(20);
    char byte;
    close(ready[1]);
    const ssize_t got = read(ready[0], &byte, 1);
    for (int file = 3; file < 100; ++file)
      if (file != gone[1]) close(file);
    for (int i = 0; i < 100; ++i) {
      if (got != 1 || run(old) != 7) _exit(1);
      usleep(1000);
    }
    _exit(write(gone[1], "x", 1) == 1 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  close(gone[1]);
  const void* const place = old.executable;
  release_code(old);
  const auto takes_place = [&] {
    std::vector<codegen::CodeSpan> spans;
    bool taken = false;
    for (int i = 0; i < 8; ++i) {  // more than a slab holds, so that all that is free is looked at
      spans.push_back(allocate_code(1 << 20, 64));
      write_return(spans.back(), 9);
      taken = taken || spans.back().executable == place;
    }
    for (const auto& span : spans) release_code(span);
    return taken;
  };
  EXPECT_FALSE(takes_place());
  ASSERT_EQ(write(ready[1], "x", 1), 1);
  char byte;
  EXPECT_EQ(read(gone[0], &byte, 1), 1);  // its last word, a moment before its end
  bool back = false;
  for (int i = 0; i < 1000 && !back; ++i, usleep(10000)) back = takes_place();
  EXPECT_TRUE(back);
  for (int file : {ready[0], ready[1], gone[0]}) close(file);
  release_code(holds);
}

// However many forks there were, and however many children live on.
TEST(CodeMemory, ManyForksCostLittle) {
  const codegen::CodeSpan holds = allocate_code(64, 64);
  for (int round = 0; round < 200; ++round) {
    const codegen::CodeSpan span = allocate_code(1 << 20, 64);
    write_return(span, 3);
    ASSERT_EQ(in_child([] { return 0; }), 0);
    release_code(span);
  }
  EXPECT_LE(code_memory_stats().slabs, 2u);
  std::vector<pid_t> children;
  for (int i = 0; i < 40; ++i) {
    children.push_back(fork());
    if (children.back() == 0) pause(), _exit(0);
  }
  int files = 0;
  for (int file = 0; file < 200; ++file) files += fcntl(file, F_GETFD) != -1;
  EXPECT_LT(files, 40);
  for (pid_t child : children) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  release_code(holds);
}

TEST(CodeMemory, ManyThreads) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<codegen::CodeSpan> mine;
      for (int step = 0; step < 3000; step++) {
        mine.push_back(allocate_code(1 + random() % 3000, 64));
        write_return(mine.back(), t);
        std::swap(mine[random() % mine.size()], mine.back());
        wrong += run(mine.back()) != static_cast<uint32_t>(t);
        if (mine.size() > 50) {
          release_code(mine.back());
          mine.pop_back();
        }
      }
      for (const auto& span : mine) release_code(span);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(CodeMemory, TheImpossibleIsAnError) {
  EXPECT_THROW(allocate_code(uint64_t{1} << 40, 64), Error);
  EXPECT_THROW(allocate_code(64, 8192), InternalError);
  EXPECT_THROW(allocate_code(64, 48), InternalError);
  release_code({});
}

}  // namespace
}  // namespace tenon::runtime
