/* What a fuzz target of the operator draws from its input: numbers, mostly sane and, in a wild drawing, now and then
 * hostile; and arrays that are exactly as large as sizes and strides say and end where memory ends, or begin where it
 * begins, so that a step out of them is caught in the act, also by kernels that no sanitizer was built into. Of sizes
 * and strides that would need too much there is no array: `reachable` becomes false, and whoever reads data then reads
 * an address that is none. */
#ifndef FUZZ_DRAWN_ARRAYS_H
#define FUZZ_DRAWN_ARRAYS_H

#include "attn/attn.h"

#define MOST_ARRAYS 64
#define MOST_ELEMENTS (1 << 16)
#define MOST_WORKSPACE ((size_t)1 << 24)
#define UNTOUCHED 0xa5 /* every byte of an output before the call */
#define NOWHERE ((void *)(1L << 46))

typedef struct drawn_array {
    unsigned char *bytes;
    size_t size;
    bool written; /* an output, which a refusal must leave as it was */
} drawn_array;

typedef struct drawing {
    const uint8_t *data;
    size_t left;
    bool wild; /* else all is such as a careful caller would give */
    bool reachable;
    drawn_array arrays[MOST_ARRAYS];
    int count;
} drawing;

/* What is drawn from an input, from its first byte on. */
drawing drawing_of(const uint8_t *data, size_t size);

/* 0 once the input has ended. */
unsigned draw_byte(drawing *x);
bool draw_flag(drawing *x);

/* One in so many times, in a wild drawing. */
bool draw_whim(drawing *x, unsigned in);

/* least .. most, or, at a whim, anything. */
int64_t draw_number(drawing *x, int64_t least, int64_t most);

/* The one expected, or, now and then, backwards, or apart; at a whim anything. */
int64_t draw_stride(drawing *x, int64_t expected);

/* Bytes at the end, but for their alignment, or the beginning of what memory there is. An output's are UNTOUCHED, the
 * others' anything. */
void *draw_bytes(drawing *x, size_t size, size_t alignment, bool written);

/* The same of a workspace's size, beside which there is no other. */
void *draw_workspace_bytes(size_t size);

/* Where element 0 stands in an array of these counts and strides. Read arrays are filled: with small numbers, and now
 * and then some that are none; bytes (ATTN_DTYPE_INT8) with any, some 0. NULL at a whim, or a byte off; NULL half of
 * the time where there are no elements. */
void *draw_array(drawing *x, const int64_t *counts, const int64_t *strides, int dimensions, attn_dtype type,
                 bool written);

/* `count` whole numbers of least .. most, or anything; NULL at a whim, or a byte off. */
int64_t *draw_numbers(drawing *x, int64_t count, int64_t least, int64_t most);

bool outputs_are_untouched(const drawing *x);

#endif
