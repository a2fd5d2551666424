// Subjects in turn, in another order each round, and a short pause between two: threads that spin in wait for work, whosever they
// are, go to sleep before another's turn comes.
#include "tenon/bench/peer_run.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <functional>
#include <memory>
#include <regex>
#include <stdexcept>
#include <thread>

#include "tenon/bench/case.h"

namespace tenon::bench {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr double sample_seconds = 200e-6, warm_seconds = 20e-3;  // of a call, below which another one goes before
constexpr auto pause = std::chrono::milliseconds(2);
constexpr double in_caches = 64 << 20;  // bytes: work on fewer is bounded by an ordinary copy

double quantile(std::vector<double> samples, double q) {
  std::sort(samples.begin(), samples.end());
  return samples[static_cast<size_t>(q * static_cast<double>(samples.size() - 1) + 0.5)];
}
double median(const std::vector<double>& samples) { return quantile(samples, 0.5); }

// Work of this process, as often in a sample as takes 200 us.
class Sampler {
 public:
  explicit Sampler(std::function<void()> run) : run_(std::move(run)) {
    run_();  // compiles
    double once = seconds(1);
    if (once < 1e-5) once = seconds(20);
    calls_ = std::max<int64_t>(1, static_cast<int64_t>(sample_seconds / std::max(once, 1e-9)));
    warm_ = once < warm_seconds;
  }
  double operator()() const {
    if (warm_) run_();  // its own data back into the caches, and the core out of its sleep
    return seconds(calls_);
  }

 private:
  double seconds(int64_t calls) const {
    const auto start = Clock::now();
    for (int64_t i = 0; i < calls; ++i) run_();
    return since(start) / static_cast<double>(calls);
  }
  std::function<void()> run_;
  int64_t calls_ = 1;
  bool warm_ = false;
};

struct Turn {
  std::function<double()> sample;  // 0: it has ended
  std::vector<double> samples;
};

struct Bound {
  std::string name;
  std::function<void()> run;
  double scale = 1;  // of its time to the row's work
};

Bound copy_bound(double bytes, bool nontemporal) {
  const int64_t count = std::max<int64_t>(32, static_cast<int64_t>(bytes / 8) & ~int64_t{31});
  const auto copy = nontemporal ? copy_nontemporal : copy_ordinary;
  return {nontemporal ? "non-temporal copy" : "copy",
          [=, from = block(count, 1), to = block(count)] { copy(to.get(), from.get(), count); },
          bytes / (8.0 * static_cast<double>(count))};
}

Bound peak_bound(double flops) {
  const Subject peak = fma_peak(std::clamp(flops, 1e6, 1e8));
  return {"FMA peak", peak.run, flops / peak.work};
}

Bound bound_of(const PeerRow& row, const Work& work) {
  if (work.loop) return {"C++ loop", work.loop, 1};
  if (row.flops > 0) return peak_bound(row.flops);
  if (row.bytes > 0) return copy_bound(row.bytes, row.bytes > in_caches);
  return {};
}

void in_turn(std::vector<Turn>& turns, bool quick) {
  const size_t fewest = 5, most = quick ? 15 : 101;
  const double seconds = quick ? 0.15 : 2;
  const auto start = Clock::now();
  for (size_t round = 0; round < most; ++round) {
    if (round >= fewest && since(start) > seconds) break;
    for (size_t k = 0; k < turns.size(); ++k) {
      Turn& turn = turns[(k + round) % turns.size()];
      std::this_thread::sleep_for(pause);
      if (const double s = turn.sample(); s > 0) turn.samples.push_back(s);
    }
  }
}

PeerResult measure_row(const PeerRow& row, std::vector<Peer>& peers, int threads, const PeerOptions& o) {
  PeerResult result;
  result.row = row.name;
  result.threads = threads;
  const Work work = row.prepare();
  std::vector<Turn> turns{{Sampler(work.run), {}}};
  std::vector<Peer*> taking_part;
  if (!peers.empty()) {
    const RowFiles files(o.folder, row, work);
    for (Peer& peer : peers) {
      std::string why;
      if (peer.prepare(files, row.tolerance, why)) {
        taking_part.push_back(&peer);
        turns.push_back({[&peer] { return peer.seconds(); }, {}});
      } else if (!why.empty()) {
        result.remarks.push_back(std::string(name_of(peer.kind())) + " " + why);
      }
    }
  }
  const Bound bound = bound_of(row, work);
  if (bound.run) turns.push_back({Sampler(bound.run), {}});
  in_turn(turns, o.quick);
  result.tenon = median(turns[0].samples);
  result.spread = quantile(turns[0].samples, 0.75) / quantile(turns[0].samples, 0.25);
  for (size_t p = 0; p < taking_part.size(); ++p)
    if (!turns[p + 1].samples.empty())
      result.peers[static_cast<size_t>(taking_part[p]->kind())] = median(turns[p + 1].samples);
  if (bound.run) result.ceiling = bound.name, result.ceiling_seconds = bound.scale * median(turns.back().samples);
  return result;
}

Ceilings measure_ceilings(int threads, bool quick) {
  constexpr double flops = 1e8, bytes = 128 << 20;
  const Bound peak = peak_bound(flops), copy = copy_bound(bytes, false), past = copy_bound(bytes, true);
  std::vector<Turn> turns{{Sampler(peak.run), {}}, {Sampler(copy.run), {}}, {Sampler(past.run), {}}};
  in_turn(turns, quick);
  return {threads, flops / (peak.scale * median(turns[0].samples)), bytes / (copy.scale * median(turns[1].samples)),
          bytes / (past.scale * median(turns[2].samples))};
}

std::string today() {
  char text[32];
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

std::string machine() {
  std::string model = "an unknown processor";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0) {
      model = line.substr(line.find(':') + 2);
      break;
    }
  std::string load;
  std::getline(std::ifstream("/proc/loadavg"), load, ' ');
  return model + ", " + std::to_string(std::thread::hardware_concurrency()) + " cores, load " + load + " at the start";
}

}  // namespace

PeerReport run_peers(const PeerOptions& o) {
  PeerReport report{today(), machine(), {}, {}, {}};
  std::vector<PeerRow> rows;
  const std::regex pattern(o.row);
  for (PeerRow& row : peer_rows())
    if (std::regex_search(row.name, pattern)) rows.push_back(std::move(row));
  const int before = tenon_runtime_threads();
  const size_t total = rows.size() * o.threads.size();
  const auto start = Clock::now();
  for (const int threads : o.threads) {
    tenon_runtime_set_threads(threads);
    std::vector<Peer> peers;
    for (PeerKind kind : peer_kinds) {
      if (o.alone) break;
      Peer peer(kind, o.pythons[static_cast<size_t>(kind)], o.scripts, threads);
      if (threads == o.threads[0])
        report.peers.push_back(peer.here() ? peer.text() : std::string("no ") + name_of(kind) + ": " + peer.text());
      if (peer.here()) peers.push_back(std::move(peer));
    }
    report.ceilings.push_back(measure_ceilings(threads, o.quick));
    for (const PeerRow& row : rows) {
      const size_t done = report.results.size();
      const double left = done == 0 ? 0 : since(start) / static_cast<double>(done) * static_cast<double>(total - done);
      std::fprintf(stderr, "row %zu of %zu, %s left: %s\n", done + 1, total,
                   done == 0 ? "?" : (std::to_string(static_cast<int>(left)) + " s").c_str(), row.name.c_str());
      try {
        report.results.push_back(measure_row(row, peers, threads, o));
      } catch (const std::exception& e) {
        PeerResult failed;
        failed.row = row.name;
        failed.threads = threads;
        failed.remarks = {e.what()};
        report.results.push_back(std::move(failed));
      }
    }
  }
  tenon_runtime_set_threads(before);
  return report;
}

}  // namespace tenon::bench
