// The process's table of named extents.
#include "tenon/runtime/named_extents.h"

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::runtime {
namespace {

struct Table {
  Mutex mutex;
  Symbols symbols;
};
Table& table() {
  static constinit Forever<Table> only;
  return only.get();
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
  return Dim::symbol(first_named_extent + t.symbols.add(name, lower, upper).index());
}

Symbol named_extent(Dim d) {
  Table& t = table();
  std::lock_guard lock(t.mutex);
  const uint32_t index = is_named_extent(d) ? d.index() - first_named_extent : UINT32_MAX;
  if (index >= t.symbols.size())
    throw Error("a symbolic extent is used outside the trace that it belongs to; name extents with tn::dim");
  return t.symbols[index];
}

}  // namespace tenon::runtime
