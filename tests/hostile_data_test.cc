// Hostile data sets: IDX and CSV files that are cut off, damaged, or lie about their sizes. Each is one line of tenon::Error that
// names the file, within 2 seconds and 1 GiB.
#include <gtest/gtest.h>

#include "tenon/tenon.h"
#include "tenon/tests/hostile_files.h"
#include "tenon/tests/idx_bytes.h"

namespace tn = tenon;
using tenon::testing::Expect;
using tenon::testing::faults_of;
using tenon::testing::gzip;
using tenon::testing::HostileFile;
using tenon::testing::idx;

namespace {

void load_idx(const std::string& path) { tn::data::load_idx(path); }
void load_csv(const std::string& path) { tn::data::load_csv(path); }

TEST(HostileData, Idx) {
  const std::string good = idx({6, 5}, std::string(120, 'e'), 0x0d), zeros(100 << 20, '\0');
  std::vector<HostileFile> files = {
      {"nothing", ""},
      {"another format", "\x93NUMPY"},
      {"an unknown type", idx({6}, "abcdef", 0x0a)},
      {"2^32 elements", idx({0xffffffff}, "a")},
      {"2^64 elements", idx({0xffffffff, 0xffffffff}, "a")},
      {"products that wrap round to the size", idx({0x80000000, 0x80000000, 4}, "")},
      {"255 extents", idx(std::vector<uint32_t>(255, 0xffffffff), "a")},
      {"0 times 2^96", idx({0, 0xffffffff, 0xffffffff, 0xffffffff}, "")},
      {"f64 of 2^61", idx({0x20000000, 0x80000000}, "", 0x0e)},
      {"a byte more", good + "x"},
      {"zlib's wrapping", std::string("\x78\x9c\x03\x00\x00\x00\x00\x01", 8)},
      {"gzip, a byte more", gzip(good) + "x"},
      {"gzip, a member more", gzip(good) + gzip("x")},
      {"gzip twice", gzip(gzip(good))},
      {"gzip, 2^64 elements", gzip(idx({0xffffffff, 0xffffffff}, "a"))},
      {"a bomb behind a small size", gzip(idx({2, 3}, zeros))},
      {"a bomb that is true", gzip(idx({100 << 20}, zeros))},
      {"a bomb of a header's extents", gzip(idx(std::vector<uint32_t>(255, 0), zeros))},
      {"a header of gzip without an end", std::string("\x1f\x8b\x08\x08\0\0\0\0\0\0", 10) + std::string(1 << 20, 'n')},
  };
  for (HostileFile& f : tenon::testing::truncations(good)) files.push_back(std::move(f));
  for (HostileFile& f : tenon::testing::truncations(gzip(good))) files.push_back(std::move(f));
  EXPECT_EQ(faults_of("x-ubyte", files, load_idx), "");
  EXPECT_EQ(faults_of("x-ubyte", tenon::testing::damages(good, 150), load_idx, Expect::either), "");
  EXPECT_EQ(faults_of("x-ubyte", tenon::testing::damages(gzip(good), 150), load_idx, Expect::either), "");
}

TEST(HostileData, Csv) {
  const std::string good = "a,\"b\"\r\n1,\"x, \"\"y\"\"\"\r\n-2.5e3,z\r\n";
  const std::string megabyte(1 << 20, 'x');
  const std::vector<HostileFile> files = {
      {"nothing", ""},
      {"blank lines alone", std::string(1 << 20, '\n')},
      {"a line of 30 million columns", std::string(30'000'000, ',')},
      {"a line of 30 million columns behind others", "a,b\n1,2\n" + std::string(30'000'000, ',')},
      {"open quotes", std::string(30'000'000, '"') + "\""},
      {"a quote without an end", "a,b\n1,\"" + std::string(30'000'000, '\n')},
      {"a field of 30 MB", "a\n" + std::string(30'000'000, '1')},
      {"zero bytes", std::string("a,b\n1,\0\n", 8)},
      {"zero bytes alone", std::string(30'000'000, '\0')},
      {"zero bytes in quotes", std::string("a\n\"\0\"\n", 6)},
      {"UTF-16", std::string("\xff\xfe"
                             "a\0,\0b\0",
                             8)},
      {"UTF-16, the other order", std::string("\xfe\xff\0a\0,\0b", 8)},
      {"a line too short", "a,b\n1\n"},
      {"a line too long", "a,b\n1,2,3\n"},
      {"equal names", "a,a\n1,2\n"},
      {"no names", ",\n1,2\n"},
      {"2^63", "a\n9223372036854775808\n"},
      {"an integer of a million digits", "a\n" + std::string(1 << 20, '7') + "\n"},
      {"a number of a million digits", "a\n0.5\n1" + std::string(1 << 20, '0') + ".0\n"},
      {"10^999", "a\n0.5\n1e999\n"},
      {"10^(10^30)", "a\n0.5\n1e1000000000000000000000000000000\n"},
      {"integers that f64 does not hold", "a,b\n9007199254740993,1\n,2\n"},
      {"text behind a quote", "a\n\"1\"x\n"},
      {"carriage returns", "a\r1\r2\r"},
      {"a bell and escapes", "a,b\n\x07\x1b[31m,2,3\n"},
      {"a megabyte in a message", "a,a,b\n" + megabyte + ",1\n"},
  };
  EXPECT_EQ(faults_of("t.csv", files, load_csv), "");
  EXPECT_EQ(faults_of("t.csv", tenon::testing::truncations(good), load_csv, Expect::either), "");
  EXPECT_EQ(faults_of("t.csv", tenon::testing::damages(good, 150), load_csv, Expect::either), "");
}

// Gzipped ones too: bombs of lines, of blanks, of one field and of columns; bytes that are cut off or changed.
TEST(HostileData, GzippedCsv) {
  const std::string good = gzip("a,\"b\"\r\n1,\"x, \"\"y\"\"\"\r\n-2.5e3,z\r\n");
  const size_t bomb = size_t{100} << 20;
  std::string rows = "a\n";
  while (rows.size() < bomb) rows += "1\n2\n3\n4\n5\n6\n7\n8\n";
  const std::vector<HostileFile> files = {
      {"nothing", gzip("")},
      {"gzip twice", gzip(good)},
      {"a byte more", good + "x"},
      {"a member more that is no text", good + gzip(std::string(9, '\0'))},
      {"a bomb of blank lines", gzip("a\n" + std::string(bomb, '\n'))},
      {"a bomb of rows", gzip(rows)},
      {"a bomb of one field", gzip("a\n" + std::string(bomb, '1'))},
      {"a bomb in quotes", gzip("a\n\"" + std::string(bomb, '\n'))},
      {"a bomb of columns", gzip(std::string(bomb, ','))},
      {"a bomb of zero bytes", gzip("a\n1\n" + std::string(bomb, '\0'))},
      {"a header of gzip without an end", std::string("\x1f\x8b\x08\x08\0\0\0\0\0\0", 10) + std::string(1 << 20, 'n')},
  };
  EXPECT_EQ(faults_of("t.csv.gz", files, load_csv), "");
  std::vector<HostileFile> cut = tenon::testing::truncations(good);
  cut.erase(cut.begin() + 1);  // one byte, which is the name of a column
  EXPECT_EQ(faults_of("t.csv.gz", cut, load_csv), "");
  EXPECT_EQ(faults_of("t.csv.gz", tenon::testing::damages(good, 150), load_csv, Expect::either), "");
}

// Types that are asked for meet what is not of them.
TEST(HostileData, CsvOfGivenTypes) {
  const auto load = [](const std::string& path) {
    tn::data::load_csv(path, {.columns = {{"a", tn::i32}, {"b", tn::f32}}});
  };
  std::vector<HostileFile> files;
  for (const char* row : {"2147483648,1", "-2147483649,1", "1.0,1", "0x10,1", "1e3,1", ",1", "nan,1", "1,1e39", "1,--1",
                          "1,1..2", "1,0x1p3", "1,1e", "+-1,1", "1,1_000",
                          "\xe2\x88\x92"
                          "1,1",
                          "1,\"2\"\"\""})
    files.push_back({row, std::string("a,b\n") + row + "\n"});
  EXPECT_EQ(faults_of("t.csv", files, load), "");
}

}  // namespace
