// Forking, listening, waiting. Refuses forked children that exec: who needs one forks by hand.
#include "tenon/tests/child.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>

namespace tenon::testing {

int in_child(const std::function<int()>& function, std::string* said) {
  int ends[2] = {-1, -1};
  if (said != nullptr && pipe(ends) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    if (said != nullptr) {
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      close(ends[1]);
    }
    int code = 99;
    try {
      code = function();
    } catch (const std::exception& e) {
      fprintf(stderr, "%s\n", e.what());
    }
    _exit(code);
  }
  if (said != nullptr) {
    close(ends[1]);
    said->clear();
    char some[4096];
    for (ssize_t got; (got = read(ends[0], some, sizeof some)) > 0;) said->append(some, static_cast<size_t>(got));
    close(ends[0]);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

std::string printed_by(const std::string& command, bool& succeeded) {
  FILE* pipe = popen(("LC_ALL=C " + command + " 2>&1").c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer;
  for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) text.append(buffer.data(), n);
  succeeded = pclose(pipe) == 0;
  return text;
}

}  // namespace tenon::testing
