// Whatever is wrong is found before the first tensor of a tree is changed.
#include "tenon/frontend/io/files.h"

#include <algorithm>
#include <memory>
#include <set>

#include "tenon/frontend/io/stored.h"
#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/ir/base/door.h"

namespace tenon {

namespace detail {

namespace {

// The end of ["key"] at the start of a path; 0 where there is none. A key may hold quotes: what ends it is followed by an end, a dot
// or a bracket.
size_t leading_key(const std::string& path) {
  if (!path.starts_with("[\"")) return 0;
  for (size_t end = path.find("\"]", 2); end != std::string::npos; end = path.find("\"]", end + 1))
    if (end + 2 == path.size() || path[end + 2] == '.' || path[end + 2] == '[') return end + 2;
  return 0;
}

std::string type_of(DType dtype, const std::vector<int64_t>& shape) {
  std::string text = std::string(name(dtype)) + "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string shown(const std::string& path) { return path.empty() ? "the tree itself" : "'" + path + "'"; }

}  // namespace

std::string stored_name(const std::string& path) {
  const size_t end = leading_key(path);
  return end == 0 ? path : path.substr(2, end - 4) + path.substr(end);
}

std::string dotted_name(const std::string& path) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '[') {
      if (!out.empty()) out += '.';
    } else if (path[i] != ']' && path[i] != '"') {
      out += path[i];
    }
  }
  return out;
}

std::vector<int64_t> extents_of(const Tensor& t, const std::string& path, const Location& at) {
  std::vector<int64_t> extents;
  for (Dim d : t.cell()->type.shape) {
    if (!d.is_number()) throw Error("at " + shown(path) + ", " + describe(t) + " has a free extent", at);
    extents.push_back(d.number());
  }
  return extents;
}

runtime::SafetensorsEntry entry_of(const Tensor& t, const std::string& path, const char* use, const Location& at) {
  check_readable(t, use, at);
  return {stored_name(path), t.dtype(), extents_of(t, path, at)};
}

void check_type(const std::string& what, const Tensor& leaf, const std::string& path, DType dtype,
                const std::vector<int64_t>& shape, const Location& at) {
  const std::vector<int64_t> own = extents_of(leaf, path, at);
  if (leaf.dtype() == dtype && own == shape) return;
  throw Error("at " + shown(path) + ", the tree has " + type_of(leaf.dtype(), own) + " and " + what + " " +
                  type_of(dtype, shape),
              at);
}

Tensor filled(DType dtype, const std::vector<int64_t>& extents, const std::function<void(void*)>& fill,
              const Location& at) {
  const Shape shape = Shape::from(extents);
  const int64_t size = byte_count(shape, bytes(dtype));
  auto buffer = runtime::Buffer::allocate(size);
  if (buffer->device().host_addressed) {
    if (size != 0) fill(buffer->address());
  } else {
    const auto bytes = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(size));
    fill(bytes.get());
    buffer->write(bytes.get());
  }
  return make_concrete({dtype, shape}, std::move(buffer), at);
}

Tensor in_place_of(const Tensor& leaf, const void* elements, const Location& at) {
  Extents shape(std::vector<Dim>(leaf.cell()->type.shape.begin(), leaf.cell()->type.shape.end()));
  Tensor t = copy_from(elements, shape, leaf.dtype());
  if (leaf.cell()->place != nullptr) t = moved_to(t, *leaf.cell()->place, at);
  t.cell()->made = at;
  t.cell()->requires_grad = leaf.cell()->requires_grad.load();
  return t;
}

void save_tree(const std::string& path, const std::vector<TreeItem>& items, const Location& at) {
  door("save", at, [&] {
    std::vector<runtime::SafetensorsEntry> entries;
    std::map<std::string, const Tensor*> leaves;
    for (const TreeItem& item : items) {
      if (item.tag != 't') continue;
      entries.push_back(entry_of(*item.tensor, item.path, "save", at));
      leaves[entries.back().name] = item.tensor;
    }
    runtime::SafetensorsWriter file(path, std::move(entries));
    for (const runtime::SafetensorsEntry& e : file.entries())
      file.write(runtime::HostView(*buffer_of(*leaves.at(e.name), "save", at)).data());
    file.finish();
  });
}

void load_tree(const std::string& path, const std::vector<TreeItem>& items, const Location& at) {
  door("load", at, [&] {
    const runtime::SafetensorsFile file(path);
    const std::string who = "safetensors file '" + path + "': ";
    std::vector<std::pair<Tensor*, const runtime::SafetensorsEntry*>> found;
    std::set<const runtime::SafetensorsEntry*> used;
    for (const TreeItem& item : items) {
      if (item.tag != 't') continue;
      const runtime::SafetensorsEntry* e = nullptr;
      for (const std::string& name : {stored_name(item.path), item.path, dotted_name(item.path)})
        if (e == nullptr) e = file.find(name);
      if (e == nullptr)
        throw Error(who + "there is nothing for the tree's leaf at " + shown(item.path) + ", " + describe(*item.tensor),
                    at);
      if (!used.insert(e).second) throw Error(who + "two leaves of the tree are called '" + e->name + "' there", at);
      check_type("the file '" + path + "'", *item.tensor, item.path, e->dtype, e->shape, at);
      found.emplace_back(item.tensor, e);
    }
    for (const runtime::SafetensorsEntry& e : file.entries())
      if (!used.count(&e))
        throw Error(who + "the tree has no leaf for '" + e.name + "', " + type_of(e.dtype, e.shape), at);
    std::vector<Tensor> values;
    std::vector<std::byte> elements;
    for (const auto& [leaf, e] : found) {
      elements.resize(e->bytes());
      file.read(*e, elements.data());
      values.push_back(in_place_of(*leaf, elements.data(), at));
    }
    for (size_t i = 0; i < found.size(); ++i) *found[i].first = values[i];
  });
}

}  // namespace detail

std::map<std::string, Tensor> load_safetensors(const std::string& path, const At& at) {
  return door("load_safetensors", place(at), [&] {
    const runtime::SafetensorsFile file(path);
    std::map<std::string, Tensor> tensors;
    std::vector<std::byte> elements;
    for (const runtime::SafetensorsEntry& e : file.entries()) {
      elements.resize(e.bytes());
      file.read(e, elements.data());
      Tensor t =
          copy_from(elements.data(), Extents(std::vector<Dim>(e.shape.begin(), e.shape.end())), e.dtype, false, at);
      tensors.emplace(e.name, std::move(t));
    }
    return tensors;
  });
}

}  // namespace tenon
