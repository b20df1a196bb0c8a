/* Decoding on bf16 by instructions that multiply pairs of them: decode_chunk.c with two dimensions, or two keys, in
 * each step. Rows of K and Q are read as they stand; two rows of V are woven into pairs of keys once for all rows of
 * weights that go side by side. Weights are rounded to bf16 after they were summed, in the place of the scores that
 * they come from. scratch: scores [row][DECODE_CHUNK]. */
#include "kernels/decode_rows.h"
#include "kernels/simd_pairs.h"

#include <string.h>

#define NUMBERS (2 * SIMD_LANES) /* of bf16 in a vector */
#define MOST_ROWS 4
#define MOST_LOADS 2 /* of a row of V, each two vectors of columns */

extern decode_chunk_kernel SIMD_NAMED(decode_pairs);

/* Columns c .. of a row; part of them, NUMBERS where whole. */
ROW_INLINE pairs load_numbers(const uint16_t *row, int64_t c, const bool whole, int64_t part)
{
    return whole ? pairs_load(row + c) : pairs_load_n(row + c, (int)(part < NUMBERS ? part : NUMBERS));
}

static const uint16_t *pairs_query_at(const decode_chunk *x, int64_t m)
{
    return x->q_bf16 + m / x->queries * x->q_head + m % x->queries * x->q_row;
}

/* Up to NUMBERS dimensions from d on of so many rows and SIMD_LANES / rows keys. */
ROW_INLINE void score_columns(const int rows, const bool whole, int64_t part, const uint16_t *const *q,
                              const void *const *k, const char *const *next, int64_t d, vec *sum)
{
    const int keys = SIMD_LANES / rows;
    pairs query[MOST_ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) query[r] = load_numbers(q[r], d, whole, part);
#pragma GCC unroll 16
    for (int i = 0; i < keys; i++) {
        const pairs key = load_numbers(k[i], d, whole, part);
        if (next) __builtin_prefetch(next[i] + d * 2, 0, 2);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) sum[r * keys + i] = pairs_dot(query[r], key, sum[r * keys + i]);
    }
}

/* Scores of so many rows from m on and SIMD_LANES / rows keys from n on; rows is a constant where this is inlined. */
ROW_INLINE void score_tile(const int rows, const bool ahead, const decode_chunk *x, int64_t m, int64_t n, float *scores)
{
    const int keys = SIMD_LANES / rows;
    const uint16_t *q[MOST_ROWS];
    const char *next[SIMD_LANES];
    vec sum[SIMD_LANES];
    for (int r = 0; r < rows; r++) q[r] = pairs_query_at(x, m + r);
    for (int i = 0; i < keys && ahead; i++) next[i] = k_ahead(x, n + i);
#pragma GCC unroll 16
    for (int i = 0; i < SIMD_LANES; i++) sum[i] = vec_zero();
    int64_t d = 0;
    for (; d + NUMBERS <= x->D; d += NUMBERS)
        score_columns(rows, true, NUMBERS, q, x->k + n, ahead ? next : NULL, d, sum);
    if (d < x->D) score_columns(rows, false, x->D - d, q, x->k + n, ahead ? next : NULL, d, sum);
    float tile[SIMD_LANES];
    vec_store(tile, vec_mul(vec_set1(x->scale), vec_sum_each(sum)));
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        memcpy(scores + (m + r) * DECODE_CHUNK + n, tile + r * keys, (size_t)keys * sizeof *tile);
}

/* So many rows' scores of keys first .. last - 1; behind the last those of rows that stand there, which nobody looks
 * at. */
ROW_INLINE void score_rows(const int rows, const bool ahead, const decode_chunk *x, int64_t m, int64_t first,
                           int64_t last, float *scores)
{
    for (int64_t n = first; n < last; n += SIMD_LANES / rows) score_tile(rows, ahead, x, m, n, scores);
}

static void score_block(const decode_chunk *x, int64_t first, int64_t last, float *scores)
{
    int64_t rows = x->heads * x->queries, m = 0;
#if SIMD_LANES >= 4
    if (rows >= 4) score_rows(4, true, x, 0, first, last, scores), m = 4;
    for (; m + 4 <= rows; m += 4) score_rows(4, false, x, m, first, last, scores);
    for (; m + 2 <= rows; m += 2) score_rows(2, m == 0, x, m, first, last, scores);
#endif
    for (; m < rows; m++) score_rows(1, m == 0, x, m, first, last, scores);
}

/* A row of weights to bf16, where it stands; 0 beside the last of an odd count. */
static void round_weights(float *weights, int64_t keys)
{
    for (int64_t n = 0; n < keys; n += NUMBERS) {
        const vec low = load_part(weights + n, part_at(keys, n));
        const vec high = vec_load_n(weights + n + SIMD_LANES, part_at(keys, n + SIMD_LANES));
        pairs_store((char *)weights + n * 2, pairs_narrow(low, high));
    }
}

static pairs weights_at(const float *weights, int64_t n)
{
    uint32_t pair;
    memcpy(&pair, (const char *)weights + n * 2, sizeof pair);
    return pairs_set1(pair);
}

/* All of the rows wanted instead of n and n + 1 later on. */
ROW_INLINE void fetch_values(const decode_chunk *x, int64_t n)
{
    const char *one = v_ahead(x, n), *other = v_ahead(x, n + 1);
    for (int64_t at = 0; at < x->DV * 2; at += 64) {
        __builtin_prefetch(one + at, 0, 2);
        __builtin_prefetch(other + at, 0, 2);
    }
}

/* Columns c .. of several rows of O, so many loads of a row of V or, where not whole, what is left of one, get the
 * weighted values of keys first .. last - 1, two by two; with a modification, of one row those that it does not mask:
 * their values may be NaN. */
ROW_INLINE void add_values(const int rows, const int loads, const bool whole, const bool ahead, const decode_chunk *x,
                           const float *weights, const float *modification, int64_t first, int64_t last, int64_t c,
                           float *const *o)
{
    const int64_t left = x->DV - c;
    vec sum[MOST_ROWS][2 * MOST_LOADS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < 2 * loads; i++)
            sum[r][i] = load_part(o[r] + c + i * SIMD_LANES, whole ? SIMD_LANES : part_at(left, i * SIMD_LANES));
    for (int64_t n = first; n < last; n += 2) {
        const bool one = !modification || modification[n] != -INFINITY;
        const bool other = n + 1 < last && (!modification || modification[n + 1] != -INFINITY);
        pairs value[2 * MOST_LOADS];
        if (ahead) fetch_values(x, n);
        if (!one && !other) continue;
#pragma GCC unroll 4
        for (int i = 0; i < loads; i++) {
            const pairs a = one ? load_numbers(x->v[n], c + i * NUMBERS, whole, left) : pairs_set1(0);
            const pairs b = other ? load_numbers(x->v[n + 1], c + i * NUMBERS, whole, left) : pairs_set1(0);
            value[2 * i] = pairs_weave(a, b, &value[2 * i + 1]);
        }
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            const pairs weight = weights_at(weights + r * DECODE_CHUNK, n);
#pragma GCC unroll 4
            for (int i = 0; i < 2 * loads; i++) sum[r][i] = pairs_dot(weight, value[i], sum[r][i]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < 2 * loads; i++) {
            float *to = o[r] + c + i * SIMD_LANES;
            if (whole)
                vec_store(to, sum[r][i]);
            else
                vec_store_n(to, sum[r][i], part_at(left, i * SIMD_LANES));
        }
}

ROW_INLINE void add_columns(const int rows, const decode_chunk *x, int64_t m, const float *weights,
                            const float *modification, int64_t first, int64_t last, float *const *o)
{
    const int64_t group = MOST_LOADS * NUMBERS;
    int64_t c = 0;
    weights += m * DECODE_CHUNK, o += m;
    if (m == 0 && group <= x->DV)
        add_values(rows, MOST_LOADS, true, true, x, weights, modification, first, last, 0, o), c = group;
    for (; c + group <= x->DV; c += group)
        add_values(rows, MOST_LOADS, true, false, x, weights, modification, first, last, c, o);
    for (; c < x->DV; c += NUMBERS) add_values(rows, 1, false, false, x, weights, modification, first, last, c, o);
}

/* All rows of O get the values of keys first .. last - 1. */
static void add_block(const decode_chunk *x, int64_t first, int64_t last, const float *weights)
{
    int64_t rows = x->heads * x->queries, m = 0;
    float *o[DECODE_ROWS];
    for (int64_t r = 0; r < rows; r++) o[r] = row_of(x->o, x->queries, x->o_head, x->o_row, r);
    for (; m + 4 <= rows && !x->modification; m += 4) add_columns(4, x, m, weights, NULL, first, last, o);
    for (; m + 2 <= rows && !x->modification; m += 2) add_columns(2, x, m, weights, NULL, first, last, o);
    for (; m < rows; m++)
        add_columns(1, x, m, weights, x->modification ? x->modification + m * DECODE_CHUNK : NULL, first, last, o);
}

void SIMD_NAMED(decode_pairs)(const decode_chunk *x)
{
    const int64_t rows = x->heads * x->queries, keys = x->keys;
    float *scores = x->scratch, factors[DECODE_ROWS];
    for (int64_t n = 0; n < keys; n += DECODE_BLOCK)
        score_block(x, n, keys - n < DECODE_BLOCK ? keys : n + DECODE_BLOCK, scores);
    for (int64_t m = 0; m < rows; m++) {
        factors[m] = begin_row(x, m, scores + m * DECODE_CHUNK);
        round_weights(scores + m * DECODE_CHUNK, keys);
    }
    for (int64_t n = 0; n < keys; n += DECODE_BLOCK)
        add_block(x, n, keys - n < DECODE_BLOCK ? keys : n + DECODE_BLOCK, scores);
    finish_rows(x, factors);
}
