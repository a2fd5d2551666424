// Files that mean harm, of every format that is read here: each kind is refused by one line that names the file, soon and in little memory.
// docs/files.md counts the kinds; text formats and ONNX have tests of their own.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "tenon/runtime/deflate.h"
#include "tenon/runtime/zip.h"
#include "tenon/tests/files.h"
#include "tenon/tests/gguf_file.h"
#include "tenon/tests/hostile_files.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

using Files = std::vector<HostileFile>;

void add(Files& files, const Files& more) { files.insert(files.end(), more.begin(), more.end()); }
void expect_refused(const std::string& name, const Files& files, const FileReader& read) {
  EXPECT_EQ(faults_of(name, files, read), "");
  std::printf("%s: %zu files refused\n", name.c_str(), files.size());
}
void expect_read_or_refused(const std::string& name, const Files& files, const FileReader& read) {
  EXPECT_EQ(faults_of(name, files, read, Expect::either), "");
}

TEST(HostileFiles, WhatReadersMayNotDoIsNoticed) {
  const auto said = [](const FileReader& read, Expect expect = Expect::refused) {
    return faults_of("x", {{"one", "1"}}, read, expect);
  };
  EXPECT_HAS(said([](const std::string&) {}), "one: it is read as if nothing were wrong");
  EXPECT_EQ(said([](const std::string&) {}, Expect::either), "");
  EXPECT_EQ(said([](const std::string& path) { throw Error(path + ": no"); }), "");
  EXPECT_HAS(said([](const std::string&) { throw Error("no"); }), "does not name the file");
  EXPECT_HAS(said([](const std::string& path) { throw Error(path + "\nno"); }), "several lines");
  EXPECT_HAS(said([](const std::string& path) { throw Error(path + std::string(9999, 'x')); }), "is long");
  EXPECT_HAS(said([](const std::string& path) { throw std::runtime_error(path); }), "no tenon::Error");
  EXPECT_HAS(said([](const std::string&) { std::abort(); }), "one: the reader dies with status 1006");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_HAS(said([](const std::string&) { static_cast<void>(copy_from("", {int64_t{1} << 31}, u8)); }),
             "out of memory");
#endif
}

// ---- npy

std::string npy(const std::string& header, const std::string& elements = "abcdefgh", char version = 1) {
  return std::string("\x93NUMPY") + version + '\0' + little(header.size(), version == 1 ? 2 : 4) + header + elements;
}
std::string npy_of(const std::string& shape, const std::string& elements = "abcdefgh",
                   const std::string& descr = "'<f4'") {
  return npy("{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }", elements);
}
const FileReader read_npy = [](const std::string& path) { load_npy(path); };

TEST(HostileFiles, Npy) {
  const std::string good = npy_of("(2,)");
  Files files = {{"empty", ""},
                 {"another format", "PK\3\4" + good},
                 {"version 9", npy("{}", "", 9)},
                 {"an extent of 2^63", npy_of("(9223372036854775808,)")},
                 {"extents whose product wraps to 2", npy_of("(4611686018427387905, 8)")},
                 {"extents beyond memory and one of 0", npy_of("(0, 4294967296, 4294967296)")},
                 {"a negative extent", npy_of("(-1,)")},
                 {"more elements than bytes", npy_of("(1000000000,)")},
                 {"fewer elements than bytes", npy_of("(1,)")},
                 {"an endless header", npy(std::string(65535, '('))},
                 {"nested tuples", npy_of(std::string(60000, '('))},
                 {"a string without an end", npy("{'descr': '" + std::string(60000, 'x'))},
                 {"65 dimensions", npy_of("(" + std::string(65 * 2, '1').replace(1, 1, ",") + ")")},
                 {"a key twice", npy("{'shape': (2,), 'shape': (2,), 'descr': '<f4', 'fortran_order': False}")},
                 {"Python objects", npy_of("(2,)", "abcdefgh", "'|O'")},
                 {"a structure", npy_of("(2,)", "abcdefgh", "[('a', '<f4')]")},
                 {"a dtype with NUL and newline", npy_of("(2,)", "abcdefgh", std::string("'<\0\n4'", 6))},
                 {"a header that claims 4 GiB", with(npy(good, "", 2), 8, "\xff\xff\xff\xff")},
                 {"bools that are neither", npy_of("(8,)", "abcdefgh", "'|b1'")}};
  add(files, truncations(good));
  expect_refused("x.npy", files, read_npy);
  expect_read_or_refused("x.npy", damages(good, 500), read_npy);
  expect_read_or_refused("x.npy", extreme_words(good, 6, 14, 2), read_npy);
}

// ---- npz

std::string written(const std::function<void(runtime::ZipWriter&)>& members) {
  const std::string folder = temporary_folder("hostile-zip");
  runtime::ZipWriter archive(folder + "/x", "npz file");
  members(archive);
  archive.finish();
  const std::string bytes = read_file(folder + "/x");
  std::filesystem::remove_all(folder);
  return bytes;
}
const FileReader read_npz = [](const std::string& path) { load_npz(path); };

constexpr size_t end_bytes = 22 + 20 + 56;  // the directory's ends
size_t directory_of(const std::string& archive) { return archive.find("PK\1\2"); }

TEST(HostileFiles, Npz) {
  const std::string array = npy_of("(2,)");
  const std::string good = written([&](auto& z) { z.add("a.npy", array, "", false), z.add("b.npy", array, "", true); });
  const size_t entry = directory_of(good), second = good.find("PK\1\2", entry + 4), end = good.size() - end_bytes;
  const size_t b_header = good.find("PK\3\4", 4), b_packed = good.find("b.npy", b_header) + 5 + 20;
  const auto extra = [&](size_t at) { return at + 46 + 5 + 4; };  // 64-bit sizes of a member: bytes, packed, header
  // A bomb of 640 MiB of zeros in 640 KiB, its sizes told truly.
  const std::string zeros(size_t{1} << 24, '\0');
  const std::string bomb = written([&](auto& z) {
    for (int i = 0; i < 40; ++i) z.add(std::to_string(i) + ".npy", zeros, "", true);
  });
  Files files = {
      {"empty", ""},
      {"another format", std::string(300, 'x')},
      {"an end without a directory", good.substr(good.size() - 22)},
      {"duplicate names",
       written([&](auto& z) { z.add("a.npy", array, "", false), z.add("a.npy", array, "", false); })},
      {"a member that is no array", written([&](auto& z) { z.add("a.txt", array, "", false); })},
      {"a name with NUL", written([&](auto& z) { z.add(std::string("a\0.npy", 6), array, "", false); })},
      {"a name of newlines", written([&](auto& z) { z.add("a\n\nb", array, "", false); })},
      {"a path out of the folder, and no array",
       written([&](auto& z) { z.add("../../etc/passwd", array, "", false); })},
      {"an empty name", written([&](auto& z) { z.add("", array, "", false); })},
      {"a wrong checksum, stored", with(good, entry + 16, "!")},
      {"a wrong checksum, deflated", with(good, second + 16, "!")},
      {"a changed element", with(good, good.find("abcdefgh"), "!")},
      {"damaged deflate", with(good, b_packed, "\xff\xff\xff\xff")},
      {"another name in the member's header", with(good, good.find("a.npy"), "c")},
      {"another method in the member's header", with(good, 8, "\x08")},
      {"another checksum in the member's header", with(good, 14, "!")},
      {"another size in the member's header", with(good, 30 + 5 + 4, "!")},
      {"an encrypted member", with(good, entry + 8, "\x01")},
      {"an unknown method", with(good, entry + 10, "\x63")},
      {"a member of 2^63 bytes", with(good, extra(entry), little(uint64_t{1} << 63, 8))},
      {"a deflated member of 2^63 bytes", with(good, extra(second), little(uint64_t{1} << 63, 8))},
      {"a member beyond the file", with(good, extra(entry) + 16, little(uint64_t{1} << 40, 8))},
      {"a member at 2^64 - 1", with(good, extra(entry) + 16, little(UINT64_MAX, 8))},
      {"two members in one place", with(with(good, extra(second) + 16, little(0, 8)), second + 46, "a.npy")},
      {"a member inside another", with(good, extra(second) + 16, little(1, 8))},
      {"sizes of 64 bits that are missing", with(good, entry + 46 + 5, "\x09")},
      {"a directory of 2^64 - 1 entries", with(good, end + 24, std::string(16, '\xff'))},
      {"a directory beyond the file", with(good, end + 48, little(uint64_t{1} << 40, 8))},
      {"a directory that is itself", with(good, end + 48, little(end, 8))},
      {"an archive of several files", with(good, end + 16, "\x01")},
      {"an end that points to itself", with(good, end + 56 + 8, little(good.size() - 42, 8))},
      {"ends that differ", with(good, good.size() - 6, little(1, 4))},
      {"a bomb that tells its size", bomb},
      {"a bomb that declares little", with(with(good, extra(second), little(array.size() - 1, 8)),
                                           b_header + 30 + 5 + 4, little(array.size() - 1, 8))},
      {"a bomb that declares more than it has", with(with(good, extra(second), little(array.size() + 9, 8)),
                                                     b_header + 30 + 5 + 4, little(array.size() + 9, 8))},
      {"an array of more elements than its member",
       written([&](auto& z) { z.add("a.npy", npy_of("(99999999,)"), "", true); })},
      {"an array that is a pickle", written([&](auto& z) { z.add("a.npy", npy_of("(1,)", "x", "'|O'"), "", false); })},
      {"bytes behind an array", written([&](auto& z) { z.add("a.npy", array + "x", "", true); })}};
  add(files, truncations(good));
  expect_refused("x.npz", files, read_npz);
  expect_read_or_refused("x.npz", damages(good, 500), read_npz);
  expect_read_or_refused("x.npz", extreme_words(good, 0, 40, 4), read_npz);
  expect_read_or_refused("x.npz", extreme_words(good, second, good.size(), 4), read_npz);
}

// ---- safetensors

std::string safetensors(const std::string& header, const std::string& elements = "12345678") {
  return little(header.size(), 8) + header + elements;
}
std::string entry_of(const std::string& name, const std::string& shape, const std::string& place,
                     const std::string& dtype = "F32") {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + place + "}";
}
const FileReader read_safetensors = [](const std::string& path) { load_safetensors(path); };

TEST(HostileFiles, Safetensors) {
  const std::string good = safetensors("{" + entry_of("a", "[2]", "[0,8]") + "}");
  const auto one = [](const std::string& shape, const std::string& place, const std::string& dtype = "F32") {
    return safetensors("{" + entry_of("a", shape, place, dtype) + "}");
  };
  const auto two = [](const std::string& a, const std::string& b) { return safetensors("{" + a + "," + b + "}"); };
  std::string many = "{";
  for (int i = 0; i < 200000; ++i) many += entry_of(std::to_string(i), "[0]", "[0,0]") + ",";
  Files files = {
      {"empty", ""},
      {"a header of 2^63 bytes", little(uint64_t{1} << 63, 8) + "{}"},
      {"a header of 2^64 - 1 bytes", little(UINT64_MAX, 8) + "{}"},
      {"a header longer than the file", little(99, 8) + "{}"},
      {"NaN in JSON", one("[NaN]", "[0,8]")},
      {"Infinity in JSON", one("[2]", "[0,Infinity]")},
      {"nested 100,000 deep", safetensors("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}")},
      {"nested maps, 100,000 deep", safetensors([] {
         std::string text;
         for (int i = 0; i < 100000; ++i) text += "{\"a\":";
         return text;
       }())},
      {"nested 100,000 deep in a field that is skipped",
       safetensors("{\"a\":{\"x\":" + std::string(100000, '[') + std::string(100000, ']') + "}}")},
      {"a string without an end", safetensors("{\"" + std::string(1 << 20, 'x'))},
      {"half of a surrogate pair", safetensors("{\"\\ud800\":1}")},
      {"not UTF-8", safetensors("{\"\xc0\x80\":1}")},
      {"an extent of 2^63", one("[9223372036854775808]", "[0,8]")},
      {"an extent of 2^64 + 2", one("[18446744073709551618]", "[0,8]")},
      {"extents whose product wraps to 2", one("[4611686018427387905,8]", "[0,8]")},
      {"an extent of -2", one("[-2]", "[0,8]")},
      {"an extent of 2.0", one("[2.0]", "[0,8]")},
      {"65 dimensions", one(
                            "[" +
                                [] {
                                  std::string text = "1";
                                  for (int i = 0; i < 64; ++i) text += ",1";
                                  return text;
                                }() +
                                "]",
                            "[0,4]")},
      {"overlapping tensors", two(entry_of("a", "[2]", "[0,8]"), entry_of("b", "[1]", "[4,8]"))},
      {"one place for two", two(entry_of("a", "[2]", "[0,8]"), entry_of("b", "[2]", "[0,8]"))},
      {"a hole", two(entry_of("a", "[3]", "[0,3]", "U8"), entry_of("b", "[1]", "[4,8]"))},
      {"bytes behind the last tensor", good + "x"},
      {"a duplicate name", two(entry_of("a", "[2]", "[0,8]"), entry_of("a", "[0]", "[8,8]"))},
      {"a duplicate name by an escape", two(entry_of("a", "[2]", "[0,8]"), entry_of("\\u0061", "[0]", "[8,8]"))},
      {"a duplicate field",
       safetensors("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,8]}}")},
      {"metadata twice", safetensors("{\"__metadata__\":{},\"__metadata__\":{}}", "")},
      {"metadata that is no text", safetensors("{\"__metadata__\":{\"a\":{}}}", "")},
      {"an end before the begin", one("[2]", "[8,0]")},
      {"a place beyond the file", one("[2]", "[1152921504606846976,1152921504606846984]")},
      {"a name of newlines and a place beyond the file",
       safetensors("{" + entry_of("a\\n\\nb", "[2]", "[0,80]") + "}")},
      {"a name with NUL and a place beyond the file", safetensors("{" + entry_of("a\\u0000b", "[2]", "[0,80]") + "}")},
      {"a name of a megabyte and a place beyond the file",
       safetensors("{" + entry_of(std::string(1 << 20, 'n'), "[2]", "[0,80]") + "}")},
      {"an unknown dtype", one("[8]", "[0,8]", "F8_E5M2")},
      {"bools that are neither", one("[8]", "[0,8]", "BOOL")},
      {"200,000 entries and no end", safetensors(many)},
      {"another format", "GGUF" + good}};
  add(files, truncations(good));
  expect_refused("x.safetensors", files, read_safetensors);
  expect_read_or_refused("x.safetensors", damages(good, 500), read_safetensors);
  expect_read_or_refused("x.safetensors", extreme_words(good, 0, 8, 8), read_safetensors);
}

// ---- GGUF

const FileReader read_gguf = [](const std::string& path) { load_gguf(path); };

TEST(HostileFiles, Gguf) {
  const std::string elements(64, '\0');
  const auto array = [](uint64_t type, uint64_t count, const std::string& bytes = "") {
    return gguf_pair("a", 9, little(type, 4) + little(count, 8) + bytes);
  };
  const std::string text_pair = gguf_pair("general.name", 8, gguf_string("x"));
  const std::string good = gguf_file({text_pair, array(8, 2, gguf_string("<s>") + gguf_string("b"))},
                                     {{"w", {4}, 0, 0}, {"q", {32}, 2, 32}}, elements);
  const auto tensors = [&](const std::vector<GgufTensor>& list) { return gguf_file({text_pair}, list, elements); };
  const auto metadata = [&](const std::string& pair) { return gguf_file({pair}, {}, elements); };
  const auto aligned = [&](uint64_t type, const std::string& value) {
    return metadata(gguf_pair("general.alignment", type, value));
  };
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += little(9, 4) + little(1, 8);
  Files files = {
      {"empty", ""},
      {"another format", "GGML" + good},
      {"version 1", with(good, 4, little(1, 4))},
      {"version 4", with(good, 4, little(4, 4))},
      {"big-endian", with(good, 4, std::string("\0\0\0\3", 4))},
      {"2^63 tensors", with(good, 8, little(uint64_t{1} << 63, 8))},
      {"2^63 metadata", with(good, 16, little(uint64_t{1} << 63, 8))},
      {"a key of 2^63 bytes", metadata(little(uint64_t{1} << 63, 8) + "x")},
      {"a text of 2^64 - 1 bytes", metadata(gguf_pair("a", 8, little(UINT64_MAX, 8)))},
      {"an array of 2^61 texts", metadata(array(8, uint64_t{1} << 61))},
      {"an array of 2^63 bytes", metadata(array(0, uint64_t{1} << 63))},
      {"an array of 2^62 words, whose bytes wrap to 0", metadata(array(4, uint64_t{1} << 62))},
      {"an array of an unknown type", metadata(array(13, 1, "x"))},
      {"a value of an unknown type", metadata(gguf_pair("a", 99, "x"))},
      {"arrays in arrays, 100,000 deep", metadata(gguf_pair("a", 9, nested))},
      {"a bool of 2", metadata(gguf_pair("a", 7, "\2"))},
      {"a key twice", gguf_file({text_pair, text_pair}, {}, "")},
      {"a key with NUL", metadata(gguf_pair(std::string("a\0b", 3), 0, "x"))},
      {"an empty key", metadata(gguf_pair("", 0, "x"))},
      {"a tensor twice", tensors({{"w", {4}, 0, 0}, {"w", {4}, 0, 32}})},
      {"a tensor without a name", tensors({{"", {4}, 0, 0}})},
      {"a tensor's name of newlines, beyond the file", tensors({{"a\n\nb", {400}, 0, 0}})},
      {"overlapping tensors", tensors({{"w", {16}, 0, 0}, {"q", {4}, 0, 32}})},
      {"one place for two", tensors({{"w", {4}, 0, 0}, {"q", {4}, 0, 0}})},
      {"a tensor beyond the file", tensors({{"w", {4}, 0, uint64_t{1} << 40}})},
      {"a tensor at 2^64 - 32", tensors({{"w", {4}, 0, 0 - uint64_t{32}}})},
      {"an unaligned tensor", tensors({{"w", {4}, 0, 4}})},
      {"an extent of 2^63", tensors({{"w", {uint64_t{1} << 63}, 0, 0}})},
      {"extents whose product wraps to 4", tensors({{"w", {4611686018427387905, 4}, 0, 0}})},
      {"extents beyond memory and one of 0", tensors({{"w", {0, uint64_t{1} << 33, uint64_t{1} << 33}, 0, 0}})},
      {"65 dimensions", tensors({{"w", std::vector<uint64_t>(65, 1), 0, 0}})},
      {"2^32 - 1 dimensions", with(good, good.find("w" + little(1, 4)) + 1, "\xff\xff\xff\xff")},
      {"a row that is no block", tensors({{"w", {33}, 2, 0}})},
      {"blocks beyond the file", tensors({{"w", {256, 1000000}, 14, 0}})},
      {"an element type that is not read", tensors({{"w", {256}, 10, 0}})},
      {"an unknown element type", tensors({{"w", {4}, 12345, 0}})},
      {"an alignment of 0", aligned(4, little(0, 4))},
      {"an alignment of 3", aligned(4, little(3, 4))},
      {"an alignment of 2^63", aligned(10, little(uint64_t{1} << 63, 8))},
      {"an alignment that is a text", aligned(8, gguf_string("32"))},
      {"cut off in its padding", tensors({{"w", {4}, 0, 0}}).substr(0, 90)}};
  add(files, truncations(good.substr(0, good.size() - 14)));  // behind the last block there is padding
  expect_refused("x.gguf", files, read_gguf);
  expect_read_or_refused("x.gguf", damages(good, 500), read_gguf);
  expect_read_or_refused("x.gguf", extreme_words(good, 0, good.size() - 64, 8), read_gguf);
}

}  // namespace
}  // namespace tenon::testing
