/* Rows of an array among those that kernels ask for ahead (kernels/lines_ahead.h). */
#ifndef ATTENTION_VIEW_AHEAD_H
#define ATTENTION_VIEW_AHEAD_H

#include "attention/elements.h"
#include "kernels/lines_ahead.h"

/* Adds so many rows from `first` on, before what was added already; of an array without data none. */
static inline void view_ahead_add(lines_ahead *ahead, attn_dtype type, const attn_view *view, int64_t b, int64_t head,
                                  int64_t first, int64_t rows, int64_t columns)
{
    const int64_t size = element_size(type);
    if (!view->data || rows <= 0) return;
    lines_ahead_add(ahead, row_at(type, view, b, head, first), view->row * size, columns * size, rows);
}

/* The same of an array that is written. */
static inline void output_ahead_add(lines_ahead *ahead, attn_dtype type, const attn_output *out, int64_t b,
                                    int64_t head, int64_t first, int64_t rows, int64_t columns)
{
    view_ahead_add(ahead, type, &(attn_view){out->data, out->batch, out->head, out->row}, b, head, first, rows,
                   columns);
}

#endif
