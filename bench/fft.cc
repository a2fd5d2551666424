// Fourier transforms of complex numbers in both widths, one thread, beside NumPy's pocketfft on this machine where Debian's python3-numpy is
// installed: its time stands in the column of the peers. NumPy computes in f64 whatever it is given.
#include <benchmark/benchmark.h>
#include <stdio.h>
#include <sys/wait.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <array>
#include <deque>

#include "tenon/bench/case.h"

namespace tenon::bench {
namespace {

constexpr std::array<int, 4> sizes = {10, 14, 17, 20};  // powers of two

// One line a size: microseconds of the median of nine rounds.
const char* const script =
    "import numpy as np, time, sys\n"
    "for e in map(int, sys.argv[1:]):\n"
    "  n = 1 << e; x = np.random.randn(n) + 1j * np.random.randn(n); r = max(1, (1 << 16) // n); t = []\n"
    "  for k in range(9):\n"
    "    s = time.perf_counter()\n"
    "    for i in range(r): np.fft.fft(x)\n"
    "    t.append((time.perf_counter() - s) / r)\n"
    "  print('%.1f (NumPy)' % (sorted(t)[4] * 1e6))\n";

// What NumPy takes, or nothing where there is no NumPy.
std::deque<std::string> numpy_times() {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    if (freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    std::array<std::string, sizes.size()> words;
    std::vector<char*> arguments = {const_cast<char*>("/usr/bin/python3"), const_cast<char*>("-c"),
                                    const_cast<char*>(script)};
    for (size_t i = 0; i < sizes.size(); ++i) words[i] = std::to_string(sizes[i]), arguments.push_back(words[i].data());
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(1);
  }
  close(ends[1]);
  std::string text;
  char part[256];
  for (ssize_t n = 0; (n = read(ends[0], part, sizeof part)) > 0;) text.append(part, static_cast<size_t>(n));
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  std::deque<std::string> lines;
  for (size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(text.substr(at, end - at));
  return lines;
}

}  // namespace

void add_fft() {
  static const std::deque<std::string> peers = numpy_times();
  static std::deque<std::string> names;
  for (size_t i = 0; i < sizes.size(); ++i)
    for (const DType dtype : {c64, c128}) {
      Case c;
      names.push_back("fft of 2^" + std::to_string(sizes[i]) + ", " + std::string(name(dtype)));
      c.name = names.back();
      c.unit = Unit::microseconds;
      if (i < peers.size()) c.published = peers[i].c_str();
      c.prepare = [=] {
        const int64_t n = int64_t{1} << sizes[i];
        const Tensor x = complex(normal(key(1), {n}), normal(key(2), {n})).astype(dtype);
        auto compiled = jit([](const Tensor& z) { return fft::fft(z); });
        return std::vector<Subject>{{fused, [=] { compiled(x); }}, {eager, [=] { fft::fft(x); }}};
      };
      add(c);
    }
}

}  // namespace tenon::bench
