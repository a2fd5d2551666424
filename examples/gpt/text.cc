// Reads the whole text into memory once; what is drawn from it is a function of the key.
#include "tenon/examples/gpt/text.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace gpt {

std::vector<int64_t> Text::encode(const std::string& text) const {
  std::vector<int64_t> numbers;
  for (char c : text) {
    const size_t place = alphabet.find(c);
    if (place == std::string::npos) throw tn::Error("'" + std::string(1, c) + "' does not occur in the text");
    numbers.push_back(static_cast<int64_t>(place));
  }
  return numbers;
}

std::string Text::decode(const std::vector<int64_t>& numbers) const {
  std::string text;
  for (int64_t n : numbers) text += alphabet.at(static_cast<size_t>(n));
  return text;
}

Text read_text(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed))
    if (entry.is_regular_file() && !entry.is_symlink() && entry.path().extension().empty())
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::string text;
  for (const std::filesystem::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    text.append(std::istreambuf_iterator<char>(in), {});
  }
  if (text.size() < size_t{1} << 16)
    throw tn::Error("there is no text to learn from in '" + folder +
                    "': apt-get install fortunes brings one, or name a folder with another");
  std::array<uint8_t, 256> number{};
  Text out;
  for (int byte = 0; byte < 256; ++byte)
    if (text.find(static_cast<char>(byte)) != std::string::npos) {
      number[static_cast<size_t>(byte)] = static_cast<uint8_t>(out.alphabet.size());
      out.alphabet += static_cast<char>(byte);
    }
  for (char& c : text) c = static_cast<char>(number[static_cast<uint8_t>(c)]);
  const size_t cut = text.size() - text.size() / 20;
  out.train = tn::copy_from(text.data(), {static_cast<int64_t>(cut)}, tn::u8);
  out.held = tn::copy_from(text.data() + cut, {static_cast<int64_t>(text.size() - cut)}, tn::u8);
  return out;
}

Tensor windows(const Tensor& key, const Tensor& text, int64_t batch, int64_t length) {
  const Tensor starts = tn::random::randint(key, {batch, 1}, 0, text.shape()[0].number() - length);
  return tn::take(text, starts + tn::arange(0, length + 1)).astype(tn::i64);
}

}  // namespace gpt
