#include "dense_reference.h"

#include "test_functions.h"

#include "kernels/dropout.h"

#include <math.h>
#include <stdlib.h>

double *dense_array(int64_t count)
{
    return calloc((size_t)count + 1, sizeof(double));
}

double *dense_rows(const attn_view *view, int64_t B, int64_t heads, int64_t rows, int64_t columns)
{
    double *out = dense_array(B * heads * rows * columns), *at = out;
    for (int64_t b = 0; b < B && view->data; b++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < rows; i++)
                for (int64_t c = 0; c < columns; c++)
                    *at++ = ((const float *)view->data)[b * view->batch + h * view->head + i * view->row + c];
    return out;
}

static int64_t mask_offset(const attn_mask *mask, int64_t b, int64_t h, int64_t i, int64_t j)
{
    return b * mask->batch + h * mask->head + i * mask->row + j * mask->column;
}

static int kept_by_blocks(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t j)
{
    const attn_block_mask *mask = &d->block_mask;
    if (!mask->starts) return 1;
    const int64_t *starts = mask->starts + b * mask->batch + h * mask->head + i / mask->queries;
    for (int64_t n = starts[0]; n < starts[1]; n++)
        if (mask->entries[n] == j / mask->keys) return 1;
    return 0;
}

static int kept(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t j)
{
    int64_t p = i + (d->query_offsets ? d->query_offsets[b] : d->query_offset);
    if (d->causal && j > p) return 0;
    if (d->window_left >= 0 && j < p - d->window_left) return 0;
    if (d->window_right >= 0 && j > p + d->window_right) return 0;
    if (d->key_lengths && j >= d->key_lengths[b]) return 0;
    if (!kept_by_blocks(d, b, h, i, j) || (d->mask_function && !test_mask_keeps(h, p, j))) return 0;
    return !d->mask.data || ((const unsigned char *)d->mask.data)[mask_offset(&d->mask, b, h, i, j)];
}

static double dropout_factor(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t j)
{
    if (!(d->dropout > 0)) return 1;
    dropout_draw draw = {.key = d->dropout_keys[b], .head = (uint32_t)h, .threshold = dropout_threshold(d->dropout)};
    return dropout_keeps(&draw, i, j) ? 1 / (1 - (double)d->dropout) : 0;
}

static double bias_of(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t j)
{
    return d->bias.data ? ((const float *)d->bias.data)[mask_offset(&d->bias, b, h, i, j)] : 0;
}

dense dense_create(const attn_desc *d)
{
    int64_t queries = d->B * d->H * d->T, keys = d->B * d->HK * d->S, n = 0;
    dense x = {.d = d,
               .q = dense_rows(&d->q, d->B, d->H, d->T, d->D),
               .k = dense_rows(&d->k, d->B, d->HK, d->S, d->D),
               .v = dense_rows(&d->v, d->B, d->HK, d->S, d->DV),
               .grad_o = dense_rows(&d->grad_o, d->B, d->H, d->T, d->DV),
               .grad_lse = dense_rows(&d->grad_lse, d->B, d->H, d->T, 1),
               .score_vector = dense_rows(&d->score_vector, 1, d->H, 1, d->D),
               .grad_score_vector = dense_array(d->H * d->D),
               .sinks = dense_array(d->H),
               .grad_sinks = dense_array(d->H),
               .slopes = dense_array(d->H),
               .grad_slopes = dense_array(d->H),
               .slope_sizes = dense_array(d->H),
               .bias = dense_array(queries * d->S),
               .keep = dense_array(queries * d->S),
               .dropout = dense_array(queries * d->S),
               .weights = dense_array(queries * d->S),
               .o = dense_array(queries * d->DV),
               .lse = dense_array(queries),
               .grad_q = dense_array(queries * d->D),
               .grad_k = dense_array(keys * d->D),
               .grad_v = dense_array(keys * d->DV),
               .grad_bias = dense_array(queries * d->S)};
    for (int64_t h = 0; h < d->H; h++) {
        x.sinks[h] = d->sinks ? d->sinks[h] : -INFINITY;
        x.slopes[h] = d->alibi_slopes ? d->alibi_slopes[h] : 0;
    }
    for (int64_t b = 0; b < d->B; b++)
        for (int64_t h = 0; h < d->H; h++)
            for (int64_t i = 0; i < d->T; i++)
                for (int64_t j = 0; j < d->S; j++, n++) {
                    x.keep[n] = kept(d, b, h, i, j);
                    x.dropout[n] = dropout_factor(d, b, h, i, j);
                    if (!x.keep[n]) continue;
                    x.bias[n] = bias_of(d, b, h, i, j);
                    if (x.bias[n] == -INFINITY) x.bias[n] = x.keep[n] = 0;
                }
    return x;
}

void dense_destroy(dense *x)
{
    double *arrays[] = {
        x->score_vector, x->grad_score_vector, x->q,     x->k,          x->v,      x->bias,        x->keep,
        x->dropout,      x->weights,           x->o,     x->lse,        x->grad_o, x->grad_q,      x->grad_k,
        x->grad_v,       x->grad_bias,         x->sinks, x->grad_sinks, x->slopes, x->grad_slopes, x->slope_sizes,
        x->grad_lse};
    for (size_t n = 0; n < sizeof arrays / sizeof arrays[0]; n++) free(arrays[n]);
}

/* What belongs to query i of head h of sequence b. */
typedef struct row {
    int64_t head, position;
    const double *q, *k, *v, *score_vector, *sink, *slope, *bias, *keep, *dropout;
    double *grad_score_vector, *grad_sink, *grad_slope, *slope_size, *weights, *o, *lse, *grad_o, *grad_lse, *grad_q,
        *grad_k, *grad_v, *grad_bias;
} row;

static row row_of(const dense *x, int64_t index)
{
    const attn_desc *d = x->d;
    int64_t b = index / d->T / d->H, h = index / d->T % d->H, key_head = b * d->HK + h / (d->H / d->HK);
    int64_t pairs = index * d->S, keys = key_head * d->S;
    int64_t i = index % d->T, p = i + (d->query_offsets ? d->query_offsets[b] : d->query_offset);
    return (row){.head = h,
                 .position = p,
                 .q = x->q + index * d->D,
                 .k = x->k + keys * d->D,
                 .v = x->v + keys * d->DV,
                 .score_vector = x->score_vector + h * d->D,
                 .sink = x->sinks + h,
                 .slope = x->slopes + h,
                 .bias = x->bias + pairs,
                 .keep = x->keep + pairs,
                 .dropout = x->dropout + pairs,
                 .grad_score_vector = x->grad_score_vector + h * d->D,
                 .grad_sink = x->grad_sinks + h,
                 .grad_slope = x->grad_slopes + h,
                 .slope_size = x->slope_sizes + h,
                 .weights = x->weights + pairs,
                 .o = x->o + index * d->DV,
                 .lse = x->lse + index,
                 .grad_o = x->grad_o + index * d->DV,
                 .grad_lse = x->grad_lse + index,
                 .grad_q = x->grad_q + index * d->D,
                 .grad_k = x->grad_k + keys * d->D,
                 .grad_v = x->grad_v + keys * d->DV,
                 .grad_bias = x->grad_bias + pairs};
}

double dense_dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* The same without signs: what is lost in it is measured by that. */
static double size_of_dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += fabs(a[i] * b[i]);
    return sum;
}

/* Before the cap: w^T tanh(q + k), or scale * q^T k. */
static double score(const attn_desc *d, const row *r, int64_t j)
{
    if (d->score == ATTN_SCORE_DOT) return d->scale * dense_dot(r->q, r->k + j * d->D, d->D);
    double sum = 0;
    for (int64_t c = 0; c < d->D; c++) sum += r->score_vector[c] * tanh(r->q[c] + r->k[j * d->D + c]);
    return sum;
}

static double distance(const row *r, int64_t j)
{
    return fabs((double)(r->position - j));
}

/* After the cap and the function, and the slope of both by the score before. */
static double bent(const attn_desc *d, const row *r, int64_t j, double score, double *slope)
{
    double t = d->softcap > 0 ? tanh(score / d->softcap) : 0, by_function = 1;
    if (d->softcap > 0) score = d->softcap * t;
    if (d->score_function) score = test_score(score, r->head, r->position, j, &by_function);
    *slope = (1 - t * t) * by_function;
    return score;
}

void dense_forward(dense *x)
{
    const attn_desc *d = x->d;
    for (int64_t index = 0; index < d->B * d->H * d->T; index++) {
        row r = row_of(x, index);
        double largest = *r.sink, sum, slope;
        for (int64_t j = 0; j < d->S; j++) {
            if (!r.keep[j]) continue;
            r.weights[j] = bent(d, &r, j, score(d, &r, j), &slope) + r.bias[j] - *r.slope * distance(&r, j);
            largest = fmax(largest, r.weights[j]);
        }
        sum = *r.sink == -INFINITY ? 0 : exp(*r.sink - largest);
        for (int64_t j = 0; j < d->S; j++) {
            r.weights[j] = r.keep[j] ? exp(r.weights[j] - largest) : 0;
            sum += r.weights[j];
        }
        *r.lse = sum > 0 ? largest + log(sum) : -INFINITY;
        for (int64_t j = 0; j < d->S && sum > 0; j++) r.weights[j] /= sum;
        for (int64_t c = 0; c < d->DV; c++) {
            r.o[c] = 0;
            for (int64_t j = 0; j < d->S; j++)
                if (r.keep[j]) r.o[c] += r.weights[j] * r.dropout[j] * r.v[j * d->DV + c];
        }
    }
}

/* What the gradient of one score adds to those of its inputs. */
static void backward_score(const attn_desc *d, const row *r, int64_t j, double ds)
{
    for (int64_t c = 0; c < d->D; c++) {
        double q = r->q[c], k = r->k[j * d->D + c], t = tanh(q + k);
        bool dot = d->score == ATTN_SCORE_DOT;
        double slope = dot ? 0 : r->score_vector[c] * (1 - t * t);
        r->grad_q[c] += ds * (dot ? d->scale * k : slope);
        r->grad_k[j * d->D + c] += ds * (dot ? d->scale * q : slope);
        r->grad_score_vector[c] += ds * t;
    }
}

static void backward_row(const attn_desc *d, row r)
{
    double delta = 0;
    for (int64_t j = 0; j < d->S; j++)
        if (r.keep[j]) delta += r.weights[j] * r.dropout[j] * dense_dot(r.grad_o, r.v + j * d->DV, d->DV);
    const double delta_size = size_of_dot(r.grad_o, r.o, d->DV) + fabs(*r.grad_lse);
    if (*r.lse == -INFINITY) return;
    delta -= *r.grad_lse;
    if (*r.sink != -INFINITY) *r.grad_sink -= exp(*r.sink - *r.lse) * delta;
    for (int64_t j = 0; j < d->S; j++) {
        if (!r.keep[j]) continue;
        double dx = r.weights[j] * (r.dropout[j] * dense_dot(r.grad_o, r.v + j * d->DV, d->DV) - delta);
        r.grad_bias[j] = dx;
        *r.grad_slope -= dx * distance(&r, j);
        *r.slope_size += r.weights[j] * distance(&r, j) *
                         (r.dropout[j] * size_of_dot(r.grad_o, r.v + j * d->DV, d->DV) + delta_size);
        for (int64_t c = 0; c < d->DV; c++) r.grad_v[j * d->DV + c] += r.weights[j] * r.dropout[j] * r.grad_o[c];
        double slope;
        bent(d, &r, j, score(d, &r, j), &slope);
        backward_score(d, &r, j, dx * slope);
    }
}

void dense_backward(dense *x)
{
    if (x->differentiated) return;
    x->differentiated = true;
    for (int64_t index = 0; index < x->d->B * x->d->H * x->d->T; index++) backward_row(x->d, row_of(x, index));
}

double dense_loss(dense *x)
{
    dense_forward(x);
    double loss = dense_dot(x->o, x->grad_o, x->d->B * x->d->H * x->d->T * x->d->DV);
    for (int64_t n = 0; n < x->d->B * x->d->H * x->d->T; n++)
        if (x->lse[n] != -INFINITY) loss += x->lse[n] * x->grad_lse[n];
    return loss;
}
