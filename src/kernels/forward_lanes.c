/* Forward attention with queries in lanes. A block's queries are cut into groups of up to GROUP vectors; a group's
 * queries are transposed once, so that each vector holds one dimension of SIMD_LANES queries, and both products are
 *
 *     scores[key][query] += K[key][d] * Q[d][query]        O[c][query] += V[key][c] * weight[key][query]
 *
 * a broadcast of one element of K or V, straight from the caller's rows, against vectors of queries. The softmax
 * between them is vertical. Every sum runs over its dimension or keys in order, one chain for each element, so that the
 * bits depend neither on the tile nor on a query's neighbours.
 *
 * scratch, for each group of `width` lanes: Q [D][width], O [DV][width], largest [width] (of score * log2 e), sum
 * [width]; then one chunk's scores [FORWARD_CHUNK][width], which all groups share.
 *
 * A chunk that is masked goes without the keys at either end that none of the group's queries sees, and through half a
 * group at a time where that leaves out more: along a causal diagonal it saves a quarter of the work. Such keys would
 * change nothing. */
#include "kernels/kernels.h"
#include "kernels/lane_group.h"
#include "kernels/simd.h"
#include "kernels/simd_math.h"

#include <math.h>

extern forward_begin_kernel SIMD_NAMED(forward_lanes_begin);
extern forward_finish_kernel SIMD_NAMED(forward_lanes_finish);

#define LN_2 0x1.62e430p-1f

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
    for (int64_t vector = 0; vector < block_vectors(block); vector += GROUP) {
        lane_group g = group_at(block, vector);
        begin_group(block, &g);
        for (int v = 0; v < g.vectors; v++)
            transpose_queries(block, g.first + v * SIMD_LANES, g.q + v * SIMD_LANES, (int64_t)g.vectors * SIMD_LANES);
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
        vec_store(lse, vec_fma(vec_load(g.largest + lane), vec_set1(LN_2), vec_log(sum)));
        for (int m = 0; m < SIMD_LANES && first + m < block->queries; m++)
            block->lse[(first + m) * block->lse_row] = lse[m];
    }
}
