/* A call of the operator drawn from an input: descriptor, cache, rotary tables, what double backward takes, and their
 * arrays. */
#ifndef FUZZ_DRAWN_CALL_H
#define FUZZ_DRAWN_CALL_H

#include "drawn_arrays.h"

typedef enum operation {
    FORWARD,
    BACKWARD,
    DOUBLE_BACKWARD,
    DECODE,
    COLUMN_SUMS,
    WEIGHTS,
    MERGE,
    APPEND,
    ROTATE,
    ROTARY_FILL,
    OPERATIONS
} operation;

typedef struct drawn_call {
    drawing x;
    operation which;
    attn_desc d;
    size_t desc_size; /* as the caller knows it */
    attn_cache c;
    size_t cache_size; /* likewise */
    attn_rotary r;
    attn_second_order second;
} drawn_call;

/* All of a call that the operation takes; of the rest what is needed to say that it was not looked at. */
void draw_call(drawn_call *w);

/* Strides of an array of these sizes, and what stands there. */
attn_view draw_view(drawing *x, attn_view usual, int64_t B, int64_t heads, int64_t rows, int64_t columns,
                    attn_dtype type);
attn_output draw_output(drawing *x, attn_output usual, int64_t B, int64_t heads, int64_t rows, int64_t columns,
                        attn_dtype type);

/* Contiguous ones. */
attn_view usual_strides(int64_t heads, int64_t rows, int64_t columns);

/* Of a descriptor's Q, K, V and O; of what is fp32 beside them. */
attn_dtype type_of(const attn_desc *d);
attn_dtype sums_of(const attn_desc *d);

/* How many bytes a struct says it has: ours, an older caller's (which then has no fields beyond), a later one's, or too
 * few, or as many as memory that was never filled may say. */
size_t draw_struct_size(drawing *x, size_t ours, size_t oldest);

#endif
