/* The pass that gives a bias its gradient, for whoever makes the tiles: backward, or double backward. */
#ifndef ATTENTION_BACKWARD_BIAS_H
#define ATTENTION_BACKWARD_BIAS_H

#include "attention/backward_worker.h"

/* What one task adds up: a region of plan->d's grad_bias. */
typedef struct bias_task bias_task;

/* A worker at one sequence, as the pass drives it. */
typedef struct bias_worker {
    void *worker;
    void (*queries)(void *worker, int64_t b, int64_t h, int64_t first, int64_t count);
    /* Moves to keys first .. first + count - 1. The tile's gradients by the biased scores, laid out as p_t; NULL when
     * no pair of it is left. */
    const float *(*keys)(void *worker, int64_t first, int64_t count);
} bias_worker;

/* Opens a worker, as number `worker`, for sequence b with descriptor d, and calls backward_bias_add with it. */
typedef void bias_sequence(const bias_task *task, const backward_plan *plan, const attn_desc *d, int64_t b, int worker);

void backward_bias_add(const bias_task *task, const bias_worker *w, const attn_desc *d, int64_t b);

/* Fills plan->d's grad_bias. */
void backward_bias(backward_plan *plan, bias_sequence *sequence);

/* Backward's own. */
bias_sequence backward_bias_sequence;

/* Whether d's grad_bias, if it has data, fits its bias. */
attn_status backward_bias_check(const attn_desc *d);

#endif
