/* What products of pairs of bf16 with queries in lanes have between them: queries transposed by pairs of dimensions,
 * and scores made pairs of weights. Built for one instruction set, like simd.h. */
#ifndef KERNELS_LANE_PAIRS_H
#define KERNELS_LANE_PAIRS_H

#include "kernels/lane_softmax.h"
#include "kernels/simd_pairs.h"

/* One vector of queries, transposed into q [(D + 1) / 2][width]. */
static inline void transpose_queries(const forward_block *block, int64_t first, float *q, int64_t width)
{
    vec rows[SIMD_LANES];
    for (int64_t d = 0; d < block->D; d += 2 * SIMD_LANES) {
        int numbers = (int)(block->D - d < 2 * SIMD_LANES ? block->D - d : 2 * SIMD_LANES);
        for (int m = 0; m < SIMD_LANES; m++) {
            const bool there = first + m < block->queries;
            pairs x = there ? pairs_load_n(block->q_bf16 + (first + m) * block->q_row + d, numbers) : pairs_set1(0);
            rows[m] = pairs_floats(x);
        }
        vec_transpose(rows);
        for (int c = 0; 2 * c < numbers; c++) vec_store(q + (d / 2 + c) * width, rows[c]);
    }
}

/* The weight of key n, which joins the sum before dropout. */
INLINE vec weigh(const int vectors, const forward_chunk *chunk, const lane_group *g, int64_t n, int v, vec base,
                 int64_t stride, vec *sum)
{
    vec p = vec_exp2_short(vec_fma(vec_load(g->scores + (n * vectors + v) * SIMD_LANES), vec_set1(LOG2_E), base));
    *sum = vec_add(*sum, p);
    if (!chunk->dropout) return p;
    return vec_mul(p, vec_load(chunk->dropout + n * stride + g->first + v * SIMD_LANES));
}

/* The scores of keys n to last - 1, n even, to pairs of weights, in place. An odd one's pair is with 0. */
INLINE void weigh_keys(const int vectors, const forward_chunk *chunk, const lane_group *g, int64_t stride, int64_t n,
                       int64_t last, const vec base[GROUP], vec sum[GROUP])
{
    for (; n + 2 <= last; n += 2) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vec first = weigh(vectors, chunk, g, n, v, base[v], stride, &sum[v]);
            vec second = weigh(vectors, chunk, g, n + 1, v, base[v], stride, &sum[v]);
            pairs_store(g->scores + (n / 2 * vectors + v) * SIMD_LANES, pairs_round(first, second));
        }
    }
    for (int v = 0; v < vectors && n < last; v++) {
        vec only = weigh(vectors, chunk, g, n, v, base[v], stride, &sum[v]);
        pairs_store(g->scores + (n / 2 * vectors + v) * SIMD_LANES, pairs_round(only, vec_zero()));
    }
}

/* Scores to pairs of weights. */
INLINE void weigh_chunk(const int vectors, const forward_block *block, const forward_chunk *chunk, const lane_group *g,
                        const vec most[GROUP], vec shrink[GROUP])
{
    vec base[GROUP], sum[GROUP];
    raise_largest(vectors, g, chunk->keys, most, base, shrink);
    for (int v = 0; v < vectors; v++) sum[v] = vec_zero();
    weigh_keys(vectors, chunk, g, block_vectors(block) * SIMD_LANES, 0, chunk->keys, base, sum);
    add_sums(vectors, g, shrink, sum);
}

#endif
