// Other programs: what they print, line by line, and their end. No shell is asked.
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "tenon/bench/gpu_report/report.h"

extern char** environ;

namespace tenon::gpu_report {

Printed printed_by(const std::vector<std::string>& words, double seconds,
                   const std::function<void(const std::string& line)>& each) {
  Printed result;
  int ends[2];
  if (pipe(ends) != 0) return result;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t process = -1;
  const int error = posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return result;
  }
  const double end = now() + seconds;
  bool ended = false;  // it closed its output
  size_t said = 0;
  while (!ended && now() < end) {
    pollfd ready{ends[0], POLLIN, 0};
    if (poll(&ready, 1, 100) <= 0) continue;
    char some[4096];
    const ssize_t count = read(ends[0], some, sizeof some);
    ended = count <= 0;
    if (count > 0) result.text.append(some, static_cast<size_t>(count));
    for (size_t line; each && (line = result.text.find('\n', said)) != std::string::npos; said = line + 1)
      each(result.text.substr(said, line - said));
  }
  if (!ended) kill(process, SIGKILL);
  close(ends[0]);
  int status = 0;
  waitpid(process, &status, 0);
  result.succeeded = ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return result;
}

std::string clocks() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const std::string first = visible != nullptr ? std::string(visible).substr(0, std::string(visible).find(',')) : "";
  std::string text =
      printed_by({"nvidia-smi", "-i", first.empty() ? "0" : first,
                  "--query-gpu=driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.draw,temperature.gpu",
                  "--format=csv,noheader"},
                 10)
          .text;
  if (const size_t end = text.find('\n'); end != std::string::npos) text.resize(end);
  return text;
}

}  // namespace tenon::gpu_report
