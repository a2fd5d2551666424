// What PyTorch and JAX make of the shapes that were measured, where Python finds them: peers.py runs as a child process with a
// time limit, once for each of them. What they print is kept line by line. Refuses to install anything.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "tenon/bench/gpu_report/measure.h"

namespace tenon::gpu_report {
namespace {

// Every row that names a formula of peers.py; those of the short table first.
Json requests(const Recorder& recorder, const std::string& who) {
  Json first = Json::make_list(), then = Json::make_list();
  for (const Section& s : sections())
    for (const Row& r : load(recorder.options(), s.name).rows) {
      if (r.peer.is_null() || r.seconds <= 0) continue;
      const std::string name = std::string(s.name) + ": " + r.name;
      if (recorder.has(who + " " + name)) continue;
      Json request = r.peer;
      request.set("case", name);
      (r.shown ? first : then).items.push_back(std::move(request));
    }
  for (Json& j : then.items) first.items.push_back(std::move(j));
  return first;
}

void ask(Recorder& recorder, const std::string& who, double seconds) {
  if (recorder.has(who)) return;
  const Json list = requests(recorder, who);
  const std::string path = recorder.options().out + "/peers-" + who + ".request.json";
  recorder.say(who + ", " + std::to_string(list.items.size()) + " cases in " +
               std::to_string(static_cast<int>(seconds)) + " s");
  write_file(path, list.dump() + "\n");
  std::string version;
  const auto line = [&](const std::string& text) {
    const auto j = parse_json(text);
    if (!j) return;
    if (j->at("case").is_null()) {  // what it is, or why there is none
      version = j->at("words").text;
      return;
    }
    Row r;
    r.name = who + " " + j->at("case").text;
    if (recorder.has(r.name)) return;
    r.seconds = j->at("seconds").number;
    r.spread = j->at("spread").number;
    r.words = j->at("words").text;
    r.unit = "us";
    recorder.add(std::move(r));
  };
  char limit[32];
  std::snprintf(limit, sizeof limit, "%.1f", std::max(1.0, seconds - 3));
  std::vector<std::string> words = {"python3", TENON_SOURCE_DIR "/bench/gpu_report/peers.py", who, path, limit};
  if (recorder.quick()) words.emplace_back("--quick");
  const Printed said = printed_by(words, seconds, line);
  std::filesystem::remove(path);
  // Sorts among the rows as its own last word; without it the next report asks again.
  Row r;
  r.name = who;
  r.words = version.empty() ? "no answer: python3 is missing, or its process ended" : version;
  if (said.succeeded || version.empty()) recorder.add(std::move(r));
}

}  // namespace

void peers(Recorder& recorder) {
  const std::pair<const char*, double> all[] = {{"torch", 0.4}, {"compile", 0.6}, {"jax", 0.95}};  // of what is left
  for (const auto& [who, share] : all) ask(recorder, who, std::max(2.0, recorder.left() * share));
}

}  // namespace tenon::gpu_report
