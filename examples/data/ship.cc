// Running the compiler and the shipped program without a shell.
#include "tenon/examples/data/ship.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

extern char** environ;

namespace tenon::examples {
namespace {

// Waits for a child and throws unless it ended well.
void finish(pid_t child, const std::string& name) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw Error("'" + name + "' failed");
}

pid_t start(const std::vector<std::string>& arguments, int output) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (output >= 0) posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw Error("'" + arguments[0] + "' cannot be run: " + std::strerror(failed));
  return child;
}

}  // namespace

void run_program(const std::vector<std::string>& arguments) { finish(start(arguments, -1), arguments[0]); }

std::string output_of(const std::vector<std::string>& arguments) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Error("no pipe");
  const pid_t child = start(arguments, ends[1]);
  ::close(ends[1]);
  std::string text, needed;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  ::close(ends[0]);
  finish(child, arguments[0]);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t open = line.find('[');
    if (line.find("(NEEDED)") != std::string::npos && open != std::string::npos)
      needed += "  " + line.substr(open + 1, line.find(']') - open - 1) + "\n";
  }
  return needed;
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw Error("cannot write " + path);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw Error("cannot read " + path);
  return text.str();
}

std::string build_train_on(const std::string& folder) {
  const std::string program = folder + "/train_on";
  // A runtime library built under a sanitizer asks for the sanitizer.
  const std::string sanitizers = TENON_SANITIZE, with = sanitizers.empty() ? "-pthread" : "-fsanitize=" + sanitizers;
  run_program({"cc", "-std=c11", "-O1", "-Wall", "-I", folder, "-I", std::string(TENON_BINARY_DIR) + "/include",
               std::string(TENON_SOURCE_DIR) + "/examples/train_on.c", folder + "/train_step.o",
               std::string(TENON_BINARY_DIR) + "/libtenon_runtime.a", "-lpthread", with, "-o", program});
  return program;
}

}  // namespace tenon::examples
