// The progress bar on a terminal, which is one of this test's own, and line by line to a file.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "tenon/tenon.h"

namespace tn = tenon;

namespace {

struct Pipe {
  int ends[2] = {-1, -1};
  std::FILE* out;
  Pipe() {
    if (pipe(ends) != 0) throw tn::Error("no pipe");
    out = fdopen(ends[1], "w");
  }
  std::string written() {
    std::fclose(out);
    std::string text;
    char piece[4096];
    for (ssize_t n; (n = read(ends[0], piece, sizeof piece)) > 0;) text.append(piece, static_cast<size_t>(n));
    close(ends[0]);
    return text;
  }
};

TEST(Progress, ToAPipeLinesAlone) {
  Pipe pipe;
  {
    tn::Progress progress(10, {.unit = "images", .per_step = 128, .out = pipe.out});
    progress.label("epoch 1/2");
    for (int i = 0; i < 5; ++i) progress.step({{"loss", 0.5}});
    progress.line({{"loss", 0.123456}, {"accuracy %", 91.5}});
    EXPECT_EQ(progress.done(), 5);
    EXPECT_GT(progress.rate(), 0);
  }
  const std::string text = pipe.written();
  EXPECT_TRUE(text.starts_with("epoch 1/2  loss 0.1235  accuracy 91.5 %  ")) << text;
  EXPECT_NE(text.find(" images/s  "), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with(" left\n")) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_EQ(text.find_first_of("\r\x1b"), std::string::npos) << text;
}

TEST(Progress, ToAPipeNowAndThen) {
  Pipe pipe;
  {
    tn::Progress progress(1000, {.out = pipe.out, .every = 0});
    for (int i = 0; i < 3; ++i) progress.step();
    progress.advance(7);
  }
  const std::string text = pipe.written();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4) << text;
}

TEST(Progress, OnATerminalABar) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) GTEST_SKIP() << "there are no terminals here";
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
  if (terminal < 0) GTEST_SKIP() << "there are no terminals here";
  std::FILE* const out = fdopen(terminal, "w");
  {
    tn::Progress progress(4, {.unit = "rows", .out = out});
    progress.label("pass");
    for (int i = 0; i < 4; ++i) progress.step({{"loss", 2}});
    progress.line({{"mean", 1}});
    progress.step();
  }
  std::string text;
  char piece[4096];
  for (pollfd ready = {master, POLLIN, 0};
       std::count(text.begin(), text.end(), '\n') < 2 && poll(&ready, 1, 5000) > 0;) {
    const ssize_t n = read(master, piece, sizeof piece);
    if (n <= 0) break;
    text.append(piece, static_cast<size_t>(n));
  }
  std::fclose(out);
  close(master);
  EXPECT_NE(text.find("\rpass  [########################] 4/4  loss 2  "), std::string::npos) << text;
  EXPECT_NE(text.find("\rpass  mean 1  "), std::string::npos) << text;
  EXPECT_NE(text.find("\x1b[K"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;  // the line, and the end of the last bar
}

TEST(Progress, PausesDoNotCount) {
  Pipe pipe;
  tn::Progress progress(2, {.out = pipe.out});
  progress.pause();
  const double before = progress.seconds();
  usleep(20000);
  EXPECT_EQ(progress.seconds(), before);
  progress.resume();
  EXPECT_LT(progress.seconds(), before + 0.019);
  pipe.written();
}

}  // namespace
