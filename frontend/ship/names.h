// Names in what is saved beside a program: which a user may choose, and identifiers made of paths. Internal to the frontend.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace tenon::aot {

// Whether C or C++, their libraries or Tenon's runtime have the word for themselves, so that nothing in a header can be called so.
bool is_reserved(std::string_view word);
// What is wrong with a name, to follow "'x' "; empty where it is an identifier of C and C++ that is nobody else's.
std::string name_fault(const std::string& name);
// layers[2].w becomes layers_2_w; whatever no identifier holds is left out. Never empty.
std::string identifier_of(std::string_view path);

// The names of one scope of a header.
class Scope {
 public:
  void take(std::string name) { taken_.insert(std::move(name)); }
  std::string unique(std::string wanted);  // taken from now on; w_2 where w is taken or reserved

 private:
  std::set<std::string> taken_;
};

}  // namespace tenon::aot
