// Nodes bear numbers in artifacts, and lines only in the graph they were traced to: the two are joined here.
#include "tenon/frontend/report/lines.h"

#include <algorithm>

namespace tenon {

Location location_of(const ir::Levels& levels, uint32_t node) {
  const ir::Levels::Place place = levels.find(node);
  return place.graph == nullptr ? Location{} : place.graph->location(place.graph->node(place.node));
}

std::string file_line(const Location& where) {
  const std::string file = where.file;
  const size_t slash = file.rfind('/');
  return (slash == std::string::npos ? file : file.substr(slash + 1)) + ":" + std::to_string(where.line);
}

std::string describe_node(const ir::Levels& levels, uint32_t n) {
  const ir::Levels::Place place = levels.find(n);
  if (place.graph == nullptr) return "node " + std::to_string(n);
  std::string text(ir::name(place.graph->node(place.node).op));
  if (const Location where = location_of(levels, n); where.known()) text += " (" + file_line(where) + ")";
  return text;
}

std::vector<std::string> lines_of(const ir::Levels& levels, std::span<const uint32_t> nodes) {
  std::vector<std::string> lines;
  for (uint32_t n : nodes) {
    const Location where = location_of(levels, n);
    if (!where.known()) continue;
    std::string line = file_line(where);
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace tenon
