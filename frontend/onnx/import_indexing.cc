// Elements by their positions. Negative positions count from the end, as in ONNX; positions outside are read at the nearest end and
// not written.
#include <algorithm>
#include <map>

#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {

Tensor from_front(const Tensor& indices, Extent count) {
  if (!is_integer(indices.dtype())) throw Error("positions are integers");
  const Tensor i = indices.astype(i64);
  return where(i < 0, i + Operand(count), i);
}

Results import_gather(Call& c) {
  const Tensor x = c.tensor(0);
  const int64_t axis = c.axis(c.integer("axis", 0), x.ndim());
  return one(take(x, from_front(c.tensor(1), x.size(axis)), axis));
}

Results import_gather_elements(Call& c) {
  const Tensor x = c.tensor(0);
  const int64_t axis = c.axis(c.integer("axis", 0), x.ndim());
  return one(gather(x, axis, from_front(c.tensor(1), x.size(axis))));
}

namespace {

// The columns of [.., k] indices, one for each of the axes from `first` on.
std::vector<Tensor> columns(Call& c, const Tensor& x, const Tensor& indices, int first) {
  c.expects(indices.ndim() >= 1, "its indices are [.., k]");
  const Extent k = indices.size(-1);
  c.expects(k.is_number() && k.number() >= 1 && first + k.number() <= x.ndim(),
            "its indices name more axes than there are");
  std::vector<Tensor> list;
  for (int64_t i = 0; i < k.number(); ++i) list.push_back(from_front(select(indices, -1, i), x.size(first + i)));
  return list;
}

}  // namespace

Results import_gather_nd(Call& c) {
  const Tensor x = c.tensor(0), indices = c.tensor(1);
  const int64_t batch = c.integer("batch_dims", 0);
  c.expects(batch >= 0 && batch < indices.ndim() && batch < x.ndim(), "it has too many batch axes");
  std::vector<Index> all;
  for (int64_t i = 0; i < batch; ++i) {  // the place in the batch itself
    std::vector<Extent> line(static_cast<size_t>(indices.ndim()) - 1, 1);
    line[static_cast<size_t>(i)] = x.size(i);
    all.push_back(arange(0, x.size(i)).reshape(line));
  }
  for (const Tensor& t : columns(c, x, indices, static_cast<int>(batch))) all.push_back(t);
  return one(x[all]);
}

namespace {

const char* reduction_of(Call& c) {
  const std::string how = c.word("reduction", "none");
  const char* name = how == "none"  ? ""
                     : how == "add" ? "sum"
                     : how == "mul" ? "prod"
                     : how == "max" ? "amax"
                     : how == "min" ? "amin"
                                    : nullptr;
  c.expects(name != nullptr, "its reduction is none, add, mul, max or min");
  return name;
}

}  // namespace

Results import_scatter_elements(Call& c) {
  const Tensor x = c.tensor(0);
  const int64_t axis = c.axis(c.integer("axis", 0), x.ndim());
  const Tensor indices = from_front(c.tensor(1), x.size(axis)), updates = c.tensor(2);
  const std::string how = reduction_of(c);
  return one(how.empty() ? scatter(x, axis, indices, updates) : scatter_reduce(x, axis, indices, updates, how));
}

// Rows of x, the named axes being one.
Results import_scatter_nd(Call& c) {
  const Tensor x = c.tensor(0), indices = c.tensor(1), updates = c.tensor(2);
  const std::vector<Tensor> list = columns(c, x, indices, 0);
  const int named = static_cast<int>(list.size());
  Tensor row = list[0];
  for (int i = 1; i < named; ++i) row = row * Operand(x.size(i)) + list[static_cast<size_t>(i)];
  const Extent rows = product(x.shape(), 0, named), width = product(x.shape(), named, x.ndim());
  const Tensor flat = x.reshape({rows, width}), from = updates.reshape({product(row.shape(), 0, row.ndim()), width});
  const std::string how = reduction_of(c);
  row = row.reshape({-1});
  return one(
      (how.empty() ? index_copy(flat, 0, row, from) : index_reduce(flat, 0, row, from, how == "sum" ? "sum" : how))
          .reshape(x.shape()));
}

// A part of a cache replaced, for each element of the batch from a place of its own on.
Results import_tensor_scatter(Call& c) {
  const Tensor cache = c.tensor(0), update = c.tensor(1);
  const int64_t axis = c.axis(c.integer("axis", -2), cache.ndim());
  const std::string mode = c.word("mode", "linear");
  c.expects(axis > 0 && (mode == "linear" || mode == "circular"),
            "its axis is not the batch's, its mode linear or circular");
  std::vector<Extent> line(static_cast<size_t>(cache.ndim()), 1), batch = line;
  line[static_cast<size_t>(axis)] = update.size(axis), batch[0] = update.size(0);
  Tensor place = arange(0, update.size(axis)).reshape(line);
  if (c.has(2)) place = place + c.tensor(2).astype(i64).reshape(batch);
  if (mode == "circular") place = place % Operand(cache.size(axis));
  return one(scatter(cache, axis, broadcast_to(place, update.shape()), update));
}

namespace {

int64_t whole(Call& c, double x) {
  c.expects(x >= 0 && x < 1e15, "its depth is 0 or more");
  return static_cast<int64_t>(x);
}

}  // namespace

Results import_one_hot(Call& c) {
  const Tensor indices = c.tensor(0).astype(i64), values = c.tensor(2);
  const std::vector<Extent> depths =
      c.known(1) && !is_integer(c.dtype(1)) ? std::vector<Extent>{whole(c, c.numbers(1).at(0))} : c.extents(1);
  c.expects(depths.size() == 1, "its depth is one number");
  const int rank = indices.ndim() + 1;
  const int64_t axis = c.axis(c.integer("axis", -1), rank);
  std::vector<Extent> line(static_cast<size_t>(rank), 1), spread(indices.shape().begin(), indices.shape().end());
  line[static_cast<size_t>(axis)] = depths[0];
  spread.insert(spread.begin() + axis, Extent(1));
  const Tensor on = from_front(indices, depths[0]).reshape(spread) == arange(0, depths[0]).reshape(line);
  return one(where(on, select(values, 0, 1), select(values, 0, 0)));
}

// ---- results whose size the elements decide: these must be known

namespace {

// What is made of the elements: a number of bytes for each.
void makes_of_all(Call& c, double bytes) {
  if (c.known(0)) c.makes(bytes * static_cast<double>(c.in[0].tensor.numel()));
}

}  // namespace

Results import_non_zero(Call& c) {
  makes_of_all(c, 16 * (c.shape(0).rank() + 1));
  const std::vector<double> x = c.numbers(0);
  std::vector<int64_t> shape = c.shape(0);
  if (shape.empty()) shape = {1};
  std::vector<std::vector<int64_t>> places(shape.size());
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == 0) continue;
    auto rest = static_cast<int64_t>(i);
    for (size_t k = shape.size(); k-- > 0; rest /= shape[k]) places[k].push_back(rest % shape[k]);
  }
  std::vector<int64_t> flat;
  for (const auto& p : places) flat.insert(flat.end(), p.begin(), p.end());
  return one(copy_from(flat.data(), {static_cast<int64_t>(shape.size()), static_cast<int64_t>(places[0].size())}, i64));
}

Results import_compress(Call& c) {
  Tensor x = c.tensor(0);
  const std::vector<double> chosen = c.numbers(1);
  const bool flat = c.find("axis") == nullptr;
  if (flat) x = x.reshape({-1});
  const int64_t axis = flat ? 0 : c.axis(c.required("axis"), x.ndim());
  std::vector<int64_t> places;
  for (size_t i = 0; i < chosen.size(); ++i)
    if (chosen[i] != 0) places.push_back(static_cast<int64_t>(i));
  c.expects(places.empty() || !x.size(axis).is_number() || places.back() < x.size(axis).number(),
            "its condition is longer than the axis");
  return one(take(x, tenon::tensor(places), axis));
}

// Rows along an axis, or elements: each once, sorted or by where it stands first.
Results import_unique(Call& c) {
  Tensor x = c.tensor(0);
  makes_of_all(c, 256);
  std::vector<double> numbers = c.numbers(0);
  const bool flat = c.find("axis") == nullptr;
  std::vector<int64_t> shape = c.shape(0);
  if (flat) shape = {static_cast<int64_t>(numbers.size())}, x = x.reshape({-1});
  const auto axis = static_cast<size_t>(flat ? 0 : c.axis(c.required("axis"), x.ndim()));
  size_t inner = 1, outer = 1;
  for (size_t i = 0; i < shape.size(); ++i) (i < axis ? outer : inner) *= i == axis ? 1 : static_cast<size_t>(shape[i]);
  const auto count = static_cast<size_t>(shape[axis]);
  std::vector<std::vector<double>> rows(count);
  for (size_t i = 0; i < count; ++i)
    for (size_t o = 0; o < outer; ++o)
      for (size_t k = 0; k < inner; ++k) rows[i].push_back(numbers[(o * count + i) * inner + k]);
  std::map<std::vector<double>, int64_t> first;
  for (size_t i = 0; i < count; ++i) first.emplace(rows[i], static_cast<int64_t>(i));
  std::vector<int64_t> places;  // of what is given, in its order
  for (const auto& [row, place] : first) places.push_back(place);
  if (c.integer("sorted", 1) == 0) std::sort(places.begin(), places.end());
  std::map<int64_t, int64_t> number;
  for (size_t i = 0; i < places.size(); ++i) number[places[i]] = static_cast<int64_t>(i);
  std::vector<int64_t> inverse, counts(places.size(), 0);
  for (const auto& row : rows) {
    inverse.push_back(number.at(first.at(row)));
    ++counts[static_cast<size_t>(inverse.back())];
  }
  return {take(x, tenon::tensor(places), static_cast<int64_t>(axis)), tenon::tensor(places), tenon::tensor(inverse),
          tenon::tensor(counts)};
}

}  // namespace tenon::onnx
