// Memory for hand-written loops. The caller sees to what lies past its end.
#include <algorithm>

#include "tenon/bench/case.h"

namespace tenon::bench {

std::shared_ptr<float> block(int64_t count, float value) {
  const auto bytes = static_cast<uint64_t>(count) * sizeof(float);
  std::shared_ptr<float> memory(static_cast<float*>(tenon_alloc(bytes)), [bytes](float* p) { tenon_free(p, bytes); });
  std::fill_n(memory.get(), count, value);
  return memory;
}

}  // namespace tenon::bench
