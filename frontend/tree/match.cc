// The comparison of two trees. Branches, carries, tangents, cotangents and the states of optimizers all come through match();
// nothing pairs leaves by position alone.
#include "tenon/frontend/tree/match.h"

#include <algorithm>

#include "tenon/frontend/tensor/cell.h"

namespace tenon::detail {
namespace {

bool fits(const TreeItem& item, const Tensor* second, Match how) {
  const Tensor& first = *item.tensor;
  const bool floating = is_continuous(first.dtype()) && !item.state;
  if (second == nullptr) return how == Match::gradient || (how != Match::whole && !floating);
  const ir::Type &a = first.cell()->type, &b = second->cell()->type;
  if (a == b) return true;
  return how == Match::moment && floating && bytes(a.dtype) == 2 && b.dtype == f32 && a.shape == b.shape;
}

// What a tree has at a place. Where no tensor tells the line, the nearest one in the tree does.
std::string text_at(const std::vector<TreeItem>& items, size_t at) {
  const TreeItem& item = items[at];
  std::string text = item.tag == 't'   ? describe(*item.tensor)
                     : item.tag == 'u' ? "an undefined tensor"
                     : item.tag == '-' ? "no value"
                     : item.tag == '+' ? "a value"
                                       : item.text;
  if (item.tag == 't') return text;
  const auto line = [&](size_t i) { return items[i].tag == 't' ? items[i].tensor->cell()->made : Location(); };
  for (size_t far = 1; far <= items.size(); ++far)
    for (size_t i : {at + far, at - far})  // what follows first: the content of an optional
      if (i < items.size() && line(i).known()) return text + " (near " + to_string(line(i)) + ")";
  return text;
}

}  // namespace

std::vector<Tensor*> match(const Pairing& pairing, const std::vector<TreeItem>& first,
                           const std::vector<TreeItem>& second, Match how, const Location& at) {
  std::vector<Tensor*> found;
  const auto differ = [&](size_t i) {
    const std::string& path = first[i].path;
    throw Error(std::string(pairing.what) + ": " + (path.empty() ? "" : "at '" + path + "', ") + pairing.first + " " +
                    text_at(first, i) + " and " + pairing.second + " " + text_at(second, i) + "; " + pairing.remedy,
                at);
  };
  // Both lists are the walks of one type, so the first difference stands at one path.
  for (size_t i = 0; i < std::min(first.size(), second.size()); ++i) {
    const TreeItem &a = first[i], &b = second[i];
    ensure(a.path == b.path, "trees of one type were walked in different order");
    if (a.tag == 't' && (b.tag == 't' || b.tag == 'u')) {
      Tensor* const tensor = b.tag == 't' ? b.tensor : nullptr;
      if (!fits(a, tensor, how)) differ(i);
      found.push_back(tensor);
    } else if (a.tag != b.tag || a.bytes != b.bytes) {
      differ(i);
    }
  }
  ensure(first.size() == second.size(), "trees of one type and structure have lists of different lengths");
  return found;
}

}  // namespace tenon::detail
