// Gzipped IDX files: the real data set where it is installed, and every way in which a file can be wrong.
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <numeric>
#include <random>

#include "tenon/examples/data/idx.h"
#include "tenon/ir/base/error.h"

namespace tenon::examples {
namespace {

std::string gzip(const std::string& text) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string result(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

std::string idx(const std::vector<uint32_t>& shape, const std::string& elements, int type = 8) {
  std::string text = {'\0', '\0', static_cast<char>(type), static_cast<char>(shape.size())};
  for (const uint32_t extent : shape)
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(extent >> shift);
  return text + elements;
}

std::string error_of(const std::string& compressed, int rank = 2) {
  try {
    parse_idx(compressed, rank, "x.gz");
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("x.gz"), std::string::npos);
    return error.what();
  }
  return "no error";
}

#define EXPECT_REFUSED(file, words) EXPECT_NE(error_of(file).find(words), std::string::npos) << error_of(file)

TEST(Idx, ReadsWhatIsThere) {
  const IdxArray array = parse_idx(gzip(idx({2, 3}, "abcdef")), 2, "x.gz");
  EXPECT_EQ(array.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::string(array.bytes.begin(), array.bytes.end()), "abcdef");
  EXPECT_TRUE(parse_idx(gzip(idx({0, 3}, "")), 2, "x.gz").bytes.empty());
  EXPECT_EQ(parse_idx(gzip(idx({5}, "hello")), 1, "x.gz").bytes.size(), 5u);
}

TEST(Idx, RefusesWithAReason) {
  EXPECT_REFUSED("", "not a gzip file");
  EXPECT_REFUSED(idx({2, 3}, "abcdef"), "not a gzip file");
  EXPECT_REFUSED(gzip("ab"), "too short");
  EXPECT_REFUSED(gzip("\x93NUMPY and so on"), "wrong magic");
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcdef", 0x0d)), "not unsigned bytes");
  EXPECT_REFUSED(gzip(idx({6}, "abcdef")), "has 1 extents where 2 are expected");
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcdef").substr(0, 9)), "too short for its extents");
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcde")), "holds 5 elements where 6 are declared");
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcdefg")), "more elements follow");
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcdef")) + "x", "bytes follow the compressed data");
  EXPECT_REFUSED(gzip(idx({2, 3}, "abcdef")) + gzip("x"), "bytes follow the compressed data");
}

TEST(Idx, SizesThatAreLies) {  // refused before memory is taken
  EXPECT_REFUSED(gzip(idx({0xffffffff, 0xffffffff}, "abcdef")), "compressed bytes can hold");
  EXPECT_REFUSED(gzip(idx({0x10000, 0x10000}, "")), "compressed bytes can hold");
  // A bomb: a small declared size stops the decompression of much more.
  EXPECT_REFUSED(gzip(idx({2, 3}, std::string(100 << 20, '\0'))), "more elements follow");
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
  EXPECT_THROW(read_idx("/no/such/file.gz", 1), Error);
  EXPECT_THROW(read_idx("/", 1), Error);
}

TEST(Idx, FashionMnist) {
  const std::string folder = "/usr/share/datasets/fashion-mnist/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the package dataset-fashion-mnist is not installed";
  for (const auto& [part, count] : {std::pair<std::string, int64_t>{"train", 60000}, {"t10k", 10000}}) {
    const IdxArray images = read_idx(folder + part + "-images-idx3-ubyte.gz", 3);
    EXPECT_EQ(images.shape, (std::vector<int64_t>{count, 28, 28}));
    const IdxArray labels = read_idx(folder + part + "-labels-idx1-ubyte.gz", 1);
    EXPECT_EQ(labels.shape, std::vector<int64_t>{count});
    std::vector<int64_t> of_class(10);
    for (const uint8_t label : labels.bytes) of_class.at(label)++;
    for (const int64_t n : of_class) EXPECT_EQ(n, count / 10);  // the classes are balanced
    const double mean = std::accumulate(images.bytes.begin(), images.bytes.end(), 0.0) / images.bytes.size();
    EXPECT_NEAR(mean, 73.0, 1.0);
  }
}

}  // namespace
}  // namespace tenon::examples
