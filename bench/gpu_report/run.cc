// The report as a whole: starts a process for each section, watches it, and starts it again where a row ended it. What was
// measured of the same commit on the same device is not measured again.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "tenon/bench/gpu_report/report.h"

extern char** environ;

namespace tenon::gpu_report {
namespace {

constexpr double patience = 75;  // seconds that one row may take before its process counts as hanging
constexpr int most_starts = 16;  // of one section's process

pid_t start(const Options& o, const char* section, double seconds, double elapsed) {
  std::vector<std::string> words = {"gpu_report",
                                    "--child",
                                    section,
                                    "--out",
                                    o.out,
                                    "--commit",
                                    o.commit,
                                    "--device",
                                    o.device,
                                    "--budget",
                                    std::to_string(o.budget),
                                    "--seconds",
                                    std::to_string(seconds),
                                    "--elapsed",
                                    std::to_string(elapsed)};
  if (o.quick) words.emplace_back("--quick");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t process = -1;
  const int error = posix_spawn(&process, "/proc/self/exe", nullptr, nullptr, arguments.data(), environ);
  return error == 0 ? process : -1;
}

// Waits until the process ends; ends it when a row hangs or the time is up. Why it did not end well; empty where it did.
std::string watch(const Options& o, const Section& s, pid_t process, double end, int& status) {
  const std::string part = o.out + "/" + s.name + ".part.json";
  const bool peers_own_limit = s.run == &peers;
  double progress = now();
  auto written = std::filesystem::file_time_type();
  while (true) {
    if (waitpid(process, &status, WNOHANG) == process)
      return WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status)) : "";
    std::error_code none;
    const auto last = std::filesystem::last_write_time(part, none);
    if (!none && last != written) written = last, progress = now();
    const bool hangs = !peers_own_limit && now() - progress > patience;
    if (hangs || now() > end) {
      kill(process, SIGKILL);
      waitpid(process, &status, 0);
      return hangs ? "no answer for " + std::to_string(static_cast<int>(patience)) + " s" : "out of time";
    }
    usleep(20000);
  }
}

// Runs a section to its end, or until the time is up.
void run_section(const Options& o, const Section& s, double begin) {
  for (int starts = 0; starts < most_starts; ++starts) {
    if (load(o, s.name).complete) return;
    const double elapsed = now() - begin;
    // What came before may have taken longer than its share: this section is tried nevertheless.
    const double until = std::min(o.budget, std::max(o.budget * s.until, elapsed + 10));
    if (elapsed >= o.budget - 1) return;
    const pid_t process = start(o, s.name, until - elapsed, elapsed);
    if (process < 0) return;
    int status = 0;
    const std::string why = watch(o, s, process, begin + std::min(o.budget + 3, until + 25), status);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (why.empty() && (code == 0 || code == out_of_time)) return;
    Kept kept = load(o, s.name);
    if (why.empty() && code == start_afresh) continue;
    if (why == "out of time") {  // the row that ran is tried again by the next report
      kept.current.clear();
      save(o, s.name, kept);
      return;
    }
    Row r;
    r.name = kept.current.empty() ? "the start" : kept.current;
    r.wrong = s.run == &correctness;
    r.failed = why.empty() ? "its process ended with code " + std::to_string(code) : why;
    std::fprintf(stderr, "%s: %s: %s\n", s.name, r.name.c_str(), r.failed.c_str());
    const bool started = !kept.current.empty();
    kept.current.clear();
    if (kept.find(r.name) == nullptr) kept.rows.push_back(r);
    save(o, s.name, kept);
    if (!started && starts > 0) return;
  }
}

}  // namespace

int run_report(Options o) {
  const double begin = now();
  std::filesystem::create_directories(o.out);
  o.out = std::filesystem::absolute(o.out).string();
  if (o.fresh)
    for (const Section& s : sections())
      for (const char* ending : {".json", ".part.json"}) std::filesystem::remove(o.out + "/" + s.name + ending);
  setenv("TENON_CACHE_DIR", (o.out + "/cache").c_str(), 0);  // kernels of an earlier try are not compiled again
  setenv("CUDA_CACHE_DISABLE", "1", 0);
  for (const Section& s : sections()) {
    if (load(o, s.name).complete) {
      std::fprintf(stderr, "[%3.0f/%.0f s] %s: is there, skipped\n", now() - begin, o.budget, s.name);
      continue;
    }
    run_section(o, s, begin);
  }
  for (const auto& entry : std::filesystem::directory_iterator(o.out))  // of processes that were ended
    if (entry.path().filename().string().starts_with(cold_folder)) std::filesystem::remove_all(entry.path());
  std::fprintf(stderr, "[%3.0f/%.0f s] done\n", now() - begin, o.budget);
  return write_report(o) ? 0 : 3;
}

}  // namespace tenon::gpu_report
