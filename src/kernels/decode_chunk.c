/* Decoding's kernel. Dimensions lie in lanes, so that rows of Q, K and V are read as they stand. The scores of a tile
 * of rows and keys, as many as a vector has lanes, are summed side by side, and their vectors become one of scores at
 * once (vec_sum_each), in place of a sum across the lanes for each.
 * Each score and each element of O is summed in an order of its own that no other row, key or block has a say in.
 * scratch: scores [row][DECODE_CHUNK]. */
#include "kernels/decode_rows.h"

#include <string.h>

/* Rows by vectors of columns that are summed side by side in the values; rows in the scores. */
#define MOST_VECTORS (SIMD_REGISTERS == 32 ? 4 : 2)
#define MOST_ROWS 4

/* Vectors of a row of K that are multiplied before those of the next row: memory gives rows of fp32 fastest in the
 * order that they lie in, narrower ones wait for arithmetic, which loads Q less often the other way. */
#define SCORE_VECTORS(type) ((type) == ATTN_DTYPE_F32 ? 4 : 1)

extern decode_chunk_kernel SIMD_NAMED(decode_chunk);

/* Columns c .. of a row of K or V. */
ROW_INLINE vec load_row(const attn_dtype type, const void *row, int64_t c, int part)
{
    if (type == ATTN_DTYPE_F32) return load_part((const float *)row + c, part);
    if (type == ATTN_DTYPE_INT8) return load_bytes((const int8_t *)row + c, part);
    const uint16_t *half = (const uint16_t *)row + c;
    uint16_t some[SIMD_LANES];
    if (part < SIMD_LANES) {
        for (int i = 0; i < SIMD_LANES; i++) some[i] = i < part ? half[i] : 0;
        half = some;
    }
    return type == ATTN_DTYPE_BF16 ? vec_load_bf16(half) : vec_load_fp16(half);
}

/* So many vectors of columns from d on, row of K after row; next: those wanted later, or NULL. */
ROW_INLINE void score_columns(const attn_dtype type, const int rows, const int vectors, int part,
                              const char *const *next, const float *const *q, const void *const *k, int64_t d, vec *sum)
{
    const int keys = SIMD_LANES / rows;
#pragma GCC unroll 16
    for (int n = 0; n < keys; n++)
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++) {
            const int64_t c = d + i * SIMD_LANES;
            vec key = load_row(type, k[n], c, part);
            if (next) fetch(type, next[n], c);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                sum[r * keys + n] = vec_fma(load_part(q[r] + c, part), key, sum[r * keys + n]);
        }
}

/* Scores of so many rows from m on and SIMD_LANES / rows keys; rows is a constant where this is inlined. */
ROW_INLINE void score_tile(const attn_dtype type, const int rows, const bool ahead, const decode_chunk *x, int64_t m,
                           int64_t n, float *scores)
{
    const int keys = SIMD_LANES / rows;
    const void *const *k = x->k + n;
    const char *rows_ahead[SIMD_LANES], *const *next = ahead ? rows_ahead : NULL;
    const float *q[MOST_ROWS];
    vec sum[SIMD_LANES];
    for (int r = 0; r < rows; r++) q[r] = query_at(x, m + r);
    for (int i = 0; i < keys && ahead; i++) rows_ahead[i] = k_ahead(x, n + i);
#pragma GCC unroll 16
    for (int i = 0; i < SIMD_LANES; i++) sum[i] = vec_zero();
    int64_t d = 0;
    for (; d + SCORE_VECTORS(type) * SIMD_LANES <= x->D; d += SCORE_VECTORS(type) * SIMD_LANES)
        score_columns(type, rows, SCORE_VECTORS(type), SIMD_LANES, next, q, k, d, sum);
    for (; d < x->D; d += SIMD_LANES) score_columns(type, rows, 1, part_at(x->D, d), next, q, k, d, sum);
    float tile[SIMD_LANES];
    vec_store(tile, vec_mul(vec_set1(x->scale), vec_sum_each(sum)));
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) memcpy(scores + r * DECODE_CHUNK, tile + r * keys, (size_t)keys * sizeof *tile);
}

/* So many rows' scores of the keys of one block. */
ROW_INLINE void score_rows(const attn_dtype type, const int rows, const bool ahead, const decode_chunk *x, int64_t m,
                           int64_t first, int64_t last, float *scores)
{
    for (int64_t n = first; n < last; n += SIMD_LANES / rows)
        score_tile(type, rows, ahead, x, m, n, scores + m * DECODE_CHUNK + n);
}

/* All rows' scores of the keys of one block; beyond its end those of rows that stand behind them, which nobody looks
 * at. The first rows ask for keys to come, the others find them near. */
ROW_INLINE void score_block(const attn_dtype type, const decode_chunk *x, int64_t first, float *scores)
{
    const int64_t rows = x->heads * x->queries;
    const int64_t last = x->keys - first < DECODE_BLOCK ? x->keys : first + DECODE_BLOCK;
    int64_t m = 0;
#if SIMD_LANES >= 4
    for (; m + 4 <= rows; m += 4) score_rows(type, 4, m == 0, x, m, first, last, scores);
    for (; m + 2 <= rows; m += 2) score_rows(type, 2, m == 0, x, m, first, last, scores);
#endif
    for (; m < rows; m++) score_rows(type, 1, m == 0, x, m, first, last, scores);
}

/* Where the lines stand that are asked for next: a block of V is gone through once for each group of columns, but
 * memory is asked for whole rows, one after the other, a group's worth of a row at each key. */
typedef struct line_walk {
    int64_t first, columns; /* of a row */
    int64_t row, at;
} line_walk;

ROW_INLINE void fetch_some(const attn_dtype type, const int vectors, line_walk *walk, const decode_chunk *x)
{
    const int64_t size = element_of(type), bytes = vectors * SIMD_LANES * size;
    const char *at = v_ahead(x, walk->row) + (walk->first + walk->at) * size;
#pragma GCC unroll 4
    for (int64_t n = 0; n < bytes; n += 64) __builtin_prefetch(at + n, 0, 2);
    walk->at += vectors * SIMD_LANES;
    if (walk->at >= walk->columns) walk->at = 0, walk->row++;
}

/* Columns c .. of several rows of O get the weighted values of the block's keys, in order; with a modification, of one
 * row those that it does not mask: their values may be NaN. */
ROW_INLINE void add_values(const attn_dtype type, const int rows, const int vectors, line_walk *walk,
                           const decode_chunk *x, const float *weights, const float *modification, const void *const *v,
                           int64_t keys, int64_t c, float *const *o)
{
    vec sum[MOST_ROWS][4];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++)
            sum[r][i] = load_part(o[r] + c + i * SIMD_LANES, part_at(x->DV - c, i * SIMD_LANES));
    for (int64_t n = 0; n < keys; n++) {
        if (walk) fetch_some(type, vectors, walk, x);
        if (modification && modification[n] == -INFINITY) continue;
        vec value[4];
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++)
            value[i] = load_row(type, v[n], c + i * SIMD_LANES, part_at(x->DV - c, i * SIMD_LANES));
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            vec weight = vec_set1(weights[r * DECODE_CHUNK + n]);
#pragma GCC unroll 4
            for (int i = 0; i < vectors; i++) sum[r][i] = vec_fma(weight, value[i], sum[r][i]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++)
            vec_store_n(o[r] + c + i * SIMD_LANES, sum[r][i], part_at(x->DV - c, i * SIMD_LANES));
}

ROW_INLINE void add_columns(const attn_dtype type, const int rows, const bool ahead, const decode_chunk *x,
                            const float *weights, const float *modification, int64_t first, int64_t keys,
                            float *const *o)
{
    const void *const *v = x->v + first;
    const int64_t group = MOST_VECTORS * SIMD_LANES, whole = x->DV / group * group;
    line_walk wide = {.first = 0, .columns = whole, .row = first};
    line_walk rest = {.first = whole, .columns = x->DV - whole, .row = first};
    int64_t c = 0;
    for (; c < whole; c += group)
        add_values(type, rows, MOST_VECTORS, ahead ? &wide : NULL, x, weights, modification, v, keys, c, o);
    for (; c < x->DV; c += SIMD_LANES)
        add_values(type, rows, 1, ahead ? &rest : NULL, x, weights, modification, v, keys, c, o);
}

/* All rows of O get the block's values. */
ROW_INLINE void add_block(const attn_dtype type, const decode_chunk *x, int64_t first, const float *weights)
{
    int64_t rows = x->heads * x->queries, keys = x->keys - first < DECODE_BLOCK ? x->keys - first : DECODE_BLOCK, m = 0;
    float *o[DECODE_ROWS + MOST_ROWS];
    for (int64_t r = 0; r < rows; r++) o[r] = row_of(x->o, x->queries, x->o_head, x->o_row, r);
    weights += first;
    for (; m + 4 <= rows && !x->modification; m += 4)
        add_columns(type, 4, m == 0, x, weights + m * DECODE_CHUNK, NULL, first, keys, o + m);
    for (; m + 2 <= rows && !x->modification; m += 2)
        add_columns(type, 2, m == 0, x, weights + m * DECODE_CHUNK, NULL, first, keys, o + m);
    for (; m < rows; m++) {
        const float *modification = x->modification ? x->modification + m * DECODE_CHUNK + first : NULL;
        add_columns(type, 1, m == 0, x, weights + m * DECODE_CHUNK, modification, first, keys, o + m);
    }
}

ROW_INLINE void decode_rows(const attn_dtype type, const decode_chunk *x)
{
    int64_t rows = x->heads * x->queries;
    float *scores = x->scratch, factors[DECODE_ROWS];
    for (int64_t n = 0; n < x->keys; n += DECODE_BLOCK) score_block(type, x, n, scores);
    for (int64_t m = 0; m < rows; m++) factors[m] = begin_row(x, m, scores + m * DECODE_CHUNK);
    for (int64_t n = 0; n < x->keys; n += DECODE_BLOCK) add_block(type, x, n, scores);
    finish_rows(x, factors);
}

void SIMD_NAMED(decode_chunk)(const decode_chunk *x)
{
    if (x->type == ATTN_DTYPE_F32)
        decode_rows(ATTN_DTYPE_F32, x);
    else if (x->type == ATTN_DTYPE_BF16)
        decode_rows(ATTN_DTYPE_BF16, x);
    else if (x->type == ATTN_DTYPE_FP16)
        decode_rows(ATTN_DTYPE_FP16, x);
    else
        decode_rows(ATTN_DTYPE_INT8, x);
}
