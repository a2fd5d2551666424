// Eigen's matrices beside tensors. Not part of <tenon/tenon.h>: include <tenon/frontend/io/eigen.h>, with Eigen 3.3 or newer on the path.
//
//   Eigen::MatrixXf a = tn::to_eigen<float>(x).transpose();   // a map of x's memory, no copy
//   tn::Tensor y = tn::from_eigen(a * 2);                     // a copy, row-major
//
// A map borrows the tensor's memory: it is valid as long as the tensor, or another that shares its buffer, is there, and it is read-only.
// Tensors are row-major, and Eigen's matrices column-major unless told otherwise, so that from_eigen copies; a row-major matrix that is
// moved in is borrowed instead, and lives as long as the tensor.
#pragma once

#if __has_include(<Eigen/Core>)
#include <Eigen/Core>
#elif __has_include(<eigen3/Eigen/Core>)
#include <eigen3/Eigen/Core>
#else
#error "tenon/frontend/io/eigen.h needs Eigen 3: apt install libeigen3-dev, and -I/usr/include/eigen3"
#endif

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/blob.h"
#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

template <class T>
using EigenMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using EigenMap = Eigen::Map<const EigenMatrix<T>>;
template <class T>
using EigenVectorMap = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>;

namespace detail {

template <class T>
constexpr DType eigen_dtype() {
  if constexpr (std::is_same_v<T, Eigen::half>)
    return f16;
  else if constexpr (std::is_same_v<T, Eigen::bfloat16>)
    return bf16;
  else
    return Tensor::dtype_of<T>();
}

template <class T>
const T* eigen_data(const Tensor& x, int rank, const char* use, const At& at) {
  const void* const data = x.raw(at);
  if (x.ndim() != rank || x.dtype() != eigen_dtype<T>())
    throw Error(std::string(use) + ": the tensor has " + std::to_string(x.ndim()) + " axes and dtype " +
                    std::string(name(x.dtype())) + ", and the map " + std::to_string(rank) + " and " +
                    std::string(name(eigen_dtype<T>())),
                place(at));
  return static_cast<const T*>(data);
}

template <class D>
std::vector<int64_t> eigen_shape(const D& m) {
  if constexpr (D::IsVectorAtCompileTime)
    return {static_cast<int64_t>(m.size())};
  else
    return {static_cast<int64_t>(m.rows()), static_cast<int64_t>(m.cols())};
}

}  // namespace detail

// A read-only map of a matrix, or of a vector, that lies on the CPU. T is the tensor's element type: bool, an integer, float, double,
// std::complex of these, Eigen::half, Eigen::bfloat16. Error for another dtype or rank.
template <class T>
EigenMap<T> to_eigen(const Tensor& x, const At& at = At::current()) {
  const T* const data = detail::eigen_data<T>(x, 2, "to_eigen", at);
  return EigenMap<T>(data, static_cast<Eigen::Index>(int64_t{x.size(0)}),
                     static_cast<Eigen::Index>(int64_t{x.size(1)}));
}
template <class T>
EigenVectorMap<T> to_eigen_vector(const Tensor& x, const At& at = At::current()) {
  const T* const data = detail::eigen_data<T>(x, 1, "to_eigen_vector", at);
  return EigenVectorMap<T>(data, static_cast<Eigen::Index>(int64_t{x.size(0)}));
}

// The values of a matrix or expression, [rows, cols], or [size] of what is a vector when compiled.
template <class D>
Tensor from_eigen(const Eigen::DenseBase<D>& m, const At& at = At::current()) {
  using T = typename D::Scalar;
  constexpr int columns = D::ColsAtCompileTime, rows = D::RowsAtCompileTime;
  constexpr int order = columns == 1 && rows != 1 ? Eigen::ColMajor : Eigen::RowMajor;
  const Eigen::Matrix<T, rows, columns, order> dense = m.derived();
  return copy_from(dense.data(), detail::eigen_shape(dense), detail::eigen_dtype<T>(), false, at);
}
// Of a matrix that is moved in: it is borrowed where it lies row-major, and lives as long as the tensor needs it.
template <class T, int rows, int columns, int order, int most_rows, int most_columns>
Tensor from_eigen(Eigen::Matrix<T, rows, columns, order, most_rows, most_columns>&& m, const At& at = At::current()) {
  using M = Eigen::Matrix<T, rows, columns, order, most_rows, most_columns>;
  const auto owner = std::make_shared<M>(std::move(m));
  const std::vector<int64_t> shape = detail::eigen_shape(*owner);
  BlobOptions o{.owner = owner};
  if (shape.size() == 2 && !M::IsRowMajor) o.strides = {1, shape[0]};
  return from_blob(owner->data(), shape, detail::eigen_dtype<T>(), o, at);
}

}  // namespace tenon
