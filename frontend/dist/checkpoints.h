// Checkpoints that the ranks of a group write together and any number of ranks reads: each writes a share of the tensors, an index
// makes the whole of them, and whoever dies in between leaves the checkpoint before. Holds on a folder that all ranks share, by
// names and renaming alone; refuses locks.
//
//   FOLDER/step-N/rank-K-of-R.safetensors     rows of the leaves, about as many bytes each
//   FOLDER/step-N/index.json                  written last: leaves, who has which of their rows, digests of the files
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tenon/frontend/dist/world.h"
#include "tenon/frontend/tree/items.h"

namespace tenon::dist {

struct CheckpointOptions {
  int64_t step = 0;  // its number, 0 or more
  int keep = 0;  // so many of the newest stay, this one among them, and older ones are removed; 0: all stay
};

namespace detail {
using tenon::detail::TreeItem;
void save_checkpoint(const std::string& folder, const std::vector<TreeItem>& items, const Group& group,
                     const CheckpointOptions& options, const Location& at);
std::optional<int64_t> restore_checkpoint(const std::string& folder, const std::vector<TreeItem>& items,
                                          const Group& group, const Location& at);
}  // namespace detail

// Every rank of the group calls this with the same tree (of which every rank holds all: gather what is sharded first). When it
// returns, the checkpoint is whole and on the disk; where anything fails on one rank, every rank gets an Error that names it, and the
// checkpoint does not exist. A step that is there already is replaced. Numbers and strings in the tree are not written.
template <class T>
void save_checkpoint(const std::string& folder, const T& tree, const Group& group,
                     const CheckpointOptions& options = {}, const At& at = At::current()) {
  tenon::detail::guarded("dist::save_checkpoint", place(at), [&] {
    detail::save_checkpoint(folder, tenon::detail::items_of(tree), group, options, place(at));
  });
}

// Gives the tensors of a tree, on every rank of a group of any size, the bits of the newest checkpoint that is whole, and its step's
// number; nothing, and the tree as it was, where there is none. A newer one that is damaged or half written is skipped, with a
// warning on stderr that says what is wrong with it. Error, on every rank, where the newest whole one has other leaves than the tree, or
// leaves of other types.
template <class T>
std::optional<int64_t> restore_checkpoint(const std::string& folder, T& tree, const Group& group,
                                          const At& at = At::current()) {
  return tenon::detail::guarded("dist::restore_checkpoint", place(at), [&] {
    return detail::restore_checkpoint(folder, tenon::detail::items_of(tree), group, place(at));
  });
}

}  // namespace tenon::dist
