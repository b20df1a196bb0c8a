#include "train/adam.h"

#include "base/parallel.h"
#include "base/status.h"
#include "tensor/row_kernels.h"

#include <math.h>
#include <stdlib.h>

#define RUN 32768

attn_status adam_create(adam *out, const adam_options *options, int64_t count)
{
    *out = (adam){.options = *options, .count = count};
    if (count < 0) return status_fail(ATTN_ERROR_ARGUMENT, "Adam over %lld parameters", (long long)count);
    out->first = calloc((size_t)(count ? count : 1), sizeof(float));
    out->second = calloc((size_t)(count ? count : 1), sizeof(float));
    if (out->first && out->second) return ATTN_OK;
    adam_destroy(out);
    return status_fail(ATTN_ERROR_MEMORY, "no memory for the moments of %lld parameters", (long long)count);
}

void adam_destroy(adam *a)
{
    free(a->first);
    free(a->second);
    *a = (adam){0};
}

typedef struct adam_run {
    adam *a;
    adam_terms terms;
    const float *grads;
    float *values;
} adam_run;

static void step_run(void *argument, int64_t task, int worker)
{
    (void)worker;
    const adam_run *r = argument;
    const int64_t at = task * RUN, n = r->a->count - at < RUN ? r->a->count - at : RUN;
    row_kernels_get()->adam(n, &r->terms, r->grads + at, r->a->first + at, r->a->second + at, r->values + at);
}

void adam_step(adam *a, int threads, float rate, float grad_scale, const float *grads, float *values)
{
    const adam_options *o = &a->options;
    a->step++;
    adam_run r = {.a = a, .grads = grads, .values = values};
    r.terms = (adam_terms){
        .rate = rate,
        .beta1 = o->beta1,
        .beta2 = o->beta2,
        .epsilon = o->epsilon,
        .decay = rate * o->weight_decay,
        .correction1 = (float)(1 / (1 - pow(o->beta1, (double)a->step))),
        .correction2 = (float)(1 / (1 - pow(o->beta2, (double)a->step))),
        .grad_scale = grad_scale,
    };
    parallel_for(threads, (a->count + RUN - 1) / RUN, step_run, &r);
}
