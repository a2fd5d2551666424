// Two trees that must match, compared whole and by path: branches, carries, tangents, cotangents, states of optimizers. Nothing
// else pairs the tensors of trees. Refuses, by path and lines, the first difference.
#pragma once

#include <cstdint>
#include <vector>

#include "tenon/frontend/tree/items.h"

namespace tenon::detail {

// How the second of two trees may differ from the first.
enum class Match : uint8_t {
  whole,  // not at all: structure, values, and the types of tensors
  cotangent,  // it may lack a tensor where the first has one of integers or bools, or state
  gradient,  // it may lack any tensor
  moment,  // as a cotangent, and f32 may stand beside f16 and bf16
};
// What errors say of two trees: "WHAT: at 'path', FIRST f32[3] and SECOND f32[4]; REMEDY".
struct Pairing {
  const char *what, *first, *second, *remedy;
};
// One tensor of the second tree for each of the first, null where it has none.
std::vector<Tensor*> match(const Pairing& pairing, const std::vector<TreeItem>& first,
                           const std::vector<TreeItem>& second, Match how, const Location& at);

// The second tree's tensors for those of the first, undefined where it may lack one.
template <class T, class U>
std::vector<Tensor> paired(const Pairing& pairing, T& first, U& second, Match how, const Location& at) {
  std::vector<Tensor> out;
  for (Tensor* t : match(pairing, items_of(first), items_of(second), how, at)) out.push_back(t ? *t : Tensor());
  return out;
}

}  // namespace tenon::detail
