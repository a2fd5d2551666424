// The bar is drawn over itself with a carriage return; what is longer than the line before is erased by the terminal.
#include "tenon/frontend/data/progress.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

namespace tenon {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// In no locale.
std::string digits(double value, std::chars_format format, int precision) {
  char text[512];
  return std::string(text, std::to_chars(text, text + sizeof text, value, format, precision).ptr);
}
std::string whole(double value) { return digits(value, std::chars_format::fixed, 0); }

std::string duration(double seconds) {
  if (!(seconds < 1e6)) return "?";
  if (seconds < 100) return whole(seconds) + " s";
  const auto n = static_cast<int64_t>(seconds);
  if (n < 3600) return std::to_string(n / 60) + " min " + std::to_string(n % 60) + " s";
  return std::to_string(n / 3600) + " h " + std::to_string(n / 60 % 60) + " min";
}

}  // namespace

struct Progress::State {
  double seconds() const { return (paused < 0 ? now() : paused) - start; }
  double rate() const { return static_cast<double>(done) * options.per_step / std::max(seconds(), 1e-9); }
  void resume() {
    if (paused >= 0) start += now() - paused;
    paused = -1;
  }
  std::string bar() const {
    constexpr int64_t width = 24;
    const double part = steps == 0 ? 1 : std::min(1.0, static_cast<double>(done) / static_cast<double>(steps));
    const auto filled = static_cast<int64_t>(static_cast<double>(width) * part);
    return "[" + std::string(static_cast<size_t>(filled), '#') + std::string(static_cast<size_t>(width - filled), '.') +
           "] " + std::to_string(done) + "/" + std::to_string(steps) + "  ";
  }
  std::string text(Numbers numbers, bool with_bar) const {
    std::string text = (label.empty() ? "" : label + "  ") + (with_bar ? bar() : "");
    for (const auto& [name, value] : numbers) {
      const bool percent = name.ends_with(" %");
      text += std::string(percent ? name.substr(0, name.size() - 2) : name) + " " +
              digits(value, std::chars_format::general, 4) + (percent ? " %  " : "  ");
    }
    const double left = static_cast<double>(std::max<int64_t>(steps - done, 0)) * options.per_step / rate();
    return text + whole(rate()) + " " + options.unit + "/s  " + duration(done == 0 ? INFINITY : left) + " left";
  }
  void write(const std::string& line, bool stays) {
    const std::string all = (terminal ? "\r" : "") + line + (terminal ? "\x1b[K" : "") + (stays ? "\n" : "");
    std::fputs(all.c_str(), options.out);
    std::fflush(options.out);
    open = !stays;
  }

  const int64_t steps;
  const ProgressOptions options;
  const bool terminal;
  std::string label = {};
  int64_t done = 0;
  double start = now(), drawn = start, paused = -1;
  bool open = false;  // the bar is on the line
};

Progress::Progress(int64_t steps, ProgressOptions o)
    : state_(new State{std::max<int64_t>(steps, 0), o, isatty(fileno(o.out)) != 0}) {}

Progress::~Progress() {
  if (!state_->open) return;
  std::fputc('\n', state_->options.out);
  std::fflush(state_->options.out);
}

void Progress::label(const std::string& text) { state_->label = text; }
double Progress::seconds() const { return state_->seconds(); }
double Progress::rate() const { return state_->rate(); }
int64_t Progress::done() const { return state_->done; }
void Progress::resume() { state_->resume(); }
void Progress::pause() {
  if (state_->paused < 0) state_->paused = now();
}

void Progress::advance(int64_t steps, Numbers numbers) {
  State& s = *state_;
  s.resume();
  s.done += steps;
  const double t = now();
  if (t - s.drawn < (s.terminal ? 0.1 : s.options.every) && !(s.terminal && s.done >= s.steps)) return;
  s.drawn = t;
  s.write(s.text(numbers, s.terminal), !s.terminal);
}

void Progress::line(Numbers numbers) {
  state_->drawn = now();
  state_->write(state_->text(numbers, false), true);
}

}  // namespace tenon
