// What is no step's name is left alone. An attempt is whole where its index is, for that is written last and removed first.
#include "tenon/frontend/dist/checkpoint_folder.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <tuple>

#include "tenon/ir/base/error.h"

namespace tenon::dist {
namespace {

namespace fs = std::filesystem;

std::optional<StepFolder> parsed(const std::string& name) {
  constexpr std::string_view start = "step-";
  StepFolder f;
  if (!name.starts_with(start)) return std::nullopt;
  const char *from = name.data() + start.size(), *end = name.data() + name.size();
  auto read = std::from_chars(from, end, f.step);
  if (read.ec != std::errc() || f.step < 0) return std::nullopt;
  if (read.ptr != end && *read.ptr == '.') {
    read = std::from_chars(read.ptr + 1, end, f.attempt);
    if (read.ec != std::errc() || f.attempt < 2) return std::nullopt;
  }
  if (read.ptr != end || f.name() != name) return std::nullopt;  // nor step-007
  return f;
}

// The index first: without it, a folder that goes piece by piece is none.
void drop(const fs::path& path) {
  fs::remove(path / index_file);
  fs::remove_all(path);
}

}  // namespace

std::string StepFolder::name() const {
  return "step-" + std::to_string(step) + (attempt == 1 ? "" : "." + std::to_string(attempt));
}

std::vector<StepFolder> step_folders(const std::string& folder) {
  std::vector<StepFolder> found;
  std::error_code error;
  if (!fs::exists(folder, error) && !error) return found;
  for (fs::directory_iterator each(folder, error), end; !error && each != end; each.increment(error)) {
    std::optional<StepFolder> f = parsed(each->path().filename().string());
    if (!f) continue;
    std::error_code unseen;
    f->indexed = fs::exists(each->path() / index_file, unseen);
    found.push_back(*f);
  }
  if (error) throw Error("the folder '" + folder + "' of checkpoints cannot be read: " + error.message());
  std::sort(found.begin(), found.end(), [](const StepFolder& a, const StepFolder& b) {
    return std::tie(a.step, a.attempt) > std::tie(b.step, b.attempt);
  });
  return found;
}

int64_t next_attempt(const std::vector<StepFolder>& there, int64_t step) {
  for (const StepFolder& f : there)
    if (f.step == step && f.indexed) return f.attempt + 1;
  return 1;
}

std::string drop_older(const std::string& folder, const StepFolder& written, int keep) try {
  int newer = 0;  // whole ones up to this step
  int64_t last = -1;
  for (const StepFolder& f : step_folders(folder)) {
    const bool same = f.step == written.step;
    if (f.step > written.step || (same && f.attempt >= written.attempt)) continue;  // of another run, or this one
    bool goes = same;
    if (!same && keep > 0) {
      if (f.indexed && f.step != last) ++newer, last = f.step;
      goes = !f.indexed || newer >= keep;
    }
    if (goes) drop(fs::path(folder) / f.name());
  }
  return "";
} catch (const std::exception& e) {
  return e.what();
}

}  // namespace tenon::dist
