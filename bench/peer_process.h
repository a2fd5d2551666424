// A program that answers lines: what asks a peer for its figures. It lives until the object goes, its errors are thrown away. Refuses
// to wait longer than it is told: a child that says nothing counts as ended.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace tenon::bench {

class PeerProcess {
 public:
  // Variables of the environment, with their values; an empty value takes the variable away.
  using Environment = std::vector<std::pair<std::string, std::string>>;

  PeerProcess() = default;
  PeerProcess(const std::vector<std::string>& command, const Environment& environment);
  PeerProcess(PeerProcess&& other) noexcept;
  PeerProcess& operator=(PeerProcess&& other) noexcept;
  ~PeerProcess();

  bool running() const { return socket_ >= 0; }
  void ask(const std::string& line);
  std::string line(int seconds);  // empty where it has ended, or was silent for so long
  void end();

 private:
  pid_t process_ = -1;
  int socket_ = -1;
};

}  // namespace tenon::bench
