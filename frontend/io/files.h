// Trees of tensors from and to safetensors files, by the paths of their leaves. Refuses to guess: a leaf that a file lacks, one of
// another type, and a name that no leaf has are Errors, all of them in one.
#pragma once

#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "tenon/frontend/io/rename.h"
#include "tenon/frontend/tree/items.h"

namespace tenon {

// How the names and tensors of a file differ from those of a tree. Patterns are those of Rename, which see.
struct LoadOptions {
  std::vector<Rename> rename =
      {};  // what names of the file are called in the tree; a rule that fits no name is an Error
  bool strict =
      true;  // false: leaves that the file lacks keep their values, and names that no leaf has are passed over
  std::vector<std::string> transpose =
      {};  // paths of the tree whose last two axes stand in the other order in the file; so PyTorch's
  // Linear weights are [out, in]. What has fewer axes stays. A pattern that fits none: an Error
  bool cast = false;  // true: values are converted to the dtype of the leaf
  std::string prefix = {};  // only names that begin so belong to the tree, and are looked up, and renamed, without it
};
struct SaveOptions {
  std::vector<Rename> rename = {};  // as in LoadOptions, read backwards; rules with an empty `tree` are not used
  std::vector<std::string> transpose = {};
  std::string prefix = {};
  std::map<std::string, std::string> metadata = {};  // texts beside the tensors: {"format", "pt"}
};
struct SafetensorsOptions {
  std::map<std::string, std::string> metadata = {};
};

namespace detail {
void save_tree(const std::string& path, const std::vector<TreeItem>& items, const SaveOptions& o, const char* use,
               const Location& at);
void load_tree(const std::string& path, const std::vector<TreeItem>& items, const LoadOptions& o, const Location& at);
}  // namespace detail

// Every tensor of a safetensors file by its name, on the default device: BOOL, I8 to I64, U8 to U64, F16, BF16, F32, F64, C64 and C128.
// Nothing is read and nothing copied: the file is mapped, for reading and privately, and stays so until no tensor needs it; a tensor that
// does not lie aligned to its elements, and all where the default device cannot read the host's memory, is copied here. A file that is
// replaced, as tn::save does, or removed meanwhile is kept as it was; one that another program writes into changes under the tensors, and
// one that is made shorter ends the process (SIGBUS) when they are read. Error, with the file and the place in it, for what is no such
// file, whole and exact.
std::map<std::string, Tensor> load_safetensors(const std::string& path, const At& at = At::current());
// The texts beside the tensors.
std::map<std::string, std::string> safetensors_metadata(const std::string& path, const At& at = At::current());

// Writes the tensors of a map, or of a tree (tree::leaves), as a safetensors file that appears whole or not at all: it is written under
// another name, brought to the disk, and renamed. Names are the paths of leaves: layers[2].w; the keys of a map of strings stand as they
// are. Equal trees give equal bytes. Numbers and strings in the tree are not written. Error for a tensor without a value, and for a file
// that cannot be written.
template <class T>
void save_safetensors(const std::string& path, const T& tree, const SafetensorsOptions& o = {},
                      const At& at = At::current()) {
  detail::guarded("save_safetensors", place(at), [&] {
    detail::save_tree(path, detail::items_of(tree), {.metadata = o.metadata}, "save_safetensors", place(at));
  });
}
// The same, with names and orders of axes as another program expects them.
template <class T>
void save(const std::string& path, const T& tree, const SaveOptions& o = {}, const At& at = At::current()) {
  detail::guarded("save", place(at), [&] { detail::save_tree(path, detail::items_of(tree), o, "save", place(at)); });
}

// Gives the tensors of a tree the values that a safetensors file has under their names, where they lie; they may be tn::spec. Besides
// layers[2].w, layers.2.w is looked for, as PyTorch writes it. Error, changing nothing, for leaves that the file lacks or has in another
// dtype or shape, by their paths, and for names that belong to no leaf: the first ten of each, and how many there are. Gives the tree
// back.
template <class T>
  requires(!std::is_const_v<T>)
T& load(const std::string& path, T& tree, const LoadOptions& o = {}, const At& at = At::current()) {
  detail::guarded("load", place(at), [&] { detail::load_tree(path, detail::items_of(tree), o, place(at)); });
  return tree;
}
// A tree like this one, with the values of a file.
template <class T>
detail::Plain<T> load(const std::string& path, const T& like, const LoadOptions& o = {}, const At& at = At::current()) {
  detail::Plain<T> tree = like;
  load(path, tree, o, at);
  return tree;
}

}  // namespace tenon
