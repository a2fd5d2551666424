// What a compiled function is found by: bytes that hold everything its program depends on, for jitted functions and eager ops
// alike. Internal to the frontend. Refuses nothing: whatever differs is another key.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/few.h"
#include "tenon/frontend/tensor/taped_program.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/runtime/cache/key_bytes.h"

namespace tenon {

// Small classes of equal extents: class i becomes symbol i. 0 and 1 stay numbers, since they stretch and reduce unlike others.
class ExtentPattern {
 public:
  Dim symbol_for(int64_t extent);
  ir::Type generalize(const ir::Type& type);
  ir::Attrs generalize(const ir::Attrs& attrs);
  std::span<const int64_t> values() const {
    return {values_.data(), values_.size()};
  }  // one per class, each at least 2

 private:
  Few<int64_t, 8> values_;
};

// What stands of a type in keys: this word, then its extents.
inline uint64_t head_of(const ir::Type& type, Part part) {
  return static_cast<uint64_t>(type.dtype) | uint64_t{static_cast<unsigned char>(part)} << 8 |
         static_cast<uint64_t>(type.shape.size()) << 16;
}

// Appends to a key. With a pattern, extents stand in it by their classes, which the pattern collects.
class KeyWriter {
 public:
  explicit KeyWriter(KeyBytes& key, ExtentPattern* pattern = nullptr) : key_(key), pattern_(pattern) {}
  void tag(char c) { key_ += c; }
  void number(int64_t v);
  void text(std::string_view bytes);
  // Its type, and how it takes part in gradients. Every call writes some: at once, where they are in place.
  void tensor(const Cell& cell, Part part) { type(cell.type, part); }
  [[gnu::always_inline]] void type(const ir::Type& type, Part part) {
    const std::vector<Dim>& dims = type.shape.dims();
    const uint64_t head = head_of(type, part);
    char* at = key_.extend(sizeof head + dims.size() * sizeof(int64_t));
    if (at == nullptr) {
      key_.append(&head, sizeof head);
      return extents(dims);
    }
    std::memcpy(at, &head, sizeof head);
    for (const Dim d : dims) {
      const int64_t code = pattern_ != nullptr ? pattern_->symbol_for(d.number()).code() : d.code();
      std::memcpy(at += sizeof code, &code, sizeof code);
    }
  }
  void attributes(const ir::Attrs& attrs);

 private:
  void extents(std::span<const Dim> dims);
  KeyBytes& key_;
  ExtentPattern* const pattern_;
};

}  // namespace tenon
