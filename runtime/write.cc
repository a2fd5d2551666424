// A write beyond RLIMIT_FSIZE, or to a pipe without a reader, sends its signal to the thread that writes: blocked there, it
// waits until it is taken away.
#include "tenon/runtime/write.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace tenon::runtime {
namespace {

constexpr int signals[] = {SIGXFSZ, SIGPIPE};

unsigned members(const sigset_t& set) {
  unsigned bits = 0;
  for (int i = 0; i < 2; ++i) bits |= static_cast<unsigned>(sigismember(&set, signals[i]) == 1) << i;
  return bits;
}

sigset_t set_of(unsigned bits) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < 2; ++i)
    if (bits >> i & 1) sigaddset(&set, signals[i]);
  return set;
}

}  // namespace

SignalsHeld::SignalsHeld() {
  sigset_t set;
  sigpending(&set);
  pending_ = members(set);
  const sigset_t both = set_of(3);
  pthread_sigmask(SIG_BLOCK, &both, &set);
  blocked_ = members(set);
}

SignalsHeld::~SignalsHeld() {
  const int error = errno;
  const sigset_t new_ones = set_of(3 & ~pending_), to_unblock = set_of(3 & ~blocked_);
  const timespec at_once{};
  while (sigtimedwait(&new_ones, nullptr, &at_once) > 0) {
  }
  pthread_sigmask(SIG_UNBLOCK, &to_unblock, nullptr);
  errno = error;
}

bool write_all(int descriptor, std::string_view bytes) {
  const SignalsHeld held;
  while (!bytes.empty()) {
    const ssize_t put = write(descriptor, bytes.data(), std::min<size_t>(bytes.size(), 1 << 30));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    if (put == 0) return errno = EIO, false;
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return true;
}

std::string write_file(const std::string& path, std::string_view bytes, std::string_view more) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return strerror(errno);
  const bool written = write_all(file, bytes) && write_all(file, more);
  const int error = errno;
  if (close(file) != 0 && written) return strerror(errno);
  return written ? "" : strerror(error);
}

void warn(const std::string& line) { write_all(STDERR_FILENO, line + "\n"); }

}  // namespace tenon::runtime
