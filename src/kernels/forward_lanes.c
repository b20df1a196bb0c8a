/* Forward attention with queries in lanes. A block's queries are cut into groups of up to GROUP vectors; a group's
 * queries are transposed once, so that each vector holds one dimension of SIMD_LANES queries, and both products are
 *
 *     scores[key][query] += K[key][d] * Q[d][query]        O[c][query] += V[key][c] * weight[key][query]
 *
 * a broadcast of one element of K or V, straight from the caller's rows, against vectors of queries. The softmax
 * between them is vertical. Every sum runs over its dimension or keys in order, one chain for each element, so that the
 * bits depend neither on the tile nor on a query's neighbours.
 *
 * scratch, for each group of `width` lanes: Q [D][width], O [DV][width], largest [width], sum
 * [width]; then one chunk's scores [FORWARD_CHUNK][width], which all groups share.
 *
 * A chunk that is masked goes without the keys at either end that none of the group's queries sees, and through half a
 * group at a time where that leaves out more: along a causal diagonal it saves a quarter of the work. Such keys would
 * change nothing. */
#include "kernels/lane_finish.h"
#include "kernels/lane_group.h"
#include "kernels/simd_parts.h"

extern forward_begin_kernel SIMD_NAMED(forward_lanes_begin);
extern forward_finish_kernel SIMD_NAMED(forward_lanes_finish);

/* One vector of queries, transposed into q [D][width] and scaled. */
static void transpose_queries(const forward_block *block, int64_t first, float *q, int64_t width)
{
    vec scale = vec_set1(block->scale), rows[SIMD_LANES];
    for (int64_t d = 0; d < block->D; d += SIMD_LANES) {
        int columns = part_at(block->D, d);
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

void SIMD_NAMED(forward_lanes_finish)(const forward_block *block)
{
    for (int64_t vector = 0; vector < block_vectors(block); vector++) {
        lane_group g = group_at(block, vector / GROUP * GROUP);
        const int64_t lane = vector % GROUP * SIMD_LANES;
        finish_vector(block, vector * SIMD_LANES, g.o + lane, g.vectors * SIMD_LANES, g.largest + lane, g.sum + lane);
    }
}
