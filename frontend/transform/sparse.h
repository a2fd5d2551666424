// Sparse derivatives: sparse_jacobian and sparse_hessian give a matrix in compressed rows. Which elements it has follows from the
// program alone, is found once for its shapes, and says how few products with it are enough. Refuses a function that gives no
// vector (a Hessian's: no scalar), and extents that are free.
#pragma once

#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>

#include "tenon/frontend/transform/record.h"

namespace tenon {

// Row r holds values[row_offsets[r]] ... values[row_offsets[r + 1] - 1], in the columns of the same numbers, ascending.
struct Csr {
  Tensor row_offsets, columns;  // i64
  Tensor values;
  int64_t rows = 0, cols = 0;
};

namespace detail {

enum class Sparse : uint8_t { jacobian, hessian };
struct SparsePrograms;  // by program and shapes
std::shared_ptr<SparsePrograms> make_sparse_programs();
Csr run_sparse(Sparse what, SparsePrograms& programs, const Program& p, const std::vector<Tensor>& inputs,
               const Location& at);

template <Sparse What, class F>
class SparseDerivative {
 public:
  SparseDerivative(F function, const Location& place)
      : f_(std::move(function)), made_(place), programs_(make_sparse_programs()) {}

  template <class... A>
  Csr operator()(const Tensor& x, const A&... constants) const {
    constexpr const char* name = What == Sparse::jacobian ? "sparse_jacobian" : "sparse_hessian";
    return guarded(name, made_, [&] {
      const auto traced = recorded(name, f_, std::tuple<Tensor, A...>(x, constants...), made_);
      return run_sparse(What, *programs_, *traced.program, traced.inputs, made_);
    });
  }

 private:
  F f_;
  Location made_;
  std::shared_ptr<SparsePrograms> programs_;  // copies share them
};

}  // namespace detail

// The Jacobian of f, which gives a vector, by its first argument, a tensor whose elements count row-major; the others are constants.
// The elements stored are those that may differ from zero for some x; that of tensors of integers which are known when f is
// traced, so of captured ones, the values count, makes gathers and scatters sparse.
template <class F>
auto sparse_jacobian(F f, const At& at = At::current()) {
  return detail::SparseDerivative<detail::Sparse::jacobian, F>(std::move(f), place(at));
}
// The same for the second derivatives of f, which gives a scalar. Both triangles are stored.
template <class F>
auto sparse_hessian(F f, const At& at = At::current()) {
  return detail::SparseDerivative<detail::Sparse::hessian, F>(std::move(f), place(at));
}

}  // namespace tenon
