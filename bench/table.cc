// Prints the closing table. Published figures of peers stand in a column of their own and enter no ratio.
#include "tenon/bench/table.h"

#include <cstdio>

namespace tenon::bench {
namespace {

struct Row {
  Case c;
  Result r;
};
std::vector<Row>& rows() {
  static std::vector<Row> kept;
  return kept;
}

const char* unit_name(Unit unit) {
  switch (unit) {
    case Unit::gigabytes: return "GB/s";
    case Unit::gigaflops: return "GF/s";
    case Unit::microseconds: return "us";
    case Unit::nanoseconds: return "ns";
  }
  return "";
}

bool is_column(const std::string& subject) { return subject == fused || subject == eager || subject == loop; }

std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, v >= 100 ? "%.0f" : v >= 10 ? "%.1f" : "%.2f", v);
  return text;
}

std::string entry(const std::map<std::string, double>& values, const char* name) {
  const auto it = values.find(name);
  return it == values.end() ? "-" : number(it->second);
}

// nullptr when the case was measured without what the bar asks for
const double* value_of(const Row& row, const Bar& bar) {
  const auto find = [&](const std::map<std::string, double>& values, const std::string& name) {
    const auto it = values.find(name);
    return it == values.end() ? nullptr : &it->second;
  };
  if (bar.value == "value") return find(row.r.value, fused);
  return find(row.r.per, bar.value.substr(4));
}

std::string text_of(const Row& row, const Bar& bar) {
  const std::string limit = (bar.at_least ? ">= " : "<= ") + number(bar.limit);
  if (bar.value == "value") return limit + " " + unit_name(row.c.unit);
  if (row.c.derivative) return (bar.at_least ? "<= " : ">= ") + number(1 / bar.limit) + " " + bar.value.substr(4) + "s";
  // A bar on time ("at most 1.5 times the loop's") is kept as one on rate.
  return limit + "x " + bar.value.substr(4);
}

bool print_row(const Row& row) {
  std::string ceilings, bars;
  for (const auto& [subject, ratio] : row.r.per) {
    if (is_column(subject)) continue;
    const std::string share = row.c.derivative ? number(1 / ratio) + " x the " + subject + "'s " +
                                                     number(row.r.value.at(subject)) + " " + unit_name(row.c.unit)
                                               : number(100 * ratio) + "% of " + subject;
    ceilings += (ceilings.empty() ? "" : ", ") + share;
  }
  if (row.r.value.count(fused) == 0)  // a ceiling itself
    for (const auto& [subject, value] : row.r.value)
      ceilings += (ceilings.empty() ? "" : ", ") + subject + " " + number(value) + " " + unit_name(row.c.unit);
  bool all_met = true;
  for (const Bar& bar : row.c.bars) {
    const double* value = value_of(row, bar);
    const bool met = value != nullptr && (bar.at_least ? *value >= bar.limit : *value <= bar.limit);
    all_met = all_met && met;
    bars += (bars.empty() ? "" : "; ") + text_of(row, bar) + (met ? " met" : " MISSED");
  }
  std::printf("%-26s %d %5s %8s %8s %8s %7s %7s  %-38s %-24s %s\n", row.c.name.c_str(), row.c.threads,
              unit_name(row.c.unit), entry(row.r.value, fused).c_str(), entry(row.r.value, eager).c_str(),
              entry(row.r.value, loop).c_str(), entry(row.r.per, eager).c_str(), entry(row.r.per, loop).c_str(),
              ceilings.empty() ? "-" : ceilings.c_str(), row.c.published, bars.c_str());
  return all_met;
}

}  // namespace

void keep(const Case& c, Result r) { rows().push_back({c, std::move(r)}); }

bool print_table() {
  if (rows().empty()) return true;
  std::printf("\n%-26s %s %5s %8s %8s %8s %7s %7s  %-38s %-24s %s\n", "case", "t", "unit", "fused", "eager", "C++",
              "x eager", "x C++", "of the ceiling, or beside", "published peer", "bar");
  bool all_met = true;
  for (const Row& row : rows()) all_met = print_row(row) && all_met;
  std::printf(
      "\nt: threads. Medians of interleaved runs on this machine; \"x\" is Tenon's fused speed over the other's.\n"
      "C++: hand-written loops, -O3 -march=native, strict IEEE. Published: the fastest of JAX 0.10.2 jit, PyTorch "
      "2.13\n"
      "eager and Inductor, and MLX 0.32, measured earlier on a 2-core Zen 4 machine; not part of this run.\n");
  return all_met;
}

}  // namespace tenon::bench
