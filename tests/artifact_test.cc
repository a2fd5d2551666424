// Artifacts as bytes: what is written reads back, and no damage does more than make the reader refuse. Nothing that was
// damaged is linked or run here: outside this test a digest guards the bytes (disk_cache_test).
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tenon/ir/graph/graph.h"
#include "tenon/runtime/compile.h"

namespace tenon::runtime {
namespace {

// A compiled program with symbols, several kernels and notes on what was not fused.
const Artifact& sample() {
  static const Artifact artifact = [] {
    const auto graph = ir::parse(
        "symbol n in [1, 64]\ngraph @main(%0: f32[n, 8], %1: f32[8, 8]) -> (%3, %4) {\n"
        "  %2 = dot_general %0, %1 {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0]} : f32[n, "
        "8]\n"
        "  %3 = sin %2 : f32[n, 8]\n"
        "  %4 = reduce_sum %3 {axes = [0]} : f32[8]\n}\n");
    return compile_artifact(*graph);
  }();
  return artifact;
}

// The same with a short text in place of the machine code, so that every byte can be tried.
const std::string& short_bytes() {
  static const std::string bytes = [] {
    Artifact a = sample();
    a.manifest.aliases = {{0, 0}};
    a.objects = {"one object", ""};
    return a.bytes();
  }();
  return bytes;
}

// What an accepted artifact must satisfy, so that a reader of its manifest stays within bounds.
void expect_sound(const Artifact& a) {
  const Manifest& m = a.manifest;
  ASSERT_FALSE(a.objects.empty());
  ASSERT_GE(m.arena_bytes, 0);
  const auto known = [](Dim d, size_t symbols) { return d.is_number() || d.index() < symbols; };
  for (size_t i = 0; i < m.symbols.size(); ++i) {
    ASSERT_LE(m.symbols[i].kind, SymbolKind::maximum);
    ASSERT_TRUE(known(m.symbols[i].left, i) && known(m.symbols[i].right, i))
        << "a definition refers to earlier symbols only";
  }
  for (const auto* types : {&m.inputs, &m.outputs})
    for (const ir::Type& t : *types) {
      ASSERT_LT(static_cast<int>(t.dtype), dtype_count);
      for (Dim d : t.shape) ASSERT_TRUE(known(d, m.symbols.size()));
    }
  for (const auto& [input, output] : m.aliases) {
    ASSERT_LT(input, m.inputs.size());
    ASSERT_LT(output, m.outputs.size());
  }
  for (const KernelRecord& k : m.kernels)
    for (const Dim d : {k.bytes_read, k.bytes_written, k.flops}) ASSERT_TRUE(known(d, m.symbols.size()));
  ASSERT_LE(m.kind, TargetKind::cuda);
  ASSERT_FALSE(a.bytes().empty());
}

TEST(Artifact, ReadsBackWhatWasWritten) {
  const Artifact& a = sample();
  ASSERT_FALSE(a.objects.empty());
  ASSERT_FALSE(a.manifest.kernels.empty());
  ASSERT_FALSE(a.manifest.symbols.empty());
  const std::string bytes = a.bytes();
  const std::optional<Artifact> b = Artifact::from_bytes(bytes);
  ASSERT_TRUE(b);
  EXPECT_EQ(b->bytes(), bytes);
  EXPECT_EQ(b->objects, a.objects);
  EXPECT_EQ(b->manifest.entry, a.manifest.entry);
  EXPECT_EQ(b->manifest.inputs, a.manifest.inputs);
  EXPECT_EQ(b->manifest.outputs, a.manifest.outputs);
  ASSERT_EQ(b->manifest.kernels.size(), a.manifest.kernels.size());
  bool symbolic = false;
  for (size_t i = 0; i < a.manifest.kernels.size(); ++i) {
    const KernelRecord &was = a.manifest.kernels[i], &is = b->manifest.kernels[i];
    EXPECT_EQ(is.bytes_read, was.bytes_read);
    EXPECT_EQ(is.bytes_written, was.bytes_written);
    EXPECT_EQ(is.flops, was.flops);
    symbolic |= was.bytes_read.is_symbol();
  }
  EXPECT_TRUE(symbolic);
  expect_sound(*b);
}

TEST(Artifact, ArchivesHoldTheObjectsAndAnIndexOfSymbols) {
  const std::string archive = sample().archive();
  EXPECT_EQ(archive, sample().archive()) << "something but the objects is in it: a time?";
  ASSERT_TRUE(archive.starts_with("!<arch>\n/               ")) << "the index of symbols comes first";
  const std::string index = archive.substr(8, archive.find("tenon_main.o/") - 8);
  EXPECT_NE(index.find(std::string("tenon_main\0", 11)), std::string::npos);
  EXPECT_NE(index.find(std::string("tenon_main_arena_bytes\0", 23)), std::string::npos);
  for (const std::string& object : sample().objects) EXPECT_NE(archive.find(object), std::string::npos);
}

TEST(Artifact, EveryTruncationIsRefused) {
  const std::string whole = sample().bytes();
  for (size_t length = 0; length < short_bytes().size(); ++length)
    ASSERT_FALSE(Artifact::from_bytes(std::string_view(short_bytes()).substr(0, length))) << length;
  for (size_t length = 0; length < whole.size(); length += 97)
    ASSERT_FALSE(Artifact::from_bytes(std::string(whole, 0, length)))
        << length;  // a copy: nothing readable lies behind it
  EXPECT_FALSE(Artifact::from_bytes(whole + '\0')) << "something follows";
}

TEST(Artifact, EveryFlippedBitIsRefusedOrSound) {
  int accepted = 0, refused = 0;
  for (size_t at = 0; at < short_bytes().size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = short_bytes();
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const std::optional<Artifact> a = Artifact::from_bytes(damaged);
      ++(a ? accepted : refused);
      if (a) {
        ASSERT_NO_FATAL_FAILURE(expect_sound(*a)) << at << " bit " << bit;
      }
    }
  EXPECT_GT(accepted, 0) << "a changed letter of a name goes unnoticed here: that is the digest's to find";
  EXPECT_GT(refused, 1000);
}

// Every length, count and number becomes each of the values that tempt a reader.
TEST(Artifact, NumbersThatLieAreRefusedOrSound) {
  const uint64_t lies[] = {0,
                           1,
                           2,
                           0x7f,
                           0xff,
                           short_bytes().size(),
                           short_bytes().size() + 1,
                           0xffffffff,
                           uint64_t{1} << 32,
                           uint64_t{1} << 60,
                           uint64_t{1} << 61,
                           INT64_MAX,
                           uint64_t{1} << 63,
                           UINT64_MAX - 1,
                           UINT64_MAX};
  for (size_t at = 0; at + 8 <= short_bytes().size(); ++at)
    for (uint64_t lie : lies) {
      std::string damaged = short_bytes();
      std::memcpy(damaged.data() + at, &lie, sizeof lie);
      const std::optional<Artifact> a = Artifact::from_bytes(damaged);
      if (a) {
        ASSERT_NO_FATAL_FAILURE(expect_sound(*a)) << at << " is " << lie;
      }
    }
}

TEST(Artifact, GarbageIsRefusedOrSound) {
  std::mt19937 random(13);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = short_bytes();
    for (uint32_t edits = 1 + random() % 6; edits-- > 0 && !damaged.empty();) {
      const size_t at = random() % damaged.size();
      switch (random() % 3) {
        case 0: damaged[at] = static_cast<char>(random()); break;
        case 1: damaged.erase(at, 1 + random() % 16); break;
        default: damaged.insert(at, damaged.substr(random() % damaged.size(), random() % 24));
      }
    }
    const std::optional<Artifact> a = Artifact::from_bytes(damaged);
    if (a) {
      ASSERT_NO_FATAL_FAILURE(expect_sound(*a)) << round;
    }
  }
}

}  // namespace
}  // namespace tenon::runtime
