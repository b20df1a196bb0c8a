/* What decoding's kernels share: where their rows stand, which memory they ask for, their softmax; built for one
 * instruction set, like simd.h. */
#ifndef KERNELS_DECODE_ROWS_H
#define KERNELS_DECODE_ROWS_H

#include "kernels/kernels.h"
#include "kernels/row_softmax.h"

#include <string.h>

#define MOST_ROWS 4 /* that are multiplied side by side */

/* Bytes of an element of K and V. */
INLINE int64_t element_of(const attn_dtype type)
{
    return type == ATTN_DTYPE_F32 ? 4 : type == ATTN_DTYPE_INT8 ? 1 : 2;
}

INLINE vec load_bytes(const int8_t *byte, int part)
{
    int8_t some[SIMD_LANES] = {0};
    if (part >= SIMD_LANES) return vec_load_int8(byte);
    if (part > 0) memcpy(some, byte, (size_t)part);
    return vec_load_int8(some);
}

/* Bytes between what is read and what memory is asked for, and how many of them are asked for at once: what was
 * fastest of 64 to 256 lines and of 2 to 16, far from the core and not (KERNELS.md). */
INLINE int64_t bytes_ahead(const attn_dtype type, bool far)
{
    if (!far) return 128 * 64;
    return type == ATTN_DTYPE_F32 ? 96 * 64 : 208 * 64;
}

INLINE int64_t burst_of(const attn_dtype type, const bool far)
{
    return type == ATTN_DTYPE_F32 && far ? 1024 : 256;
}

/* Rows of so many columns that bytes_ahead are. */
INLINE int64_t rows_between(const attn_dtype type, bool far, int64_t columns)
{
    const int64_t row = columns * element_of(type), bytes = bytes_ahead(type, far);
    return row * ROWS_AHEAD > bytes ? bytes / row : ROWS_AHEAD;
}

/* Asks the first cache for the line of a row that column c begins. */
INLINE void fetch(const attn_dtype type, const void *row, int64_t c)
{
    const int64_t at = c * element_of(type);
    const bool whole_lines = SIMD_LANES * element_of(type) % 64 == 0; /* known here: asking costs more than fetching */
    if (whole_lines || at % 64 == 0) __builtin_prefetch((const char *)row + at, 0, 3);
}

/* Asks it for so many whole rows, their lines in the order in which they lie. */
INLINE void fetch_rows(const attn_dtype type, const void *const *rows, const int count, int64_t columns)
{
#pragma GCC unroll 16
    for (int n = 0; n < count; n++)
#pragma GCC unroll 8
        for (int64_t at = 0; at < columns * element_of(type); at += 64)
            __builtin_prefetch((const char *)rows[n] + at, 0, 3);
}

/* Of each step and type a function of its own: in one for all of them the compiler runs out of registers in the
 * innermost loops. */
#define DECODE_STEP static __attribute__((noinline)) void

static inline const float *query_at(const decode_chunk *x, int64_t m)
{
    return x->q + m / x->queries * x->q_head + m % x->queries * x->q_row;
}

static inline float *row_of(float *rows, int64_t queries, int64_t head, int64_t row, int64_t m)
{
    return rows + m / queries * head + m % queries * row;
}

/* The rows that are wanted so many rows after those from row n of K on: behind a chunk's K its V is. */
static inline const void *const *k_ahead(const decode_chunk *x, int64_t n, int64_t ahead)
{
    n += ahead;
    return n < x->keys ? x->k + n : x->v + n - x->keys;
}

/* Asks for what is due of a tile's rows when so many of its numbers were multiplied: at each burst's bytes of them as
 * many, in whole rows. */
INLINE void fetch_share(const attn_dtype type, const bool far, const void *const *next, const int keys,
                        const int columns, int64_t done)
{
    const int64_t bytes = done * element_of(type), row = columns * element_of(type);
    const int64_t burst = burst_of(type, far), unit = burst > row ? burst : row, rows = unit / row;
    if (bytes % unit == 0) fetch_rows(type, next + bytes / row, rows < keys ? (int)rows : keys, columns);
}

/* Where the lines stand that are asked for next: a block of V is gone through once for each group of columns, but
 * memory is asked for whole rows, one after the other, a group's worth of a row at each key. */
typedef struct line_walk {
    int64_t first, columns; /* of a row */
    int64_t row, at;
    int64_t ahead; /* rows */
} line_walk;

INLINE void fetch_some(const attn_dtype type, const int vectors, line_walk *walk, const decode_chunk *x)
{
    const int64_t size = element_of(type), bytes = vectors * SIMD_LANES * size;
    const char *at = (const char *)x->v[walk->row + walk->ahead] + (walk->first + walk->at) * size;
#pragma GCC unroll 8
    for (int64_t n = 0; n < bytes; n += 64) __builtin_prefetch(at + n, 0, 3);
    walk->at += vectors * SIMD_LANES;
    if (walk->at >= walk->columns) walk->at = 0, walk->row++;
}

/* The same of several keys at once, a burst in all, where it is due: n keys of so many are behind. */
INLINE void fetch_burst(const attn_dtype type, const bool far, const int vectors, line_walk *walk,
                        const decode_chunk *x, int64_t n, int64_t keys)
{
    const int64_t each = vectors * SIMD_LANES * element_of(type), burst = burst_of(type, far);
    const int64_t count = burst > each ? burst / each : 1;
    if (n % count) return;
    for (int64_t i = n; i < keys && i < n + count; i++) fetch_some(type, vectors, walk, x);
}

/* Keys from `first` on whose rows are gone through at a time: a few that stay in the first cache for all rows of
 * queries; where all of these are summed at once and no memory is asked for, the others. */
static inline int64_t keys_of_block(const decode_chunk *x, int64_t first)
{
    const int64_t left = x->keys - first;
    return left < DECODE_BLOCK || (x->near && x->heads * x->queries <= MOST_ROWS) ? left : DECODE_BLOCK;
}

static inline void multiply_row(float *x, const float *scales, int64_t keys)
{
    for (int64_t n = 0; n < keys; n += SIMD_LANES) {
        int part = part_at(keys, n);
        vec_store_n(x + n, vec_mul(load_part(x + n, part), load_part(scales + n, part)), part);
    }
}

/* The weights of row m; its largest score and their sum are told, its O begun. Returns 1 / sum, what O is yet to be
 * multiplied by. */
static inline float begin_row(const decode_chunk *x, int64_t m, float *scores)
{
    const float *modification = x->modification ? x->modification + m * DECODE_CHUNK : NULL;
    if (x->k_scales) multiply_row(scores, x->k_scales, x->keys);
    float largest = modify_row(x->softcap, scores, x->keys, modification, -INFINITY);
    float sum = weigh_row(scores, x->keys, largest), *o = row_of(x->o, x->queries, x->o_head, x->o_row, m);
    if (x->v_scales) multiply_row(scores, x->v_scales, x->keys);
    for (int64_t c = 0; c < x->DV; c++) o[c] = 0;
    *row_of(x->largest, x->queries, x->sum_head, x->sum_row, m) = largest;
    *row_of(x->sum, x->queries, x->sum_head, x->sum_row, m) = sum;
    return sum == 0 ? 0 : 1 / sum;
}

static inline bool rows_are_finite(const decode_chunk *x)
{
    vec nothing = vec_zero();
    for (int64_t m = 0; m < x->heads * x->queries; m++) {
        const float *o = row_of(x->o, x->queries, x->o_head, x->o_row, m);
        for (int64_t c = 0; c < x->DV; c += SIMD_LANES)
            nothing = vec_fma(load_part(o + c, part_at(x->DV, c)), vec_zero(), nothing);
    }
    return !mask_any(mask_not(vec_equal(nothing, vec_zero())));
}

typedef void values_step(const decode_chunk *x, const float *weights);

/* All rows of O get the weighted values: first as if nothing were masked, several rows at once, since what is masked
 * weighs 0; where some sum is then not finite, a masked value may be NaN or infinite, and all are added once more
 * without those that are masked. */
static inline void add_unmasked(values_step *add, const decode_chunk *x, const float *weights)
{
    decode_chunk all = *x;
    all.modification = NULL;
    add(&all, weights);
    if (!x->modification || rows_are_finite(x)) return;
    for (int64_t m = 0; m < x->heads * x->queries; m++)
        for (int64_t c = 0; c < x->DV; c++) row_of(x->o, x->queries, x->o_head, x->o_row, m)[c] = 0;
    add(x, weights);
}

static inline void finish_rows(const decode_chunk *x, const float *factors)
{
    for (int64_t m = 0; m < x->heads * x->queries; m++) {
        float *o = row_of(x->o, x->queries, x->o_head, x->o_row, m);
        for (int64_t c = 0; c < x->DV; c++) o[c] *= factors[m];
    }
}

#endif
