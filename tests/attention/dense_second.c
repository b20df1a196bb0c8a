#include "dense_second.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *read_pairs(const attn_mask *mask, const attn_desc *d)
{
    double *out = dense_array(d->B * d->H * d->T * d->S), *at = out;
    for (int64_t b = 0; b < d->B && mask->data; b++)
        for (int64_t h = 0; h < d->H; h++)
            for (int64_t i = 0; i < d->T; i++)
                for (int64_t j = 0; j < d->S; j++)
                    *at++ = ((const float *)
                                 mask->data)[b * mask->batch + h * mask->head + i * mask->row + j * mask->column];
    return out;
}

dense_second dense_second_create(dense *x, const attn_second_order *second)
{
    const attn_desc *d = x->d;
    const attn_view sinks = {.data = second->by_grad_sinks, .head = 1};
    return (dense_second){.x = x,
                          .by_grad_q = dense_rows(&second->by_grad_q, d->B, d->H, d->T, d->D),
                          .by_grad_k = dense_rows(&second->by_grad_k, d->B, d->HK, d->S, d->D),
                          .by_grad_v = dense_rows(&second->by_grad_v, d->B, d->HK, d->S, d->DV),
                          .by_grad_sinks = dense_rows(&sinks, 1, d->H, 1, 1),
                          .by_grad_bias = read_pairs(&second->by_grad_bias, d),
                          .grad_bias = dense_array(d->B * d->H * d->T * d->S),
                          .grad_q = dense_array(d->B * d->H * d->T * d->D),
                          .grad_k = dense_array(d->B * d->HK * d->S * d->D),
                          .grad_v = dense_array(d->B * d->HK * d->S * d->DV),
                          .grad_grad_o = dense_array(d->B * d->H * d->T * d->DV),
                          .grad_grad_lse = dense_array(d->B * d->H * d->T),
                          .grad_sinks = dense_array(d->H)};
}

void dense_second_destroy(dense_second *s)
{
    double *arrays[] = {s->by_grad_q, s->by_grad_k,   s->by_grad_v,  s->by_grad_sinks, s->grad_q,    s->grad_k,
                        s->grad_v,    s->grad_grad_o, s->grad_sinks, s->by_grad_bias,  s->grad_bias, s->grad_grad_lse};
    for (size_t n = 0; n < sizeof arrays / sizeof arrays[0]; n++) free(arrays[n]);
}

static void add(double *out, double factor, const double *row, int64_t n)
{
    for (int64_t c = 0; c < n; c++) out[c] += factor * row[c];
}

/* Of one pair: the scores' gradient that backward makes of ds by x, forwards and backwards. */
typedef struct pair {
    double a, e, g, r, slope, curve;
} pair;

static pair pair_of(const dense_second *s, int64_t query, int64_t key, double factor)
{
    const attn_desc *d = s->x->d;
    const double *q = s->x->q + query * d->D, *k = s->x->k + key * d->D, *grad_o = s->x->grad_o + query * d->DV;
    double t = d->softcap > 0 ? tanh(d->scale * dense_dot(q, k, d->D) / d->softcap) : 0;
    return (pair){
        .a = factor * dense_dot(grad_o, s->x->v + key * d->DV, d->DV),
        .e = factor * dense_dot(grad_o, s->by_grad_v + key * d->DV, d->DV),
        .g = d->scale *
             (dense_dot(s->by_grad_q + query * d->D, k, d->D) + dense_dot(q, s->by_grad_k + key * d->D, d->D)),
        .slope = 1 - t * t,
        .curve = d->softcap > 0 ? -2 * t * (1 - t * t) / d->softcap : 0,
    };
}

/* Query `query` of all, whose first key is key `keys` of all. */
static void second_row(dense_second *s, int64_t query, int64_t h, int64_t keys, pair *pairs)
{
    const dense *x = s->x;
    const attn_desc *d = x->d;
    const double *p = x->weights + query * d->S, *m = x->dropout + query * d->S, *keep = x->keep + query * d->S;
    const double sink = x->sinks[h] == -INFINITY ? 0 : exp(x->sinks[h] - x->lse[query]);
    double delta = 0, rho = sink * s->by_grad_sinks[h], by_lse = 0;
    for (int64_t j = 0; j < d->S; j++) {
        pairs[j] = pair_of(s, query, keys + j, m[j]);
        if (!keep[j]) continue;
        delta += p[j] * pairs[j].a;
        pairs[j].r = pairs[j].slope * pairs[j].g + s->by_grad_bias[query * d->S + j];
        rho += p[j] * pairs[j].r;
    }
    if (x->lse[query] == -INFINITY) return;
    s->grad_grad_lse[query] = rho; /* which delta is less by */
    delta -= x->grad_lse[query];
    /* The loss is the sum of ds r + p e, ds = p (a - delta). By p, beside what softmax couples: */
    const double by_sink = -delta * s->by_grad_sinks[h];
    by_lse = sink * by_sink;
    for (int64_t j = 0; j < d->S; j++)
        if (keep[j]) by_lse += p[j] * ((pairs[j].a - delta) * pairs[j].r - rho * pairs[j].a + pairs[j].e);
    s->grad_sinks[h] += sink * (by_sink - by_lse);
    for (int64_t j = 0; j < d->S; j++) {
        if (!keep[j]) continue;
        const pair *y = &pairs[j];
        const int64_t key = keys + j;
        const double r = y->r, ds = p[j] * (y->a - delta), by_a = m[j] * p[j] * (r - rho);
        const double by_x = p[j] * ((y->a - delta) * r - rho * y->a + y->e - by_lse);
        const double by_s = by_x * y->slope + ds * y->g * y->curve, first = d->scale * ds * y->slope;
        s->grad_bias[query * d->S + j] = by_x;
        add(s->grad_q + query * d->D, d->scale * by_s, x->k + key * d->D, d->D);
        add(s->grad_q + query * d->D, first, s->by_grad_k + key * d->D, d->D);
        add(s->grad_k + key * d->D, d->scale * by_s, x->q + query * d->D, d->D);
        add(s->grad_k + key * d->D, first, s->by_grad_q + query * d->D, d->D);
        add(s->grad_v + key * d->DV, by_a, x->grad_o + query * d->DV, d->DV);
        add(s->grad_grad_o + query * d->DV, by_a, x->v + key * d->DV, d->DV);
        add(s->grad_grad_o + query * d->DV, m[j] * p[j], s->by_grad_v + key * d->DV, d->DV);
    }
}

void dense_second_backward(dense_second *s)
{
    const attn_desc *d = s->x->d;
    pair *pairs = calloc((size_t)d->S + 1, sizeof *pairs);
    dense_forward(s->x);
    for (int64_t query = 0; query < d->B * d->H * d->T; query++) {
        int64_t b = query / d->T / d->H, h = query / d->T % d->H;
        second_row(s, query, h, (b * d->HK + h / (d->H / d->HK)) * d->S, pairs);
    }
    free(pairs);
}

double dense_second_loss(dense_second *s)
{
    dense *x = s->x;
    const attn_desc *d = x->d;
    const int64_t queries = d->B * d->H * d->T, keys = d->B * d->HK * d->S;
    memset(x->grad_q, 0, (size_t)(queries * d->D) * sizeof(double));
    memset(x->grad_k, 0, (size_t)(keys * d->D) * sizeof(double));
    memset(x->grad_v, 0, (size_t)(keys * d->DV) * sizeof(double));
    memset(x->grad_sinks, 0, (size_t)d->H * sizeof(double));
    x->differentiated = false;
    dense_forward(x);
    dense_backward(x);
    return dense_dot(x->grad_q, s->by_grad_q, queries * d->D) + dense_dot(x->grad_k, s->by_grad_k, keys * d->D) +
           dense_dot(x->grad_v, s->by_grad_v, keys * d->DV) + dense_dot(x->grad_sinks, s->by_grad_sinks, d->H) +
           dense_dot(x->grad_bias, s->by_grad_bias, queries * d->S);
}
