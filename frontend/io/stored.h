// Leaves of trees under the names that files know them by. Internal to the frontend.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tenon/frontend/tree/items.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/runtime/safetensors.h"

namespace tenon::detail {

// What a leaf is called in files: its path, and the key alone where the tree is a map of strings.
std::string stored_name(const std::string& path);
// As PyTorch would write it: layers.2.w.
std::string dotted_name(const std::string& path);
std::string stored_type(DType dtype, const std::vector<int64_t>& shape);  // f32[2, 3], for messages
std::string shown_path(const std::string& path);  // 'layers[2].w', or words for the tree itself
// Extents as numbers. Error for a free one.
std::vector<int64_t> extents_of(const Tensor& t, const std::string& path, const Location& at);
// Name, dtype and shape of a leaf that has a value.
runtime::SafetensorsEntry entry_of(const Tensor& t, const std::string& path, const char* use, const Location& at);
// Error unless an entry has the leaf's type.
void check_type(const std::string& what, const Tensor& leaf, const std::string& path, DType dtype,
                const std::vector<int64_t>& shape, const Location& at);
// A new tensor on the default device, whose bytes `fill` writes.
Tensor filled(DType dtype, const std::vector<int64_t>& shape, const std::function<void(void*)>& fill,
              const Location& at);
// Of elements whose last two axes stand in the other order, at least two axes: the strides that give them this shape.
std::vector<int64_t> turned_strides(const std::vector<int64_t>& shape);
// A tensor of these elements in the place of a leaf: on its device, and requiring a gradient where it does.
Tensor in_place_of(const Tensor& leaf, const void* elements, const Location& at);
Tensor in_place_of(const Tensor& leaf, Tensor value, const Location& at);

}  // namespace tenon::detail
