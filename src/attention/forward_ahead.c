#include "attention/forward_ahead.h"

#include "attention/view_ahead.h"

void forward_ahead_queries(lines_ahead *ahead, const step_place *x)
{
    const attn_desc *d = x->d;
    output_ahead_add(ahead, d->dtype, &d->o, x->b, x->h, x->first, x->queries, d->DV);
    view_ahead_add(ahead, d->dtype, &d->q, x->b, x->h, x->first, x->queries, d->D);
}

void forward_ahead_keys(lines_ahead *ahead, const step_place *x)
{
    const attn_desc *d = x->d;
    const int64_t head = x->h / (d->H / d->HK);
    view_ahead_add(ahead, d->dtype, &d->v, x->b, head, x->key, x->keys, d->DV);
    view_ahead_add(ahead, d->dtype, &d->k, x->b, head, x->key, x->keys, d->D);
}

/* Of the mask's contiguous rows; one that all queries share is one. A single row's stride may be anything. */
static void add_mask(lines_ahead *ahead, const step_place *x, const attn_mask *mask, int64_t size)
{
    const int64_t rows = mask->row ? x->queries : 1;
    if (!mask->data || mask->column != 1 || x->keys <= 0) return;
    const int64_t at = x->b * mask->batch + x->h * mask->head + x->first * mask->row + x->key;
    lines_ahead_add(ahead, (const char *)mask->data + at * size, rows > 1 ? mask->row * size : 0, x->keys * size, rows);
}

void forward_ahead_masks(lines_ahead *ahead, const step_place *x)
{
    add_mask(ahead, x, &x->d->bias, element_size(sum_type(x->d->dtype)));
    add_mask(ahead, x, &x->d->mask, 1);
}
