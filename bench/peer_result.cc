// The tables. Times stand in microseconds, shares in per cent.
#include "tenon/bench/peer_result.h"

#include <cmath>
#include <cstdio>
#include <set>

namespace tenon::bench {
namespace {

std::string number(double v, const char* form) {
  char text[40];
  std::snprintf(text, sizeof text, form, v);
  return text;
}

std::string time_text(double seconds) {
  const double us = seconds * 1e6;
  return seconds <= 0 ? "-" : number(us, us >= 100 ? "%.0f" : us >= 10 ? "%.1f" : us >= 1 ? "%.2f" : "%.3f");
}

// The cells of a row, in the order of the heads.
std::vector<std::string> cells(const PeerResult& r) {
  std::vector<std::string> all{r.row, std::to_string(r.threads), time_text(r.tenon)};
  for (double seconds : r.peers) all.push_back(time_text(seconds));
  const bool compared = r.best() >= 0 && r.tenon > 0;
  all.push_back(r.best() < 0 ? "-" : name_of(peer_kinds[static_cast<size_t>(r.best())]));
  all.push_back(compared ? number(r.ratio(), "%.2f") : "-");
  all.push_back(r.share() > 0 ? number(100 * r.share(), "%.0f%% of ") + r.ceiling : "-");
  all.push_back(r.tenon <= 0 ? "FAILED" : !compared ? "-" : r.met() ? "met" : "NOT");
  return all;
}

const std::vector<std::string> heads{"row",    "threads", "Tenon us", "NumPy us", "PyTorch us",
                                     "JAX us", "best",    "ratio",    "ceiling",  "at 0.95"};

std::set<int> thread_counts(const PeerReport& report) {
  std::set<int> counts;
  for (const PeerResult& r : report.results) counts.insert(r.threads);
  return counts;
}

std::string ceiling_line(const Ceilings& c) {
  return std::to_string(c.threads) + (c.threads == 1 ? " thread: " : " threads: ") + number(c.flops * 1e-9, "%.0f") +
         " GF/s of multiply-adds, copy of 64 MiB " + number(c.copy * 1e-9, "%.1f") + " GB/s, non-temporal " +
         number(c.nontemporal * 1e-9, "%.1f") + " GB/s";
}

std::string mean_line(const PeerReport& report, int threads) {
  int rows = 0, missed = 0, unsteady = 0;
  for (const PeerResult& r : report.results)
    if (r.threads == threads) ++rows, missed += r.met() ? 0 : 1, unsteady += r.spread > steady ? 1 : 0;
  const double mean = geometric_mean(report.results, threads);  // 0: no row has a peer
  return std::to_string(threads) + (threads == 1 ? " thread" : " threads") + ": " +
         (mean > 0 ? "geometric mean of the ratios " + number(mean, "%.2f") + ", " : "") + std::to_string(rows) +
         " rows, " + std::to_string(missed) + " not met, " + std::to_string(unsteady) +
         " unsteady (quartiles of Tenon's times more than 20 % apart)";
}

std::vector<std::string> remarks(const PeerReport& report) {
  std::vector<std::string> all;
  for (const PeerResult& r : report.results)
    for (const std::string& remark : r.remarks)
      all.push_back(r.row + ", " + std::to_string(r.threads) + (r.threads == 1 ? " thread: " : " threads: ") + remark);
  return all;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
  }
  return out + "\"";
}

std::string json_number(double v) { return v > 0 && std::isfinite(v) ? number(v, "%.9g") : "null"; }

std::string json_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& t : texts) out += (out.size() > 1 ? ", " : "") + quoted(t);
  return out + "]";
}

std::string json_row(const PeerResult& r) {
  std::string out = "{\"row\": " + quoted(r.row) + ", \"threads\": " + std::to_string(r.threads) +
                    ", \"tenon\": " + json_number(r.tenon);
  for (size_t p = 0; p < peer_kinds.size(); ++p)
    out += ", " + quoted(name_of(peer_kinds[p])) + ": " + json_number(r.peers[p]);
  const std::string best = r.best() < 0 ? "null" : quoted(name_of(peer_kinds[static_cast<size_t>(r.best())]));
  return out + ", \"best\": " + best + ", \"ratio\": " + json_number(r.ratio()) +
         ", \"ceiling\": " + (r.ceiling.empty() ? "null" : quoted(r.ceiling)) +
         ", \"share\": " + json_number(r.share()) + ", \"spread\": " + json_number(r.spread) +
         ", \"met\": " + (r.met() ? "true" : "false") + ", \"remarks\": " + json_list(r.remarks) + "}";
}

}  // namespace

int PeerResult::best() const {
  int best = -1;
  for (size_t p = 0; p < peers.size(); ++p)
    if (peers[p] > 0 && (best < 0 || peers[p] < peers[static_cast<size_t>(best)])) best = static_cast<int>(p);
  return best;
}

double PeerResult::ratio() const { return best() < 0 || tenon <= 0 ? 0 : peers[static_cast<size_t>(best())] / tenon; }
double PeerResult::share() const { return tenon > 0 ? ceiling_seconds / tenon : 0; }

double geometric_mean(const std::vector<PeerResult>& results, int threads) {
  double sum = 0;
  int count = 0;
  for (const PeerResult& r : results)
    if (r.threads == threads && r.ratio() > 0) sum += std::log(r.ratio()), ++count;
  return count == 0 ? 0 : std::exp(sum / count);
}

std::string plain_text(const PeerReport& report) {
  std::string out = report.date + ", " + report.machine + "\n";
  for (const std::string& p : report.peers) out += p + "\n";
  for (const Ceilings& c : report.ceilings) out += ceiling_line(c) + "\n";
  const auto line = [&](const std::vector<std::string>& all) {
    char text[240];
    std::snprintf(text, sizeof text, "%-40s %7s %10s %10s %10s %10s  %-8s %6s  %-26s %s\n", all[0].c_str(),
                  all[1].c_str(), all[2].c_str(), all[3].c_str(), all[4].c_str(), all[5].c_str(), all[6].c_str(),
                  all[7].c_str(), all[8].c_str(), all[9].c_str());
    out += text;
  };
  line(heads);
  for (const PeerResult& r : report.results) line(cells(r));
  for (int threads : thread_counts(report)) out += mean_line(report, threads) + "\n";
  for (const std::string& remark : remarks(report)) out += remark + "\n";
  return out;
}

std::string markdown_text(const PeerReport& report) {
  std::string out = "Measured " + report.date + " on " + report.machine +
                    ": `./dev bench --peers`, all subjects in turn in one run, medians. The ratio is the best peer's "
                    "time over Tenon's: above 1 Tenon is faster.\n\n";
  for (const std::string& p : report.peers) out += "- " + p + "\n";
  for (const Ceilings& c : report.ceilings) out += "- " + ceiling_line(c) + "\n";
  for (int threads : thread_counts(report)) out += "- " + mean_line(report, threads) + "\n";
  const auto line = [&](const std::vector<std::string>& all) {
    out += "|";
    for (const std::string& cell : all) out += " " + cell + " |";
    out += "\n";
  };
  out += "\n";
  line(heads);
  line({"---", "---:", "---:", "---:", "---:", "---:", "---", "---:", "---", "---"});
  for (const PeerResult& r : report.results) line(cells(r));
  const std::vector<std::string> left_out = remarks(report);
  if (!left_out.empty()) out += "\nLeft out:\n\n";
  for (const std::string& remark : left_out) out += "- " + remark + "\n";
  return out;
}

std::string json_text(const PeerReport& report) {
  std::string out = "{\"date\": " + quoted(report.date) + ", \"machine\": " + quoted(report.machine) +
                    ", \"peers\": " + json_list(report.peers) + ",\n\"ceilings\": [";
  for (size_t i = 0; i < report.ceilings.size(); ++i) {
    const Ceilings& c = report.ceilings[i];
    out += std::string(i == 0 ? "" : ", ") + "{\"threads\": " + std::to_string(c.threads) +
           ", \"flops\": " + json_number(c.flops) + ", \"copy\": " + json_number(c.copy) +
           ", \"nontemporal\": " + json_number(c.nontemporal) + "}";
  }
  out += "],\n\"means\": {";
  for (int threads : thread_counts(report))
    out += std::string(out.back() == '{' ? "" : ", ") + "\"" + std::to_string(threads) +
           "\": " + json_number(geometric_mean(report.results, threads));
  out += "},\n\"rows\": [";
  for (size_t i = 0; i < report.results.size(); ++i) out += (i == 0 ? "\n" : ",\n") + json_row(report.results[i]);
  return out + "\n]}\n";
}

}  // namespace tenon::bench
