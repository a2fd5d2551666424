// Random programs with random constraints against the whole programs.
#include "tenon/tests/partition_checks.h"

namespace tenon::testing {
namespace {

struct RandomProgram {
  uint64_t seed;
  Tensor operator()(const List& x, const Lay& lay) const {
    std::mt19937_64 draw(seed);
    const auto below = [&](size_t n) { return static_cast<size_t>(draw() % n); };
    List pool = x;
    const auto any = [&] { return pool[below(pool.size())]; };
    for (int step = 0; step < 10; ++step) {
      const Tensor a = any(), b = any();
      const bool square = a.shape()[1] == b.shape()[0];
      Tensor y;
      switch (below(14)) {
        case 0: y = sin(a); break;
        case 1: y = a.shape() == b.shape() ? a * b : a * 2; break;
        case 2: y = square ? matmul(a, b) * 0.25 : matmul(a, a.transpose({1, 0})) * 0.25; break;
        case 3: y = a.transpose({1, 0}); break;
        case 4: y = a - mean(a, {.axes = {static_cast<int64_t>(below(2))}, .keepdims = true}); break;
        case 5: y = softmax(a, static_cast<int64_t>(below(2))); break;
        case 6: y = a.reshape({a.shape()[1], a.shape()[0]}); break;
        case 7: y = a.shape()[0] == b.shape()[0] ? concat({a, b}, 1)[{all, slice(0, 8)}] : tanh(a); break;
        case 8: y = cumsum(a, static_cast<int64_t>(below(2))) * 0.5; break;
        case 9: y = take(a, indices_of({1, 3, 3, 0}), static_cast<int64_t>(below(2))); break;
        case 10:
          y = a.reshape({2, a.shape()[0] / 2, a.shape()[1]}).transpose({1, 0, 2}).reshape({a.shape()[0], a.shape()[1]});
          break;
        case 11: y = a.shape() == b.shape() ? where(a > b, a, sin(b)) : a + 1; break;
        case 12: y = a + (max)(a, {.axes = {static_cast<int64_t>(below(2))}, .keepdims = true}); break;
        default: y = sort(a, static_cast<int64_t>(below(2))); break;
      }
      pool.push_back(lay(y, std::to_string(step)));
    }
    Tensor sum_of = sum(pool.back(), {.axes = {0}, .keepdims = true});
    return pool.back() + sum_of;
  }
};

class RandomPrograms : public ::testing::TestWithParam<int> {};

TEST_P(RandomPrograms, AreTheWholeOnes) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const uint64_t number = static_cast<uint64_t>(GetParam()) * 10 + seed;
    const auto& axes = meshes[number % meshes.size()];
    check(
        axes, RandomProgram{number}, {drawn({4, 8}, 1), drawn({8, 4}, 2), drawn({4, 4}, 3)},
        [&](const Tensor& t, const std::string& name, const Mesh& mesh) {
          std::mt19937_64 draw(number * 1000 + std::stoull(name));
          if (draw() % 3 == 0) return t;
          std::vector<Spec::Dimension> spec(2, Spec::Dimension(none));
          std::vector<bool> used(axes.size());
          for (size_t d = 0; d < 2; ++d) {
            const size_t k = draw() % (axes.size() + 1);
            if (k == axes.size() || used[k] || t.shape()[d].number() % axes[k].size != 0) continue;
            spec[d] = Spec::Dimension(axes[k].name);
            used[k] = true;
          }
          return dist::constrain(t, mesh, Spec(spec));
        },
        "program " + std::to_string(number));
    if (HasFatalFailure()) return;
  }
}
INSTANTIATE_TEST_SUITE_P(Partition, RandomPrograms, ::testing::Range(0, 10));

}  // namespace
}  // namespace tenon::testing
