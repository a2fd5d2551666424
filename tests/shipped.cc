// Processes by posix_spawn, their output through a pipe.
#include "tenon/tests/shipped.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

extern char** environ;

namespace tenon::testing {

Ran run_command(const std::vector<std::string>& words) {
  Ran ran;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ran;
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  char buffer[4096];
  for (ssize_t n; failed == 0 && (n = read(ends[0], buffer, sizeof buffer)) > 0;)
    ran.output.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  if (failed != 0) {
    ran.output = words[0] + " does not start";
    return ran;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) ran.status = WEXITSTATUS(status);
  return ran;
}

Ran run_shipped(const std::string& folder, const ShippedSource& source) {
  const bool c = source.compiler[0].find("++") == std::string::npos;
  const std::string file = folder + (c ? "/user.c" : "/user.cc"), program = folder + "/user";
  std::ofstream(file) << source.text;
  std::vector<std::string> words = source.compiler;
  for (const char* flag : {"-O1", "-Wall", "-Wextra", "-Werror", "-pedantic"}) words.emplace_back(flag);
  words.insert(words.end(), {"-I", folder, "-I", TENON_BINARY_DIR "/include", file});
  if (!source.link) {
    words.emplace_back("-fsyntax-only");
    return run_command(words);
  }
  for (const std::string& object : source.objects)
    words.push_back(object[0] == '/' || object[0] == '-' ? object : folder + "/" + object);
  // A runtime built under a sanitizer asks for the sanitizer.
  if (const std::string sanitizers = TENON_SANITIZE; !sanitizers.empty()) words.push_back("-fsanitize=" + sanitizers);
  words.insert(words.end(), {TENON_BINARY_DIR "/libtenon_runtime.a", "-lm", "-pthread", "-o", program});
  if (Ran compiled = run_command(words); compiled.status != 0) {
    compiled.status = -2;
    return compiled;
  }
  std::vector<std::string> command = {program};
  command.insert(command.end(), source.arguments.begin(), source.arguments.end());
  return run_command(command);
}

}  // namespace tenon::testing
