/* How a block with queries in lanes lies in its scratch (forward_lanes.c); built for one instruction set, like simd.h.
 */
#ifndef KERNELS_LANE_GROUP_H
#define KERNELS_LANE_GROUP_H

#include "kernels/kernels.h"
#include "kernels/simd_math.h"

#include <math.h>

/* Vectors of queries that go through the products together, and how many queries a block is rounded up to; a body whose
 * products are not of vectors says otherwise. */
#ifndef GROUP
#define BLOCK_LANES SIMD_LANES
#if SIMD_REGISTERS >= 32
#define GROUP 4
#else
#define GROUP 2
#endif
#endif

typedef struct lane_group {
    int vectors;   /* of queries */
    int64_t first; /* query */
    float *q, *o, *largest, *sum, *scores;
} lane_group;

static inline int64_t block_vectors(const forward_block *block)
{
    return (block->queries + BLOCK_LANES - 1) / BLOCK_LANES * (BLOCK_LANES / SIMD_LANES);
}

/* The group whose first vector is this one. */
static inline lane_group group_at(const forward_block *block, int64_t vector)
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

/* Weights are powers of 2, of the score times log2 e less the largest so far times log2 e, as that rounds: the same
 * factor for a row's weights, which its sum takes out again. Of a score farther out than this the factor would be more
 * than 2, and soon more than a float holds. */
#define FAR_SCORE 0x1p24f

static inline vmask is_far(vec largest)
{
    const vec size = vec_abs(largest);
    return mask_and(vec_less(vec_set1(FAR_SCORE), size), vec_less(size, vec_set1(INFINITY)));
}

/* What the sum begins with: the sink's own weight, by the factor that rounding gives its keys' weights. */
static inline vec sink_weight(float sink)
{
    const vec score = vec_set1(sink), scale = vec_set1(LOG2_E);
    if (!(fabsf(sink) <= FAR_SCORE)) return vec_set1(forward_sink_sum(sink)); /* or none, or NaN */
    return vec_exp2(vec_fma(score, scale, vec_sub(vec_zero(), vec_mul(score, scale))));
}

/* A group before its first chunk, but for Q. */
static inline void begin_group(const forward_block *block, const lane_group *g)
{
    const float sink = forward_sink(block);
    const vec sum = sink_weight(sink);
    for (int v = 0; v < g->vectors; v++) {
        vec_store(g->largest + v * SIMD_LANES, vec_set1(sink));
        vec_store(g->sum + v * SIMD_LANES, sum);
    }
    for (int64_t c = 0; c < block->DV * g->vectors; c++) vec_store(g->o + c * SIMD_LANES, vec_zero());
}

#endif
