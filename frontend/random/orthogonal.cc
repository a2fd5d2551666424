// orthogonal: matrices by Haar's measure.
#include "tenon/frontend/linalg/linalg.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/random/random.h"
#include "tenon/ir/base/door.h"

namespace tenon::random {

Tensor orthogonal(const Tensor& key, int64_t n, const Extents& shape, Draw d, const At& from) try {
  const Location at = place(from);
  if (n < 0) throw Error("orthogonal: a matrix has 0 rows or more, not " + std::to_string(n), at);
  const DType dtype = d.dtype.value_or(default_dtype());
  if (!is_floating(dtype)) throw Error("orthogonal: the dtype is a floating one, not " + std::string(name(dtype)), at);
  Shape whole = shape.checked("orthogonal", dtype, at);
  whole.push_back(Dim(n)), whole.push_back(Dim(n));
  const DType computed = is_half(dtype) ? f32 : dtype;
  const Tensor z = normal(key, Extents(whole), tenon::Draw{.dtype = computed}, from);
  const linalg::Qr f = linalg::qr(Operand(z, at));
  const Tensor diagonal = linalg::diagonal(Operand(f.r, at));
  const Tensor signs = where(Operand(diagonal < 0, at), Operand(-1, at), Operand(1, at));
  return (f.q * unsqueeze(Operand(signs, at), -2)).astype(dtype, from);
} catch (...) {
  leave_with_error("orthogonal", place(from));
}

}  // namespace tenon::random
