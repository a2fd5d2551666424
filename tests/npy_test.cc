// .npy files: what NumPy writes, what Tenon writes, and every way in which a file can be wrong.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/npy.h"

namespace tenon::runtime {
namespace {

std::string file_of(const std::string& dict, const std::string& elements, int version = 1) {
  std::string header = dict + "\n";
  std::string text = "\x93NUMPY";
  text += {static_cast<char>(version), '\0'};
  for (int i = 0; i < (version == 1 ? 2 : 4); i++) text += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return text + header + elements;
}

std::string dict(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

std::string error_of(const std::string& file) {
  try {
    parse_npy(file, "x.npy");
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("x.npy"), std::string::npos) << error.what();
    return error.what();
  }
  return "no error";
}

std::string text_of(const NpyArray& array) {
  return {reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()};
}

#define EXPECT_REFUSED(file, words) EXPECT_NE(error_of(file).find(words), std::string::npos) << error_of(file)

TEST(Npy, PrefixIsNumPysToTheByte) {
  // numpy.save of an f64 array of three elements begins with these 128 bytes.
  std::string expected = "\x93NUMPY";
  expected += {'\1', '\0', 'v', '\0'};
  expected += "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }";
  expected += std::string(127 - expected.size(), ' ') + "\n";
  EXPECT_EQ(npy_prefix(f64, std::vector<int64_t>{3}), expected);
  EXPECT_NE(npy_prefix(f32, std::vector<int64_t>{}).find("'shape': (), }"), std::string::npos);
  EXPECT_NE(npy_prefix(u8, std::vector<int64_t>{2, 3}).find("'|u1', 'fortran_order': False, 'shape': (2, 3), }"),
            std::string::npos);
}

TEST(Npy, RoundTripOfEveryDtypeAndRank) {
  const auto path = (std::filesystem::temp_directory_path() / ("tenon-npy-" + std::to_string(getpid()))).string();
  for (int t = 0; t < dtype_count; t++) {
    const auto dtype = static_cast<DType>(t);
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{}, {1}, {7}, {0}, {2, 0, 3}, {3, 4}, {2, 3, 4, 5}, std::vector<int64_t>(64, 1)}) {
      size_t count = static_cast<size_t>(bytes(dtype));
      for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
      std::string elements(count, '\0');
      for (size_t i = 0; i < count; i++) elements[i] = static_cast<char>(dtype == boolean ? i % 2 : i * 37 + 1);
      write_npy(path, dtype, shape, elements.data());
      const NpyArray back = read_npy(path);
      EXPECT_EQ(back.dtype, dtype);
      EXPECT_EQ(back.shape, shape);
      EXPECT_EQ(text_of(back), elements);
      std::ostringstream whole;
      whole << std::ifstream(path, std::ios::binary).rdbuf();
      EXPECT_EQ((whole.str().size() - count) % 64, 0u);
      EXPECT_EQ(text_of(parse_npy(whole.str(), path)), elements);
    }
  }
  unlink(path.c_str());
}

TEST(Npy, HeadersAsOthersWriteThem) {
  const std::string elements = "abcdefgh";
  for (int version : {1, 2, 3}) {
    const NpyArray array = parse_npy(file_of(dict("'<f4'", "(2,)"), elements, version), "x.npy");
    EXPECT_EQ(array.dtype, f32);
    EXPECT_EQ(array.shape, std::vector<int64_t>{2});
    EXPECT_EQ(text_of(array), elements);
  }
  // Other order, other quotes, other spaces, Python 2's long integers.
  EXPECT_EQ(
      parse_npy(file_of("{\"shape\":(2L,4L),\"descr\":\"|i1\",\n \"fortran_order\" :False}", elements), "x.npy").shape,
      (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(parse_npy(file_of(dict("'|V2'", "(4,)"), elements), "x.npy").dtype, bf16);
  EXPECT_EQ(parse_npy(file_of(dict("'<V2'", "(4,)"), elements), "x.npy").dtype, bf16);
}

TEST(Npy, FortranOrderIsConverted) {
  // Column-major elements of a 2 x 3 array, and of a 2 x 2 x 2 array, named by their row-major place.
  EXPECT_EQ(text_of(parse_npy(file_of(dict("'|u1'", "(2, 3)", "True"), "adbecf"), "x.npy")), "abcdef");
  EXPECT_EQ(text_of(parse_npy(file_of(dict("'|u1'", "(2, 2, 2)", "True"), "aecgbfdh"), "x.npy")), "abcdefgh");
  EXPECT_EQ(text_of(parse_npy(file_of(dict("'<u2'", "(2, 2)", "True"), "aaccbbdd"), "x.npy")), "aabbccdd");
  EXPECT_EQ(text_of(parse_npy(file_of(dict("'|u1'", "(3,)", "True"), "abc"), "x.npy")), "abc");
  EXPECT_EQ(text_of(parse_npy(file_of(dict("'|u1'", "(3, 0)", "True"), ""), "x.npy")), "");
}

TEST(Npy, BigEndianIsConverted) {
  EXPECT_EQ(text_of(parse_npy(file_of(dict("'>f4'", "(2,)"), "abcdefgh"), "x.npy")), "dcbahgfe");
  EXPECT_EQ(text_of(parse_npy(file_of(dict("'>c8'", "(1,)"), "abcdefgh"), "x.npy")), "dcbahgfe");
  EXPECT_EQ(text_of(parse_npy(file_of(dict("'>i8'", "(1,)"), "abcdefgh"), "x.npy")), "hgfedcba");
  EXPECT_EQ(text_of(parse_npy(file_of(dict("'>u2'", "(2, 2)", "True"), "abcdefgh"), "x.npy")), "bafedchg");
  for (const char* descr : {"'>i1'", "'<i1'", "'<u1'", "'>u1'"})  // the order of one byte says nothing
    EXPECT_EQ(text_of(parse_npy(file_of(dict(descr, "(8,)"), "abcdefgh"), "x.npy")), "abcdefgh");
}

TEST(Npy, RefusesWithAReason) {
  const std::string good = file_of(dict("'<f4'", "(2,)"), "abcdefgh");
  EXPECT_EQ(error_of(good), "no error");
  EXPECT_REFUSED("", "not an .npy file");
  EXPECT_REFUSED("PK\3\4 a zip archive", "not an .npy file");
  EXPECT_REFUSED(file_of(dict("'<f4'", "(2,)"), "abcdefgh", 4), "version");
  EXPECT_REFUSED(good + "i", "1 bytes follow");
  EXPECT_REFUSED(file_of(dict("'|O'", "(1,)"), "abcdefgh"), "can run code");
  EXPECT_REFUSED(file_of(dict("[('a', '<f4'), ('b', '<f4')]", "(1,)"), "abcdefgh"), "structured");
  for (const char* descr :
       {"'<c32'", "'<U2'", "'|S8'", "'<M8[s]'", "'<f16'", "'=f4'", "'<V8'", "'>V2'", "'|f4'", "'>'", "''"})
    EXPECT_REFUSED(file_of(dict(descr, "(1,)"), "abcdefgh"), "not one of Tenon's");
  for (const char* shape : {"(-1,)", "(2", "2", "(2)", "[2]", "(2,,)", "(,)", "(2 3)", "(1.5,)", "(0x2,)", "(True,)"})
    EXPECT_REFUSED(file_of(dict("'<f4'", shape), "abcdefgh"), "damaged");
  EXPECT_REFUSED(file_of(dict("'<f4'", "(2,)", "1"), "abcdefgh"), "True or False");
  EXPECT_REFUSED(file_of("{'descr': '<f4', 'shape': (2,)}", "abcdefgh"), "missing");
  EXPECT_REFUSED(file_of("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "abcdefgh"),
                 "repeated");
  EXPECT_REFUSED(file_of(dict("'<f4'", "(2,)") + "x", "abcdefgh"), "behind the dict");
  EXPECT_REFUSED(file_of(dict("'|b1'", "(3,)"), std::string("\0\1\2", 3)), "element 2 of a bool");
}

TEST(Npy, SizesThatAreLies) {
  // None of these may allocate what it claims.
  EXPECT_REFUSED(file_of(dict("'<f4'", "(1073741824,)"), "abcd"), "truncated");
  EXPECT_REFUSED(file_of(dict("'<f8'", "(99999999999999999,)"), "abcd"), "truncated");
  EXPECT_REFUSED(file_of(dict("'<f8'", "(999999999999999999, 99)"), "abcd"), "more elements than memory");
  EXPECT_REFUSED(file_of(dict("'<f8'", "(9999999999999999999,)"), "abcd"), "too large");
  EXPECT_REFUSED(file_of(dict("'<f4'", "(4294967296, 4294967296)"), ""), "more elements than memory");
  EXPECT_REFUSED(file_of(dict("'<f4'", "(0, 4294967296, 4294967296)"), ""), "more elements than memory");
  std::string many;
  for (int i = 0; i < 65; i++) many += "1,";
  EXPECT_REFUSED(file_of(dict("'|u1'", "(" + many + ")"), "a"), "64 extents");
  std::string claims = file_of(dict("'<f4'", "(2,)"), "abcdefgh", 2);
  memset(&claims[8], 0xff, 4);
  EXPECT_REFUSED(claims, "more than 1 MiB");
  claims = file_of(dict("'<f4'", "(2,)"), "abcdefgh", 1);
  memset(&claims[8], 0xff, 2);
  EXPECT_REFUSED(claims, "truncated in its header");
}

TEST(Npy, TruncatedAnywhereOrDamagedAnywhere) {
  const std::string good = file_of(dict("'<f4'", "(2, 3)"), std::string(24, 'e'), 2);
  for (size_t length = 0; length < good.size(); length++)
    ASSERT_NE(error_of(good.substr(0, length)), "no error") << length;
  // Whatever a damaged header says, the answer is an Error or an array that its bytes fill exactly.
  std::mt19937 random(11);
  int parsed = 0;
  for (int round = 0; round < 30000; round++) {
    std::string file = good;
    for (int change = random() % 3; change >= 0; change--)
      file[random() % (file.size() - 24)] =
          static_cast<char>(random() % 2 ? "0123456789,()'{}:<>|bfiuVTFL "[random() % 29] : random());
    try {
      const NpyArray array = parse_npy(file, "x.npy");
      size_t count = static_cast<size_t>(bytes(array.dtype));
      for (const int64_t extent : array.shape) count *= static_cast<size_t>(extent);
      ASSERT_EQ(array.bytes.size(), count);
      parsed++;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(parsed, 0);
  EXPECT_LT(parsed, 15000);
}

TEST(Npy, FilesThatCannotBeReadOrWritten) {
  const auto directory = std::filesystem::temp_directory_path().string();
  EXPECT_THROW(read_npy(directory + "/tenon-no-such-file.npy"), Error);
  EXPECT_THROW(read_npy(directory), Error);
  EXPECT_THROW(write_npy(directory, f32, std::vector<int64_t>{1}, "abcd"), Error);
  EXPECT_THROW(write_npy("/dev/full", f32, std::vector<int64_t>{1}, "abcd"), Error);
  const std::string pipe = directory + "/tenon-pipe-" + std::to_string(getpid());
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(read_npy(pipe), Error);  // and does not wait for a writer
  unlink(pipe.c_str());
}

}  // namespace
}  // namespace tenon::runtime
