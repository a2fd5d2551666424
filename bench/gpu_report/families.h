// Every family of kernels as formulas over inputs that lie on the CPU. Refuses to know devices.
#pragma once

#include "tenon/bench/gpu_report/measure.h"

namespace tenon::gpu_report {

struct Family {
  std::string name;
  Formula formula;
  Tensors inputs;
  // Of the largest element: what tensor cores may deviate, which multiply halves in an order of their own; else bits are compared.
  double bound = 0;
};
std::vector<Family> map_families(bool quick);  // maps, movement, transposes
std::vector<Family> reduction_families(bool quick);  // rows, columns, norms, losses with gradients
std::vector<Family> other_families(bool quick);  // contractions, order, indices, random numbers, control flow

// Inputs, drawn on the CPU.
inline Tensor some(uint64_t seed, const std::vector<int64_t>& shape, DType dtype = f32) {
  const Tensor x = normal(key(seed), Shape::from(shape)).to(cpu());
  if (is_floating(dtype)) return x.astype(dtype);
  return (x * 100).astype(dtype);
}
inline Tensor integers(uint64_t seed, const std::vector<int64_t>& shape, int64_t below) {
  return (random_bits(key(seed), Shape::from(shape)).to(cpu()) % below).astype(i64);
}

}  // namespace tenon::gpu_report
