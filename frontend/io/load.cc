// Trees from files. Whatever is wrong is found, and said at once, before the first tensor of a tree is changed.
#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

#include "tenon/frontend/io/files.h"
#include "tenon/frontend/io/rename_rules.h"
#include "tenon/frontend/io/stored.h"
#include "tenon/frontend/tensor/blob.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/mapped_file.h"
#include "tenon/runtime/shown_name.h"
#include "tenon/runtime/strided.h"

namespace tenon {
namespace detail {
namespace {

using runtime::SafetensorsEntry;
using runtime::shown_name;

// Up to ten of many, and how many there are.
class Few {
 public:
  void add(const std::string& one) {
    if (count_++ < 10) text_ += (text_.empty() ? "" : ", ") + one;
  }
  bool empty() const { return count_ == 0; }
  std::string text() const {
    return count_ <= 10 ? text_
                        : text_ + " and " + std::to_string(count_ - 10) + " more (" + std::to_string(count_) + ")";
  }

 private:
  std::string text_;
  size_t count_ = 0;
};

struct Pair {
  const TreeItem* leaf;
  const SafetensorsEntry* entry;
  bool transposed;
};

class Pairing {
 public:
  Pairing(const std::string& path, const std::vector<TreeItem>& items, const LoadOptions& o, const Location& at)
      : who_("safetensors file '" + path + "': "), path_(path), o_(o), at_(at), transpose_used_(o.transpose.size()) {
    for (const TreeItem& item : items) {
      if (item.tag != 't') continue;
      const size_t number = leaves_.size();
      leaves_.push_back(&item);
      for (const std::string& name : {stored_name(item.path), item.path, dotted_name(item.path)})
        by_name_.emplace(name, number);  // of two leaves with one spelling the first
    }
    found_.resize(leaves_.size());
  }

  std::vector<Pair> pairs(const std::vector<SafetensorsEntry>& entries) {
    check_rules(o_.rename, who_, at_);
    std::vector<char> used(o_.rename.size());
    for (const SafetensorsEntry& e : entries)
      if (e.name.starts_with(o_.prefix)) give(e, used);
    for (size_t i = 0; i < used.size(); ++i)
      if (!used[i]) refuse_rule(o_.rename[i], "name in the file", who_, at_);
    for (size_t i = 0; i < leaves_.size(); ++i) compare(*leaves_[i], found_[i]);
    refuse_unused(o_.transpose, transpose_used_, who_, at_);
    std::string reasons, between;
    const auto reason = [&](const Few& few, const std::string& words) {
      if (!few.empty()) reasons += std::exchange(between, "; ") + words + few.text();
    };
    reason(missing_, "there is nothing for the tree's leaf at ");
    reason(unexpected_, "the tree has no leaf for ");
    reason(twice_, "two names stand for one leaf: ");
    reason(other_, "");
    if (!reasons.empty()) throw Error(who_ + reasons, at_);
    return std::move(pairs_);
  }

 private:
  void give(const SafetensorsEntry& e, std::vector<char>& used) {
    std::string name = e.name.substr(o_.prefix.size());
    for (size_t i = 0; i < o_.rename.size(); ++i) {
      const auto held = captures(o_.rename[i].file, name);
      if (!held) continue;
      used[i] = true;
      if (o_.rename[i].tree.empty()) return;
      name = filled_in(o_.rename[i].tree, *held);
      break;
    }
    const auto leaf = by_name_.find(name);
    if (leaf == by_name_.end()) {
      const std::string renamed = o_.prefix + name == e.name ? "" : " (" + shown_name(name) + " in the tree)";
      if (o_.strict) unexpected_.add(shown_name(e.name) + renamed + ", " + stored_type(e.dtype, e.shape));
    } else if (found_[leaf->second] != nullptr) {
      twice_.add(shown_name(found_[leaf->second]->name) + " and " + shown_name(e.name) + " for " +
                 shown_path(leaves_[leaf->second]->path));
    } else {
      found_[leaf->second] = &e;
    }
  }

  void compare(const TreeItem& leaf, const SafetensorsEntry* e) {
    const bool transposed = fits_one(o_.transpose, leaf.path, transpose_used_);
    if (e == nullptr) {
      if (o_.strict || leaf.tensor->cell()->is_spec)
        missing_.add(shown_path(leaf.path) + ", " + describe(*leaf.tensor));
      return;
    }
    std::vector<int64_t> shape = e->shape;
    const bool turned = transposed && shape.size() >= 2;
    if (turned) std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
    const std::vector<int64_t> own = extents_of(*leaf.tensor, leaf.path, at_);
    const bool dtype =
        leaf.tensor->dtype() == e->dtype || (o_.cast && is_complex(leaf.tensor->dtype()) == is_complex(e->dtype));
    if (dtype && own == shape)
      pairs_.push_back({&leaf, e, turned});
    else
      other_.add("at " + shown_path(leaf.path) + ", the tree has " + stored_type(leaf.tensor->dtype(), own) +
                 " and the file '" + path_ + "' " + stored_type(e->dtype, shape) + (turned ? " (transposed)" : ""));
  }

  const std::string who_;
  const std::string& path_;
  const LoadOptions& o_;
  const Location& at_;
  std::vector<char> transpose_used_;
  std::vector<const TreeItem*> leaves_;
  std::unordered_map<std::string, size_t> by_name_;
  std::vector<const SafetensorsEntry*> found_;
  std::vector<Pair> pairs_;
  Few missing_, unexpected_, twice_, other_;
};

Tensor value_of(const Pair& pair, const runtime::SafetensorsFile& file, const Location& at) {
  const SafetensorsEntry& e = *pair.entry;
  std::vector<int64_t> shape = e.shape;
  if (pair.transposed) std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  Tensor t = filled(
      e.dtype, shape,
      [&](void* to) {
        if (!pair.transposed) return file.read(e, to);
        const auto read = std::make_unique_for_overwrite<std::byte[]>(e.bytes());
        file.read(e, read.get());
        runtime::gather(to, read.get(), shape, turned_strides(shape), bytes(e.dtype));
      },
      at);
  if (t.dtype() != pair.leaf->tensor->dtype()) t = t.astype(pair.leaf->tensor->dtype());
  return in_place_of(*pair.leaf->tensor, std::move(t), at);
}

}  // namespace

void load_tree(const std::string& path, const std::vector<TreeItem>& items, const LoadOptions& o, const Location& at) {
  door("load", at, [&] {
    const runtime::SafetensorsFile file(path);
    const std::vector<Pair> pairs = Pairing(path, items, o, at).pairs(file.entries());
    std::vector<Tensor> values;
    for (const Pair& pair : pairs) values.push_back(value_of(pair, file, at));
    for (size_t i = 0; i < pairs.size(); ++i) *pairs[i].leaf->tensor = values[i];
  });
}

}  // namespace detail

std::map<std::string, Tensor> load_safetensors(const std::string& path, const At& at) {
  return door("load_safetensors", place(at), [&] {
    const auto file = std::make_shared<runtime::MappedFile>(path, "safetensors file");
    const runtime::SafetensorsHeader header = runtime::parse_safetensors(file->bytes(), path);
    std::map<std::string, Tensor> tensors;
    for (const runtime::SafetensorsEntry& e : header.entries) {
      const char* const elements = file->bytes().data() + e.begin;
      runtime::check_bools(e, elements, path);
      tensors.emplace(e.name, from_blob(elements, e.shape, e.dtype, {.owner = file}, at));
    }
    return tensors;
  });
}

std::map<std::string, std::string> safetensors_metadata(const std::string& path, const At& at) {
  return door("safetensors_metadata", place(at), [&] {
    const runtime::SafetensorsFile file(path);
    return std::map<std::string, std::string>(file.metadata().begin(), file.metadata().end());
  });
}

}  // namespace tenon
