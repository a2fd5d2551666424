// What the walk notes of each node: bytes that tell it from others, and text for errors.
#include "tenon/frontend/tree/walk.h"

#include <algorithm>
#include <cstring>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tree/items.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/base/number_text.h"

namespace tenon::detail {
namespace {

template <class T>
T read(const std::string& bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

// Trees are walked in templates, that is in the caller's floating-point state.
template <class T>
std::string floating_text(const std::string& bytes) {
  const FloatEnvironment standard;
  return shortest(static_cast<double>(read<T>(bytes)));
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
      if (bytes.size() == sizeof(float)) return floating_text<float>(bytes);
      if (bytes.size() == sizeof(double)) return floating_text<double>(bytes);
      return floating_text<long double>(bytes);
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
        text += (i ? ", " : "") + extent_text(code < 0 ? Dim::symbol(static_cast<uint32_t>(~code)) : Dim(code));
      }
      return text + "]";
    }
    default: return "a static value";
  }
}

}  // namespace

void note_value(Leaves& leaves, char tag, const void* bytes, size_t size) {
  if (leaves.want_structure) {
    leaves.structure += tag;
    leaves.structure.append(&size, sizeof size);
    leaves.structure.append(bytes, size);
  }
  if (leaves.listing) {
    TreeItem item{leaves.listing->path, tag, std::string(static_cast<const char*>(bytes), size), "", nullptr};
    item.text = value_text(tag, item.bytes);
    leaves.listing->items->push_back(std::move(item));
  }
}

void note_keys(Leaves& leaves, size_t size, const std::string& keys, const std::string& text) {
  if (leaves.want_structure) {
    leaves.structure += 'm';
    leaves.structure.append(&size, sizeof size);
    leaves.structure += keys;
  }
  if (leaves.listing)
    leaves.listing->items->push_back(
        {leaves.listing->path, 'm', keys, size == 0 ? "no keys" : "the keys {" + text + "}", nullptr});
}

std::vector<Tensor> copies_of(const Leaves& leaves) {
  std::vector<Tensor> out;
  out.reserve(leaves.tensors.size());
  for (const Tensor* t : leaves.tensors) out.push_back(*t);
  return out;
}

void note_missing(Leaves& leaves) {
  const size_t before = leaves.tensors.size();
  leaves.structure += 'u';
  leaves.structure.append(&before, sizeof before);
}

void note_item(Leaves& leaves, char tag, Tensor* tensor) {
  leaves.listing->items->push_back({leaves.listing->path, tag, "", "", tensor});
}

void note_state(Leaves& leaves, bool defined) {
  if (leaves.listing) leaves.listing->items->back().state = true;
  if (leaves.states && defined) {
    leaves.states->resize(leaves.tensors.size());
    leaves.states->back() = true;
  }
}

std::vector<bool> parameters_among(const Leaves& leaves) {
  std::vector<bool> is;
  for (size_t i = 0; i < leaves.tensors.size(); ++i)
    is.push_back(is_continuous(leaves.tensors[i]->dtype()) && !(i < leaves.states->size() && (*leaves.states)[i]));
  return is;
}

void Step::lengthen(std::string_view name, size_t number) {
  if (name.empty()) {
    leaves.listing->path += '[' + std::to_string(number) + ']';
  } else {
    if (!leaves.listing->path.empty() && name[0] != '[') leaves.listing->path += '.';
    leaves.listing->path += name;
  }
}

void sort_pointers(std::vector<const void*>& pointers, bool (*less)(const void*, const void*)) {
  std::stable_sort(pointers.begin(), pointers.end(), less);
}

}  // namespace tenon::detail
