/* Decoding by instructions that multiply pairs of bf16, queries, keys and values alike as they stand: decode_chunk.c
 * with two dimensions, or two keys, in each step. Weights are rounded to bf16 after they were summed, in the place of
 * the scores that they come from. scratch: scores [row][DECODE_CHUNK]. */
#include "kernels/decode_rows.h"
#include "kernels/simd_pairs.h"

#include <string.h>

#define NUMBERS (2 * SIMD_LANES) /* in a vector */
#define SCORE_VECTORS 2 /* of a row of K, multiplied before those of the next row: Q's stay in registers meanwhile */
#define MOST_LOADS 2    /* of a row of V, each two vectors of columns */

extern decode_chunk_kernel SIMD_NAMED(decode_pairs);

static const uint16_t *pairs_query_at(const decode_chunk *x, int64_t m)
{
    return x->q_bf16 + m / x->queries * x->q_head + m % x->queries * x->q_row;
}

/* Numbers c .. of a row of so many; all NUMBERS are there where whole. */
INLINE pairs load_numbers(const uint16_t *row, int64_t c, const bool whole, int64_t columns)
{
    return whole ? pairs_load(row + c) : pairs_load_n(row + c, (int)(columns - c < NUMBERS ? columns - c : NUMBERS));
}

/* Products of so many vectors of the queries, from dimension d on, with SIMD_LANES / rows keys, row of K after row;
 * each is made while the one before is multiplied. next: rows wanted later, or NULL. columns: of a row, a constant, or
 * 0. */
INLINE void multiply_keys(const int rows, const int vectors, const bool whole, const decode_chunk *x,
                          const uint16_t *const *q, const void *const *k, const void *const *next, int64_t d, vec *sum,
                          const int columns)
{
    const int keys = SIMD_LANES / rows;
    pairs own[MOST_ROWS][SCORE_VECTORS], key[SCORE_VECTORS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) own[r][v] = load_numbers(q[r], d + v * NUMBERS, whole, x->D);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) key[v] = load_numbers(k[0], d + v * NUMBERS, whole, x->D);
#pragma GCC unroll 16
    for (int i = 0; i < keys; i++) {
        pairs later[SCORE_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            if (i + 1 < keys) later[v] = load_numbers(k[i + 1], d + v * NUMBERS, whole, x->D);
            if (next && columns && v == 0)
                fetch_share(ATTN_DTYPE_BF16, false, next, keys, columns, d * keys + i * vectors * NUMBERS);
            if (next && !columns) fetch(ATTN_DTYPE_BF16, next[i], d);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) sum[r * keys + i] = pairs_dot(own[r][v], key[v], sum[r * keys + i]);
        }
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) key[v] = i + 1 < keys ? later[v] : key[v];
    }
}

/* So many rows' scores of keys first .. last - 1; behind the last those of rows that stand there, which nobody looks
 * at. vectors: of all dimensions, a constant; 0: any number. */
INLINE void score_rows(const int rows, const int vectors, const bool ahead, const decode_chunk *x,
                       const uint16_t *const *q, int64_t first, int64_t last, float *scores)
{
    const int keys = SIMD_LANES / rows;
    for (int64_t n = first; n < last; n += keys) {
        const void *const *next =
            ahead ? k_ahead(x, n, rows_between(ATTN_DTYPE_BF16, x->far, vectors ? vectors * NUMBERS : x->D)) : NULL;
        vec sum[SIMD_LANES];
#pragma GCC unroll 16
        for (int i = 0; i < SIMD_LANES; i++) sum[i] = vec_zero();
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v += SCORE_VECTORS)
            multiply_keys(rows, SCORE_VECTORS, true, x, q, x->k + n, next, v * NUMBERS, sum, vectors * NUMBERS);
        for (int64_t d = 0; d < x->D && !vectors; d += NUMBERS)
            multiply_keys(rows, 1, false, x, q, x->k + n, next, d, sum, 0);
        float tile[SIMD_LANES];
        vec_store(tile, vec_mul(vec_set1(x->scale), vec_sum_each(sum)));
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
            memcpy(scores + r * DECODE_CHUNK + n, tile + r * keys, (size_t)keys * sizeof *tile);
    }
}

/* The same; heads of the usual sizes are unrolled. */
INLINE void score_group(const int rows, const bool ahead, const decode_chunk *x, const uint16_t *const *q,
                        int64_t first, int64_t last, float *scores)
{
    if (x->D == 4 * NUMBERS)
        score_rows(rows, 4, ahead, x, q, first, last, scores);
    else if (x->D == 2 * NUMBERS)
        score_rows(rows, 2, ahead, x, q, first, last, scores);
    else
        score_rows(rows, 0, ahead, x, q, first, last, scores);
}

/* The first rows ask for keys to come, the others, from m on, find them near. */
INLINE void score_some(const int rows, const decode_chunk *x, const uint16_t *const *q, int64_t m, int64_t first,
                       int64_t last, float *scores)
{
    if (m == 0 && !x->near)
        score_group(rows, true, x, q, first, last, scores);
    else
        score_group(rows, false, x, q + m, first, last, scores + m * DECODE_CHUNK);
}

INLINE void score_block(const decode_chunk *x, const uint16_t *const *q, int64_t first, float *scores)
{
    const int64_t rows = x->heads * x->queries, last = first + keys_of_block(x, first);
    int64_t m = 0;
#if SIMD_LANES >= 4
    for (; m + 4 <= rows; m += 4) score_some(4, x, q, m, first, last, scores);
    for (; m + 2 <= rows; m += 2) score_some(2, x, q, m, first, last, scores);
#endif
    for (; m < rows; m++) score_some(1, x, q, m, first, last, scores);
}

/* Row of so many weights to bf16, where it stands; 0 beside the last of an odd count. */
static void round_weights(float *weights, int64_t keys)
{
    for (int64_t n = 0; n < keys; n += NUMBERS) {
        vec part[2];
        for (int i = 0; i < 2; i++) {
            const int64_t at = n + i * SIMD_LANES;
            part[i] = vec_load_n(weights + at, part_at(keys, at));
        }
        pairs_store((char *)weights + n * 2, pairs_narrow(part[0], part[1]));
    }
}

static pairs weights_at(const float *weights, int64_t n)
{
    uint32_t pair;
    memcpy(&pair, (const char *)weights + n * 2, sizeof pair);
    return pairs_set1(pair);
}

/* What a block of V is multiplied by, and added to. */
typedef struct value_pass {
    int64_t first, last, c;              /* keys and first column */
    const float *weights, *modification; /* of the first row of weights */
    float *const *o;
    line_walk *walk; /* of what memory is asked for meanwhile */
} value_pass;

/* Of two rows of V, either NULL for zeros, the first's the firsts of pairs and the second's the seconds: half of the
 * columns, the other half in *high; of whole loads in the order of pairs_zip. */
INLINE pairs value_numbers(const void *first, const void *second, int64_t c, const bool whole, int64_t columns,
                           pairs *high)
{
    const pairs a = first ? load_numbers(first, c, whole, columns) : pairs_set1(0);
    const pairs b = second ? load_numbers(second, c, whole, columns) : pairs_set1(0);
    return whole ? pairs_zip(a, b, high) : pairs_weave(a, b, high);
}

/* Two keys' values, of which one and the other may not be there, into so many rows of sums. */
INLINE void add_pair(const int rows, const int loads, const bool whole, const bool one, const bool other,
                     const decode_chunk *x, const value_pass *p, int64_t n, vec (*sum)[2 * MOST_LOADS])
{
    pairs value[2 * MOST_LOADS];
#pragma GCC unroll 4
    for (int i = 0; i < loads; i++) {
        const int64_t c = p->c + i * NUMBERS;
        value[2 * i] =
            value_numbers(one ? x->v[n] : NULL, other ? x->v[n + 1] : NULL, c, whole, x->DV, &value[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        const pairs weight = weights_at(p->weights + r * DECODE_CHUNK, n);
#pragma GCC unroll 8
        for (int i = 0; i < 2 * loads; i++) sum[r][i] = pairs_dot(weight, value[i], sum[r][i]);
    }
}

/* So many loads of a row of V's columns, or where not whole what is left of one, into so many rows of O, key after key,
 * two by two; with a modification, into one row those that it does not mask: their values may be NaN. */
INLINE void add_values(const int rows, const int loads, const bool whole, const bool masked, const bool ahead,
                       const decode_chunk *x, const value_pass *p)
{
    const int part = whole ? SIMD_LANES : part_at(x->DV, p->c);
    const int other_part = whole ? SIMD_LANES : part_at(x->DV, p->c + SIMD_LANES);
    vec sum[MOST_ROWS][2 * MOST_LOADS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < 2 * loads; i++)
            sum[r][i] = load_part(p->o[r] + p->c + i * SIMD_LANES, i % 2 ? other_part : part);
    int64_t n = p->first;
    for (; n + 2 <= p->last; n += 2) {
        for (int i = 0; i < 2 && ahead; i++)
            fetch_burst(ATTN_DTYPE_BF16, false, 2 * loads, p->walk, x, n + i - p->first, p->last - p->first);
        const bool one = !masked || p->modification[n] != -INFINITY;
        const bool other = !masked || p->modification[n + 1] != -INFINITY;
        add_pair(rows, loads, whole, one, other, x, p, n, sum);
    }
    if (n < p->last) add_pair(rows, loads, whole, !masked || p->modification[n] != -INFINITY, false, x, p, n, sum);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < 2 * loads; i++)
            vec_store_n(p->o[r] + p->c + i * SIMD_LANES, sum[r][i], i % 2 ? other_part : part);
}

/* Rows from m on; the first of them ask for rows of V to come. */
INLINE void add_rows(const int rows, const int loads, const bool whole, const bool masked, const decode_chunk *x,
                     value_pass p, int64_t m, const float *weights, float *const *o)
{
    p.weights = weights + m * DECODE_CHUNK, p.o = o + m;
    p.modification = masked ? x->modification + m * DECODE_CHUNK : NULL;
    if (m == 0 && !x->near)
        add_values(rows, loads, whole, masked, true, x, &p);
    else
        add_values(rows, loads, whole, masked, false, x, &p);
}

/* Those columns of all rows of O, as many rows at once as there are sums for. */
INLINE void add_columns(const int loads, const bool whole, const decode_chunk *x, value_pass p, const float *weights,
                        float *const *o)
{
    const int64_t rows = x->heads * x->queries;
    int64_t m = 0;
    for (; m < rows && x->modification; m++) add_rows(1, loads, whole, true, x, p, m, weights, o);
    for (; m + 4 <= rows; m += 4) add_rows(4, loads, whole, false, x, p, m, weights, o);
    for (; m + 2 <= rows; m += 2) add_rows(2, loads, whole, false, x, p, m, weights, o);
    for (; m < rows; m++) add_rows(1, loads, whole, false, x, p, m, weights, o);
}

/* Columns of a row of O that are summed by several loads at once, in the order of pairs_zip. */
static int64_t whole_columns(int64_t DV)
{
    const int64_t group = MOST_LOADS * NUMBERS;
    return DV / group * group;
}

/* All rows of O get the block's values. */
INLINE void add_block(const decode_chunk *x, int64_t first, const float *weights, float *const *o)
{
    const int64_t whole = whole_columns(x->DV);
    const int64_t ahead_rows = rows_between(ATTN_DTYPE_BF16, x->far, x->DV);
    line_walk wide = {.first = 0, .columns = whole, .row = first, .ahead = ahead_rows};
    line_walk rest = {.first = whole, .columns = x->DV - whole, .row = first, .ahead = ahead_rows};
    value_pass p = {.first = first, .last = first + keys_of_block(x, first), .walk = &wide};
    for (; p.c < whole; p.c += MOST_LOADS * NUMBERS) add_columns(MOST_LOADS, true, x, p, weights, o);
    for (p.walk = &rest; p.c < x->DV; p.c += NUMBERS) add_columns(1, false, x, p, weights, o);
}

/* What add_block summed of whole loads, to the order of the columns. */
static void unzip_rows(const decode_chunk *x)
{
    const int64_t columns = whole_columns(x->DV);
    for (int64_t m = 0; m < x->heads * x->queries; m++) {
        float *o = row_of(x->o, x->queries, x->o_head, x->o_row, m);
        for (int64_t c = 0; c < columns; c += NUMBERS) {
            vec low = vec_load(o + c), high = vec_load(o + c + SIMD_LANES);
            pairs_unzip(&low, &high);
            vec_store(o + c, low);
            vec_store(o + c + SIMD_LANES, high);
        }
    }
}

DECODE_STEP score_keys(const decode_chunk *x, float *scores)
{
    const uint16_t *q[DECODE_ROWS];
    for (int64_t m = 0; m < x->heads * x->queries; m++) q[m] = pairs_query_at(x, m);
    for (int64_t n = 0; n < x->keys; n += keys_of_block(x, n)) score_block(x, q, n, scores);
}

DECODE_STEP add_keys(const decode_chunk *x, const float *weights)
{
    float *o[DECODE_ROWS];
    for (int64_t m = 0; m < x->heads * x->queries; m++) o[m] = row_of(x->o, x->queries, x->o_head, x->o_row, m);
    for (int64_t n = 0; n < x->keys; n += keys_of_block(x, n)) add_block(x, n, weights, o);
    unzip_rows(x);
}

void SIMD_NAMED(decode_pairs)(const decode_chunk *x)
{
    float *scores = x->scratch, factors[DECODE_ROWS];
    score_keys(x, scores);
    for (int64_t m = 0; m < x->heads * x->queries; m++) {
        factors[m] = begin_row(x, m, scores + m * DECODE_CHUNK);
        round_weights(scores + m * DECODE_CHUNK, x->keys);
    }
    add_unmasked(add_keys, x, scores);
    finish_rows(x, factors);
}
