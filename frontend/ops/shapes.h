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
TENON_JOINED(row_stack)  // vstack
#undef TENON_JOINED
// concat
Tensor cat(std::span<const Tensor> parts, int64_t axis = 0, const At& at = At::current());
Tensor cat(std::initializer_list<Tensor> parts, int64_t axis = 0, const At& at = At::current());
Tensor concatenate(std::span<const Tensor> parts, int64_t axis = 0, const At& at = At::current());
Tensor concatenate(std::initializer_list<Tensor> parts, int64_t axis = 0, const At& at = At::current());

// All in their common shape.
std::vector<Tensor> broadcast_tensors(std::span<const Tensor> x, const At& at = At::current());
std::vector<Tensor> broadcast_tensors(std::initializer_list<Tensor> x, const At& at = At::current());
// Of vectors: a row for each choice of an element of each, the last going round first; of one vector itself.
Tensor cartesian_prod(std::span<const Tensor> x, const At& at = At::current());
Tensor cartesian_prod(std::initializer_list<Tensor> x, const At& at = At::current());

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
// i64[2, count]: rows and columns of the elements of a matrix on and below a diagonal, on and above it, row by row.
Tensor tril_indices(int64_t rows, int64_t columns, int64_t offset = 0, const At& at = At::current());
Tensor triu_indices(int64_t rows, int64_t columns, int64_t offset = 0, const At& at = At::current());
// Ends are numbers or 0-d tensors; both belong to the result.
Tensor linspace(Operand start, Operand stop, Extent count, TensorOptions o = {}, const At& at = At::current());
Tensor logspace(Operand start, Operand stop, Extent count, double base = 10, TensorOptions o = {},
                const At& at = At::current());

}  // namespace tenon
