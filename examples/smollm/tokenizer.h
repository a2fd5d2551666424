// Byte-level byte pair encoding (Sennrich et al., "Neural machine translation of rare words with subword units", 2016; Radford et al.,
// 2019): the bytes of a word are pieces, and of all neighbours the pair that was learnt first is joined, until none is left.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace smollm {

class Tokenizer {
 public:
  // Tokens as GGUF files and vocab.json have them, bytes being printable characters, and merges "left right" in the order in which they
  // were learnt. tn::Error for a merge of what is no token.
  Tokenizer(const std::vector<std::string>& tokens, const std::vector<std::string>& merges);

  // Ids of a text without special tokens. Bytes that the vocabulary lacks are left out.
  std::vector<int32_t> encode(std::string_view text) const;
  // The bytes of a token; of several a text. Special tokens give their names.
  std::string decode(std::span<const int32_t> ids) const;
  // The id of a token by its name: <|im_end|>. tn::Error where there is none.
  int32_t id(const std::string& token) const;

 private:
  struct Merge {
    int32_t rank, token;
  };
  void append_pieces(std::vector<int32_t>& ids, std::string_view word) const;

  std::vector<std::string> texts_;  // of tokens, as bytes
  std::unordered_map<std::string, int32_t> ids_;
  std::unordered_map<uint64_t, Merge> merges_;  // by the pair of ids
  int32_t of_byte_[256];  // -1: none
};

// A question to the assistant, in the form in which SmolLM2 was taught to read conversations (tokenizer.chat_template of its file).
std::vector<int32_t> conversation(const Tokenizer& tokenizer, const std::string& question);

}  // namespace smollm
