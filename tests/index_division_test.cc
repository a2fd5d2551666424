// Indices that are taken apart in vector loops: the same bits with extents that are numbers, where one scalar division serves all
// lanes, and with free ones, where each lane divides.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

namespace tenon {
namespace {

Tensor numbers(int64_t n) { return arange(n).astype(f64) * 0.5 + 1.0; }

// Element r * d + c is rows[r] * columns[c] + 1: the flat index is divided, and its rest taken.
Tensor taken_apart(const Tensor& rows, const Tensor& columns) {
  const int64_t n = rows.shape()[0], d = columns.shape()[0];
  const Tensor flat = (rows.reshape({n, 1}) * columns.reshape({1, d})).reshape({n * d});
  return pad(flat, {{3, 2}}) + 1.0;
}

// A transpose that is read by the number of its elements.
Tensor turned(const Tensor& x) { return concat({x.transpose().reshape({-1}), x[0]}, 0) * 2.0; }

TEST(IndexDivision, ByEveryNumberThatLanesMeet) {
  for (int64_t d = 1; d <= 70; ++d) {
    SCOPED_TRACE(d);
    const int64_t n = 5 + 300 / d;
    const Tensor rows = numbers(n), columns = numbers(d);
    const std::vector<double> fused = jit(taken_apart)(rows, columns).to_vector<double>();
    ASSERT_EQ(fused.size(), static_cast<size_t>(n * d + 5));
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c < d; ++c)
        ASSERT_EQ(fused[static_cast<size_t>(3 + r * d + c)],
                  (1 + 0.5 * static_cast<double>(r)) * (1 + 0.5 * static_cast<double>(c)) + 1);
    const Tensor x = numbers(n * d).reshape({d, n});
    const std::vector<double> moved = jit(turned)(x).to_vector<double>();
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c < d; ++c)
        ASSERT_EQ(moved[static_cast<size_t>(r * d + c)], 2 * (1 + 0.5 * static_cast<double>(c * n + r)));
    EXPECT_EQ(moved, turned(x).to_vector<double>());
  }
}

// What a caller divides is data: negative numbers, and those beyond every extent, truncate as documented.
TEST(IndexDivision, OfWhatIsNoIndexTruncates) {
  const auto f = [](const Tensor& start) { return concat({(start + arange(100)) / 7, (start + arange(100)) % 7}, 0); };
  const auto fixed = [](int64_t start) {
    return jit([start](const Tensor& none) {
      return concat({(arange(100) + start) / 7 + none, (arange(100) + start) % 7 + none}, 0);
    });
  };
  for (int64_t start : {int64_t{-50}, int64_t{0}, int64_t{13}, INT64_MAX - 40}) {
    const std::vector<int64_t> eager = f(full({}, start)).to_vector<int64_t>();
    EXPECT_EQ(fixed(start)(full({}, int64_t{0})).to_vector<int64_t>(), eager) << start;
    for (size_t k = 0; k < 100; ++k) {
      const auto value = static_cast<int64_t>(static_cast<uint64_t>(start) + k);
      EXPECT_EQ(eager[k], value / 7);
      EXPECT_EQ(eager[100 + k], value % 7);
    }
  }
}

}  // namespace
}  // namespace tenon
