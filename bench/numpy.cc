// A child that answers over a socket: no line of it is timed but the statement.
#include "tenon/bench/numpy.h"

#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "tenon/bench/peer_process.h"

namespace tenon::bench {
namespace {

constexpr int patience = 600;  // seconds

std::string script(const std::string& setup, const std::string& statement) {
  return "import sys, time\nimport numpy as np\n" + setup + "\ndef run():\n  " + statement +
         "\n"
         "run(); s = time.perf_counter(); run(); once = time.perf_counter() - s\n"
         "calls = max(1, int(2e-4 / max(once, 1e-9)))\n"
         "print('ready', flush=True)\n"
         "for line in sys.stdin:\n"
         "  run()\n"
         "  s = time.perf_counter()\n"
         "  for _ in range(calls): run()\n"
         "  print((time.perf_counter() - s) / calls, flush=True)\n";
}

}  // namespace

std::optional<Subject> numpy(const std::string& setup, const std::string& statement) {
  auto child =
      std::make_shared<PeerProcess>(std::vector<std::string>{"/usr/bin/python3", "-c", script(setup, statement)},
                                    PeerProcess::Environment{{"OPENBLAS_NUM_THREADS", "1"}, {"OMP_NUM_THREADS", "1"}});
  if (child->line(patience) != "ready") return {};
  Subject s{numpy_name, {}};
  s.timed = [child] {
    child->ask("");
    const std::string answer = child->line(patience);
    if (answer.empty()) throw std::runtime_error("NumPy's process has ended");
    return std::strtod(answer.c_str(), nullptr);
  };
  return s;
}

}  // namespace tenon::bench
