// Whole files, as tests write and read them, and bytes to fill them with.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace tenon::testing {

inline std::string read_file(const std::filesystem::path& path) {  // empty where there is none
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Bytes that look random, the same for the same seed.
inline std::string sample(size_t bytes, unsigned seed) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return text;
}

}  // namespace tenon::testing
