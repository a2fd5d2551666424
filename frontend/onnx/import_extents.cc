// Numbers from nothing, shapes as numbers, and arithmetic on free extents: an op on lists of extents gives a list of extents as long as
// what it does has a meaning for them, else it works on their values.
#include <algorithm>
#include <cmath>

#include "tenon/frontend/onnx/families.h"
#include "tenon/frontend/onnx/tensors.h"

namespace tenon::onnx {

Results import_shape(Call& c) {
  const Shape shape = c.shape(0);
  const int64_t rank = shape.rank();
  const auto place = [&](int64_t n) { return std::clamp<int64_t>(n < 0 ? n + rank : n, 0, rank); };
  const int64_t start = place(c.integer("start", 0)), end = place(c.integer("end", rank));
  std::vector<Extent> list;
  for (int64_t i = start; i < end; ++i) list.push_back(shape[static_cast<size_t>(i)]);
  Item item = list_item(list);
  return one(item);
}

Results import_size(Call& c) {
  const Shape shape = c.shape(0);
  return one(number_item(product(shape, 0, shape.rank())));
}

Results import_constant(Call& c) {
  for (const Attribute& a : c.node.attributes) {
    const Attribute* found = c.find(a.name);
    if (found == nullptr) continue;
    if (a.name == "value" && found->tensor != nullptr) {
      if (found->tensor->has_strings || !known_dtype(found->tensor->element))
        dtype_of(c.file(), found->tensor->element);
      return one(c.scope.importer.stored(found->tensor.get()));
    }
    if (a.name == "sparse_value" && found->sparse != nullptr) return one(c.scope.importer.stored(found->sparse.get()));
    if (a.name == "value_float") return one(tenon::tensor(found->number));
    if (a.name == "value_int") return one(tenon::tensor(found->integer));
    if (a.name == "value_floats") return one(tenon::tensor(found->numbers));
    if (a.name == "value_ints") return one(tenon::tensor(found->integers));
  }
  c.fail("it has no value that is a tensor of numbers");
}

Results import_constant_of_shape(Call& c) {
  const std::vector<Extent> shape = c.extents(0);
  const Attribute* a = c.find("value");
  if (a == nullptr || a->tensor == nullptr) return one(full(shape, 0, {.dtype = f32}));
  const Tensor value = c.scope.importer.traced(c.scope.importer.stored(a->tensor.get()));
  c.expects(value.numel() == 1, "its value is one number");
  return one(broadcast_to(value.reshape({}), shape));
}

Results import_range(Call& c) {
  const DType dtype = c.dtype(0);
  if (!is_integer(dtype)) {
    const double start = c.numbers(0).at(0), limit = c.numbers(1).at(0), delta = c.numbers(2).at(0);
    const double count = std::max(std::ceil((limit - start) / delta), 0.0);
    c.expects(count >= 0 && count < 1e12, "its numbers are finite");
    const Tensor i = arange(0, static_cast<int64_t>(count), 1, {.dtype = dtype});
    return one(c.tensor(0) + i * c.tensor(2));
  }
  const auto each = [&](size_t i) {
    const auto list = c.extents(i);
    c.expects(list.size() == 1, "its inputs are scalars");
    return list[0];
  };
  const Extent start = each(0), limit = each(1), delta = each(2);
  c.expects(delta.is_number() && delta.number() != 0 && delta.number() > -INT32_MAX && delta.number() < INT32_MAX,
            "its delta is a number and not 0");
  if (start.is_number() && limit.is_number())
    return one(arange(start.number(), limit.number(), delta.number(), {.dtype = dtype}));
  c.expects(delta.number() > 0, "with free extents its delta is positive");
  const Extent count = (limit - start + (delta.number() - 1)) / delta.number();
  return one(arange(0, count, 1, {.dtype = dtype}) * delta.number() + Operand(start));
}

Results import_eye_like(Call& c) {
  const Shape shape = c.shape(0);
  c.expects(shape.rank() == 2, "its input is a matrix");
  const Tensor rows = arange(0, Extent(shape[0])).reshape({shape[0], 1}), columns = arange(0, Extent(shape[1]));
  return one((columns - rows == c.integer("k", 0)).astype(dtype_attribute(c, "dtype", c.dtype(0))));
}

// ---- on extents

namespace {

std::optional<std::vector<Extent>> list_of(const Item& item) {
  if (item.counted()) return item.extents;
  if (!item.stored() || !is_integer(item.tensor.dtype()) || item.tensor.ndim() > 1 || item.tensor.numel() > 64)
    return std::nullopt;
  std::vector<Extent> list;
  for (int64_t n : item.tensor.to_vector<int64_t>()) list.push_back(n);
  return list;
}

bool is_scalar(const Call& c, size_t i) { return c.shape(i).rank() == 0; }

Item item_of(std::vector<Extent> list, bool scalar) {
  return scalar ? number_item(list.at(0)) : list_item(std::move(list));
}

std::optional<Item> arithmetic(Call& c, std::string_view op) try {
  const auto a = list_of(c.in[0]), b = list_of(c.in[1]);
  if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1)) return std::nullopt;
  std::vector<Extent> result;
  for (size_t i = 0; i < std::max(a->size(), b->size()); ++i) {
    const Extent x = (*a)[a->size() == 1 ? 0 : i], y = (*b)[b->size() == 1 ? 0 : i];
    result.push_back(op == "Add"   ? x + y
                     : op == "Sub" ? x - y
                     : op == "Mul" ? x * y
                     : op == "Div" ? x / y
                     : op == "Mod" ? x % y
                     : op == "Max" ? max(x, y)
                                   : min(x, y));
  }
  return item_of(std::move(result), is_scalar(c, 0) && is_scalar(c, 1));
} catch (const Error&) {  // it may be negative, so it is no extent
  return std::nullopt;
}

std::optional<Item> part(Call& c, std::string_view op) {
  const std::vector<Extent>& list = c.in[0].extents;
  const auto size = static_cast<int64_t>(list.size());
  if (op == "Gather") {
    const auto at = list_of(c.in[1]);
    if (!at) return std::nullopt;
    std::vector<Extent> result;
    for (const Extent& e : *at) {
      if (!e.is_number() || e.number() < -size || e.number() >= size) return std::nullopt;
      result.push_back(list[static_cast<size_t>(e.number() < 0 ? e.number() + size : e.number())]);
    }
    return item_of(std::move(result), is_scalar(c, 1));
  }
  const bool operands = c.opset >= 10;
  const Axes starts = operands ? c.integers(1) : c.integers("starts"),
             ends = operands ? c.integers(2) : c.integers("ends");
  const Axes steps = operands && c.has(4) ? c.integers(4) : Axes{1};
  if (starts.size() != 1 || ends.size() != 1 || steps != Axes{1}) return std::nullopt;
  const auto place = [&](int64_t n) { return std::clamp<int64_t>(n < 0 ? n + size : n, 0, size); };
  const int64_t from = place(starts[0]), to = std::max(place(ends[0]), from);
  return list_item({list.begin() + from, list.begin() + to});
}

std::optional<Item> joined(Call& c) {
  std::vector<Extent> result;
  for (const Item& i : c.in) {
    const auto list = list_of(i);
    if (!list) return std::nullopt;
    result.insert(result.end(), list->begin(), list->end());
  }
  return list_item(std::move(result));
}

// Where x equals -1, as exporters write it before Expand: no extent does.
std::optional<Item> chosen(Call& c) {
  const auto a = list_of(c.in[1]), b = list_of(c.in[2]);
  if (!c.in[0].stored() || !a || !b) return std::nullopt;
  const std::vector<double> which = c.in[0].tensor.to_vector<double>();
  const size_t size = std::max({which.size(), a->size(), b->size()});
  std::vector<Extent> result;
  for (size_t i = 0; i < size; ++i) {
    for (size_t n : {which.size(), a->size(), b->size()})
      if (n != 1 && n != size) return std::nullopt;
    const bool first = which[which.size() == 1 ? 0 : i] != 0;
    const auto& from = first ? *a : *b;
    result.push_back(from[from.size() == 1 ? 0 : i]);
  }
  return item_of(std::move(result), is_scalar(c, 0) && is_scalar(c, 1) && is_scalar(c, 2));
}

}  // namespace

std::optional<Item> counted_result(Call& c) {
  const std::string_view op = c.node.op;
  if (op == "Identity") return c.in[0];
  if (op == "Cast" && c.required("to") == static_cast<int64_t>(Element::i64)) return c.in[0];
  if (op == "Unsqueeze" && is_scalar(c, 0)) return list_item(c.in[0].extents);
  if ((op == "Squeeze" || op == "ReduceProd" || op == "ReduceSum") && c.in[0].kind == Item::Kind::list) {
    if (op == "Squeeze")
      return c.in[0].extents.size() == 1 ? std::optional(number_item(c.in[0].extents[0])) : std::nullopt;
    Extent total = op == "ReduceProd" ? 1 : 0;
    for (const Extent& e : c.in[0].extents) total = op == "ReduceProd" ? total * e : total + e;
    return item_of({total}, c.integer("keepdims", 1) == 0);
  }
  if (op == "Reshape" && c.known(1)) {
    const Axes to = c.integers(1);
    if (to.empty() && c.in[0].extents.size() == 1) return number_item(c.in[0].extents[0]);
    return to.size() == 1 ? std::optional(list_item(c.in[0].extents)) : std::nullopt;
  }
  if ((op == "Gather" || op == "Slice") && c.in[0].kind == Item::Kind::list) return part(c, op);
  if (op == "Concat") return joined(c);
  if (op == "Where") return chosen(c);
  for (const char* known : {"Add", "Sub", "Mul", "Div", "Mod", "Max", "Min"})
    if (op == known && c.in.size() == 2) return arithmetic(c, op);
  return std::nullopt;
}

}  // namespace tenon::onnx
