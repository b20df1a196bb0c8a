/* How a block with queries in lanes lies in its scratch (forward_lanes.c); built for one instruction set, like simd.h.
 */
#ifndef KERNELS_LANE_GROUP_H
#define KERNELS_LANE_GROUP_H

#include "kernels/kernels.h"
#include "kernels/simd_math.h"

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

/* A group before its first chunk, but for Q. */
static inline void begin_group(const forward_block *block, const lane_group *g)
{
    const float sink = forward_sink(block), sum = forward_sink_sum(sink);
    for (int v = 0; v < g->vectors; v++) {
        vec_store(g->largest + v * SIMD_LANES, vec_set1(sink * LOG2_E));
        vec_store(g->sum + v * SIMD_LANES, vec_set1(sum));
    }
    for (int64_t c = 0; c < block->DV * g->vectors; c++) vec_store(g->o + c * SIMD_LANES, vec_zero());
}

#endif
