// Eigen's matrices as tensors and back: layouts, element types, owners. Skipped where Eigen is not installed: apt install libeigen3-dev.
#include <gtest/gtest.h>

#if __has_include(<Eigen/Core>) || __has_include(<eigen3/Eigen/Core>)
#include <tenon/tenon.h>

#include <complex>

#include "tenon/frontend/io/eigen.h"
#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

TEST(Eigen, MapsAreTheTensorsMemory) {
  const Tensor x = arange(6.0).reshape({2, 3});
  const EigenMap<float> m = to_eigen<float>(x);
  EXPECT_EQ(m.data(), x.raw());
  EXPECT_EQ(m.rows(), 2);
  EXPECT_EQ(m(1, 0), 3);
  const Eigen::MatrixXf gram = m * m.transpose();
  EXPECT_EQ(from_eigen(gram).to_vector(), matmul(x, x.T()).to_vector());
  const Tensor v = arange(3.0);
  EXPECT_EQ(to_eigen_vector<float>(v).sum(), 3);
  EXPECT_EQ(to_eigen_vector<float>(v).data(), v.raw());
  EXPECT_HAS(message_of([&] { to_eigen<double>(x); }), "dtype f32, and the map 2 and f64");
  EXPECT_HAS(message_of([&] { to_eigen<float>(v); }), "eigen_test.cc");
  EXPECT_HAS(message_of([&] { to_eigen_vector<float>(x); }), "2 axes");
}

TEST(Eigen, MatricesExpressionsAndVectorsAreCopied) {
  Eigen::MatrixXd m(2, 3);
  m << 1, 2, 3, 4, 5, 6;
  const Tensor t = from_eigen(m);
  EXPECT_EQ(t.dtype(), f64);
  EXPECT_EQ(t.shape(), Shape({2, 3}));
  EXPECT_EQ(t.to_vector<double>(), (std::vector<double>{1, 2, 3, 4, 5, 6}));
  m(0, 0) = 9;
  EXPECT_EQ(t.to_vector<double>()[0], 1);
  EXPECT_EQ(from_eigen(m.transpose()).to_vector(), (std::vector<float>{9, 4, 2, 5, 3, 6}));
  EXPECT_EQ(from_eigen(m.block(0, 1, 2, 2)).to_vector(), (std::vector<float>{2, 3, 5, 6}));
  EXPECT_EQ(from_eigen(m.row(1)).shape(), Shape({3}));
  EXPECT_EQ(from_eigen(Eigen::Vector3f(1, 2, 3)).shape(), Shape({3}));
  EXPECT_EQ(from_eigen(Eigen::RowVector2i(1, 2)).dtype(), i32);
  EXPECT_EQ(from_eigen((m.array() > 4).eval()).dtype(), boolean);
  EXPECT_EQ(from_eigen(Eigen::Matrix<std::complex<float>, 1, 1>(std::complex<float>(1, 2))).item<std::complex<float>>(),
            (std::complex<float>{1, 2}));
  EXPECT_EQ(from_eigen(Eigen::Matrix<Eigen::bfloat16, 2, 1>(Eigen::bfloat16(1), Eigen::bfloat16(2))).dtype(), bf16);
  EXPECT_EQ(static_cast<float>(to_eigen<Eigen::half>(ones({1, 1}).astype(f16))(0, 0)), 1);
  EXPECT_EQ(from_eigen(Eigen::MatrixXf(0, 3)).shape(), Shape({0, 3}));
}

TEST(Eigen, ARowMajorMatrixThatIsMovedInIsBorrowed) {
  EigenMatrix<float> m = EigenMatrix<float>::Constant(4, 5, 2.f);
  const float* const data = m.data();
  Tensor t = from_eigen(std::move(m));
  EXPECT_EQ(t.raw(), data);
  const Tensor shared = t.reshape({-1});
  t = Tensor();
  EXPECT_EQ(sum(shared).item(), 40);
  Eigen::MatrixXf column_major(2, 2);
  column_major << 1, 2, 3, 4;
  EXPECT_EQ(from_eigen(std::move(column_major)).to_vector(), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(from_eigen(Eigen::VectorXd(Eigen::VectorXd::Constant(3, 1.5))).to_vector(),
            (std::vector<float>{1.5, 1.5, 1.5}));
}

}  // namespace
}  // namespace tenon::testing
#else
TEST(Eigen, IsNotInstalled) { GTEST_SKIP() << "apt install libeigen3-dev"; }
#endif
