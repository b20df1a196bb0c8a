#include "attention/f64_row.h"

#include "kernels/dropout.h"

#include <math.h>

double f64_dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

f64_row f64_row_at(const attn_desc *d, int64_t b, int64_t h, int64_t i)
{
    f64_row row = {.d = d, .masks = *d, .b = b, .h = h, .i = i};
    row.masks.bias.data = NULL;
    row.masks.alibi_slopes = NULL;
    row.position = visible_place(d, b, h, i, 0).position;
    row.q = f64_view_at(&d->q, b, h, i);
    row.vector = f64_view_at(&d->score_vector, 0, h, 0);
    row.scale = (float)d->scale_f64 == d->scale ? d->scale_f64 : d->scale;
    row.keys = visible_keys(d, b, i);
    return row;
}

static double product(const f64_row *row, int64_t j)
{
    const attn_desc *d = row->d;
    const double *k = f64_view_at(&d->k, row->b, row->h / (d->H / d->HK), j);
    if (!row->vector) return row->scale * f64_dot(row->q, k, d->D);
    double sum = 0;
    for (int64_t c = 0; c < d->D; c++) sum += row->vector[c] * tanh(row->q[c] + k[c]);
    return sum;
}

/* What is added to the score of key j. */
static double added(const f64_row *row, int64_t j)
{
    const attn_desc *d = row->d;
    const double *bias = f64_mask_at(&d->bias, row->b, row->h, row->i, j);
    double sum = bias ? *bias : 0;
    if (d->alibi_slopes) sum -= d->alibi_slopes[row->h] * fabs((double)row->position - (double)j);
    return sum;
}

static void fill(const f64_row *row, f64_chunk *chunk, const float *masks)
{
    const double cap = row->d->softcap;
    for (int64_t n = 0; n < chunk->count; n++) {
        const double add = added(row, chunk->first + n);
        chunk->kept[n] = !(masks && masks[n] == -INFINITY) && add != -INFINITY;
        if (!chunk->kept[n]) continue;
        const double s = product(row, chunk->first + n), t = cap > 0 ? tanh(s / cap) : 0;
        chunk->score[n] = (cap > 0 ? cap * t : s) + add;
        chunk->slope[n] = 1 - t * t;
    }
}

bool f64_row_next(const f64_row *row, int64_t from, f64_chunk *chunk)
{
    if (from < row->keys.first) from = row->keys.first;
    for (;;) {
        from = visible_next(row->d, row->b, row->h, row->i, 1, from);
        if (from >= row->keys.last) return false;
        float masks[F64_CHUNK];
        const int64_t left = row->keys.last - from;
        chunk->first = from;
        chunk->count = left < F64_CHUNK ? left : F64_CHUNK;
        visible_kind kind =
            visible_tile(&row->masks, row->b, row->h, row->i, 1, from, chunk->count, masks, F64_CHUNK, 1);
        from += chunk->count;
        if (kind == VISIBLE_NONE) continue;
        fill(row, chunk, visible_modifies(kind) ? masks : NULL);
        return true;
    }
}

double f64_row_dropout(const f64_row *row, int64_t j)
{
    const attn_desc *d = row->d;
    if (!(d->dropout > 0)) return 1;
    const dropout_draw draw = {
        .key = d->dropout_keys[row->b], .head = (uint32_t)row->h, .threshold = dropout_threshold(d->dropout)};
    return dropout_keeps(&draw, row->i, j) ? 1 / (1 - (double)d->dropout) : 0;
}

double f64_row_sink(const f64_row *row)
{
    return row->d->sinks ? row->d->sinks[row->h] : -INFINITY;
}
