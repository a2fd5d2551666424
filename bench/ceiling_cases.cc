// The machine's ceilings as cases of their own: copies of memory past the last-level cache, and fused multiply-adds. What they run
// is in bench/ceilings.cc.
#include "tenon/bench/case.h"

namespace tenon::bench {

void add_ceilings() {
  for (int threads : {1, 2}) {
    Case copy;
    copy.name = "ceiling: copy 64 MiB";
    copy.threads = threads;
    constexpr int64_t count = 16 << 20;
    copy.work = 2.0 * count * sizeof(float);
    copy.seconds = 1;
    copy.prepare = [] {
      auto from = block(count, 1), to = block(count);
      return std::vector<Subject>{{"memcpy", [=] { copy_ordinary(to.get(), from.get(), count); }},
                                  {"non-temporal", [=] { copy_nontemporal(to.get(), from.get(), count); }}};
    };
    add(copy);
    Case peak;
    peak.name = "ceiling: FMA f32";
    peak.threads = threads;
    peak.unit = Unit::gigaflops;
    peak.seconds = 0.5;
    peak.prepare = [] { return std::vector<Subject>{fma_peak(1e8)}; };
    add(peak);
  }
}

}  // namespace tenon::bench
