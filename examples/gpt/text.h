// A text as numbers of its characters, and windows of it to train on.
#pragma once

#include <tenon/tenon.h>

#include <string>
#include <vector>

namespace gpt {

namespace tn = tenon;
using tn::Tensor;

struct Text {
  std::string alphabet;  // the bytes that occur, ascending; a byte's number is its place here
  Tensor train, held;  // u8[n]: what is trained on, and the last twentieth

  std::vector<int64_t> encode(const std::string& text) const;  // Error for a byte that the alphabet lacks
  std::string decode(const std::vector<int64_t>& numbers) const;
};

// The files of a folder in the order of their names, those with a dot in their names left out. Error where there is less than 64 KiB.
Text read_text(const std::string& folder);

// Windows of `length` + 1 characters that begin where the key draws, i64[batch, length + 1]. Inside a jitted step they are read in the
// step itself.
Tensor windows(const Tensor& key, const Tensor& text, int64_t batch, int64_t length);

}  // namespace gpt
