// CSV files: what is written comes back, whatever is quoted and however lines end; types as they are found out and as they are given;
// every way in which a file can be wrong, by line and column; and random tables beside the values that they were written from.
#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <random>

#include "tenon/tenon.h"
#include "tenon/tests/files.h"
#include "tenon/tests/idx_bytes.h"
#include "tenon/tests/temporary_folder.h"

namespace tn = tenon;
using tn::Tensor;
using tn::data::Csv;
using tn::data::Table;

namespace {

class CsvTest : public ::testing::Test {
 protected:
  ~CsvTest() override { std::filesystem::remove_all(folder_); }
  Table load(const std::string& text, const Csv& o = {}) {
    tn::testing::write_file(folder_ + "/t.csv", text);
    return tn::data::load_csv(folder_ + "/t.csv", o);
  }
  // One line that names file and place.
  void refuses(const std::string& text, const std::string& reason, const Csv& o = {}) {
    try {
      load(text, o);
      ADD_FAILURE() << "not refused: " << reason;
    } catch (const tn::Error& e) {
      const std::string what = e.what();
      EXPECT_NE(what.find(reason), std::string::npos) << what;
      EXPECT_NE(what.find("t.csv'"), std::string::npos) << what;
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    }
  }
  const std::string folder_ = tn::testing::temporary_folder("csv");
};

using Strings = std::vector<std::string>;

TEST_F(CsvTest, FindsTypesOut) {
  const Table t = load("id,x,ok,who,half\n1,0.5,true,ann,1\n-2,1e3,False,bob,\n3,-inf,TRUE,ann,3\n");
  EXPECT_EQ(t.names(), (Strings{"id", "x", "ok", "who", "half"}));
  EXPECT_EQ(t.rows(), 3);
  EXPECT_EQ(t["id"].dtype(), tn::i64);
  EXPECT_EQ(t["id"].to_vector<int64_t>(), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(t["x"].dtype(), tn::f64);
  EXPECT_EQ(t["x"].to_vector<double>(), (std::vector<double>{0.5, 1000, -INFINITY}));
  EXPECT_EQ(t["ok"].dtype(), tn::boolean);
  EXPECT_EQ(t["ok"].to_vector<bool>(), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(t["who"].to_vector<int64_t>(), (std::vector<int64_t>{0, 1, 0}));
  EXPECT_EQ(t.column("who").categories, (Strings{"ann", "bob"}));
  EXPECT_EQ(t["half"].dtype(), tn::f64);  // an integer is missing
  EXPECT_TRUE(std::isnan(t["half"].to_vector<double>()[1]));
  EXPECT_EQ(t.column("half").missing.to_vector<bool>(), (std::vector<bool>{false, true, false}));
  EXPECT_FALSE(t.column("id").missing.defined());
  EXPECT_TRUE(t.contains("x") && !t.contains("y"));
  EXPECT_EQ(t.at("id").numel(), 3);
}

TEST_F(CsvTest, QuotesAndLineEnds) {
  const std::string text =
      "\"a,\"\"b\"\"\";plain\r\n\"two\nlines\";it's 5\" long\r\n\"\";\" kept \"\r\n\r\n\"\"\"\";  trimmed \r\n";
  for (const std::string bom : {"", "\xef\xbb\xbf"}) {
    const Table t = load(bom + text, {.delimiter = ';'});
    EXPECT_EQ(t.names(), (Strings{"a,\"b\"", "plain"}));
    ASSERT_EQ(t.rows(), 3);
    const tn::data::Column& first = t.column("a,\"b\"");
    EXPECT_EQ(first.categories, (Strings{"\"", "two\nlines"}));
    EXPECT_EQ(first.values.to_vector<int64_t>(), (std::vector<int64_t>{1, -1, 0}));
    EXPECT_EQ(t.column("plain").categories, (Strings{" kept ", "it's 5\" long", "trimmed"}));
  }
  EXPECT_EQ(load("a\tb\n1\t2", {.delimiter = '\t'})["b"].item<int64_t>(), 2);
  EXPECT_EQ(load("'a,b',c\n1,2\n", {.quote = '\''}).names(), (Strings{"a,b", "c"}));
  EXPECT_EQ(load("1,2\n3,4\n", {.header = false})["1"].to_vector<int>(), (std::vector<int>{2, 4}));
  EXPECT_EQ(load("a,b\n").rows(), 0);
  EXPECT_EQ(load("a\n7\r")["a"].item<int64_t>(), 7);
}

// A gzipped file is the file, by what its bytes say and not by its name.
TEST_F(CsvTest, Gzipped) {
  using tn::testing::gzip;
  std::string text = "id,name,x\r\n";
  for (int i = 0; i < 200000; ++i)
    text += std::to_string(i) + ",\"n, " + std::to_string(i % 7) + "\"," + std::to_string(i * 0.37) + "\r\n";
  const Table plain = load(text), packed = load(gzip(text));
  EXPECT_GT(text.size(), size_t{5} << 20);  // several pieces of the reader
  EXPECT_EQ(packed.names(), plain.names());
  EXPECT_EQ(packed["id"].to_vector<int64_t>(), plain["id"].to_vector<int64_t>());
  EXPECT_EQ(packed["x"].to_vector<double>(), plain["x"].to_vector<double>());
  EXPECT_EQ(packed["name"].to_vector<int64_t>(), plain["name"].to_vector<int64_t>());
  EXPECT_EQ(packed.column("name").categories, plain.column("name").categories);
  tn::testing::write_file(folder_ + "/t.csv.gz", gzip(text));
  EXPECT_EQ(tn::data::load_csv(folder_ + "/t.csv.gz", {.header = false}).rows(), 200001);
  // Members one behind the other are one text, wherever it is cut.
  for (const size_t cut : {size_t{0}, size_t{3}, size_t{11}, text.size()})
    EXPECT_EQ(load(gzip(text.substr(0, cut)) + gzip(text.substr(cut)))["id"].numel(), 200000);
  EXPECT_EQ(load(gzip("\xef\xbb\xbf"
                      "a\n7"))["a"]
                .item<int64_t>(),
            7);
  refuses(gzip(""), "there is nothing in it");
  refuses(gzip("a,b\n1\n"), "line 2, column 1: the line ends after 1 fields");
  refuses(gzip(gzip("a\n1\n")), "gzipped once more");
  refuses(gzip("a\n1\n").substr(0, 20), "the compressed bytes are cut off");
  refuses(gzip("a\n1\n") + "x", "the compressed bytes are cut off");
  refuses("\x1f\x8b", "the compressed bytes are cut off");
  refuses(gzip("a\n" + std::string(80 << 20, '\n')),
          "compressed bytes are believed to hold; unpack the file if they do");
}

TEST_F(CsvTest, NumbersAreExact) {
  const Table t = load(
      "x\n0.1\n+1.5\n 2 "
      "\n1e-400\n-1e-400\n4.9406564584124654e-324\n1.7976931348623157e308\n.5\n5.\n0.30000001192092896\n");
  EXPECT_EQ(t["x"].to_vector<double>(),
            (std::vector<double>{0.1, 1.5, 2, 0, -0.0, 5e-324, 1.7976931348623157e308, .5, 5, 0.30000001192092896}));
  EXPECT_TRUE(std::signbit(t["x"].to_vector<double>()[4]));
  // Once to f32, not by way of f64: the first is just above the middle of two f32 numbers.
  const Table f = load("x\n1.00000005960464477540\n1e-60\n", {.columns = {{"x", tn::f32}}});
  EXPECT_EQ(f["x"].to_vector<float>(), (std::vector<float>{std::nextafter(1.0f, 2.0f), 0.0f}));
  const Table i =
      load("a,b\n9223372036854775807,18446744073709551615\n-9223372036854775808,0\n", {.columns = {{"b", tn::u64}}});
  EXPECT_EQ(i["a"].to_vector<int64_t>(), (std::vector<int64_t>{INT64_MAX, INT64_MIN}));
  EXPECT_EQ(i["b"].to_vector<uint64_t>(), (std::vector<uint64_t>{UINT64_MAX, 0}));
}

TEST_F(CsvTest, TypesThatAreGiven) {
  const std::string text = "a,b,c,d\n1,0,12,x\n0,1,NA,y\n";
  const Table t = load(
      text, {.columns = {{"a", tn::boolean}, {"b", tn::u8}, {"c", tn::i32}, {"d", tn::data::category}}, .fill = -9});
  EXPECT_EQ(t["a"].dtype(), tn::boolean);
  EXPECT_EQ(t["b"].dtype(), tn::u8);
  EXPECT_EQ(t["c"].to_vector<int>(), (std::vector<int>{12, -9}));
  EXPECT_EQ(load(text, {.columns = {{"a", tn::data::category}}}).column("a").categories, (Strings{"0", "1"}));
  EXPECT_EQ(load(text, {.fill = 5})["c"].to_vector<int64_t>(), (std::vector<int64_t>{12, 5}));
  EXPECT_EQ(load("a\nx\n-\n", {.missing = {"-"}}).column("a").missing.to_vector<bool>(),
            (std::vector<bool>{false, true}));
  EXPECT_TRUE(std::isnan(load("a,b\n,1\n", {})["a"].item<double>()));
}

TEST_F(CsvTest, Matrix) {
  const Table t = load("a,b,who,c\n1,0.5,x,true\n2,,y,false\n");
  const Tensor m = t.matrix({"c", "a", "b"});
  EXPECT_EQ(m.shape(), tn::Shape({2, 3}));
  EXPECT_EQ(m.dtype(), tn::f32);
  EXPECT_EQ((m[{0, tn::all}].to_vector<float>()), (std::vector<float>{1, 1, 0.5f}));
  EXPECT_EQ(t.matrix({"who"}, tn::f64).to_vector<double>(), (std::vector<double>{0, 1}));
  EXPECT_EQ(load("a,b\n1,2\n").matrix().to_vector<int>(), (std::vector<int>{1, 2}));
  for (const std::function<void()>& wrong : std::vector<std::function<void()>>{
           [&] { t.matrix(); }, [&] { t["nothing"]; }, [&] { t.matrix({"a"}, tn::i64); }})
    try {
      wrong();
      ADD_FAILURE();
    } catch (const tn::Error& e) {
      EXPECT_NE(std::string(e.what()).find("csv_test.cc"), std::string::npos) << e.what();
    }
}

TEST_F(CsvTest, RefusesWithAReason) {
  refuses("", "there is nothing in it");
  refuses("\n\n\r\n", "there is nothing in it");
  refuses("a,b\n1,2\n3\n", "line 3, column 1: the line ends after 1 fields, and the first one has 2");
  refuses("a,b\n1,2\n3,4,5\n", "line 3, column 3: the first line has 2 fields, and this one more");
  refuses("a,a\n1,2\n", "two columns are called 'a'");
  refuses("a,b\n1,\"2\n3,4\n", "line 2, column 2: the quoted field that begins here does not end");
  refuses("a\n\"1\"2\n", "line 2, column 1: text follows the closing quote");
  refuses("a\n1\r2\n", "line 2, column 1: a carriage return inside a line");
  refuses(std::string("a\n1\0\n", 5), "line 2, column 1: a zero byte");
  refuses(std::string("a\n\"1\0\"\n", 7), "line 2, column 1: a zero byte");
  refuses(
      "\xff\xfe"
      "a",
      "UTF-16");
  refuses("a\n1\n9223372036854775808\n", "line 3, column 1: '9223372036854775808' is no i64; give the column a type");
  refuses("a\n9007199254740993\n\nNA\n", "some integers are missing, and f64 does not hold the others");
  refuses("a,b\n1,2\n1,256\n", "line 3, column 2: in column 'b', '256' is too large for u8",
          {.columns = {{"b", tn::u8}}});
  refuses("a\n-1\n", "'-1' is no value of u8", {.columns = {{"a", tn::u8}}});
  refuses("a\n1.5\n", "'1.5' is no value of i32", {.columns = {{"a", tn::i32}}});
  refuses("a\n1x\n", "'1x' is no value of f64", {.columns = {{"a", tn::f64}}});
  refuses("a\n2\n", "'2' is no value of bool", {.columns = {{"a", tn::boolean}}});
  refuses("a\n1e39\n", "too large for f32", {.columns = {{"a", tn::f32}}});
  refuses("a\n0.5\n1e999\n", "line 3, column 1: in column 'a', '1e999' is too large for f64");
  refuses("a\n\"\"\n", "a value is missing, and i64 has none for that", {.columns = {{"a", tn::i64}}});
  refuses("a\nNA\n", "too large for u8", {.columns = {{"a", tn::u8}}, .fill = -1});
  refuses("a\n1\n", "there is no column 'b'", {.columns = {{"b", tn::u8}}});
  refuses("a\n1\n", "cannot be read as bf16", {.columns = {{"a", tn::bf16}}});
  EXPECT_THROW(load("a\n1\n", {.delimiter = '"'}), tn::Error);
  EXPECT_THROW(load("a\n1\n", {.delimiter = '\n'}), tn::Error);
  EXPECT_THROW(tn::data::load_csv("/no/such/file.csv"), tn::Error);
  EXPECT_THROW(tn::data::load_csv("/"), tn::Error);
}

TEST_F(CsvTest, LargeFieldsAndManyColumns) {
  refuses(std::string(1 << 20, ','), "more than 262144 columns", {.header = false});
  refuses("a\n\"" + std::string(20 << 20, 'x'), "a field of more than 16 MiB");
  refuses("a\n" + std::string(20 << 20, '7'), "a field of more than 16 MiB");
  const std::string wide(3 << 20, 'w');  // across pieces of the reader
  const Table t = load("a,b\n\"" + wide + "\"\"" + wide + "\",1\n" + wide + ",2\n");
  EXPECT_TRUE(t.column("a").categories == (Strings{wide, wide + "\"" + wide}));  // not to be printed
  EXPECT_EQ(t["a"].to_vector<int>(), (std::vector<int>{1, 0}));
  EXPECT_EQ(t["b"].to_vector<int>(), (std::vector<int>{1, 2}));
}

// Random tables, written as they may be written.
TEST_F(CsvTest, ComesBackAsItWasWritten) {
  std::mt19937 random(4);
  const auto below = [&](unsigned n) { return static_cast<size_t>(random() % n); };
  for (int round = 0; round < 200; ++round) {
    const size_t rows = below(30), columns = 1 + below(6);
    const bool header = below(2) == 0;
    const std::string end = below(2) ? "\n" : "\r\n";
    std::vector<std::vector<std::string>> texts(columns, Strings(rows));
    std::vector<std::vector<double>> numbers(columns, std::vector<double>(rows));
    std::vector<int> kinds(columns);
    for (size_t c = 0; c < columns; ++c) {
      kinds[c] = static_cast<int>(below(3));
      for (size_t r = 0; r < rows; ++r) {
        if (kinds[c] == 2) {
          texts[c][r] = "t";
          for (size_t n = below(6); n > 0; --n) texts[c][r] += "a,\"\n\r\xc3\xa9 "[below(8)];
          continue;
        }
        const uint64_t bits = uint64_t{random()} << 32 | random();
        char text[64];
        if (kinds[c] == 0) {
          const auto value = static_cast<int64_t>(bits) >> (11 + below(53));
          numbers[c][r] = static_cast<double>(value);
          texts[c][r] = std::to_string(value);
        } else {
          double value;
          std::memcpy(&value, &bits, sizeof value);
          numbers[c][r] = value = std::isfinite(value) ? value : 0.5;
          texts[c][r] =
              std::string(text, std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr);
        }
      }
    }
    std::string file;
    if (header)
      for (size_t c = 0; c < columns; ++c) file += (c ? ",n" : "n") + std::to_string(c) + (c + 1 == columns ? end : "");
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = 0; c < columns; ++c) {
        std::string text = texts[c][r];
        if (text.find_first_of(",\"\n\r ") != std::string::npos || below(4) == 0) {
          for (size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2) text.insert(at, 1, '"');
          text = '"' + text + '"';
        }
        file += text + (c + 1 < columns ? "," : r + 1 < rows || below(2) ? end : "");
      }
    if (file.empty()) continue;
    const Table t = load(file, {.header = header});
    ASSERT_EQ(t.columns.size(), columns);
    ASSERT_EQ(t.rows(), static_cast<int64_t>(rows));
    for (size_t c = 0; c < columns && rows > 0; ++c) {
      const tn::data::Column& got = t.columns[c];
      if (kinds[c] < 2) {
        ASSERT_EQ(got.values.to_vector<double>(), numbers[c]) << round;
        ASSERT_EQ(got.values.dtype(), kinds[c] == 0 ? tn::i64 : tn::f64);
        continue;
      }
      const auto codes = got.values.to_vector<int64_t>();
      for (size_t r = 0; r < rows; ++r)
        ASSERT_EQ(got.categories.at(static_cast<size_t>(codes[r])), texts[c][r]) << round;
    }
  }
}

// Every cut and every changed byte: a table or one line of Error, and nothing else.
TEST_F(CsvTest, DamagedAnywhere) {
  const std::string good = "a,\"b \"\"q\"\"\",c\r\n1,x,0.5\r\n2,\"y,\nz\",NA\r\n-3,w,1e5\r\n";
  int refused = 0;
  const auto attempt = [&](const std::string& text) {
    try {
      load(text);
    } catch (const tn::Error& e) {
      ++refused;
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    }
  };
  for (size_t length = 0; length < good.size(); ++length) attempt(good.substr(0, length));
  for (size_t at = 0; at < good.size(); ++at)
    for (const char c : std::string("\0\",\n\r\xff 9", 8)) {
      std::string text = good;
      text[at] = c;
      attempt(text);
    }
  EXPECT_GT(refused, 100);
}

}  // namespace
