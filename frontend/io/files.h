// Trees of tensors from and to safetensors files, by the paths of their leaves. Refuses to guess: a leaf that a file lacks, one of
// another type, and a name that no leaf has are Errors.
#pragma once

#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "tenon/frontend/tree/items.h"

namespace tenon {

namespace detail {
void save_tree(const std::string& path, const std::vector<TreeItem>& items, const Location& at);
void load_tree(const std::string& path, const std::vector<TreeItem>& items, const Location& at);
}  // namespace detail

// Every tensor of a safetensors file by its name, on the default device: BOOL, I8 to I64, U8 to U64, F16, BF16, F32 and F64. Error,
// with the file and the place in it, for what is no such file, whole and exact.
std::map<std::string, Tensor> load_safetensors(const std::string& path, const At& at = At::current());

// Writes the tensors of a tree (tree::leaves) as a safetensors file that appears whole or not at all. Names are their paths:
// layers[2].w; the keys of a map of strings stand as they are, so that save(path, load_safetensors(path)) keeps names. Equal trees
// give equal bytes. Numbers and strings in the tree are not written. Error for a tensor without a value, and for a file that cannot
// be written.
template <class T>
void save(const std::string& path, const T& tree, const At& at = At::current()) {
  detail::guarded("save", place(at), [&] { detail::save_tree(path, detail::items_of(tree), place(at)); });
}

// Gives the tensors of a tree the values that a safetensors file has under their names, where they lie; they may be tn::spec. Besides
// layers[2].w, layers.2.w is looked for, as PyTorch writes it. Error, changing nothing, for a leaf that the file lacks or has in
// another dtype or shape, by its path, and for a name that belongs to no leaf. Gives the tree back.
template <class T>
  requires(!std::is_const_v<T>)
T& load(const std::string& path, T& tree, const At& at = At::current()) {
  detail::guarded("load", place(at), [&] { detail::load_tree(path, detail::items_of(tree), place(at)); });
  return tree;
}
// A tree like this one, with the values of a file.
template <class T>
detail::Plain<T> load(const std::string& path, const T& like, const At& at = At::current()) {
  detail::Plain<T> tree = like;
  load(path, tree, at);
  return tree;
}

}  // namespace tenon
