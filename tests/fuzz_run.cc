// A parent that compiles nothing and so has one thread, children that take seeds from a shared counter, and a shared page for
// each child that says what it is at. Shrinking forks for every question too.
#include "tenon/tests/fuzz_run.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <new>

#include "tenon/tests/program_routes.h"
#include "tenon/tests/program_shrink.h"

namespace tenon::testing {

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// A program by its seed: as drawn, its tangents, its cotangents.
constexpr int variants = 3;
std::optional<RandomProgram> variant(uint64_t seed, int number) {
  if (number != 0 && (seed + static_cast<uint64_t>(number)) % 3 != 0)
    return std::nullopt;  // one of three has this derivative
  const RandomProgram program = random_program(seed);
  if (number == 0) return program;
  return derived(program, number == 1 ? Derivative::forward : Derivative::reverse, seed);
}

struct Note {  // what a child found
  uint64_t seed;
  int variant;
  char route[48], message[1200];
};
constexpr int most_notes = 16;

// What the processes share. Plain data and atomics only.
struct Child {
  std::atomic<uint64_t> seed{0}, programs{0}, route_runs{0};
  std::atomic<int> variant{0}, notes{0};
  std::atomic<double> since{0};  // when the route at hand began
  char route[48] = "";
  Note found[most_notes];
};
constexpr int most_jobs = 64;
struct Shared {
  std::atomic<uint64_t> next_seed{0};
  std::atomic<double> until{0};
  Child children[most_jobs];
};

template <class T>
T* shared_page() {
  void* page = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::bad_alloc();
  return new (page) T;
}

struct Page {  // what a shrinking child has so far
  std::atomic<size_t> size{0};
  char text[1 << 16];
};

void copy_text(char* to, size_t size, const std::string& text) {
  const size_t n = std::min(size - 1, text.size());
  std::memcpy(to, text.data(), n);
  to[n] = 0;
}

// Seeds from the counter until there are none, the time is over, or this process has grown old: caches only grow.
void work(Shared& shared, Child& mine, uint64_t end_seed) {
  for (int count = 0; count < 60 && now() < shared.until && mine.notes < most_notes; ++count) {
    const uint64_t seed = shared.next_seed++;
    if (seed >= end_seed) return;
    mine.seed = seed;
    for (int number = 0; number < variants; ++number) {
      mine.variant = number;
      mine.since = now();
      copy_text(mine.route, sizeof mine.route, "drawing");
      std::optional<Finding> found;
      try {
        const std::optional<RandomProgram> program = variant(seed, number);
        if (!program) continue;
        ++mine.programs;
        found = first_finding(*program, seed, [&](const char* route) {
          copy_text(mine.route, sizeof mine.route, route);
          mine.since = now();
          ++mine.route_runs;
        });
      } catch (const std::exception& e) {
        found = Finding{number == 0 ? "drawing" : "deriving", e.what()};
      }
      if (!found || mine.notes >= most_notes) continue;
      Note& note = mine.found[mine.notes];
      note.seed = seed;
      note.variant = number;
      copy_text(note.route, sizeof note.route, found->route);
      copy_text(note.message, sizeof note.message, found->message);
      ++mine.notes;
    }
  }
}

// Runs f in a child; what became of it: 0 to 127 as f says, else it died, or hung and was killed.
int in_child(const std::function<int()>& f, double seconds) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) _exit(f());
  const double limit = now() + seconds;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (now() > limit) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return 255;
    }
    usleep(1000);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Before the first colon or number: findings that begin alike count as the same when a program is shrunk.
std::string kind_of(const std::string& message) { return message.substr(0, message.find_first_of(":0123456789")); }

// The program with the seed that fails on a route, cut down and put into the page, better and better ones.
void shrink(const Note& note, double until, Page& page) try {
  const std::optional<RandomProgram> program = variant(note.seed, note.variant);
  const auto show = [&](const Case& c, const std::string& message) {
    copy_text(page.text, sizeof page.text, message + "\n" + described(c));
    page.size = std::strlen(page.text);
  };
  // Whether a program fails alike, found out in a child of its own.
  const auto fails = [&](const Case& c) {
    if (now() > until) return false;
    const int code = in_child(
        [&] {
          const auto found = first_finding(c, note.seed, note.route);
          return found && kind_of(found->message) == kind_of(note.message) ? 1 : 0;
        },
        20);
    if (code == 1 || code >= 128) show(c, note.message);
    return code == 1 || code >= 128;
  };
  for (const std::vector<int64_t>& values : program->runs) {
    const Case c = program->at(values);
    if (!fails(c)) continue;
    const Case small = shrunk(c, fails, 600);
    const auto say = [&] {  // what is wrong with the small one
      if (const auto found = first_finding(small, note.seed, note.route)) show(small, found->message);
      return 0;
    };
    in_child(say, 20);
    return;
  }
} catch (const std::exception&) {
}

// Findings being cut down, one after the other, in a child: drawing and shrinking may die too.
class Reports {
 public:
  Reports(FuzzReport& result, double seconds) : result_(result), seconds_(seconds) {}
  void take(const Note& note) {
    const std::string title = "TENON_FUZZ_SEED=" + std::to_string(note.seed) + " TENON_FUZZ_COUNT=1, " +
                              (note.variant == 0   ? "as drawn"
                               : note.variant == 1 ? "its tangents"
                                                   : "its cotangents") +
                              ", route '" + note.route + "': ";
    std::printf("%s%.300s\n", title.c_str(), note.message);
    std::fflush(stdout);
    result_.findings.push_back(title + note.message);
    // The first few of a kind are cut down; a crash says nothing of its kind.
    const bool died = std::strncmp(note.message, "dies", 4) == 0;
    if (++kinds_[std::string(note.route) + kind_of(note.message)] <= (died ? 6 : 2))
      waiting_.emplace_back(result_.findings.size() - 1, note);
  }
  bool idle() const { return pid_ == 0 && waiting_.empty(); }
  void poll() {
    if (pid_ == 0 && !waiting_.empty()) {
      page_ = shared_page<Page>();
      until_ = now() + seconds_;
      std::fflush(nullptr);
      pid_ = fork();
      if (pid_ == 0) {
        shrink(waiting_[0].second, until_, *page_);
        _exit(0);
      }
    }
    if (pid_ == 0) return;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == 0) {
      if (now() < until_ + 60) return;
      kill(pid_, SIGKILL);
      waitpid(pid_, &status, 0);
    }
    std::string& finding = result_.findings[waiting_[0].first];
    finding += page_->size ? "\ncut down: " + std::string(page_->text, page_->size) : "\n(it does not fail alone)\n";
    std::printf("%s\n", finding.c_str());
    std::fflush(stdout);
    munmap(page_, sizeof *page_);
    pid_ = 0;
    waiting_.erase(waiting_.begin());
  }

 private:
  FuzzReport& result_;
  const double seconds_;
  std::map<std::string, int> kinds_;
  std::vector<std::pair<size_t, Note>> waiting_;
  pid_t pid_ = 0;
  double until_ = 0;
  Page* page_ = nullptr;
};

}  // namespace

FuzzReport fuzz(const FuzzPlan& plan) {
  Shared* shared = shared_page<Shared>();
  shared->next_seed = plan.first_seed;
  const double start = now(), until = start + plan.seconds;
  shared->until = until;
  const uint64_t end_seed =
      plan.most_seeds > UINT64_MAX - plan.first_seed ? UINT64_MAX : plan.first_seed + plan.most_seeds;
  const int jobs = std::min(plan.jobs, most_jobs);
  std::vector<pid_t> pids(static_cast<size_t>(jobs), 0);
  std::vector<int> read(static_cast<size_t>(jobs), 0);  // notes seen
  FuzzReport result;
  const auto totals = [&] {
    result.programs = result.route_runs = 0;
    for (int i = 0; i < jobs; ++i) {
      result.programs += shared->children[i].programs;
      result.route_runs += shared->children[i].route_runs;
    }
  };
  Reports reports(result, plan.shrink_seconds);
  double last_line = start;
  bool all_done = false;
  while (!all_done || !reports.idle()) {
    all_done = true;
    reports.poll();
    for (int i = 0; i < jobs; ++i) {
      Child& child = shared->children[i];
      pid_t& pid = pids[i];
      int& seen = read[i];
      if (pid == 0) {
        if (now() >= until || shared->next_seed >= end_seed || result.findings.size() >= plan.most_findings) continue;
        child.notes = seen = 0;
        child.since = now();
        std::fflush(nullptr);
        pid = fork();
        if (pid == 0) {
          work(*shared, child, end_seed);
          _exit(0);
        }
      }
      all_done = false;
      int status = 0;
      const bool over = waitpid(pid, &status, WNOHANG) != 0;
      const bool hangs = !over && now() - child.since > plan.hang_seconds;
      if (hangs) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
      }
      for (; seen < child.notes; ++seen) reports.take(child.found[seen]);
      if (!over && !hangs) continue;
      pid = 0;
      if (hangs || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        Note note{child.seed, child.variant, "", ""};
        copy_text(note.route, sizeof note.route, child.route);
        copy_text(note.message, sizeof note.message,
                  hangs ? "hangs" : "dies of signal " + std::to_string(WIFSIGNALED(status) ? WTERMSIG(status) : 0));
        reports.take(note);
      }
    }
    if (now() - last_line > 10) {
      last_line = now();
      totals();
      std::printf("%5.0f s: %llu programs, %llu route runs, %zu mismatches, seed %llu\n", last_line - start,
                  static_cast<unsigned long long>(result.programs), static_cast<unsigned long long>(result.route_runs),
                  result.findings.size(), static_cast<unsigned long long>(shared->next_seed.load()));
      std::fflush(stdout);
    }
    usleep(2000);
  }
  totals();
  munmap(shared, sizeof *shared);
  return result;
}

std::vector<std::string> fuzz_text(const std::string& text, uint64_t seeds) {
  std::vector<std::string> findings;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Page* page = shared_page<Page>();
    const auto say = [&](const std::string& what) { copy_text(page->text, sizeof page->text, what); };
    const auto run = [&] {
      const RandomProgram program = read_program(text, seed);
      const auto found = first_finding(program, seed, [&](const char* route) { say(std::string(route) + ": dies"); });
      if (found) say(found->route + ": " + found->message);
      return found ? 1 : 0;
    };
    if (in_child(run, 120) != 0) findings.push_back(page->text);
    munmap(page, sizeof *page);
  }
  return findings;
}

}  // namespace tenon::testing
