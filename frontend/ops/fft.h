// Discrete Fourier transforms, torch.fft's names and meaning: X[k] = sum over t of x[t] e^(-2 pi i k t / n). Real and half operands enter as
// f32 or f64. Lengths are numbers, also in programs with free extents; every length is fast (fft_plan.h). Everything is differentiable,
// batched over the other axes, and compiled into the program. Errors name lengths below 1, axes out of range, an unknown norm.
#pragma once

#include <string>
#include <vector>

#include "tenon/frontend/ops/complex.h"

namespace tenon::fft {

// n: the axis is cut or padded with zeros at its end to that length; -1: as it is (of irfft 2 (extent - 1)). norm: "backward" divides the
// inverse by n, "forward" the transform, "ortho" both by its root.
struct Along {
  int64_t n = -1;
  int64_t axis = -1;
  std::string norm = "backward";
};
Tensor fft(Operand x, Along o = {});  // c64 or c128
Tensor ifft(Operand x, Along o = {});
Tensor rfft(Operand x,
            Along o = {});  // real -> the first n / 2 + 1 of its complex ones; the others are their conjugates
Tensor irfft(Operand x, Along o = {});  // back: n real numbers
// Of half of a signal whose spectrum is real, and back: the transform of x and the conjugates that x leaves out.
Tensor hfft(Operand x, Along o = {});
Tensor ihfft(Operand x, Along o = {});
Tensor fft(Operand x, int64_t n, int64_t axis = -1, const std::string& norm = "backward");
Tensor ifft(Operand x, int64_t n, int64_t axis = -1, const std::string& norm = "backward");
Tensor rfft(Operand x, int64_t n, int64_t axis = -1, const std::string& norm = "backward");
Tensor irfft(Operand x, int64_t n, int64_t axis = -1, const std::string& norm = "backward");
Tensor hfft(Operand x, int64_t n, int64_t axis = -1, const std::string& norm = "backward");
Tensor ihfft(Operand x, int64_t n, int64_t axis = -1, const std::string& norm = "backward");

// Over several axes, the last of them the real one of rfftn and irfftn. No axes: as many of the last as s has lengths, or all; s: their lengths.
struct Over {
  std::vector<int64_t> axes = {};
  std::vector<int64_t> s = {};
  std::string norm = "backward";
};
Tensor fftn(Operand x, Over o = {});
Tensor ifftn(Operand x, Over o = {});
Tensor rfftn(Operand x, Over o = {});
Tensor irfftn(Operand x, Over o = {});
// fftn(x, {0, 1}): the axes alone. Templates, so that {.s = ...} is no list of axes to anybody.
#define TENON_OVER_AXES(name)                                 \
  template <class T>                                          \
    requires std::is_integral_v<T>                            \
  Tensor name(Operand x, std::initializer_list<T> axes) {     \
    return name(x, Over{.axes = {axes.begin(), axes.end()}}); \
  }
TENON_OVER_AXES(fftn)
TENON_OVER_AXES(ifftn)
TENON_OVER_AXES(rfftn)
TENON_OVER_AXES(irfftn)
#undef TENON_OVER_AXES
Tensor fft2(Operand x, Over o = {.axes = {-2, -1}});
Tensor ifft2(Operand x, Over o = {.axes = {-2, -1}});
Tensor rfft2(Operand x, Over o = {.axes = {-2, -1}});
Tensor irfft2(Operand x, Over o = {.axes = {-2, -1}});

// Frequency 0 in the middle, and back; no axes: all.
Tensor fftshift(Operand x, const std::vector<int64_t>& axes = {});
Tensor ifftshift(Operand x, const std::vector<int64_t>& axes = {});
// 0, 1, ..., -2, -1, or 0 ... n / 2, over n times the distance of samples.
Tensor fftfreq(int64_t n, double d = 1, TensorOptions o = {}, const At& at = At::current());
Tensor rfftfreq(int64_t n, double d = 1, TensorOptions o = {}, const At& at = At::current());

// Spectra of overlapping pieces, torch.stft's and torch.istft's arguments. hop_length 0: n_fft / 4; win_length 0: n_fft; window: a real vector
// of win_length, ones when it is undefined, in the middle of a piece. center: piece t lies around sample t hop_length, the signal being
// padded by n_fft / 2 at either end as pad_mode says: "reflect", "constant" (zeros), "replicate" or "circular". normalized: by 1 / sqrt n_fft.
// onesided: of real signals n_fft / 2 + 1 frequencies; complex ones have all. Not return_complex: the parts along a last axis.
struct Stft {
  int64_t hop_length = 0, win_length = 0;
  Tensor window = {};
  bool center = true;
  std::string pad_mode = "reflect";
  bool normalized = false;
  bool onesided = true;
  bool return_complex = true;
};
Tensor stft(Operand x, int64_t n_fft, Stft o = {});  // [.., samples] -> [.., frequencies, pieces]
// Back, divided by what the windows add up to; where that is 0 the result is not finite. length: of the signal; -1: what the pieces cover.
// return_complex: of two-sided spectra the complex signal.
struct Istft {
  int64_t hop_length = 0, win_length = 0;
  Tensor window = {};
  bool center = true;
  bool normalized = false;
  bool onesided = true;
  int64_t length = -1;
  bool return_complex = false;
};
Tensor istft(Operand z, int64_t n_fft, Istft o = {});

}  // namespace tenon::fft

namespace tenon {
using fft::istft, fft::stft;
}  // namespace tenon
