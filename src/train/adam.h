/* Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), over
 * the parameters' flat arrays. The same bits for any number of threads. */
#ifndef TRAIN_ADAM_H
#define TRAIN_ADAM_H

#include "attn/attn.h"

typedef struct adam_options {
    float beta1, beta2; /* decay of the first and second moment: 0.9 and 0.98 in Vaswani et al., section 5.3 */
    float epsilon;      /* added to the root of the second moment */
    float weight_decay; /* each step also subtracts rate * weight_decay * value; 0: none */
} adam_options;

/* A run of parameters. */
typedef struct adam_span {
    int64_t begin, count;
} adam_span;

typedef struct adam {
    adam_options options;
    int64_t count;         /* of parameters */
    int64_t step;          /* steps taken */
    float *first, *second; /* moments, `count` each, zero at first */
    adam_span *exempt;     /* what weight decay leaves alone, ascending */
    int64_t exempt_count;
} adam;

attn_status adam_create(adam *out, const adam_options *options, int64_t count);
void adam_destroy(adam *a);

/* Exempts a run of parameters, which begins after all exempted before, from weight decay: biases, gains of norms. */
attn_status adam_exempt(adam *a, int64_t begin, int64_t count);

/* One step: every gradient is multiplied by grad_scale first (see clip.h). grads and values of a->count. */
void adam_step(adam *a, int threads, float rate, float grad_scale, const float *grads, float *values);

#endif
