/* Data-parallel training as the model of cost predicts it. */
#ifndef TENON_BENCH_DIST_TRAINING_H
#define TENON_BENCH_DIST_TRAINING_H

#include "tenon/bench/dist/cost_model.h"

/* A step of one rank, and the gradients that the ranks join. */
typedef struct training {
  double compute; /* seconds of a step of one rank with its whole batch */
  double backward; /* the share of them behind which gradients may travel */
  double gradients, bucket; /* bytes */
  double staging; /* seconds a byte to host memory and back; 0: gradients are there */
} training;

/* What a step takes with `size` ranks, each of which has `part` of the batch that takes `compute`; `hidden`: the share of `backward` that
 * really hides, 0 to 1. */
double training_step(const training* t, const cost* c, int32_t size, double part, double hidden);

void print_training(void);

#endif
