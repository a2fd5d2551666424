// safetensors files: every dtype and many shapes out and in, trees by the paths of their leaves, headers as others write them, and
// every way in which a file can be wrong.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <vector>

#include "tenon/runtime/json.h"
#include "tenon/runtime/safetensors.h"
#include "tenon/tests/files.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon {
namespace {

using runtime::parse_safetensors;
using testing::message_of;
using testing::read_file;
using testing::write_file;

struct Folder {
  const std::string path = testing::temporary_folder("safetensors");
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator()));
  }
};

std::string file_of(const std::string& header, const std::string& elements) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return text + header + elements;
}
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& place) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + place + "}";
}

std::string error_of(const std::string& file) {
  const std::string said = message_of([&] { parse_safetensors(file, "x.safetensors"); });
  if (said != "no error") {
    EXPECT_NE(said.find("x.safetensors"), std::string::npos) << said;
  }
  return said;
}

#define EXPECT_SAID(said, words) EXPECT_NE((said).find(words), std::string::npos) << (said)
#define EXPECT_REFUSED(file, words) EXPECT_SAID(error_of(file), words)

std::string bytes_of(const Tensor& t) {
  size_t count = static_cast<size_t>(bytes(t.dtype()));
  for (Dim d : t.shape()) count *= static_cast<size_t>(d.number());
  return {static_cast<const char*>(t.raw()), count};
}

TEST(Safetensors, RoundTripOfEveryDtypeAndShape) {
  const Folder folder;
  std::map<std::string, Tensor> all;
  for (int d = 0; d < dtype_count; ++d) {
    const auto dtype = static_cast<DType>(d);
    int number = 0;
    for (const std::vector<Dim>& shape :
         {std::vector<Dim>{}, {1}, {7}, {0}, {2, 0, 3}, {3, 4}, {2, 3, 4, 5}, std::vector<Dim>(20, 1)}) {
      size_t count = static_cast<size_t>(bytes(dtype));
      for (Dim extent : shape) count *= static_cast<size_t>(extent.number());
      std::string elements = testing::sample(count, static_cast<unsigned>(d * 100 + number));
      if (dtype == boolean)
        for (char& c : elements) c &= 1;
      all[std::string(name(dtype)) + "." + std::to_string(number++)] = copy_from(elements.data(), shape, dtype);
    }
  }
  save(folder / "all", all);
  const std::map<std::string, Tensor> back = load_safetensors(folder / "all");
  ASSERT_EQ(back.size(), all.size());
  for (const auto& [name, t] : all) {
    ASSERT_TRUE(back.count(name)) << name;
    EXPECT_EQ(back.at(name).dtype(), t.dtype()) << name;
    EXPECT_EQ(back.at(name).shape(), t.shape()) << name;
    EXPECT_EQ(bytes_of(back.at(name)), bytes_of(t)) << name;
  }
  // Equal trees give equal bytes, and every tensor lies aligned.
  save(folder / "again", back);
  EXPECT_EQ(read_file(folder / "all"), read_file(folder / "again"));
  const runtime::SafetensorsFile file(folder / "all");
  for (const runtime::SafetensorsEntry& e : file.entries())
    EXPECT_EQ(e.begin % static_cast<uint64_t>(bytes(e.dtype)), 0u) << e.name;
  EXPECT_EQ(folder.files(), 2u);
}

TEST(Safetensors, WritesWhatTheFormatsOwnLibraryWrites) {
  const Folder folder;
  // safetensors 0.5 of Python, save({"b": f32 [1, 2], "a": u8 [[3], [4]], "c": f64 scalar 1}).
  save(folder / "x",
       std::map<std::string, Tensor>{
           {"b", tensor({1.f, 2.f})}, {"a", tensor({{3}, {4}}).astype(u8)}, {"c", full({}, 1, {.dtype = f64})}});
  const std::string header = "{" + entry("c", "F64", "[]", "[0,8]") + "," + entry("b", "F32", "[2]", "[8,16]") + "," +
                             entry("a", "U8", "[2,1]", "[16,18]") + "}";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const double one = 1;
  const float two[] = {1, 2};
  EXPECT_EQ(read_file(folder / "x"), file_of(padded, std::string(reinterpret_cast<const char*>(&one), 8) +
                                                         std::string(reinterpret_cast<const char*>(two), 8) + "\3\4"));
}

struct Block {
  Tensor weight, bias;
};
struct Model {
  std::vector<Block> layers;
  std::map<std::string, Tensor> extra;
  Tensor step, none;
  int width = 3;
};
Model model(float value) {
  return {{{full({2, 3}, value), full({3}, value + 1)}, {full({3, 3}, value + 2), full({3}, value + 3)}},
          {{"gain", full({}, value + 4)}},
          full({}, 5, {.dtype = i64}),
          Tensor(),
          3};
}

TEST(Safetensors, TreesByThePathsOfTheirLeaves) {
  const Folder folder;
  save(folder / "m", model(1));
  std::vector<std::string> names;
  for (const auto& [name, t] : load_safetensors(folder / "m")) names.push_back(name);
  std::vector<std::string> paths = tree::paths(model(0));
  std::sort(paths.begin(), paths.end());
  EXPECT_EQ(names, paths);

  Model filled = model(7);
  filled.layers[1].weight.set_requires_grad(true);
  Model& same = load(folder / "m", filled);
  EXPECT_EQ(&same, &filled);
  const Model expected = model(1), made = load(folder / "m", model(3)),
              of_specs =
                  load(folder / "m", tree::map([](const Tensor& t) { return spec(t.shape(), t.dtype()); }, model(0)));
  for (const Model& m : {filled, made, of_specs}) {
    const auto found = tree::leaves(m), wanted = tree::leaves(expected);
    ASSERT_EQ(found.size(), wanted.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(bytes_of(found[i]), bytes_of(wanted[i])) << paths[i];
  }
  EXPECT_TRUE(filled.layers[1].weight.requires_grad());
  EXPECT_FALSE(filled.layers[0].weight.requires_grad());
  // As PyTorch names them.
  std::map<std::string, Tensor> dotted;
  for (const auto& [name, t] : load_safetensors(folder / "m"))
    dotted[name == "layers[0].weight" ? "layers.0.weight" : name == "extra[\"gain\"]" ? "extra.gain" : name] = t;
  save(folder / "dotted", dotted);
  EXPECT_EQ(load(folder / "dotted", model(0)).extra.at("gain").item<float>(), 5);
  // A tree that is a tensor, and one in a tuple.
  save(folder / "one", full({2}, 9.f));
  EXPECT_EQ(load(folder / "one", zeros({2})).to_vector(), (std::vector<float>{9, 9}));
  save(folder / "pair", std::tuple{full({2}, 9.f), full({1}, 8.f)});
  EXPECT_EQ(std::get<1>(load(folder / "pair", std::tuple{zeros({2}), zeros({1})})).item<float>(), 8);
}

TEST(Safetensors, TreesThatDoNotFit) {
  const Folder folder;
  save(folder / "m", model(1));
  const auto said = [&](const auto& change) {
    Model m = model(0);
    change(m);
    const auto before = tree::leaves(m);
    const std::string text = message_of([&] { load(folder / "m", m); });
    const auto after = tree::leaves(m);
    for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(before[i].cell(), after[i].cell()) << "changed";
    EXPECT_SAID(text, folder / "m");
    EXPECT_SAID(text, "safetensors_test.cc");
    return text;
  };
  EXPECT_EQ(message_of([&] { load(folder / "m", model(0)); }), "no error");
  EXPECT_SAID(said([](Model& m) { m.layers.push_back(m.layers[0]); }), "'layers[2].weight'");
  EXPECT_SAID(said([](Model& m) { m.layers.pop_back(); }), "no leaf for 'layers[1].");
  EXPECT_SAID(said([](Model& m) { m.none = ones({1}); }), "'none'");
  EXPECT_SAID(said([](Model& m) { m.layers[1].bias = zeros({4}); }),
              "at 'layers[1].bias', the tree has f32[4] and the file");
  EXPECT_SAID(said([](Model& m) { m.step = zeros({}, {.dtype = i32}); }), "at 'step', the tree has i32[] and the file");
  EXPECT_SAID(message_of([&] { save(folder / "s", spec({2}, f32)); }), "safetensors_test.cc");
  EXPECT_SAID(message_of([&] { jit([&](const Tensor& t) { return save(folder / "s", t), t; })(ones({1})); }), "save");
  EXPECT_SAID(message_of([&] { save(folder / "s", std::map<std::string, Tensor>{{"\xff", ones({1})}}); }), "UTF-8");
  EXPECT_SAID(message_of([&] { save(folder / "s", std::map<std::string, Tensor>{{"__metadata__", ones({1})}}); }),
              "__metadata__");
  EXPECT_EQ(folder.files(), 1u);
}

TEST(Safetensors, HeadersAsOthersWriteThem) {
  const auto header = parse_safetensors(
      file_of(
          "{ \"__metadata__\" : { \"format\":\"pt\", \"\\u00e9\\ud83d\\ude00\":\"a\\n\\\"\\/\" } ,\n"
          "\"b\\u0041\":{\"data_offsets\":[2, 6],\"extra\":[{\"x\":[1.5e-3,-0,true,null,{}],\"y\":[]}],\"shape\":[1],"
          "\"dtype\":\"F32\"},\t\"a\":{\"dtype\":\"BF16\",\"shape\":[ ],\"data_offsets\":[0,2]}, "
          "\"e\":{\"dtype\":\"U8\",\"shape\":[0,18446744073],\"data_offsets\":[2,2]} } \r ",
          "aabbbb"),
      "x");
  ASSERT_EQ(header.entries.size(), 3u);
  EXPECT_EQ(header.entries[0].name, "a");
  EXPECT_EQ(header.entries[0].dtype, bf16);
  EXPECT_EQ(header.entries[1].name, "e");
  EXPECT_EQ(header.entries[2].name, "bA");
  EXPECT_EQ(header.entries[2].bytes(), 4u);
  EXPECT_EQ(header.metadata, (std::vector<std::pair<std::string, std::string>>{
                                 {"format", "pt"}, {"\xc3\xa9\xf0\x9f\x98\x80", "a\n\"/"}}));
  EXPECT_EQ(error_of(file_of("{}", "")), "no error");
  EXPECT_EQ(error_of(file_of("{\"__metadata__\":null}", "")), "no error");
  // What is written is read, whatever is in the texts.
  std::vector<runtime::SafetensorsEntry> entries{{"\"\\\n\x01 \xc3\xa9", u8, {1}}};
  const std::vector<std::pair<std::string, std::string>> metadata{{"a\tb", "\xf0\x9f\x98\x80"}, {"", "\x1f"}};
  const std::string prefix = runtime::safetensors_prefix(entries, metadata, "x");
  EXPECT_EQ(prefix.size() % 8, 0u);
  const auto back = parse_safetensors(prefix + "!", "x");
  EXPECT_EQ(back.entries[0].name, entries[0].name);
  EXPECT_EQ(back.metadata, metadata);
}

TEST(Safetensors, RefusesWithAReason) {
  const auto one = [](const std::string& dtype, const std::string& shape, const std::string& place) {
    return file_of("{" + entry("a", dtype, shape, place) + "}", "12345678");
  };
  EXPECT_EQ(error_of(one("F32", "[2]", "[0,8]")), "no error");
  EXPECT_REFUSED("", "first eight bytes");
  EXPECT_REFUSED("1234567", "first eight bytes");
  EXPECT_REFUSED("PK\3\4 a zip archive", "no safetensors file");
  EXPECT_REFUSED(std::string("\x10\0\0\0\0\0\0\0{}", 10), "truncated in its header");
  EXPECT_REFUSED(std::string("\xff\xe0\xf5\5\0\0\0\0{}", 10), "truncated in its header");
  EXPECT_REFUSED(std::string("\1\xe1\xf5\5\0\0\0\0{}", 10), "100 MB");
  EXPECT_REFUSED(std::string("PK\3\4\x14\0\0\0\10\0", 10), "a ZIP archive; tn::load_npz");
  EXPECT_REFUSED(std::string("\x93NUMPY\1\0v\0", 10), "an npy file; tn::load_npy");
  EXPECT_REFUSED(std::string("GGUF\3\0\0\0\1\0", 10), "a GGUF file; tn::load_gguf");
  EXPECT_REFUSED(file_of("", ""), "begin with '{'");
  EXPECT_REFUSED(file_of(" {}", ""), "begin with '{'");
  EXPECT_REFUSED(file_of("[]", ""), "begin with '{'");
  EXPECT_REFUSED(file_of("{} x", ""), "byte 3: more text");
  EXPECT_REFUSED(file_of("{\"\xff\":1}", ""), "not UTF-8");
  EXPECT_REFUSED(file_of("{\"\xed\xa0\x80\":1}", ""), "not UTF-8");
  EXPECT_REFUSED(file_of("{\"\xc0\x80\":1}", ""), "not UTF-8");
  for (const char* text : {"{\"a\"",
                           "{\"a\":",
                           "{\"a",
                           "{",
                           "{\"a\":{\"dtype\":\"F32\"",
                           "{,}",
                           "{\"__metadata__\":{},}",
                           "{\"a\" {}}",
                           "{a:{}}",
                           "{\"a\n\":{}}",
                           "{\"a\\x\":{}}",
                           "{\"a\\ud800\":{}}",
                           "{\"a\\udc00\":{}}",
                           "{\"a\\u12g4\":{}}",
                           "{\"a\":{\"x\":01}}",
                           "{\"a\":{\"x\":1.}}",
                           "{\"a\":{\"x\":tru}}",
                           "{\"a\":{\"x\":-}}",
                           "{\"a\":{\"x\":[1,]}}",
                           "{\"a\":{\"x\":{1:2}}}",
                           "{\"a\":{\"x\":[}]}}",
                           "{\"a\":[]}",
                           "{\"a\":1}"})
    EXPECT_REFUSED(file_of(text, ""), "the header is damaged: byte ");
  EXPECT_REFUSED(file_of("{\"a\":{\"x\":" + std::string(100000, '[') + "}}", ""), "too deeply");
  EXPECT_REFUSED(file_of("{\"a\":{}}", ""), "lacks its dtype");
  EXPECT_REFUSED(file_of("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", ""), "'dtype' of tensor 'a' stands twice");
  EXPECT_REFUSED(file_of("{\"__metadata__\":{\"a\":1}}", ""), "'\"' expected");
  EXPECT_REFUSED(file_of("{\"__metadata__\":{},\"__metadata__\":{}}", ""), "twice");
  EXPECT_REFUSED(one("F8_E4M3", "[8]", "[0,8]"), "tensor 'a' has dtype 'F8_E4M3', which Tenon has not");
  EXPECT_REFUSED(one("f32", "[2]", "[0,8]"), "which Tenon has not");
  for (const char* shape : {"[-2]", "[2.0]", "[2e0]", "[\"2\"]", "2", "[02]", "[[2]]", "[99999999999999999999]"})
    EXPECT_REFUSED(one("F32", shape, "[0,8]"), "damaged");
  for (const char* place : {"[0]", "[0,8,8]", "[]", "{}", "[0,-8]", "[0,8.0]"})
    EXPECT_REFUSED(one("F32", "[2]", place), "damaged");
  EXPECT_REFUSED(one("F32", "[3]", "[0,8]"), "needs 12 bytes");
  EXPECT_REFUSED(one("F32", "[2]", "[0,12]"), "lies beyond the 8 bytes");
  EXPECT_REFUSED(one("F32", "[2]", "[8,0]"), "lies beyond");
  EXPECT_REFUSED(one("F32", "[1]", "[4,8]"), "a hole before tensor 'a' at [4, 8)");
  EXPECT_REFUSED(one("F32", "[1]", "[0,4]"), "4 bytes follow the last tensor");
  const auto two = [](const std::string& a, const std::string& b) {
    return file_of("{" + a + "," + b + "}", "12345678");
  };
  EXPECT_REFUSED(two(entry("a", "U8", "[5]", "[0,5]"), entry("b", "U8", "[5]", "[3,8]")), "'b' at [3, 8) overlaps");
  EXPECT_REFUSED(two(entry("a", "U8", "[3]", "[0,3]"), entry("b", "U8", "[3]", "[5,8]")), "a hole before tensor 'b'");
  EXPECT_REFUSED(two(entry("a", "U8", "[8]", "[0,8]"), entry("a", "U8", "[0]", "[8,8]")), "'a' stands twice");
  EXPECT_REFUSED(two(entry("a", "U8", "[8]", "[0,8]"), entry("b", "U8", "[8]", "[0,8]")), "overlaps");
}

TEST(Safetensors, SizesThatAreLies) {
  const auto one = [](const std::string& shape, const std::string& place) {
    return file_of("{" + entry("a", "F64", shape, place) + "}", "12345678");
  };
  EXPECT_REFUSED(one("[1152921504606846976]", "[0,8]"), "more elements than memory");
  EXPECT_REFUSED(one("[4294967296,4294967296]", "[0,8]"), "more elements than memory");
  EXPECT_REFUSED(one("[0,4294967296,4294967296]", "[0,0]"), "more elements than memory");
  EXPECT_REFUSED(one("[100000000000]", "[0,800000000000]"), "lies beyond");
  EXPECT_REFUSED(one("[1]", "[18446744073709551608,18446744073709551615]"), "lies beyond");
  std::string many = "1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_REFUSED(one("[" + many + "]", "[0,8]"), "64 dimensions");
}

TEST(Safetensors, TruncatedAnywhereOrDamagedAnywhere) {
  const Folder folder;
  Model m = model(1);
  save(folder / "m", m);
  const std::string good = read_file(folder / "m");
  const size_t header = runtime::SafetensorsFile(folder / "m").prefix().size();
  for (size_t length = 0; length < good.size(); ++length)
    ASSERT_NE(error_of(good.substr(0, length)), "no error") << length;
  ASSERT_NE(error_of(good + "x"), "no error");
  // Whatever a damaged header says, the answer is an Error, or tensors that fill the file exactly.
  std::mt19937 random(11);
  int parsed = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string file = good;
    for (int change = static_cast<int>(random() % 3); change >= 0; --change) {
      const size_t at = random() % header;
      file[at] = random() % 3 == 0   ? static_cast<char>(file[at] ^ (1 << random() % 8))
                 : random() % 2 == 0 ? "0123456789,{}[]:\"\\ FUIBx"[random() % 24]
                                     : static_cast<char>(random());
    }
    try {
      uint64_t at = 0;
      for (const auto& e : parse_safetensors(file, "x.safetensors").entries) {
        ASSERT_TRUE(at == 0 || e.begin == at);
        at = e.end;
      }
      ASSERT_EQ(at, file.size());
      ++parsed;
    } catch (const Error&) {
    }
    if (round % 50 != 0) continue;  // and as files
    write_file(folder / "damaged", file);
    try {
      load(folder / "damaged", m);
    } catch (const Error&) {
    }
    try {
      load_safetensors(folder / "damaged");
    } catch (const Error&) {
    }
  }
  EXPECT_GT(parsed, 0);
  EXPECT_LT(parsed, 10000);
}

TEST(Safetensors, FilesThatCannotBeReadOrWritten) {
  const Folder folder;
  const Tensor x = ones({3}) > 0;
  EXPECT_SAID(message_of([&] { load_safetensors(folder / "none"); }), "No such file");
  EXPECT_SAID(message_of([&] { load_safetensors(folder.path); }), "not a regular file");
  EXPECT_SAID(message_of([&] { save(folder.path, x); }), "not a regular file");
  EXPECT_SAID(message_of([&] { save("/dev/full", x); }), "not a regular file");
  EXPECT_SAID(message_of([&] { save(folder / "none/x", x); }), "No such file");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_SAID(message_of([&] { load_safetensors(folder / "pipe"); }),
              "not a regular file");  // and does not wait for a writer
  unlink((folder / "pipe").c_str());
  save(folder / "x", x);
  std::string text = read_file(folder / "x");
  text.back() = 2;
  write_file(folder / "x", text);
  EXPECT_SAID(message_of([&] { load_safetensors(folder / "x"); }), "element 2 of the bools");
  save(folder / "x", x);  // in the place of the other
  EXPECT_EQ(load_safetensors(folder / "x").begin()->second.dtype(), boolean);
  EXPECT_EQ(folder.files(), 1u);
}

}  // namespace
}  // namespace tenon
