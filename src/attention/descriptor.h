/* The caller's descriptor, read into one of this library's own size and checked. */
#ifndef ATTENTION_DESCRIPTOR_H
#define ATTENTION_DESCRIPTOR_H

#include "attn/attn.h"

/* Copies desc into *d, fields that its caller did not know zeroed, and checks all that needs no data: sizes, options,
 * threads. */
attn_status descriptor_read(const attn_desc *desc, attn_desc *d);

/* Checks of a descriptor that was read: the inputs of every direction, Q, K, the masks, lengths, offsets, and the
 * dropout keys (V where `values`). */
attn_status descriptor_check_inputs(const attn_desc *d, bool values);

/* One array of elements of a type, with `rows` rows of `columns`, for `heads` heads. The name appears in the message.
 */
attn_status descriptor_check_view(const char *name, const attn_view *view, attn_dtype type, int64_t B, int64_t heads,
                                  int64_t rows, int64_t columns);
attn_status descriptor_check_output(const char *name, const attn_output *view, attn_dtype type, int64_t B,
                                    int64_t heads, int64_t rows, int64_t columns);

/* A broadcastable one, (B, H, T, S) of elements of `size` bytes. */
attn_status descriptor_check_mask(const char *name, const attn_mask *mask, const attn_desc *d, size_t size);

/* That no sequences are packed, for a call that does not take them. */
attn_status descriptor_check_unpacked(const attn_desc *d, const char *call);

/* That elements are fp32 or narrower, for a call that takes no others. */
attn_status descriptor_check_narrow(const attn_desc *d, const char *call);

/* That a struct of a later version, of `bytes`, not absurdly many, holds zeros beyond what is known here; `what` begins
 * the message. */
attn_status descriptor_check_later(const char *what, const void *given, size_t bytes, size_t known);

/* The caller's thread count. */
attn_status descriptor_check_parallel(const attn_parallel *parallel);

/* The masks and the bias that are read; the starts of packed sequences must have been checked. */
attn_status descriptor_check_masks(const attn_desc *d);

/* That the lists which are given, of numbers a sequence, a head or a block, are aligned. */
attn_status descriptor_check_lists(const attn_desc *d);

/* The same of one list. */
attn_status descriptor_check_list(const char *name, const void *data, size_t size);

/* The caller's workspace against what is needed. */
attn_status descriptor_check_workspace(const void *workspace, size_t given, size_t needed);

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

static inline float *output_at(const attn_output *view, int64_t b, int64_t h, int64_t row)
{
    return view->data ? (float *)view->data + b * view->batch + h * view->head + row * view->row : NULL;
}

#endif
