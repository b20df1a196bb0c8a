/* The operator on fp64, for checking: what a plain loop makes of the formulas, one query after another, every number of
 * Q, K, V, the bias and what comes of them in double. A query's keys come in chunks, so that nothing is allocated.
 * Masks are read where the kernels' are (visible.h). */
#ifndef ATTENTION_F64_ROW_H
#define ATTENTION_F64_ROW_H

#include "attention/visible.h"
#include "attn/attn.h"

#define F64_CHUNK 64

/* Query i of head h of sequence b, whose descriptor is d. */
typedef struct f64_row {
    const attn_desc *d;
    attn_desc masks; /* without what is added to scores */
    int64_t b, h, i, position;
    const double *q, *vector; /* Q's row; w of additive scores, or NULL */
    double scale;
    key_range keys; /* those that may be visible */
} f64_row;

/* Keys first .. first + count - 1 of a row. */
typedef struct f64_chunk {
    int64_t first, count;
    bool kept[F64_CHUNK];
    double score[F64_CHUNK]; /* after cap and bias */
    double slope[F64_CHUNK]; /* the cap's */
} f64_chunk;

f64_row f64_row_at(const attn_desc *d, int64_t b, int64_t h, int64_t i);

/* The first chunk from key `from` on of which the row sees anything; false when there is none. */
bool f64_row_next(const f64_row *row, int64_t from, f64_chunk *chunk);

/* What dropout multiplies the weight of key j by. */
double f64_row_dropout(const f64_row *row, int64_t j);

/* The row's sink, -inf without. */
double f64_row_sink(const f64_row *row);

/* The sum of dO * O less the loss's gradient by the log-sum-exp. */
double f64_row_delta(const f64_row *row);

/* Rows of an array of doubles; NULL where it has no data. */
static inline double *f64_at(const void *data, int64_t batch, int64_t head, int64_t row, int64_t b, int64_t h,
                             int64_t i)
{
    return data ? (double *)(uintptr_t)data + b * batch + h * head + i * row : NULL;
}

static inline const double *f64_view_at(const attn_view *view, int64_t b, int64_t h, int64_t i)
{
    return f64_at(view->data, view->batch, view->head, view->row, b, h, i);
}

static inline double *f64_output_at(const attn_output *out, int64_t b, int64_t h, int64_t i)
{
    return f64_at(out->data, out->batch, out->head, out->row, b, h, i);
}

/* An element of an array of the bias's shape; NULL where it has no data, and strides that nobody checked. */
static inline const double *f64_mask_at(const attn_mask *mask, int64_t b, int64_t h, int64_t i, int64_t j)
{
    if (!mask->data) return NULL;
    return (const double *)mask->data + b * mask->batch + h * mask->head + i * mask->row + j * mask->column;
}

static inline double *f64_grad_bias_at(const attn_mask_output *grad, int64_t b, int64_t h, int64_t i, int64_t j)
{
    const attn_mask read = {grad->data, grad->batch, grad->head, grad->row, grad->column};
    return (double *)(uintptr_t)f64_mask_at(&read, b, h, i, j);
}

double f64_dot(const double *a, const double *b, int64_t n);

/* The operator's functions on a descriptor that was checked, without a workspace. */
void f64_forward(const attn_desc *d);
void f64_backward(const attn_desc *d);

void f64_double_backward(const attn_desc *d, const attn_second_order *second);

/* Zeroes a head's rows, where there is data; and all that the bias's gradient has. */
void f64_zero_rows(const attn_output *out, int64_t b, int64_t h, int64_t rows, int64_t columns);
void f64_zero_bias(const attn_desc *d);

/* A row of attn_weights, into w (S). */
void f64_weights(const attn_desc *d, int64_t b, int64_t h, int64_t i, double *w);

#endif
