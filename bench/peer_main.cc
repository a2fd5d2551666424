// The command line of `bench --peers`.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>

#include "tenon/bench/peer_run.h"

namespace tenon::bench {

int peers_main(int argc, char** argv, const std::string& folder) {
  PeerOptions o;
  o.scripts = TENON_SOURCE_DIR "/bench/peers";
  o.folder = folder;
  bool json = false;
  std::string markdown;
  try {
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      const auto value = [&] {
        if (++i >= argc) throw std::runtime_error(word + " needs a value");
        return std::string(argv[i]);
      };
      if (word == "--peers") continue;
      if (word == "--quick")
        o.quick = true;
      else if (word == "--alone")
        o.alone = true;
      else if (word == "--json")
        json = true;
      else if (word == "--markdown")
        markdown = value();
      else if (word == "--row")
        o.row = value();
      else if (word == "--threads")
        o.threads = {std::atoi(value().c_str())};
      else if (word == "--numpy")
        o.pythons[0] = value();
      else if (word == "--torch")
        o.pythons[1] = value();
      else if (word == "--jax")
        o.pythons[2] = value();
      else
        throw std::runtime_error("bench --peers knows no '" + word + "'");
    }
    if (o.threads[0] < 1 || o.threads[0] > 256) throw std::runtime_error("--threads takes 1 to 256");
    const PeerReport report = run_peers(o);
    if (!markdown.empty()) {
      std::ofstream file(markdown);
      file << markdown_text(report);
      if (!file.flush()) throw std::runtime_error("cannot write " + markdown);
    }
    std::fputs((json ? json_text(report) : plain_text(report)).c_str(), stdout);
    for (const PeerResult& r : report.results)
      if (r.tenon <= 0) return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench: %s\n", e.what());
    return 2;
  }
  return 0;
}

}  // namespace tenon::bench
