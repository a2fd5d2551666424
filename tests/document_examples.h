// What the examples of the documents are compiled with: cmake/document_examples.awk makes tests of them.
#pragma once

#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cctype>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

namespace tn = tenon;
using tn::Tensor;

namespace tenon::testing {

// Every run of white space as one blank.
inline std::string spaced(const std::string& text) {
  std::string out;
  for (char c : text) {
    const bool blank = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!blank) out += c;
    if (blank && !out.empty() && out.back() != ' ') out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

template <class T>
std::string shown(const T& value) {
  std::ostringstream out;
  out << value;
  return spaced(out.str());
}

}  // namespace tenon::testing
