/* Double backward on fp64: each query visits its keys twice, for its row sums and to add what it gives
 * (kernels/double_tile.h derives it). Tasks as in f64_backward.c. */
#include "attention/backward_check.h"
#include "attention/f64_row.h"
#include "attention/second_order.h"
#include "attention/sequence.h"
#include "base/parallel.h"

#include <math.h>
#include <string.h>

typedef struct f64_second {
    const attn_desc *d; /* the call's */
    const attn_second_order *second;
} f64_second;

/* A query, and the sums over its keys. */
typedef struct second_row {
    f64_row row;
    attn_second_order second; /* the sequence's */
    const double *grad_o, *u;
    double lse, delta, rho, sigma;
} second_row;

/* One key of a query: double_tile.h's letters. */
typedef struct second_pair {
    const double *k, *v, *w, *y;
    double p, m, a, e, g, r, slope, curve;
} second_pair;

static double dot_or_zero(const double *a, const double *b, int64_t n)
{
    return a && b ? f64_dot(a, b, n) : 0;
}

static second_pair pair_at(const second_row *s, const f64_chunk *chunk, int64_t n)
{
    const f64_row *row = &s->row;
    const attn_desc *d = row->d;
    const attn_mask *z = &s->second.by_grad_bias;
    const int64_t j = chunk->first + n, head = row->h / (d->H / d->HK);
    const double cap = d->softcap;
    second_pair x = {.k = f64_view_at(&d->k, row->b, head, j),
                     .v = f64_view_at(&d->v, row->b, head, j),
                     .w = f64_view_at(&s->second.by_grad_k, row->b, head, j),
                     .y = f64_view_at(&s->second.by_grad_v, row->b, head, j),
                     .p = exp(chunk->score[n] - s->lse),
                     .m = f64_row_dropout(row, j),
                     .slope = chunk->slope[n]};
    x.a = x.m * dot_or_zero(s->grad_o, x.v, d->DV);
    x.e = x.m * dot_or_zero(s->grad_o, x.y, d->DV);
    x.g = row->scale * (dot_or_zero(s->u, x.k, d->D) + dot_or_zero(row->q, x.w, d->D));
    if (cap > 0) x.curve = -2 * tanh(row->scale * dot_or_zero(row->q, x.k, d->D) / cap) * x.slope / cap;
    const double *by_bias = f64_mask_at(z, row->b, row->h, row->i, j);
    x.r = x.slope * x.g + (by_bias ? *by_bias : 0);
    return x;
}

static void add(double *out, double factor, const double *row, int64_t columns)
{
    for (int64_t c = 0; out && row && c < columns; c++) out[c] += factor * row[c];
}

static void add_pair(const second_row *s, int64_t j, const second_pair *x)
{
    const f64_row *row = &s->row;
    const attn_desc *d = row->d;
    const int64_t head = row->h / (d->H / d->HK);
    const double ds = x->p * (x->a - s->delta), by_a = x->m * x->p * (x->r - s->rho);
    const double by_x = ds * x->r + x->p * (x->e - s->rho * x->a - s->sigma);
    const double by_s = row->scale * (by_x * x->slope + ds * x->curve * x->g), first = row->scale * ds * x->slope;
    double *grad_q = f64_output_at(&d->grad_q, row->b, row->h, row->i),
           *grad_k = f64_output_at(&d->grad_k, row->b, head, j);
    double *grad_grad_o = f64_output_at(&s->second.grad_grad_o, row->b, row->h, row->i);
    double *grad_bias = f64_grad_bias_at(&d->grad_bias, row->b, row->h, row->i, j);
    add(grad_q, by_s, x->k, d->D);
    add(grad_q, first, x->w, d->D);
    add(grad_k, by_s, row->q, d->D);
    add(grad_k, first, s->u, d->D);
    add(f64_output_at(&d->grad_v, row->b, head, j), by_a, s->grad_o, d->DV);
    add(grad_grad_o, by_a, x->v, d->DV);
    add(grad_grad_o, x->m * x->p, x->y, d->DV);
    if (grad_bias) *grad_bias += by_x;
}

/* Returns what the query gives its sink. */
static double run_row(second_row *s)
{
    const f64_row *row = &s->row;
    const attn_desc *d = row->d;
    const double sink = f64_row_sink(row), by_sink = s->second.by_grad_sinks ? s->second.by_grad_sinks[row->h] : 0;
    const double *by_lse = f64_view_at(&d->grad_lse, row->b, row->h, row->i);
    double *grad_grad_lse = f64_output_at(&s->second.grad_grad_lse, row->b, row->h, row->i);
    f64_chunk chunk;
    s->lse = *f64_output_at(&d->lse, row->b, row->h, row->i);
    if (s->lse == -INFINITY) return 0;
    const double weight = sink == -INFINITY ? 0 : exp(sink - s->lse);
    s->grad_o = f64_view_at(&d->grad_o, row->b, row->h, row->i);
    s->u = f64_view_at(&s->second.by_grad_q, row->b, row->h, row->i);
    s->delta = f64_row_delta(row);
    s->rho = weight * by_sink, s->sigma = 0;
    for (int64_t j = 0; f64_row_next(row, j, &chunk); j = chunk.first + chunk.count)
        for (int64_t n = 0; n < chunk.count; n++) {
            if (!chunk.kept[n]) continue;
            const second_pair x = pair_at(s, &chunk, n);
            s->rho += x.p * x.r;
            s->sigma += x.p * (x.a * x.r + x.e);
        }
    s->sigma -= (2 * s->delta + (by_lse ? *by_lse : 0)) * s->rho;
    if (grad_grad_lse) *grad_grad_lse = s->rho;
    for (int64_t j = 0; f64_row_next(row, j, &chunk); j = chunk.first + chunk.count)
        for (int64_t n = 0; n < chunk.count; n++) {
            if (!chunk.kept[n]) continue;
            const second_pair x = pair_at(s, &chunk, n);
            add_pair(s, chunk.first + n, &x);
        }
    return -weight * (s->sigma + s->delta * by_sink);
}

static double run_head(const f64_second *call, int64_t b, int64_t h)
{
    attn_desc own;
    const attn_desc *d = sequence_read(call->d, b, &own);
    const int64_t group = d->H / d->HK;
    second_row s = {.second = second_order_of(call->d, call->second, b)};
    double sink = 0;
    f64_zero_rows(&d->grad_q, b, h, d->T, d->D);
    f64_zero_rows(&s.second.grad_grad_o, b, h, d->T, d->DV);
    f64_zero_rows(&s.second.grad_grad_lse, b, h, d->T, 1);
    if (h % group == 0) f64_zero_rows(&d->grad_k, b, h / group, d->S, d->D);
    if (h % group == 0) f64_zero_rows(&d->grad_v, b, h / group, d->S, d->DV);
    for (int64_t i = 0; i < d->T; i++) {
        s.row = f64_row_at(d, b, h, i);
        sink += run_row(&s);
    }
    return sink;
}

/* The heads of one key head. */
static void run_task(void *argument, int64_t task, int worker)
{
    (void)worker;
    const f64_second *call = argument;
    const attn_desc *d = call->d;
    const int64_t group = d->H / d->HK, b = task / d->HK, first = task % d->HK * group;
    for (int64_t h = first; h < first + (d->T ? group : 1); h++) run_head(call, b, h); /* as in f64_backward.c */
}

/* Everything in one task: head by head, each over the whole batch. */
static void run_all(void *argument, int64_t task, int worker)
{
    (void)task, (void)worker;
    const f64_second *call = argument;
    const attn_desc *d = call->d;
    f64_zero_bias(d);
    for (int64_t h = 0; h < d->H; h++) {
        double sink = 0;
        for (int64_t b = 0; b < d->B; b++) sink += run_head(call, b, h);
        if (d->grad_sinks) d->grad_sinks[h] = (float)sink;
    }
}

void f64_double_backward(const attn_desc *d, const attn_second_order *second)
{
    const bool sums = d->B && d->T && (d->grad_bias.data || d->grad_sinks);
    f64_second call = {d, second};
    if (!sums) backward_zero_sums(d);
    parallel_run(&d->parallel, sums ? 1 : d->B * d->HK, sums ? run_all : run_task, &call);
}
