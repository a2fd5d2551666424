// One run of rows beside peers: for each number of threads every row in turn, its subjects interleaved. Refuses rows by a regular
// expression, and nothing else.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tenon/bench/peer_result.h"

namespace tenon::bench {

struct PeerOptions {
  bool quick = false;  // few repetitions
  bool alone = false;  // Tenon without peers
  std::string row;  // a regular expression: rows that hold it
  std::vector<int> threads{1, 2};
  std::array<std::string, peer_kinds.size()> pythons{"/usr/bin/python3", "/usr/bin/python3", "/usr/bin/python3"};
  std::string scripts;  // the folder of serve.py
  std::string folder;  // for files of the run
};

PeerReport run_peers(const PeerOptions& options);
// The program: reads the options, prints the report. `folder` is for files of the run. 1 where a row failed, 2 where words are wrong.
int peers_main(int argc, char** argv, const std::string& folder);

}  // namespace tenon::bench
