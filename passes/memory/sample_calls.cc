// Which extents a symbolic program is checked at.
#include "tenon/passes/memory/sample_calls.h"

#include <algorithm>
#include <set>

#include "tenon/ir/base/error.h"

namespace tenon::passes {

using namespace ir;

std::vector<std::vector<int64_t>> sample_calls(const Symbols& symbols) {
  const std::vector<uint32_t> free = symbols.free_symbols();
  const auto number = [](std::initializer_list<int64_t> list, size_t i) {
    return list.begin()[i % list.size()] + static_cast<int64_t>(i / list.size()) * 100;
  };
  std::set<std::vector<int64_t>> chosen;
  const auto add = [&](auto&& value) {
    std::vector<int64_t> values;
    for (size_t i = 0; i < free.size(); ++i)
      values.push_back(std::clamp<int64_t>(value(i), symbols[free[i]].lower, symbols[free[i]].upper));
    chosen.insert(std::move(values));
  };
  const auto primes = [&](size_t i) { return number({5, 3, 7, 2, 11, 13}, i); };
  for (const int64_t same : {0, 1, 2, 64, 100, 4096}) add([&](size_t) { return same; });
  add(primes);
  add([&](size_t i) { return number({67, 131, 29, 257, 41}, i); });
  add([&](size_t i) { return number({8209, 4099, 521, 4111}, i); });
  add([&](size_t i) { return symbols[free[i]].upper < INT64_MAX ? symbols[free[i]].upper : 1 << 20; });
  for (size_t one = 0; one < free.size(); ++one)
    for (const int64_t special : {0, 1, 100003}) add([&](size_t i) { return i == one ? special : primes(i); });
  std::vector<std::vector<int64_t>> result;
  for (const std::vector<int64_t>& values : chosen) try {
      result.push_back(symbols.evaluate(values));
    } catch (const Error&) {  // an extent that no call can have
    }
  return result;
}

int64_t elements(const Shape& shape, const std::vector<int64_t>& extents) {
  int64_t n = 1;
  bool overflow = false, empty = false;
  for (Dim d : shape) {
    const int64_t value = Symbols::value(d, extents);
    if (value < 0) return -1;
    empty |= value == 0;
    overflow |= __builtin_mul_overflow(n, value, &n);
  }
  return empty ? 0 : overflow ? -1 : n;
}

bool is_possible(const Program& program, const std::vector<int64_t>& extents) {
  return std::all_of(program.buffers.begin(), program.buffers.end(), [&](const ProgramBuffer& b) {
    const int64_t n = elements(b.shape, extents);
    return n >= 0 && n <= most_bytes / bytes(b.dtype);
  });
}

}  // namespace tenon::passes
