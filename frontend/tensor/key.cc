// The bytes of keys. Whatever has a variable length stands behind its length, so that no two lists run into each other.
#include "tenon/frontend/tensor/key.h"

namespace tenon {

Dim ExtentPattern::symbol_for(int64_t extent) {
  if (extent <= 1) return Dim(extent);
  for (size_t i = 0; i < values_.size(); ++i)
    if (values_[i] == extent) return Dim::symbol(static_cast<uint32_t>(i));
  values_.push_back(extent);
  return Dim::symbol(static_cast<uint32_t>(values_.size() - 1));
}

ir::Type ExtentPattern::generalize(const ir::Type& type) {
  ir::Type out{type.dtype, {}};
  for (Dim d : type.shape) out.shape.push_back(symbol_for(d.number()));
  return out;
}

ir::Attrs ExtentPattern::generalize(const ir::Attrs& attrs) {
  ir::Attrs out = attrs;
  for (ir::Attr& a : out)
    for (Dim& d : a.dims) d = symbol_for(d.number());
  return out;
}

void KeyWriter::number(int64_t v) { key_.append(&v, sizeof v); }

void KeyWriter::text(std::string_view bytes) {
  number(static_cast<int64_t>(bytes.size()));
  key_ += bytes;
}

void KeyWriter::extents(std::span<const Dim> dims) {
  for (Dim d : dims) number(pattern_ ? pattern_->symbol_for(d.number()).code() : d.code());
}

void KeyWriter::attributes(const ir::Attrs& attrs) {
  for (const ir::Attr& a : attrs) {
    tag(static_cast<char>(a.kind));
    tag(static_cast<char>(a.dtype));
    text({reinterpret_cast<const char*>(a.integers.data()), a.integers.size() * sizeof(int64_t)});
    number(static_cast<int64_t>(a.dims.size()));
    extents(a.dims);
    text(a.text);
    if (a.graph) text(a.graph->text());
  }
}

}  // namespace tenon
