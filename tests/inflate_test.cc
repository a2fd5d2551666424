// Compressed streams beside zlib: what it packs is unpacked to the byte, and of a damaged stream both think the same.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "tenon/runtime/checksum.h"
#include "tenon/runtime/inflate.h"

namespace tenon::runtime {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
std::span<std::byte> room_of(std::string& text) { return {reinterpret_cast<std::byte*>(text.data()), text.size()}; }

constexpr int window_bits[] = {-MAX_WBITS, MAX_WBITS, MAX_WBITS + 16};  // of raw, zlib and gzip, as zlib wants them

std::string packed(const std::string& text, Wrapping wrapping, int level, int strategy) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, level, Z_DEFLATED, window_bits[static_cast<int>(wrapping)], 8, strategy), Z_OK);
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

// What zlib makes of a stream in `room` bytes: whether it ends there, and how many bytes it wrote.
std::pair<bool, size_t> unpacked_by_zlib(const std::string& from, Wrapping wrapping, std::string& room) {
  z_stream stream = {};
  EXPECT_EQ(inflateInit2(&stream, window_bits[static_cast<int>(wrapping)]), Z_OK);
  char nowhere = 0;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = reinterpret_cast<Bytef*>(room.empty() ? &nowhere : room.data());
  stream.avail_out = static_cast<uInt>(room.size());
  const bool ended = ::inflate(&stream, Z_FINISH) == Z_STREAM_END;
  const size_t written = stream.total_out;
  inflateEnd(&stream);
  return {ended, written};
}

// Texts of several kinds: noise, few letters, repetitions at all distances, one letter, few bits a letter.
std::string content(std::mt19937& random) {
  const size_t length = random() % 20 == 0 ? random() % 200000 : random() % 3000;
  const unsigned kind = random() % 5;
  std::string text(length, 'x');
  for (size_t i = 0; i < length; ++i) {
    const unsigned r = random();
    if (kind == 0) text[i] = static_cast<char>(r);
    if (kind == 1) text[i] = static_cast<char>('a' + r % 3);
    if (kind == 2)
      text[i] = i > 500 && r % 50 != 0 ? text[i - 1 - r / 64 % std::min<size_t>(i, 32768)] : static_cast<char>(r >> 8);
    if (kind == 3) text[i] = static_cast<char>(r & (r >> 8) & (r >> 16));
  }
  return text;
}

TEST(Inflate, UnpacksWhatZlibPacks) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = content(random);
    const auto wrapping = static_cast<Wrapping>(random() % 3);
    const std::string stream = packed(text, wrapping, static_cast<int>(random() % 10), static_cast<int>(random() % 5));
    std::string room(text.size(), '\0');
    const Inflated whole = inflate(bytes_of(stream + "what follows"), wrapping, room_of(room));
    ASSERT_EQ(whole.fault, "") << round;
    ASSERT_TRUE(whole.ended && whole.used == stream.size() && whole.written == text.size() && room == text) << round;
    if (text.empty()) continue;
    room.resize(random() % text.size());  // its beginning alone
    const Inflated part = inflate(bytes_of(stream), wrapping, room_of(room));
    ASSERT_TRUE(part.fault.empty() && !part.ended && part.written == room.size() && text.starts_with(room)) << round;
  }
}

TEST(Inflate, ThinksOfDamageAsZlibDoes) {
  std::mt19937 random(2);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = content(random);
    text.resize(std::min<size_t>(text.size(), 400));
    const auto wrapping = static_cast<Wrapping>(random() % 3);
    std::string stream = packed(text, wrapping, static_cast<int>(random() % 10), static_cast<int>(random() % 5));
    if (round % 4 == 0)
      stream.resize(random() % stream.size());
    else
      for (unsigned n = 0; n <= random() % 3; ++n)
        stream[random() % stream.size()] ^= static_cast<char>(1 << random() % 8);
    std::string ours(500, '\0'), theirs(500, '\0');
    const Inflated got = inflate(bytes_of(stream), wrapping, room_of(ours));
    const auto [ended, written] = unpacked_by_zlib(stream, wrapping, theirs);
    ASSERT_EQ(got.ended, ended) << round << ": " << got.fault;
    ASSERT_TRUE(!ended || (written == got.written && ours == theirs)) << round;
    ASSERT_TRUE(ended || !got.fault.empty() || got.written == ours.size()) << round;
    refused += !ended;
  }
  EXPECT_GT(refused, 5000);
}

TEST(Inflate, ReadsHeadersOfGzip) {
  const std::string stream = packed("text", Wrapping::gzip, 6, Z_DEFAULT_STRATEGY), body = stream.substr(10);
  const auto with = [&](char flags, const std::string& fields) {
    std::string header = stream.substr(0, 10);
    header[3] = flags;
    std::string room(4, '\0');
    const Inflated got = inflate(bytes_of(header + fields + body), Wrapping::gzip, room_of(room));
    return got.ended ? room : got.fault;
  };
  const std::string extra("\3\0abc", 5), name("name\0", 5), comment("\0", 1);
  EXPECT_EQ(with(4, extra), "text");
  EXPECT_EQ(with(8, name), "text");
  EXPECT_EQ(with(4 | 8 | 16 | 2, extra + name + comment + "hc"), "text");
  EXPECT_EQ(with(32, ""), "gzip data with unknown flags");
  EXPECT_NE(with(8, std::string(1000, 'n')), "text");
}

TEST(Checksums, AreZlibs) {
  std::mt19937 random(3);
  for (size_t length : {0, 1, 7, 8, 9, 100, 5551, 5552, 5553, 70000}) {
    std::string text(length, '\0');
    for (char& c : text) c = static_cast<char>(random());
    const auto* const data = reinterpret_cast<const Bytef*>(text.data());
    EXPECT_EQ(crc32(bytes_of(text)), ::crc32(0, data, static_cast<uInt>(length)));
    EXPECT_EQ(adler32(bytes_of(text)), ::adler32(1, data, static_cast<uInt>(length)));
    const size_t half = length / 3;
    EXPECT_EQ(crc32(bytes_of(text).subspan(half), crc32(bytes_of(text).first(half))), crc32(bytes_of(text)));
    EXPECT_EQ(adler32(bytes_of(text).subspan(half), adler32(bytes_of(text).first(half))), adler32(bytes_of(text)));
  }
}

}  // namespace
}  // namespace tenon::runtime
