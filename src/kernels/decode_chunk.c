/* Decoding's kernel. Dimensions lie in lanes, so that rows of Q, K and V are read as they stand. The scores of a tile
 * of rows and keys, as many as a vector has lanes, are summed side by side, and their vectors become one of scores at
 * once (vec_sum_each), in place of a sum across the lanes for each.
 * Each score and each element of O is summed in an order of its own that no other row, key or block has a say in.
 * scratch: scores [row][DECODE_CHUNK]. */
#include "kernels/decode_rows.h"

#include <string.h>

/* Rows by vectors of columns that are summed side by side in the values; rows in the scores. */
#define MOST_VECTORS (SIMD_REGISTERS == 32 ? 4 : 2)
/* Vectors of a row of K that are multiplied before those of the next. Memory gives rows of fp32 fastest in the order
 * that they lie in; of near or narrower ones two, so that Q's stay in registers for all keys of a tile. */
#define SCORE_VECTORS(type, rows, ahead) (((type) == ATTN_DTYPE_F32 && (ahead)) || (rows) == 1 ? MOST_VECTORS : 2)
/* Keys whose values are added at a time where memory gives them, and vectors of them: fp32 comes fastest in whole rows,
 * for two rows of queries, a few keys at once, while O's sums wait in the first cache. Narrower rows, and nearer ones,
 * bound by arithmetic, lose a fifth by it. */
#define FAR_KEYS 8
#define WIDE_VECTORS (2 * MOST_VECTORS)

extern decode_chunk_kernel SIMD_NAMED(decode_chunk);

/* Whether rows are asked for as from memory itself: of fp32 as the step says. */
INLINE bool is_far(const attn_dtype type, const bool far, const decode_chunk *x)
{
    return type == ATTN_DTYPE_F32 ? far : x->far;
}

/* Columns c .. of a row of K or V. */
INLINE vec load_row(const attn_dtype type, const void *row, int64_t c, int part)
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

/* So many vectors of columns from d on, row of K after row, each loaded once for all rows of Q; next: rows wanted
 * later, or NULL. columns: of a row, a constant, or 0. */
INLINE void score_columns(const attn_dtype type, const bool far, const int rows, const int columns, const int vectors,
                          int part, const void *const *next, const float *const *q, const void *const *k, int64_t d,
                          vec *sum)
{
    const int keys = SIMD_LANES / rows;
    vec query[MOST_ROWS][MOST_VECTORS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++) query[r][i] = load_part(q[r] + d + i * SIMD_LANES, part);
#pragma GCC unroll 16
    for (int n = 0; n < keys; n++)
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++) {
            const vec key = load_row(type, k[n], d + i * SIMD_LANES, part);
            if (next && columns && i == 0)
                fetch_share(type, far, next, keys, columns, d * keys + n * vectors * SIMD_LANES);
            if (next && !columns) fetch(type, next[n], d);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) sum[r * keys + n] = vec_fma(query[r][i], key, sum[r * keys + n]);
        }
}

/* Scores of so many rows and SIMD_LANES / rows keys from n on. rows is a constant where this is inlined, and so is
 * columns, which is D or 0 for any. */
INLINE void score_tile(const attn_dtype type, const bool far, const int rows, const int columns, const bool ahead,
                       const decode_chunk *x, const float *const *q, int64_t n, float *scores)
{
    const int keys = SIMD_LANES / rows, vectors = SCORE_VECTORS(type, rows, ahead);
    const void *const *next =
        ahead ? k_ahead(x, n, rows_between(type, is_far(type, far, x), columns ? columns : x->D)) : NULL;
    const void *k[SIMD_LANES] = {NULL};
    vec sum[SIMD_LANES];
#pragma GCC unroll 16
    for (int i = 0; i < keys; i++) k[i] = x->k[n + i];
#pragma GCC unroll 16
    for (int i = 0; i < SIMD_LANES; i++) sum[i] = vec_zero();
#pragma GCC unroll 8
    for (int d = 0; d < columns; d += vectors * SIMD_LANES)
        score_columns(type, far, rows, columns, vectors, SIMD_LANES, next, q, k, d, sum);
    for (int64_t d = 0; d < x->D && !columns; d += SIMD_LANES)
        score_columns(type, far, rows, 0, 1, part_at(x->D, d), next, q, k, d, sum);
    float tile[SIMD_LANES];
    vec_store(tile, vec_mul(vec_set1(x->scale), vec_sum_each(sum)));
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) memcpy(scores + r * DECODE_CHUNK, tile + r * keys, (size_t)keys * sizeof *tile);
}

/* So many rows' scores of the keys of one block; heads of the usual sizes are unrolled. */
INLINE void score_rows(const attn_dtype type, const bool far, const int rows, const bool ahead, const decode_chunk *x,
                       const float *const *q, int64_t first, int64_t last, float *scores)
{
    const int keys = SIMD_LANES / rows;
    if (x->D == 128)
        for (int64_t n = first; n < last; n += keys) score_tile(type, far, rows, 128, ahead, x, q, n, scores + n);
    else if (x->D == 64)
        for (int64_t n = first; n < last; n += keys) score_tile(type, far, rows, 64, ahead, x, q, n, scores + n);
    else
        for (int64_t n = first; n < last; n += keys) score_tile(type, far, rows, 0, ahead, x, q, n, scores + n);
}

/* The first rows ask for keys to come, the others, from m on, find them near. */
INLINE void score_group(const attn_dtype type, const bool far, const int rows, const decode_chunk *x,
                        const float *const *q, int64_t m, int64_t first, int64_t last, float *scores)
{
    if (m == 0 && !x->near)
        score_rows(type, far, rows, true, x, q, first, last, scores);
    else
        score_rows(type, far, rows, false, x, q + m, first, last, scores + m * DECODE_CHUNK);
}

/* All rows' scores of the keys of one block; beyond its end those of rows that stand behind them, which nobody looks
 * at. */
INLINE void score_block(const attn_dtype type, const bool far, const decode_chunk *x, const float *const *q,
                        int64_t first, float *scores)
{
    const int64_t rows = x->heads * x->queries;
    const int64_t last = first + keys_of_block(x, first);
    int64_t m = 0;
#if SIMD_LANES >= 4
    for (; m + 4 <= rows; m += 4) score_group(type, far, 4, x, q, m, first, last, scores);
    for (; m + 2 <= rows; m += 2) score_group(type, far, 2, x, q, m, first, last, scores);
#endif
    for (; m < rows; m++) score_group(type, far, 1, x, q, m, first, last, scores);
}

/* So many vectors of columns from c on of several rows of O, where not whole a part of one, get the weighted values of
 * the block's keys, in order; with a modification, of one row those that it does not mask: their values may be NaN. */
INLINE void add_values(const attn_dtype type, const int rows, const int vectors, const bool whole, line_walk *walk,
                       const decode_chunk *x, const float *weights, const float *modification, const void *const *v,
                       int64_t keys, int64_t c, float *const *o)
{
    const int part = whole ? SIMD_LANES : part_at(x->DV, c);
    vec sum[MOST_ROWS][WIDE_VECTORS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++) sum[r][i] = load_part(o[r] + c + i * SIMD_LANES, part);
    for (int64_t n = 0; n < keys; n++) {
        if (walk) fetch_burst(type, vectors == WIDE_VECTORS, vectors, walk, x, n, keys);
        if (modification && modification[n] == -INFINITY) continue;
        vec value[WIDE_VECTORS];
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++) value[i] = load_row(type, v[n], c + i * SIMD_LANES, part);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            vec weight = vec_set1(weights[r * DECODE_CHUNK + n]);
#pragma GCC unroll 8
            for (int i = 0; i < vectors; i++) sum[r][i] = vec_fma(weight, value[i], sum[r][i]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++) vec_store_n(o[r] + c + i * SIMD_LANES, sum[r][i], part);
}

INLINE void add_columns(const attn_dtype type, const int rows, const int vectors, const bool ahead,
                        const decode_chunk *x, const float *weights, const float *modification, int64_t first,
                        int64_t keys, float *const *o)
{
    const void *const *v = x->v + first;
    const int64_t group = vectors * SIMD_LANES, whole = x->DV / group * group;
    const int64_t ahead_rows = rows_between(type, is_far(type, vectors == WIDE_VECTORS, x), x->DV);
    line_walk wide = {.first = 0, .columns = whole, .row = first, .ahead = ahead_rows};
    line_walk rest = {.first = whole, .columns = x->DV - whole, .row = first, .ahead = ahead_rows};
    int64_t c = 0;
    for (; c < whole; c += group)
        add_values(type, rows, vectors, true, ahead ? &wide : NULL, x, weights, modification, v, keys, c, o);
    for (; c < x->DV; c += SIMD_LANES)
        add_values(type, rows, 1, false, ahead ? &rest : NULL, x, weights, modification, v, keys, c, o);
}

/* Rows from m on of O get the block's values; the first of them ask for values to come. */
INLINE void add_group(const attn_dtype type, const int rows, const int vectors, const decode_chunk *x,
                      const float *weights, int64_t m, int64_t first, int64_t keys, float *const *o)
{
    const float *modification = rows == 1 && x->modification ? x->modification + m * DECODE_CHUNK + first : NULL;
    weights += m * DECODE_CHUNK + first;
    if (m == 0 && !x->near)
        add_columns(type, rows, vectors, true, x, weights, modification, first, keys, o);
    else
        add_columns(type, rows, vectors, false, x, weights, modification, first, keys, o + m);
}

/* All rows of O get so many keys' values. */
INLINE void add_block(const attn_dtype type, const decode_chunk *x, int64_t first, int64_t keys, const float *weights,
                      float *const *o)
{
    int64_t rows = x->heads * x->queries, m = 0;
    for (; m + 4 <= rows && !x->modification; m += 4) add_group(type, 4, MOST_VECTORS, x, weights, m, first, keys, o);
    for (; m + 2 <= rows && !x->modification; m += 2) add_group(type, 2, MOST_VECTORS, x, weights, m, first, keys, o);
    for (; m < rows; m++) add_group(type, 1, MOST_VECTORS, x, weights, m, first, keys, o);
}

/* The same where memory itself gives V, in the order in which it lies. */
INLINE void add_far_block(const decode_chunk *x, int64_t first, int64_t keys, const float *weights, float *const *o)
{
    int64_t rows = x->heads * x->queries, m = 0;
    for (; m + 2 <= rows && !x->modification; m += 2)
        add_group(ATTN_DTYPE_F32, 2, WIDE_VECTORS, x, weights, m, first, keys, o);
    for (; m < rows; m++) add_group(ATTN_DTYPE_F32, 1, WIDE_VECTORS, x, weights, m, first, keys, o);
}

INLINE void score_keys(const attn_dtype type, const bool far, const decode_chunk *x, float *scores)
{
    const float *q[DECODE_ROWS];
    for (int64_t m = 0; m < x->heads * x->queries; m++) q[m] = query_at(x, m);
    for (int64_t n = 0; n < x->keys; n += keys_of_block(x, n)) score_block(type, far, x, q, n, scores);
}

INLINE void add_keys(const attn_dtype type, const decode_chunk *x, const float *weights)
{
    float *o[DECODE_ROWS];
    for (int64_t m = 0; m < x->heads * x->queries; m++) o[m] = row_of(x->o, x->queries, x->o_head, x->o_row, m);
    for (int64_t n = 0; n < x->keys; n += keys_of_block(x, n)) add_block(type, x, n, keys_of_block(x, n), weights, o);
}

DECODE_STEP score_fp32(const decode_chunk *x, float *scores)
{
    score_keys(ATTN_DTYPE_F32, false, x, scores);
}

/* The same where memory itself gives K and V, and add_far_fp32; apart, since it would cost the other loops registers.
 */
DECODE_STEP score_far_fp32(const decode_chunk *x, float *scores)
{
    score_keys(ATTN_DTYPE_F32, true, x, scores);
}

DECODE_STEP add_fp32(const decode_chunk *x, const float *weights)
{
    add_keys(ATTN_DTYPE_F32, x, weights);
}

DECODE_STEP add_far_fp32(const decode_chunk *x, const float *weights)
{
    float *o[DECODE_ROWS];
    int64_t n = 0;
    for (int64_t m = 0; m < x->heads * x->queries; m++) o[m] = row_of(x->o, x->queries, x->o_head, x->o_row, m);
    for (; n + FAR_KEYS <= x->keys; n += FAR_KEYS) add_far_block(x, n, FAR_KEYS, weights, o);
    if (n < x->keys) add_far_block(x, n, x->keys - n, weights, o);
}

DECODE_STEP score_bf16(const decode_chunk *x, float *scores)
{
    score_keys(ATTN_DTYPE_BF16, false, x, scores);
}

DECODE_STEP add_bf16(const decode_chunk *x, const float *weights)
{
    add_keys(ATTN_DTYPE_BF16, x, weights);
}

DECODE_STEP score_fp16(const decode_chunk *x, float *scores)
{
    score_keys(ATTN_DTYPE_FP16, false, x, scores);
}

DECODE_STEP add_fp16(const decode_chunk *x, const float *weights)
{
    add_keys(ATTN_DTYPE_FP16, x, weights);
}

DECODE_STEP score_int8(const decode_chunk *x, float *scores)
{
    score_keys(ATTN_DTYPE_INT8, false, x, scores);
}

DECODE_STEP add_int8(const decode_chunk *x, const float *weights)
{
    add_keys(ATTN_DTYPE_INT8, x, weights);
}

typedef struct steps {
    void (*score)(const decode_chunk *, float *);
    values_step *add;
} steps;

static steps steps_of(attn_dtype type, bool far)
{
    if (type == ATTN_DTYPE_F32) return far ? (steps){score_far_fp32, add_far_fp32} : (steps){score_fp32, add_fp32};
    if (type == ATTN_DTYPE_BF16) return (steps){score_bf16, add_bf16};
    return type == ATTN_DTYPE_FP16 ? (steps){score_fp16, add_fp16} : (steps){score_int8, add_int8};
}

void SIMD_NAMED(decode_chunk)(const decode_chunk *x)
{
    const int64_t rows = x->heads * x->queries;
    const bool wide =
        rows <= MOST_ROWS && x->DV % (WIDE_VECTORS * SIMD_LANES) == 0; /* more rows: bound by arithmetic */
    const steps step = steps_of(x->type, x->far && wide);
    float *scores = x->scratch, factors[DECODE_ROWS];
    step.score(x, scores);
    for (int64_t m = 0; m < rows; m++) factors[m] = begin_row(x, m, scores + m * DECODE_CHUNK);
    add_unmasked(step.add, x, scores);
    finish_rows(x, factors);
}
