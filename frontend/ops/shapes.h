// Functions of shapes whose first operand is no tensor: lists that are joined, grids, tensors from nothing. The others are lines of
// frontend/ops/functions/shape.def.
#pragma once

#include <optional>
#include <string>

#include "tenon/frontend/ops/ops.h"

namespace tenon {

// ---- lists of tensors, joined beside, below, behind each other; vectors as columns; matrices along a diagonal
#define TENON_JOINED(name)                                                                \
  Tensor name(std::span<const Tensor> parts, const At& at = At::current());               \
  inline Tensor name(std::initializer_list<Tensor> parts, const At& at = At::current()) { \
    return name(std::span<const Tensor>(parts.begin(), parts.size()), at);                \
  }
TENON_JOINED(hstack)
TENON_JOINED(vstack)
TENON_JOINED(dstack)
TENON_JOINED(column_stack)
TENON_JOINED(block_diag)
#undef TENON_JOINED

// One grid a vector; indexing "ij" (rows first) or "xy".
std::vector<Tensor> meshgrid(std::span<const Tensor> axes, const std::string& indexing = "ij",
                             const At& at = At::current());
std::vector<Tensor> meshgrid(std::initializer_list<Tensor> axes, const std::string& indexing = "ij",
                             const At& at = At::current());
std::vector<Tensor> meshgrid(const Tensor& x, const Tensor& y, const std::string& indexing = "ij",
                             const At& at = At::current());
std::vector<Tensor> meshgrid(const Tensor& x, const Tensor& y, const Tensor& z, const std::string& indexing = "ij",
                             const At& at = At::current());

// ---- a mode of padding by its name
template <class Name>
  requires std::convertible_to<const Name&, std::string>
Tensor pad(Operand x, const Widths& widths, const Name& mode, double value = 0) {
  return pad(std::move(x), widths, Padding{.mode = std::string(mode), .value = value});
}

// ---- from nothing
Tensor eye(Extent n, TensorOptions o = {}, const At& at = At::current());
Tensor eye(Extent n, Extent m, TensorOptions o = {}, const At& at = At::current());
// Ones on a diagonal and below it.
Tensor tri(Extent n, std::optional<Extent> m = {}, int64_t offset = 0, TensorOptions o = {},
           const At& at = At::current());
// Ends are numbers or 0-d tensors; both belong to the result.
Tensor linspace(Operand start, Operand stop, Extent count, TensorOptions o = {}, const At& at = At::current());
Tensor logspace(Operand start, Operand stop, Extent count, double base = 10, TensorOptions o = {},
                const At& at = At::current());

}  // namespace tenon
