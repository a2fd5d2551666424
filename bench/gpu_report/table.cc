// The end of a report: a table of at most 60 lines, and report.md with every figure. What is wrong or missing stands first.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>

#include "tenon/bench/gpu_report/report.h"

namespace tenon::gpu_report {
namespace {

constexpr size_t most_lines = 60;

struct All {
  std::vector<std::pair<const Section*, Kept>> sections;
  std::map<std::string, double> peers;  // "torch rows: softmax, ..." -> seconds
  std::map<std::string, double> ceilings;  // copy, bf16, f32 -> units per second

  const Row* find(const std::string& section, const std::string& row) const {
    for (const auto& [s, kept] : sections)
      if (s->name == section) return kept.find(row);
    return nullptr;
  }
};

All load_all(const Options& o) {
  All all;
  for (const Section& s : sections()) all.sections.emplace_back(&s, load(o, s.name));
  for (const auto& [s, kept] : all.sections)
    for (const Row& r : kept.rows)
      if (std::string(s->name) == "peers" && r.seconds > 0) all.peers[r.name] = r.seconds;
  for (const auto& [s, kept] : all.sections)
    for (const Row& r : kept.rows) {
      if (std::string(s->name) != "ceilings" || r.seconds <= 0) continue;
      const std::string of = r.name == "device copy" ? "copy" : r.more.at("ceiling").text;
      if (of.empty() || (of == "copy" && r.name != "device copy")) continue;
      double seconds = r.seconds;  // of products the best of ours and PyTorch's
      const auto theirs = all.peers.find("torch ceilings: " + r.name);
      if (theirs != all.peers.end()) seconds = std::min(seconds, theirs->second);
      all.ceilings[of] = r.work / seconds;
    }
  return all;
}

std::string text(const char* format, double value) {
  char line[40];
  std::snprintf(line, sizeof line, format, value);
  return line;
}
std::string figure(double value) { return text(value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value); }

// Times as fast as somebody else; empty where there is no figure.
std::string ratio(const All& all, const std::string& who, const std::string& section, const Row& r) {
  const auto theirs = all.peers.find(who + " " + section + ": " + r.name);
  return theirs == all.peers.end() || r.seconds <= 0 ? "" : text("%.2fx", theirs->second / r.seconds);
}

std::vector<std::string> cells(const All& all, const std::string& section, const Row& r) {
  std::string value, share, words = r.words;
  if (!r.failed.empty()) words = (r.wrong ? "WRONG: " : "FAILED: ") + r.failed;
  if (r.seconds > 0) value = figure(r.value()) + " " + r.unit;
  const auto of = all.ceilings.find(r.more.at("ceiling").text);
  if (r.seconds > 0 && of != all.ceilings.end()) share = text("%.0f %%", 100 * r.work / r.seconds / of->second);
  return {r.name,
          value,
          share,
          r.seconds > 0 ? figure(r.seconds * 1e6) : "",
          ratio(all, "torch", section, r),
          ratio(all, "compile", section, r),
          ratio(all, "jax", section, r),
          words};
}

std::string short_line(const std::vector<std::string>& c) {
  char line[400];
  std::snprintf(line, sizeof line, "  %-46.46s %15s %6s %7s %7s %7s  %.90s", c[0].c_str(), c[1].c_str(), c[2].c_str(),
                c[4].c_str(), c[5].c_str(), c[6].c_str(), c[7].c_str());
  std::string text = line;
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

size_t bad(const Kept& kept) {
  return static_cast<size_t>(
      std::count_if(kept.rows.begin(), kept.rows.end(), [](const Row& r) { return !r.failed.empty(); }));
}

// "WRONG", what failed, what is missing; no lines where all is well.
std::vector<std::string> verdict(const All& all) {
  std::vector<std::string> lines;
  size_t wrong = 0, failed = 0;
  std::string missing;
  for (const auto& [s, kept] : all.sections) {
    for (const Row& r : kept.rows) (r.wrong ? wrong : failed) += !r.failed.empty();
    if (!kept.complete)
      missing += (missing.empty() ? "" : ", ") + std::string(s->name) +
                 (kept.rows.empty() ? "" : " (" + std::to_string(kept.rows.size()) + " rows are there)");
  }
  if (wrong) lines.push_back("WRONG: " + std::to_string(wrong) + " results are not what they should be");
  if (failed) lines.push_back("FAILED: " + std::to_string(failed) + " rows could not be measured");
  if (!missing.empty()) lines.push_back("MISSING, run the same command again: " + missing);
  return lines;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  char date[40];
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
  return date;
}

std::vector<std::string> head(const Options& o, const All& all) {
  std::vector<std::string> lines = verdict(all);
  lines.push_back("Tenon " + o.commit + " on " + o.device + ", " + today() +
                  (o.quick ? ", quick: figures mean nothing" : ""));
  return lines;
}

// What a section has to say that is no row: how many families agree, what a kernel more costs.
std::string summary(const All& all, const Section& s, const Kept& kept) {
  const std::string name = s.name;
  if (name == "correctness")
    return std::to_string(kept.rows.size() - bad(kept)) + " of " + std::to_string(kept.rows.size()) +
           " checks give the CPU's bits, and the same from call to call";
  if (name == "ceilings") {
    const Row* few = all.find(name, "a call of 10 kernels in a row");
    const Row* many = all.find(name, "a call of 1000 kernels in a row");
    if (few == nullptr || many == nullptr || few->seconds <= 0 || many->seconds <= 0) return "";
    return "a kernel more in a graph: " + figure((many->seconds - few->seconds) / 990 * 1e6) + " us";
  }
  if (name != "peers") return "";
  std::string words;
  for (const char* who : {"torch", "compile", "jax"})
    if (const Row* r = kept.find(who)) words += (words.empty() ? "" : "; ") + std::string(who) + ": " + r->words;
  return words;
}

std::vector<std::string> short_table(const Options& o, const All& all) {
  std::vector<std::string> lines = head(o, all);
  lines.push_back(
      short_line({"", "", "share", "", "torch", "compile", "jax", "share: of the ceiling; others: times as fast"}));
  for (const auto& [s, kept] : all.sections) {
    if (kept.rows.empty()) continue;
    const std::string words = summary(all, *s, kept);
    lines.push_back(std::string(s->title) + (words.empty() ? "" : ": " + words));
    std::vector<const Row*> shown;
    for (const Row& r : kept.rows)
      if (!r.failed.empty()) shown.push_back(&r);  // first, whatever else there is
    for (const Row& r : kept.rows)
      if (r.failed.empty() && r.shown) shown.push_back(&r);
    for (size_t k = 0; k < std::min(shown.size(), s->lines); ++k)
      lines.push_back(short_line(cells(all, s->name, *shown[k])));
  }
  if (lines.size() > most_lines) lines.resize(most_lines);
  return lines;
}

std::string escaped(std::string words) {
  for (size_t at = 0; (at = words.find_first_of("|\n", at)) != std::string::npos;) {
    words.replace(at, 1, words[at] == '|' ? "\\|" : "; ");
    at += 2;
  }
  return words;
}

std::string document(const Options& o, const All& all) {
  std::string out = "# GPU report\n\n";
  for (const std::string& line : head(o, all)) out += line + "\n\n";
  out +=
      "Written by `./dev gpu-report`. Medians by the host's clock around many calls and one wait, inputs random and "
      "rotating through\n"
      "more than the second-level cache. Shares are of the measured device copy, or of the best product of 8192; bytes "
      "are the least\n"
      "that has to move. The last columns say how many times as fast Tenon is as the others on the same shapes in the "
      "same report.\n";
  for (const auto& [s, kept] : all.sections) {
    if (kept.rows.empty()) continue;
    out += "\n## " + std::string(s->title) + "\n\n";
    if (const std::string words = summary(all, *s, kept); !words.empty()) out += escaped(words) + "\n\n";
    const std::string name = s->name;
    if (name == "peers") continue;
    const bool timed = name != "identify" && name != "correctness";
    out += timed ? "| case | figure | share | us a call | torch | torch.compile | JAX | "
                   "|\n|---|---|---|---|---|---|---|---|\n"
                 : "| | |\n|---|---|\n";
    for (const Row& r : kept.rows) {
      const std::vector<std::string> c = cells(all, name, r);
      if (!timed && r.name == "doctor") continue;
      out += "| " + escaped(c[0]);
      if (timed)
        for (size_t k = 1; k < c.size() - 1; ++k) out += " | " + c[k];
      const std::string words =
          name == "correctness" && r.failed.empty() && r.words.empty() ? "the CPU's bits" : c.back();
      out += " | " + escaped(words) + " |\n";
    }
  }
  if (const std::string after = clocks(); !after.empty()) out += "\nnvidia-smi at the end: " + after + "\n";
  return out;
}

}  // namespace

bool write_report(const Options& o) {
  const All all = load_all(o);
  write_file(o.out + "/report.md", document(o, all));
  for (const std::string& line : short_table(o, all)) std::printf("%s\n", line.c_str());
  for (const auto& [s, kept] : all.sections)
    for (const Row& r : kept.rows)
      if (r.wrong) return false;
  return true;
}

}  // namespace tenon::gpu_report
