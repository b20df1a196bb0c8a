#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gradient_errors.h"

#include "kernels/backward_tile.h"

#include <math.h>
#include <stdlib.h>

#define ROUNDING 0x1p-24
#define FLUSHED 1e-30      /* far above what is taken for 0, far below what is looked at */
#define STEEPEST 1.25      /* slope of test_functions.h */
#define FUNCTION_ADDS 0.25 /* which changes a score by no more */

/* A bound of what O's rounding changes delta by. */
static double delta_error(const dense *x, int64_t row)
{
    const int64_t DV = x->d->DV;
    double sum = 0;
    for (int64_t a = 0; a < DV; a++) sum += fabs(x->grad_o[row * DV + a] * x->o[row * DV + a]);
    return 0x1p-8 * sum;
}

/* The sums of absolute values of what dQ, dK and dV are the sums of, (B, heads, rows, columns) each. */
static void sum_magnitudes(call *c, double *sums[NARROW])
{
    dense *x = &c->reference;
    const attn_desc *d = &c->desc;
    dense_backward(x);
    for (int64_t pair = 0; pair < d->B * d->H * d->T * d->S; pair++) {
        const int64_t row = pair / d->S, b = row / d->T / d->H, h = row / d->T % d->H;
        const int64_t key = (b * d->HK + h / (d->H / d->HK)) * d->S + pair % d->S;
        const double p = x->weights[pair] * x->dropout[pair];
        const double ds = STEEPEST * d->scale * (fabs(x->grad_bias[pair]) + x->weights[pair] * delta_error(x, row));
        for (int64_t a = 0; a < d->D; a++) sums[0][row * d->D + a] += ds * fabs(x->k[key * d->D + a]);
        for (int64_t a = 0; a < d->D; a++) sums[1][key * d->D + a] += ds * fabs(x->q[row * d->D + a]);
        for (int64_t a = 0; a < d->DV; a++) sums[2][key * d->DV + a] += p * fabs(x->grad_o[row * d->DV + a]);
    }
}

/* Rounding P and dS to bf16 changes each of the products by 2^-8 of it at most, and the gradient's own rounding that.
 */
static void expect_gradient_near(const narrow_twin *t, int n, const double *sums)
{
    const call_output *wide = &t->c->outputs[n];
    const double *sum = sums;
    for (int64_t b = 0; b < wide->batches; b++)
        for (int64_t h = 0; h < wide->heads; h++)
            for (int64_t i = 0; i < wide->rows; i++)
                for (int64_t x = 0; x < wide->columns; x++, sum++) {
                    const int64_t at = GUARD + b * wide->view.batch + h * wide->view.head + i * wide->view.row + x;
                    const float got = float_of(t->c->options.type, t->gradients[n][at]), want = wide->buffer[at];
                    if (!(fabs((double)got - want) <= 0x1.01p-8 * (*sum + fabsf(want)) + 1e-6))
                        fail_msg("seed %llu: %s[%lld] is %g, of fp32 products %g, which sum to %g at most",
                                 (unsigned long long)t->c->seed, wide->name, (long long)at, (double)got, (double)want,
                                 *sum);
                }
}

void gradient_errors_in_type(const narrow_twin *t)
{
    double *sums[NARROW];
    for (int n = 0; n < NARROW; n++) {
        const call_output *o = &t->c->outputs[n];
        sums[n] = calloc((size_t)(o->batches * o->heads * o->rows * o->columns) + 1, sizeof(double));
    }
    sum_magnitudes(t->c, sums);
    for (int n = 0; n < NARROW; n++) expect_gradient_near(t, n, sums[n]), free(sums[n]);
}

/* A number and how far its computed one may be. */
typedef struct near {
    double want, bound;
} near;

/* What one query's keys share. */
typedef struct query {
    int64_t head, position;
    const double *q, *grad_o;
    double lse;
    near delta;
    double delta_size; /* without its terms' signs */
} query;

static double size_of_dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += fabs(a[i] * b[i]);
    return sum;
}

static query query_of(const call *c, int64_t row)
{
    const attn_desc *d = &c->desc;
    const dense *x = &c->reference;
    const float *o = (const float *)d->o.data + row * d->DV;
    const int64_t b = row / d->T / d->H;
    query r = {.head = row / d->T % d->H,
               .position = row % d->T + (d->query_offsets ? d->query_offsets[b] : d->query_offset),
               .q = x->q + row * d->D,
               .grad_o = x->grad_o + row * d->DV,
               .lse = ((const float *)d->lse.data)[row]};
    r.delta_size = fabs(x->grad_lse[row]);
    r.delta.want = -x->grad_lse[row];
    for (int64_t n = 0; n < d->DV; n++) {
        r.delta.want += r.grad_o[n] * o[n];
        r.delta_size += fabs(r.grad_o[n] * o[n]);
    }
    r.delta.bound = (double)(d->DV + 2) * ROUNDING * r.delta_size;
    return r;
}

/* dX of a pair that is kept: the score's D products and sums, cap, function, bias, slope and log-sum-exp are each
 * rounded by at most what they are large, and so are weight, dO V, factor and delta. */
static near pair_of(const call *c, const query *r, int64_t row, int64_t j)
{
    const attn_desc *d = &c->desc;
    const dense *x = &c->reference;
    const int64_t pair = row * d->S + j, key = (row / d->T / d->H * d->HK + r->head / (d->H / d->HK)) * d->S + j;
    const double *k = x->k + key * d->D, *v = x->v + key * d->DV;
    const double score = STEEPEST * d->scale * size_of_dot(r->q, k, d->D) + FUNCTION_ADDS + fabs(x->bias[pair]) +
                         fabs(x->slopes[r->head] * (double)(r->position - j)) + fabs(r->lse);
    const double p = x->weights[pair] * exp(x->lse[row] - r->lse), m = x->dropout[pair];
    const double slope = m * dense_dot(r->grad_o, v, d->DV) - r->delta.want;
    const double size = m * size_of_dot(r->grad_o, v, d->DV) + r->delta_size;
    const double of_weight = ((double)(d->D + 8) * score + 4) * ROUNDING;
    return (near){p * slope, p * (of_weight * fabs(slope) + (double)(d->DV + 6) * ROUNDING * size) + FLUSHED};
}

static void expect_near_number(const call *c, const char *name, int64_t n, float got, near expected)
{
    if (!(fabs(got - expected.want) <= expected.bound))
        fail_msg("seed %llu: %s[%lld] is %.9g, expected %.9g, within %.3g", (unsigned long long)c->seed, name,
                 (long long)n, (double)got, expected.want, expected.bound);
}

/* The gradient of the same bias, each pair's its own. */
static float *each_pair_s(narrow_twin *t)
{
    attn_desc d = t->d;
    const size_t count = (size_t)(d.B * d.H * d.T * d.S);
    float *bias = malloc(count * sizeof *bias + 1), *grad = malloc(count * sizeof *grad + 1);
    for (int64_t n = 0; n < (int64_t)count; n++) {
        const int64_t row = n / d.S, h = row / d.T;
        bias[n] = ((const float *)d.bias.data)[h / d.H * d.bias.batch + h % d.H * d.bias.head + row % d.T * d.bias.row +
                                               n % d.S * d.bias.column];
    }
    d.bias = (attn_mask){bias, d.H * d.T * d.S, d.T * d.S, d.S, 1};
    d.grad_bias = (attn_mask_output){grad, d.H * d.T * d.S, d.T * d.S, d.S, 1};
    d.grad_q.data = d.grad_k.data = d.grad_v.data = NULL;
    d.grad_sinks = d.grad_alibi_slopes = NULL;
    narrow_backward(&d, t->c->seed);
    free(bias);
    return grad;
}

/* Tile by tile, query by query. */
static void add_head(const attn_desc *d, const float *pairs, float *sums)
{
    const attn_mask_output *g = &d->grad_bias;
    for (int64_t i = 0; i < d->T; i += BACKWARD_QUERIES)
        for (int64_t j = 0; j < d->S; j += BACKWARD_KEYS)
            for (int64_t m = i; m < i + BACKWARD_QUERIES && m < d->T; m++)
                for (int64_t n = j; n < j + BACKWARD_KEYS && n < d->S; n++)
                    sums[m * g->row + n * g->column] += pairs[m * d->S + n];
}

static void expect_sums(const narrow_twin *t, const float *pairs)
{
    const attn_desc *d = &t->d;
    const attn_mask_output *g = &d->grad_bias;
    float *sums = calloc(t->c->grad_bias_size + 1, sizeof *sums);
    for (int64_t n = 0; n < d->B * d->H; n++)
        add_head(d, pairs + n * d->T * d->S, sums + n / d->H * g->batch + n % d->H * g->head);
    for (size_t n = 0; n < t->c->grad_bias_size; n++)
        if (((const float *)g->data)[n] != sums[n])
            fail_msg("seed %llu: grad_bias[%zu] is %.9g, its pairs' sum %.9g", (unsigned long long)t->c->seed, n,
                     (double)((const float *)g->data)[n], (double)sums[n]);
    free(sums);
}

/* One query's pairs, whose gradients, unless NULL, are the bias's; *slope is to have what they give their slope. */
static void check_pairs(const call *c, const query *r, int64_t row, const float *pairs, near *slope)
{
    const attn_desc *d = &c->desc;
    for (int64_t j = 0; j < d->S; j++) {
        const near pair = c->reference.keep[row * d->S + j] != 0 ? pair_of(c, r, row, j) : (near){0, 0};
        const double distance = fabs((double)(r->position - j));
        if (pairs) expect_near_number(c, "a pair's grad_bias", row * d->S + j, pairs[row * d->S + j], pair);
        slope->want -= distance * pair.want;
        slope->bound += distance * (pair.bound + (BACKWARD_KEYS + 2) * ROUNDING * fabs(pair.want));
    }
}

static void add_sink(const query *r, double z, near *sink)
{
    const double weight = exp(z - r->lse);
    if (z == -INFINITY) return;
    sink->want -= weight * r->delta.want;
    sink->bound += weight * r->delta.bound;
}

/* A head's sums over sequences and queries, rounded once. */
static void check_head(const narrow_twin *t, int64_t h, const float *pairs)
{
    const call *c = t->c;
    const attn_desc *d = &t->d;
    near sink = {0}, slope = {0};
    for (int64_t n = 0; n < d->B * d->T; n++) {
        const int64_t row = (n / d->T * d->H + h) * d->T + n % d->T;
        if (((const float *)d->lse.data)[row] == -INFINITY) continue;
        const query r = query_of(c, row);
        check_pairs(c, &r, row, pairs, &slope);
        add_sink(&r, c->reference.sinks[h], &sink);
    }
    sink.bound += ROUNDING * fabs(sink.want) + FLUSHED;
    slope.bound += ROUNDING * fabs(slope.want) + FLUSHED;
    if (d->grad_sinks) expect_near_number(c, "grad_sinks", h, d->grad_sinks[h], sink);
    if (d->grad_alibi_slopes) expect_near_number(c, "grad_alibi_slopes", h, d->grad_alibi_slopes[h], slope);
}

void gradient_errors_in_fp32(narrow_twin *t)
{
    const bool any = t->d.B && t->d.T && t->d.S; /* else nothing is written */
    float *pairs = t->c->grad_bias && any ? each_pair_s(t) : NULL;
    for (int64_t h = 0; h < t->d.H; h++) check_head(t, h, pairs);
    if (pairs) expect_sums(t, pairs);
    free(pairs);
}
