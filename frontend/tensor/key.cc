// The bytes of keys. Whatever has a variable length stands behind its length, so that no two lists run into each other.
#include "tenon/frontend/tensor/key.h"

#include <cstring>

#include "tenon/frontend/tensor/cell.h"

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
  number(static_cast<int64_t>(dims.size()));
  for (Dim d : dims) number(pattern_ ? pattern_->symbol_for(d.number()).code() : d.code());
}

// Every call of a jitted function or an eager op writes some: one append for each tensor of usual rank.
void KeyWriter::tensor(const Cell& cell, Part part) { type(cell.type, part); }

void KeyWriter::type(const ir::Type& type, Part part) {
  const std::span<const Dim> dims = type.shape.dims();
  const uint64_t head = static_cast<uint64_t>(type.dtype) | uint64_t{static_cast<unsigned char>(part)} << 8 |
                        static_cast<uint64_t>(dims.size()) << 16;
  char* at = key_.extend(sizeof head + dims.size() * sizeof(int64_t));
  if (at == nullptr) {
    key_.append(&head, sizeof head);
    return extents(dims);
  }
  std::memcpy(at, &head, sizeof head);
  for (const Dim d : dims) {
    const int64_t code = pattern_ ? pattern_->symbol_for(d.number()).code() : d.code();
    std::memcpy(at += sizeof code, &code, sizeof code);
  }
}

void KeyWriter::attributes(const ir::Attrs& attrs) {
  for (const ir::Attr& a : attrs) {
    tag(static_cast<char>(a.kind));
    tag(static_cast<char>(a.dtype));
    text({reinterpret_cast<const char*>(a.integers.data()), a.integers.size() * sizeof(int64_t)});
    extents(a.dims);
    text(a.text);
    if (a.graph) text(a.graph->text());
  }
}

}  // namespace tenon
