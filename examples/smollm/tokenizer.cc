// Joining pairs with a heap, so that a word of any length takes n log n.
#include "tenon/examples/smollm/tokenizer.h"

#include "tenon/ir/base/error.h"

#include <queue>
#include <tuple>

#include "tenon/examples/smollm/words.h"
#include "tenon/examples/text/utf8.h"

namespace smollm {

namespace {

// The printable character that stands for a byte: itself, or one of those from U+0100 on.
std::vector<char32_t> characters_of_bytes() {
  std::vector<char32_t> characters;
  char32_t next = 0x100;
  for (char32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    characters.push_back(printable ? b : next++);
  }
  return characters;
}

uint64_t pair_of(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

}  // namespace

Tokenizer::Tokenizer(const std::vector<std::string>& tokens, const std::vector<std::string>& merges) {
  const std::vector<char32_t> characters = characters_of_bytes();
  std::unordered_map<char32_t, char> bytes;
  for (size_t b = 0; b < 256; ++b) bytes[characters[b]] = static_cast<char>(b);
  for (const std::string& token : tokens) {
    ids_.emplace(token, static_cast<int32_t>(texts_.size()));
    std::string& text = texts_.emplace_back();
    for (const char32_t c : tenon::examples::decode_utf8(token)) {
      if (const auto byte = bytes.find(c); byte != bytes.end())
        text += byte->second;
      else
        tenon::examples::append_utf8(text, c);
    }
  }
  for (size_t b = 0; b < 256; ++b) {
    std::string name;
    tenon::examples::append_utf8(name, characters[b]);
    of_byte_[b] = ids_.contains(name) ? ids_[name] : -1;
  }
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string& merge = merges[rank];
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos) throw tenon::Error("the merge '" + merge + "' is no pair");
    const std::string left = merge.substr(0, space), right = merge.substr(space + 1);
    merges_.emplace(pair_of(id(left), id(right)), Merge{static_cast<int32_t>(rank), id(left + right)});
  }
}

int32_t Tokenizer::id(const std::string& token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) throw tenon::Error("the vocabulary has no token '" + token + "'");
  return found->second;
}

void Tokenizer::append_pieces(std::vector<int32_t>& ids, std::string_view word) const {
  std::vector<int32_t> pieces;  // -1: joined to the one in front
  for (const char c : word)
    if (const int32_t piece = of_byte_[static_cast<uint8_t>(c)]; piece >= 0) pieces.push_back(piece);
  const size_t end = pieces.size();
  std::vector<size_t> before(end), behind(end);
  struct Pair {
    int32_t rank;
    size_t at, next;
    int32_t left, right, joined;
    bool operator>(const Pair& other) const { return std::tie(rank, at) > std::tie(other.rank, other.at); }
  };
  std::priority_queue<Pair, std::vector<Pair>, std::greater<>> open;
  const auto consider = [&](size_t at, size_t next) {
    const auto merge = merges_.find(pair_of(pieces[at], pieces[next]));
    if (merge != merges_.end())
      open.push({merge->second.rank, at, next, pieces[at], pieces[next], merge->second.token});
  };
  for (size_t i = 0; i < end; ++i) {
    before[i] = i - 1, behind[i] = i + 1;
    if (i + 1 < end) consider(i, i + 1);
  }
  while (!open.empty()) {
    const Pair p = open.top();
    open.pop();
    if (pieces[p.at] != p.left || pieces[p.next] != p.right || behind[p.at] != p.next)
      continue;  // joined otherwise by now
    pieces[p.at] = p.joined, pieces[p.next] = -1;
    behind[p.at] = behind[p.next];
    if (behind[p.at] < end) before[behind[p.at]] = p.at, consider(p.at, behind[p.at]);
    if (p.at > 0) consider(before[p.at], p.at);
  }
  for (const int32_t piece : pieces)
    if (piece >= 0) ids.push_back(piece);
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  for (const std::string_view word : words(text)) append_pieces(ids, word);
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text += texts_.at(static_cast<size_t>(id));
  return text;
}

std::vector<int32_t> conversation(const Tokenizer& tokenizer, const std::string& question) {
  std::vector<int32_t> ids;
  const auto append = [&](const std::string& token, const std::string& text) {
    ids.push_back(tokenizer.id(token));
    for (const int32_t id : tokenizer.encode(text)) ids.push_back(id);
  };
  append("<|im_start|>", "system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face");
  append("<|im_end|>", "\n");
  append("<|im_start|>", "user\n" + question);
  append("<|im_end|>", "\n");
  append("<|im_start|>", "assistant\n");
  return ids;
}

}  // namespace smollm
