// Names, types and places of leaves: what all files of trees have in common.
#include "tenon/frontend/io/stored.h"

#include <memory>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/runtime/shown_name.h"

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

}  // namespace

std::string stored_type(DType dtype, const std::vector<int64_t>& shape) {
  std::string text = std::string(name(dtype)) + "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string shown_path(const std::string& path) { return path.empty() ? "the tree itself" : runtime::shown_name(path); }

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
    if (!d.is_number()) throw Error("at " + shown_path(path) + ", " + describe(t) + " has a free extent", at);
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
  throw Error("at " + shown_path(path) + ", the tree has " + stored_type(leaf.dtype(), own) + " and " + what + " " +
                  stored_type(dtype, shape),
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

std::vector<int64_t> turned_strides(const std::vector<int64_t>& shape) {
  const size_t last = shape.size() - 1;
  std::vector<int64_t> strides(shape.size(), 1);
  strides[last] = shape[last - 1];
  int64_t step = shape[last] * shape[last - 1];
  for (size_t axis = last - 1; axis-- > 0;) strides[axis] = step, step *= shape[axis];
  return strides;
}

Tensor in_place_of(const Tensor& leaf, const void* elements, const Location& at) {
  Extents shape(std::vector<Dim>(leaf.cell()->type.shape.begin(), leaf.cell()->type.shape.end()));
  return in_place_of(leaf, copy_from(elements, shape, leaf.dtype()), at);
}

Tensor in_place_of(const Tensor& leaf, Tensor t, const Location& at) {
  if (leaf.cell()->place != nullptr) t = moved_to(t, *leaf.cell()->place, at);
  t.cell()->made = at;
  t.cell()->requires_grad = leaf.cell()->requires_grad.load();
  return t;
}

}  // namespace detail
}  // namespace tenon
