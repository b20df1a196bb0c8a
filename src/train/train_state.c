#include "train/train_state.h"

#include "base/parallel.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Vaswani et al. 2017, section 5.3. */
static adam_options adam_settings(double weight_decay)
{
    return (adam_options){.beta1 = 0.9f, .beta2 = 0.98f, .epsilon = 1e-9f, .weight_decay = (float)weight_decay};
}

/* Decay pulls weights towards zero, where biases and the gains of norms have no reason to be. */
static attn_status exempt_vectors(adam *a, const parameters *p)
{
    attn_status s = ATTN_OK;
    for (int64_t i = 0; i < p->count && s == ATTN_OK; i++) {
        const tensor *t = &p->items[i].tensor;
        if (t->rank < 2) s = adam_exempt(a, t->value - p->values, tensor_count(t));
    }
    return s;
}

attn_status train_state_create(train_state *out, parameters *p, double weight_decay, bool average)
{
    memset(out, 0, sizeof *out);
    out->parameters = p;
    out->total = p->total;
    out->best = out->start = -INFINITY;
    const adam_options settings = adam_settings(weight_decay);
    attn_status s = adam_create(&out->adam, &settings, out->total);
    if (s == ATTN_OK && weight_decay > 0) s = exempt_vectors(&out->adam, p);
    if (s != ATTN_OK || !average) return s;
    out->average = malloc((size_t)out->total * sizeof *out->average);
    if (!out->average)
        return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld parameters", (long long)out->total);
    memcpy(out->average, p->values, (size_t)out->total * sizeof *out->average);
    return ATTN_OK;
}

void train_state_clear(train_state *s)
{
    adam_destroy(&s->adam);
    free(s->average);
    memset(s, 0, sizeof *s);
}

#define AVERAGE_CHUNK ((int64_t)1 << 16)

typedef struct averaging {
    train_state *state;
    float keep;
} averaging;

static void average_chunk(void *argument, int64_t task, int worker)
{
    (void)worker;
    const averaging *a = argument;
    int64_t begin = task * AVERAGE_CHUNK, end = begin + AVERAGE_CHUNK;
    if (end > a->state->total) end = a->state->total;
    const float *values = a->state->parameters->values;
    float *average = a->state->average;
    for (int64_t i = begin; i < end; i++) average[i] += (1 - a->keep) * (values[i] - average[i]);
}

void train_state_average(train_state *s, double decay, int threads)
{
    if (!s->average) return;
    double early = (1.0 + (double)s->step) / (10.0 + (double)s->step);
    averaging a = {s, (float)(early < decay ? early : decay)};
    parallel_for(threads, (s->total + AVERAGE_CHUNK - 1) / AVERAGE_CHUNK, average_chunk, &a);
}

void train_state_swap(train_state *s)
{
    if (!s->average) return;
    float *values = s->parameters->values;
    for (int64_t i = 0; i < s->total; i++) {
        float value = values[i];
        values[i] = s->average[i];
        s->average[i] = value;
    }
}
