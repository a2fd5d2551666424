// Sentence embeddings with all-MiniLM-L6-v2: a sentence becomes a vector of 384 numbers, and sentences that mean alike have vectors
// that point alike. FOLDER holds the model's model.safetensors and vocab.txt (examples/minilm/fetch.sh).
//
//   minilm FOLDER [QUESTION]               which of a few sentences answers a question
//   minilm FOLDER embed LINES OUT          token ids and embeddings of a file's lines, as safetensors
//   minilm FOLDER tokens LINES             their token ids, as text
//   minilm FOLDER time LINES BATCH         sentences a second
//   minilm FOLDER ship LINES OUT           the encoder as an object with a C header, its weights, and what examples/minilm/embed.c checks
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>

#include "tenon/examples/data/ship.h"
#include "tenon/examples/minilm/batch.h"
#include "tenon/examples/minilm/wordpiece.h"
#include "tenon/examples/text/lines.h"

namespace {

namespace tn = tenon;
using tn::Tensor;
using Ids = std::vector<std::vector<int32_t>>;

Ids tokens_of(const minilm::WordPiece& tokenizer, const std::vector<std::string>& lines) {
  Ids ids;
  for (const std::string& line : lines) ids.push_back(tokenizer(line));
  return ids;
}

void answer(const std::string& folder, const std::string& question) {
  std::vector<std::string> sentences = {"The library opens at nine and closes at eight in the evening.",
                                        "A tenon is the tongue of wood that fits into a mortise.",
                                        "Rain is expected in the north, and the south stays dry.",
                                        "To bake bread you need flour, water, salt and yeast.",
                                        "The train to the coast leaves from platform four.",
                                        "Gradients are computed backwards, from the loss to the weights."};
  sentences.push_back(question);
  const auto ids = tokens_of(minilm::WordPiece::load(folder + "/vocab.txt"), sentences);
  const auto net = minilm::load(folder + "/model.safetensors");
  const Tensor all = minilm::embed_all(minilm::compiled(), net, minilm::batches(ids, 32));
  const std::vector<float> alike = tn::matmul(all, all[-1]).to_vector<float>();
  std::vector<std::pair<float, std::string>> ranked;
  for (size_t i = 0; i + 1 < sentences.size(); ++i) ranked.emplace_back(alike[i], sentences[i]);
  std::sort(ranked.rbegin(), ranked.rend());
  std::printf("%s\n", question.c_str());
  for (const auto& [cosine, sentence] : ranked)
    std::printf("  %5.2f  %s\n", static_cast<double>(cosine), sentence.c_str());
}

void embed(const std::string& folder, const Ids& ids, const std::string& out) {
  const auto net = minilm::load(folder + "/model.safetensors");
  std::vector<int32_t> table(ids.size() * 256);  // rows of 256, filled up with [PAD]
  for (size_t i = 0; i < ids.size(); ++i)
    std::copy(ids[i].begin(), ids[i].end(), table.begin() + static_cast<std::ptrdiff_t>(256 * i));
  const Tensor rows = tn::copy_from(table.data(), {static_cast<int64_t>(ids.size()), 256}, tn::i32);
  const Tensor all = minilm::embed_all(minilm::compiled(), net, minilm::batches(ids, 32));
  tn::save(out, std::map<std::string, Tensor>{{"ids", rows}, {"embeddings", all}});
}

// Every batch at its best of four seconds' rounds.
void measure(const std::string& folder, const Ids& ids, size_t batch) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const auto net = minilm::load(folder + "/model.safetensors");
  const auto f = minilm::compiled();
  const std::vector<minilm::Rows> batches = minilm::batches(ids, batch);
  std::vector<double> best(batches.size(), 1e9);
  for (const auto begin = Clock::now(); since(begin) < 4;) {
    for (size_t i = 0; i < batches.size(); ++i) {
      const auto start = Clock::now();
      f(net, batches[i].batch.ids, batches[i].batch.lengths, batches[i].batch.tokens);
      best[i] = std::min(best[i], since(start));
    }
  }
  std::printf("%.1f\n", static_cast<double>(ids.size()) / std::accumulate(best.begin(), best.end(), 0.0));
}

void print(const Ids& ids) {
  for (const auto& row : ids)
    for (size_t i = 0; i < row.size(); ++i) std::printf("%d%c", row[i], i + 1 < row.size() ? ' ' : '\n');
}

void ship(const std::string& folder, const Ids& ids, const std::string& out) {
  const auto net = minilm::load(folder + "/model.safetensors");
  const auto f = minilm::compiled();
  const tn::Dim n = tn::dim("sentences", 1, 64), t = tn::dim("length", 1, 256), k = tn::dim("tokens", 1, 64 * 256);
  tn::aot::save(f, {.name = "embed", .out = out, .native = true, .arguments = {"net", "ids", "lengths", "tokens"}}, net,
                tn::spec({n, t}, tn::i32), tn::spec({n}, tn::i32), tn::spec({k}, tn::i32));
  const auto append = [](std::string& bytes, const Tensor& x) {
    bytes.append(static_cast<const char*>(x.raw()), static_cast<size_t>(x.numel()) * sizeof(float));
  };
  std::string weights, embeddings;
  for (const Tensor& x : tn::tree::leaves(net)) append(weights, x);
  append(embeddings, minilm::embed_all(f, net, minilm::batches(ids, 32)));
  tn::examples::write_file(out + "/weights.bin", weights);
  tn::examples::write_file(out + "/embeddings.bin", embeddings);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.empty() || arguments.size() > 4) {
      std::fprintf(
          stderr,
          "usage: minilm FOLDER [QUESTION | embed LINES OUT | tokens LINES | time LINES BATCH | ship LINES OUT]\n");
      return 2;
    }
    const std::string& folder = arguments[0];
    if (arguments.size() < 3) {
      answer(folder, arguments.size() > 1 ? arguments[1] : "What do I need for a loaf?");
      return 0;
    }
    const Ids ids = tokens_of(minilm::WordPiece::load(folder + "/vocab.txt"), tn::examples::read_lines(arguments[2]));
    const std::string& verb = arguments[1];
    if (verb == "tokens") print(ids);
    if (verb == "embed") embed(folder, ids, arguments.at(3));
    if (verb == "time") measure(folder, ids, std::stoul(arguments.at(3)));
    if (verb == "ship") ship(folder, ids, arguments.at(3));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "minilm: %s\n", e.what());
    return 1;
  }
  return 0;
}
