// Casts in the interpreter: every pair of dtypes, one rounding each. Float to integer truncates, saturates, and makes NaN 0;
// to bool asks whether the value differs from zero; integers wrap.
#include <limits>

#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/reference/lanes_visit.h"

namespace tenon::ir::lanes {
namespace {

template <class To, class From>
To saturate(From x) {
  using Limits = std::numeric_limits<To>;
  if (x != x) return 0;
  const From above = static_cast<From>(uint64_t{1} << (Limits::digits - 1)) * 2;  // the first value that does not fit
  if (x >= above) return Limits::max();
  if (x <= static_cast<From>(Limits::min())) return Limits::min();
  return static_cast<To>(x);
}

template <class To, class From>
To convert_one(From x) {
  if constexpr (std::is_same_v<To, Bool8>) {
    return Bool8{static_cast<uint8_t>(widen(x) != 0)};
  } else if constexpr (is_float_type<From>) {
    if constexpr (is_float_type<To>)
      return narrow<To>(widen(x));
    else
      return saturate<To>(widen(x));
  } else if constexpr (is_half_type<To>) {
    using Widest = std::conditional_t<std::is_signed_v<Wide<From>>, int64_t, uint64_t>;
    return narrow<To>(odd_double(static_cast<Widest>(widen(x))));
  } else {
    return static_cast<To>(widen(x));
  }
}

}  // namespace

void convert(const Lanes& from, Lanes& out) {
  visit(from.type, [&](auto source) {
    visit(out.type, [&](auto target) {
      using From = decltype(source);
      using To = decltype(target);
      const From* a = from.as<From>();
      To* o = out.as<To>();
      for (int64_t i = 0; i < out.stored(); ++i) o[i] = convert_one<To>(a[i]);
    });
  });
}

}  // namespace tenon::ir::lanes
