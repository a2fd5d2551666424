// Reading lines.
#include "tenon/examples/text/lines.h"

#include <fstream>

#include "tenon/ir/base/error.h"

namespace tenon::examples {

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error("cannot read " + path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace tenon::examples
