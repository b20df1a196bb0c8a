/* Clipping by global norm (Pascanu et al. 2013, algorithm 1). */
#ifndef TRAIN_CLIP_H
#define TRAIN_CLIP_H

#include <stdint.h>

/* The Euclidean norm of all gradients, in double, the same bits for any number of threads. NaN or infinite where one
 * is. */
double gradient_norm(int threads, int64_t count, const float *grads);

/* What to multiply the gradients by so that their norm is at most max_norm; 1 where it is already, or max_norm is 0. */
float clip_scale(double norm, double max_norm);

#endif
