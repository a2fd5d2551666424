// The folder of checkpoints, as its names tell: step-7, and step-7.2 for the same step once more, so that a whole one is there until
// the other is whole. Only rank 0 looks and removes. Internal to the frontend.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::dist {

struct StepFolder {
  int64_t step = 0, attempt = 1;
  bool indexed = false;  // it has an index: it has been finished
  std::string name() const;
};

constexpr const char* index_file = "index.json";

// Newest first; none where there is no folder. Error where it cannot be read.
std::vector<StepFolder> step_folders(const std::string& folder);
// Which attempt comes next at a step.
int64_t next_attempt(const std::vector<StepFolder>& there, int64_t step);
// Removes what `written` makes needless: the same step's others, and, if keep is not 0, all but the newest `keep` up to it.
// Gives what went wrong, or nothing.
std::string drop_older(const std::string& folder, const StepFolder& written, int keep);

}  // namespace tenon::dist
