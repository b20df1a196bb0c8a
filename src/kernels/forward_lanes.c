/* Forward attention with queries in lanes. A block's queries are cut into groups of up to GROUP vectors; a group's
 * queries are transposed once, so that each vector holds one dimension of SIMD_LANES queries, and both products are
 *
 *     scores[key][query] += K[key][d] * Q[d][query]        O[c][query] += V[key][c] * weight[key][query]
 *
 * a broadcast of one element of K or V, straight from the caller's rows, against vectors of queries. The softmax
 * between them is vertical. Every sum runs over its dimension or keys in order, one chain for each element, so that the
 * bits depend neither on the tile nor on a query's neighbours.
 *
 * scratch, for each group of `width` lanes: Q [D][width], O [DV][width], largest [width], sum [width]; then one
 * chunk's scores [FORWARD_CHUNK][width], which all groups share. */
#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/simd_math.h"

#include <math.h>

extern forward_begin_kernel SIMD_NAMED(forward_lanes_begin);
extern forward_step_kernel SIMD_NAMED(forward_lanes_step);
extern forward_finish_kernel SIMD_NAMED(forward_lanes_finish);

#define INLINE static inline __attribute__((always_inline))

/* A register tile holds ROWS(vectors) keys (or columns of V) of `vectors` vectors of queries: as many sums as leave
 * room for the queries' vectors and one broadcast. */
#if SIMD_REGISTERS >= 32
#define GROUP 4
#define ROWS(vectors) ((vectors) == 4 ? 6 : 8)
#else
#define GROUP 2
#define ROWS(vectors) ((vectors) == 2 ? 6 : 8)
#endif
#define MOST_ROWS 8

typedef struct lane_group {
    int vectors;
    int64_t first; /* query */
    float *q, *o, *largest, *sum, *scores;
} lane_group;

static int64_t block_vectors(const forward_block *block)
{
    return (block->queries + SIMD_LANES - 1) / SIMD_LANES;
}

static lane_group group_at(const forward_block *block, int64_t vector)
{
    int64_t vectors = block_vectors(block), lanes = vectors * SIMD_LANES, first = vector * SIMD_LANES;
    float *q = block->scratch, *o = q + lanes * block->D, *largest = o + lanes * block->DV, *sum = largest + lanes;
    return (lane_group){
        .vectors = (int)(vectors - vector < GROUP ? vectors - vector : GROUP),
        .first = first,
        .q = q + first * block->D,
        .o = o + first * block->DV,
        .largest = largest + first,
        .sum = sum + first,
        .scores = sum + lanes,
    };
}

/* One vector of queries, transposed into q [D][width] and scaled. */
static void transpose_queries(const forward_block *block, int64_t first, float *q, int64_t width)
{
    vec scale = vec_set1(block->scale), rows[SIMD_LANES];
    for (int64_t d = 0; d < block->D; d += SIMD_LANES) {
        int columns = (int)(block->D - d < SIMD_LANES ? block->D - d : SIMD_LANES);
        for (int m = 0; m < SIMD_LANES; m++)
            rows[m] = first + m < block->queries ? vec_load_n(block->q + (first + m) * block->q_row + d, columns)
                                                 : vec_zero();
        vec_transpose(rows);
        for (int c = 0; c < columns; c++) vec_store(q + (d + c) * width, vec_mul(rows[c], scale));
    }
}

void SIMD_NAMED(forward_lanes_begin)(const forward_block *block)
{
    int64_t vectors = block_vectors(block);
    for (int64_t vector = 0; vector < vectors; vector += GROUP) {
        lane_group g = group_at(block, vector);
        int64_t width = g.vectors * SIMD_LANES;
        for (int v = 0; v < g.vectors; v++) {
            transpose_queries(block, g.first + v * SIMD_LANES, g.q + v * SIMD_LANES, width);
            vec_store(g.largest + v * SIMD_LANES, vec_set1(-INFINITY));
            vec_store(g.sum + v * SIMD_LANES, vec_zero());
        }
        for (int64_t c = 0; c < block->DV * width; c += SIMD_LANES) vec_store(g.o + c, vec_zero());
    }
}

/* sum[row][v] += a[row * a_row + x * a_step] * b[x][v] for x in 0 .. length - 1, in order. */
INLINE void multiply_tile(const int rows, const int vectors, const float *a, int64_t a_row, int64_t a_step,
                          const float *b, int64_t length, vec sum[MOST_ROWS][GROUP])
{
    for (int64_t x = 0; x < length; x++) {
        vec lane[GROUP];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) lane[v] = vec_load(b + v * SIMD_LANES);
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
            vec factor = vec_set1(a[row * a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) sum[row][v] = vec_fma(factor, lane[v], sum[row][v]);
        }
        a += a_step;
        b += vectors * SIMD_LANES;
    }
}

/* Scores of `rows` keys, their largest into most. */
INLINE void score_tile(const int rows, const int vectors, const float *k, int64_t k_row, const float *q, int64_t D,
                       float *scores, vec most[GROUP])
{
    vec sum[MOST_ROWS][GROUP];
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[row][v] = vec_zero();
    multiply_tile(rows, vectors, k, k_row, 1, q, D, sum);
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vec_store(scores + (row * vectors + v) * SIMD_LANES, sum[row][v]);
            most[v] = vec_max(sum[row][v], most[v]); /* a NaN is passed over here and found by its weight */
        }
}

/* How many rows the next tile takes of those left: whole tiles, then two halves rather than a whole and a sliver. */
INLINE int64_t next_rows(const int whole, int64_t left)
{
    return left >= 2 * whole ? whole : left > whole ? (left + 1) / 2 : left;
}

INLINE void score_chunk(const int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g,
                        vec most[GROUP])
{
    int64_t take;
    for (int64_t n = 0; n < chunk->keys; n += take) {
        take = next_rows(ROWS(vectors), chunk->keys - n);
        const float *k = chunk->k + n * chunk->k_row;
        float *scores = g->scores + n * vectors * SIMD_LANES;
        int64_t row = chunk->k_row, D = block->D;
        switch (take) {
        case 1:
            score_tile(1, vectors, k, row, g->q, D, scores, most);
            break;
        case 2:
            score_tile(2, vectors, k, row, g->q, D, scores, most);
            break;
        case 3:
            score_tile(3, vectors, k, row, g->q, D, scores, most);
            break;
        case 4:
            score_tile(4, vectors, k, row, g->q, D, scores, most);
            break;
        case 5:
            score_tile(5, vectors, k, row, g->q, D, scores, most);
            break;
        case 6:
            score_tile(6, vectors, k, row, g->q, D, scores, most);
            break;
        case 7:
            if (ROWS(vectors) >= 7) score_tile(7, vectors, k, row, g->q, D, scores, most);
            break;
        default:
            if (ROWS(vectors) >= 8) score_tile(8, vectors, k, row, g->q, D, scores, most);
            break;
        }
    }
}

/* Caps the scores, adds the modification, masks; the largest of what is left into most. */
INLINE void modify_chunk(const int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g,
                         vec most[GROUP])
{
    int64_t stride = block_vectors(block) * SIMD_LANES;
    vec masked = vec_set1(-INFINITY), cap = vec_set1(block->softcap);
    for (int v = 0; v < vectors; v++) most[v] = masked;
    for (int64_t n = 0; n < chunk->keys; n++) {
        for (int v = 0; v < vectors; v++) {
            float *at = g->scores + (n * vectors + v) * SIMD_LANES;
            vec s = vec_load(at);
            if (block->softcap > 0) s = vec_mul(cap, vec_tanh(vec_div(s, cap)));
            if (chunk->modification) {
                vec change = vec_load(chunk->modification + n * stride + g->first + v * SIMD_LANES);
                s = vec_select(vec_equal(change, masked), masked, vec_add(s, change));
            }
            vec_store(at, s);
            most[v] = vec_max(s, most[v]);
        }
    }
}

/* Scores to weights exp(score - largest), and their sum; what sum and O so far must be multiplied by into shrink. */
INLINE void weigh_chunk(const int vectors, const forward_chunk *chunk, const lane_group *g, const vec most[GROUP],
                        vec shrink[GROUP])
{
    vec base[GROUP], sum[GROUP], none = vec_set1(-INFINITY);
    for (int v = 0; v < vectors; v++) {
        vec before = vec_load(g->largest + v * SIMD_LANES), largest = vec_max(most[v], before);
        /* A row without any key yet has largest -inf, and -inf - -inf is NaN. */
        base[v] = vec_select(vec_equal(largest, none), vec_zero(), largest);
        shrink[v] = vec_exp(vec_sub(before, base[v]));
        vec_store(g->largest + v * SIMD_LANES, largest);
        sum[v] = vec_zero();
    }
    for (int64_t n = 0; n < chunk->keys; n++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            float *at = g->scores + (n * vectors + v) * SIMD_LANES;
            vec p = vec_exp(vec_sub(vec_load(at), base[v]));
            vec_store(at, p);
            sum[v] = vec_add(sum[v], p);
        }
    }
    for (int v = 0; v < vectors; v++) {
        float *at = g->sum + v * SIMD_LANES;
        vec_store(at, vec_fma(vec_load(at), shrink[v], sum[v]));
    }
}

/* Dropout, after the sum was taken. */
INLINE void drop_chunk(const int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    int64_t stride = block_vectors(block) * SIMD_LANES;
    for (int64_t n = 0; n < chunk->keys; n++) {
        for (int v = 0; v < vectors; v++) {
            float *at = g->scores + (n * vectors + v) * SIMD_LANES;
            vec factor = vec_load(chunk->dropout + n * stride + g->first + v * SIMD_LANES);
            vec_store(at, vec_mul(vec_load(at), factor));
        }
    }
}

/* `rows` columns of O: shrunk, then the chunk's weighted values added. */
INLINE void value_tile(const int rows, const int vectors, const forward_chunk *chunk, int64_t c, const lane_group *g,
                       const vec shrink[GROUP])
{
    vec sum[MOST_ROWS][GROUP];
    float *o = g->o + c * vectors * SIMD_LANES;
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[row][v] = vec_mul(vec_load(o + (row * vectors + v) * SIMD_LANES), shrink[v]);
    multiply_tile(rows, vectors, chunk->v + c, 1, chunk->v_row, g->scores, chunk->keys, sum);
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) vec_store(o + (row * vectors + v) * SIMD_LANES, sum[row][v]);
}

INLINE void value_chunk(const int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g,
                        const vec shrink[GROUP])
{
    int64_t take;
    for (int64_t c = 0; c < block->DV; c += take) {
        take = next_rows(ROWS(vectors), block->DV - c);
        switch (take) {
        case 1:
            value_tile(1, vectors, chunk, c, g, shrink);
            break;
        case 2:
            value_tile(2, vectors, chunk, c, g, shrink);
            break;
        case 3:
            value_tile(3, vectors, chunk, c, g, shrink);
            break;
        case 4:
            value_tile(4, vectors, chunk, c, g, shrink);
            break;
        case 5:
            value_tile(5, vectors, chunk, c, g, shrink);
            break;
        case 6:
            value_tile(6, vectors, chunk, c, g, shrink);
            break;
        case 7:
            if (ROWS(vectors) >= 7) value_tile(7, vectors, chunk, c, g, shrink);
            break;
        default:
            if (ROWS(vectors) >= 8) value_tile(8, vectors, chunk, c, g, shrink);
            break;
        }
    }
}

/* Whether all of the chunk's values are finite. */
static bool values_are_finite(const forward_block *block, const forward_chunk *chunk)
{
    vec nothing = vec_zero();
    for (int64_t n = 0; n < chunk->keys; n++) {
        const float *v = chunk->v + n * chunk->v_row;
        for (int64_t c = 0; c < block->DV; c += SIMD_LANES) {
            vec x = vec_load_n(v + c, (int)(block->DV - c < SIMD_LANES ? block->DV - c : SIMD_LANES));
            nothing = vec_add(nothing, vec_sub(x, x));
        }
    }
    return vec_sum(nothing) == 0;
}

/* value_chunk where a masked key's value may be NaN or infinite, which a weight of 0 would not silence: such a pair is
 * passed over. The same sums in the same order otherwise. */
static void value_chunk_selected(int vectors, const forward_block *block, const forward_chunk *chunk,
                                 const lane_group *g, const vec shrink[GROUP])
{
    int64_t stride = block_vectors(block) * SIMD_LANES;
    vec masked = vec_set1(-INFINITY);
    for (int64_t c = 0; c < block->DV; c++) {
        for (int v = 0; v < vectors; v++) {
            float *o = g->o + (c * vectors + v) * SIMD_LANES;
            vec sum = vec_mul(vec_load(o), shrink[v]);
            for (int64_t n = 0; n < chunk->keys; n++) {
                vec change = vec_load(chunk->modification + n * stride + g->first + v * SIMD_LANES);
                vec weight = vec_load(g->scores + (n * vectors + v) * SIMD_LANES);
                vec next = vec_fma(vec_set1(chunk->v[n * chunk->v_row + c]), weight, sum);
                sum = vec_select(vec_equal(change, masked), sum, next);
            }
            vec_store(o, sum);
        }
    }
}

INLINE void step_group(const int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g,
                       bool finite)
{
    vec most[GROUP], shrink[GROUP];
    for (int v = 0; v < vectors; v++) most[v] = vec_set1(-INFINITY);
    score_chunk(vectors, block, chunk, g, most);
    if (chunk->modification || block->softcap > 0) modify_chunk(vectors, block, chunk, g, most);
    weigh_chunk(vectors, chunk, g, most, shrink);
    if (chunk->dropout) drop_chunk(vectors, block, chunk, g);
    if (finite)
        value_chunk(vectors, block, chunk, g, shrink);
    else
        value_chunk_selected(vectors, block, chunk, g, shrink);
}

void SIMD_NAMED(forward_lanes_step)(const forward_block *block, const forward_chunk *chunk)
{
    bool finite = !chunk->modification || values_are_finite(block, chunk);
    int64_t vectors = block_vectors(block);
    for (int64_t vector = 0; vector < vectors; vector += GROUP) {
        lane_group g = group_at(block, vector);
        switch (g.vectors) {
        case 1:
            step_group(1, block, chunk, &g, finite);
            break;
        case 2:
            step_group(2, block, chunk, &g, finite);
            break;
#if GROUP > 2
        case 3:
            step_group(3, block, chunk, &g, finite);
            break;
        default:
            step_group(4, block, chunk, &g, finite);
            break;
#endif
        }
    }
}

/* One vector of queries' rows of O from o [DV][width], each divided by its sum. */
static void write_rows(const forward_block *block, int64_t first, const float *o, int64_t width, vec factor)
{
    vec rows[SIMD_LANES];
    for (int64_t c = 0; c < block->DV; c += SIMD_LANES) {
        int columns = (int)(block->DV - c < SIMD_LANES ? block->DV - c : SIMD_LANES);
        for (int n = 0; n < SIMD_LANES; n++)
            rows[n] = n < columns ? vec_mul(vec_load(o + (c + n) * width), factor) : vec_zero();
        vec_transpose(rows);
        for (int m = 0; m < SIMD_LANES && first + m < block->queries; m++)
            vec_store_n(block->o + (first + m) * block->o_row + c, rows[m], columns);
    }
}

void SIMD_NAMED(forward_lanes_finish)(const forward_block *block)
{
    int64_t vectors = block_vectors(block);
    for (int64_t vector = 0; vector < vectors; vector++) {
        lane_group g = group_at(block, vector / GROUP * GROUP);
        int64_t lane = vector % GROUP * SIMD_LANES, first = vector * SIMD_LANES;
        vec sum = vec_load(g.sum + lane), zero = vec_zero();
        vec factor = vec_select(vec_equal(sum, zero), zero, vec_div(vec_set1(1.0f), sum));
        write_rows(block, first, g.o + lane, g.vectors * SIMD_LANES, factor);
        if (!block->lse) continue;
        float lse[SIMD_LANES];
        vec_store(lse, vec_add(vec_load(g.largest + lane), vec_log(sum)));
        for (int m = 0; m < SIMD_LANES && first + m < block->queries; m++)
            block->lse[(first + m) * block->lse_row] = lse[m];
    }
}
