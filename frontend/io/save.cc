// Trees to files: the names that leaves have there, then their elements in the format's order.
#include <algorithm>
#include <memory>

#include "tenon/frontend/io/files.h"
#include "tenon/frontend/io/rename_rules.h"
#include "tenon/frontend/io/stored.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/shown_name.h"
#include "tenon/runtime/strided.h"

namespace tenon::detail {
namespace {

using Extents64 = std::vector<int64_t>;

struct Names {
  const SaveOptions& options;
  std::vector<char> rule_used, transpose_used;

  std::string of(const std::string& path) {
    const std::string stored = stored_name(path);
    for (size_t i = 0; i < options.rename.size(); ++i) {
      const Rename& rule = options.rename[i];
      if (rule.tree.empty()) continue;
      for (const std::string& spelling : {stored, path, dotted_name(path)})
        if (const auto held = captures(rule.tree, spelling)) {
          rule_used[i] = true;
          return options.prefix + filled_in(rule.file, *held);
        }
    }
    return options.prefix + stored;
  }
  bool transposed(const std::string& path) { return fits_one(options.transpose, path, transpose_used); }
};

}  // namespace

void save_tree(const std::string& path, const std::vector<TreeItem>& items, const SaveOptions& o, const char* use,
               const Location& at) {
  door(use, at, [&] {
    const std::string who = "safetensors file '" + path + "': ";
    check_rules(o.rename, who, at);
    Names names{o, std::vector<char>(o.rename.size()), std::vector<char>(o.transpose.size())};
    struct Leaf {
      const Tensor* tensor;
      bool transposed;
    };
    std::vector<runtime::SafetensorsEntry> entries;
    std::map<std::string, Leaf> leaves;
    for (const TreeItem& item : items) {
      if (item.tag != 't') continue;
      runtime::SafetensorsEntry e = entry_of(*item.tensor, item.path, use, at);
      e.name = names.of(item.path);
      const bool transposed = names.transposed(item.path) && e.shape.size() >= 2;
      if (transposed) std::swap(e.shape[e.shape.size() - 1], e.shape[e.shape.size() - 2]);
      if (!leaves.emplace(e.name, Leaf{item.tensor, transposed}).second)
        throw Error(who + "cannot be written: two leaves of the tree are called " + runtime::shown_name(e.name), at);
      entries.push_back(std::move(e));
    }
    for (size_t i = 0; i < o.rename.size(); ++i)
      if (!o.rename[i].tree.empty() && !names.rule_used[i]) refuse_rule(o.rename[i], "leaf of the tree", who, at);
    refuse_unused(o.transpose, names.transpose_used, who, at);
    runtime::SafetensorsWriter file(path, std::move(entries), {o.metadata.begin(), o.metadata.end()});
    std::unique_ptr<std::byte[]> turned;
    for (const runtime::SafetensorsEntry& e : file.entries()) {
      const Leaf& leaf = leaves.at(e.name);
      const runtime::HostView view(*buffer_of(*leaf.tensor, use, at));
      const void* elements = view.data();
      if (leaf.transposed && e.bytes() != 0) {
        turned = std::make_unique_for_overwrite<std::byte[]>(e.bytes());
        runtime::gather(turned.get(), elements, e.shape, turned_strides(e.shape), bytes(e.dtype));
        elements = turned.get();
      }
      file.write(elements);
    }
    file.finish();
  });
}

}  // namespace tenon::detail
