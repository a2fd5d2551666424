// What BERT's uncased models do to a text before they look for pieces: control characters and accents go, letters become small,
// white space is one kind, ideographs and punctuation stand alone. The tables are those of PyPI's tokenizers (folding.py).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace minilm {

// The words of a text in UTF-8, folded.
std::vector<std::u32string> words(std::string_view text);

}  // namespace minilm
