/* All that a training run changes as it goes, and so all that a checkpoint holds: the weights, Adam's two moments, the
 * moving average, and how far the run has come. */
#ifndef TRAIN_TRAIN_STATE_H
#define TRAIN_TRAIN_STATE_H

#include "tensor/parameters.h"
#include "train/adam.h"

typedef struct train_state {
    parameters *parameters; /* of the model that is trained, which the caller owns */
    int64_t total;          /* floats in the weights, in each of Adam's moments and in the average */
    adam adam;
    float *average;    /* NULL when none is kept */
    int64_t step;      /* steps done; epoch and batch follow from it, and so do all random numbers */
    double seconds;    /* of work */
    double best;       /* a validation's rank; -infinity before the first */
    double start;      /* the rank of the model that the run began with; -infinity: not known */
    int64_t validated; /* the step that was validated last, 0: none */
    int64_t stale;     /* validations since the best one */
} train_state;

/* The beginning of a run: a new model's parameters. *out is overwritten, and must be cleared by the caller also after a
 * failure. */
attn_status train_state_create(train_state *out, parameters *p, double weight_decay, bool average);
void train_state_clear(train_state *s);

/* average = decay * average + (1 - decay) * weights, after step number s->step. Early on the decay is less, so that the
 * average does not remember the random beginning: min(decay, (1 + step) / (10 + step)). */
void train_state_average(train_state *s, double decay, int threads);

/* Exchanges the weights with their average (nothing where none is kept): before validating or saving, and after. */
void train_state_swap(train_state *s);

#endif
