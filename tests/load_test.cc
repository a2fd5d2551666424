// Trees from files of others: renamed, transposed, cast, with a prefix, in part; what an Error lists; and files that are mapped.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <tenon/tenon.h>

#include <filesystem>
#include <fstream>

#include "tenon/frontend/io/rename_rules.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

struct Linear {
  Tensor weight, bias;
};
struct Layer {
  Linear q, k;
};
struct Encoder {
  Tensor embedding;
  std::vector<Layer> layers;
  int width = 3;
};
using Named = std::map<std::string, Tensor>;

Encoder specs(DType dtype = f32) {
  const auto linear = [&] { return Linear{spec({2, 3}, dtype), spec({3}, dtype)}; };
  return {spec({5, 2}, dtype), {{linear(), linear()}, {linear(), linear()}}, 3};
}

// As another framework names the same, with weights [out, in].
Named others() {
  Named out{{"model.embeddings.word.weight", arange(10.0).reshape({5, 2})},
            {"model.embeddings.position_ids", arange(4)},
            {"head.weight", ones({7})}};
  for (int layer = 0; layer < 2; ++layer)
    for (const char* name : {"query", "key"}) {
      const std::string path = "model.encoder.layer." + std::to_string(layer) + ".attention.self." + name;
      out[path + ".weight"] = arange(6.0).reshape({3, 2}) + layer * 10 + (name[0] == 'k' ? 100 : 0);
      out[path + ".bias"] = zeros({3}) + layer;
    }
  return out;
}

const std::vector<Rename> names = {{"embeddings.word.weight", "embedding"},
                                   {"embeddings.position_ids", ""},
                                   {"encoder.layer.*.attention.self.query.*", "layers[*].q.*"},
                                   {"encoder.layer.*.attention.self.key.*", "layers[*].k.*"}};

class Load : public ::testing::Test {
 protected:
  ~Load() override { std::filesystem::remove_all(folder_); }
  const std::string folder_ = temporary_folder("load"), file_ = folder_ + "/x.safetensors";
};

TEST(Rename, StarsStandForAsLittleAsTheyCan) {
  const auto held = [](const char* pattern, const char* text) {
    const auto found = detail::captures(pattern, text);
    if (!found) return std::string("no");
    std::string out;
    for (const std::string& one : *found) out += "<" + one + ">";
    return out;
  };
  EXPECT_EQ(held("a", "a"), "");
  EXPECT_EQ(held("a", "b"), "no");
  EXPECT_EQ(held("", ""), "");
  EXPECT_EQ(held("*", ""), "no");
  EXPECT_EQ(held("*", "a.b"), "<a.b>");
  EXPECT_EQ(held("a*", "a"), "no");
  EXPECT_EQ(held("*.weight", "layers[0].q.weight"), "<layers[0].q>");
  EXPECT_EQ(held("h.*.w.*", "h.10.w.w.x"), "<10><w.x>");
  EXPECT_EQ(held("*a*b", "xaayabb"), "<x><ayab>");
  EXPECT_EQ(held("*.*", "a.b.c"), "<a><b.c>");
  EXPECT_EQ(held("**", "abc"), "<a><bc>");
  EXPECT_EQ(held("a*c", "abcd"), "no");
  EXPECT_EQ(detail::filled_in("layers[*].*", {"3", "w"}), "layers[3].w");
  // Nothing here takes longer than the product of both lengths.
  std::string pattern, text(20000, 'a');
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_EQ(held((pattern + "b").c_str(), text.c_str()), "no");
}

TEST_F(Load, AnotherProgramsWeights) {
  save(file_, others());
  const std::vector<Rename> all = [] {
    std::vector<Rename> rules = names;
    for (Rename& r : rules) r.file = "model." + r.file;
    rules.push_back({"head.*", ""});
    return rules;
  }();
  const Encoder by_prefix = load(file_, specs(), {.rename = names, .transpose = {"*.weight"}, .prefix = "model."}),
                by_rules = load(file_, specs(), {.rename = all, .transpose = {"*.weight"}});
  for (const Encoder& e : {by_prefix, by_rules}) {
    EXPECT_EQ(e.embedding.to_vector()[3], 3);
    EXPECT_EQ(e.layers[1].k.weight.to_vector(), (std::vector<float>{110, 112, 114, 111, 113, 115}));
    EXPECT_EQ(e.layers[0].q.weight.to_vector(), (std::vector<float>{0, 2, 4, 1, 3, 5}));
    EXPECT_EQ(e.layers[1].q.bias.to_vector(), (std::vector<float>{1, 1, 1}));
  }
  // And back: the same names and bytes, but for what the tree has not.
  save(folder_ + "/back", by_prefix,
       {.rename = names, .transpose = {"*.weight"}, .prefix = "model.", .metadata = {{"format", "pt"}}});
  Named expected = others();
  expected.erase("model.embeddings.position_ids");
  expected.erase("head.weight");
  const Named back = load_safetensors(folder_ + "/back");
  ASSERT_EQ(back.size(), expected.size());
  for (const auto& [name, t] : expected) EXPECT_EQ(back.at(name).to_vector(), t.to_vector()) << name;
  EXPECT_EQ(safetensors_metadata(folder_ + "/back"), (std::map<std::string, std::string>{{"format", "pt"}}));
}

TEST_F(Load, DtypesAreConvertedWhereThatIsAsked) {
  save_safetensors(file_, Named{{"a", tensor({1.5f, 2.5f})}, {"b", tensor({1.5f, -2.5f}).astype(bf16)}});
  EXPECT_HAS(message_of([&] { load(file_, Named{{"a", spec({2}, f64)}, {"b", spec({2}, bf16)}}); }),
             "at '[\"a\"]', the tree has f64[2] and the file");
  const Named cast = load(file_, Named{{"a", spec({2}, f64)}, {"b", spec({2}, i32)}}, {.cast = true});
  EXPECT_EQ(cast.at("a").dtype(), f64);
  EXPECT_EQ(cast.at("a").to_vector<double>(), (std::vector<double>{1.5, 2.5}));
  EXPECT_EQ(cast.at("b").to_vector<int>(), (std::vector<int>{1, -2}));
  EXPECT_HAS(message_of([&] { load(file_, Named{{"a", spec({3}, f64)}, {"b", spec({2}, c64)}}, {.cast = true}); }),
             "the tree has c64[2]");
}

TEST_F(Load, AllDifferencesInOneError) {
  Named in_file, in_tree;
  for (int i = 10; i < 40; ++i) {
    if (i < 22) in_file["extra" + std::to_string(i)] = ones({2});
    if (i < 23) in_tree["lacking" + std::to_string(i)] = ones({2});
    in_file["same" + std::to_string(i)] = ones({2});
    in_tree["same" + std::to_string(i)] = i < 12 ? ones({3}) : zeros({2});
  }
  save(file_, in_file);
  const std::string text = message_of([&] { load(file_, in_tree); });
  for (const char* part : {"'extra10', f32[2]", "and 2 more (12)", "'[\"lacking19\"]'", "and 3 more (13)",
                           "at '[\"same10\"]', the tree has f32[3] and the file", "at '[\"same11\"]'", "load_test.cc"})
    EXPECT_HAS(text, part);
  EXPECT_EQ(text.find("lacking20"), std::string::npos);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(in_tree.at("same20").to_vector()[0], 0) << "changed";
  // In part: what both have is loaded, what the file lacks stays; but a spec has nothing to keep.
  for (const char* name : {"same10", "same11"}) in_tree[name] = zeros({2});
  load(file_, in_tree, {.strict = false});
  EXPECT_EQ(in_tree.at("same20").to_vector()[0], 1);
  EXPECT_HAS(message_of([&] { load(file_, Named{{"lacking", spec({2}, f32)}}, {.strict = false}); }), "lacking");
}

TEST_F(Load, RulesThatAreWrong) {
  save(file_, others());
  const auto said = [&](LoadOptions o) {
    o.prefix = "model.";
    return message_of([&] { load(file_, specs(), o); });
  };
  std::vector<Rename> rules = names;
  rules.push_back({"encoder.layer.*.attention.self.value.*", "layers[*].v.*"});
  EXPECT_HAS(said({.rename = rules, .transpose = {"*.weight"}}), "fits no name in the file");
  rules.back() = {"encoder.*.x", "x"};
  EXPECT_HAS(said({.rename = rules}), "has 1 and 0 stars");
  EXPECT_HAS(said({.rename = names, .transpose = {"*.weight", "*.kernel"}}), "'*.kernel' of .transpose fits no leaf");
  rules = names;
  rules[3].tree = "layers[*].q.*";
  EXPECT_HAS(said({.rename = rules, .transpose = {"*.weight"}}), "two names stand for one leaf");
  EXPECT_HAS(said({.rename = names}), "the tree has f32[2, 3] and the file");
  const Encoder e = load(file_, specs(), {.rename = names, .transpose = {"*.weight"}, .prefix = "model."});
  EXPECT_HAS(message_of([&] { save(folder_ + "/no", e, {.rename = {{"x.*", "nothing.*"}}}); }),
             "fits no leaf of the tree");
  EXPECT_HAS(message_of([&] { save(folder_ + "/no", e, {.rename = {{"x", "layers[0].q.bias"}, {"x", "embedding"}}}); }),
             "two leaves of the tree are called 'x'");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/no"));
}

TEST_F(Load, MappedTensorsKeepTheFileThatWasThere) {
  const int64_t many = int64_t{1} << 20;
  save_safetensors(file_, Named{{"big", full({16, many}, 2.f)}, {"odd", full({3}, 1, {.dtype = u8})}});
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  Named mapped = load_safetensors(file_);
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_minflt - before.ru_minflt, 2000) << "64 MiB were read or copied";
  save_safetensors(file_, Named{{"big", full({16, many}, 3.f)}});  // in the place of the mapped one
  EXPECT_EQ(load_safetensors(file_).at("big").to_vector()[5], 3);
  std::filesystem::remove(file_);
  const Tensor big = mapped.at("big");
  mapped.clear();
  EXPECT_EQ(sum(big.reshape({-1}) - 1).item(), static_cast<float>(16 * many));
  EXPECT_EQ(big.to_vector()[7], 2);
}

TEST_F(Load, WhatLiesUnalignedIsCopied) {
  // A header of 9 more bytes than a multiple of 8 is no mistake of the format's.
  const std::string header = "{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}   ";
  std::string text(8, '\0');
  text[0] = static_cast<char>(header.size());
  ASSERT_NE(header.size() % 8, 0u);
  const double elements[] = {1.5, -2};
  std::ofstream(file_, std::ios::binary) << text << header
                                         << std::string(reinterpret_cast<const char*>(elements), sizeof elements);
  const Tensor a = load_safetensors(file_).at("a");
  EXPECT_EQ(a.to_vector<double>(), (std::vector<double>{1.5, -2}));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.raw()) % 8, 0u);
}

}  // namespace
}  // namespace tenon::testing
