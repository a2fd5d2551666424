// Cases of convolutions with channels first: x[n, c, spatial...], kernel[o, c / groups, spatial...]. What stands in front and behind are
// transpositions, which the loops go by.
#include "tenon/tests/case_builder.h"

namespace tenon::testing {

using namespace ir;

namespace {

using Sizes = std::vector<int64_t>;

struct ChannelsFirst {
  Sizes x, kernel, stride, low, high, dilation = Sizes(stride.size(), 1), holes = Sizes(stride.size(), 1);
  int64_t groups = 1;
  bool front = true, behind = true;
};

void add_channels_first(CaseBuilder& c, Random& random, DType t, const ChannelsFirst& f) {
  const auto spatial = static_cast<int64_t>(f.stride.size());
  const auto in = [&](Sizes shape) {
    return c.input(random_array(type_of(t, std::move(shape)), random, Domain::unit));
  };
  Sizes last{0}, first{0, spatial + 1}, taps;
  for (int64_t i = 0; i < spatial; ++i) last.push_back(i + 2), first.push_back(i + 1), taps.push_back(i + 2);
  last.push_back(1), taps.push_back(1), taps.push_back(0);
  Sizes x = f.x;
  if (!f.front) x.erase(x.begin() + 1), x.push_back(f.x[1]);
  const Value given = in(x);
  const Value operands[] = {f.front ? transpose(given, last) : given, transpose(in(f.kernel), taps)};
  const Value y = apply(c.builder, Op::convolution, operands,
                        ConvolutionAttrs{.strides = f.stride,
                                         .low = f.low,
                                         .high = f.high,
                                         .lhs_dilation = f.holes,
                                         .rhs_dilation = f.dilation,
                                         .groups = f.groups})[0];
  c.output(f.behind ? transpose(y, first) : y);
}

// Lanes are features: blocks of positions turned on their way, what is left of them, blocks of rows, features that fill no vector;
// then lanes are positions: blocks of rows and what is left of them, padding beyond the kernel, strides, holes, channels in a loop, many taps.
const ChannelsFirst all[] = {
    {.x = {2, 5, 3, 30}, .kernel = {40, 5, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}},
    {.x = {1, 3, 4, 31}, .kernel = {64, 3, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}},
    {.x = {1, 3, 35, 18}, .kernel = {16, 3, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}},
    {.x = {2, 6, 45}, .kernel = {70, 6, 5}, .stride = {1}, .low = {2}, .high = {2}},
    {.x = {1, 4, 9, 33}, .kernel = {32, 4, 3, 3}, .stride = {2, 2}, .low = {1, 1}, .high = {1, 1}},
    {.x = {1, 3, 3, 12}, .kernel = {16, 3, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}, .holes = {2, 2}},
    {.x = {1, 3, 29}, .kernel = {9, 3, 3}, .stride = {1}, .low = {9}, .high = {4}, .dilation = {4}},
    {.x = {1, 3, 3, 29}, .kernel = {17, 3, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}, .behind = false},
    {.x = {1, 3, 3, 29}, .kernel = {17, 3, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}, .front = false},
    {.x = {1, 264, 1, 7}, .kernel = {115, 264, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}},
    {.x = {1, 3, 4, 7}, .kernel = {33, 3, 2, 2}, .stride = {1, 1}, .low = {0, 1}, .high = {1, 0}},
    {.x = {2, 5, 9, 30}, .kernel = {5, 1, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}, .groups = 5},
    {.x = {1, 3, 11, 17}, .kernel = {6, 1, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}, .groups = 3},
    {.x = {1, 3, 17, 16}, .kernel = {3, 1, 5, 2}, .stride = {1, 1}, .low = {7, 9}, .high = {6, 3}, .groups = 3},
    {.x = {1, 12, 5, 19}, .kernel = {4, 6, 3, 3}, .stride = {1, 1}, .low = {0, 1}, .high = {1, 1}, .groups = 2},
    {.x = {1, 4, 18, 35}, .kernel = {4, 1, 3, 3}, .stride = {2, 2}, .low = {1, 1}, .high = {1, 1}, .groups = 4},
    {.x = {1, 2, 13, 27},
     .kernel = {2, 1, 3, 3},
     .stride = {1, 3},
     .low = {-1, 2},
     .high = {2, -1},
     .dilation = {2, 2},
     .groups = 2},
    {.x = {1, 2, 5, 20},
     .kernel = {2, 1, 3, 3},
     .stride = {3, 1},
     .low = {1, 1},
     .high = {1, 1},
     .holes = {2, 1},
     .groups = 2},
    {.x = {1, 4, 3, 5, 9},
     .kernel = {4, 1, 2, 3, 3},
     .stride = {1, 1, 1},
     .low = {1, 1, 1},
     .high = {0, 1, 1},
     .groups = 4},
    {.x = {2, 3, 40}, .kernel = {3, 1, 4}, .stride = {1}, .low = {3}, .high = {0}, .groups = 3},
    {.x = {1, 2, 40}, .kernel = {2, 1, 17}, .stride = {1}, .low = {8}, .high = {8}, .groups = 2},
    {.x = {1, 2, 3, 24}, .kernel = {2, 1, 17, 2}, .stride = {1, 1}, .low = {8, 0}, .high = {8, 0}, .groups = 2},
    {.x = {1, 3, 6, 20}, .kernel = {2, 3, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}},
    {.x = {1, 2, 6, 20},
     .kernel = {2, 1, 3, 3},
     .stride = {1, 1},
     .low = {1, 1},
     .high = {1, 1},
     .groups = 2,
     .behind = false},
    {.x = {0, 2, 6, 20}, .kernel = {2, 1, 3, 3}, .stride = {1, 1}, .low = {1, 1}, .high = {1, 1}, .groups = 2},
};

}  // namespace

void channels_first_cases(Op op, DType t, std::vector<Case>& cases) {
  CaseBuilder c(std::string(def(op).name) + " " + std::string(tenon::name(t)) + ", channels first");
  Random random(static_cast<uint64_t>(op) * 64 + static_cast<uint64_t>(t) + 7);
  for (const ChannelsFirst& f : all) add_channels_first(c, random, t, f);
  cases.push_back(c.finish());
}

}  // namespace tenon::testing
