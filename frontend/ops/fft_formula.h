// Discrete Fourier transforms as graph algebra over real and imaginary planes: stages that fuse into one kernel each.
//
// The stages are Stockham's (Cochran et al., "What is the fast Fourier transform?", 1967), decimated in time: t[k, q] is element k of the
// transform of length L over every s-th number from q on, s L = n. A stage of radix r takes t[k, q + s' j], s = r s', times the roots
// w^(j k) of order r L, and writes r runs one behind the other: element k + L c is sum over j of the roots of order r, w^(j c).
#pragma once

#include <functional>

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/fft_plan.h"

namespace tenon::formula {

// What is transformed: complex numbers into complex ones, or real ones into the half of their spectrum that says all, or back.
enum class FftKind : int64_t { complex, from_real, to_real };

// The transform of x[outer, n, inner] along its middle axis times scale, all complex. table: of the plan; none where it is empty.
Value transformed(Value x, Value table, const fft::Plan& plan, bool inverse, double scale);
// The same of n real numbers into n / 2 + 1 complex ones, and back: table with `halves` where n is even.
Value transformed_real(Value x, Value table, const fft::Plan& plan, int64_t n, double scale);
Value transformed_back(Value x, Value table, const fft::Plan& plan, int64_t n, double scale);

// The same along axes in turn: in the order in which the axis of real numbers, the last listed, comes first on the way there and last on
// the way back. A length cuts its axis, or pads it with zeros. table_for gives the table of a plan, asked in the order of the axes.
struct FftOver {
  FftKind kind;
  bool inverse;
  std::vector<int64_t> axes, lengths;
  double scale;
};
using TableFor = std::function<Value(const fft::Plan& plan, bool halves)>;
Value transformed_over(Value x, const FftOver& to, const TableFor& table_for);

// The discrete Fourier transform of a few numbers, written out.
std::vector<Parts> butterfly(const std::vector<Parts>& x);

}  // namespace tenon::formula
