#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_errors.h"
#include "test_functions.h"

#include <math.h>
#include <stdlib.h>

/* What anyone would write in fp32: all scores of a row, their largest, exponentials, sum, quotients, weighted sum. */
static void plain_row(const call *c, int64_t b, int64_t h, int64_t i, float *weights, float *o)
{
    const attn_desc *d = &c->desc;
    int64_t kv = h / (d->H / d->HK), row = ((b * d->H + h) * d->T + i) * d->S;
    const float *q = (const float *)d->q.data + b * d->q.batch + h * d->q.head + i * d->q.row;
    const float *k = (const float *)d->k.data + b * d->k.batch + kv * d->k.head;
    const float *v = (const float *)d->v.data + b * d->v.batch + kv * d->v.head;
    const float *w = d->score_vector.data ? (const float *)d->score_vector.data + h * d->score_vector.head : NULL;
    int64_t position = i + (d->query_offsets ? d->query_offsets[b] : d->query_offset);
    double slope;
    float sink = (float)c->reference.sinks[h], largest = sink, sum;
    for (int64_t j = 0; j < d->S; j++) {
        float s = 0;
        for (int64_t x = 0; x < d->D; x++) {
            float key = k[j * d->k.row + x];
            s += w ? w[x] * tanhf(q[x] + key) : q[x] * key;
        }
        s *= d->scale;
        if (d->softcap > 0) s = d->softcap * tanhf(s / d->softcap);
        if (d->score_function) s = (float)test_score(s, h, position, j, &slope);
        s += (float)(c->reference.bias[row + j] - c->reference.slopes[h] * fabs((double)(position - j)));
        weights[j] = c->reference.keep[row + j] != 0 ? s : -INFINITY;
        largest = fmaxf(largest, weights[j]);
    }
    sum = sink == -INFINITY ? 0 : expf(sink - largest);
    for (int64_t j = 0; j < d->S; j++) {
        weights[j] = weights[j] == -INFINITY ? 0 : expf(weights[j] - largest);
        sum += weights[j];
    }
    for (int64_t x = 0; x < d->DV; x++) o[x] = 0;
    for (int64_t j = 0; j < d->S && sum > 0; j++)
        for (int64_t x = 0; x < d->DV; x++)
            o[x] += weights[j] / sum * (float)c->reference.dropout[row + j] * v[j * d->v.row + x];
}

static float *plain_forward(const call *c)
{
    const attn_desc *d = &c->desc;
    float *o = malloc((size_t)(d->B * d->H * d->T * d->DV) * sizeof *o + 1), *at = o;
    float *weights = malloc((size_t)d->S * sizeof *weights + 1);
    for (int64_t b = 0; b < d->B; b++)
        for (int64_t h = 0; h < d->H; h++)
            for (int64_t i = 0; i < d->T; i++, at += d->DV) plain_row(c, b, h, i, weights, at);
    free(weights);
    return o;
}

static void add_error(double error, double *squares, double *most)
{
    *squares += error * error;
    if (!(error <= *most)) *most = error; /* a NaN counts */
}

void forward_check(const call *c, const forward_results *r, forward_errors *e)
{
    const attn_desc *d = &c->desc;
    float *plain = plain_forward(c);
    e->ours_most = e->plain_most = 0;
    for (int64_t n = 0; n < d->B * d->H * d->T * d->DV; n++) {
        add_error(fabs(r->o[n] - c->reference.o[n]), &e->ours, &e->ours_most);
        add_error(fabs(plain[n] - c->reference.o[n]), &e->plain, &e->plain_most);
    }
    free(plain);
    /* A score is rounded by its size; a weight by as much times itself; o by as much times a value. */
    double score = 4 * c->options.sigma * c->options.sigma, bound = 64 * 0x1p-24 * (1 + score) * c->options.sigma;
    if (!(e->ours_most <= bound))
        fail_msg("seed %llu: o is off by %.3g, expected at most %.3g", (unsigned long long)c->seed, e->ours_most,
                 bound);
    for (int64_t n = 0; n < d->B * d->H * d->T; n++) {
        double want = c->reference.lse[n], slack = 16 * 0x1p-24 * (1 + fabs(want) + score);
        if (isinf(want) ? r->lse[n] != (float)want : !(fabs(r->lse[n] - want) <= slack))
            fail_msg("seed %llu: lse[%lld] is %.9g, expected %.9g", (unsigned long long)c->seed, (long long)n,
                     r->lse[n], want);
    }
}
