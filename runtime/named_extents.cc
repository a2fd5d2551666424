// The process's table of named extents.
#include "tenon/runtime/named_extents.h"

#include <mutex>

#include "tenon/ir/error.h"

namespace tenon::runtime {
namespace {

struct Table {
  std::mutex mutex;
  Symbols symbols;
};
Table& table() {
  static auto* t = new Table;  // never destroyed
  return *t;
}

}  // namespace

Dim name_extent(const std::string& name, int64_t lower, int64_t upper) {
  Table& t = table();
  std::lock_guard lock(t.mutex);
  for (size_t i = 0; i < t.symbols.size(); ++i) {
    const Symbol& s = t.symbols[i];
    if (s.name == name && (s.lower != lower || s.upper != upper))
      throw Error("dim: '" + name + "' was named before with bounds " + std::to_string(s.lower) + " to " +
                  std::to_string(s.upper));
  }
  return t.symbols.add(name, lower, upper);
}

Symbol named_extent(Dim d) {
  Table& t = table();
  std::lock_guard lock(t.mutex);
  if (d.index() >= t.symbols.size()) throw InternalError("a spec refers to an extent that nobody named");
  return t.symbols[d.index()];
}

}  // namespace tenon::runtime
