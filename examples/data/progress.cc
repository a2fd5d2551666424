// Draws the bar with a carriage return on a terminal, and one line an epoch elsewhere.
#include "tenon/examples/data/progress.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

namespace tenon::examples {
namespace {
double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
}  // namespace

Progress::Progress(int epochs, int64_t steps_per_epoch, int64_t images_per_step)
    : epochs_(epochs),
      steps_(steps_per_epoch),
      images_(images_per_step),
      start_(now()),
      terminal_(isatty(STDOUT_FILENO) != 0) {}

double Progress::seconds() const { return now() - start_; }

void Progress::step(int epoch, int64_t step, float loss) {
  const double t = now();
  if (!terminal_ || (t - drawn_ < 0.1 && step + 1 != steps_)) return;
  drawn_ = t;
  const double done = static_cast<double>(epoch * steps_ + step + 1), total = static_cast<double>(epochs_ * steps_);
  const double rate = done / (t - start_), left = (total - done) / rate;
  constexpr int width = 24;
  const int filled = static_cast<int>(width * static_cast<double>(step + 1) / static_cast<double>(steps_));
  const std::string bar =
      std::string(static_cast<size_t>(filled), '#') + std::string(static_cast<size_t>(width - filled), '.');
  std::printf("\repoch %d/%d [%s] step %lld/%lld  loss %.4f  %.0f images/s  %.0f s left ", epoch + 1, epochs_,
              bar.c_str(), static_cast<long long>(step + 1), static_cast<long long>(steps_), static_cast<double>(loss),
              rate * static_cast<double>(images_), left);
  std::fflush(stdout);
}

void Progress::epoch(int epoch, double mean_loss, double accuracy) {
  const double done = static_cast<double>((epoch + 1) * steps_);
  const double rate = done / seconds(), left = (static_cast<double>(epochs_ * steps_) - done) / rate;
  std::printf("%sepoch %d/%d  mean loss %.4f  test accuracy %.2f %%  %.0f images/s  %.0f s left%s\n",
              terminal_ ? "\r" : "", epoch + 1, epochs_, mean_loss, accuracy, rate * static_cast<double>(images_), left,
              terminal_ ? "                              " : "");
  std::fflush(stdout);
}

}  // namespace tenon::examples
