// Every function of frontend/ops/functions.def takes complex operands, or refuses them: by its own name, whatever the functions
// and ops are called that it is made of; with the dtype that it was given; at the caller's line.
#include <gtest/gtest.h>

#include <tuple>
#include <type_traits>

#include "tenon/frontend/tenon.h"

namespace tenon::testing {
namespace {

// What stands for a function's arguments, by their types: an operand is `other`, whole numbers are 1, 2, 1, 2 ...
struct Sample {
  Tensor x, other;
  int numbers = 0;
};
template <class T>
T sampled(Sample& s) {
  if constexpr (std::is_same_v<T, Operand>)
    return Operand(s.other);
  else if constexpr (std::is_same_v<T, Tensor>)
    return s.other;
  else if constexpr (std::is_same_v<T, int64_t>)
    return 1 + s.numbers++ % 2;
  else if constexpr (std::is_same_v<T, double> || std::is_same_v<T, Extent>)
    return T(1);
  else if constexpr (std::is_same_v<T, std::optional<Extent>>)
    return Extent(2);
  else if constexpr (std::is_same_v<T, PerAxis> || std::is_same_v<T, Sizes>)
    return {1};
  else if constexpr (std::is_same_v<T, std::vector<int64_t>>)
    return {1};
  else if constexpr (std::is_same_v<T, std::string>)
    return "prod";
  else if constexpr (std::is_same_v<T, const char*>)
    return "none";
  else if constexpr (std::is_same_v<T, ReduceWindow>)
    return {.window = {1}, .combine = "max"};
  else if constexpr (std::is_same_v<T, Interpolate>)
    return {.scale_factor = 2, .mode = "nearest"};
  else if constexpr (std::is_same_v<T, DType>)
    return f32;
  else if constexpr (std::is_same_v<T, Axes>)
    return {0};
  else if constexpr (std::is_same_v<T, Weights>)
    return s.other;
  else if constexpr (std::is_same_v<T, Pad>)
    return Pad::constant;
  else if constexpr (std::is_same_v<T, NonZero>)
    return {.size = 1};
  else
    return T();
}

template <class R, class... P>
void call(R (*f)(Operand, P...), Sample s) {
  std::tuple<std::remove_cvref_t<P>...> rest{sampled<std::remove_cvref_t<P>>(s)...};  // in this order
  std::apply([&](auto&... p) { static_cast<void>(f(Operand(s.x), p...)); }, rest);
}

struct Function {
  const char *name, *parameters;
  void (*called)(const Sample&);
};
const Function functions[] = {
#define TENON_FUNCTION(result, name, arguments, ...) \
  {#name, #arguments,                                \
   [](const Sample& s) { call(static_cast<result (*)(Operand __VA_OPT__(, ) __VA_ARGS__)>(&tenon::name), s); }},
#include "tenon/frontend/ops/functions.def"
};

const std::vector<std::vector<int64_t>> shapes = {{}, {4, 4}, {4}, {4, 4, 4}, {2, 2, 2, 2}, {2, 2, 2, 2, 2}};

// Whether it took them; what it says otherwise is of complex numbers, where it takes real ones.
std::optional<Error> refusal(const Function& f, const Sample& s) try {
  f.called(s);
  return {};
} catch (const Error& e) {
  return e;
}

void expect_here(const Error& e, const std::string& call) {
  EXPECT_NE(std::string(e.where().file).find("complex_refusals_test"), std::string::npos)
      << call << " says: " << e.what();
}

TEST(ComplexRefusals, NameTheFunctionThatWasCalled) {
  size_t all_asked = 0;
  for (const Function& f : functions) {
    int fitting = 0;  // shapes that it takes of real numbers: two are enough
    const std::string call = std::string(f.name) + f.parameters;
    for (const std::vector<int64_t>& extents : shapes) {
      if (fitting == 2) break;
      bool asked = false;
      const Tensor x = zeros(extents, {.dtype = f64}), z = x.astype(c128);
      const Tensor index = x.astype(i64), mask = x.astype(boolean);
      const struct {
        Sample real, complex;
      } pairs[] = {{{x, x}, {z, z}}, {{x, x}, {x, z}}, {{x, index}, {z, index}}, {{x, mask}, {z, mask}}};
      for (const auto& [real, complex] : pairs) {
        const std::optional<Error> of_real = refusal(f, real), refused = refusal(f, complex);
        asked = asked || !of_real;
        if (of_real) expect_here(*of_real, call);
        if (refused) expect_here(*refused, call);
        if (of_real || !refused) continue;
        const std::string said = refused->message();
        EXPECT_EQ(said.find(std::string(f.name) + ": "), 0u) << call << " says: " << said;
        EXPECT_NE(said.find("c128"), std::string::npos) << call << " says: " << said;
      }
      fitting += asked ? 1 : 0;
    }
    all_asked += fitting > 0 ? 1 : 0;
  }
  EXPECT_GT(all_asked * 5, std::size(functions) * 4) << "the samples fit too few of them";
}

}  // namespace
}  // namespace tenon::testing
