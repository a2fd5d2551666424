// Trees by path: how nodes are listed, and the comparison of two trees that must match. Branches, carries, tangents,
// cotangents and the states of optimizers all come through match(); nothing pairs leaves by position alone.
#include <algorithm>
#include <cstring>

#include "tenon/frontend/cell.h"
#include "tenon/frontend/tree.h"

namespace tenon::detail {
namespace {

template <class T>
T read(const std::string& bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

// Shortest text that tells the number from its neighbours.
std::string floating_text(double value) {
  char out[40];
  for (int digits = 6; digits <= 17; ++digits) {
    std::snprintf(out, sizeof out, "%.*g", digits, value);
    if (std::strtod(out, nullptr) == value) break;
  }
  return out;
}

std::string value_text(char tag, const std::string& bytes) {
  switch (tag) {
    case 'b': return read<bool>(bytes) ? "true" : "false";
    case 'i': {
      const size_t size = bytes.size();
      return std::to_string(size == 1   ? read<int8_t>(bytes)
                            : size == 2 ? read<int16_t>(bytes)
                            : size == 4 ? read<int32_t>(bytes)
                                        : read<int64_t>(bytes));
    }
    case 'n': return std::to_string(read<uint64_t>(bytes));
    case 'f':
      if (bytes.size() == sizeof(float)) return floating_text(static_cast<double>(read<float>(bytes)));
      if (bytes.size() == sizeof(double)) return floating_text(read<double>(bytes));
      return floating_text(static_cast<double>(read<long double>(bytes)));
    case 's': return '"' + bytes + '"';
    case 'l': {
      const size_t n = read<size_t>(bytes);
      return std::to_string(n) + (n == 1 ? " entry" : " entries");
    }
    case 'x': return "alternative " + std::to_string(read<size_t>(bytes));
    case 'd': {
      std::string text = "[";
      for (size_t i = 0; i < bytes.size(); i += sizeof(int64_t)) {
        const auto code = read<int64_t>(bytes.substr(i, sizeof(int64_t)));
        text += (i ? ", " : "") + (code < 0 ? "a symbol" : std::to_string(code));
      }
      return text + "]";
    }
    default: return "a static value";
  }
}

bool fits(const Tensor& first, const Tensor* second, Match how) {
  const bool floating = is_floating(first.dtype());
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

void note_value(Leaves& leaves, char tag, const void* bytes, size_t size) {
  if (leaves.want_structure) {
    leaves.structure += tag;
    leaves.structure.append(reinterpret_cast<const char*>(&size), sizeof size);
    leaves.structure.append(static_cast<const char*>(bytes), size);
  }
  if (leaves.items) {
    TreeItem item{leaves.path, tag, std::string(static_cast<const char*>(bytes), size), "", nullptr};
    item.text = value_text(tag, item.bytes);
    leaves.items->push_back(std::move(item));
  }
}

void note_keys(Leaves& leaves, size_t size, const std::string& keys, const std::string& text) {
  if (leaves.want_structure) {
    leaves.structure += 'm';
    leaves.structure.append(reinterpret_cast<const char*>(&size), sizeof size);
    leaves.structure += keys;
  }
  if (leaves.items)
    leaves.items->push_back({leaves.path, 'm', keys, size == 0 ? "no keys" : "the keys {" + text + "}", nullptr});
}

void note_item(Leaves& leaves, char tag, Tensor* tensor) {
  leaves.items->push_back({leaves.path, tag, "", "", tensor});
}

void Step::lengthen(std::string_view name, size_t number) {
  if (name.empty()) {
    leaves.path += '[' + std::to_string(number) + ']';
  } else {
    if (!leaves.path.empty() && name[0] != '[') leaves.path += '.';
    leaves.path += name;
  }
}

void sort_pointers(std::vector<const void*>& pointers, bool (*less)(const void*, const void*)) {
  std::stable_sort(pointers.begin(), pointers.end(), less);
}

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
    check(a.path == b.path, "trees of one type were walked in different order");
    if (a.tag == 't' && (b.tag == 't' || b.tag == 'u')) {
      Tensor* const tensor = b.tag == 't' ? b.tensor : nullptr;
      if (!fits(*a.tensor, tensor, how)) differ(i);
      found.push_back(tensor);
    } else if (a.tag != b.tag || a.bytes != b.bytes) {
      differ(i);
    }
  }
  check(first.size() == second.size(), "trees of one type and structure have lists of different lengths");
  return found;
}

}  // namespace tenon::detail
