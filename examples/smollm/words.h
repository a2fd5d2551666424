// How GPT-2 and SmolLM cut a text before they merge bytes: words with the space in front of them, numbers digit by digit, runs of
// punctuation, runs of white space (Radford et al., "Language models are unsupervised multitask learners", 2019, section 2.2).
#pragma once

#include <string_view>
#include <vector>

namespace smollm {

// The parts of a text in UTF-8, one after the other.
std::vector<std::string_view> words(std::string_view text);

}  // namespace smollm
