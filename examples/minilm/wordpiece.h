// WordPiece, BERT's tokenizer (Wu et al., "Google's neural machine translation system", 2016, section 4.1; Devlin et al., "BERT", 2018):
// every word is cut into the longest pieces of a vocabulary, from its front. Refuses vocabularies without the special pieces.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace minilm {

class WordPiece {
 public:
  // One piece a line; a piece that continues a word begins with ##. tn::Error where [PAD], [UNK], [CLS] or [SEP] is missing.
  explicit WordPiece(std::istream& vocabulary);
  static WordPiece load(const std::string& path);

  // [CLS], the pieces, [SEP]: at most `longest` of them, the text's end being cut off.
  std::vector<int32_t> operator()(std::string_view text, size_t longest = 256) const;
  const std::string& piece(int32_t id) const { return pieces_.at(static_cast<size_t>(id)); }

 private:
  int32_t special(const std::string& piece) const;
  void append_pieces(std::vector<int32_t>& ids, const std::u32string& word) const;

  std::vector<std::string> pieces_;
  std::unordered_map<std::string, int32_t> ids_;
  int32_t unknown_, begin_, end_;
};

}  // namespace minilm
