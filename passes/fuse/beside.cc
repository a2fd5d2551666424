// Small maps side by side: where many are left at one level, which read nothing of each other, one kernel computes several.
// A thousand results of a few numbers each would otherwise take a thousand kernels, and their compile time. Refuses large maps,
// which gain nothing: their streams would only get in each other's way.
#include "tenon/passes/fuse/draft.h"

namespace tenon::passes {

using namespace ir;

void Fusion::place_side_by_side() {
  constexpr size_t many = 8;
  std::vector<char> lives(drafts.size(), 0);  // sinking may have left it without a node
  for (uint32_t n = 0; n < graph.node_count(); ++n)
    if (draft_of[n] != no_draft) lives[find(draft_of[n])] = 1;
  std::map<std::pair<uint32_t, SpaceId>, std::vector<uint32_t>> alike;  // drafts by level and space
  for (uint32_t d = 0; d < drafts.size(); ++d) {
    const int64_t size = axes.numel(drafts[d].space);
    if (lives[d] && drafts[d].into == no_draft && drafts[d].kind == GroupKind::map && size > 0 &&
        size <= (target.tiles.map_block > 0 ? target.tiles.map_block : Tiles().map_block))
      alike[{drafts[d].level, drafts[d].space}].push_back(d);
  }
  for (const auto& [key, list] : alike) {
    if (list.size() <= many) continue;
    uint32_t host = no_draft, hosted = 0;
    for (uint32_t d : list) {
      if (host == no_draft || hosted >= limits.beside || drafts[host].cost + drafts[d].cost > limits.kernel_ops) {
        host = d;
        hosted = 1;
        continue;
      }
      merge(host, d);
      ++hosted;
    }
  }
}

}  // namespace tenon::passes
