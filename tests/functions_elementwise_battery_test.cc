// The battery (tests/function_case.h) of the elementwise functions that no operator has. What their values are is asked in
// functions_elementwise_test.cc and functions_arithmetic_test.cc.
#include <gtest/gtest.h>

#include "tenon/tests/function_case.h"

namespace tn = tenon;
using tenon::testing::apart;
using tenon::testing::booleans;
using tenon::testing::check_functions;
using tenon::testing::Drawn;
using tenon::testing::integers;

namespace {

using Arguments = std::vector<Drawn>;
const Arguments one = {{{3, 5}}}, two = {{{3, 5}}, {{5}}}, three = {{{3, 5}}, {{5}}, {{3, 1}}};
const Arguments kinked = {apart({3, 5})}, kinked_pair = {apart({3, 5}), apart({5}, 2.25, 5)};
const Arguments positive = {{{3, 5}, 0.25, 6}}, chances = {{{3, 5}, 0.1, 0.9}}, units = {{{3, 5}, -0.9, 0.9}};
const Arguments whole = {integers({3, 5}, -6, 7), integers({5}, -6, 7)};
// Empty, a scalar, longer than a vector; integers.
const std::vector<Arguments> others = {{{{0, 3}}}, {{{}}}, {{{67}}}, {integers({7}, 1, 5)}};
const std::vector<Arguments> pairs = {
    {{{0, 3}}, {{3}}}, {{{}}, {{}}}, {{{67}}, {{1}}}, {integers({7}, 1, 5), integers({7}, 1, 5)}};

TEST(ElementwiseBattery, Questions) {
  check_functions({
      {"isnan", TENON_CALL(tn::isnan(x[0])), one, others, 0},
      {"isinf", TENON_CALL(tn::isinf(x[0])), one, others, 0},
      {"isposinf", TENON_CALL(tn::isposinf(x[0])), one, others, 0},
      {"isneginf", TENON_CALL(tn::isneginf(x[0])), one, others, 0},
      {"isfinite", TENON_CALL(tn::isfinite(x[0])), one, others, 0},
      {"signbit", TENON_CALL(tn::signbit(x[0])), one, others, 0},
      {"logical_xor", TENON_CALL(tn::logical_xor(x[0], x[1])), two, pairs, 0},
  });
}

TEST(ElementwiseBattery, Arithmetic) {
  check_functions({
      {"square", TENON_CALL(tn::square(x[0])), one, others},
      {"reciprocal", TENON_CALL(tn::reciprocal(x[0])), positive, others},
      {"positive", TENON_CALL(tn::positive(x[0])), one, others, 2, true, true, true, 0},
      {"negative", TENON_CALL(tn::negative(x[0])), one, others},
      {"absolute", TENON_CALL(tn::absolute(x[0])), kinked, others},
      {"add", TENON_CALL(tn::add(x[0], x[1], {.alpha = 2})), two, pairs},
      {"subtract", TENON_CALL(tn::subtract(x[0], x[1], x[2])), three},
      {"multiply", TENON_CALL(tn::multiply(x[0], x[1])), two, pairs},
      {"div", TENON_CALL(tn::div(x[0], x[1], {.rounding_mode = "trunc"})), kinked_pair, pairs, 0},
      {"divide", TENON_CALL(tn::divide(x[0], x[1])), kinked_pair, pairs},
      {"true_divide", TENON_CALL(tn::true_divide(x[0], x[1])), {apart({3, 5}), apart({3, 1}, 2.25, 5)}, pairs},
      {"floor_divide", TENON_CALL(tn::floor_divide(x[0], x[1])), kinked_pair, pairs, 0},
      {"remainder", TENON_CALL(tn::remainder(x[0], x[1])), kinked_pair, pairs},
      {"fmod", TENON_CALL(tn::fmod(x[0], x[1])), kinked_pair, pairs},
      {"frac", TENON_CALL(tn::frac(x[0])), kinked, others},
      {"deg2rad", TENON_CALL(tn::deg2rad(x[0])), one, others},
      {"rad2deg", TENON_CALL(tn::rad2deg(x[0])), one, others},
      {"lerp", TENON_CALL(tn::lerp(x[0], x[1], x[2])), three},
      {"addcmul", TENON_CALL(tn::addcmul(x[0], x[1], x[2], {.value = 0.5})), three},
      {"addcdiv", TENON_CALL(tn::addcdiv(x[0], x[1], x[2], 2)), {{{3, 5}}, {{5}}, {{3, 1}, 0.5, 2}}},
      {"clamp", TENON_CALL(tn::clamp(x[0], -1, 1)), kinked, others},
      {"clamp_min", TENON_CALL(tn::clamp_min(x[0], x[1])), kinked_pair, pairs},
      {"clamp_max", TENON_CALL(tn::clamp_max(x[0], x[1])), kinked_pair, pairs},
      {"fmax", TENON_CALL(tn::fmax(x[0], x[1])), kinked_pair, pairs},
      {"fmin", TENON_CALL(tn::fmin(x[0], x[1])), kinked_pair, pairs},
      {"heaviside", TENON_CALL(tn::heaviside(x[0], x[1])), kinked_pair, pairs},
      {"nan_to_num", TENON_CALL(tn::nan_to_num(x[0], 1)), one, others, 2, false},  // infinities are each dtype's own
      {"copysign", TENON_CALL(tn::copysign(x[0], x[1])), kinked_pair, pairs},
      {"nextafter", TENON_CALL(tn::nextafter(x[0], x[1])), kinked_pair, pairs, 0, false},  // of each dtype's own steps
  });
}

TEST(ElementwiseBattery, Integers) {
  check_functions({
      {"gcd", TENON_CALL(tn::gcd(x[0], x[1])), whole, {{integers({0}, 0, 2), integers({1}, 0, 2)}}},
      {"lcm", TENON_CALL(tn::lcm(x[0], x[1])), whole},
      {"pow", TENON_CALL(tn::pow(x[0], x[1])), whole},
      {"pow", TENON_CALL(tn::pow(x[0], 5)), whole},
      {"bitwise_and", TENON_CALL(tn::bitwise_and(x[0], x[1])), whole},
      {"bitwise_or", TENON_CALL(tn::bitwise_or(x[0], x[1])), whole},
      {"bitwise_xor", TENON_CALL(tn::bitwise_xor(x[0], x[1])), whole},
      {"bitwise_not", TENON_CALL(tn::bitwise_not(x[0])), whole},
      {"bitwise_left_shift", TENON_CALL(tn::bitwise_left_shift(x[0], x[1])), whole},
      {"bitwise_right_shift", TENON_CALL(tn::bitwise_right_shift(x[0], x[1])), whole},
      {"floor_divide", TENON_CALL(tn::floor_divide(x[0], x[1])), whole},
      {"remainder", TENON_CALL(tn::remainder(x[0], x[1])), whole},
      {"add", TENON_CALL(tn::add(x[0], x[1])), {booleans({3, 5}), booleans({5})}},
      {"clip", TENON_CALL(tn::clip(x[0], x[1], x[1])), {booleans({3, 5}), booleans({5})}},
      {"clip", TENON_CALL(tn::clip(x[0], x[1], 0)), {booleans({3, 5}), booleans({5})}},
      {"clamp", TENON_CALL(tn::clamp(x[0], x[1], x[1])), {booleans({3, 5}), booleans({5})}},
      {"pow", TENON_CALL(tn::pow(x[0], x[1])), {booleans({3, 5}), booleans({5})}},
      {"multiply", TENON_CALL(tn::multiply(x[0], x[1])), {booleans({3, 5}), booleans({5})}},
  });
}

TEST(ElementwiseBattery, SpecialFunctions) {
  check_functions({
      {"logaddexp2", TENON_CALL(tn::logaddexp2(x[0], x[1])), two, pairs},
      {"logaddexp", TENON_CALL(tn::logaddexp(x[0], x[1])), two, pairs, 2, false},
      {"hypot", TENON_CALL(tn::hypot(x[0], x[1])), kinked_pair, pairs, 2, false},
      {"xlogy", TENON_CALL(tn::xlogy(x[0], x[1])), kinked_pair, pairs},
      {"xlog1py", TENON_CALL(tn::xlog1py(x[0], x[1])), kinked_pair, pairs},
      {"logit", TENON_CALL(tn::logit(x[0])), chances, others},
      {"logit", TENON_CALL(tn::logit(x[0], 0.015625)), chances, others},
      {"expit", TENON_CALL(tn::expit(x[0])), one, others, 2, false},
      {"sinc", TENON_CALL(tn::sinc(x[0])), kinked, others},
      {"erfinv", TENON_CALL(tn::erfinv(x[0])), units, others, 2, false},
      {"erfcx", TENON_CALL(tn::erfcx(x[0])), one, others, 2, false},
      {"ndtr", TENON_CALL(tn::ndtr(x[0])), one, others, 2, false},
      {"log_ndtr", TENON_CALL(tn::log_ndtr(x[0])), one, others, 2, false},
      {"ndtri", TENON_CALL(tn::ndtri(x[0])), chances, others, 2, false},
      {"lgamma", TENON_CALL(tn::lgamma(x[0])), positive, others, 2, false},
      {"digamma", TENON_CALL(tn::digamma(x[0])), positive, others, 2, false},
      {"polygamma", TENON_CALL(tn::polygamma(1, x[0])), positive, others},
      {"polygamma", TENON_CALL(tn::polygamma(4, x[0])), {{{3, 5}, 1, 6}}, others},
      {"i0", TENON_CALL(tn::i0(x[0])), one, others, 2, false},
      {"i1", TENON_CALL(tn::i1(x[0])), kinked, others, 2, false},
      {"i0e", TENON_CALL(tn::i0e(x[0])), kinked, others, 2, false},
      {"i1e", TENON_CALL(tn::i1e(x[0])), kinked, others, 2, false},
      {"log10", TENON_CALL(tn::log10(x[0])), positive, others, 2, false},
      {"arcsin", TENON_CALL(tn::arcsin(x[0])), units, others, 2, false},
      {"arccos", TENON_CALL(tn::arccos(x[0])), units, others, 2, false},
      {"arctan", TENON_CALL(tn::arctan(x[0])), one, others, 2, false},
      {"arctan2", TENON_CALL(tn::arctan2(x[0], x[1])), kinked_pair, pairs, 2, false},
      {"arcsinh", TENON_CALL(tn::arcsinh(x[0])), one, others, 2, false},
      {"arccosh", TENON_CALL(tn::arccosh(x[0])), {{{3, 5}, 1.25, 6}}, others, 2, false},
      {"arctanh", TENON_CALL(tn::arctanh(x[0])), units, others, 2, false},
  });
}

TEST(ElementwiseBattery, Activations) {
  const Arguments wide = {apart({3, 7}, -8, 8)}, weights = {apart({3, 5}), {{5}}};
  check_functions({
      {"relu6", TENON_CALL(tn::relu6(x[0])), wide, others},
      {"hardtanh", TENON_CALL(tn::hardtanh(x[0], x[1], 3)), {apart({3, 5}, -8, 8), apart({5}, -4, -1.25)}, pairs},
      {"leaky_relu", TENON_CALL(tn::leaky_relu(x[0], 0.25)), kinked, others},
      {"prelu", TENON_CALL(tn::prelu(x[0], x[1])), weights, {{{{2, 3, 4}}, {{3}}}, {{{5}}, {{}}}}},
      {"elu", TENON_CALL(tn::elu(x[0], {.alpha = 0.5})), kinked, others},
      {"celu", TENON_CALL(tn::celu(x[0], x[1])), {apart({3, 5}), {{5}, 0.5, 2}}},
      {"selu", TENON_CALL(tn::selu(x[0])), kinked, others},
      {"mish", TENON_CALL(tn::mish(x[0])), wide, others},
      {"softsign", TENON_CALL(tn::softsign(x[0])), kinked, others},
      {"logsigmoid", TENON_CALL(tn::logsigmoid(x[0])), wide, others},
      {"hardsigmoid", TENON_CALL(tn::hardsigmoid(x[0])), wide, others},
      {"hardswish", TENON_CALL(tn::hardswish(x[0])), wide, others},
      {"swish", TENON_CALL(tn::swish(x[0])), wide, others, 2, false},
      {"threshold", TENON_CALL(tn::threshold(x[0], 1, 20)), kinked, others},
      {"glu", TENON_CALL(tn::glu(x[0], 1)), {{{3, 6}}}, {{{{0, 4}}}, {{{2, 134, 2}}}}},
      {"gelu", TENON_CALL(tn::gelu(x[0], {.approximate = "tanh"})), wide, others},
      {"gelu_tanh", TENON_CALL(tn::gelu_tanh(x[0])), wide, others},
      {"softplus", TENON_CALL(tn::softplus(x[0], 2, 3)), wide, others},
      {"tanhshrink", TENON_CALL(tn::tanhshrink(x[0])), one, others},
      {"softshrink", TENON_CALL(tn::softshrink(x[0])), wide, others},
      {"hardshrink", TENON_CALL(tn::hardshrink(x[0], 1.5)), wide, others},
      {"softmin", TENON_CALL(tn::softmin(x[0], 0)), one, {{{{0, 3}}}, {{{3, 700}}}}},
  });
}

}  // namespace
