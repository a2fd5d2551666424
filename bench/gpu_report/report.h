// A report on a GPU: sections of rows, each section a process of its own, so that one that crashes, hangs or loses the device costs
// its row and no more. What is measured is on disk at once, and a report that was interrupted goes on from there.
// Refuses to hold a figure that was not measured by it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tenon/bench/gpu_report/json.h"

namespace tenon::gpu_report {

struct Options {
  std::string out;
  double budget = 460;  // seconds, of everything
  bool quick = false, fresh = false;
  std::string commit, device;  // what figures belong to; a child is told by its parent
  std::string child;  // the section that this process measures; empty: the report as a whole
  double seconds = 0, elapsed = 0;  // of a child: how long it may take, and when it started
};

// One line of the report.
struct Row {
  std::string name;
  std::string unit;  // GB/s, TFLOP/s, us, ms, s, checks; empty: words
  double work = 0;  // of one call: bytes, flops
  double seconds = 0;  // of one call, the median
  double spread = 0;  // 90th percentile / median
  std::string failed;  // why there is no figure, or what is wrong
  bool wrong = false;  // a result that is not the CPU's
  bool shown = false;  // in the short table, too
  std::string words;
  Json peer;  // what peers.py is asked for, an object; null: nobody else is measured
  Json more = Json::make_object();

  double value() const;  // in its unit
};
Json to_json(const Row& row);
Row to_row(const Json& json);

// A section's file: DIR/NAME.json when all rows are there, DIR/NAME.part.json before.
struct Kept {
  std::vector<Row> rows;
  std::string current;  // the row that was being measured
  bool complete = false;
  const Row* find(const std::string& name) const;
};
Kept load(const Options& options, const std::string& section);  // empty where it belongs to something else
void save(const Options& options, const std::string& section, const Kept& kept);
void write_file(const std::string& path, const std::string& text);  // whole or not at all
std::string read_file(const std::string& path);  // empty where there is none

// What a section writes to.
class Recorder {
 public:
  Recorder(const Options& options, std::string section);
  // Measures a row unless it is there. What throws becomes its failure, and the process ends to be started afresh: the device may be
  // lost. Ends the process when there is no time left.
  void row(const std::string& name, const std::function<Row()>& measure);
  bool has(const std::string& name) const { return kept_.find(name) != nullptr; }
  void add(Row row);
  double left() const;  // seconds
  const Options& options() const { return options_; }
  bool quick() const { return options_.quick; }
  void say(const std::string& what) const;  // progress, on stderr
  void finish();

 private:
  const Options& options_;
  std::string section_;
  Kept kept_;
  double start_;
};
inline constexpr int out_of_time = 4, start_afresh = 5;  // exit codes of a child

struct Section {
  const char* name;
  const char* title;
  double until;  // the share of the budget that is used up when it must end
  size_t lines;  // of the short table, at most
  void (*run)(Recorder&);
};
const std::vector<Section>& sections();
void identify(Recorder&);
void ceilings(Recorder&);
void correctness(Recorder&);
void elementwise(Recorder&);
void rows(Recorder&);
void products(Recorder&);
void models(Recorder&);
void latency(Recorder&);
void peers(Recorder&);

double now();  // seconds, monotonic
// What a program prints, and whether it ended well; words are passed as they are, to no shell. Ends it after so many seconds.
struct Printed {
  bool succeeded = false;
  std::string text;  // of stdout
};
Printed printed_by(const std::vector<std::string>& words, double seconds,
                   const std::function<void(const std::string& line)>& each = {});
std::string clocks();  // of the device as nvidia-smi says them; empty without it

int run_report(Options options);  // every section; the exit code
// The short table, at most 60 lines, and report.md.
bool write_report(const Options& options);

inline constexpr const char* cold_folder = "cold-";  // of an empty cache, below DIR
// Started by the latency section: compiles and runs the training step once, and prints what it took.
int probe(const Options& options);

}  // namespace tenon::gpu_report
