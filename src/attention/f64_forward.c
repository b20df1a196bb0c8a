/* Forward on fp64: the largest score first, then the exponentials (f64_row.h). */
#include "attention/f64_row.h"
#include "attention/sequence.h"
#include "base/parallel.h"

#include <math.h>

/* The largest score and the sum of exp(score - largest), sink included: (-inf, 0) for a row without keys. */
typedef struct row_sum {
    double largest, sum;
} row_sum;

static row_sum sum_row(const f64_row *row)
{
    const double sink = f64_row_sink(row);
    f64_chunk chunk;
    row_sum r = {.largest = sink};
    for (int64_t j = 0; f64_row_next(row, j, &chunk); j = chunk.first + chunk.count)
        for (int64_t n = 0; n < chunk.count; n++)
            if (chunk.kept[n] && !(chunk.score[n] <= r.largest)) r.largest = chunk.score[n]; /* or a NaN */
    if (r.largest == -INFINITY) return r;
    r.sum = sink == -INFINITY ? 0 : exp(sink - r.largest);
    for (int64_t j = 0; f64_row_next(row, j, &chunk); j = chunk.first + chunk.count)
        for (int64_t n = 0; n < chunk.count; n++)
            if (chunk.kept[n]) r.sum += exp(chunk.score[n] - r.largest);
    return r;
}

static void forward_row(const f64_row *row)
{
    const attn_desc *d = row->d;
    const row_sum r = sum_row(row);
    double *o = f64_output_at(&d->o, row->b, row->h, row->i), *lse = f64_output_at(&d->lse, row->b, row->h, row->i);
    f64_chunk chunk;
    if (lse) *lse = r.sum == 0 ? -INFINITY : r.largest + log(r.sum);
    for (int64_t c = 0; c < d->DV; c++) o[c] = 0;
    if (r.sum == 0) return;
    for (int64_t j = 0; f64_row_next(row, j, &chunk); j = chunk.first + chunk.count)
        for (int64_t n = 0; n < chunk.count; n++) {
            if (!chunk.kept[n]) continue;
            const double *v = f64_view_at(&d->v, row->b, row->h / (d->H / d->HK), chunk.first + n);
            const double weight = exp(chunk.score[n] - r.largest) / r.sum * f64_row_dropout(row, chunk.first + n);
            for (int64_t c = 0; c < d->DV; c++) o[c] += weight * v[c];
        }
}

void f64_weights(const attn_desc *d, int64_t b, int64_t h, int64_t i, double *w)
{
    const f64_row row = f64_row_at(d, b, h, i);
    const row_sum r = sum_row(&row);
    f64_chunk chunk;
    for (int64_t j = 0; j < d->S; j++) w[j] = 0;
    for (int64_t j = 0; r.sum != 0 && f64_row_next(&row, j, &chunk); j = chunk.first + chunk.count)
        for (int64_t n = 0; n < chunk.count; n++)
            if (chunk.kept[n]) w[chunk.first + n] = exp(chunk.score[n] - r.largest) / r.sum;
}

/* A head of a sequence. */
static void forward_task(void *argument, int64_t task, int worker)
{
    (void)worker;
    const attn_desc *all = argument;
    attn_desc own;
    const int64_t b = task / all->H, h = task % all->H;
    const attn_desc *d = sequence_read(all, b, &own);
    for (int64_t i = 0; i < d->T; i++) {
        const f64_row row = f64_row_at(d, b, h, i);
        forward_row(&row);
    }
}

void f64_forward(const attn_desc *d)
{
    parallel_run(&d->parallel, d->B * d->H, forward_task, (attn_desc *)(uintptr_t)d);
}
