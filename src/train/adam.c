#include "train/adam.h"

#include "base/checked.h"
#include "base/large_block.h"
#include "base/parallel.h"
#include "base/status.h"
#include "tensor/row_kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUN 32768

static float *zeroed_moments(int64_t count)
{
    size_t bytes;
    if (!checked_mul((size_t)(count ? count : 1), sizeof(float), &bytes)) return NULL;
    float *moments = large_block(bytes);
    return moments ? memset(moments, 0, bytes) : NULL;
}

attn_status adam_create(adam *out, const adam_options *options, int64_t count)
{
    *out = (adam){.options = *options, .count = count};
    if (count < 0) return status_fail(ATTN_ERROR_ARGUMENT, "Adam over %lld parameters", (long long)count);
    out->first = zeroed_moments(count);
    out->second = zeroed_moments(count);
    if (out->first && out->second) return ATTN_OK;
    adam_destroy(out);
    return status_fail(ATTN_ERROR_MEMORY, "no memory for the moments of %lld parameters", (long long)count);
}

void adam_destroy(adam *a)
{
    free(a->first);
    free(a->second);
    free(a->exempt);
    *a = (adam){0};
}

attn_status adam_exempt(adam *a, int64_t begin, int64_t count)
{
    adam_span *grown = realloc(a->exempt, ((size_t)a->exempt_count + 1) * sizeof *grown);
    if (!grown) return status_fail(ATTN_ERROR_MEMORY, "no memory for the optimizer");
    a->exempt = grown;
    grown[a->exempt_count++] = (adam_span){begin, count};
    return ATTN_OK;
}

typedef struct adam_run {
    adam *a;
    adam_terms terms;
    const float *grads;
    float *values;
} adam_run;

static void step_span(const adam_run *r, const adam_terms *terms, int64_t begin, int64_t end)
{
    if (begin >= end) return;
    row_kernels_get()->adam(end - begin, terms, r->grads + begin, r->a->first + begin, r->a->second + begin,
                            r->values + begin);
}

/* Alternates between decayed and exempt spans. */
static void step_decayed(const adam_run *r, int64_t begin, int64_t end)
{
    adam_terms plain = r->terms;
    plain.decay = 0;
    for (int64_t i = 0; i < r->a->exempt_count && begin < end; i++) {
        const adam_span e = r->a->exempt[i];
        if (e.begin + e.count <= begin) continue;
        const int64_t from = e.begin < end ? e.begin : end, to = e.begin + e.count < end ? e.begin + e.count : end;
        step_span(r, &r->terms, begin, from);
        begin = from > begin ? from : begin;
        step_span(r, &plain, begin, to);
        begin = to > begin ? to : begin;
    }
    step_span(r, &r->terms, begin, end);
}

static void step_run(void *argument, int64_t task, int worker)
{
    (void)worker;
    const adam_run *r = argument;
    const int64_t at = task * RUN, n = r->a->count - at < RUN ? r->a->count - at : RUN;
    if (r->terms.decay != 0)
        step_decayed(r, at, at + n);
    else
        step_span(r, &r->terms, at, at + n);
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
