// Attribute values: making and comparing them. Refuses to know which op wants which attribute (the row's schema does).
#include "tenon/ir/graph.h"

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

}  // namespace tenon::ir
