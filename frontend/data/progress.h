// A progress bar for loops that take a while: tn::Progress. On a terminal a line that is drawn anew, at most ten times a second; to
// files and pipes a line now and then. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tenon {

struct ProgressOptions {
  std::string unit = "steps";  // of the rate
  double per_step = 1;  // such units a step
  std::FILE* out = stdout;
  double every = 30;  // seconds between lines that step() writes where there is no terminal
};

class Progress {
 public:
  // A number with its name, shown with four digits: {"loss", 0.25} as loss 0.25, {"accuracy %", 91.5} as accuracy 91.5 %.
  using Numbers = std::initializer_list<std::pair<std::string_view, double>>;

  explicit Progress(int64_t steps, ProgressOptions o = {});
  ~Progress();  // ends the bar's line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void label(const std::string& text);  // stands in front of the bar
  void step(Numbers numbers = {}) { advance(1, numbers); }  // one more step is done
  void advance(int64_t steps, Numbers numbers = {});
  // A line that stays: label, numbers, rate, time left.
  void line(Numbers numbers);

  double seconds() const;  // since the beginning, without pauses
  double rate() const;  // units a second
  int64_t done() const;  // steps
  // What is between the two does not count as time of steps: an evaluation. A step resumes.
  void pause();
  void resume();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

namespace data {
using tenon::Progress;
}

}  // namespace tenon
