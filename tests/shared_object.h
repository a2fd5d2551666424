// Saved programs as a user ships them: their objects linked by the system's compiler, opened and called through the C entry
// point, with nothing of Tenon but the small runtime in the call.
#pragma once

#include <span>
#include <string>

#include "tenon/ir/reference/array.h"
#include "tenon/runtime/artifact.h"

namespace tenon::testing {

class SharedObject {
 public:
  explicit SharedObject(
      std::span<const runtime::Artifact> programs);  // throws where the link fails: an undefined symbol
  explicit SharedObject(std::vector<std::string> object_files);
  ~SharedObject();
  SharedObject(const SharedObject&) = delete;
  SharedObject& operator=(const SharedObject&) = delete;
  // dims: the values of the program's free symbols.
  std::vector<ir::Array> run(const runtime::Manifest& program, std::span<const ir::Array> inputs,
                             const std::vector<int64_t>& dims = {}) const;

 private:
  void open(const std::vector<std::string>& object_files);
  std::string folder_;
  void* handle_ = nullptr;
};

}  // namespace tenon::testing
