// Random nests of transforms over random small programs: jit, grad, jvp, vjp, vmap, scan, while, cond, checkpoint, custom rules, in any
// order. Each nest has a plain twin, in which C++ loops stand for loops, rows for lanes and a select for a branch, so that only derivatives
// are left as transforms. Both give the same numbers: to the bit where no derivative is taken, else to rounding.
// TENON_FUZZ_SEED and TENON_FUZZ_COUNT choose which and how many.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>

#include "tenon/tenon.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

using Function = std::function<Tensor(Tensor)>;  // f64[n] -> f64[n], its values bounded

constexpr int64_t width = 3;

// A nest and its twin, told apart by how they are made and not by what they mean.
struct Nest {
  Function nested, plain;
  std::string text;
  bool derived = false;  // some derivative is taken: the order of its sums may differ
};

class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}
  int below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  double number() { return static_cast<double>(below(17) - 8) / 8; }
  Tensor vector() { return tn::tensor(std::vector<double>{number(), number(), number()}); }

  Nest nest(int depth) { return depth == 0 ? leaf() : wrapped(depth); }

 private:
  Nest leaf() {
    std::string text;
    std::vector<Function> steps;
    for (int i = 1 + below(3); i > 0; --i) {
      const Tensor c = vector();
      switch (below(7)) {
        case 0: steps.push_back([](Tensor x) { return tn::sin(x); }), text += "sin "; break;
        case 1: steps.push_back([c](Tensor x) { return x * c; }), text += "mul "; break;
        case 2: steps.push_back([c](Tensor x) { return tn::tanh(x + c); }), text += "tanh "; break;
        case 3: steps.push_back([](Tensor x) { return x * x * 0.25; }), text += "square "; break;
        case 4: steps.push_back([](Tensor x) { return tn::cumsum(x, 0) * 0.5; }), text += "cumsum "; break;
        case 5: steps.push_back([](Tensor x) { return x - tn::mean(x); }), text += "centre "; break;
        default:
          steps.push_back([c](Tensor x) {
            return tn::matmul(x.reshape({1, width}), c.reshape({width, 1}) * tn::sin(c)).reshape({width}) * 0.5;
          });
          text += "matmul ";
      }
    }
    const Function f = [steps](Tensor x) {
      for (const Function& step : steps) x = step(x);
      return x;
    };
    return {f, f, "(" + text + ")"};
  }

  Nest wrapped(int depth) {
    const Nest in = nest(depth - 1);
    const int kind = below(13);
    return kind < 4 ? with_rule(in, kind) : kind < 9 ? in_control(in, kind, depth) : differentiated(in, kind);
  }

  Nest with_rule(const Nest& in, int kind) {
    const Function f = in.nested, p = in.plain;
    switch (kind) {
      case 0: return {[g = tn::jit(f)](Tensor x) { return g(x); }, p, "jit " + in.text, in.derived};
      case 1: return {[f](Tensor x) { return tn::checkpoint(f)(x); }, p, "checkpoint " + in.text, in.derived};
      case 2:
        return {[f](Tensor x) { return tn::custom_jvp(f, [f](Tensor v, Tensor t) { return tn::jvp(f, v, t); })(x); }, p,
                "custom_jvp " + in.text, in.derived};
      default:
        return {[f](Tensor x) {
                  return tn::custom_vjp(
                      f, [f](Tensor v) { return std::pair(f(v), v); },
                      [f](Tensor v, Tensor ct) { return tn::vjp(f, v).second(ct); })(x);
                },
                p, "custom_vjp " + in.text, true};
    }
  }

  Nest in_control(const Nest& in, int kind, int depth) {
    const Function f = in.nested, p = in.plain;
    const Tensor c = vector();
    const int count = 1 + below(3);
    switch (kind) {
      case 4: {
        const auto rows = [c](Tensor x) { return tn::stack({x, x * 0.5, c - x}, 0); };
        return {[f, rows](Tensor x) { return tn::sum(tn::vmap(f)(rows(x)), {.axes = {0}}) * 0.5; },
                [p, rows](Tensor x) {
                  const Tensor all = rows(x);
                  return tn::sum(tn::stack({p(Tensor(all[0])), p(Tensor(all[1])), p(Tensor(all[2]))}, 0),
                                 {.axes = {0}}) *
                         0.5;
                },
                "vmap " + in.text, in.derived};
      }
      case 5:
        return {[f, c, count](Tensor x) {
                  const Tensor xs = tn::stack(std::vector<Tensor>(static_cast<size_t>(count), c), 0);
                  const auto [last, all] =
                      tn::scan([&](Tensor s, Tensor r) { return std::pair(f(s + r * x), s * x); }, x, xs);
                  return last + tn::sum(all, {.axes = {0}}) * 0.125;
                },
                [p, c, count](Tensor x) {
                  Tensor s = x;
                  std::vector<Tensor> all;
                  for (int i = 0; i < count; ++i) {
                    all.push_back(s * x);
                    s = p(s + c * x);
                  }
                  return s + tn::sum(tn::stack(all, 0), {.axes = {0}}) * 0.125;
                },
                "scan" + std::to_string(count) + " " + in.text, in.derived};
      case 6:
        return {[f, count](Tensor x) { return tn::fori_loop(0, count, [&](Tensor, Tensor s) { return f(s); }, x); },
                [p, count](Tensor x) {
                  for (int i = 0; i < count; ++i) x = p(x);
                  return x;
                },
                "fori" + std::to_string(count) + " " + in.text, in.derived};
      case 7: {  // how often depends on the numbers
        const auto going = [count](Tensor i, Tensor s) { return tn::logical_and(i < count, tn::sum(s) < 0.75); };
        return {[f, going](Tensor x) {
                  using State = std::pair<Tensor, Tensor>;
                  return tn::while_loop([&](const State& s) { return going(s.first, s.second); },
                                        [&](const State& s) { return State(s.first + 1, f(s.second)); },
                                        State(tn::zeros({}, {.dtype = tn::i64}), x))
                      .second;
                },
                [p, going, count](Tensor x) {
                  Tensor active = tn::full({}, true);
                  for (int i = 0; i < count; ++i) {
                    active = tn::logical_and(active, going(tn::tensor(int64_t{i}), x));
                    x = tn::where(active, p(x), x);
                  }
                  return x;
                },
                "while" + std::to_string(count) + " " + in.text, in.derived};
      }
      default: {
        Nest other = nest(depth - 1);
        const Function g = other.nested, q = other.plain;
        const double t = number();
        return {[f, g, t](Tensor x) { return tn::cond(tn::sum(x) > t, f, g, x); },
                [p, q, t](Tensor x) { return tn::where(tn::sum(x) > t, p(x), q(x)); }, "cond " + in.text + other.text,
                in.derived || other.derived};
      }
    }
  }

  Nest differentiated(const Nest& in, int kind) {
    const Function f = in.nested, p = in.plain;
    const Tensor c = vector();
    switch (kind) {
      case 9:
        return {[f](Tensor x) { return tn::grad([&](Tensor v) { return tn::sum(tn::sin(f(v))); })(x) * 0.25; },
                [p](Tensor x) { return tn::grad([&](Tensor v) { return tn::sum(tn::sin(p(v))); })(x) * 0.25; },
                "grad " + in.text, true};
      case 10:
        return {[f, c](Tensor x) { return tn::jvp(f, x, c + x).second * 0.25; },
                [p, c](Tensor x) { return tn::jvp(p, x, c + x).second * 0.25; }, "jvp " + in.text, true};
      case 11:
        return {[f](Tensor x) { return tn::vjp(f, x).second(x) * 0.25; },
                [p](Tensor x) { return tn::vjp(p, x).second(x) * 0.25; }, "vjp " + in.text, true};
      default: {
        const auto both = [](const Function& h) {
          return [h](Tensor x) {
            const auto [y, push] = tn::linearize(h, x);
            return y + push(x * 0.5) * 0.25;
          };
        };
        return {both(f), both(p), "linearize " + in.text, true};
      }
    }
  }

  std::mt19937_64 random_;
};

uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void compare(const Nest& nest, const Tensor& got, const Tensor& wanted, const char* route, uint64_t seed) {
  ASSERT_EQ(tn::to_string(got.shape()), tn::to_string(wanted.shape()));
  const auto a = got.to_vector<double>(), b = wanted.to_vector<double>();
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
    const double scale = std::max({1.0, std::abs(a[i]), std::abs(b[i])});
    EXPECT_TRUE(same || (nest.derived && std::abs(a[i] - b[i]) <= 1e-9 * scale))
        << "seed " << seed << ", " << route << ", element " << i << ": " << a[i] << " and " << b[i] << "\n"
        << nest.text;
  }
}

TEST(Nests, AgreeWithTheirPlainTwins) {
  const uint64_t first = setting("TENON_FUZZ_SEED", 1), count = setting("TENON_FUZZ_COUNT", 60);
  int refused = 0;
  for (uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    Draw draw(seed);
    const Nest nest = draw.nest(1 + draw.below(4));
    const Tensor x = draw.vector();
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + nest.text);
    try {
      const Tensor wanted = tn::jit(nest.plain)(x);
      compare(nest, tn::jit(nest.nested)(x), wanted, "jitted", seed);
      if (seed % 4 == 0) compare(nest, nest.nested(x), wanted, "eager", seed);
    } catch (const tn::Error& e) {
      // Forward mode transposes the rule of a custom_vjp, and one that loops until a condition fails has no transpose.
      const bool documented = std::string_view(e.what()).find("custom_vjp: forward mode") != std::string_view::npos;
      refused += documented;
      if (!documented) ADD_FAILURE() << "seed " << seed << ": " << e.what() << "\n" << nest.text;
    } catch (const std::exception& e) {
      ADD_FAILURE() << "seed " << seed << ": " << e.what() << "\n" << nest.text;
    }
  }
  std::printf("%llu nests, %d of them forward through a rule that loops, which is refused\n",
              static_cast<unsigned long long>(count), refused);
  EXPECT_LT(static_cast<uint64_t>(refused) * 20, count + 20);
}

}  // namespace
