// Reference meaning of indexing and order: gather clamps, scatter drops and adds in ascending order, sort is stable with NaN
// last.
#include <algorithm>
#include <numeric>

#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/reference/lanes_visit.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_index.h"

namespace tenon::ir::rules {
namespace {

// x as [outer, extent, inner] around an axis.
struct Along {
  int64_t outer = 1, extent = 1, inner = 1;
  Along(const Shape& shape, size_t axis) {
    for (size_t i = 0; i < shape.size(); ++i) (i < axis ? outer : i == axis ? extent : inner) *= shape[i].number();
  }
};

}  // namespace

// An empty axis has nothing to clamp to: its result is zero.
std::vector<Array> eval_gather(const EvalArgs& args) {
  const Array &x = *args.operands[0], &indices = *args.operands[1];
  const Along along(x.type.shape, Gather(args.attrs).axis);
  Array result(args.results[0]);
  if (along.extent == 0) return one_result(std::move(result));
  int64_t at = 0;
  for (int64_t o = 0; o < along.outer; ++o)
    for (int64_t i = 0; i < indices.numel(); ++i) {
      const int64_t row = std::clamp<int64_t>(indices.as<int64_t>()[i], 0, along.extent - 1);
      for (int64_t j = 0; j < along.inner; ++j)
        copy_element(result, at++, x, (o * along.extent + row) * along.inner + j);
    }
  return one_result(std::move(result));
}

// Each update is an add of its own, so halves round after every one.
std::vector<Array> eval_scatter_add(const EvalArgs& args) {
  Array result = *args.operands[0];
  const Array &indices = *args.operands[1], &updates = *args.operands[2];
  const Along along(result.type.shape, ScatterAdd(args.attrs).axis);
  const DType type = result.type.dtype;
  const int64_t size = bytes(type), count = indices.numel();
  for (int64_t o = 0; o < along.outer; ++o)
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = indices.as<int64_t>()[i];
      if (row < 0 || row >= along.extent || along.inner == 0) continue;
      unsigned char* target = result.data.data() + (o * along.extent + row) * along.inner * size;
      const unsigned char* update = updates.data.data() + (o * count + i) * along.inner * size;
      add(Lanes::from(type, target, along.inner), Lanes::from(type, update, along.inner)).copy_to(target);
    }
  return one_result(std::move(result));
}

std::vector<Array> eval_sort(const EvalArgs& args) {
  const Array& keys = *args.operands[0];
  const Along along(keys.type.shape, Sort(args.attrs).axis);
  std::vector<Array> results;
  for (const Type& type : args.results) results.emplace_back(type);
  visit(keys.type.dtype, [&](auto sample) {
    using T = decltype(sample);
    const T* key = keys.as<T>();
    for (int64_t r = 0; r < along.outer * along.inner; ++r) {
      const int64_t base = r / along.inner * along.extent * along.inner + r % along.inner;
      const auto place = [&](int64_t i) { return base + i * along.inner; };
      Indices order(static_cast<size_t>(along.extent));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
        const auto x = widen(key[place(i)]), y = widen(key[place(j)]);
        return x < y || (x == x && y != y);
      });
      for (int64_t i = 0; i < along.extent; ++i)
        for (size_t operand = 0; operand < results.size(); ++operand)
          copy_element(results[operand], place(i), *args.operands[operand], place(order[i]));
    }
  });
  return results;
}

}  // namespace tenon::ir::rules
