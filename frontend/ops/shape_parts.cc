// Parts of a tensor along an axis: split, chunk, tensor_split, unstack, narrow, select. All parts of one call are one program, one
// slice each, up to a few dozen; more are taken one by one. Refuses a number of parts that only the run would tell.
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/shapes.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

// What each part takes of the axis; a part of one element loses the axis where `drop` says so.
std::vector<ir::Value> build_parts(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const made::Parts parts(attrs);
  const Shape shape = x[0].shape();
  const auto axis = static_cast<size_t>(parts.axis);
  std::vector<ir::Value> results;
  Dim start = parts.start;
  for (const Dim size : parts.sizes) {
    std::vector<Dim> starts(shape.size(), 0), sizes = shape.dims();
    starts[axis] = start, sizes[axis] = size;
    Shape to(sizes);
    ir::Value part = ir::slice(x[0], std::move(starts), std::move(sizes), std::vector<int64_t>(shape.size(), 1));
    if (parts.drop) to.erase(axis), part = ir::reshape(part, to);
    results.push_back(part);
    start = b.symbols().sum(start, size);
  }
  return results;
}

constexpr size_t most_parts = 64;  // of one program

std::vector<Tensor> parts_of_axis(const char* op, const Tensor& x, size_t axis, Extent start,
                                  const std::vector<Extent>& sizes, bool drop, const Location& at) {
  std::vector<Tensor> results;
  for (size_t i = 0; i < sizes.size(); i += most_parts) {
    std::vector<Dim> some;
    const Extent first = start;
    for (size_t k = i; k < std::min(sizes.size(), i + most_parts); ++k) {
      some.push_back(extent_here(sizes[k]));
      start = start + sizes[k];
    }
    const ir::Attrs attrs = made::PartsAttrs{
        .start = extent_here(first), .sizes = std::move(some), .axis = static_cast<int64_t>(axis), .drop = drop};
    for (Tensor& t : apply({op, build_parts}, attrs, std::span(&x, 1), at)) results.push_back(std::move(t));
  }
  return results;
}

int64_t counted(const char* op, const Tensor& x, size_t axis, const Location& at) {
  const Dim n = x.shape()[axis];
  if (n.is_symbol())
    throw Error(std::string(op) + ": " + describe(x) + " has a free extent along axis " + std::to_string(axis) +
                    ", so the number of parts is not known; give the sizes of the parts",
                at);
  return n.number();
}

std::vector<Tensor> unstacked(const char* op, const Operand& operand, int64_t axis) try {
  const Tensor x = as_tensor(operand, op);
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), op, operand.where()));
  const int64_t n = counted(op, x, a, operand.where());
  return parts_of_axis(op, x, a, 0, std::vector<Extent>(static_cast<size_t>(n), 1), true, operand.where());
} catch (...) {
  leave_with_error(op, operand.where());
}

// Parts of `each`, the last what is left; of an empty axis one empty part.
std::vector<Extent> equal_parts(int64_t n, int64_t each) {
  std::vector<Extent> sizes;
  for (int64_t start = 0; start < n; start += each) sizes.push_back(std::min(each, n - start));
  if (sizes.empty()) sizes.push_back(0);
  return sizes;
}

}  // namespace

std::vector<Tensor> split(Operand operand, Extent size, int64_t axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "split");
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), "split", at));
  const int64_t n = counted("split", x, a, at), each = size;
  if (each < 0 || (each == 0 && n > 0))
    throw Error("split: parts of " + std::to_string(each) + " elements never cover " + describe(x), at);
  return parts_of_axis("split", x, a, 0, equal_parts(n, std::max<int64_t>(each, 1)), false, at);
} catch (...) {
  leave_with_error("split", operand.where());
}

std::vector<Tensor> split(Operand operand, const std::vector<Extent>& sizes, int64_t axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "split");
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), "split", at));
  Extent sum = 0;
  for (const Extent& s : sizes) {
    if (s.is_number() && s.number() < 0) throw Error("split: sizes are 0 or more", at);
    sum = sum + s;
  }
  const Extent n = x.shape()[a];
  if (!(sum == n) && sum.is_number() && n.is_number())
    throw Error("split: the sizes add up to " + std::to_string(sum.number()) + ", axis " + std::to_string(axis) +
                    " of " + describe(x) + " does not",
                at);
  return parts_of_axis("split", x, a, 0, sizes, false, at);
} catch (...) {
  leave_with_error("split", operand.where());
}

std::vector<Tensor> chunk(Operand operand, int64_t chunks, int64_t axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "chunk");
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), "chunk", at));
  if (chunks < 1) throw Error("chunk: the number of chunks is positive, not " + std::to_string(chunks), at);
  const int64_t n = counted("chunk", x, a, at);
  if (n == 0) return parts_of_axis("chunk", x, a, 0, std::vector<Extent>(static_cast<size_t>(chunks), 0), false, at);
  return parts_of_axis("chunk", x, a, 0, equal_parts(n, (n - 1) / chunks + 1), false, at);
} catch (...) {
  leave_with_error("chunk", operand.where());
}

std::vector<Tensor> tensor_split(Operand operand, int64_t sections, int64_t axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "tensor_split");
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), "tensor_split", at));
  if (sections < 1)
    throw Error("tensor_split: the number of sections is positive, not " + std::to_string(sections), at);
  const int64_t n = counted("tensor_split", x, a, at);
  std::vector<Extent> sizes;
  for (int64_t i = 0; i < sections; ++i) sizes.push_back(n / sections + (i < n % sections ? 1 : 0));
  return parts_of_axis("tensor_split", x, a, 0, sizes, false, at);
} catch (...) {
  leave_with_error("tensor_split", operand.where());
}

// Each index begins a part, and is clamped as a slice's is; a part that ends before it begins is empty.
std::vector<Tensor> tensor_split(Operand operand, const std::vector<Extent>& indices, int64_t axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "tensor_split");
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), "tensor_split", at));
  const int64_t n = counted("tensor_split", x, a, at);
  std::vector<Tensor> results;
  int64_t start = 0;
  for (size_t i = 0; i <= indices.size(); ++i) {
    int64_t stop = i < indices.size() ? static_cast<int64_t>(indices[i]) : n;
    stop = std::clamp<int64_t>(stop < 0 ? stop + n : stop, 0, n);
    const Extent size = std::max<int64_t>(stop - start, 0);
    results.push_back(parts_of_axis("tensor_split", x, a, start, {size}, false, at)[0]);
    start = stop;
  }
  return results;
} catch (...) {
  leave_with_error("tensor_split", operand.where());
}

std::vector<Tensor> unstack(Operand x, int64_t axis) { return unstacked("unstack", x, axis); }
std::vector<Tensor> unbind(Operand x, int64_t axis) { return unstacked("unbind", x, axis); }

Tensor narrow(Operand operand, int64_t axis, Extent start, Extent length) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "narrow");
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), "narrow", at));
  const Extent n = x.shape()[a];
  if (start.is_number() && start.number() < 0) start = n + start;
  if ((start.is_number() && start.number() < 0) || (length.is_number() && length.number() < 0))
    throw Error("narrow: start and length are not negative", at);
  if (start.is_number() && length.is_number() && n.is_number() && start + length > n)
    throw Error("narrow: elements " + std::to_string(start.number()) + " to " +
                    std::to_string((start + length).number()) + " are not in axis " + std::to_string(axis) + " of " +
                    describe(x),
                at);
  return parts_of_axis("narrow", x, a, start, {length}, false, at)[0];
} catch (...) {
  leave_with_error("narrow", operand.where());
}

Tensor select(Operand operand, int64_t axis, Extent index) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "select");
  const auto a = static_cast<size_t>(axis_of(axis, x.ndim(), "select", at));
  const Extent n = x.shape()[a];
  const Extent place = index.is_number() && index.number() < 0 ? n + index : index;
  if (place.is_number() && n.is_number() && (place < 0 || place >= n))
    throw Error("select: index " + std::to_string(index.number()) + " is out of range for axis " +
                    std::to_string(axis) + " of " + describe(x),
                at);
  return parts_of_axis("select", x, a, place, {1}, true, at)[0];
} catch (...) {
  leave_with_error("select", operand.where());
}

std::vector<Tensor> split_with_sizes(Operand x, const std::vector<Extent>& sizes, int64_t axis) {
  return split(std::move(x), sizes, axis);
}

namespace {

// Along an axis that x must have; NumPy's hsplit takes the only axis of a vector.
template <class Where>
std::vector<Tensor> split_along(const char* op, const Operand& operand, int64_t axis, const Where& where) try {
  const Tensor x = as_tensor(operand, op);
  if (axis == 1 && x.ndim() == 1) axis = 0;
  if (x.ndim() <= axis)
    throw Error(std::string(op) + ": takes " + std::to_string(axis + 1) + " axes or more, not " + describe(x),
                operand.where());
  return tensor_split(Operand(x, operand.where()), where, axis);
} catch (...) {
  leave_with_error(op, operand.where());
}

}  // namespace

std::vector<Tensor> hsplit(Operand x, int64_t sections) { return split_along("hsplit", x, 1, sections); }
std::vector<Tensor> hsplit(Operand x, const std::vector<Extent>& indices) {
  return split_along("hsplit", x, 1, indices);
}
std::vector<Tensor> vsplit(Operand x, int64_t sections) { return split_along("vsplit", x, 0, sections); }
std::vector<Tensor> vsplit(Operand x, const std::vector<Extent>& indices) {
  return split_along("vsplit", x, 0, indices);
}
std::vector<Tensor> dsplit(Operand x, int64_t sections) { return split_along("dsplit", x, 2, sections); }
std::vector<Tensor> dsplit(Operand x, const std::vector<Extent>& indices) {
  return split_along("dsplit", x, 2, indices);
}

}  // namespace tenon
