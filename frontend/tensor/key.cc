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
  constexpr size_t few = 8;
  const char head[2] = {static_cast<char>('A' + static_cast<int>(type.dtype)), static_cast<char>(part)};
  const std::span<const Dim> dims = type.shape.dims();
  if (dims.size() > few) {
    key_.append(head, sizeof head);
    return extents(dims);
  }
  int64_t numbers[1 + few] = {static_cast<int64_t>(dims.size())};
  for (size_t i = 0; i < dims.size(); ++i)
    numbers[1 + i] = pattern_ ? pattern_->symbol_for(dims[i].number()).code() : dims[i].code();
  char bytes[sizeof head + sizeof numbers];
  std::memcpy(bytes, head, sizeof head);
  std::memcpy(bytes + sizeof head, numbers, (1 + dims.size()) * sizeof(int64_t));
  key_.append(bytes, sizeof head + (1 + dims.size()) * sizeof(int64_t));
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
