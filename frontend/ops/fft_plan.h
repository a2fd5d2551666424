// How a discrete Fourier transform of a length is computed, and the roots of unity that it reads. Lengths whose prime factors are at most
// 13 go through mixed-radix stages; others through a convolution with a chirp (Bluestein 1970), of a length that does.
// Refuses graphs: frontend/ops/fft_formula.h builds them.
#pragma once

#include <cstdint>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon::fft {

inline constexpr int64_t longest = int64_t{1} << 40;

struct Plan {
  int64_t length = 1;
  std::vector<int64_t> radices;  // of the stages in turn; their product is the length
  // By a chirp: the length of the convolution, a product of the radices instead; 0 where the stages do the transform itself.
  int64_t convolution = 0;

  int64_t staged() const { return convolution != 0 ? convolution : length; }
};
Plan plan_of(int64_t length);
// Of n numbers, real ones or not: an even number of real ones are complex ones of half the length, and a few roots join the halves.
inline bool in_halves(int64_t n, bool real) { return real && n % 2 == 0; }
Plan plan_for(int64_t n, bool real);
bool has_table(int64_t n, bool real);

// Where things stand in a table, in elements: for each stage but the first, for each of its operands but the first, the real parts of L
// roots, then the imaginary ones; before them, with a chirp, the chirp [2, n] and its spectrum [2, m]; behind them, of a transform of
// real numbers of even length 2 n, the roots [2, n + 1] that join its halves.
int64_t stages_size(const Plan& plan);
int64_t table_size(const Plan& plan, bool halves);

// The table of a plan as a tensor, kept for the next time. halves: of a transform of twice as many real numbers.
Tensor table_of(const Plan& plan, bool halves, DType part);

}  // namespace tenon::fft
