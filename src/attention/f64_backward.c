/* Backward on fp64: each query adds what it gives to its own row of dQ and its keys' rows of dK and dV (f64_row.h). The
 * heads that share a key head follow one another in one task; where something is summed over the batch there is but
 * one task, so that each sum has one order. */
#include "attention/backward_check.h"
#include "attention/f64_row.h"
#include "attention/sequence.h"
#include "base/parallel.h"

#include <math.h>
#include <string.h>

void f64_zero_rows(const attn_output *out, int64_t b, int64_t h, int64_t rows, int64_t columns)
{
    if (!out->data || !columns) return;
    for (int64_t i = 0; i < rows; i++) memset(f64_output_at(out, b, h, i), 0, (size_t)columns * sizeof(double));
}

/* What the gradient of the score of key j, before the cap, adds to those of its inputs. */
static void backward_score(const f64_row *row, int64_t j, double ds)
{
    const attn_desc *d = row->d;
    const int64_t head = row->h / (d->H / d->HK);
    const double *k = f64_view_at(&d->k, row->b, head, j);
    double *grad_q = f64_output_at(&d->grad_q, row->b, row->h, row->i);
    double *grad_k = f64_output_at(&d->grad_k, row->b, head, j),
           *grad_w = f64_output_at(&d->grad_score_vector, 0, row->h, 0);
    for (int64_t c = 0; c < d->D; c++) {
        const double t = row->vector ? tanh(row->q[c] + k[c]) : 0, w = row->vector ? row->vector[c] : 0;
        if (grad_q) grad_q[c] += row->vector ? ds * w * (1 - t * t) : ds * row->scale * k[c];
        if (grad_k) grad_k[c] += row->vector ? ds * w * (1 - t * t) : ds * row->scale * row->q[c];
        if (grad_w) grad_w[c] += ds * t;
    }
}

/* What rows give their head's sink and slope. */
typedef struct head_sums {
    double sink, slope;
} head_sums;

/* Returns what the key gives the slope. */
static double backward_key(const f64_row *row, const f64_chunk *chunk, int64_t n, double lse, double delta)
{
    const attn_desc *d = row->d;
    const int64_t j = chunk->first + n, head = row->h / (d->H / d->HK);
    const double *grad_o = f64_view_at(&d->grad_o, row->b, row->h, row->i);
    const double p = exp(chunk->score[n] - lse), kept = f64_row_dropout(row, j);
    const double dx = p * (kept * f64_dot(grad_o, f64_view_at(&d->v, row->b, head, j), d->DV) - delta);
    double *grad_v = f64_output_at(&d->grad_v, row->b, head, j),
           *grad_bias = f64_grad_bias_at(&d->grad_bias, row->b, row->h, row->i, j);
    for (int64_t c = 0; grad_v && c < d->DV; c++) grad_v[c] += p * kept * grad_o[c];
    if (grad_bias) *grad_bias += dx;
    backward_score(row, j, dx * chunk->slope[n]);
    return -dx * fabs((double)row->position - (double)j);
}

double f64_row_delta(const f64_row *row)
{
    const attn_desc *d = row->d;
    const double *by_lse = f64_view_at(&d->grad_lse, row->b, row->h, row->i);
    const double sum =
        f64_dot(f64_view_at(&d->grad_o, row->b, row->h, row->i), f64_output_at(&d->o, row->b, row->h, row->i), d->DV);
    return by_lse ? sum - *by_lse : sum;
}

static void backward_row(const f64_row *row, head_sums *sums)
{
    const attn_desc *d = row->d;
    const double lse = *f64_output_at(&d->lse, row->b, row->h, row->i), sink = f64_row_sink(row);
    if (lse == -INFINITY) return;
    const double delta = f64_row_delta(row);
    f64_chunk chunk;
    for (int64_t j = 0; f64_row_next(row, j, &chunk); j = chunk.first + chunk.count)
        for (int64_t n = 0; n < chunk.count; n++)
            if (chunk.kept[n]) sums->slope += backward_key(row, &chunk, n, lse, delta);
    if (sink != -INFINITY) sums->sink -= exp(sink - lse) * delta;
}

static void backward_head(const attn_desc *all, int64_t b, int64_t h, head_sums *sums)
{
    attn_desc own;
    const attn_desc *d = sequence_read(all, b, &own);
    const int64_t group = d->H / d->HK;
    f64_zero_rows(&d->grad_q, b, h, d->T, d->D);
    if (h % group == 0) f64_zero_rows(&d->grad_k, b, h / group, d->S, d->D);
    if (h % group == 0) f64_zero_rows(&d->grad_v, b, h / group, d->S, d->DV);
    for (int64_t i = 0; i < d->T; i++) {
        const f64_row row = f64_row_at(d, b, h, i);
        backward_row(&row, sums);
    }
}

/* The heads of one key head. */
static void backward_task(void *argument, int64_t task, int worker)
{
    (void)worker;
    const attn_desc *d = argument;
    const int64_t group = d->H / d->HK, b = task / d->HK, first = task % d->HK * group;
    head_sums nobodys = {0};
    /* without queries the first zeroes its keys' rows */
    for (int64_t h = first; h < first + (d->T ? group : 1); h++) backward_head(d, b, h, &nobodys);
}

void f64_zero_bias(const attn_desc *all)
{
    const attn_mask_output *grad = &all->grad_bias;
    int64_t T, S;
    sequence_largest(all, &T, &S);
    for (int64_t b = 0; grad->data && b < (grad->batch ? all->B : 1); b++) {
        attn_desc own;
        const attn_desc *d = sequence_read(all, b, &own);
        if (grad->batch) T = d->T, S = d->S;
        for (int64_t h = 0; h < (grad->head ? d->H : 1); h++)
            for (int64_t i = 0; i < (grad->row ? T : T > 0); i++)
                for (int64_t j = 0; j < (grad->column ? S : S > 0); j++) *f64_grad_bias_at(grad, b, h, i, j) = 0;
    }
}

/* Everything in one task: head by head, each over the whole batch. */
static void backward_all(void *argument, int64_t task, int worker)
{
    (void)task, (void)worker;
    const attn_desc *d = argument;
    f64_zero_bias(d);
    for (int64_t h = 0; h < d->H; h++) {
        f64_zero_rows(&d->grad_score_vector, 0, h, 1, d->D);
        head_sums sums = {0};
        for (int64_t b = 0; b < d->B; b++) backward_head(d, b, h, &sums);
        if (d->grad_sinks) d->grad_sinks[h] = (float)sums.sink;
        if (d->grad_alibi_slopes) d->grad_alibi_slopes[h] = (float)sums.slope;
    }
}

void f64_backward(const attn_desc *d)
{
    const bool by_head = d->grad_score_vector.data || d->grad_sinks || d->grad_alibi_slopes;
    const bool sums = d->B && d->T && (d->grad_bias.data || by_head);
    if (!sums) backward_zero_sums(d);
    void *argument = (attn_desc *)(uintptr_t)d;
    parallel_run(&d->parallel, sums ? 1 : d->B * d->HK, sums ? backward_all : backward_task, argument);
}
