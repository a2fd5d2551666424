// What was imported for some arguments, kept for the next call with such: programs by the types of all arguments, and by the values of
// those that were read. Bounded: what was used longest ago goes. Threads may share one; what two of them import at once is kept once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::onnx {

class Imports {
 public:
  using Made = std::shared_ptr<tenon::detail::Program>;
  static constexpr size_t most = 16;
  // Whether a program for these arguments serves others of their types: they are concrete, and no trace is going on.
  static bool serve(const std::vector<Tensor>& arguments);
  // Null where nothing was kept.
  Made find(const std::vector<Tensor>& arguments) const;
  // values: of arguments that were read, undefined for others; they are the program's own. Those of more than 1 MiB are not kept.
  Made keep(const std::vector<Tensor>& arguments, const std::vector<Tensor>& values, Made made);

 private:
  struct Entry {
    std::vector<ir::Type> types;
    std::vector<std::pair<size_t, Tensor>> values;
    Made made;
    bool fits(const std::vector<Tensor>& arguments) const;
    bool has_values_of(const std::vector<Tensor>& arguments) const;
  };
  using Shared = std::shared_ptr<const Entry>;
  mutable Mutex mutex_;
  mutable std::vector<Shared> entries_;  // what was used last stands last
};

}  // namespace tenon::onnx
