// The battery (tests/function_case.h) of functions that are older than it and no row of the op table.
#include <gtest/gtest.h>

#include "tenon/tests/function_case.h"

namespace tn = tenon;
using tenon::testing::apart;
using tenon::testing::booleans;
using tenon::testing::check_functions;
using tenon::testing::Drawn;
using tenon::testing::integers;
using tn::Tensor;

namespace {

using Arguments = std::vector<Drawn>;
const Arguments one = {{{3, 5}}}, two = {{{3, 5}}, {{5}}}, kinked = {apart({3, 5})};
const Arguments kinked_pair = {apart({3, 5}), apart({5}, 2.25, 5)};
const std::vector<Arguments> others = {{{{0, 3}}}, {{{}}}, {{{67}}}, {integers({7}, -5, 5)}};
const std::vector<Arguments> pairs = {
    {{{0, 3}}, {{3}}}, {{{}}, {{}}}, {{{67}}, {{1}}}, {integers({7}, -5, 5), integers({7}, -5, 5)}};
const std::vector<Arguments> truths = {{booleans({7}), booleans({7})}, {{{0, 3}}, {{3}}}};

TEST(BasicBattery, Elementwise) {
  check_functions({
      {"maximum", TENON_CALL(tn::maximum(x[0], x[1])), kinked_pair, pairs},
      {"minimum", TENON_CALL(tn::minimum(x[0], x[1])), kinked_pair, pairs},
      {"clip", TENON_CALL(tn::clip(x[0], -1, 1)), kinked, others},
      {"relu", TENON_CALL(tn::relu(x[0])), kinked, others},
      {"sigmoid", TENON_CALL(tn::sigmoid(x[0])), one, others},
      {"logical_not", TENON_CALL(tn::logical_not(x[0])), one, others, 0},
      {"logical_and", TENON_CALL(tn::logical_and(x[0], x[1])), two, truths, 0},
      {"logical_or", TENON_CALL(tn::logical_or(x[0], x[1])), two, truths, 0},
      {"stop_gradient", TENON_CALL(tn::stop_gradient(x[0])), one, others, 0},
      {"where", TENON_CALL(tn::where(x[0], x[1], x[2])), {booleans({3, 5}), {{3, 5}}, {{5}}}},
  });
}

TEST(BasicBattery, Rows) {
  check_functions({
      {"softmax", TENON_CALL(tn::softmax(x[0], 0)), one, {{{{0, 3}}}, {{{67}}}}},
      {"log_softmax", TENON_CALL(tn::log_softmax(x[0])), one, {{{{0, 3}}}, {{{67}}}}},
      {"layer_norm", TENON_CALL(tn::layer_norm(x[0], x[1], x[2])), {apart({3, 5}), {{5}}, {{5}}}},
      {"rms_norm", TENON_CALL(tn::rms_norm(x[0], x[1])), {apart({3, 5}), {{5}}}},
      {"dot",
       TENON_CALL(tn::dot(x[0], x[1])),
       {{{5}}, {{5}}},
       {{{{0}}, {{0}}}, {integers({7}, -5, 5), integers({7}, -5, 5)}}},
      {"linear", TENON_CALL(tn::linear(x[0], x[1], x[2])), {{{2, 5}}, {{5, 3}}, {{3}}}},
      {"take", TENON_CALL(tn::take(x[0], tn::tensor({2, 0, 2}), 0)), one},
      {"one_hot", TENON_CALL(tn::one_hot(x[0], 4)), {integers({3}, 0, 4)}, {}, 0, false, false},
      {"broadcast_to", TENON_CALL(tn::broadcast_to(x[0], {2, 3, 5})), one},
      {"expand_dims", TENON_CALL(tn::expand_dims(x[0], 1)), one, {}, 2, true, true, true, 0},
      {"concat", TENON_CALL(tn::concat({x[0], x[1]}, 1)), {{{3, 2}}, {{3, 4}}}, {{{{0, 2}}, {{0, 4}}}}},
      {"stack", TENON_CALL(tn::stack({x[0], x[1]}, 1)), {{{3, 2}}, {{3, 2}}}},
  });
}

}  // namespace
