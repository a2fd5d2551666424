// Tensors by name from and to .npz archives, NumPy's ZIP files of .npy members.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tenon/frontend/tree/items.h"

namespace tenon {

struct NpzLimits {
  uint64_t most_bytes = 0;  // that all members together may hold; 0: 32 times the file's size, and 512 MiB at least
};
struct NpzOptions {
  bool compress = false;  // deflate the members, as numpy.savez_compressed does
};

namespace detail {
void save_npz_items(const std::string& path, const std::vector<TreeItem>& items, const NpzOptions& o,
                    const Location& at);
}  // namespace detail

// Every array of an archive by the name of its member without ".npy": numpy.savez's keyword, or arr_0, arr_1, ... Stored and deflated
// members, with 64-bit sizes too; of each array what load_npy reads. Error, with the file and the member, for whatever is damaged,
// contradicts itself or stands twice; for a member that is no array; and where the members are more than .most_bytes.
std::map<std::string, Tensor> load_npz(const std::string& path, const NpzLimits& o = {}, const At& at = At::current());

// Writes the tensors of a map or of any tree as an archive that appears whole or not at all. Members are called by the paths of leaves
// (layers[2].w), the keys of a map of strings as they stand, and a tree that is one tensor arr_0. Equal trees give equal bytes.
template <class T>
void save_npz(const std::string& path, const T& tree, const NpzOptions& o = {}, const At& at = At::current()) {
  detail::guarded("save_npz", place(at), [&] { detail::save_npz_items(path, detail::items_of(tree), o, place(at)); });
}

}  // namespace tenon
