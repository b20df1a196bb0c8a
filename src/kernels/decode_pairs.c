/* Decoding by instructions that multiply pairs of bf16, on what they hold exactly, bf16 or int8: decode_chunk.c with
 * two dimensions, or two keys, in each step. Weights are rounded to bf16 after they were summed, in the place of the
 * scores that they come from. scratch: scores [row][DECODE_CHUNK]. */
#include "kernels/decode_numbers.h"

#include <string.h>

#define MOST_ROWS 4
#define SCORE_VECTORS 4 /* of a row of K, multiplied before those of the next row: the order in which they lie */
#define MOST_LOADS 4    /* of a row of V, each two vectors of columns */
#define MOST_SUMS 16    /* vectors of O that are summed side by side */

extern decode_chunk_kernel SIMD_NAMED(decode_pairs);

static const uint16_t *pairs_query_at(const decode_chunk *x, int64_t m)
{
    return x->q_bf16 + m / x->queries * x->q_head + m % x->queries * x->q_row;
}

typedef pairs query_part[MOST_ROWS][SCORE_VECTORS];

/* So many vectors of dimensions from d on, of so many queries; part: of the only vector, where not whole. */
ROW_INLINE void load_queries(const attn_dtype type, const int rows, const int vectors, const bool whole,
                             const decode_chunk *x, int64_t m, int64_t d, query_part query)
{
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            query[r][v] = query_numbers(type, pairs_query_at(x, m + r), d + v * NUMBERS, whole, x->D);
}

/* Their products with SIMD_LANES / rows keys from n on, row of K after row. */
ROW_INLINE void multiply_keys(const attn_dtype type, const int rows, const int vectors, const bool whole,
                              const bool ahead, const decode_chunk *x, const query_part query, int64_t n, int64_t d,
                              vec *sum)
{
    const int keys = SIMD_LANES / rows;
#pragma GCC unroll 16
    for (int i = 0; i < keys; i++) {
        const char *next = ahead ? k_ahead(x, n + i) : NULL;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            const int64_t c = d + v * NUMBERS;
            const pairs key = key_numbers(type, x->k[n + i], c, whole, x->D);
            if (ahead) fetch(type, next, c);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) sum[r * keys + i] = pairs_dot(query[r][v], key, sum[r * keys + i]);
        }
    }
}

/* The same for all dimensions, whose queries do not all fit the registers. */
ROW_INLINE void multiply_all(const attn_dtype type, const int rows, const bool ahead, const decode_chunk *x, int64_t m,
                             int64_t n, vec *sum)
{
    query_part query;
    int64_t d = 0;
    for (; d + SCORE_VECTORS * NUMBERS <= x->D; d += SCORE_VECTORS * NUMBERS) {
        load_queries(type, rows, SCORE_VECTORS, true, x, m, d, query);
        multiply_keys(type, rows, SCORE_VECTORS, true, ahead, x, query, n, d, sum);
    }
    for (; d < x->D; d += NUMBERS) {
        load_queries(type, rows, 1, false, x, m, d, query);
        multiply_keys(type, rows, 1, false, ahead, x, query, n, d, sum);
    }
}

/* So many rows' scores of keys first .. last - 1; behind the last those of rows that stand there, which nobody looks
 * at. vectors: of all dimensions; 0: any number. */
ROW_INLINE void score_rows(const attn_dtype type, const int rows, const int vectors, const bool ahead,
                           const decode_chunk *x, int64_t m, int64_t first, int64_t last, float *scores)
{
    const int keys = SIMD_LANES / rows;
    query_part query;
    load_queries(type, rows, vectors, true, x, m, 0, query);
    for (int64_t n = first; n < last; n += keys) {
        vec sum[SIMD_LANES];
#pragma GCC unroll 16
        for (int i = 0; i < SIMD_LANES; i++) sum[i] = vec_zero();
        if (vectors)
            multiply_keys(type, rows, vectors, true, ahead, x, query, n, 0, sum);
        else
            multiply_all(type, rows, ahead, x, m, n, sum);
        float tile[SIMD_LANES];
        vec_store(tile, vec_mul(vec_set1(x->scale), vec_sum_each(sum)));
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
            memcpy(scores + (m + r) * DECODE_CHUNK + n, tile + r * keys, (size_t)keys * sizeof *tile);
    }
}

/* The same; ahead: these rows ask for keys to come, which the others find near. */
ROW_INLINE void score_group(const attn_dtype type, const int rows, const bool ahead, const decode_chunk *x, int64_t m,
                            int64_t first, int64_t last, float *scores)
{
    if (x->D == SCORE_VECTORS * NUMBERS)
        score_rows(type, rows, SCORE_VECTORS, ahead, x, m, first, last, scores);
    else if (x->D == SCORE_VECTORS / 2 * NUMBERS)
        score_rows(type, rows, SCORE_VECTORS / 2, ahead, x, m, first, last, scores);
    else
        score_rows(type, rows, 0, ahead, x, m, first, last, scores);
}

ROW_INLINE void score_block(const attn_dtype type, const decode_chunk *x, int64_t first, int64_t last, float *scores)
{
    int64_t rows = x->heads * x->queries, m = 0;
#if SIMD_LANES >= 4
    if (rows >= 4) score_group(type, 4, true, x, 0, first, last, scores), m = 4;
    for (; m + 4 <= rows; m += 4) score_group(type, 4, false, x, m, first, last, scores);
    for (; m + 2 <= rows; m += 2) score_group(type, 2, true, x, m, first, last, scores);
#endif
    for (; m < rows; m++) score_group(type, 1, true, x, m, first, last, scores);
}

/* Row m of weights to bf16, where it stands; 0 beside the last of an odd count, and where a mask hides what multiplied
 * a weight of 0. */
static void round_weights(const decode_chunk *x, int64_t m, float *weights)
{
    const vec masked = vec_set1(-INFINITY);
    const float *modification = x->modification ? x->modification + m * DECODE_CHUNK : NULL;
    for (int64_t n = 0; n < x->keys; n += NUMBERS) {
        vec part[2];
        for (int i = 0; i < 2; i++) {
            const int64_t at = n + i * SIMD_LANES;
            part[i] = vec_load_n(weights + at, part_at(x->keys, at));
            if (!modification || !x->v_scales) continue;
            const vec change = vec_load_n(modification + at, part_at(x->keys, at));
            part[i] = vec_select(vec_equal(change, masked), vec_zero(), part[i]);
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

/* How a block of V is gone through: each time memory is asked for some of the rows wanted later, so that it is asked
 * for whole rows, and evenly. */
typedef struct value_pass {
    int64_t first, last, c;              /* keys and first column */
    const void *const *next;             /* the first of those rows */
    const float *weights, *modification; /* of the first row of weights */
    float *const *o;
} value_pass;

/* Two keys' values, of which one and the other may not be there, into so many rows of sums. */
ROW_INLINE void add_pair(const attn_dtype type, const int rows, const int loads, const bool whole, const bool one,
                         const bool other, const decode_chunk *x, const value_pass *p, int64_t n,
                         vec (*sum)[2 * MOST_LOADS])
{
    pairs value[2 * MOST_LOADS];
#pragma GCC unroll 4
    for (int i = 0; i < loads; i++) {
        const int64_t c = p->c + i * NUMBERS;
        value[2 * i] =
            value_numbers(type, one ? x->v[n] : NULL, other ? x->v[n + 1] : NULL, c, whole, x->DV, &value[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        const pairs weight = weights_at(p->weights + r * DECODE_CHUNK, n);
#pragma GCC unroll 8
        for (int i = 0; i < 2 * loads; i++) sum[r][i] = pairs_dot(weight, value[i], sum[r][i]);
    }
}

/* So many loads of a row of V's columns, or where not whole what is left of one, into so many rows of O, key after key,
 * two by two; with a modification, into one row those that it does not mask: their values may be NaN. fetched: rows
 * that memory is asked for at each two keys. */
ROW_INLINE void add_values(const attn_dtype type, const int rows, const int loads, const bool whole, const int fetched,
                           const decode_chunk *x, const value_pass *p)
{
    const int64_t left = x->DV - p->c;
    vec sum[MOST_ROWS][2 * MOST_LOADS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < 2 * loads; i++)
            sum[r][i] = load_part(p->o[r] + p->c + i * SIMD_LANES, whole ? SIMD_LANES : part_at(left, i * SIMD_LANES));
    const void *const *next = p->next;
    int64_t n = p->first;
    for (; n + 2 <= p->last; n += 2, next += fetched) {
#pragma GCC unroll 2
        for (int f = 0; f < fetched; f++)
#pragma GCC unroll 4
            for (int i = 0; i < loads; i++) fetch(type, next[f], p->c + i * NUMBERS);
        if (p->modification)
            add_pair(type, rows, loads, whole, p->modification[n] != -INFINITY, p->modification[n + 1] != -INFINITY, x,
                     p, n, sum);
        else
            add_pair(type, rows, loads, whole, true, true, x, p, n, sum);
    }
    if (n < p->last)
        add_pair(type, rows, loads, whole, !p->modification || p->modification[n] != -INFINITY, false, x, p, n, sum);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < 2 * loads; i++) {
            float *to = p->o[r] + p->c + i * SIMD_LANES;
            if (whole)
                vec_store(to, sum[r][i]);
            else
                vec_store_n(to, sum[r][i], part_at(left, i * SIMD_LANES));
        }
}

/* Rows m .. m + rows - 1, the first `rows` of them asking for rows of V to come: all of these if they are all rows,
 * else half of them, and the next ones the other half. */
ROW_INLINE void add_rows(const attn_dtype type, const int rows, const int loads, const bool whole,
                         const decode_chunk *x, value_pass p, int64_t m, const float *weights, float *const *o)
{
    const void *const *ahead = x->v + p.first + DECODE_AHEAD;
    p.weights = weights + m * DECODE_CHUNK, p.o = o + m;
    p.modification = x->modification ? x->modification + m * DECODE_CHUNK : NULL;
    p.next = m == 0 || !whole ? ahead : ahead + (p.last - p.first + 1) / 2;
    if (!whole || (m == 0 && rows == x->heads * x->queries))
        add_values(type, rows, loads, whole, 2, x, &p);
    else if (m == 0 || m == rows)
        add_values(type, rows, loads, whole, 1, x, &p);
    else
        add_values(type, rows, loads, whole, 0, x, &p);
}

/* Those columns of all rows of O, as many rows at once as there are sums for. */
ROW_INLINE void add_columns(const attn_dtype type, const int loads, const bool whole, const decode_chunk *x,
                            value_pass p, const float *weights, float *const *o)
{
    const int64_t rows = x->heads * x->queries;
    int64_t m = 0;
    for (; MOST_SUMS / loads / 2 >= 4 && m + 4 <= rows && !x->modification; m += 4)
        add_rows(type, 4, loads, whole, x, p, m, weights, o);
    for (; m + 2 <= rows && !x->modification; m += 2) add_rows(type, 2, loads, whole, x, p, m, weights, o);
    for (; m < rows; m++) add_rows(type, 1, loads, whole, x, p, m, weights, o);
}

/* Columns of a row of O that are summed by several loads at once, in the order of pairs_zip. */
static int64_t whole_columns(int64_t DV)
{
    const int64_t group = MOST_LOADS / 2 * NUMBERS;
    return DV / group * group;
}

/* All rows of O get the values of keys first .. last - 1. */
ROW_INLINE void add_block(const attn_dtype type, const decode_chunk *x, int64_t first, int64_t last,
                          const float *weights)
{
    const int64_t rows = x->heads * x->queries, group = MOST_LOADS * NUMBERS;
    value_pass p = {.first = first, .last = last};
    float *o[DECODE_ROWS];
    for (int64_t r = 0; r < rows; r++) o[r] = row_of(x->o, x->queries, x->o_head, x->o_row, r);
    for (; zipped(type) && p.c + group <= x->DV; p.c += group) add_columns(type, MOST_LOADS, true, x, p, weights, o);
    for (; p.c < whole_columns(x->DV); p.c += group / 2) add_columns(type, MOST_LOADS / 2, true, x, p, weights, o);
    for (; p.c < x->DV; p.c += NUMBERS) add_columns(type, 1, false, x, p, weights, o);
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

ROW_INLINE void decode_numbers(const attn_dtype type, const decode_chunk *x)
{
    const int64_t rows = x->heads * x->queries, keys = x->keys;
    float *scores = x->scratch, factors[DECODE_ROWS];
    for (int64_t n = 0; n < keys; n += DECODE_BLOCK)
        score_block(type, x, n, keys - n < DECODE_BLOCK ? keys : n + DECODE_BLOCK, scores);
    for (int64_t m = 0; m < rows; m++) {
        factors[m] = begin_row(x, m, scores + m * DECODE_CHUNK);
        round_weights(x, m, scores + m * DECODE_CHUNK);
    }
    for (int64_t n = 0; n < keys; n += DECODE_BLOCK)
        add_block(type, x, n, keys - n < DECODE_BLOCK ? keys : n + DECODE_BLOCK, scores);
    if (zipped(type)) unzip_rows(x);
    finish_rows(x, factors);
}

void SIMD_NAMED(decode_pairs)(const decode_chunk *x)
{
    if (x->type == ATTN_DTYPE_BF16)
        decode_numbers(ATTN_DTYPE_BF16, x);
    else
        decode_numbers(ATTN_DTYPE_INT8, x);
}
