// The process's table of named extents.
#include "tenon/runtime/named_extents.h"

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::runtime {
namespace {

struct Table {
  Mutex mutex;
  Symbols symbols;

  Dim inner(Dim d) const {
    if (d.is_number()) return d;
    const uint32_t index = is_named_extent(d) ? d.index() - first_named_extent : UINT32_MAX;
    if (index >= symbols.size())
      throw Error("a symbolic extent is used outside the trace that it belongs to; name extents with tn::dim");
    return Dim::symbol(index);
  }
};
Table& table() {
  static constinit Forever<Table> only;
  return only.get();
}

Dim outer(Dim d) { return d.is_number() ? d : Dim::symbol(first_named_extent + d.index()); }

// Recursion is bounded by deepest_extent; shared parts are found again in the other table.
Dim copied(const Symbols& from, Dim d, Symbols& to) {
  if (d.is_number()) return d;
  const Symbol& s = from[d.index()];
  if (s.kind == SymbolKind::free) return to.add(s.name, s.lower, s.upper);
  const Dim left = copied(from, s.left, to), right = copied(from, s.right, to);
  return to.combined(s.kind, left, right);
}

}  // namespace

Dim name_extent(const std::string& name, int64_t lower, int64_t upper) {
  Table& t = table();
  std::lock_guard lock(t.mutex);
  for (size_t i = 0; i < t.symbols.size(); ++i) {
    const Symbol& s = t.symbols[i];
    if (s.kind == SymbolKind::free && s.name == name && (s.lower != lower || s.upper != upper))
      throw Error("dim: '" + name + "' was named before with bounds " + std::to_string(s.lower) + " to " +
                  std::to_string(s.upper));
  }
  return outer(t.symbols.add(name, lower, upper));
}

Dim named_result(Dim (Symbols::*operation)(Dim, Dim), Dim a, Dim b) {
  Table& t = table();
  std::lock_guard lock(t.mutex);
  return outer((t.symbols.*operation)(t.inner(a), t.inner(b)));
}

bool named_at_least(Dim a, Dim b) {
  Table& t = table();
  std::lock_guard lock(t.mutex);
  return t.symbols.at_least(t.inner(a), t.inner(b));
}

bool named_differ(Dim a, Dim b) {
  Table& t = table();
  std::lock_guard lock(t.mutex);
  return t.symbols.differ(t.inner(a), t.inner(b));
}

Dim named_in(Symbols& to, Dim d) {
  if (!is_named_extent(d)) return d;
  Table& t = table();
  std::lock_guard lock(t.mutex);
  return copied(t.symbols, t.inner(d), to);
}

std::string named_text(Dim d) {
  Table& t = table();
  std::lock_guard lock(t.mutex);
  return to_string(t.inner(d), &t.symbols);
}

std::string named_bounds(Dim d) {
  Table& t = table();
  std::lock_guard lock(t.mutex);
  return t.symbols.bounds_text(t.inner(d));
}

}  // namespace tenon::runtime
