// What a run beside peers found, and the three ways in which it is shown: a table for the eye, Markdown, JSON. Refuses to compare
// figures of different numbers of threads.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tenon/bench/peer.h"

namespace tenon::bench {

inline constexpr double peer_bar = 0.95;  // of the best peer's speed, below which a row is not met
inline constexpr double steady = 1.2;  // a spread above it: something else ran

struct PeerResult {
  std::string row;
  int threads = 1;
  double tenon = 0;  // seconds of one run, a median, as all figures here; 0: it failed
  std::array<double, peer_kinds.size()> peers{};  // 0: none
  std::string ceiling;  // what bounds it; empty: nothing known
  double ceiling_seconds = 0;  // of the same work
  double spread = 1;  // of Tenon's times: the upper quartile over the lower
  std::vector<std::string> remarks;  // of peers that were left out, or of a failure

  int best() const;  // the number of the fastest peer, -1 where there is none
  double ratio() const;  // of the best peer's time to Tenon's: above 1 Tenon is faster; 0 where there is no peer
  double share() const;  // of the ceiling; 0 where none is known
  bool met() const { return tenon > 0 && (best() < 0 || ratio() >= peer_bar); }
};

struct Ceilings {
  int threads = 1;
  double flops = 0, copy = 0, nontemporal = 0;  // a second; bytes a second
};

struct PeerReport {
  std::string date, machine;
  std::vector<std::string> peers;  // versions, or why one is missing
  std::vector<Ceilings> ceilings;
  std::vector<PeerResult> results;
};

// Of the ratios of rows that have a peer; 0 where none has.
double geometric_mean(const std::vector<PeerResult>& results, int threads);
std::string plain_text(const PeerReport& report);
std::string markdown_text(const PeerReport& report);
std::string json_text(const PeerReport& report);

}  // namespace tenon::bench
