// A progress bar for training: epoch, step, loss, images per second, time left. Quiet line by line when not on a terminal.
#pragma once

#include <cstdint>

namespace tenon::examples {

class Progress {
 public:
  Progress(int epochs, int64_t steps_per_epoch, int64_t images_per_step);
  // After each step; draws at most ten times a second. Epoch and step count from 0.
  void step(int epoch, int64_t step, float loss);
  // Ends the line of an epoch with its mean loss and the accuracy reached, in percent.
  void epoch(int epoch, double mean_loss, double accuracy);
  double seconds() const;

 private:
  int epochs_;
  int64_t steps_, images_;
  double start_, drawn_ = 0;
  bool terminal_;
};

}  // namespace tenon::examples
