// A library of the system's that is loaded when it is needed, and its functions as a table of pointers. What is loaded stays:
// unloading it is not safe. Refuses to search: whoever loads says by which names.
#pragma once

#include <span>
#include <string>

namespace tenon::codegen {

struct SharedLibrary {
  void* handle = nullptr;
  std::string path;  // of the library as it is loaded; empty: there is none
  std::string problem;  // what the loader says of the last name, or which function is lacking

  explicit SharedLibrary(std::span<const std::string> names);  // the first of them that can be loaded
  void* symbol(const char* name);
  template <class Function>
  void bind(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(symbol(name));
  }
};

}  // namespace tenon::codegen
