// Rows on disk. A file is replaced as a whole, so whoever reads it finds the last complete state.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tenon/bench/gpu_report/report.h"

namespace tenon::gpu_report {
namespace {

std::string path_of(const Options& o, const std::string& section, bool complete) {
  return o.out + "/" + section + (complete ? ".json" : ".part.json");
}

bool belongs(const Json& j, const Options& o) {
  return j.at("commit").text == o.commit && j.at("device").text == o.device && (j.at("quick").number != 0) == o.quick;
}

}  // namespace

double Row::value() const {
  if (seconds <= 0) return 0;
  if (unit == "GB/s") return work / seconds / 1e9;
  if (unit == "TFLOP/s") return work / seconds / 1e12;
  return seconds * (unit == "us" ? 1e6 : unit == "ms" ? 1e3 : 1);
}

Json to_json(const Row& r) {
  Json j = Json::make_object({{"name", r.name}});
  if (!r.unit.empty()) j.set("unit", r.unit);
  if (r.seconds > 0) {
    j.set("value", r.value());
    j.set("seconds", r.seconds);
    j.set("spread", r.spread);
  }
  if (r.work > 0) j.set("work", r.work);
  if (!r.failed.empty()) j.set("failed", r.failed);
  if (r.wrong) j.set("wrong", true);
  if (r.shown) j.set("shown", true);
  if (!r.words.empty()) j.set("words", r.words);
  if (!r.peer.is_null()) j.set("peer", r.peer);
  if (!r.more.fields.empty()) j.set("more", r.more);
  return j;
}

Row to_row(const Json& j) {
  Row r;
  r.name = j.at("name").text;
  r.unit = j.at("unit").text;
  r.work = j.at("work").number;
  r.seconds = j.at("seconds").number;
  r.spread = j.at("spread").number;
  r.failed = j.at("failed").text;
  r.wrong = j.at("wrong").number != 0;
  r.shown = j.at("shown").number != 0;
  r.words = j.at("words").text;
  r.peer = j.at("peer");
  if (!j.at("more").is_null()) r.more = j.at("more");
  return r;
}

const Row* Kept::find(const std::string& name) const {
  const auto at = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.name == name; });
  return at == rows.end() ? nullptr : &*at;
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& text) {
  {
    std::ofstream out(path + ".new", std::ios::binary);
    out << text;
    out.flush();
    if (!out) throw std::runtime_error("cannot write " + path + ".new");
  }
  std::filesystem::rename(path + ".new", path);
}

Kept load(const Options& o, const std::string& section) {
  for (const bool complete : {true, false}) {
    const auto j = parse_json(read_file(path_of(o, section, complete)));
    if (!j || !belongs(*j, o)) continue;
    Kept kept;
    kept.complete = complete;
    kept.current = j->at("current").text;
    for (const Json& row : j->at("rows").items) kept.rows.push_back(to_row(row));
    return kept;
  }
  return {};
}

void save(const Options& o, const std::string& section, const Kept& kept) {
  Json j =
      Json::make_object({{"section", section}, {"commit", o.commit}, {"device", o.device}, {"quick", Json(o.quick)}});
  if (!kept.current.empty()) j.set("current", kept.current);
  Json list = Json::make_list();
  for (const Row& r : kept.rows) list.items.push_back(to_json(r));
  j.set("rows", std::move(list));
  std::string text = j.dump() + "\n";
  for (size_t at = 0; (at = text.find("{\"name\"", at)) != std::string::npos; at += 2) text.insert(at, 1, '\n');
  write_file(path_of(o, section, kept.complete), text);
  if (kept.complete) std::filesystem::remove(path_of(o, section, false));
}

Recorder::Recorder(const Options& options, std::string section)
    : options_(options), section_(std::move(section)), kept_(load(options, section_)), start_(now()) {}

double Recorder::left() const { return options_.seconds - (now() - start_); }

void Recorder::say(const std::string& what) const {
  std::fprintf(stderr, "[%3.0f/%.0f s] %s: %s\n", options_.elapsed + now() - start_, options_.budget, section_.c_str(),
               what.c_str());
}

void Recorder::add(Row r) {
  kept_.rows.push_back(std::move(r));
  kept_.current.clear();
  save(options_, section_, kept_);
}

void Recorder::row(const std::string& name, const std::function<Row()>& measure) {
  if (has(name)) return;
  if (left() <= 0) std::_Exit(out_of_time);
  say(name);
  kept_.current = name;
  save(options_, section_, kept_);
  Row r;
  bool threw = false;
  try {
    r = measure();
  } catch (const std::exception& e) {
    threw = true;
    r.wrong = section_ == "correctness";
    r.failed = e.what();
    std::replace(r.failed.begin(), r.failed.end(), '\n', ' ');
  }
  r.name = name;
  if (!r.failed.empty()) say((r.wrong ? "WRONG: " : "failed: ") + r.failed);
  add(std::move(r));
  if (threw) std::_Exit(start_afresh);
}

void Recorder::finish() {
  kept_.current.clear();
  kept_.complete = true;
  save(options_, section_, kept_);
}

}  // namespace tenon::gpu_report
