#include "attention/forward_ahead.h"

#include "attention/elements.h"

static void add_rows(lines_ahead *ahead, const step_place *x, const attn_view *view, int64_t head, int64_t first,
                     int64_t rows, int64_t columns)
{
    const attn_dtype type = x->d->dtype;
    const int64_t size = element_size(type);
    if (!view->data || rows <= 0) return;
    lines_ahead_add(ahead, row_at(type, view, x->b, head, first), view->row * size, columns * size, rows);
}

void forward_ahead_queries(lines_ahead *ahead, const step_place *x)
{
    const attn_output *o = &x->d->o;
    add_rows(ahead, x, &(attn_view){o->data, o->batch, o->head, o->row}, x->h, x->first, x->queries, x->d->DV);
    add_rows(ahead, x, &x->d->q, x->h, x->first, x->queries, x->d->D);
}

void forward_ahead_keys(lines_ahead *ahead, const step_place *x)
{
    const int64_t head = x->h / (x->d->H / x->d->HK);
    add_rows(ahead, x, &x->d->v, head, x->key, x->keys, x->d->DV);
    add_rows(ahead, x, &x->d->k, head, x->key, x->keys, x->d->D);
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
