/* Decoding's kernel. In the scores a vector holds a quad of dimensions of each of several rows, so that the quad of a
 * key is a broadcast and each sum ends within its quad: a query head that has no neighbours to fill the vector with
 * wastes lanes, but four, as is usual, take no step across the vector. In the values dimensions lie in lanes. Each
 * score and each element of O is summed in an order of its own that no other row, key or block has a say in. scratch: Q
 * [vector of rows][quad of dimensions][row][dimension], scores [row][DECODE_CHUNK]. */
#include "kernels/kernels.h"
#include "kernels/row_softmax.h"

#define VECTOR_ROWS (SIMD_LANES / SIMD_QUAD)

/* Sums that run side by side: keys by vectors of rows in the scores, rows by vectors of columns in the values. */
#define MOST_KEYS 8
#define MOST_VECTORS (SIMD_REGISTERS == 32 ? 4 : 2)
#define MOST_ROWS 4

extern decode_chunk_kernel SIMD_NAMED(decode_chunk);

static int64_t quads_of(int64_t D)
{
    return (D + SIMD_QUAD - 1) / SIMD_QUAD;
}

/* Q's rows, zeros where a vector has more rows or a quad more dimensions than there are. */
static void pack_queries(const decode_chunk *x, float *packed)
{
    int64_t rows = x->heads * x->queries, quads = quads_of(x->D);
    for (int64_t first = 0; first < rows; first += VECTOR_ROWS)
        for (int64_t quad = 0; quad < quads; quad++)
            for (int64_t m = first; m < first + VECTOR_ROWS; m++)
                for (int64_t d = quad * SIMD_QUAD; d < (quad + 1) * SIMD_QUAD; d++)
                    *packed++ =
                        m < rows && d < x->D ? x->q[m / x->queries * x->q_head + m % x->queries * x->q_row + d] : 0;
}

/* Scores of so many vectors of rows and keys, both constants where this is inlined. */
ROW_INLINE void score_keys(const int vectors, const int keys, const decode_chunk *x, const float *q,
                           const float *const *k, float *scores)
{
    vec sum[2][MOST_KEYS];
    int64_t quads = quads_of(x->D), whole = x->D / SIMD_QUAD;
    for (int v = 0; v < vectors; v++)
        for (int n = 0; n < keys; n++) sum[v][n] = vec_zero();
    for (int64_t quad = 0; quad < quads; quad++) {
        vec a[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) a[v] = vec_load(q + (v * quads + quad) * SIMD_LANES);
#pragma GCC unroll 8
        for (int n = 0; n < keys; n++) {
            const float *at = k[n] + quad * SIMD_QUAD;
            vec b = quad < whole ? vec_repeat(at) : vec_repeat_n(at, (int)(x->D - quad * SIMD_QUAD));
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) sum[v][n] = vec_fma(a[v], b, sum[v][n]);
        }
    }
    vec scale = vec_set1(x->scale);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
#pragma GCC unroll 8
        for (int n = 0; n < keys; n += SIMD_QUAD)
            vec_store_quads(scores + v * VECTOR_ROWS * DECODE_CHUNK + n, DECODE_CHUNK,
                            vec_mul(scale, vec_sum_quads(&sum[v][n])));
}

/* All rows' scores of the keys of one block. Beyond its end they are those of its last key, which nobody looks at. */
static void score_block(const decode_chunk *x, const float *q, int64_t first, float *scores)
{
    int64_t rows = x->heads * x->queries, keys = x->keys - first < DECODE_BLOCK ? x->keys - first : DECODE_BLOCK;
    int64_t step = quads_of(x->D) * SIMD_LANES;
    const float *k[DECODE_BLOCK];
    for (int64_t n = 0; n < DECODE_BLOCK; n++) k[n] = x->k[first + (n < keys ? n : keys - 1)];
    int64_t m = 0;
    for (; m + VECTOR_ROWS < rows; m += 2 * VECTOR_ROWS, q += 2 * step)
        for (int64_t n = 0; n < keys; n += MOST_KEYS / 2)
            score_keys(2, MOST_KEYS / 2, x, q, k + n, scores + m * DECODE_CHUNK + first + n);
    for (; m < rows; m += VECTOR_ROWS, q += step)
        for (int64_t n = 0; n < keys; n += MOST_KEYS)
            score_keys(1, MOST_KEYS, x, q, k + n, scores + m * DECODE_CHUNK + first + n);
}

/* Columns c .. of several rows of O get the weighted values of the block's keys, in order; with a modification, of one
 * row those that it does not mask: their values may be NaN. */
ROW_INLINE void add_values(const int rows, const int vectors, const decode_chunk *x, const float *weights,
                           const float *modification, const float *const *v, int64_t keys, int64_t c, float *const *o)
{
    vec sum[MOST_ROWS][4];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++)
            sum[r][i] = load_part(o[r] + c + i * SIMD_LANES, part_at(x->DV - c, i * SIMD_LANES));
    for (int64_t n = 0; n < keys; n++) {
        if (modification && modification[n] == -INFINITY) continue;
        vec value[4];
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++)
            value[i] = load_part(v[n] + c + i * SIMD_LANES, part_at(x->DV - c, i * SIMD_LANES));
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

ROW_INLINE void add_columns(const int rows, const decode_chunk *x, const float *weights, const float *modification,
                            const float *const *v, int64_t keys, float *const *o)
{
    int64_t c = 0;
    for (; c + MOST_VECTORS * SIMD_LANES <= x->DV; c += MOST_VECTORS * SIMD_LANES)
        add_values(rows, MOST_VECTORS, x, weights, modification, v, keys, c, o);
    for (; c < x->DV; c += SIMD_LANES) add_values(rows, 1, x, weights, modification, v, keys, c, o);
}

static float *row_of(float *rows, int64_t queries, int64_t head, int64_t row, int64_t m)
{
    return rows + m / queries * head + m % queries * row;
}

/* All rows of O get the block's values. */
static void add_block(const decode_chunk *x, int64_t first, const float *weights)
{
    int64_t rows = x->heads * x->queries, keys = x->keys - first < DECODE_BLOCK ? x->keys - first : DECODE_BLOCK, m = 0;
    float *o[DECODE_ROWS + MOST_ROWS];
    for (int64_t r = 0; r < rows; r++) o[r] = row_of(x->o, x->queries, x->o_head, x->o_row, r);
    for (; m + MOST_ROWS <= rows && !x->modification; m += MOST_ROWS)
        add_columns(MOST_ROWS, x, weights + m * DECODE_CHUNK + first, NULL, x->v + first, keys, o + m);
    for (; m < rows; m++) {
        const float *modification = x->modification ? x->modification + m * DECODE_CHUNK + first : NULL;
        add_columns(1, x, weights + m * DECODE_CHUNK + first, modification, x->v + first, keys, o + m);
    }
}

/* The weights of row m; its log-sum-exp is told, its O begun. Returns 1 / sum, what O is yet to be multiplied by. */
static float begin_row(const decode_chunk *x, int64_t m, float *scores)
{
    const float *modification = x->modification ? x->modification + m * DECODE_CHUNK : NULL;
    float largest = modify_row(x->softcap, scores, x->keys, modification, -INFINITY);
    float sum = weigh_row(scores, x->keys, largest), *o = row_of(x->o, x->queries, x->o_head, x->o_row, m);
    for (int64_t c = 0; c < x->DV; c++) o[c] = 0;
    if (x->lse) *row_of(x->lse, x->queries, x->lse_head, x->lse_row, m) = largest + first_lane(vec_log(vec_set1(sum)));
    return sum == 0 ? 0 : 1 / sum;
}

void SIMD_NAMED(decode_chunk)(const decode_chunk *x)
{
    int64_t rows = x->heads * x->queries;
    float *scores = x->scratch + (rows + 3) / 4 * 4 * ((x->D + 3) / 4 * 4), factors[DECODE_ROWS];
    pack_queries(x, x->scratch);
    for (int64_t n = 0; n < x->keys; n += DECODE_BLOCK) score_block(x, x->scratch, n, scores);
    for (int64_t m = 0; m < rows; m++) factors[m] = begin_row(x, m, scores + m * DECODE_CHUNK);
    for (int64_t n = 0; n < x->keys; n += DECODE_BLOCK) add_block(x, n, scores);
    for (int64_t m = 0; m < rows; m++) {
        float *o = row_of(x->o, x->queries, x->o_head, x->o_row, m);
        for (int64_t c = 0; c < x->DV; c++) o[c] *= factors[m];
    }
}
