/* How fast a model learns: steps of label smoothing, clipping and Adam on batches that are drawn anew, for some
 * seconds. Three steps that are not counted come first. */
#ifndef BENCH_TIMED_TRAINING_H
#define BENCH_TIMED_TRAINING_H

#include "tensor/parameters.h"
#include "tensor/tape.h"

typedef struct timed_training {
    parameters *parameters;
    int threads;
    dense_type products;
    const int32_t *expected; /* the labels of the batch's logits */

    /* Draws the step's batch; its logits on a tape that has begun. */
    tensor *(*logits)(void *model, tape *t, uint64_t step);
    void *model;
} timed_training;

typedef struct training_figures {
    double seconds, steps;
    double least;       /* seconds of the process's own in the quickest step: other programs do not lengthen it */
    double first, last; /* losses */
} training_figures;

attn_status timed_training_run(const timed_training *b, double seconds, training_figures *out);

#endif
