#include "timed_training.h"

#include "tensor/operations.h"
#include "train/adam.h"
#include "train/clip.h"

#include <math.h>
#include <time.h>

enum { STEPS_NOT_COUNTED = 3 };

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static attn_status learn(const timed_training *b, tape *t, adam *optimizer, uint64_t step, double *loss)
{
    parameters *p = b->parameters;
    parameters_begin_gradients(p);
    tape_begin(t, step);
    tensor *mean = tape_cross_entropy(t, b->logits(b->model, t, step), b->expected, 0.1f, NULL, NULL);
    attn_status s = tape_backward(t, mean);
    if (s != ATTN_OK) return s;
    parameters_end_gradients(p);
    *loss = mean->value[0];
    const float scale = clip_scale(gradient_norm(b->threads, p->total, p->grads), 1);
    adam_step(optimizer, b->threads, 3e-4f, scale, p->grads, p->values);
    return ATTN_OK;
}

static attn_status measure(const timed_training *b, tape *t, adam *optimizer, double seconds, training_figures *f)
{
    attn_status s = ATTN_OK;
    double begin = 0;
    uint64_t step = 0;
    for (; s == ATTN_OK && (step <= STEPS_NOT_COUNTED || f->seconds < seconds); step++) {
        if (step == STEPS_NOT_COUNTED) begin = seconds_of(CLOCK_MONOTONIC);
        const double before = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        s = learn(b, t, optimizer, step, &f->last);
        f->least = fmin(f->least, seconds_of(CLOCK_PROCESS_CPUTIME_ID) - before);
        f->seconds = step < STEPS_NOT_COUNTED ? 0 : seconds_of(CLOCK_MONOTONIC) - begin;
        if (!step) f->first = f->last;
    }
    f->steps = (double)(step - STEPS_NOT_COUNTED);
    return s;
}

attn_status timed_training_run(const timed_training *b, double seconds, training_figures *out)
{
    const adam_options options = {.beta1 = 0.9f, .beta2 = 0.98f, .epsilon = 1e-9f};
    tape *t = NULL;
    adam optimizer = {0};
    *out = (training_figures){.least = INFINITY};
    attn_status s = tape_create(&t, TAPE_TRAIN, b->threads);
    if (s == ATTN_OK) s = tape_set_products(t, b->products);
    if (s == ATTN_OK) s = adam_create(&optimizer, &options, b->parameters->total);
    if (s == ATTN_OK) s = measure(b, t, &optimizer, seconds, out);
    adam_destroy(&optimizer);
    tape_destroy(t);
    return s;
}
