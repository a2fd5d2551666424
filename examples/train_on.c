/* Goes on training with the shipped step: a C program that knows Tenon by train_step.h alone.
 * usage: train_on STATE BATCHES LOSSES STEPS: reads the state's bytes (all inputs but the batch) and STEPS batches (images, then
 * labels), and writes one float loss per step. */
#include <stdio.h>
#include <stdlib.h>

#include "train_step.h"

static int read_whole(FILE* file, void* to, uint64_t size) { return fread(to, 1, size, file) == size; }

int main(int argc, char** argv) {
  enum { state_count = train_step_inputs - 2 };
  const void* inputs[train_step_inputs];
  void* outputs[train_step_outputs];
  float loss = 0;
  if (argc != 5) return fprintf(stderr, "usage: train_on STATE BATCHES LOSSES STEPS\n"), 2;
  FILE* state = fopen(argv[1], "rb");
  FILE* batches = fopen(argv[2], "rb");
  FILE* losses = fopen(argv[3], "wb");
  if (!state || !batches || !losses) return perror("train_on"), 1;
  /* The step updates its state in place: inputs and outputs share memory, as the header says. */
  for (int i = 0; i < state_count; ++i) {
    void* buffer = tenon_alloc(train_step_input_bytes[i]);
    if (!buffer || !read_whole(state, buffer, train_step_input_bytes[i]))
      return fprintf(stderr, "train_on: bad state\n"), 1;
    inputs[i] = outputs[i] = buffer;
  }
  void* images = malloc(train_step_input_bytes[state_count]);
  void* labels = malloc(train_step_input_bytes[state_count + 1]);
  if (!images || !labels) return 1;
  inputs[state_count] = images;
  inputs[state_count + 1] = labels;
  outputs[state_count] = &loss;
  for (int step = 0; step < atoi(argv[4]); ++step) {
    if (!read_whole(batches, images, train_step_input_bytes[state_count]) ||
        !read_whole(batches, labels, train_step_input_bytes[state_count + 1]))
      return fprintf(stderr, "train_on: bad batches\n"), 1;
    int code = train_step_run(inputs, outputs, 0, 0);
    if (code != TENON_OK) return fprintf(stderr, "train_on: the step returned %d\n", code), 1;
    fwrite(&loss, sizeof loss, 1, losses);
  }
  for (int i = 0; i < state_count; ++i) tenon_free((void*)inputs[i], train_step_input_bytes[i]);
  free(images);
  free(labels);
  fclose(state);
  fclose(batches);
  return fclose(losses) == 0 ? 0 : 1;
}
