// Reference meaning of contractions: for each result element one chain of fused multiply-adds from +0, ascending over the
// contracted elements, in segments that join pairwise. Halves accumulate in f32 and round at the end; integers wrap.
#include <algorithm>

#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_chain.h"
#include "tenon/ir/rules/eval_index.h"

namespace tenon::ir::rules {
namespace {

// Offsets of the elements that the named axes run over, in row-major order of those axes.
Indices offsets(const Shape& shape, const Indices& axes) {
  const Indices sizes = extents(shape), step = strides(sizes);
  Indices chosen, chosen_step, result;
  for (int64_t axis : axes) {
    chosen.push_back(sizes[axis]);
    chosen_step.push_back(step[axis]);
  }
  for (Odometer o(chosen); !o.done(); o.next()) result.push_back(dot(o.index, chosen_step));
  return result;
}

Indices other_axes(const Shape& shape, const Indices& a, const Indices& b) {
  Indices result;
  for (int64_t i = 0; i < shape.rank(); ++i)
    if (std::find(a.begin(), a.end(), i) == a.end() && std::find(b.begin(), b.end(), i) == b.end()) result.push_back(i);
  return result;
}

}  // namespace

std::vector<Array> eval_dot(const EvalArgs& args) {
  const Array &lhs = *args.operands[0], &rhs = *args.operands[1];
  const DotGeneral d(args.attrs);
  const Indices left_batch = offsets(lhs.type.shape, d.lhs_batch), right_batch = offsets(rhs.type.shape, d.rhs_batch);
  const Indices left_k = offsets(lhs.type.shape, d.lhs_contract), right_k = offsets(rhs.type.shape, d.rhs_contract);
  const Indices rows = offsets(lhs.type.shape, other_axes(lhs.type.shape, d.lhs_batch, d.lhs_contract));
  const Indices columns = offsets(rhs.type.shape, other_axes(rhs.type.shape, d.rhs_batch, d.rhs_contract));
  Array result(args.results[0]);
  if (result.numel() == 0) return one_result(std::move(result));
  visit(lhs.type.dtype, [&](auto sample) {
    using T = decltype(sample);
    if constexpr (!std::is_same_v<T, Bool8>) {
      const T *a = lhs.as<T>(), *b = rhs.as<T>();
      T* out = result.as<T>();
      for (size_t batch = 0; batch < left_batch.size(); ++batch)
        for (int64_t row : rows)
          for (int64_t column : columns) {
            const T* x = a + left_batch[batch] + row;
            const T* y = b + right_batch[batch] + column;
            *out++ = narrow<T>(chain<T>(
                static_cast<int64_t>(left_k.size()),
                [&](int64_t k) { return widen(x[left_k[static_cast<size_t>(k)]]); },
                [&](int64_t k) { return widen(y[right_k[static_cast<size_t>(k)]]); }));
          }
    }
  });
  return one_result(std::move(result));
}

// x[n, spatial..., c], kernel[spatial..., c / groups, o]. A tap that falls on padding, or between the elements of a dilated
// input, is skipped: it adds nothing, not even a zero.
std::vector<Array> eval_convolution(const EvalArgs& args) {
  const Array &x = *args.operands[0], &kernel = *args.operands[1];
  const Convolution conv(args.attrs);
  const Indices sizes = extents(x.type.shape), taps = extents(kernel.type.shape);
  const Indices x_step = strides(sizes), kernel_step = strides(taps);
  const size_t spatial = conv.strides.size();
  const int64_t channels = taps[spatial], features = taps[spatial + 1];
  Array result(args.results[0]);
  const Indices window(taps.begin(), taps.begin() + static_cast<std::ptrdiff_t>(spatial));
  visit(x.type.dtype, [&](auto sample) {
    using T = decltype(sample);
    if constexpr (is_float_type<T>) {
      int64_t at = 0;
      for (Odometer o(extents(result.type.shape)); !o.done(); o.next(), ++at) {
        const int64_t feature = o.index.back(), group = feature / (features / conv.groups);
        Wide<T> sum{};
        for (Odometer tap(window); !tap.done(); tap.next()) {
          int64_t source = o.index[0] * x_step[0], weight = feature;
          bool inside = true;
          for (size_t d = 0; d < spatial; ++d) {
            const int64_t place = o.index[d + 1] * conv.strides[d] + tap.index[d] * conv.rhs_dilation[d] - conv.low[d];
            const int64_t dilation = conv.lhs_dilation[d];
            inside = inside && place >= 0 && place % dilation == 0 && place / dilation < sizes[d + 1];
            source += place / dilation * x_step[d + 1];
            weight += tap.index[d] * kernel_step[d];
          }
          for (int64_t c = 0; inside && c < channels; ++c)
            sum = multiply_add<T>(widen(x.as<T>()[source + group * channels + c]),
                                  widen(kernel.as<T>()[weight + c * features]), sum);
        }
        result.as<T>()[at] = narrow<T>(sum);
      }
    }
  });
  return one_result(std::move(result));
}

}  // namespace tenon::ir::rules
