/* Where the elements of an array stand, and how large they are. */
#ifndef ATTENTION_ELEMENTS_H
#define ATTENTION_ELEMENTS_H

#include "attn/attn.h"

/* An element's bytes. */
static inline int64_t element_size(attn_dtype type)
{
    if (type == ATTN_DTYPE_F64) return 8;
    return type == ATTN_DTYPE_F32 ? 4 : type == ATTN_DTYPE_INT8 ? 1 : 2;
}

/* The type of the log-sum-exp, the bias, the score vector and weights beside elements of a type. */
static inline attn_dtype sum_type(attn_dtype type)
{
    return type == ATTN_DTYPE_F64 ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32;
}

/* Where a row of one head stands in an array of fp32; NULL where the array has no data. */
static inline const float *view_at(const attn_view *view, int64_t b, int64_t h, int64_t row)
{
    return view->data ? (const float *)view->data + b * view->batch + h * view->head + row * view->row : NULL;
}

/* The same in an array of any type. */
static inline const void *row_at(attn_dtype type, const attn_view *view, int64_t b, int64_t h, int64_t row)
{
    if (!view->data) return NULL; /* without elements, and with strides that nobody checked */
    const int64_t offset = b * view->batch + h * view->head + row * view->row;
    return (const char *)view->data + offset * element_size(type);
}

/* The same in an array of bf16. */
static inline const uint16_t *bf16_at(const attn_view *view, int64_t b, int64_t h, int64_t row)
{
    return view->data ? (const uint16_t *)view->data + b * view->batch + h * view->head + row * view->row : NULL;
}

/* The same in an array of any type that is written. */
static inline void *output_row_at(attn_dtype type, const attn_output *view, int64_t b, int64_t h, int64_t row)
{
    if (!view->data) return NULL;
    return (char *)view->data + (b * view->batch + h * view->head + row * view->row) * element_size(type);
}

static inline float *output_at(const attn_output *view, int64_t b, int64_t h, int64_t row)
{
    return view->data ? (float *)view->data + b * view->batch + h * view->head + row * view->row : NULL;
}

#endif
