// Functions of shapes: parts of a tensor, axes that move, come and go, elements repeated, turned and joined, matrices from diagonals.
// Names, arguments and defaults are PyTorch's. Every function takes part in traces, in the tape, and names its place in errors.
#pragma once

#include <optional>
#include <string>

#include "tenon/frontend/ops/ops.h"

namespace tenon {

// ---- axes
Tensor flatten(Operand x, int64_t start = 0, int64_t end = -1);  // axes start to end as one
Tensor ravel(Operand x);
Tensor unflatten(Operand x, int64_t axis, const Extents& sizes);  // one of which may be -1
Tensor squeeze(Operand x);  // without the axes of extent 1
Tensor squeeze(Operand x, const std::vector<int64_t>& axes);
Tensor unsqueeze(Operand x, int64_t axis);
Tensor swapaxes(Operand x, int64_t a, int64_t b);
Tensor movedim(Operand x, const std::vector<int64_t>& from, const std::vector<int64_t>& to);
Tensor movedim(Operand x, int64_t from, int64_t to);
Tensor moveaxis(Operand x, const std::vector<int64_t>& from, const std::vector<int64_t>& to);
Tensor moveaxis(Operand x, int64_t from, int64_t to);
Tensor permute(Operand x, const std::vector<int64_t>& axes);
Tensor atleast_1d(Operand x);
Tensor atleast_2d(Operand x);
Tensor atleast_3d(Operand x);
Tensor expand(Operand x, const Extents& shape);  // -1: as it is
Tensor expand_as(Operand x, const Tensor& other);

// ---- parts
std::vector<Tensor> split(Operand x, Extent size, int64_t axis);  // parts of `size`, the last what is left
std::vector<Tensor> split(Operand x, const std::vector<Extent>& sizes, int64_t axis);
std::vector<Tensor> chunk(Operand x, int64_t chunks, int64_t axis = 0);
std::vector<Tensor> tensor_split(Operand x, int64_t sections, int64_t axis = 0);
std::vector<Tensor> tensor_split(Operand x, const std::vector<Extent>& indices, int64_t axis = 0);
std::vector<Tensor> unstack(Operand x, int64_t axis = 0);
std::vector<Tensor> unbind(Operand x, int64_t axis = 0);
Tensor narrow(Operand x, int64_t axis, Extent start, Extent length);
Tensor select(Operand x, int64_t axis, Extent index);

// ---- repeating and turning
Tensor tile(Operand x, const Extents& counts);
Tensor repeat(Operand x, const Extents& counts);
Tensor repeat_interleave(Operand x, Extent count, std::optional<int64_t> axis = {});
Tensor repeat_interleave(Operand x, const std::vector<int64_t>& counts, std::optional<int64_t> axis = {});
Tensor roll(Operand x, int64_t shift, std::optional<int64_t> axis = {});  // no axis: as one row
Tensor roll(Operand x, const std::vector<int64_t>& shifts, const std::vector<int64_t>& axes);
Tensor fliplr(Operand x);
Tensor flipud(Operand x);
Tensor rot90(Operand x, int64_t k = 1, const std::vector<int64_t>& axes = {0, 1});

// ---- joining
Tensor hstack(std::span<const Tensor> parts, const At& at = At::current());
Tensor hstack(std::initializer_list<Tensor> parts, const At& at = At::current());
Tensor vstack(std::span<const Tensor> parts, const At& at = At::current());
Tensor vstack(std::initializer_list<Tensor> parts, const At& at = At::current());
Tensor dstack(std::span<const Tensor> parts, const At& at = At::current());
Tensor dstack(std::initializer_list<Tensor> parts, const At& at = At::current());
Tensor column_stack(std::span<const Tensor> parts, const At& at = At::current());
Tensor column_stack(std::initializer_list<Tensor> parts, const At& at = At::current());
Tensor block_diag(std::span<const Tensor> parts, const At& at = At::current());
Tensor block_diag(std::initializer_list<Tensor> parts, const At& at = At::current());
// One grid a vector; indexing "ij" (rows first) or "xy".
std::vector<Tensor> meshgrid(std::span<const Tensor> axes, const std::string& indexing = "ij",
                             const At& at = At::current());
std::vector<Tensor> meshgrid(std::initializer_list<Tensor> axes, const std::string& indexing = "ij",
                             const At& at = At::current());
std::vector<Tensor> meshgrid(const Tensor& x, const Tensor& y, const std::string& indexing = "ij",
                             const At& at = At::current());
std::vector<Tensor> meshgrid(const Tensor& x, const Tensor& y, const Tensor& z, const std::string& indexing = "ij",
                             const At& at = At::current());
Tensor outer(Operand x, Operand y);  // vectors
Tensor kron(Operand x, Operand y);

// ---- diagonals and triangles
struct Diagonal {
  int64_t offset = 0, dim1 = 0, dim2 = 1;
};
Tensor diag(Operand x, int64_t offset = 0);  // of a vector its matrix, of a matrix its diagonal
Tensor diagonal(Operand x, Diagonal d = {});  // the diagonal becomes the last axis
Tensor diagonal(Operand x, int64_t offset, int64_t dim1 = 0, int64_t dim2 = 1);
Tensor diag_embed(Operand x, int64_t offset = 0, int64_t dim1 = -2, int64_t dim2 = -1);
Tensor tril(Operand x, int64_t offset = 0);
Tensor triu(Operand x, int64_t offset = 0);

// ---- from nothing
Tensor eye(Extent n, TensorOptions o = {}, const At& at = At::current());
Tensor eye(Extent n, Extent m, TensorOptions o = {}, const At& at = At::current());
Tensor tri(Extent n, std::optional<Extent> m = {}, int64_t offset = 0, TensorOptions o = {}, const At& at = At::current());
Tensor linspace(Operand start, Operand stop, Extent count, TensorOptions o = {}, const At& at = At::current());
Tensor logspace(Operand start, Operand stop, Extent count, double base = 10, TensorOptions o = {},
                const At& at = At::current());
Tensor full_like(const Tensor& x, Operand value, const At& at = At::current());
Tensor vander(Operand x, std::optional<Extent> columns = {}, bool increasing = false);

// ---- padding by other modes than with a value
enum class Pad : uint8_t { constant, reflect, replicate, circular };
// PyTorch's names, and NumPy's: "constant", "reflect", "replicate" or "edge", "circular" or "wrap".
struct PadMode {
  Pad mode = Pad::constant;
  bool known = true;
  PadMode(Pad pad = Pad::constant) : mode(pad) {}  // NOLINT
  PadMode(const char* name);  // NOLINT
  PadMode(const std::string& name) : PadMode(name.c_str()) {}  // NOLINT
};
struct Padding {
  PadMode mode = Pad::constant;
  double value = 0;
};
using Widths = std::vector<std::pair<Extent, Extent>>;  // (low, high) per axis; negative ones cut
Tensor pad(Operand x, const Widths& widths, Padding p);
Tensor pad(Operand x, const Widths& widths, Pad mode, double value = 0);
Tensor pad(Operand x, const Widths& widths, const std::string& mode, double value = 0);

}  // namespace tenon
