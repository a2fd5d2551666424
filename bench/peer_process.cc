// The child has one end of a socket as its standard input and output, and nothing else of ours.
#include "tenon/bench/peer_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace tenon::bench {

PeerProcess::PeerProcess(const std::vector<std::string>& command, const Environment& environment) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
  process_ = fork();
  if (process_ == 0) {
    dup2(ends[1], STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    if (freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    for (const auto& [name, value] : environment)
      value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execvp(words[0], words.data());
    _exit(1);
  }
  close(ends[1]);
  socket_ = ends[0];
  if (process_ < 0) end();
}

PeerProcess::PeerProcess(PeerProcess&& other) noexcept
    : process_(std::exchange(other.process_, -1)), socket_(std::exchange(other.socket_, -1)) {}

PeerProcess& PeerProcess::operator=(PeerProcess&& other) noexcept {
  std::swap(process_, other.process_);
  std::swap(socket_, other.socket_);
  return *this;
}

PeerProcess::~PeerProcess() { end(); }

void PeerProcess::ask(const std::string& line) {
  const std::string text = line + "\n";
  for (size_t sent = 0; socket_ >= 0 && sent < text.size();) {
    const ssize_t n = send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return end();
    sent += static_cast<size_t>(n);
  }
}

std::string PeerProcess::line(int seconds) {
  std::string text;
  for (char c = 0; socket_ >= 0;) {
    pollfd ready{socket_, POLLIN, 0};
    if (poll(&ready, 1, seconds * 1000) != 1 || read(socket_, &c, 1) != 1) {
      end();
      return {};
    }
    if (c == '\n') break;
    text += c;
  }
  return text;
}

void PeerProcess::end() {
  if (socket_ >= 0) close(std::exchange(socket_, -1));
  if (process_ <= 0) return;
  kill(process_, SIGKILL);  // what it was busy with nobody waits for
  waitpid(std::exchange(process_, -1), nullptr, 0);
}

}  // namespace tenon::bench
