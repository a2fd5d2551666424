// The rows of `./dev bench --peers` and what is believed of a peer: each row has a name of its own and a formula that some peer knows,
// every line that is no answer is refused, results that differ count as no row, and the table says who is ahead.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tenon/bench/peer.h"
#include "tenon/bench/peer_answer.h"
#include "tenon/bench/peer_result.h"

namespace tenon::bench {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(PeerRows, EveryNameOnce) {
  std::set<std::string> names;
  for (const PeerRow& row : peer_rows()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " stands twice";
    EXPECT_EQ(row.name.find_first_of("|\t\n"), std::string::npos) << row.name;
    EXPECT_EQ(row.arguments.find_first_of("\t\n"), std::string::npos) << row.name;
    EXPECT_TRUE(row.prepare) << row.name;
  }
  // The table of issue 13 holds each of these.
  for (const char* name : {"8-op chain, 16 M",
                           "8-op chain, 64 K",
                           "gelu(x*w+b), 256x256",
                           "softmax, 1024x1024",
                           "softmax, 4096x64",
                           "layer_norm, 128x512",
                           "sum(exp(x)*y), 1024x1024",
                           "GEMM 2048",
                           "GEMM 1x1024x1024",
                           "GEMM 1024x1024x1",
                           "GEMM 67",
                           "GEMM bf16 512",
                           "attention composed, 8x1024x64",
                           "conv 3x3 NHWC, 4x56x56x64",
                           "conv 3x3 gradient of kernel",
                           "conv 3x3 depthwise",
                           "MLP step, B32",
                           "transformer block + gradient, 4x128x256",
                           "Lorenz scan, 100000 steps",
                           "cached call, x + y of 8",
                           "compile, MLP step",
                           "sort, 65536x16",
                           "argsort, 1 M",
                           "topk of 16, 1024x1024",
                           "transpose, 1024x1024",
                           "argmax of rows, 1024x1024",
                           "scatter_add, 1 M into 10000",
                           "concat of 64, 1024x1024",
                           "column sums, 1024x1024",
                           "adamw, 1 M",
                           "pow, 64 K"})
    EXPECT_TRUE(names.count(name)) << name;
}

TEST(PeerRows, SomePeerKnowsEveryFormula) {
  std::string all;
  for (const char* peer : {"numpy", "torch", "jax"})
    all += text_of(std::string(TENON_SOURCE_DIR "/bench/peers/rows/of_") + peer + ".py");
  ASSERT_FALSE(all.empty());
  for (const PeerRow& row : peer_rows())
    EXPECT_NE(all.find("    \"" + row.formula + "\": "), std::string::npos) << row.name << " is " << row.formula;
}

TEST(PeerAnswer, TheFourForms) {
  EXPECT_EQ(parse_answer("ready JAX 0.10.2").text, "JAX 0.10.2");
  EXPECT_EQ(parse_answer("none ImportError: no module").kind, Answer::Kind::none);
  EXPECT_EQ(parse_answer("prepared 1.5e-07").number, 1.5e-07);
  EXPECT_TRUE(std::isinf(parse_answer("prepared inf").number));
  EXPECT_EQ(parse_answer("seconds 0.25").number, 0.25);
}

TEST(PeerAnswer, RefusesNonsense) {
  for (const char* line : {"",
                           " ",
                           "ready",
                           "ready ",
                           "none",
                           "seconds",
                           "seconds ",
                           "seconds 0",
                           "seconds -1",
                           "seconds inf",
                           "seconds nan",
                           "seconds 1 2",
                           "seconds 0x10",
                           "seconds 1s",
                           "seconds  1",
                           "second 1",
                           "prepared",
                           "prepared -1",
                           "prepared nan",
                           "prepared 0.1 0.2",
                           "Seconds 1",
                           "seconds\t1",
                           "Traceback (most recent call last):"})
    EXPECT_THROW(parse_answer(line), std::runtime_error) << "'" << line << "'";
}

// A shell that answers as serve.py does.
class FakePeer : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/peer_rows_test";
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Peer start(const std::string& script) {
    std::ofstream(folder_ + "/serve.py") << script;
    return Peer(PeerKind::jax, "/bin/sh", folder_, 1);
  }
  // of 1 + 1
  bool prepare(Peer& peer, std::string& why) {
    const PeerRow row{"one", "add", "{}", [] { return jitted([](const Tensor& x) { return x + 1; }, ones({2})); }};
    return peer.prepare(RowFiles(folder_, row, row.prepare()), 1e-5, why);
  }
  static std::string answering(const std::string& prepare, const std::string& time) {
    return "echo ready Fake 1\nwhile read -r word rest; do case $word in prepare) echo '" + prepare + "';; *) echo '" +
           time + "';; esac; done\n";
  }
  std::string folder_;
};

TEST_F(FakePeer, IsBelievedWhenItAgrees) {
  Peer peer = start(answering("prepared 1e-06", "seconds 0.5"));
  ASSERT_TRUE(peer.here());
  EXPECT_EQ(peer.text(), "Fake 1");
  std::string why;
  EXPECT_TRUE(prepare(peer, why)) << why;
  EXPECT_EQ(peer.seconds(), 0.5);
}

TEST_F(FakePeer, AWrongRowIsNoRow) {
  Peer peer = start(answering("prepared 0.5", "seconds 0.5"));
  std::string why;
  EXPECT_FALSE(prepare(peer, why));
  EXPECT_NE(why.find("differs by 0.5"), std::string::npos) << why;
}

TEST_F(FakePeer, WithoutTheRowSaysNothing) {
  Peer peer = start(answering("none no such formula", "seconds 0.5"));
  std::string why = "before";
  EXPECT_FALSE(prepare(peer, why));
  EXPECT_EQ(why, "");
}

TEST_F(FakePeer, NonsenseIsAnError) {
  Peer peer = start(answering("prepared well", "0.5"));
  std::string why;
  EXPECT_THROW(prepare(peer, why), std::runtime_error);
  EXPECT_THROW(peer.seconds(), std::runtime_error);
}

TEST_F(FakePeer, ThatEndsHasNoFigure) {
  Peer peer = start("echo ready Fake 1\nread -r word\necho prepared 0.0\n");
  std::string why;
  EXPECT_TRUE(prepare(peer, why));
  EXPECT_EQ(peer.seconds(), 0);
  EXPECT_FALSE(peer.here());
}

TEST_F(FakePeer, ThatCannotStartSaysWhy) {
  EXPECT_EQ(start("echo none ImportError: jax\n").text(), "ImportError: jax");
  const Peer nowhere(PeerKind::torch, folder_ + "/no-such-python", folder_, 1);
  EXPECT_FALSE(nowhere.here());
  EXPECT_NE(nowhere.text().find("does not start"), std::string::npos) << nowhere.text();
}

TEST(PeerTable, SaysWhoIsAhead) {
  PeerReport report{"today", "a machine", {"JAX 1"}, {{1, 1e9, 2e9, 3e9}}, {}};
  report.results.push_back({"a", 1, 1e-6, {0, 2e-6, 4e-6}, "FMA peak", 5e-7, 1.5, {}});
  report.results.push_back({"b", 1, 1e-6, {0, 0, 5e-7}, "", 0, 1, {}});
  report.results.push_back({"c", 1, 1e-6, {}, "", 0, 1, {"PyTorch differs"}});
  EXPECT_EQ(report.results[0].best(), 1);
  EXPECT_TRUE(report.results[0].met());
  EXPECT_FALSE(report.results[1].met());
  EXPECT_EQ(report.results[2].best(), -1);
  EXPECT_DOUBLE_EQ(geometric_mean(report.results, 1), 1.0);  // of 2 and 0.5
  EXPECT_EQ(geometric_mean(report.results, 2), 0);
  const std::string table = markdown_text(report);
  EXPECT_NE(table.find("| a | 1 | 1.00 | - | 2.00 | 4.00 | PyTorch | 2.00 | 50% of FMA peak | met |"),
            std::string::npos)
      << table;
  EXPECT_NE(table.find("| b | 1 | 1.00 | - | - | 0.500 | JAX | 0.50 | - | NOT |"), std::string::npos) << table;
  EXPECT_NE(table.find("3 rows, 1 not met, 1 unsteady"), std::string::npos) << table;
  EXPECT_NE(table.find("c, 1 thread: PyTorch differs"), std::string::npos) << table;
  EXPECT_NE(json_text(report).find("\"row\": \"b\", \"threads\": 1, \"tenon\": 1e-06, \"NumPy\": null"),
            std::string::npos)
      << json_text(report);
}

}  // namespace
}  // namespace tenon::bench
