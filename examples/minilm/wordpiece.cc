// Cutting words into pieces, the longest first.
#include "tenon/examples/minilm/wordpiece.h"

#include <tenon/tenon.h>

#include <fstream>

#include "tenon/examples/minilm/folding.h"
#include "tenon/examples/text/utf8.h"

namespace minilm {

WordPiece::WordPiece(std::istream& vocabulary) {
  for (std::string line; std::getline(vocabulary, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    ids_.emplace(line, static_cast<int32_t>(pieces_.size()));
    pieces_.push_back(std::move(line));
  }
  if (special("[PAD]") != 0) throw tenon::Error("[PAD] is not the first piece of the vocabulary");
  unknown_ = special("[UNK]"), begin_ = special("[CLS]"), end_ = special("[SEP]");
}

WordPiece WordPiece::load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw tenon::Error("cannot read the vocabulary " + path);
  return WordPiece(in);
}

int32_t WordPiece::special(const std::string& piece) const {
  const auto found = ids_.find(piece);
  if (found == ids_.end()) throw tenon::Error("the vocabulary has no piece " + piece);
  return found->second;
}

// A word that cannot be cut, or is longer than 100 characters, is one unknown piece.
void WordPiece::append_pieces(std::vector<int32_t>& ids, const std::u32string& word) const {
  if (word.size() > 100) return ids.push_back(unknown_);
  std::string text;
  std::vector<size_t> ends;  // where each character ends
  for (const char32_t c : word) {
    tenon::examples::append_utf8(text, c);
    ends.push_back(text.size());
  }
  std::vector<int32_t> pieces;
  for (size_t begin = 0; begin < text.size();) {
    auto found = ids_.end();
    size_t last = ends.size();
    while (found == ids_.end() && last > 0 && ends[last - 1] > begin) {
      found = ids_.find((begin == 0 ? "" : "##") + text.substr(begin, ends[--last] - begin));
    }
    if (found == ids_.end()) return ids.push_back(unknown_);
    pieces.push_back(found->second);
    begin = ends[last];
  }
  ids.insert(ids.end(), pieces.begin(), pieces.end());
}

std::vector<int32_t> WordPiece::operator()(std::string_view text, size_t longest) const {
  std::vector<int32_t> ids{begin_};
  for (const std::u32string& word : words(text)) {
    append_pieces(ids, word);
    if (ids.size() >= longest) break;
  }
  ids.resize(std::min(ids.size(), longest - 1));
  ids.push_back(end_);
  return ids;
}

}  // namespace minilm
