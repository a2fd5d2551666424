// What a tensor prints and what an error says, as text to look into.
#pragma once

#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <sstream>
#include <string>

namespace tenon::testing {

inline std::string print(const Tensor& t) {
  std::ostringstream out;
  out << t;
  return out.str();
}

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace tenon::testing

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)
