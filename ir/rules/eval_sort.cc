// Reference meaning of order: sort is stable with NaN last.
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
