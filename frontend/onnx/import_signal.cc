// Windows of samples, and Fourier transforms, whose complex numbers are pairs along a last axis.
#include <cmath>
#include <numbers>

#include "tenon/frontend/onnx/families.h"
#include "tenon/frontend/ops/fft.h"

namespace tenon::onnx {
namespace {

// a0 - a1 cos(2 pi i / n) + a2 cos(4 pi i / n)
Results cosine_window(Call& c, double a0, double a1, double a2) {
  const int64_t size = c.integer(0);
  c.expects(size >= 0 && size < (int64_t{1} << 22), "its size is 0 or more, and below 2^22");
  c.makes(32 * static_cast<double>(size));
  const double n = c.integer("periodic", 1) != 0 ? static_cast<double>(size) : static_cast<double>(size - 1);
  std::vector<double> list;
  list.reserve(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / n;
    list.push_back(size == 1 ? 1 : a0 - a1 * std::cos(angle) + a2 * std::cos(2 * angle));
  }
  return one(tenon::tensor(list).astype(dtype_attribute(c, "output_datatype", f32)));
}

}  // namespace

Results import_hann_window(Call& c) { return cosine_window(c, 0.5, 0.5, 0); }
Results import_hamming_window(Call& c) { return cosine_window(c, 25.0 / 46, 21.0 / 46, 0); }
Results import_blackman_window(Call& c) { return cosine_window(c, 0.42, 0.5, 0.08); }

// Triangles between neighbouring frequencies that are evenly spaced on the mel scale.
Results import_mel_weight_matrix(Call& c) {
  const int64_t bins = c.integer(0), length = c.integer(1), rate = c.integer(2);
  const double low = c.numbers(3).at(0), high = c.numbers(4).at(0);
  c.expects(bins >= 1 && bins < 65536 && length >= 1 && length < (1 << 24) && rate >= 1, "its sizes are positive");
  c.expects(low >= 0 && low < high && high <= 1e15, "its frequencies are numbers, 0 or more, the lower one first");
  const int64_t rows = length / 2 + 1;
  c.expects(rows * bins < (int64_t{1} << 24), "its matrix is too large");
  c.makes(16 * static_cast<double>(rows * bins));
  const auto to_mel = [](double hz) { return 2595 * std::log10(1 + hz / 700); };
  const double from = to_mel(low), step = (to_mel(high) - from) / static_cast<double>(bins + 2);
  std::vector<int64_t> places;
  for (int64_t i = 0; i < bins + 2; ++i) {
    const double hz = 700 * (std::pow(10, (static_cast<double>(i) * step + from) / 2595) - 1);
    places.push_back(
        static_cast<int64_t>(std::floor(static_cast<double>(length + 1) * hz / static_cast<double>(rate))));
  }
  std::vector<double> matrix(static_cast<size_t>(rows * bins), 0);
  for (int64_t i = 0; i < bins; ++i) {
    const auto k = static_cast<size_t>(i);
    const int64_t left = places[k], middle = places[k + 1], right = places[k + 2];
    const auto set = [&](int64_t row, double v) {
      c.expects(row >= 0 && row < rows, "its frequencies lie above half the rate");
      matrix[static_cast<size_t>(row * bins + i)] = v;
    };
    if (middle == left) set(middle, 1);
    for (int64_t j = left; j <= middle && middle != left; ++j)
      set(j, static_cast<double>(j - left) / static_cast<double>(middle - left));
    for (int64_t j = middle; j < right; ++j)
      set(j, static_cast<double>(right - j) / static_cast<double>(right - middle));
  }
  return one(tenon::tensor(matrix).reshape({rows, bins}).astype(dtype_attribute(c, "output_datatype", f32)));
}

namespace {

// A transform has tables of roots; those of a length with a large prime factor are several times as long.
void makes_tables(Call& c, Extent length) {
  if (length.is_number()) c.makes(64 * static_cast<double>(length.number()));
}

// [.., 1] and [.., 2] to numbers.
Tensor signal_of(Call& c, const Tensor& x) {
  const Extent last = x.size(-1);
  c.expects(last == Extent(1) || last == Extent(2),
            "its last axis holds a real number, or both parts of a complex one");
  return last == Extent(1) ? squeeze(x, -1) : view_as_complex(x);
}

}  // namespace

// The axis became an operand in opset 20.
Results import_dft(Call& c) {
  const Tensor x = c.tensor(0), signal = signal_of(c, x);
  const bool one_sided = c.integer("onesided", 0) != 0, inverse = c.integer("inverse", 0) != 0;
  const int64_t axis = c.axis(c.opset >= 20 ? c.has(2) ? c.integer(2) : -2 : c.integer("axis", 1), x.ndim());
  c.expects(axis < x.ndim() - 1, "it does not transform the axis of the parts");
  const int64_t n = c.has(1) ? c.integer(1) : -1;
  c.expects(n < (int64_t{1} << 24), "its length is below 2^24");
  makes_tables(c, n >= 0 ? Extent(n) : x.size(axis));
  const fft::Along along{.n = n, .axis = axis};
  if (one_sided && inverse) return one(unsqueeze(fft::irfft(signal, along), -1));
  if (one_sided) {
    c.expects(!is_complex(signal.dtype()), "one-sided transforms are those of real signals");
    return one(view_as_real(fft::rfft(signal, along)));
  }
  return one(view_as_real(inverse ? fft::ifft(signal, along) : fft::fft(signal, along)));
}

Results import_stft(Call& c) {
  Tensor x = c.tensor(0);
  if (x.ndim() == 2) x = unsqueeze(x, -1);
  c.expects(x.ndim() == 3, "its signal is [batch, samples, 1 or 2]");
  const Tensor signal = signal_of(c, x);
  const int64_t step = c.integer(1);
  const Tensor window = c.tensor_or(2, {});
  c.expects(window.defined() || c.has(3), "it has a window or a frame's length");
  const int64_t length = c.has(3) ? c.integer(3) : static_cast<int64_t>(window.size(0));
  c.expects(step >= 1 && length >= 1, "steps and frames have one sample or more");
  makes_tables(c, length);
  Tensor frames = unfold(signal, 1, length, step);  // [batch, frames, length]
  if (window.defined()) {
    c.expects(window.ndim() == 1 && window.shape()[0] == length, "its window is as long as a frame");
    frames = frames * window;
  }
  const bool one_sided = c.integer("onesided", 1) != 0 && !is_complex(signal.dtype());
  return one(view_as_real(one_sided ? fft::rfft(frames) : fft::fft(frames)));
}

}  // namespace tenon::onnx
