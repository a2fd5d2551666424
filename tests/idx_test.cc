// IDX files, plain and gzipped: the real data set where it is installed, every element type, and every way in which a file can be wrong.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <numeric>
#include <random>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/idx.h"
#include "tenon/tenon.h"
#include "tenon/tests/files.h"
#include "tenon/tests/idx_bytes.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::runtime {
namespace {

using testing::gzip, testing::idx;

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string error_of(const std::string& file) {
  try {
    parse_idx(bytes_of(file), "x.gz");
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("x.gz"), std::string::npos);
    return error.what();
  }
  return "no error";
}

#define EXPECT_REFUSED(file, words) EXPECT_NE(error_of(file).find(words), std::string::npos) << error_of(file)

std::string text_of(const IdxArray& array) {
  return std::string(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
}

TEST(Idx, ReadsWhatIsThere) {
  for (const bool plain : {true, false}) {
    const auto parsed = [&](const std::string& file) { return parse_idx(bytes_of(plain ? file : gzip(file)), "x"); };
    const IdxArray array = parsed(idx({2, 3}, "abcdef"));
    EXPECT_EQ(array.shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(text_of(array), "abcdef");
    EXPECT_TRUE(parsed(idx({0, 3}, "")).bytes.empty());
    EXPECT_EQ(parsed(idx({5}, "hello")).bytes.size(), 5u);
    EXPECT_EQ(text_of(parsed(idx({}, "h"))), "h");
  }
}

// Bytes 1 2 3 4 ... as elements of each type; the numbers are those bytes, the first the highest.
TEST(Idx, ElementTypes) {
  const std::string folder = testing::temporary_folder("idx"), bytes = "\x3f\x80\x01\x02\xbf\xe5\x06\x07";
  const auto loaded = [&](int type, uint32_t count) {
    testing::write_file(folder + "/x", idx({count}, bytes, type));
    const Tensor plain = data::load_idx(folder + "/x");
    testing::write_file(folder + "/x", gzip(idx({count}, bytes, type)));
    EXPECT_EQ(data::load_idx(folder + "/x").to_vector<double>(), plain.to_vector<double>());
    return plain;
  };
  EXPECT_EQ(loaded(0x08, 8).to_vector<int>(), (std::vector<int>{0x3f, 0x80, 1, 2, 0xbf, 0xe5, 6, 7}));
  EXPECT_EQ(loaded(0x09, 8).to_vector<int>(), (std::vector<int>{0x3f, -128, 1, 2, 0xbf - 256, 0xe5 - 256, 6, 7}));
  EXPECT_EQ(loaded(0x0b, 4).to_vector<int>(), (std::vector<int>{0x3f80, 0x0102, 0xbfe5 - 65536, 0x0607}));
  EXPECT_EQ(loaded(0x0c, 2).to_vector<int64_t>(),
            (std::vector<int64_t>{0x3f800102, int64_t{0xbfe50607} - (int64_t{1} << 32)}));
  const uint32_t first = 0x3f800102, second = 0xbfe50607;
  const uint64_t wide = uint64_t{first} << 32 | second;
  float floats[2];
  double number = 0;
  std::memcpy(floats, &first, 4), std::memcpy(floats + 1, &second, 4), std::memcpy(&number, &wide, 8);
  EXPECT_EQ(loaded(0x0d, 2).to_vector<float>(), (std::vector<float>{floats[0], floats[1]}));
  EXPECT_EQ(loaded(0x0e, 1).to_vector<double>(), (std::vector<double>{number}));
  EXPECT_TRUE(loaded(0x0e, 1).dtype() == f64 && loaded(0x0d, 2).dtype() == f32 && loaded(0x0b, 4).dtype() == i16);
  std::filesystem::remove_all(folder);
}

TEST(Idx, RefusesWithAReason) {
  EXPECT_REFUSED("", "too short for a magic number");
  EXPECT_REFUSED(gzip("ab"), "too short");
  EXPECT_REFUSED(gzip("\x93NUMPY and so on"), "wrong magic");
  EXPECT_REFUSED("PK and so on", "wrong magic");
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcdef", 0x0f)), "no element type of IDX");
  for (const bool plain : {true, false}) {
    const auto file = [&](const std::string& text) { return plain ? text : gzip(text); };
    EXPECT_REFUSED(file(idx({2, 3}, "abcdef").substr(0, 9)), "too short for its 2 extents");
    EXPECT_REFUSED(file(idx({2, 3}, "abcdefg")), "more bytes follow");
    EXPECT_REFUSED(file(idx({3}, "abcdefgh", 0x0c)), plain ? "can hold" : "holds 2 elements where 3 are declared");
  }
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcde")), "holds 5 elements where 6 are declared");
  EXPECT_REFUSED(idx({2, 3}, "abcde"), "declares more elements than 17 bytes can hold");
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcdef")) + "x", "compressed bytes are cut off");
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcdef")) + "what follows", "compressed bytes are damaged");
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcdef")) + gzip("x"), "more bytes follow");
}

TEST(Idx, SizesThatAreLies) {  // refused before memory is taken
  for (const std::string& file :
       {idx({0xffffffff, 0xffffffff}, "abcdef"), idx({0x10000, 0x10000}, ""),
        idx(std::vector<uint32_t>(255, 0xffffffff), "abcdef"), idx({0, 0xffffffff, 0xffffffff, 0xffffffff}, "")}) {
    EXPECT_REFUSED(gzip(file), "compressed bytes are believed to hold");
    EXPECT_REFUSED(file, "bytes can hold");
  }
  // Bombs: a small declared size stops the decompression of much more, and a large one that is true is not believed.
  EXPECT_REFUSED(gzip(idx({2, 3}, std::string(100 << 20, '\0'))), "more bytes follow");
  EXPECT_REFUSED(gzip(idx({100 << 20}, std::string(100 << 20, '\0'))), "believed to hold; unpack the file");
}

TEST(Idx, TruncatedOrDamagedAnywhere) {
  std::string elements(3000, '\0');
  std::mt19937 random(5);
  for (char& c : elements) c = static_cast<char>(random() % 7);
  const std::string good = gzip(idx({30, 100}, elements));
  ASSERT_EQ(error_of(good), "no error");
  for (size_t length = 0; length < good.size(); length++)
    ASSERT_NE(error_of(good.substr(0, length)), "no error") << length;
  for (size_t at = 10; at < good.size(); at++) {  // the ten bytes of gzip's own header say nothing about the data
    std::string damaged = good;
    damaged[at] ^= static_cast<char>(1 << (at % 8));
    ASSERT_NE(error_of(damaged), "no error") << at;
  }
}

TEST(Idx, FilesThatCannotBeRead) {
  EXPECT_THROW(read_idx("/no/such/file.gz"), Error);
  EXPECT_THROW(read_idx("/"), Error);
}

TEST(Idx, FashionMnist) {
  const std::string folder = "/usr/share/datasets/fashion-mnist/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the package dataset-fashion-mnist is not installed";
  for (const auto& [part, count] : {std::pair<std::string, int64_t>{"train", 60000}, {"t10k", 10000}}) {
    const Tensor images = data::load_idx(folder + part + "-images-idx3-ubyte.gz");
    EXPECT_EQ(images.shape(), Shape({count, 28, 28}));
    const Tensor labels = data::load_idx(folder + part + "-labels-idx1-ubyte.gz");
    EXPECT_EQ(labels.shape(), Shape({count}));
    std::vector<int64_t> of_class(10);
    for (const uint8_t label : labels.to_vector<uint8_t>()) of_class.at(label)++;
    for (const int64_t n : of_class) EXPECT_EQ(n, count / 10);  // the classes are balanced
    const std::vector<uint8_t> pixels = images.to_vector<uint8_t>();
    EXPECT_NEAR(std::accumulate(pixels.begin(), pixels.end(), 0.0) / static_cast<double>(pixels.size()), 73.0, 1.0);
  }
}

}  // namespace
}  // namespace tenon::runtime
