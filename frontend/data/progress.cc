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

Progress::Progress(int64_t steps, ProgressOptions o)
    : steps_(std::max<int64_t>(steps, 0)),
      options_(std::move(o)),
      terminal_(isatty(fileno(options_.out)) != 0),
      start_(now()),
      drawn_(start_) {}

Progress::~Progress() {
  if (!open_) return;
  std::fputc('\n', options_.out);
  std::fflush(options_.out);
}

double Progress::seconds() const { return (paused_ < 0 ? now() : paused_) - start_; }
double Progress::rate() const { return static_cast<double>(done_) * options_.per_step / std::max(seconds(), 1e-9); }

void Progress::pause() {
  if (paused_ < 0) paused_ = now();
}
void Progress::resume() {
  if (paused_ >= 0) start_ += now() - paused_;
  paused_ = -1;
}

std::string Progress::text(Numbers numbers, bool with_bar) const {
  std::string text = label_.empty() ? "" : label_ + "  ";
  if (with_bar) {
    constexpr int64_t width = 24;
    const int64_t filled =
        steps_ == 0 ? width
                    : static_cast<int64_t>(static_cast<double>(width) *
                                           std::min(1.0, static_cast<double>(done_) / static_cast<double>(steps_)));
    text += "[" + std::string(static_cast<size_t>(filled), '#') +
            std::string(static_cast<size_t>(width - filled), '.') + "] " + std::to_string(done_) + "/" +
            std::to_string(steps_) + "  ";
  }
  for (const auto& [name, value] : numbers) {
    const bool percent = name.ends_with(" %");
    text += std::string(percent ? name.substr(0, name.size() - 2) : name) + " " +
            digits(value, std::chars_format::general, 4) + (percent ? " %  " : "  ");
  }
  const double left = static_cast<double>(std::max<int64_t>(steps_ - done_, 0)) * options_.per_step / rate();
  return text + whole(rate()) + " " + options_.unit + "/s  " + duration(done_ == 0 ? INFINITY : left) + " left";
}

void Progress::write(const std::string& line, bool stays) {
  const std::string all = (terminal_ ? "\r" : "") + line + (terminal_ ? "\x1b[K" : "") + (stays ? "\n" : "");
  std::fputs(all.c_str(), options_.out);
  std::fflush(options_.out);
  open_ = !stays;
}

void Progress::advance(int64_t steps, Numbers numbers) {
  resume();
  done_ += steps;
  const double t = now();
  if (t - drawn_ < (terminal_ ? 0.1 : options_.every) && !(terminal_ && done_ >= steps_)) return;
  drawn_ = t;
  write(text(numbers, terminal_), !terminal_);
}

void Progress::line(Numbers numbers) {
  drawn_ = now();
  write(text(numbers, false), true);
}

}  // namespace tenon
