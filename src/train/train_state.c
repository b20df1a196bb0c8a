#include "train/train_state.h"

#include "base/parallel.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Vaswani et al. 2017, section 5.3. */
static const adam_options adam_settings = {.beta1 = 0.9f, .beta2 = 0.98f, .epsilon = 1e-9f};

attn_status train_state_create(train_state *out, const translator_config *config, uint64_t seed, bool average)
{
    memset(out, 0, sizeof *out);
    attn_status s = translator_create(&out->model, config, true, seed);
    if (s != ATTN_OK) return s;
    out->total = out->model->parameters.total;
    out->best = -INFINITY;
    s = adam_create(&out->adam, &adam_settings, out->total);
    if (s != ATTN_OK || !average) return s;
    out->average = malloc((size_t)out->total * sizeof *out->average);
    if (!out->average)
        return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld parameters", (long long)out->total);
    memcpy(out->average, out->model->parameters.values, (size_t)out->total * sizeof *out->average);
    return ATTN_OK;
}

void train_state_clear(train_state *s)
{
    translator_destroy(s->model);
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
    const float *values = a->state->model->parameters.values;
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
    float *values = s->model->parameters.values;
    for (int64_t i = 0; i < s->total; i++) {
        float value = values[i];
        values[i] = s->average[i];
        s->average[i] = value;
    }
}
