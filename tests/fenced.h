// Memory whose end is a page that nobody may touch, and runs of compiled programs with all their arguments in such memory: a
// load or store outside a buffer ends the process, which padding behind an array would hide.
#pragma once

#include <cstddef>
#include <vector>

#include "tenon/ir/reference/array.h"
#include "tenon/runtime/compile.h"

namespace tenon::testing {

// Bytes that end where a page begins that cannot be read, with a fence before them.
class Fenced {
 public:
  explicit Fenced(size_t bytes);
  ~Fenced();
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }
  bool intact() const;  // the fence before the bytes

 private:
  static constexpr size_t fence = 256;
  size_t bytes_, size_;
  unsigned char *base_, *data_;
};

// Executable::run, a second time over fenced memory; InternalError when the two differ, or a fence or an input is changed.
// `dims` are the values of the program's free symbols.
std::vector<ir::Array> run_fenced(const runtime::Executable& executable, std::span<const ir::Array> inputs,
                                  const std::vector<int64_t>& dims);

}  // namespace tenon::testing
