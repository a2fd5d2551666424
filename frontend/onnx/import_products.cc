// Products of matrices, sums over named axes, and determinants.
#include "tenon/frontend/linalg/linalg.h"
#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {

Results import_mat_mul(Call& c) { return one(matmul(c.tensor(0), c.tensor(1)).astype(c.dtype(0))); }

// alpha a b + beta c
Results import_gemm(Call& c) {
  Tensor a = c.tensor(0), b = c.tensor(1);
  c.expects(a.ndim() == 2 && b.ndim() == 2, "its first two inputs are matrices");
  const DType dtype = a.dtype();
  const auto scaled = [&](const Tensor& x, double by) {
    if (by == 1) return x;
    return is_floating(dtype) ? x * by : (x.astype(f64) * by).astype(dtype);
  };
  if (c.integer("transA", 0) != 0) a = a.transpose();
  if (c.integer("transB", 0) != 0) b = b.transpose();
  Tensor y = scaled(matmul(a, b).astype(dtype), c.number("alpha", 1));
  if (c.has(2)) y = y + scaled(c.tensor(2), c.number("beta", 1));
  return one(y);
}

Results import_einsum(Call& c) {
  std::vector<Tensor> operands;
  for (size_t i = 0; i < c.in.size(); ++i) operands.push_back(c.tensor(i));
  return one(einsum(c.word("equation", ""), operands));
}

Results import_det(Call& c) { return one(linalg::det(c.tensor(0))); }

}  // namespace tenon::onnx
