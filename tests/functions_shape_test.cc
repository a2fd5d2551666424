// Functions of shapes: the battery of every function (tests/function_case.h), and values: against what NumPy and PyTorch print, or
// against the same taken element by element.
#include <gtest/gtest.h>

#include <cmath>

#include "tenon/tests/function_case.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::booleans;
using tenon::testing::check_functions;
using tenon::testing::Drawn;
using tenon::testing::integers;
using tenon::testing::message_of;
using tn::Tensor;

namespace {

using Doubles = std::vector<double>;
using Integers = std::vector<int64_t>;
Doubles numbers(const Tensor& t) { return t.to_vector<double>(); }
Integers whole(const Tensor& t) { return t.to_vector<int64_t>(); }
Tensor counting(const tn::Shape& shape) { return tn::arange(0, shape.numel()).reshape(shape); }

const std::vector<Drawn> matrix = {{{3, 5}}}, block = {{{2, 3, 4}}};
const std::vector<std::vector<Drawn>> others = {{{{4, 1}}}, {{{0, 2}}}, {integers({3, 2}, -3, 4)}};

TEST(ShapeFunctions, AxesBattery) {
  check_functions({
      {"flatten", TENON_CALL(tn::flatten(x[0])), matrix, {{{{}}}, {{{0, 2}}}}, 2, true, true, true, 0},
      {"flatten", TENON_CALL(tn::flatten(x[0], 1, -1)), block, {}, 2, true, true, true, 0},
      {"ravel", TENON_CALL(tn::ravel(x[0])), matrix, {}, 2, true, true, true, 0},
      {"unflatten", TENON_CALL(tn::unflatten(x[0], 1, {2, -1})), {{{3, 4}}}, {}, 2, true, true, true, 0},
      {"squeeze", TENON_CALL(tn::squeeze(x[0])), {{{1, 3, 1}}}, {}, 2, true, true, false, 0},
      {"squeeze", TENON_CALL(tn::squeeze(x[0], {0, 2})), {{{1, 3, 1}}}, {}, 2, true, true, true, 0},
      {"unsqueeze", TENON_CALL(tn::unsqueeze(x[0], -1)), matrix, {}, 2, true, true, true, 0},
      {"swapaxes", TENON_CALL(tn::swapaxes(x[0], 0, 2)), block},
      {"movedim", TENON_CALL(tn::movedim(x[0], {0, 2}, {1, 0})), block},
      {"moveaxis", TENON_CALL(tn::moveaxis(x[0], 0, -1)), block},
      {"permute", TENON_CALL(tn::permute(x[0], {0, 2, 1})), block},
      {"atleast_1d", TENON_CALL(tn::atleast_1d(x[0])), {{{}}}, {}, 2, true, true, false, 0},
      {"atleast_2d", TENON_CALL(tn::atleast_2d(x[0])), {{{4}}}, {}, 2, true, true, false, 0},
      {"atleast_3d", TENON_CALL(tn::atleast_3d(x[0])), matrix, {}, 2, true, true, false, 0},
      {"expand", TENON_CALL(tn::expand(x[0], {2, 3, -1})), {{{1, 5}}}},
      {"expand_as", TENON_CALL(tn::expand_as(x[0], x[1])), {{{1, 5}}, {{3, 5}}}},
  });
}

TEST(ShapeFunctions, PartsBattery) {
  check_functions({
      {"split", TENON_CALL(tn::split(x[0], 2, 1)), matrix, {{{{2, 4}}}, {{{3, 0}}}}},
      {"split", TENON_CALL(tn::split(x[0], {1, 4}, 1)), matrix},
      {"chunk", TENON_CALL(tn::chunk(x[0], 2, 1)), matrix, others},
      {"tensor_split", TENON_CALL(tn::tensor_split(x[0], 3, 1)), matrix, others},
      {"tensor_split", TENON_CALL(tn::tensor_split(x[0], {1, -1}, 1)), matrix, {}, 2, true, true, true, 3},
      {"unstack", TENON_CALL(tn::unstack(x[0], 1)), block},
      {"unbind", TENON_CALL(tn::unbind(x[0])), matrix},
      {"narrow", TENON_CALL(tn::narrow(x[0], 1, 1, 3)), matrix},
      {"select", TENON_CALL(tn::select(x[0], 1, -2)), block},
  });
}

TEST(ShapeFunctions, RepeatingBattery) {
  check_functions({
      {"tile", TENON_CALL(tn::tile(x[0], {2, 3})), matrix, others},
      {"repeat", TENON_CALL(tn::repeat(x[0], {2, 1, 3})), matrix, {{{{2, 0}}}}},
      {"repeat_interleave", TENON_CALL(tn::repeat_interleave(x[0], 3, 1)), matrix, others},
      {"repeat_interleave", TENON_CALL(tn::repeat_interleave(x[0], 2)), matrix},
      {"repeat_interleave", TENON_CALL(tn::repeat_interleave(x[0], std::vector<int64_t>{2, 0, 1}, 0)), matrix},
      {"roll", TENON_CALL(tn::roll(x[0], 2, 1)), matrix, others},
      {"roll", TENON_CALL(tn::roll(x[0], -4)), matrix, {{{{}}}, {{{0, 3}}}}},
      {"roll", TENON_CALL(tn::roll(x[0], {1, -1}, {0, 1})), matrix},
      {"fliplr", TENON_CALL(tn::fliplr(x[0])), matrix},
      {"flipud", TENON_CALL(tn::flipud(x[0])), matrix},
      {"rot90", TENON_CALL(tn::rot90(x[0])), matrix},
      {"rot90", TENON_CALL(tn::rot90(x[0], -1, {1, 2})), block},
      {"rot90", TENON_CALL(tn::rot90(x[0], 2)), matrix},
  });
}

TEST(ShapeFunctions, JoiningBattery) {
  const std::vector<Drawn> two = {{{2, 3}}, {{2, 3}}}, vectors = {{{3}}, {{3}}};
  check_functions({
      {"hstack", TENON_CALL(tn::hstack({x[0], x[1]})), two},
      {"hstack", TENON_CALL(tn::hstack({x[0], x[1]})), vectors},
      {"vstack", TENON_CALL(tn::vstack({x[0], x[1]})), vectors},
      {"dstack", TENON_CALL(tn::dstack({x[0], x[1]})), two},
      {"column_stack", TENON_CALL(tn::column_stack({x[0], x[1]})), vectors},
      {"block_diag", TENON_CALL(tn::block_diag({x[0], x[1]})), {{{2, 3}}, {{4}}}},
      {"meshgrid", TENON_CALL(tn::meshgrid({x[0], x[1]})), {{{3}}, {{4}}}, {}, 2, true, true, true, 2},
      {"meshgrid", TENON_CALL(tn::meshgrid(x[0], x[1], "xy")), {{{3}}, {{4}}}, {}, 2, true, true, true, -1},
      {"outer", TENON_CALL(tn::outer(x[0], x[1])), {{{3}}, {{4}}}},
      {"outer", TENON_CALL(tn::outer(x[0], x[1])), {booleans({3}), booleans({4})}},
      {"kron", TENON_CALL(tn::kron(x[0], x[1])), {{{2, 3}}, {{3, 2}}}, {{{{2}}, {{2, 2}}}}},
  });
}

TEST(ShapeFunctions, DiagonalsBattery) {
  check_functions({
      {"diag", TENON_CALL(tn::diag(x[0])), {{{4}}}, {{{{0}}}, {{{1}}}, {{{3, 5}}}}},
      {"diag", TENON_CALL(tn::diag(x[0], -1)), matrix, {{{{3}}}}},
      {"diagonal", TENON_CALL(tn::diagonal(x[0], {.offset = 1})), matrix, others},
      {"diagonal", TENON_CALL(tn::diagonal(x[0], 0, 0, 2)), block},
      {"diag_embed", TENON_CALL(tn::diag_embed(x[0], 1)), matrix, others},
      {"diag_embed", TENON_CALL(tn::diag_embed(x[0], -1, 0, 2)), matrix},
      {"tril", TENON_CALL(tn::tril(x[0], -1)), matrix, others},
      {"triu", TENON_CALL(tn::triu(x[0], 1)), block, others},
      {"vander", TENON_CALL(tn::vander(x[0])), {{{4}}}, {}, 2, true, false},
      {"vander", TENON_CALL(tn::vander(x[0], 3, true)), {{{4}}}, {}, 2, true, false},
      {"vander", TENON_CALL(tn::vander(x[0])), {integers({5}, -3, 4)}, {{booleans({3})}, {integers({0}, 0, 1)}}},
      {"full_like", TENON_CALL(tn::full_like(x[0], 2)), matrix, others, 0},
  });
}

TEST(ShapeFunctions, PaddingBattery) {
  check_functions({
      {"pad", TENON_CALL(tn::pad(x[0], {{1, 2}, {0, 1}}, 3)), matrix, others},
      {"pad", TENON_CALL(tn::pad(x[0], {{-1, 2}, {1, -2}})), matrix},
      {"pad", TENON_CALL(tn::pad(x[0], {{1, 2}, {3, 0}}, {.mode = "reflect"})), matrix},
      {"pad", TENON_CALL(tn::pad(x[0], {{1, 2}, {3, 4}}, "replicate")), matrix, {{{{1, 2}}}}},
      {"pad", TENON_CALL(tn::pad(x[0], {{1, 3}, {5, 0}}, tn::Pad::circular)), matrix},
      {"pad", TENON_CALL(tn::pad(x[0], {{2, 2}, {-1, 4}}, "circular")), matrix},
  });
}

TEST(ShapeFunctions, FromNothing) {
  EXPECT_EQ(numbers(tn::eye(2)), (Doubles{1, 0, 0, 1}));
  EXPECT_EQ(numbers(tn::eye(2, 3, {.dtype = tn::i64})), (Doubles{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(numbers(tn::tri(2, 3, 1)), (Doubles{1, 1, 0, 1, 1, 1}));
  EXPECT_EQ(numbers(tn::linspace(0, 1, 5, {.dtype = tn::f64})), (Doubles{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ(numbers(tn::linspace(3, 3, 1)), (Doubles{3}));
  EXPECT_EQ(numbers(tn::linspace(-2., 5, 1)), (Doubles{-2}));
  EXPECT_EQ(tn::linspace(0, 1, 0).shape(), tn::Shape({0}));
  const Doubles tenths = numbers(tn::linspace(0.1, 0.7, 7, {.dtype = tn::f64}));
  EXPECT_EQ(tenths.front(), 0.1);
  EXPECT_EQ(tenths.back(), 0.7);
  const Doubles powers = numbers(tn::logspace(0, 3, 4, 2, {.dtype = tn::f64}));
  EXPECT_EQ(powers, (Doubles{1, 2, 4, 8}));
  // Ends may have gradients.
  const Tensor slope =
      tn::grad([](const Tensor& v) { return tn::sum(tn::linspace(v, 2, 3, {.dtype = tn::f64})); })(tn::tensor(1.));
  EXPECT_NEAR(slope.item<double>(), 1.5, 1e-12);
  EXPECT_EQ(numbers(tn::jit([](const Tensor& v) { return tn::eye(2) * v; })(tn::tensor(3.f))), (Doubles{3, 0, 0, 3}));
}

TEST(ShapeFunctions, ValuesAreThoseOfNumPy) {
  const Tensor x = counting({2, 3});
  EXPECT_EQ(whole(tn::tile(x, {2})), (Integers{0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5}));
  EXPECT_EQ(whole(tn::tile(counting({2}), {2, 2})), (Integers{0, 1, 0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(whole(tn::repeat_interleave(x, 2, 1)), (Integers{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}));
  EXPECT_EQ(whole(tn::repeat_interleave(x, 2, 0)), (Integers{0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5}));
  EXPECT_EQ(whole(tn::repeat_interleave(x, std::vector<int64_t>{1, 0, 2}, 1)), (Integers{0, 2, 2, 3, 5, 5}));
  EXPECT_EQ(whole(tn::roll(x, 1)), (Integers{5, 0, 1, 2, 3, 4}));
  EXPECT_EQ(whole(tn::roll(x, 4, 1)), (Integers{2, 0, 1, 5, 3, 4}));
  EXPECT_EQ(whole(tn::roll(x, {1, -1}, {0, 1})), (Integers{4, 5, 3, 1, 2, 0}));
  EXPECT_EQ(whole(tn::rot90(x)), (Integers{2, 5, 1, 4, 0, 3}));
  EXPECT_EQ(whole(tn::rot90(x, 2)), (Integers{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(whole(tn::rot90(x, 3)), (Integers{3, 0, 4, 1, 5, 2}));
  EXPECT_EQ(whole(tn::fliplr(x)), (Integers{2, 1, 0, 5, 4, 3}));
  EXPECT_EQ(whole(tn::flipud(x)), (Integers{3, 4, 5, 0, 1, 2}));
  EXPECT_EQ(tn::movedim(counting({2, 3, 4}), 0, 2).shape(), tn::Shape({3, 4, 2}));
  EXPECT_EQ(tn::movedim(counting({2, 3, 4, 5}), {0, 1}, {3, 0}).shape(), tn::Shape({3, 4, 5, 2}));
  EXPECT_EQ(whole(tn::dstack({counting({2}), counting({2})})), (Integers{0, 0, 1, 1}));
  EXPECT_EQ(tn::dstack({counting({2}), counting({2})}).shape(), tn::Shape({1, 2, 2}));
  EXPECT_EQ(whole(tn::column_stack({counting({2}), x})), (Integers{0, 0, 1, 2, 1, 3, 4, 5}));
  EXPECT_EQ(whole(tn::block_diag({counting({2}), tn::full({1, 1}, 7)})), (Integers{0, 1, 0, 0, 0, 7}));
  EXPECT_EQ(whole(tn::kron(counting({2}), tn::tensor({int64_t{1}, int64_t{10}}))), (Integers{0, 0, 1, 10}));
  EXPECT_EQ(whole(tn::vander(counting({3}))), (Integers{0, 0, 1, 1, 1, 1, 4, 2, 1}));
  const Tensor powers = tn::vander(tn::tensor({3, -1}), 40, true);  // of integers exact, as running products
  EXPECT_EQ(powers.dtype(), tn::i64);
  EXPECT_EQ(whole(powers)[39], 4052555153018976267);
  EXPECT_EQ(tn::vander(tn::tensor({true, false})).dtype(), tn::i64);
  const Tensor bools = tn::tensor({true, false});
  EXPECT_EQ(tn::outer(bools, bools).dtype(), tn::boolean);
  EXPECT_EQ(whole(tn::kron(bools, tn::tensor({true, true}))), (Integers{1, 1, 0, 0}));
  const auto grids = tn::meshgrid(counting({2}), counting({3}), "xy");
  EXPECT_EQ(grids[0].shape(), tn::Shape({3, 2}));
  EXPECT_EQ(whole(grids[0]), (Integers{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(whole(grids[1]), (Integers{0, 0, 1, 1, 2, 2}));
  // Lists longer than a program for each length.
  const std::vector<Tensor> many(40, counting({2}));
  EXPECT_EQ(tn::column_stack(many).shape(), tn::Shape({2, 40}));
  EXPECT_EQ(whole(tn::column_stack(many)[1]), Integers(40, 1));
}

TEST(ShapeFunctions, PartsAreThoseOfPyTorch) {
  const Tensor x = counting({7});
  const auto lengths = [](const std::vector<Tensor>& parts) {
    Integers list;
    for (const Tensor& p : parts) list.push_back(p.shape()[0].number());
    return list;
  };
  EXPECT_EQ(lengths(tn::split(x, 3, 0)), (Integers{3, 3, 1}));
  EXPECT_EQ(lengths(tn::split(x, {1, 0, 6}, 0)), (Integers{1, 0, 6}));
  EXPECT_EQ(lengths(tn::chunk(x, 3)), (Integers{3, 3, 1}));
  EXPECT_EQ(lengths(tn::chunk(counting({6}), 4)), (Integers{2, 2, 2}));
  EXPECT_EQ(lengths(tn::tensor_split(x, 3)), (Integers{3, 2, 2}));
  EXPECT_EQ(lengths(tn::tensor_split(x, {2, 5, 4})), (Integers{2, 3, 0, 3}));
  EXPECT_EQ(whole(tn::tensor_split(x, {2, 5, 4})[3]), (Integers{4, 5, 6}));
  const auto all = tn::unstack(counting({100, 2}));
  ASSERT_EQ(all.size(), 100u);
  EXPECT_EQ(whole(all[99]), (Integers{198, 199}));
  EXPECT_EQ(whole(counting({3, 4}).select(1, -1)), (Integers{3, 7, 11}));
  EXPECT_EQ(whole(counting({3, 4}).narrow(0, -2, 1)), (Integers{4, 5, 6, 7}));
}

// Each element against the one that the definition names.
TEST(ShapeFunctions, DiagonalsElementByElement) {
  for (const int64_t rows : {1, 3, 5})
    for (const int64_t columns : {1, 4, 5})
      for (int64_t k = -6; k <= 6; ++k) {
        const Tensor x = counting({rows, columns});
        Integers expected;
        for (int64_t i = 0; i < rows; ++i)
          if (i + k >= 0 && i + k < columns) expected.push_back(i * columns + i + k);
        EXPECT_EQ(whole(tn::diagonal(x, k)), expected) << rows << " " << columns << " " << k;
        Integers lower, upper;
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < columns; ++j) {
            lower.push_back(j <= i + k ? i * columns + j : 0);
            upper.push_back(j >= i + k ? i * columns + j : 0);
          }
        EXPECT_EQ(whole(tn::tril(x, k)), lower);
        EXPECT_EQ(whole(tn::triu(x, k)), upper);
      }
  for (int64_t k = -2; k <= 2; ++k) {
    const Tensor placed = tn::diag(tn::tensor({1., 2., 3.}), k);
    EXPECT_EQ(placed.shape(), tn::Shape({3 + std::abs(k), 3 + std::abs(k)}));
    EXPECT_EQ(numbers(tn::diagonal(placed, k)), (Doubles{1, 2, 3}));
    EXPECT_EQ(tn::sum(placed).item<double>(), 6);
  }
}

TEST(ShapeFunctions, PaddingElementByElement) {
  const int64_t n = 5;
  const Tensor x = counting({n});
  const struct {
    tn::Pad mode;
    int64_t (*source)(int64_t, int64_t);
  } modes[] = {
      {tn::Pad::reflect, [](int64_t i, int64_t size) { return size - 1 - std::abs(size - 1 - std::abs(i)); }},
      {tn::Pad::replicate, [](int64_t i, int64_t size) { return std::min(std::max<int64_t>(i, 0), size - 1); }},
      {tn::Pad::circular, [](int64_t i, int64_t size) { return (i + size) % size; }},
  };
  for (const auto& m : modes)
    for (const int64_t low : {0, 1, 4})
      for (const int64_t high : {0, 2, 4}) {
        Integers expected;
        for (int64_t i = -low; i < n + high; ++i) expected.push_back(m.source(i, n));
        EXPECT_EQ(whole(tn::pad(x, {{low, high}}, m.mode)), expected);
      }
}

TEST(ShapeFunctions, Refusals) {
  const Tensor x = counting({2, 3});
  EXPECT_HAS(message_of([&] { tn::split(x, 0, 0); }), "split");
  EXPECT_HAS(message_of([&] { tn::split(x, {1, 3}, 0); }), "add up to 4");
  EXPECT_HAS(message_of([&] { tn::chunk(x, 0); }), "positive");
  EXPECT_HAS(message_of([&] { tn::squeeze(x, std::vector<int64_t>{0}); }), "is not 1");
  EXPECT_HAS(message_of([&] { tn::unflatten(x, 1, {2, 2}); }), "unflatten");
  EXPECT_HAS(message_of([&] { tn::movedim(x, {0, 0}, {0, 1}); }), "twice");
  EXPECT_HAS(message_of([&] { tn::pad(x, {{0, 0}, {3, 0}}, "reflect"); }), "reflects less");
  EXPECT_HAS(message_of([&] { tn::pad(x, {{0, 0}, {4, 0}}, "wrap"); }), "goes around once");
  EXPECT_HAS(message_of([&] { tn::pad(x, {{-3, 0}, {0, 0}}); }), "fewer elements than are cut");
  EXPECT_HAS(message_of([&] { tn::pad(x, {{0, 0}, {1, 0}}, "mirror"); }), "a mode is");
  EXPECT_HAS(message_of([&] { tn::repeat(x, {2}); }), "one for each");
  EXPECT_HAS(message_of([&] { tn::diag(counting({1, 1, 1})); }), "neither a vector nor a matrix");
  EXPECT_HAS(message_of([&] { tn::rot90(x, 1, {0, 0}); }), "are one");
  EXPECT_HAS(message_of([&] { tn::meshgrid({x}); }), "is a vector");
  EXPECT_HAS(message_of([&] { tn::select(x, 1, 3); }), "out of range");
  EXPECT_HAS(message_of([&] { tn::narrow(x, 1, 2, 2); }), "narrow");
  EXPECT_HAS(message_of([&] { tn::hstack({}); }), "no tensors");
}

}  // namespace
