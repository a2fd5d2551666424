// Attribute values: making them, from one value and by name, comparing them, holding them against a schema.
#include "tenon/ir/graph/attributes.h"

namespace tenon::ir {

bool Attr::operator==(const Attr& other) const {
  if (kind != other.kind) return false;
  switch (kind) {
    case AttrKind::none: return true;
    case AttrKind::integers: return integers == other.integers;
    case AttrKind::dims: return dims == other.dims;
    case AttrKind::dtype: return dtype == other.dtype;
    case AttrKind::literal:
    case AttrKind::text: return text == other.text;
    case AttrKind::graph: return graph == other.graph || (graph && other.graph && same_structure(*graph, *other.graph));
  }
  return false;
}

Attr Attr::of(std::vector<int64_t> values) {
  Attr a;
  a.kind = AttrKind::integers;
  a.integers = std::move(values);
  return a;
}

Attr Attr::of(std::vector<Dim> values) {
  Attr a;
  a.kind = AttrKind::dims;
  a.dims = std::move(values);
  return a;
}

Attr Attr::of(DType value) {
  Attr a;
  a.kind = AttrKind::dtype;
  a.dtype = value;
  return a;
}

Attr Attr::of(std::shared_ptr<const Graph> value) {
  Attr a;
  a.kind = AttrKind::graph;
  a.graph = std::move(value);
  return a;
}

Attr Attr::text_of(std::string value) {
  Attr a;
  a.kind = AttrKind::text;
  a.text = std::move(value);
  return a;
}

Attr Attr::literal_of(std::string raw_bytes) {
  Attr a;
  a.kind = AttrKind::literal;
  a.text = std::move(raw_bytes);
  return a;
}

#define TENON_ATTRS TENON_ATTRS_STORE
#define FIELD TENON_FIELD_STORE
#include "tenon/ir/graph/attributes.def"

void complete(const OpDef& row, Attrs& attrs) {
  while (attrs.size() < row.attrs.size() && row.attrs[attrs.size()].count == AttrCount::option)
    attrs.push_back(Attr::of(std::vector<int64_t>{0}));
}

std::string attrs_fault(const OpDef& row, const Attrs& attrs) {
  if (attrs.size() != row.attrs.size())
    return "takes " + std::to_string(row.attrs.size()) + " attributes, not " + std::to_string(attrs.size());
  for (size_t i = 0; i < attrs.size(); ++i) {
    const AttrSpec& spec = row.attrs[i];
    const Attr& a = attrs[i];
    const auto fault = [&](const char* what) { return std::string("attribute '") + spec.name + "' " + what; };
    if (a.kind != spec.kind || (a.kind == AttrKind::graph && !a.graph)) return fault("is of another kind");
    if (spec.count == AttrCount::any) continue;
    if ((a.kind == AttrKind::dims ? a.dims.size() : a.integers.size()) != 1) return fault("takes one number");
    if (spec.count == AttrCount::flag && a.integers[0] != 0 && a.integers[0] != 1) return fault("is 0 or 1");
    if (spec.count == AttrCount::option && a.integers[0] < 0) return fault("is not negative");
  }
  return "";
}

}  // namespace tenon::ir
